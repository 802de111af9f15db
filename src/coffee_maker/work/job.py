"""What the daemon works with, and what is known of an item in hand: the fold of its journal."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, Protocol

from coffee_maker.core.errors import ClaimLost, DatabaseUnusable, Refusal, TryAgain
from coffee_maker.core.items import Status
from coffee_maker.core.limits import Ceilings
from coffee_maker.core.records import Control, Entry, StepTime, Usage, Worktree
from coffee_maker.utils import observing
from coffee_maker.work.supervisor import Hold, StopSign

if TYPE_CHECKING:
    from coffee_maker.core.ports import Agent, Clock, Presence, Repository, Store, Transaction
    from coffee_maker.work.editing import Editing
    from coffee_maker.work.messages import Messages

REPORT = "report"
"""The step that writes what became of the item."""

END = "end"
"""The step that closes a pipeline."""

NO_LONGER_PLANNED = "it is no longer planned"
"""Why an item is left whose status a person has changed before it was begun."""

ANOTHER = "another item has its number now"
"""Why an item is left in whose place there is another, on another branch say, before it was begun."""

SET_MEANWHILE = {status: f"it was set to {status.value} meanwhile" for status in Status}
"""Why an item is left whose status a person has changed since."""

MOOT = frozenset({NO_LONGER_PLANNED, ANOTHER, *SET_MEANWHILE.values()})
"""These reasons end with the status: when the person plans the item again, it is taken up."""

_LOOK_UP = 0.2  # seconds between looks at whether the work is to end

Result = Mapping[str, object]
"""What a step found out, as JSON."""


class Options(NamedTuple):
    """What the project's settings say about the daemon."""

    scratch: str  # directory of our own for logs and item files
    worktrees: str  # directory for work trees, outside the person's
    policy: Mapping[str, str] = {}  # kind of action -> ask | allow | deny; what is missing is asked
    approval_deadline: timedelta | None = None
    lease: timedelta = timedelta(seconds=60)
    max_attempts: int = 3
    backoff: timedelta = timedelta(seconds=30)
    parallel: int = 1
    waiting: int = 3
    ask_when_vague: bool = False
    push: str | None = None
    agent_timeout: timedelta = timedelta(hours=1)
    test_timeout: timedelta = timedelta(hours=1)
    stall: timedelta | None = None
    max_output: int = 10_000_000
    ceilings: Ceilings = Ceilings()
    leave_out: tuple[str, ...] = ()  # relative to the project: the roadmap and the data directory
    environment: Mapping[str, str] = {}  # e.g. COFFEE_DATA_DIR: an agent's question reaches the person's project


class Tell(Protocol):
    """Says what is going on, a line at a time, to the person who looks on and to the log."""

    def __call__(self, words: str, *, item: str | None = None, level: str = "info") -> None: ...


class Desk(NamedTuple):
    """What the daemon works with."""

    editing: Editing
    messages: Messages
    store: Store
    clock: Clock
    repository: Repository
    agent: Agent
    tests: Agent | None  # runs the configured test command; None: no tests are configured
    owner: str  # this daemon's name, one per process
    started: datetime
    options: Options
    tell: Tell
    publish: Callable[[], None]  # bring recorded versions to git
    presence: Presence

    def policy(self, kind: str) -> str:
        return self.options.policy.get(kind, "ask")


class Left(Exception):
    """The item is left alone: a person said so, or changed it meanwhile. With a control to be recorded, for all."""

    def __init__(self, why: str, skip: Control | None = None) -> None:
        super().__init__(why)
        self.skip = skip


class Stopped(Exception):
    """The daemon is to end."""


class Slots:
    """Places for agents at work. Who waits for a person or for a time holds none."""

    def __init__(self, count: int) -> None:
        self._free = threading.Semaphore(count)

    def take(self, stop: Callable[[], str | None], wait: Callable[[], None]) -> bool:
        """Take a place; when there is none, call `wait` once and wait for one. False when told to stop first."""
        free = self._free.acquire(blocking=False)
        if not free:
            wait()
        while not free and stop() is None:
            free = self._free.acquire(timeout=0.2)
        if free and stop() is not None:  # the place may be free because all are to end
            self._free.release()
            return False
        return free

    def give_back(self) -> None:
        self._free.release()


