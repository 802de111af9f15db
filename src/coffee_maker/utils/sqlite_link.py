"""SQLite for several processes: the gate, ``BEGIN IMMEDIATE``, and errors as refusals; through apsw only.

Python's own `sqlite3` links the system's library, which on most machines still has the WAL-reset bug, and one process
must never open the same file with two SQLite libraries. Nobody else opens the database files either: closing any other
descriptor of them would drop the locks that this process holds.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import apsw

from coffee_maker.core.errors import DatabaseBusy, DatabaseUnusable, LockBusy, Refusal
from coffee_maker.utils import data_directory, locks
from coffee_maker.utils.connection import BUSY_SECONDS, Databases, Idle, Rows, refuse_fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIXED_SQLITE = (3, 51, 3)
"""The first version without the WAL-reset bug (https://sqlite.org/wal.html#walresetbug)."""
ANY_FILESYSTEM = "COFFEE_ANY_FILESYSTEM"
"""The variable by which a person vouches that nobody else shares the data directory's file system."""

_PERMISSION = "Give your user (or a group you share) write permission on the directory and every file in it."
_HINTS = {
    errno.EROFS: "The file system is mounted read-only: mount it for writing, or name another place with --data-dir.",
    errno.ENOSPC: "The disk is full: free some space and repeat; what was recorded before is intact.",
}

_WRITE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_NOFOLLOW
_READ = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI | apsw.SQLITE_OPEN_NOFOLLOW


class SqliteLink:
    """One open SQLite connection. It belongs to the process that opened it and to one thread at a time."""

    def __init__(self, raw: apsw.Connection) -> None:
        self.raw = raw
        self.pid = os.getpid()
        self.file: tuple[int, int] | None = None  # device and inode, to notice a database that was replaced

    def execute(self, sql: str, params: Sequence[Any] = ()) -> Rows:
        """Run one statement; all its rows are fetched at once, so that no half-read cursor outlives the block."""
        refuse_fork(self.pid)
        cursor = self.raw.execute(sql, params)
        first = cursor.fetchone()
        if first is None:
            return Rows()
        columns = tuple([column[0] for column in cursor.getdescription()])
        return Rows([first, *cursor.fetchall()], columns)

    def script(self, sql: str) -> None:
        """Run several statements without parameters."""
        refuse_fork(self.pid)
        self.raw.execute(sql).fetchall()  # a row that nobody fetched would hold up the statements after it

    def transaction(self, begin: str) -> _Transaction:
        """Commit when the block ends, roll back when it raises, whatever it raises."""
        return _Transaction(self, begin)

    def commit(self) -> None:
        """End the transaction that is open; raises `RuntimeError` when the block did that itself."""
        refuse_fork(self.pid)
        if not self.raw.in_transaction:
            raise RuntimeError("the block ended its transaction itself; leave COMMIT and ROLLBACK to the block")
        self.raw.execute("COMMIT")

    def roll_back(self) -> None:
        """Undo what was done since the beginning, if there is anything to undo."""
        if os.getpid() == self.pid and self.raw.in_transaction:
            self.raw.execute("ROLLBACK")

    def close(self) -> None:
        """Close, unless this is a forked child: closing there would disturb the parent's write-ahead log."""
        if os.getpid() == self.pid:
            self.raw.close()


class _Transaction:
    """A block on a link. (Every operation enters some blocks: as generators they took a third of its Python time.)"""

    __slots__ = ("_begin", "_link")

    def __init__(self, link: SqliteLink, begin: str) -> None:
        self._link = link
        self._begin = begin

    def __enter__(self) -> None:
        try:
            self._link.raw.execute(self._begin)
        except BaseException:  # an interrupt may come when it has begun
            self._link.roll_back()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        try:
            if kind is None:
                self._link.commit()
        finally:
            self._link.roll_back()


class SqliteDatabase:
    """One logical database as a file in the data directory.

    Idle connections are kept when `keep` is set (a store's life), else each use opens and closes its own.
    """

    def __init__(self, databases: Databases, name: str, *, keep: bool = False) -> None:
        self.name = name
        self.databases = databases
        self.path = database_path(databases, name)
        self.gate_path = gate_path(databases, name)
        self._keep = keep
        self._idle: Idle[SqliteLink] = Idle()
        self._idle_readers: Idle[SqliteLink] = Idle()

    @contextmanager
    def writing(self) -> Iterator[SqliteLink]:
        """A write transaction behind the gate: one writer at a time, in the order in which they came."""
        with refusals(self.name, self.path), self.exclusive("writing") as link, link.transaction("BEGIN IMMEDIATE"):
            yield link

    @contextmanager
    def exclusive(self, purpose: str) -> Iterator[SqliteLink]:
        """A connection behind the gate, outside any transaction. It is opened before the turn comes and closed after
        it, so that others do not wait for that; only a new database is opened (made) behind the gate."""
        data_directory.ensure(self.databases.directory)
        link = self._idle.take(lambda idle: True) or self._open_existing()
        broken = False
        try:
            held = self._pass_gate(purpose)
            try:
                if link is None or link.file != self.identity():  # none yet, or another file took its place
                    old, link = link, None
                    self._let_go(old, broken=True)
                    link = self._open_for_writing()
                yield link
            finally:
                locks.release(held)
        except apsw.Error:
            broken = True
            raise
        finally:
            self._let_go(link, broken)

    @contextmanager
    def reading(self) -> Iterator[SqliteLink | None]:
        """A snapshot that never writes and waits for no writer; None when there is no database yet.

        Whoever opens a database that nobody has open reads its whole write-ahead log, up to 4 MB, in 2 ms. A store
        keeps this connection too, so the one that it then opens for writing finds the log's index in shared memory.
        """
        with refusals(self.name, self.path):
            if not self.exists():
                yield None
                return
            link = self._idle_readers.take(lambda idle: idle.file == self.identity()) or open_readonly(self)
            broken = True
            try:
                with link.transaction("BEGIN"):
                    yield link
                broken = False
            finally:
                self._let_go(link, broken, self._idle_readers)

    def _pass_gate(self, purpose: str) -> locks.Held:
        """Exclude every other writer, checkpoint and restore, in any process or container that sees the directory."""
        try:
            return locks.acquire(
                self.gate_path,
                what=f"the database {self.name}",
                timeout=self.databases.gate_timeout,
                purpose=purpose,
            )
        except LockBusy as busy:
            values = busy.values
            raise DatabaseBusy(
                name=self.name,
                holder=f"{values['holder']} has held it since {values['since']}",
                waited=values["waited"],
            ) from busy
        except OSError as error:
            raise DatabaseUnusable(
                name=self.name,
                problem=f"its lock file {self.gate_path} cannot be opened or made ({error.strerror})",
                hint=_HINTS.get(error.errno or 0, _PERMISSION),
            ) from error

    def exists(self) -> bool:
        """Whether there is a database file with something in it. Not being allowed to look is no answer: it raises."""
        try:
            return os.stat(self.path).st_size > 0
        except PermissionError:
            raise
        except OSError:
            return False

    def identity(self) -> tuple[int, int] | None:
        """Device and inode of the file, to notice when another one took its place."""
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def close(self) -> None:
        """Close the idle connections."""
        self._idle.close()
        self._idle_readers.close()

    def _let_go(self, link: SqliteLink | None, broken: bool, idle: Idle[SqliteLink] | None = None) -> None:
        if link is not None and self._keep and not broken and not link.raw.in_transaction:
            (idle or self._idle).give(link)
        elif link is not None:
            link.close()

    def _open_existing(self) -> SqliteLink | None:
        """A connection to a database that is ready, or None: then it is looked at again behind the gate."""
        if not self.exists():
            return None
        file = self.identity()  # before it is opened: what takes its place meanwhile is seen to be another one
        link = file_link(self.path, write=True, busy_timeout=self.databases.busy_timeout)
        try:
            if link.execute("PRAGMA journal_mode").rows[0][0] == "wal":
                return self._ready(link, file)
        except BaseException:
            link.close()
            raise
        link.close()
        return None

    def _ready(self, link: SqliteLink, file: tuple[int, int] | None) -> SqliteLink:
        link.execute("PRAGMA synchronous = FULL")
        link.file = file
        return link

    def _open_for_writing(self) -> SqliteLink:
        """Open, or make the file with the gate's own mode; called behind the gate, so it is made once."""
        new = not self.exists()
        if new:
            refuse_unsafe_filesystem(self.databases, self.name)
        link = file_link(self.path, write=True, mode_of=self.gate_path, busy_timeout=self.databases.busy_timeout)
        try:
            mode = link.execute("PRAGMA journal_mode").rows[0][0]
            if mode != "wal":
                self._make_wal(link, mode)
            return self._ready(link, self.identity())  # nobody replaces it: this is behind the gate
        except BaseException:
            link.close()
            raise

    def _make_wal(self, link: SqliteLink, mode: str) -> None:
        """Only a database without a single page is switched to WAL; one that lives is never converted."""
        if link.execute("PRAGMA page_count").rows[0][0]:
            raise DatabaseUnusable(
                name=self.name,
                problem=f"{self.path} is in journal mode {mode}, so it was not made by this program",
                hint=f"Move it aside; then `coffee-roadmap db restore FILE --database {self.name}` reads it.",
            )
        link.execute("PRAGMA journal_mode = WAL")


def database_path(databases: Databases, name: str) -> str:
    """The file of a logical database; links on the way are resolved, since SQLite is told to follow none."""
    return os.path.join(os.path.realpath(databases.directory), f"{name}.db")


def gate_path(databases: Databases, name: str) -> str:
    """The lock file behind which writers queue; it is never removed."""
    return os.path.join(os.path.realpath(databases.directory), f"{name}.gate")


def open_readonly(database: SqliteDatabase) -> SqliteLink:
    """A connection that cannot write, to an existing database."""
    file = database.identity()
    link = file_link(database.path, write=False, busy_timeout=database.databases.busy_timeout)
    link.file = file
    return link


def open_memory() -> SqliteLink:
    """A connection to an empty database of its own, in memory."""
    refuse_affected_version()
    return SqliteLink(apsw.Connection(":memory:"))


def sqlite_version() -> tuple[int, ...]:
    """The version of the SQLite library inside apsw."""
    return tuple(int(part) for part in apsw.sqlite_lib_version().split("."))


def refuse_affected_version() -> None:
    """Refuse a SQLite library that can lose committed data when several processes write."""
    if sqlite_version() < FIXED_SQLITE:
        raise DatabaseUnusable(
            name="(every SQLite database)",
            problem=f"SQLite {apsw.sqlite_lib_version()} can lose committed data when several processes write",
            hint="Install the apsw wheel (`pip install --force-reinstall --only-binary apsw 'apsw>=3.51.3.0'`).",
        )


def refuse_unsafe_filesystem(databases: Databases, name: str) -> None:
    """Refuse to make a database where another kernel may write without seeing our locks."""
    from coffee_maker.utils.mounts import mount_of

    mount = mount_of(databases.directory)
    if mount is not None and mount.unsafe and os.environ.get(ANY_FILESYSTEM) != "1":
        raise DatabaseUnusable(
            name=name,
            problem=f"{databases.directory} is on {mount.kind} ({mount.point}), where two machines' locks do not meet",
            hint="Put the data directory on a local disk or a named volume (--data-dir), or set database.url to"
            f" PostgreSQL. If only this one machine ever uses it: {ANY_FILESYSTEM}=1.",
        )


def file_link(path: str, *, write: bool, mode_of: str | None = None, busy_timeout: float = BUSY_SECONDS) -> SqliteLink:
    """A connection to the file at `path`; when it is made, it gets the mode of the file `mode_of`."""
    refuse_affected_version()
    query = "" if mode_of is None else f"?modeof={_quoted(mode_of)}"
    raw = apsw.Connection(f"file:{_quoted(os.path.abspath(path))}{query}", flags=_WRITE if write else _READ)
    raw.set_busy_timeout(int(busy_timeout * 1000))
    raw.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1)
    raw.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    raw.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    # The log is folded into the database by writers, behind the gate (every 1000 pages), and not by whoever happens to
    # be the last to close: readers then never make or remove a file, and closing costs nothing.
    raw.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    return SqliteLink(raw)


