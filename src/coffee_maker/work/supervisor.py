"""What goes on beside the work: the daemon's sign of life, the leases of its claims, answers to handshakes, the outbox.

All of it comes from threads of the daemon, never from the agent, so a long or stuck agent neither loses its lease nor
looks dead; and when the lease is lost after all, the agent is stopped.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from types import TracebackType
from typing import NamedTuple, Self

from coffee_maker.core.errors import ClaimLost, Refusal
from coffee_maker.core.ports import Clock, Store, System, Wakeup
from coffee_maker.core.records import Heartbeat
from coffee_maker.core.state import Claim
from coffee_maker.work.messages import Messages

BEAT = 5.0  # seconds; a daemon counts as gone after several times that
GLANCE = 0.2  # seconds between looks at whether something was committed
_TICK = 1.0
_KEPT = 3 / 4  # of a lease that could not be renewed; the rest is for the agent to end in, before others take the item
_ASKED_WITHIN = timedelta(minutes=1)  # older handshakes have nobody waiting for them


class Shown(NamedTuple):
    """What the heartbeat says of the daemon."""

    state: str
    jobs: Sequence[Mapping[str, object]] = ()
    because: str | None = None  # why it does nothing


def glance(wakeup: Wakeup, seconds: float, over: threading.Event) -> bool:
    """Sleep until something was committed (True), `over` is set or the time has passed; a few looks a second cost a
    tenth of what a waiter that must answer within 100 ms costs. A database that is away is looked at again."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not over.wait(min(left, GLANCE)):
        with suppress(Refusal):
            if wakeup.wait(0):
                return True
    return False


