"""What the work room needs from the outside, with the promises that every implementation keeps.

Each port has a contract suite in ``tests/contract``; every implementation runs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime, timedelta

    from coffee_maker.core.history import Change, NewChange
    from coffee_maker.core.questions import Delivery, Draft, Level, Notification, State
    from coffee_maker.core.records import (
        Action,
        AgentResult,
        Backup,
        Control,
        DatabaseStatus,
        Entry,
        Finding,
        Heartbeat,
        Progress,
        Run,
        StepTime,
        Task,
        Usage,
        Worktree,
    )
    from coffee_maker.core.state import Claim, RoadmapState, Taken


class Clock(Protocol):
    """The time, in UTC with microseconds."""

    def now(self) -> datetime: ...


# --- the store -------------------------------------------------------------------------------------------------


class RoadmapLog(Protocol):
    """`roadmap_versions`, `roadmap_history` and the one row of `roadmap_state`."""

    def state(self) -> RoadmapState | None: ...
    def set_state(self, state: RoadmapState) -> None: ...
    def save_version(self, digest: str, content: bytes, at: datetime, *, in_file: bool = True) -> None:
        """Keep the content under its sha256; again with the same digest only renews its time. Stored compressed.

        Not `in_file` is what is only offered as an answer, or a step between two versions: no editor has read it."""

    def version(self, digest_or_prefix: str) -> bytes | None:
        """The content, by its hash or a revision (first digits) that names one version; None when it is not kept, or
        damaged."""

    def last_changes(self) -> Mapping[str, tuple[datetime, datetime | None]]:
        """Item -> when it was last changed, and when its status was last set (None: never, as far as is recorded)."""

    def versions(self, limit: int, *, in_file: bool = False) -> Sequence[str]:
        """Hashes of the kept versions (with `in_file` of those that were in the file), most recently recorded first."""

    def makers(self, limit: int) -> Mapping[str, tuple[str, str | None]]:
        """Those of `versions` in the file that a change led to -> who made the newest such change, and the reason."""

    def was_recorded(self, digest: str) -> bool:
        """Whether a change begins at that version or leads to it: the file was left so."""

    def prune_versions(self, *, keep_last: int, keep_since: datetime) -> int:
        """Forget versions older than both bounds (never the current one); tells how many."""

    def append(self, change: NewChange) -> int:
        """Record one change; its `before_hash` must be the newest change's `after_hash`, or ValueError."""

    def changes(self, *, item: str | None = None, limit: int | None = None, after_id: int = 0) -> Sequence[Change]:
        """Newest first; with `item`, those of this one item alone."""

    def restores(self, *, after_id: int = 0) -> Sequence[Change]:
        """Those that set the whole file to an earlier version, newest first."""

    def change(self, change_id: int) -> Change | None: ...
    def breaks(self) -> Sequence[int]:
        """Numbers of the changes that do not begin with the previous change's `after_hash`: none, when all is well."""


class NotificationTable(Protocol):
    """`notifications`."""

    def create(self, draft: Draft, at: datetime) -> tuple[Notification, bool]:
        """The stored notification, and whether it is new (False: the idempotency key was known)."""

    def get(self, notification_id: int) -> Notification | None: ...
    def keyed(self, idempotency_key: str) -> Notification | None: ...
    def find(
        self,
        *,
        states: Iterable[State] = (),
        item: str | None = None,
        after_id: int = 0,
        limit: int | None = None,
    ) -> Sequence[Notification]:
        """Oldest first; with no states, all."""

    def set_state(self, notification_id: int, state: State, at: datetime, *, only_from: Iterable[State]) -> bool:
        """Change the state if it is one of `only_from`; tells whether it did."""

    def answer(self, notification_id: int, answer: str, *, by: str, via: str, at: datetime) -> bool:
        """Store the one answer, if there is none yet and it was not dismissed; tells whether it did."""

    def dismiss(self, notification_id: int, *, by: str, at: datetime) -> bool:
        """Put aside what has no answer and was not dismissed; `answered_by` then says who did. Tells whether it did."""

    def due(self, now: datetime) -> Sequence[Notification]:
        """Open questions (pending, sent or failed) whose deadline has passed."""