def _quoted(path: str) -> str:
    """Escape what has a meaning in a ``file:`` URI (`urllib` costs more than the whole connection)."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23").replace("&", "%26")


# --- errors as refusals ----------------------------------------------------------------------------------------

_RESTORE = "`coffee-roadmap db check` tells more; `coffee-roadmap db restore FILE --yes` puts a backup in its place."
_PROBLEMS: tuple[tuple[type[apsw.Error], str, str], ...] = (
    (apsw.CorruptError, "{path} is damaged", _RESTORE),
    (
        apsw.NotADBError,
        "{path} is not a SQLite database",
        f"{_RESTORE} Without a backup: move the file and its -wal and -shm aside; `db init` makes a new one.",
    ),
    (
        apsw.ReadOnlyError,
        "{path} is read-only for you",
        "Give your user (or a group you share) write permission on the directory and on every file in it.",
    ),
    (
        apsw.FullError,
        "the disk or quota under {path} is full",
        "Free some space and repeat; what was recorded before is intact, this change was not made.",
    ),
    (
        apsw.CantOpenError,
        "{path} cannot be opened (missing, not readable for you, or not an ordinary file)",
        "Check the owner and mode of the directory and its files; `coffee-roadmap db init` makes what is missing.",
    ),
    (apsw.PermissionsError, "the permissions of {path} do not allow it", "Check the owner and mode of its directory."),
    (
        apsw.IOError,
        "reading or writing {path} failed ({error})",
        "Check the disk (full, quota, removed, failing) and repeat; what was recorded before is intact.",
    ),
    (apsw.NoLFSError, "{path} is larger than the system allows", _RESTORE),
)


class refusals:  # noqa: N801 - a block, used like a function
    """Turn the database's own errors into refusals; constraint and syntax errors stay what they are."""

    __slots__ = ("_name", "_path")

    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: object) -> None:
        if isinstance(error, apsw.Error):
            refusal = as_refusal(error, self._name, self._path)
            if refusal is not None:
                raise refusal from error


def as_refusal(error: apsw.Error, name: str, path: str) -> Refusal | None:
    """The refusal that says what `error` means to a person, or None for an error of the program itself."""
    if isinstance(error, apsw.BusyError | apsw.LockedError | apsw.ProtocolError):
        return DatabaseBusy(name=name, holder="a program that does not queue at the gate holds it", waited="5 s")
    for kind, problem, hint in _PROBLEMS:
        if isinstance(error, kind):
            return DatabaseUnusable(name=name, problem=problem.format(path=path, error=error), hint=hint)
    if isinstance(error, apsw.SQLError) and "no such table" in str(error):
        return DatabaseUnusable(name=name, problem=str(error), hint="`coffee-roadmap db init` makes the tables.")
    return None
