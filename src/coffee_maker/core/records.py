"""The records that go through the ports. They stand apart from the protocols: a command pays for what it imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coffee_maker.core.lean import timedelta
from coffee_maker.core.typed import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Literal


class Heartbeat(NamedTuple):
    """A daemon's sign of life. `seen` carries what it sees (roadmap hash, device, inode, boot id, mount kind)."""

    daemon: str
    host: str
    pid: int
    boot_id: str
    state: str  # idle | working | waiting | paused | stopping
    item: str | None
    step: str | None
    at: datetime
    seen: Mapping[str, object]
    jobs: Sequence[Mapping[str, object]] = ()  # the items in hand: see `work.reporting.job_shown`
    started: datetime | None = None
    because: str | None = None  # why it does nothing, when it could


class Entry(NamedTuple):
    """One finished step in the journal. `pipeline` is the fence of the claim under which the item was taken up."""

    item: str
    pipeline: int
    step: str
    result: Mapping[str, object]  # JSON
    fence: int  # of the claim that did the step
    at: datetime


class Progress(NamedTuple):
    """What an agent last told of itself, by the tool `progress`, and whether it waits for an answer."""

    item: str
    pipeline: int
    percent: int | None
    words: str | None
    at: datetime
    waits_for: int | None = None  # the question whose answer it waits for in a process of its own
    waits_until: datetime | None = None  # how long that counts, unless it is said again


class Control(NamedTuple):
    """What a person asks of the daemons: they find it in the store, on whichever side of a container wall they are."""

    kind: str  # stop | pause | resume | skip | retry
    asked_by: str
    daemon: str | None = None  # None: all
    item: str | None = None
    how: str | None = None  # stop: after-step (None) | after-item | force
    reason: str | None = None
    id: int = 0
    at: datetime | None = None

    @property
    def words(self) -> str:
        """Why the item of a skip is left alone."""
        return f"skipped by {self.asked_by}{f': {self.reason}' if self.reason else ''}"


class Line(NamedTuple):
    """One thing that a daemon told, in its log."""

    at: datetime
    level: str  # info | warning | error
    item: str | None
    words: str


class Usage(NamedTuple):
    """What an agent's run has taken so far. Costs are in US dollars, as the agent's own program counts them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost: float = 0.0
    turns: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    def plus(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.cost + other.cost,
            self.turns + other.turns,
        )

    def minus(self, other: Usage) -> Usage:
        """What is left of it, never below nothing."""
        return Usage(**{name: max(getattr(self, name) - getattr(other, name), 0) for name in self._fields})


class Run(NamedTuple):
    """One attempt of an agent at an item, in the analytics database."""

    item: str
    daemon: str
    agent: str
    branch: str
    started: datetime
    ended: datetime | None
    outcome: str | None  # complete | manual_review | failed | lost
    detail: str | None
    exit_code: int | None
    commit: str | None
    pipeline: int | None = None
    attempt: int = 1  # of its pipeline
    model: str | None = None
    session: str | None = None  # by which the agent's program resumes it
    usage: Usage = Usage()
    waited: float = 0.0  # seconds of it in which it waited for a person

    @property
    def worked(self) -> timedelta:
        """How long its agent was at work: nothing yet while it runs."""
        return self.worked_until(self.ended) if self.ended else timedelta()

    def worked_until(self, moment: datetime) -> timedelta:
        return max(moment - self.started - timedelta(seconds=self.waited), timedelta())


class StepTime(NamedTuple):
    """How long a step of a pipeline took, in the analytics database."""

    item: str
    pipeline: int
    step: str
    started: datetime
    ended: datetime
    outcome: str  # done | failed | waited | stopped


class DatabaseStatus(NamedTuple):
    """What one logical database is like now."""

    name: str
    kind: str  # sqlite | postgresql
    location: str  # the file, or the server and its database without a password
    exists: bool
    schema_version: int
    known_version: int  # that this program writes
    library: str  # version of SQLite or of the server
    journal_mode: str | None  # SQLite only
    size: int  # bytes, with the write-ahead log
    log_size: int  # bytes of the write-ahead log; 0 on PostgreSQL
    writer: str | None  # who writes just now
    rows: Mapping[str, int]


class Finding(NamedTuple):
    """One thing that a check looked at."""

    code: str
    level: Literal["ok", "notice", "problem"]
    message: str
    hint: str = ""


class Backup(NamedTuple):
    """A backup that was made, or looked into. `newest` is the time of the last thing that was written into it."""

    name: str
    path: str
    size: int
    schema_version: int
    newest: datetime | None
    rows: Mapping[str, int]


class Worktree(NamedTuple):
    """A work tree of its own for one run."""

    path: str
    branch: str
    base: str  # commit where the branch left the project's own
    project: str  # the project's directory in it (the same as `path`, unless the project lies below the top)
    aside: str | None = None  # where leftovers of an earlier attempt were put, untouched
    tip: str | None = (
        None  # the branch's newest commit when it was opened: what is there already is no work of this run
    )


class Task(NamedTuple):
    """What an agent is asked to do, and the limits it has."""

    key: str
    title: str
    text: str  # the item's own text
    directory: str  # the project's directory in the work tree
    branch: str
    item_file: str  # path of a file outside the work tree that takes the text
    log: str  # path of the file that takes the agent's output
    timeout: timedelta
    max_output: int  # bytes
    answers: Mapping[str, str]  # question -> the person's answer
    environment: Mapping[str, str] = {}  # read only; e.g. COFFEE_DATA_DIR, so that it can ask the person
    earlier: tuple[str, ...] = ()  # what became of earlier attempts, oldest first
    session: str | None = None  # of the attempt that was cut off, to be resumed by an agent that can
    taken: Usage = Usage()  # by the earlier runs of that session
    stall: timedelta | None = None  # an agent that says nothing for so long is ended
    max_turns: int | None = None
    max_cost: float | None = None  # US dollars
    watchdog: timedelta | None = None  # it is ended when its daemon gives no sign for so long (frozen, asleep)


class Action(NamedTuple):
    """Something that an agent is about to do and that the project's policy speaks about."""

    kind: Literal["new_dependency", "network", "push", "pull_request"]
    what: str  # in one line, for the person
    detail: str = ""


class AgentResult(NamedTuple):
    """How it went. An agent that failed is a result, not an exception."""

    ok: bool
    exit_code: int | None
    reason: str | None  # why not ok, for the person
    output_tail: str
    outage: bool = False  # the agent's service is overloaded or away: no attempt of its own, to be resumed later
    retry_after: timedelta | None = None  # what the service said about when
    usage: Usage = Usage()
    session: str | None = None
    model: str | None = None
    limit: Literal["turns", "cost"] | None = None  # the ceiling of the run that it has reached