class DeliveryTable(Protocol):
    """`deliveries`: the outbox, one row per notification and channel."""

    def add(self, notification_id: int, channel: str, at: datetime) -> None:
        """Put into the outbox; once per notification and channel."""

    def take(self, now: datetime, *, channel: str, lease: timedelta, limit: int = 20) -> Sequence[Delivery]:
        """The channel's deliveries whose turn has come; their next try is moved by `lease`, so that no second worker
        takes them, and the attempt is counted, so that one which takes its worker down with it counts too."""

    def delivered(self, delivery_id: int, outside_id: str | None, at: datetime) -> None: ...
    def failed(self, delivery_id: int, error: str, *, next_try: datetime | None, at: datetime) -> None:
        """Note a failed attempt; without a next try it is given up."""

    def of(self, notification_id: int) -> Sequence[Delivery]: ...


class ClaimTable(Protocol):
    """`claims`."""

    def take(self, item: str, owner: str, *, lease: timedelta, now: datetime) -> Claim:
        """Claim; raises `AlreadyClaimed` while another owner's lease runs. A new fencing number every time."""

    def renew(self, claim: Claim, *, lease: timedelta, now: datetime) -> Claim:
        """Prolong; raises `ClaimLost` unless this very claim (owner and fence) still stands."""

    def check(self, claim: Claim, now: datetime) -> None:
        """Raises `ClaimLost` unless this very claim stands and its lease runs."""

    def release(self, claim: Claim) -> None:
        """Give back; nothing happens when it was lost."""

    def held(self, now: datetime) -> Sequence[Claim]: ...
    def held_until(self, item: str) -> Mapping[str, datetime]:
        """Owner -> when the last lease ran out that it ever had on the item."""


class HeartbeatTable(Protocol):
    """`heartbeats`, one row per daemon; and `handshakes`, by which `sync` asks every daemon what it sees."""

    def beat(self, heartbeat: Heartbeat) -> None: ...
    def all(self) -> Sequence[Heartbeat]: ...
    def forget(self, daemon: str) -> None: ...
    def ask(self, nonce: str, at: datetime) -> None: ...
    def open_asks(self, since: datetime) -> Sequence[str]: ...
    def reply(self, nonce: str, daemon: str, seen: Mapping[str, object], at: datetime) -> None: ...
    def replies(self, nonce: str) -> Mapping[str, Mapping[str, object]]: ...


class JournalTable(Protocol):
    """`journal`: the finished steps of every item that was taken up. A pipeline goes on in another process at the step
    that it had reached; its last step is named `END`."""

    def record(self, entry: Entry) -> None:
        """Add a finished step, once per pipeline and step: an entry that is there already is left as it is. The caller
        checks its claim in the same transaction."""

    def newest(self, item: str) -> Sequence[Entry]:
        """The steps of the item's newest pipeline, oldest first; none when it was never taken up."""

    def unfinished(self) -> Mapping[str, int]:
        """Item -> its pipeline, of every pipeline that has not come to its end."""


class ProgressTable(Protocol):
    """`progress`: what the agent of each item last told of itself. Its server is a process of its own and has no other
    way to the daemon."""

    def tell(self, progress: Progress) -> None:
        """Replaces what was told of the item before; a percent or words left out in the same pipeline stay, and so
        does what it waits for."""

    def waits(self, item: str, pipeline: int, question: int, *, until: datetime) -> None:
        """The agent waits for that question's answer until then, or until it is told anew. A time that is over ends
        the wait, unless it is one for another question by now."""

    def of(self, item: str) -> Progress | None: ...


class ControlTable(Protocol):
    """`controls` and `control_replies`: what a person asks of the daemons, and what each made of it."""

    def ask(self, control: Control, at: datetime) -> int:
        """Its number, which grows for ever."""

    def since(self, after_id: int) -> Sequence[Control]:
        """Oldest first."""

    def newest(self) -> int:
        """The number of the newest one, 0 without any."""

    def reply(self, control_id: int, daemon: str, outcome: str, at: datetime) -> None: ...
    def replies(self, control_id: int) -> Mapping[str, str]:
        """Daemon -> what it made of it."""

    def paused(self) -> Control | None:
        """The newest pause, unless a resume came after it."""

    def skipped(self) -> Mapping[str, Control]:
        """Item -> the skip that stands for it: no retry came after it."""


