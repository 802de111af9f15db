"""What differs for SQLite: the schema's version in the file's header, and a wake-up by watching it change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from coffee_maker.store.common import ANALYTICS, SHARED, Link, SharedStore
from coffee_maker.store.migrate import Dialect, Schema
from coffee_maker.utils.connection import Connection, Databases
from coffee_maker.utils.sqlite_link import SqliteDatabase, SqliteLink, open_memory, open_readonly, refusals

POLL_SECONDS = 0.04
"""How often a waiting process looks: woken within 100 ms even when the machine is busy, at 0.1 % of a core."""


def _version(connection: Connection) -> int:
    return int(connection.execute("PRAGMA user_version").rows[0][0])


def _mark(connection: Connection, version: int) -> None:
    connection.execute(f"PRAGMA user_version = {version:d}")


SQLITE = Dialect(kind="sqlite", integer="INTEGER", text="TEXT", version=_version, mark=_mark)


class SqliteBackend(SqliteDatabase):
    """One SQLite file with its schema."""

    def __init__(self, databases: Databases, name: str, *, keep: bool = True) -> None:
        super().__init__(databases, name, keep=keep)
        self.schema = Schema(name, SQLITE)

    def prepare(self, link: Link) -> None:
        """Nothing to make: the file is there."""

    @contextmanager
    def blank(self) -> Iterator[SqliteLink]:
        link = open_memory()
        try:
            with link.transaction("BEGIN"):
                yield link
        finally:
            link.close()


class SqliteStore(SharedStore):
    """The shared databases as SQLite files in the data directory."""

    def __init__(self, databases: Databases) -> None:
        self._file = SqliteBackend(databases, SHARED)
        super().__init__(self._file, SqliteBackend(databases, ANALYTICS))

    @contextmanager
    def wakeup(self) -> Iterator[SqliteWakeup]:
        watch = SqliteWakeup(self._file)
        try:
            yield watch
        finally:
            watch.close()


class SqliteWakeup:
    """Sleeps until another connection has committed, by asking for ``PRAGMA data_version`` every 40 ms.

    SQLite answers that from shared memory. A database that comes into being or is replaced counts as a commit.
    """

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._link: SqliteLink | None = None
        self._seen = self._look()

    def wait(self, timeout: float) -> bool:
        """See `coffee_maker.core.ports.Wakeup`."""
        end = time.monotonic() + timeout
        while True:
            now = self._look()
            if now != self._seen:
                self._seen = now
                return True
            left = end - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(left, POLL_SECONDS))

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _look(self) -> tuple[object, ...]:
        """Something that differs after each commit: which file it is, and its data version."""
        database = self._database
        with refusals(database.name, database.path):
            identity = database.identity()
            if self._link is not None and self._link.file != identity:
                self.close()
            if self._link is None and database.exists():
                self._link = open_readonly(database)
            if self._link is None:
                return (None,)
            return (identity, self._link.execute("PRAGMA data_version").rows[0][0])
