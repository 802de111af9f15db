"""The records that go through the ports. They stand apart from the protocols: a command pays for what it imports."""

from __future__ import annotations

from collections.abc import Mapping

from coffee_maker.core.typed import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import Literal


class Heartbeat(NamedTuple):
    """A daemon's sign of life. `seen` carries what it sees (roadmap hash, device, inode, boot id, mount kind)."""

    daemon: str
    host: str
    pid: int
    boot_id: str
    state: str  # idle | working | waiting | stopping
    item: str | None
    step: str | None
    at: datetime
    seen: Mapping[str, object]


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


class AgentResult(NamedTuple):
    """How it went. An agent that failed is a result, not an exception."""

    ok: bool
    exit_code: int | None
    reason: str | None  # why not ok, for the person
    output_tail: str