class Transaction(Protocol):
    """One transaction on the shared database `notifications`."""

    @property
    def roadmap(self) -> RoadmapLog: ...
    @property
    def notifications(self) -> NotificationTable: ...
    @property
    def deliveries(self) -> DeliveryTable: ...
    @property
    def claims(self) -> ClaimTable: ...
    @property
    def heartbeats(self) -> HeartbeatTable: ...
    @property
    def journal(self) -> JournalTable: ...
    @property
    def controls(self) -> ControlTable: ...
    @property
    def progress(self) -> ProgressTable: ...


class RunLog(Protocol):
    """`runs` and `steps` in the analytics database."""

    def start(self, run: Run) -> int: ...
    def keep(self, run_id: int, run: Run) -> None:
        """What is known of a run that is open, and how it ended. One that is closed stays as it is: its daemon may have
        been frozen, and another one closed it."""

    def amend(self, run_id: int, run: Run) -> None: ...
    def list(
        self, *, item: str | None = None, since: datetime | None = None, limit: int | None = None
    ) -> Sequence[tuple[int, Run]]:
        """Newest first; `since` is about their start."""

    def add_step(self, step: StepTime) -> None: ...
    def steps(
        self, *, item: str | None = None, since: datetime | None = None, outcome: str | None = None
    ) -> Sequence[StepTime]:
        """Oldest first; `since` is about their start."""

    def taken_up(self, *, item: str | None = None) -> Mapping[tuple[str, int], datetime]:
        """Item and pipeline -> when its first step began."""


class Wakeup(Protocol):
    """Sleeps until another connection has committed to the shared database."""

    def wait(self, timeout: float) -> bool:
        """True as soon as something was committed since the last call (within 100 ms on SQLite, at once on
        PostgreSQL); False after `timeout` seconds. It may wake for nothing; it never misses a commit."""


class Store(Protocol):
    """The shared databases. One operation, one transaction."""

    def writing(self) -> AbstractContextManager[Transaction]:
        """A writer's transaction: it excludes other writers from its beginning, so what it reads stays true until it
        commits; committed (durably) when the block ends, rolled back when it raises. Raises `DatabaseBusy` when the
        bounded wait ran out, `DatabaseUnusable` and `DatabaseTooNew`. Opening it creates or migrates the schema."""

    def reading(self) -> AbstractContextManager[Transaction]:
        """A consistent snapshot that never writes and never waits for a writer."""

    def runs(self) -> AbstractContextManager[RunLog]:
        """A writer's transaction on the analytics database."""

    def reading_runs(self) -> AbstractContextManager[RunLog]:
        """A snapshot of the analytics database that never writes; empty where nothing was written yet."""

    def wakeup(self) -> AbstractContextManager[Wakeup]:
        """Everything committed after this was entered wakes."""


# --- looking after the databases -------------------------------------------------------------------------------


class Maintenance(Protocol):
    """Looks after one logical database."""

    @property
    def name(self) -> str: ...
    @property
    def suffix(self) -> str:
        """The ending of its backups' file names, e.g. ".db"."""

    def init(self) -> bool:
        """Make the database and bring its schema up; tells whether there was anything to do."""

    def exists(self) -> bool:
        """Whether there is a database, whole or damaged."""

    def status(self) -> DatabaseStatus:
        """Reads only; a database that is not there yet is a status, not a refusal."""

    def verify(self) -> Sequence[Finding]:
        """Integrity, foreign keys, migrations as they were applied, a version of the library without known faults."""

    def backup(self, path: str) -> Backup:
        """Copy a consistent snapshot to `path`, which must not exist, while others go on writing; verified."""

    def look_into(self, path: str) -> Backup:
        """What a backup holds; refuses (`BackupUnusable`) one that is damaged or another database's."""

    def restore(self, path: str, keep: str, *, yes: bool) -> str | None:
        """Put a backup's content in place of the present content, for everybody, without replacing the file. Numbers
        that were given out since (claims' fences, ids) are not given out again.

        Raises `RestoreWouldLose` when something was written after the backup, unless `yes`. What is replaced is kept
        as a backup at `keep` first; where, or None when there was nothing. Nobody can write from the look at what is
        there until it is replaced. A damaged database is refused (`DatabaseDamaged`) unless `yes`: then its files are
        kept as they are.
        """

    def vacuum(self) -> None:
        """Give back unused space and fold the write-ahead log in."""


# --- the roadmap's file --------------------------------------------------------------------------------------


