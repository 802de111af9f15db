"""What differs for PostgreSQL: schemas, the version as a comment on the records' table, and LISTEN/NOTIFY."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from coffee_maker.store.common import ANALYTICS, SHARED, Link, SharedStore
from coffee_maker.store.migrate import Dialect, Schema
from coffee_maker.utils.connection import Connection, Databases
from coffee_maker.utils.postgres_errors import refusals
from coffee_maker.utils.postgres_link import PostgresDatabase, PostgresLink


def _version(connection: Connection) -> int:
    """One query that works whether the table is there or not."""
    row = connection.execute("SELECT coalesce(obj_description(to_regclass('schema_migrations'), 'pg_class'), '0')")
    return int(row.rows[0][0])


def _mark(connection: Connection, version: int) -> None:
    connection.execute(f"COMMENT ON TABLE schema_migrations IS '{version:d}'")


POSTGRES = Dialect(kind="postgres", integer="bigint", text='text COLLATE "C"', version=_version, mark=_mark)


class PostgresBackend(PostgresDatabase):
    """One schema of the PostgreSQL database."""

    def __init__(self, databases: Databases, name: str, *, keep: bool = True) -> None:
        super().__init__(databases, name, keep=keep)
        self.schema = Schema(name, POSTGRES)

    def prepare(self, link: Link) -> None:
        """Make the schema that the first migration fills."""
        link.execute(f'CREATE SCHEMA IF NOT EXISTS "{self.name}"')

    @contextmanager
    def blank(self) -> Iterator[PostgresLink]:
        """Temporary tables, which only this connection sees, in a transaction that is rolled back."""
        with refusals(self.name, self._url):
            link = self.connect()
            try:
                link.script("BEGIN; SET LOCAL search_path TO pg_temp")
                yield link
            finally:
                link.close()


class PostgresStore(SharedStore):
    """The shared databases as two schemas of one PostgreSQL database."""

    def __init__(self, databases: Databases) -> None:
        self._server = PostgresBackend(databases, SHARED)
        super().__init__(self._server, PostgresBackend(databases, ANALYTICS))

    @contextmanager
    def wakeup(self) -> Iterator[PostgresWakeup]:
        watch = PostgresWakeup(self._server)
        try:
            yield watch
        finally:
            watch.close()


class PostgresWakeup:
    """Sleeps until another connection has committed: the server tells it."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database
        self._link = self._listen()

    def wait(self, timeout: float) -> bool:
        """See `coffee_maker.core.ports.Wakeup`. A lost connection is renewed, and counts as a commit."""
        try:
            return bool(list(self._link.raw.notifies(timeout=max(timeout, 0.0), stop_after=1)))
        except psycopg.OperationalError:
            self._link.close()
            self._link = self._listen()
            return True

    def close(self) -> None:
        self._link.close()

    def _listen(self) -> PostgresLink:
        database = self._database
        with refusals(database.name, database.databases.url or ""):
            link = database.connect()
            link.execute(f'LISTEN "{database.channel}"')
            return link
