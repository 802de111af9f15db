"""PostgreSQL for several processes, behaving like SQLite behind its gate: one writer at a time, in order of arrival.

A writer's transaction begins with an advisory lock, so what it reads stays true until it commits, and two writers that
both read first never lose an update. Everything is set for one transaction only (``SET LOCAL``), so connection poolers
do not mind.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from coffee_maker.core.errors import DatabaseBusy, DatabaseUnusable
from coffee_maker.utils.connection import Databases, Idle, Rows, refuse_fork
from coffee_maker.utils.placeholders import numbered

try:
    import psycopg
    from psycopg.pq import TransactionStatus
except ImportError as missing:
    raise DatabaseUnusable(
        name="(PostgreSQL)",
        problem=f"the database driver psycopg is missing ({missing})",
        hint="Install coffee-roadmap with its extra `postgres`.",
    ) from missing

from coffee_maker.utils.postgres_errors import gone_at_commit, refusals, too_many_connections

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 60
"""No statement of ours comes near it; a server that hangs must not hang the daemon."""
_LOCK_SPACE = 0x636F6666  # the upper half of the advisory lock's key, so that other programs' locks do not meet ours
_RETRY_CONNECT_SECONDS = 0.1


class PostgresLink:
    """One open PostgreSQL connection. It belongs to the process that opened it and to one thread at a time."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw
        self.pid = os.getpid()

    def execute(self, sql: str, params: Sequence[Any] = ()) -> Rows:
        """Run one statement with ``?`` for each parameter."""
        refuse_fork(self.pid)
        cursor = self.raw.execute(numbered(sql) if params else sql, params or None)
        if cursor.description is None:
            return Rows()
        return Rows(cursor.fetchall(), tuple(column.name for column in cursor.description))

    def script(self, sql: str) -> None:
        """Run several statements without parameters."""
        refuse_fork(self.pid)
        self.raw.execute(sql)

    @contextmanager
    def transaction(self, name: str, commit: str = "COMMIT") -> Iterator[None]:
        """The transaction that was begun: commit when the block ends, roll back when it raises."""
        try:
            yield
            refuse_fork(self.pid)
            if self.raw.info.transaction_status == TransactionStatus.IDLE:
                raise RuntimeError("the block ended its transaction itself; leave COMMIT and ROLLBACK to the block")
            with gone_at_commit(name):
                self.script(commit)
        except BaseException:
            if os.getpid() == self.pid and not self.raw.closed:
                self._rollback()
            raise

    def _rollback(self) -> None:
        try:
            self.raw.execute("ROLLBACK")
        except psycopg.Error:
            self.raw.close()  # the server rolls back what lost its connection

    def close(self) -> None:
        """Close, unless this is a forked child: its goodbye would end the parent's connection."""
        if os.getpid() == self.pid:
            self.raw.close()


class PostgresDatabase:
    """One logical database as a schema of the PostgreSQL database at the url."""

    def __init__(self, databases: Databases, name: str, *, keep: bool = False) -> None:
        assert databases.url is not None
        self.name = name
        self.databases = databases
        self._url = databases.url
        self._keep = keep
        self._idle: Idle[PostgresLink] = Idle()

    @property
    def channel(self) -> str:
        """The name under which commits are told (LISTEN)."""
        return f"coffee_roadmap_{self.name}"

    @contextmanager
    def writing(self) -> Iterator[PostgresLink]:
        """A write transaction behind the advisory lock; its commit wakes whoever listens."""
        begin = (
            f"BEGIN ISOLATION LEVEL READ COMMITTED; {self._settings()}; SET LOCAL synchronous_commit = on;"
            f" SELECT pg_advisory_xact_lock({_LOCK_SPACE}, {self._lock_key()})"
        )
        commit = f'NOTIFY "{self.channel}"; COMMIT'
        with refusals(self.name, self._url), self._begun(begin) as link, link.transaction(self.name, commit):
            yield link

    @contextmanager
    def reading(self) -> Iterator[PostgresLink | None]:
        """A snapshot that never writes and waits for no writer."""
        begin = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {self._settings()}"
        with refusals(self.name, self._url), self._begun(begin) as link, link.transaction(self.name):
            yield link

    def connect(self) -> PostgresLink:
        """A new connection outside any transaction; while the server has none to spare, it is asked for again."""
        refuse_text_that_is_no_url(self.name, self._url)
        end = time.monotonic() + self.databases.gate_timeout
        while True:
            try:
                raw = psycopg.connect(
                    self._url,
                    autocommit=True,  # transactions are begun and ended in plain words
                    cursor_factory=psycopg.RawCursor,
                    connect_timeout=CONNECT_SECONDS,
                    application_name=f"coffee-roadmap {os.getpid()}",
                )
            except psycopg.OperationalError as error:
                if not too_many_connections(error) or time.monotonic() > end:
                    raise
                time.sleep(_RETRY_CONNECT_SECONDS)
            else:
                return PostgresLink(raw)

    def close(self) -> None:
        """Close the idle connections."""
        self._idle.close()

    @contextmanager
    def _begun(self, begin: str) -> Iterator[PostgresLink]:
        """A connection on which `begin` was run; an idle one that died meanwhile is replaced."""
        link = self._begin(begin)
        try:
            yield link
        finally:
            if self._keep and not link.raw.closed:
                self._idle.give(link)
            else:
                link.close()

    def _begin(self, begin: str) -> PostgresLink:
        while True:
            idle = self._idle.take(lambda link: not link.raw.closed)
            link = idle or self.connect()
            try:
                link.script(begin)
                return link
            except psycopg.errors.LockNotAvailable as error:
                link.raw.execute("ROLLBACK")
                busy = self._busy(link)
                link.close()
                raise busy from error
            except psycopg.OperationalError:
                link.close()
                if idle is None:
                    raise
            except BaseException:
                link.close()
                raise

    def _settings(self) -> str:
        milliseconds = int(self.databases.gate_timeout * 1000)
        return (
            f'SET LOCAL search_path TO "{self.name}", pg_temp; SET LOCAL lock_timeout = {milliseconds};'
            f" SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"
        )

    def _lock_key(self) -> int:
        """The lower half of the advisory lock's key."""
        return zlib.crc32(self.name.encode()) >> 1

    def writer(self, link: PostgresLink) -> str | None:
        """Who holds the writers' lock since when, as the server knows it."""
        row = link.execute(
            "SELECT a.application_name, coalesce(host(a.client_addr), 'this machine'), a.xact_start"
            " FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_database d ON d.oid = l.database"
            " WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = ? AND l.objid::bigint = ?"
            " AND d.datname = current_database()",
            (_LOCK_SPACE, self._lock_key()),
        ).fetchone()
        return None if row is None else f"{row[0]} on {row[1]} has been writing since {row[2]:%Y-%m-%d %H:%M:%S %Z}"

    def _busy(self, link: PostgresLink) -> DatabaseBusy:
        holder = self.writer(link) or "a writer that has just ended held it"
        return DatabaseBusy(name=self.name, holder=holder, waited=f"{self.databases.gate_timeout:g} s")


def refuse_text_that_is_no_url(name: str, url: str) -> None:
    """Refuse what libpq cannot read, without repeating it: there may be a password in it."""
    try:
        psycopg.conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise DatabaseUnusable(
            name=name,
            problem="database.url cannot be read as a PostgreSQL address",
            hint="It looks like postgresql://USER@HOST:5432/DATABASE; special signs in it are written as %XX.",
        ) from None