class StopSign:
    """Says that something is to end; set by a signal handler, a control or a failure, looked at between waits."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._at = 0.0

    def set(self, reason: str) -> None:
        self._at = self._at or time.monotonic()
        self._reason = self._reason or reason

    def seconds(self) -> float:
        """How long ago it was set first; 0 when it was not."""
        return time.monotonic() - self._at if self._at else 0.0

    def requested(self) -> str | None:
        return self._reason


class Hold:
    """A claim while it is held. It asks the work to stop when the claim is lost or the daemon is to end.

    Whoever works asks, so it does not need the thread that renews: that one may be waiting for a database or a disk.
    """

    def __init__(self, claim: Claim, sign: StopSign, lease: timedelta) -> None:
        self.claim = claim
        self.renewed = time.monotonic()
        self.trouble = "no answer"  # why it could not be renewed lately
        self._sign = sign
        self._lease = lease.total_seconds()
        self._lost: str | None = None

    @property
    def lost(self) -> str | None:
        """Why it is lost, or None."""
        if self._lost is None and time.monotonic() - self.renewed > self._lease * _KEPT:
            self._lost = f"The lease on {self.claim.item} was not renewed in time: {self.trouble}"
        return self._lost

    def stands(self, claim: Claim) -> None:
        """It was renewed after all: nobody else had taken the item meanwhile."""
        self.claim, self.renewed, self._lost = claim, time.monotonic(), None

    def lose(self, why: str) -> None:
        self._lost = self._lost or why

    def requested(self) -> str | None:
        return self.lost or self._sign.requested()


class Supervisor:
    """The threads beside the work; a context manager that leaves no heartbeat behind when the daemon ends in order."""

    def __init__(
        self, store: Store, messages: Messages, clock: Clock, *, owner: str, system: System, lease: timedelta
    ) -> None:
        self._store = store
        self._messages = messages
        self._clock = clock
        self._owner = owner
        self._system = system
        self._lease = lease
        self._started = clock.now()
        self._holds: list[Hold] = []  # replaced as a whole, under the lock
        self._changing = threading.Lock()
        self._beaten = 0.0
        self._answered: set[str] = set()
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None
        self.boot_id = str(system.seen().get("boot_id") or "")
        self.shown: Callable[[], Shown] = lambda: Shown("idle")
        self.sign = StopSign()

    def __enter__(self) -> Self:
        self._beat()
        for name, work in (("supervisor", self._supervise), ("outbox", self._serve)):
            thread = threading.Thread(target=self.guarded, args=(work,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=5.0)
        if not self._holds:  # of one that was cut off with items in hand, others see by it that it is gone
            with suppress(Refusal), self._store.writing() as tx:
                tx.heartbeats.forget(self._owner)
        if self._failure is not None and error is None:
            raise self._failure

    def beat(self) -> None:
        """Say at once what the daemon does."""
        with suppress(Refusal):  # the next regular beat says it
            self._beat()

    def beat_soon(self) -> None:
        """Say in the next round what the daemon does."""
        self._beaten = 0.0

    def pause(self, wakeup: Wakeup, seconds: float) -> bool:
        """Sleep until something is committed (True) or the time is over; through a database that is away, too."""
        return glance(wakeup, seconds, self._over)

    @contextmanager
    def holding(self, claim: Claim) -> Iterator[Hold]:
        """Keep the claim's lease running for the block."""
        hold = Hold(claim, self.sign, self._lease)
        with self._changing:
            self._holds = [*self._holds, hold]
        try:
            yield hold
        finally:
            with self._changing:
                self._holds = [one for one in self._holds if one is not hold]

    def guarded(self, work: Callable[[], None]) -> None:
        """A thread that fails takes the daemon down with its error: one without a supervisor must not go on."""
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised again at the daemon's end
            self._failure = self._failure or error
            self.sign.set("its supervisor failed" if threading.current_thread() in self._threads else "a step failed")

    # --- the threads

    def _supervise(self) -> None:
        with self._store.wakeup() as wakeup:
            while not self._over.is_set():
                self._tick()
                self.pause(wakeup, min(_TICK, self._lease.total_seconds() / 8))

    def _tick(self) -> None:
        """One round; a database that is busy now is asked again in the next."""
        for duty in (*[lambda hold=hold: self._renew(hold) for hold in self._holds], self._beat_if_due, self._answer):
            with suppress(Refusal):
                duty()

    def _renew(self, hold: Hold) -> None:
        now = time.monotonic()
        if hold.lost is not None or now - hold.renewed < self._lease.total_seconds() / 4:
            return
        try:
            with self._store.writing() as tx:
                hold.claim = tx.claims.renew(hold.claim, lease=self._lease, now=self._clock.now())
            hold.renewed = now
        except ClaimLost as lost:
            hold.lose(lost.message)
        except Refusal as refusal:
            hold.trouble = refusal.message

    def _beat_if_due(self) -> None:
        if time.monotonic() - self._beaten >= BEAT:
            self._beat()

    def _beat(self) -> None:
        seen = self._system.seen()
        state, jobs, because = self.shown()
        first = jobs[0] if jobs else {}
        heartbeat = Heartbeat(
            daemon=self._owner,
            host=str(seen.get("host") or ""),
            pid=os.getpid(),
            boot_id=str(seen.get("boot_id") or ""),
            state=state,
            item=str(first["item"]) if first else None,
            step=str(first["step"]) if first else None,
            at=self._clock.now(),
            seen=seen,
            jobs=tuple(jobs),
            started=self._started,
            because=because,
        )
        with self._store.writing() as tx:
            tx.heartbeats.beat(heartbeat)
        self._beaten = time.monotonic()

    def _answer(self) -> None:
        """Answer the handshakes that are new, each once."""
        with self._store.reading() as tx:
            asked = set(tx.heartbeats.open_asks(self._clock.now() - _ASKED_WITHIN))
        new = asked - self._answered
        if new:
            seen = self._system.seen()
            with self._store.writing() as tx:
                for nonce in sorted(new):
                    tx.heartbeats.reply(nonce, self._owner, seen, self._clock.now())
        self._answered = asked  # what is no longer open need not be remembered

    def _serve(self) -> None:
        """Be a worker of the outbox, in a thread of its own: a slow channel must not cost the lease."""
        while not self._over.is_set():
            with suppress(Refusal):
                self._messages.serve(self._over.is_set, self.pause)
            self._over.wait(_TICK)