class Job:
    """One item in hand. `results` holds what its journal says, by step; a step that is there is done."""

    def __init__(self, desk: Desk, hold: Hold, pipeline: int, title: str, text: str, slots: Slots) -> None:
        self.desk = desk
        self.hold = hold
        self.key = hold.claim.item
        self.pipeline = pipeline
        self.title = title
        self.text = text
        self.slots = slots
        self.results: dict[str, Result] = {}
        self.worktree: Worktree | None = None
        self.skip = StopSign()  # a person said to leave it
        self.ending = StopSign()  # the daemon ends after what it has begun, and this is not begun
        self.looked_at: object = None  # the roadmap's stamp when it was last looked whether the item is still wanted
        self.step = "claim"
        self.since = self.begun = desk.clock.now()  # `begun` is the pipeline's, by whichever daemon
        self.waits_for: str | None = None  # a person, a time, a place
        self.idle = False
        self.activity = ""
        self.active_at: datetime | None = None
        self.used = Usage()
        self.progress: int | None = None
        self.changed: Callable[[], None] = lambda: None  # called when its step or what it waits for has changed
        self.noticed: Callable[[], None] = lambda: None  # called when anything else that is shown has
        self._placed = False
        self._outcome = "done"
        self._changed_mind = threading.Event()  # never set: an interruptible sleep

    @property
    def left_by_tests(self) -> dict[str, str | None]:
        """What the tests of this item left in the work tree (see `Repository.leftovers`)."""
        left: dict[str, str | None] = {}
        for step, result in self.results.items():
            found = result.get("left") if step.startswith("test:") else None
            left |= found if isinstance(found, dict) else {}
        return left

    @property
    def staged(self) -> str | None:
        """What the newest attempt that changed anything has left to be committed (see `Repository.snapshot`): tests may
        use git in its tree, too."""
        found = [result.get("staged") for step, result in self.results.items() if step.startswith("build:")]
        return next((str(one) for one in reversed(found) if one), None)

    # --- stopping

    def requested(self) -> str | None:
        """Why its work is to end, or None: `Stop`."""
        return self.hold.requested() or self.skip.requested() or self.ending.requested()

    def go_on(self) -> None:
        """Raises when the work is to end."""
        reason = self.requested()
        if reason is None:
            return
        claim = self.hold.claim
        if self.hold.lost is not None:
            raise ClaimLost(item=claim.item, fence=claim.fence, owner=claim.owner)
        if self.skip.requested() is not None:
            raise Left(reason)
        raise Stopped(reason)

    def sleep(self, until: datetime, reason: str) -> None:
        """Wait for a time, without a place; raises when the work is to end."""
        self.waiting(reason)
        while (left := (until - self.desk.clock.now()).total_seconds()) > 0:
            self.go_on()
            self._changed_mind.wait(min(left, _LOOK_UP))
        self.waiting(None)

    # --- its place among the agents at work

    def take_place(self, what: str) -> None:
        """Wait for a place, if it has none; raises when the work is to end."""
        if self._placed:
            return
        self._placed = self.slots.take(self.requested, lambda: self.waiting(f"a free place for its {what}", idle=False))
        if not self._placed:
            self.go_on()
        if self.waits_for is not None:
            self.waiting(None)

    def leave_place(self) -> None:
        if self._placed:
            self._placed = False
            self.slots.give_back()

    # --- the journal

    def check(self, tx: Transaction) -> None:
        """Raises `ClaimLost` unless the claim stands in this transaction."""
        tx.claims.check(self.hold.claim, self.desk.clock.now())

    def record(self, step: str, result: Result, tx: Transaction) -> None:
        """Journal a finished step in a transaction that is open, after checking the claim in it."""
        self.check(tx)
        now = self.desk.clock.now()
        tx.journal.record(Entry(self.key, self.pipeline, step, result, self.hold.claim.fence, now))

    def once(self, step: str, do: Callable[[Job], Result]) -> Result:
        """What the step found out; it is done now unless the journal has it."""
        if step in self.results:
            return self.results[step]
        self.go_on()
        started = self.begin(step)
        try:
            with observing.span("step", step=step) as seen:
                result = do(self)
                seen.note(ok=result.get("ok") is not False, outcome=self._outcome)
        except BaseException:
            self._timed(step, started, "stopped")
            raise
        if step not in self.results:  # a step may have been journalled together with what it wrote
            self.note(step, result)
        self._timed(step, started, "failed" if result.get("ok") is False else self._outcome)
        return self.results[step]

    def note(self, step: str, result: Result) -> None:
        """Journal what was found out, which may be in the middle of a step: whoever takes the item up goes on there."""
        self.keep(lambda: self._journal(step, result), lambda: self.hold.lost)  # an end in order waits for it, too
        self.results[step] = result

    def note_late(self, step: str, result: Result) -> None:
        """The same for what must not be done again, also when the lease is over: this daemon was frozen. As long as
        nobody else has taken the item, which the renewal sees, it is still its own, and goes on."""

        def journal() -> None:
            with self.desk.store.writing() as tx:
                claim = tx.claims.renew(self.hold.claim, lease=self.desk.options.lease, now=self.desk.clock.now())
                self.record(step, result, tx)
            self.hold.stands(claim)

        self.keep(journal, lambda: self.hold.lost)
        self.results[step] = result

    def _journal(self, step: str, result: Result) -> None:
        with self.desk.store.writing() as tx:
            self.record(step, result, tx)

    def keep(self, write: Callable[[], None], over: Callable[[], str | None] | None = None) -> None:
        """Write what is known now. While the claim may stand, a database that is away is waited for: what an agent did
        for hours is not done again for a server that is restarted. `write` must be safe to repeat. What `over` gives
        ends the wait; without it, that the work is to end."""
        end, told = time.monotonic() + self.desk.options.lease.total_seconds(), False
        while True:
            try:
                write()
                return
            except (TryAgain, DatabaseUnusable) as away:
                if (over or self.requested)() is not None or time.monotonic() > end:
                    raise
                if not told:
                    self.tell(f"waiting to write down what was done: {away.message}", "warning")
                told = True
                self._changed_mind.wait(_LOOK_UP)

    def begin(self, step: str) -> datetime:
        self.step, self.since, self._outcome = step, self.desk.clock.now(), "done"
        self.waits_for, self.idle = None, False
        self.changed()
        return self.since

    def _timed(self, step: str, started: datetime, outcome: str) -> None:
        """Note how long the step took. That is for figures only, so a refusal costs nothing else."""
        ended = max(started, self.desk.clock.now())  # somebody may set the clock
        took = StepTime(self.key, self.pipeline, step, started, ended, outcome)
        with suppress(Refusal), self.desk.store.runs() as runs:
            runs.add_step(took)

    # --- what is shown of it

    def waiting(self, reason: str | None, *, idle: bool = True) -> None:
        """Say what it waits for; None: for nothing any more. One that is idle (it waits for a person or a time, not for
        a place) lets the daemon take up another item meanwhile."""
        if reason is not None and idle:
            self._outcome = "waited"
        self.waits_for = reason
        self.idle = idle and reason is not None
        self.changed()

    def heard(self, words: str) -> None:
        self.activity, self.active_at = words, self.desk.clock.now()
        self.noticed()

    def tell(self, words: str, level: str = "info") -> None:
        self.desk.tell(f"{self.key}: {words}", item=self.key, level=level)

    def shown(self) -> Mapping[str, object]:
        """For the heartbeat, JSON values only."""
        return {
            "item": self.key,
            "title": self.title,
            "step": self.step,
            "since": self.since.isoformat(),
            "waits_for": self.waits_for,
            "activity": self.activity,
            "active_at": self.active_at.isoformat() if self.active_at else None,
            "progress": self.progress,
            "branch": self.worktree.branch if self.worktree else None,
            "tokens": self.used.tokens,
            "cost": round(self.used.cost, 6),
        }