class RoadmapFile(Protocol):
    """ROADMAP.md on disk. A new text is staged beside it and then placed in one step."""

    path: str

    def read(self) -> bytes:
        """The whole content; raises `RoadmapMissing` or `RoadmapUnusable`."""

    def stamp(self) -> object:
        """Something that differs when the file is another one now: a hint to look, never a proof. Raises nothing."""

    def unread(self, staged: str | None = None) -> bool:
        """Whether certainly nobody has read the file (or what stands under a staged name) since it was put there, so
        that what was written over it was made from an older text. False where that is not known."""

    def now_read(self) -> None:
        """Take note that somebody knows what the file says now: it is not `unread` any more."""

    def stage(self, content: bytes, digest: str | None = None) -> str:
        """Write the content (with this sha256, where it is known), durably, beside the file with its mode and owner;
        the name to place it by, which holds the first digits of its sha256."""

    def place(self, staged: str, expected: str) -> Taken | None:
        """Put it into place, durably; None when the file held the content with the sha256 `expected`. After a
        `Taken` the file stays under its staged name until `discard`. What another program still has open for writing
        is not looked at but set aside, see `held`; then it is None, too."""

    def staged(self, name: str) -> bytes | None:
        """What stands under a staged name, None when there is nothing, or it had to be set aside."""

    def held(self) -> Sequence[str]:
        """The names of what was set aside because another program may still write to it."""

    def late(self, name: str) -> bytes | None:
        """The content of what was set aside, None as long as it is open for writing."""

    def discard(self, name: str) -> None: ...
    def aside(self, name: str) -> str:
        """The path that `set_aside` gives it."""

    def set_aside(self, name: str) -> None:
        """Give it a name that people see and no operation touches."""

    def strays(self) -> Sequence[str]:
        """The staged files that are there."""

    def create(self, content: bytes) -> None:
        """Make the file; raises `FileExistsError` when there is one."""


# --- the repository --------------------------------------------------------------------------------------------


