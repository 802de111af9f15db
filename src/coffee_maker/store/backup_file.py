"""Backups are SQLite files with our schema, whichever database they come from: one format, checked in one way, that
any SQLite shell reads and that can be restored into the other kind of database as well."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import apsw

from coffee_maker.core.errors import BackupUnusable, DatabaseTooNew, Refusal, RestoreWouldLose
from coffee_maker.core.records import Backup
from coffee_maker.store import contents
from coffee_maker.store.migrate import Schema
from coffee_maker.store.sqlite import SQLITE
from coffee_maker.utils.connection import Connection
from coffee_maker.utils.sqlite_link import SqliteLink, file_link, open_memory, refusals

SUFFIX = ".db"
_MOST_PROBLEMS = 20
_ALL_PAGES = -1
_UNFINISHED = ".coffee-unfinished"
FOLDER_SECONDS = 10.0
_ASK_AGAIN_SECONDS = 0.05


def look_into(name: str, path: str) -> Backup:
    """What the backup holds; refuses one that is damaged, or of another database, or from the future."""
    try:
        with opened(name, path) as link:
            _refuse_another(link, name, path)
            version = Schema(name, SQLITE).version(link)
            problems = damages(link) or ([] if version else ["it has no tables of ours"])
            if problems:
                raise BackupUnusable(path=path, name=name, problem=problems[0], hint="Name another one.")
            rows, newest = contents.row_counts(link, name, version), contents.newest(link, name)
    except (BackupUnusable, DatabaseTooNew):
        raise
    except Refusal as problem:
        raise BackupUnusable(path=path, name=name, problem=problem.message, hint="Name another one.") from problem
    return Backup(name, path, os.stat(path).st_size, version, newest, rows)


def _refuse_another(link: SqliteLink, name: str, path: str) -> None:
    """Refuse another database's backup, whose schema versions mean nothing here."""
    tables = {table for (table,) in link.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    for other, (first, *_) in contents.TABLES.items():
        if other != name and first in tables:
            hint = f"`coffee-roadmap db restore {path} --database {other}` restores that one."
            raise BackupUnusable(path=path, name=name, problem=f"it is a backup of the database {other}", hint=hint)


def make(name: str, path: str, expected: Mapping[str, int], fill: Callable[[SqliteLink], None], mode_of: str) -> Backup:
    """Let `fill` write the file under another name, verify it, then rename it: a backup that is there is whole."""
    with _folder(name, path) as folder:
        if os.path.lexists(path):
            raise BackupUnusable(path=path, name=name, problem="it exists already", hint="Name a new file.")
        unfinished = path + _UNFINISHED
        model = mode_of if os.path.exists(mode_of) else None
        try:
            with refusals(name, path), _closing(file_link(unfinished, write=True, mode_of=model)) as link:
                fill(link)
                link.execute("PRAGMA journal_mode = DELETE")  # a backup is one file
            made = look_into(name, unfinished)
            if made.rows != expected:
                raise BackupUnusable(path=path, name=name, problem="rows are missing in it", hint="Make another one.")
            os.replace(unfinished, path)
            os.fsync(folder)
        except BaseException:
            _remove(unfinished)
            raise
    return made._replace(path=path)


@contextmanager
def _folder(name: str, path: str) -> Iterator[int]:
    """The folder of a backup that is to be made. One is made there at a time, so that what is unfinished there is the
    leftover of one that was killed: it is removed."""
    folder = os.path.dirname(os.path.abspath(path))
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        problem = f"its folder {folder} cannot be opened ({error.strerror})"
        hint = "Make the folder first, or name a file in another one."
        raise BackupUnusable(path=path, name=name, problem=problem, hint=hint) from error
    try:
        end = time.monotonic() + FOLDER_SECONDS
        while not _lock(fd):
            if time.monotonic() >= end:
                problem = f"another backup is being made in {folder}"
                raise BackupUnusable(path=path, name=name, problem=problem, hint="Try again in a moment.")
            time.sleep(_ASK_AGAIN_SECONDS)
        for entry in os.listdir(fd):
            if entry.endswith(_UNFINISHED):
                _remove(os.path.join(folder, entry))
        yield fd
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that has no locks on folders
        return True
    return True


def make_live(path: str, source: SqliteLink, mode_of: str) -> None:
    """A new database file with the content of `source`, in the mode in which databases live; a leftover is removed."""
    _remove(path)
    try:
        with _closing(file_link(path, write=True, mode_of=mode_of)) as link:
            copy_pages(source, link)
            link.execute("PRAGMA journal_mode = WAL")
    except BaseException:
        _remove(path)
        raise
    _remove(path, ("-wal", "-shm"))  # empty: nothing was written since


def _remove(path: str, ends: Sequence[str] = ("-journal", "-wal", "-shm", "")) -> None:
    for end in ends:
        with suppress(FileNotFoundError):
            os.unlink(path + end)


@contextmanager
def opened(name: str, path: str) -> Iterator[SqliteLink]:
    """The file as it is, for reading."""
    with refusals(name, path), _closing(file_link(path, write=False)) as link:
        yield link


@contextmanager
def opened_up_to_date(name: str, path: str) -> Iterator[SqliteLink]:
    """A copy of the file's content in memory, on the newest schema: an old backup is never brought up on disk."""
    schema = Schema(name, SQLITE)
    with _closing(open_memory()) as copy:
        with opened(name, path) as link:
            copy_pages(link, copy)
        while not schema.up_to_date(copy):
            with copy.transaction("BEGIN"):
                schema.apply_next(copy, copy.script)
        yield copy


def refuse_to_lose(present: Connection, backup: Backup) -> None:
    """Refuse when something was written to the database after the backup was made."""
    newest = contents.newest(present, backup.name)
    if newest is not None and (backup.newest is None or newest > backup.newest):
        ends = "nothing" if backup.newest is None else backup.newest.isoformat(timespec="milliseconds")
        raise RestoreWouldLose(name=backup.name, present=newest.isoformat(timespec="milliseconds"), backup=ends)


def copy_pages(source: SqliteLink, target: SqliteLink) -> None:
    """The whole database in one step, through SQLite's backup API."""
    with target.raw.backup("main", source.raw, "main") as copying:
        while not copying.done:
            copying.step(_ALL_PAGES)


def damages(link: SqliteLink) -> list[str]:
    """What SQLite finds wrong with pages, indexes, constraints and foreign keys."""
    try:
        checked = link.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})")
        orphans = link.execute("PRAGMA foreign_key_check").rows[:_MOST_PROBLEMS]
    except apsw.CorruptError as error:
        return [str(error)]
    return [text for (text,) in checked if text != "ok"] + [
        f"row {row[1]} of {row[0]} refers to a row of {row[2]} that is not there" for row in orphans
    ]


@contextmanager
def _closing(link: SqliteLink) -> Iterator[SqliteLink]:
    try:
        yield link
    finally:
        link.close()


def sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
