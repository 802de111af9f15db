"""A connection to SQLite after an interrupt or an error: nothing stays open, locked or unusable."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import apsw
import pytest

from coffee_maker.core.errors import DatabaseUnusable
from coffee_maker.utils import locks, sqlite_link
from coffee_maker.utils.connection import Databases
from coffee_maker.utils.sqlite_link import SqliteDatabase


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    made = SqliteDatabase(Databases(str(tmp_path / "data"), busy_timeout=0.1), "notifications", keep=True)
    with made.writing() as link:
        link.script("CREATE TABLE t (x)")
    return made


def write(database: SqliteDatabase) -> None:
    with database.writing() as link:
        link.execute("INSERT INTO t VALUES (1)")


def interrupted_at(number: int, work: Callable[[], None]) -> bool:
    """Run it with an interrupt before its so manieth line, in our own code; whether there were so many lines."""
    left = number

    def trace(frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in (sqlite_link.__file__, locks.__file__):
            return None
        if frame.f_code.co_name in ("__del__", "close", "_let_go", "roll_back"):  # those that clean up
            return None
        if event == "line":
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_interrupt_at_any_line_leaves_nothing_open(database: SqliteDatabase) -> None:
    number = 0
    while interrupted_at(number + 1, lambda: write(database)):
        number += 1
        assert locks.holder(database.gate_path) is None, number
        foreign = apsw.Connection(database.path)
        foreign.execute("BEGIN IMMEDIATE; ROLLBACK").fetchall()  # refused while a transaction is open
        foreign.close()
        write(database)
    assert number > 40
    with database.reading() as link:
        assert link is not None
        assert link.execute("PRAGMA integrity_check").rows == [("ok",)]


def test_an_interrupt_while_it_begins_ends_the_transaction(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        """The connection, interrupted right behind its BEGIN."""

        def __init__(self, raw: apsw.Connection) -> None:
            self._raw = raw

        def execute(self, sql: str, *params: Any) -> Any:
            done = self._raw.execute(sql, *params)
            if sql.startswith("BEGIN"):
                raise KeyboardInterrupt
            return done

        def __getattr__(self, name: str) -> Any:
            return getattr(self._raw, name)

    link = database._idle.take(lambda _: True)
    assert link is not None
    raw = link.raw
    link.raw = Interrupted(raw)  # type: ignore[assignment]
    database._idle.give(link)
    with pytest.raises(KeyboardInterrupt):
        write(database)
    assert not raw.in_transaction
    link.raw = raw
    write(database)


def test_a_file_that_is_none_of_ours_does_not_leave_a_closed_connection_behind(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    write(database)
    files = [Path(f"{database.path}{end}") for end in ("", "-wal", "-shm")]
    for file in files:
        file.rename(tmp_path / file.name)
    other = apsw.Connection(database.path)
    other.execute("CREATE TABLE other (x)").fetchall()
    other.close()
    with pytest.raises(DatabaseUnusable, match="journal mode"):
        write(database)
    for file in files:
        (tmp_path / file.name).replace(file)
    write(database)


def test_other_threads_go_on_after_an_interrupt(database: SqliteDatabase) -> None:
    with pytest.raises(KeyboardInterrupt), database.writing():
        raise KeyboardInterrupt
    other = threading.Thread(target=write, args=(database,))
    other.start()
    other.join(30)
    with database.reading() as link:
        assert link is not None
        assert link.execute("SELECT count(*) FROM t").rows == [(1,)]


def test_a_file_that_was_replaced_while_it_was_opened_is_seen_to_be_another_one(
    database: SqliteDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = SqliteDatabase(Databases(str(tmp_path / "other")), "notifications")
    with other.writing() as link:
        link.script("CREATE TABLE t (x)")
    for one in (database, other):
        with one.exclusive("folding the log in") as link:
            link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    really, opened = sqlite_link.file_link, []

    def replaced_meanwhile(path: str, **how: Any) -> sqlite_link.SqliteLink:
        opened.append(really(path, **how))
        if len(opened) == 1:
            for end in ("-wal", "-shm"):
                os.rename(path + end, tmp_path / f"old{end}")
                os.rename(other.path + end, path + end)
            os.replace(other.path, path)
        return opened[-1]

    monkeypatch.setattr(sqlite_link, "file_link", replaced_meanwhile)
    write(database)
    assert len(opened) == 2
    with database.reading() as link:
        assert link is not None
        assert link.execute("SELECT count(*) FROM t").rows == [(1,)]
