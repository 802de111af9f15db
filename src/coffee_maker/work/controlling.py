"""What people ask of the daemons, through the store: asked here, heard there, on whichever side of a container wall."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from coffee_maker.core.errors import AlreadyOver, ItemInHand, NoDaemon, Refusal
from coffee_maker.core.items import Status
from coffee_maker.core.records import Control, Entry
from coffee_maker.work.asking import put_alerts_aside, take_back
from coffee_maker.work.job import END
from coffee_maker.work.standing import Gone, alive, claims_of_the_living

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coffee_maker.core.ports import Clock, Store
    from coffee_maker.core.records import Heartbeat
    from coffee_maker.work.daemon import Daemon
    from coffee_maker.work.editing import Editing
    from coffee_maker.work.job import Desk


# --- the daemon's side -------------------------------------------------------------------------------------------


class Controls:
    """Hears what is asked, does it and says so."""

    def __init__(self, desk: Desk, daemon: Daemon, *, end: Callable[[], None] | None = None) -> None:
        self._desk = desk
        self._daemon = daemon
        self._end = end or (lambda: os._exit(1))
        self._heard = 0

    def begin(self) -> None:
        """What was asked before this daemon was there is not for it, but for a pause that stands."""
        with self._desk.store.reading() as tx:
            self._heard = tx.controls.newest()
            paused = tx.controls.paused()
        self._pause(paused)

    def hear(self) -> None:
        """Do what was asked since; a database that is busy now is asked again in the next round."""
        try:
            with self._desk.store.reading() as tx:
                asked = tx.controls.since(self._heard)
        except Refusal:
            return
        for control in asked:
            if control.daemon in (None, self._desk.owner):
                outcome = self._do(control)
                if outcome is not None:
                    self._reply(control, outcome)
                if control.kind == "stop" and control.how == "force":
                    self._end()
            self._heard = control.id

    def _reply(self, control: Control, outcome: str) -> None:
        """A reply that a busy database does not take is left out: what was asked has been done."""
        with suppress(Refusal), self._desk.store.writing() as tx:
            tx.controls.reply(control.id, self._desk.owner, outcome, self._desk.clock.now())

    def _do(self, control: Control) -> str | None:
        who = f"{control.asked_by}{': ' + control.reason if control.reason else ''}"
        if control.kind == "stop":
            self._desk.tell(f"asked to stop by {who}")
            if control.how == "force":
                return "killed"
            self._daemon.stop(f"stopped by {who}", after_items=control.how == "after-item")
            return "stopping"
        if control.kind in ("pause", "resume"):
            self._pause(control if control.kind == "pause" else None)
            return "paused" if control.kind == "pause" else "resumed"
        if control.item is None:
            return None
        if control.kind == "skip":
            return "leaving it" if self._daemon.skip(control.item, f"skipped by {who}") else None
        self._daemon.again(control.item)
        return None

    def _pause(self, control: Control | None) -> None:
        before = self._daemon.paused
        self._daemon.pause(f"paused by {control.asked_by}" if control else None)
        if self._daemon.paused != before:
            self._desk.tell(self._daemon.paused or "going on")


# --- the person's side -------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """What was asked, and what came back."""

    control: Control
    replies: Mapping[str, str]  # daemon -> what it made of it
    gone: tuple[str, ...] = ()  # daemons that have ended since


class Controlling:
    """The operations on the daemons of a project."""

    def __init__(self, store: Store, clock: Clock, editing: Editing, gone: Gone = lambda _beat: False) -> None:
        self._gone = gone
        self._store = store
        self._clock = clock
        self._editing = editing

    def daemons(self) -> Sequence[Heartbeat]:
        """Those that are alive."""
        with self._store.reading() as tx:
            beats, now = tx.heartbeats.all(), self._clock.now()
        return [beat for beat in beats if alive(beat, now, self._gone)]

    def ask(self, control: Control) -> int:
        with self._store.writing() as tx:
            return tx.controls.ask(control, self._clock.now())

    def stop(
        self, control: Control, *, patience: float, tell: Callable[[Sequence[str]], None] = lambda _left: None
    ) -> Asked:
        """Ask them to stop, and wait until they are gone or `patience` seconds are over."""
        asked = [beat.daemon for beat in self.daemons() if control.daemon in (None, beat.daemon)]
        if not asked:
            raise NoDaemon()
        number = self.ask(control)
        gone = self._wait(asked, patience, tell)
        with self._store.reading() as tx:
            return Asked(control._replace(id=number), tx.controls.replies(number), gone)

    def _wait(self, asked: Sequence[str], patience: float, tell: Callable[[Sequence[str]], None]) -> tuple[str, ...]:
        until = self._clock.now().timestamp() + patience
        told: list[str] = []
        with self._store.wakeup() as wakeup:
            while True:
                here = {beat.daemon for beat in self.daemons()}
                left = [name for name in asked if name in here]
                if left != told:
                    told = left
                    tell(left)
                seconds = until - self._clock.now().timestamp()
                if not left or seconds <= 0:
                    return tuple(name for name in asked if name not in left)
                wakeup.wait(min(seconds, 1.0))

    def skip(self, key: str, *, by: str, reason: str | None) -> Asked:
        """Leave the item alone until `retry`; a daemon that has it in hand leaves it. One that a daemon began which is
        gone is planned again: else it would be in progress with nobody at it."""
        from coffee_maker.work.pipeline import set_by_a_daemon

        item = self._editing.reconcile().item(key)
        if item.status in (Status.COMPLETE, Status.CANCELLED):
            raise AlreadyOver(item=item.key, status=item.status.value)
        control = Control("skip", by, item=item.key, reason=reason)
        with self._store.writing() as tx:
            number = tx.controls.ask(control, self._clock.now())
            held = {claim.item for claim in claims_of_the_living(tx, self._clock.now(), self._gone)}
            begun = item.key in tx.journal.unfinished() and set_by_a_daemon(tx, item.key)
        if item.status is Status.IN_PROGRESS and begun and item.key not in held:
            self._editing.set_status(item.key, Status.PLANNED, by=by, reason=control.words)
        return Asked(control._replace(id=number), {})

    def retry(self, key: str, *, by: str, reason: str | None) -> Asked:
        """Let the item be taken up anew: it is planned, its old pipeline is closed, no skip stands against it."""
        document = self._editing.reconcile()
        item = document.item(key)
        if item.status in (Status.COMPLETE, Status.CANCELLED):
            raise AlreadyOver(item=item.key, status=item.status.value)
        control = Control("retry", by, item=item.key, reason=reason)
        with self._store.writing() as tx:
            now = self._clock.now()
            for claim in claims_of_the_living(tx, now, self._gone):
                if claim.item == item.key:
                    raise ItemInHand(item=item.key, owner=claim.owner)
            pipeline = tx.journal.unfinished().get(item.key)
            if pipeline is not None:
                tx.journal.record(Entry(item.key, pipeline, END, {"outcome": "retried", "by": by}, pipeline, now))
                take_back(tx, item.key, pipeline, by=by, at=now)
            put_alerts_aside(tx, item.key, by=by, at=now)
            number = tx.controls.ask(control, now)
        if item.status is not Status.PLANNED:
            self._editing.set_status(item.key, Status.PLANNED, by=by, reason=reason or "to be tried again")
        return Asked(control._replace(id=number), {})
