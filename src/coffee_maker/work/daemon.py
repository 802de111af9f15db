"""The daemon's loop: hear what is asked of it, take up what a dead daemon left, else the next planned item.

Each item in hand has a thread. So many agents run at a time as there are places; an item that waits for a person or for
a time holds none, so the daemon goes on with others that do not depend on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from coffee_maker.core.choosing import Choice, choose
from coffee_maker.core.errors import AgentUnusable, Refusal, RepositoryBusy
from coffee_maker.core.items import Item, Status
from coffee_maker.core.records import Entry
from coffee_maker.work import accounts, ceilings, pipeline, space
from coffee_maker.work.asking import take_back
from coffee_maker.work.controlling import Controls
from coffee_maker.work.job import END, MOOT, REPORT, Desk, Job, Slots
from coffee_maker.work.pipeline import Done
from coffee_maker.work.supervisor import GLANCE, Shown, Supervisor, glance

if TYPE_CHECKING:
    from coffee_maker.core.document import Document
    from coffee_maker.core.ports import System, Wakeup
    from coffee_maker.core.records import Heartbeat
    from coffee_maker.core.state import Claim

_FORGET_AFTER = timedelta(days=1)  # a daemon that was silent for so long
_REFUSED_FOR = timedelta(seconds=30)  # an item whose beginning was refused is looked at again after this


class _Next(NamedTuple):
    """The item to take up now."""

    item: Item
    text: str
    resumed: bool


class Daemon:
    """One daemon process on one project."""

    def __init__(self, desk: Desk, system: System, *, poll: timedelta = timedelta(seconds=2)) -> None:
        self._desk = desk
        self._poll = poll.total_seconds()
        self._supervisor = Supervisor(
            desk.store, desk.messages, desk.clock, owner=desk.owner, system=system, lease=desk.options.lease
        )
        self._supervisor.shown = self._shown
        self._controls = Controls(desk, self)
        self._slots = Slots(desk.options.parallel)
        self._jobs: list[Job] = []  # replaced as a whole, under the lock
        self._changing = threading.Lock()
        self._done: list[Done] = []
        self._refused: dict[str, tuple[datetime, Refusal]] = {}
        self._left: dict[str, str] = {}
        self._woken = threading.Event()
        self._seen: Document | None = None
        self._stamp: object = None
        self._in_vain: object = None  # what was looked at when nothing could be taken up: the same again gives the same
        self._told: str | None = None
        self.paused: str | None = None
        self.last: str | None = None  # why it ends when the items in hand are done

    # --- what others may call, from any thread

    def stop(self, reason: str, *, after_items: bool = False) -> None:
        """Ask the daemon to end: at once (agents are ended, their items planned again) or when the items in hand are
        done. May be called from a signal handler: it waits for no lock, which the thread that it interrupts may hold,
        so it sets no event. Whoever rests looks within `GLANCE`."""
        if after_items:
            self.last = self.last or reason
            for job in self._jobs:
                if "begin" not in job.results:  # it may wait for days to be approved; its question stays
                    job.ending.set(reason)
        else:
            self._supervisor.sign.set(reason)
        self._supervisor.beat_soon()  # whoever asked looks at the status to see whether it was heard

    def ending_for(self) -> float:
        """The seconds since it was told to end at once; 0 when it was not."""
        return self._supervisor.sign.seconds()

    def pause(self, reason: str | None) -> None:
        """Take nothing new up, or go on."""
        self.paused = reason
        self._supervisor.beat_soon()

    def skip(self, key: str, reason: str) -> bool:
        """Leave an item that is in hand; whether it was."""
        found = [job for job in self._jobs if job.key == key]
        for job in found:
            job.skip.set(reason)
        return bool(found)

    # --- the loop

    def run(self, *, once: bool = False) -> list[Done]:
        """Work until stopped, or on one item; what was taken up. Raises a refusal when it cannot work here at all."""
        self._check()
        self._controls.begin()
        here = self._desk.presence.here(self._desk.owner)
        with here, self._supervisor, self._desk.store.wakeup() as wakeup:
            try:
                while self._supervisor.sign.requested() is None:
                    self._controls.hear()
                    took = self._round(once=once)
                    if not took and not self._jobs and (once or self.last is not None):
                        break
                    if not took:
                        self._rest(wakeup)
            except BaseException as error:
                self._supervisor.sign.set(f"the daemon failed: {error}")  # nobody would hear what is asked of the jobs
                raise
            finally:
                self._wait_for_jobs()
            self._raise_refusal(once)
        return self._done

    def _wait_for_jobs(self) -> None:
        """What is asked is heard meanwhile: who asked to stop, and waits for a step that takes long, may ask harder."""
        self._supervisor.beat()
        reason = self._supervisor.sign.requested()
        if reason is not None and self._jobs:
            more = "; Ctrl-C again leaves it as it is, for the next daemon" if "SIGINT" in reason else ""
            self._desk.tell(f"ending what is in hand: {', '.join(job.key for job in self._jobs)}{more}")
        for thread in list(self._threads()):
            while thread.is_alive():
                self._supervisor.guarded(self._controls.hear)  # a failure of it must not cut the wait short
                thread.join(timeout=GLANCE)

    def _threads(self) -> Iterator[threading.Thread]:
        return (thread for thread in threading.enumerate() if thread.name.startswith(f"job {id(self)}"))

    def _raise_refusal(self, once: bool) -> None:
        """With `once` the refusal that kept the one item from being begun is the caller's to hear."""
        if once and not self._done and self._refused:
            _at, refusal = next(iter(self._refused.values()))
            raise refusal

    def _check(self) -> None:
        desk = self._desk
        desk.editing.check_ours()
        for agent in filter(None, (desk.agent, desk.tests)):
            problem = agent.check()
            if problem:
                raise AgentUnusable(agent=agent.name, problem=problem)
        with suppress(RepositoryBusy):  # that passes; it is looked at again before each item
            desk.repository.check()

    def _rest(self, wakeup: Wakeup) -> None:
        """Sleep until something was committed, a job has changed, the file is another one, or it is time to look."""
        until = time.monotonic() + self._poll
        while (left := until - time.monotonic()) > 0:
            if glance(wakeup, min(left, GLANCE), self._woken) or self._woken.is_set():
                break
            if self._supervisor.sign.requested() is not None or self._desk.editing.stamp() != self._stamp:
                break
        self._woken.clear()

    def _round(self, *, once: bool) -> bool:
        """Take up one item if there is room and one is ready; whether it did. A refusal that may pass is told, and
        looked at again later."""
        if self.paused or self.last or not self._room() or (once and (self._jobs or self._done or self._refused)):
            return False
        try:
            return self._take_up(once)
        except Refusal as refusal:
            if once:
                raise
            self._say(f"{refusal.message} {refusal.hint}".strip())
            return False

    def _room(self) -> bool:
        """At most as many at work as there are places, and so many more that wait."""
        options, waiting = self._desk.options, sum(job.idle for job in self._jobs)
        return len(self._jobs) - waiting < options.parallel and waiting < options.waiting

    def _take_up(self, once: bool) -> bool:
        document = self._document()
        closed = ceilings.today(self._desk).over
        if closed:
            self._say(closed)
            self.last = self.last or (closed if once else None)
            return False
        for following in self._candidates(document):
            self._desk.repository.check()
            space.check(self._desk.options)
            with self._desk.store.runs():
                pass  # where runs cannot be recorded every item would fail, one after the other
            taken = pipeline.claim(self._desk, following.item)
            if taken is not None:
                self._start(following, taken)
            return True  # one that was claimed or changed since we looked: look again
        if once and not self._jobs:
            self.last = "there is nothing to do"
        return False

    def _document(self) -> Document:
        """The roadmap; when it has changed since the last look, what was changed outside is recorded first."""
        self._stamp = self._desk.editing.stamp()
        document = self._desk.editing.read()
        if self._seen is None or document.digest != self._seen.digest:
            self._seen = self._desk.editing.reconcile()
            self._desk.publish()
        return self._seen  # what was read of it need not be read again

    def _candidates(self, document: Document) -> Iterator[_Next]:
        """What a dead daemon left, then what is planned and ready."""
        self._bury()
        now = self._desk.clock.now()
        with self._desk.store.reading() as tx:
            unfinished = tx.journal.unfinished()
            skipped = {key: one.words for key, one in tx.controls.skipped().items()}
            live = tx.claims.held(now)
            reported = {key for key in unfinished if any(one.step == REPORT for one in tx.journal.newest(key))}
        left = self._left | skipped | self._refused_lately(now)
        looked_at = (document, unfinished, live, left, len(self._jobs))
        if looked_at == self._in_vain:
            return
        self._in_vain = None
        held = {claim.item for claim in live} | {job.key for job in self._jobs}
        theirs = self._taken_over(document, unfinished, held | reported)
        self._close_orphans(document, unfinished, held | reported, theirs)
        yield from self._abandoned(document, unfinished, reported, held | left.keys() | theirs)
        choice = choose(document.items, live, left)
        if choice.item is not None:
            yield _Next(choice.item, document.text_of(choice.item), resumed=choice.item.key in unfinished)
        elif not self._jobs:
            elsewhere = [claim for claim in live if claim.item in unfinished]
            self._say(_elsewhere(elsewhere) if elsewhere else _nothing(choice))
            self._in_vain = looked_at

    def _abandoned(
        self, document: Document, unfinished: Mapping[str, int], reported: Set[str], held: Set[str]
    ) -> Iterator[_Next]:
        """Items in progress whose pipeline is open and that no daemon holds, and those whose status was reported and
        nobody was told. What is in progress without that is a person's own."""
        for item in document.items:
            open_one = item.status is Status.IN_PROGRESS or item.key in reported
            if open_one and item.key in unfinished and item.key not in held:
                yield _Next(item, document.text_of(item), resumed=True)

    def _taken_over(self, document: Document, unfinished: Mapping[str, int], held: Set[str]) -> set[str]:
        """Items with an open pipeline that a person has set in progress since a daemon put them back."""
        found = {one.key for one in document.items if one.status is Status.IN_PROGRESS and one.key in unfinished} - held
        if not found:
            return set()
        with self._desk.store.reading() as tx:
            return {key for key in found if not pipeline.set_by_a_daemon(tx, key)}

    def _bury(self) -> None:
        """Give back the claims of daemons on this very kernel that are certainly gone: nobody has to wait until their
        leases run out. Another kernel's locks say nothing here. What nobody has heard of for long is forgotten."""
        now = self._desk.clock.now()
        with self._desk.store.reading() as tx:
            beats, held = tx.heartbeats.all(), tx.claims.held(now)
        gone = {beat.daemon for beat in beats if beat.daemon != self._desk.owner and self._is_gone(beat, now)}
        if not gone:
            return
        left = [claim for claim in held if claim.owner in gone]
        with self._desk.store.writing() as tx:
            for claim in left:
                tx.claims.release(claim)
            for name in gone:
                tx.heartbeats.forget(name)
        for name in gone:
            self._desk.presence.forget(name)
        for claim in left:
            self._desk.tell(f"{claim.item}: {claim.owner} is gone", item=claim.item, level="warning")

    def _is_gone(self, beat: Heartbeat, now: datetime) -> bool:
        local = beat.boot_id == self._supervisor.boot_id
        return now - beat.at > _FORGET_AFTER or (local and self._desk.presence.gone(beat.daemon))

    def _close_orphans(
        self, document: Document, unfinished: Mapping[str, int], held: Set[str], theirs: Set[str]
    ) -> None:
        """Close the pipelines of items that a person has taken to another status, or removed, while nobody had them in
        hand: when such an item is planned again one day, it begins anew."""
        open_ones = {item.key for item in document.items if item.status in (Status.PLANNED, Status.IN_PROGRESS)}
        orphans = (unfinished.keys() - open_ones - held) | theirs
        if not orphans:
            return
        with self._desk.store.writing() as tx:
            now = self._desk.clock.now()
            taken = {claim.item for claim in tx.claims.held(now)}
            for key in sorted(orphans - taken):
                pipeline_id = unfinished[key]
                tx.journal.record(Entry(key, pipeline_id, END, {"outcome": "left"}, pipeline_id, now))
                take_back(tx, key, pipeline_id, by=self._desk.owner, at=now)
        for key in sorted(orphans - taken):
            accounts.close_left_open(self._desk, key, lambda _run: False)
            self._desk.tell(f"{key}: left as it is, for a person has changed it meanwhile", item=key)

    def _refused_lately(self, now: datetime) -> dict[str, str]:
        lately = {key: one for key, one in self._refused.items() if now - one[0] < _REFUSED_FOR}
        return {key: one[1].message for key, one in lately.items()}

    def _say(self, words: str) -> None:
        """Tell, unless it was the last thing told."""
        if words != self._told:
            self._told = words
            self._desk.tell(words)
            self._supervisor.beat_soon()

    # --- one item

    def _start(self, following: _Next, taken: pipeline.Taken) -> None:
        self._told = None
        again = ", taken up again where it was left" if following.resumed else ""
        self._desk.tell(f"{following.item.key}: {following.item.title}{again}", item=following.item.key)
        name = f"job {id(self)} {following.item.key}"
        ready = threading.Event()
        work = lambda: self._work_on(following, taken, ready)  # noqa: E731
        threading.Thread(target=self._supervisor.guarded, args=(work,), name=name, daemon=True).start()
        ready.wait()

    def _work_on(self, following: _Next, taken: pipeline.Taken, ready: threading.Event) -> None:
        key = following.item.key
        try:
            with self._supervisor.holding(taken.claim) as hold:
                job = pipeline.job_of(self._desk, following.item, following.text, taken, hold, self._slots)
                job.changed, job.noticed = self._changed, self._supervisor.beat_soon
                with self._changing:
                    self._jobs = [*self._jobs, job]
                ready.set()
                try:
                    done = pipeline.run(job)
                except Refusal as refusal:
                    self._refused[key] = (self._desk.clock.now(), refusal)
                    self._desk.tell(f"{key}: {refusal.message} {refusal.hint}".strip(), item=key, level="warning")
                else:
                    self._done.append(done)
                    if done.outcome == "skipped" and done.reason not in MOOT:
                        self._left[key] = f"left alone: {done.reason}"
        finally:
            ready.set()
            with self._changing:
                self._jobs = [job for job in self._jobs if job.key != key]
            self._changed()

    def _changed(self) -> None:
        self._supervisor.beat()
        self._woken.set()

    def again(self, key: str) -> None:
        """A person wants it tried again: what this daemon had left alone it may take up."""
        self._left.pop(key, None)
        self._refused.pop(key, None)
        self._woken.set()

    def _shown(self) -> Shown:
        jobs, because = self._jobs, None
        if self._supervisor.sign.requested() is not None or self.last is not None:
            state = "stopping"
        elif jobs:
            state = "waiting" if all(job.waits_for for job in jobs) else "working"
            most = self._desk.options.waiting
            if sum(job.idle for job in jobs) >= most:
                because = (
                    f"As many items wait as may ([daemon] waiting = {most}): no other is taken up until one goes on."
                )
        elif self.paused:
            state = "paused"
        else:
            state, because = "idle", self._told
        return Shown(state, [job.shown() for job in jobs], because and because.partition("\n")[0])


def _elsewhere(claims: Sequence[Claim]) -> str:
    """Others are at work; if one of them is dead, its item is taken up when its lease is over."""
    lines = [f"  {claim.item}: {claim.owner}, until {claim.until.astimezone():%H:%M:%S}" for claim in claims[:10]]
    return "\n".join(["Nothing to take up now: others have items in hand.", *lines])


def _nothing(choice: Choice) -> str:
    """Why there is nothing to do."""
    if not choice.waiting:
        return "Nothing to do: no item is planned."
    lines = [f"  {waiting.key}: {waiting.because}" for waiting in choice.waiting[:10]]
    more = len(choice.waiting) - len(lines)
    return "\n".join(["Nothing to do: every planned item waits.", *lines, *([f"  and {more} more"] if more else [])])