class Repository(Protocol):
    """The project's git repository. The person's index, HEAD, hooks and work tree are never touched."""

    def log_version(self, content: bytes, message: str) -> str:
        """Append the roadmap's content to the log (`log_ref`) by compare-and-swap; the commit."""

    def newest_logged(self) -> str | None:
        """The message of the newest commit in the log; None when there is no log yet."""

    def log_ref(self) -> str:
        """The log's ref: ``refs/roadmap/log``, in a linked work tree ``refs/roadmap/worktrees/NAME``."""

    def publish(self, content: bytes, message: str) -> str | None:
        """Commit the roadmap to the current branch when nothing of the person's is in the way; None: not now."""

    def check(self) -> None:
        """Raises a refusal when no work tree can be made here now (no repository, no commit yet, mid-rebase, …)."""

    def open_worktree(self, path: str, branch: str) -> Worktree:
        """A work tree at `path` on `branch`; an existing one of that name is found again, its leftovers kept aside."""

    def stage(
        self, worktree: Worktree, *, leave_out: Sequence[str], left: Sequence[str] = (), since: str | None = None
    ) -> bool:
        """Set aside for the commit what changed in that work tree, except paths relative to the project: those left out
        are the project's own and stay as they are there, whatever was committed in the work tree; those that were
        `left` by tests stay as they were in the snapshot `since`. Whether there is anything, now or in commits made
        there since it was opened (its `tip`)."""

    def snapshot(self, worktree: Worktree) -> str:
        """What is set aside now, and what it stands on."""

    def restore(self, worktree: Worktree, snapshot: str) -> None:
        """Set aside again what was in that snapshot, whatever programs have done in the work tree with git since; no
        file is touched. What was committed of it stays so."""

    def staged(
        self, worktree: Worktree, wanted: Callable[[str], bool], largest: int
    ) -> Mapping[str, tuple[bytes | None, bytes | None]]:
        """Of the files whose path (below the repository's top, ``/`` between its parts) is wanted, those that differ
        from where the branch left the project's own: their bytes there and as they were set aside, none where there is
        no file, None for one of more than `largest` bytes."""

    def leftovers(self, worktree: Worktree) -> Mapping[str, str | None]:
        """What differs from what was set aside: path (relative to the project) -> a hash of its content, None when it
        is gone. Ignored files do not count."""

    def push(self, worktree: Worktree, remote: str, stop: Callable[[], bool] = lambda: False) -> None:
        """Push the branch; again changes nothing. Raises `GitFailed`, also when told to stop while the remote is
        waited for."""

    def commit(self, worktree: Worktree, message: str) -> str | None:
        """Commit what was staged, and nothing that came later; the branch's newest commit, None when it is `base`."""

    def close_worktree(
        self,
        worktree: Worktree,
        left: Mapping[str, str | None] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> str | None:
        """Remove the work tree, keep the branch; one that holds something uncommitted stays, but for what is as it is
        in `left` (see `leftovers`). Why it stays, or None. `check` is called before each thing that is taken away, and
        raises when the tree may be somebody else's by now."""


# --- agents ----------------------------------------------------------------------------------------------------


class Agent(Protocol):
    """Does one item in a directory. When `run` returns, no process that it started is left."""

    name: str
    asks: bool
    """Whether it asks (`Watch.permit`) before it does what the policies of actions are about."""

    def check(self) -> str | None:
        """What is missing for it to run, or None."""

    def run(self, task: Task, stop: Stop, watch: Watch) -> AgentResult: ...


class Sandbox(Protocol):
    """The box that an agent's program runs in: it can write in the run's work tree and in scratch of its own, read the
    machine's programs, and reach the hosts that the settings allow; nothing else. Who runs the program keeps what it
    kept without a box: streams, exit code, signals, and nothing left when it is over."""

    name: str
    own_programs: bool
    """Whether the programs are others than the machine's, so that their being here says nothing."""

    def check(self) -> str | None:
        """What is missing for a box to be made, and how to get it; or None."""

    def wrap(self, argv: Sequence[str], task: Task) -> Sequence[str]:
        """The command that runs `argv` in the task's box, to be started in its directory and with its environment. Its
        end is the end of `argv`, so that arguments can be added."""

    def clear(self, task: Task) -> None:
        """Take away what a run has left outside its work tree and home; to be called after each."""


class Watch(Protocol):
    """Hears what goes on in a run, and answers what the agent asks. May be called from any thread."""

    def activity(self, words: str) -> None:
        """What the agent does now, in a line: progress, log and sign of life."""

    def usage(self, usage: Usage) -> None:
        """What this run has taken so far, as a total."""

    def session(self, session: str) -> None:
        """The name by which this run can be resumed after a crash; kept before it is needed."""

    def permit(self, action: Action) -> str | None:
        """None when it may; else why not. By the project's policy, which may mean to ask the person and to wait."""

    def waits(self) -> bool:
        """Whether it waits for a person now, as it told by a process of its own: its time and its silence do not count
        then."""

    def call(self, tool: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        """One of `core.tools`, for the item and the run that the agent works on; raises a refusal in its words."""


class Stop(Protocol):
    """Asked between waits whether the work is to end (lease lost, Ctrl-C)."""

    def requested(self) -> str | None: ...


class Presence(Protocol):
    """Tells on one machine which daemons are certainly gone, so that nobody waits for their leases to run out."""

    def here(self, owner: str) -> AbstractContextManager[None]:
        """Be here for the block, and as long as anything of the agents started in it is left."""

    def gone(self, owner: str) -> bool:
        """Whether that daemon was here and is no more, nor anything of its agents; False when nothing is known."""

    def forget(self, owner: str) -> None:
        """Clear away what one that is gone has left here."""


# --- channels --------------------------------------------------------------------------------------------------


class Channel(Protocol):
    """One way in which a notification reaches a person."""

    name: str

    @property
    def levels(self) -> Collection[Level]:
        """What goes through it when no channel was named; empty: all."""

    def send(self, notification: Notification) -> str | None:
        """Deliver within `questions.SEND_LIMIT`; the outside id if there is one. Raises `ChannelFailed` with a sentence
        when it did not work. The same notification may come twice (its id tells), when a worker died in between."""


# --- the machine -----------------------------------------------------------------------------------------------


class System(Protocol):
    """What this process can see of the things that all share; two that see the same differ in nothing but `host`."""

    def seen(self) -> Mapping[str, object]:
        """For heartbeats and handshakes, JSON values only: `roadmap` (real path), `roadmap_hash`, `roadmap_device`,
        `roadmap_inode`, `roadmap_mount` (kind of file system), `roadmap_alone` (whether the file itself is mounted),
        `data` (real path), `data_device`, `data_inode`, `data_mount`, `database_device`, `database_inode`, `boot_id`,
        `host`. What cannot be seen is None."""
