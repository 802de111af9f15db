"""What goes wrong under a store on PostgreSQL: connections cut, servers gone, wrong addresses, missing rights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from tests.postgres_server import Server

from coffee_maker.core.errors import DatabaseBusy, DatabaseGone, DatabaseUnusable, Refusal
from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.store.common import SharedStore
from coffee_maker.store.postgres import PostgresStore
from coffee_maker.utils import postgres_errors, postgres_link
from coffee_maker.utils.connection import Databases
from coffee_maker.utils.database import get_db_connection

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
INFO = Draft(Source.DAEMON, Kind.INFO, "x")


@pytest.fixture
def where(postgres_server: Server) -> Databases:
    return Databases("/nowhere", url=postgres_server.new_database())


@pytest.fixture
def pg(where: Databases) -> Iterator[SharedStore]:
    store = PostgresStore(where)
    yield store
    store.close()


def write(store: SharedStore) -> None:
    with store.writing() as tx:
        tx.notifications.create(INFO, NOW)


def count(store: SharedStore) -> int:
    with store.reading() as tx:
        return len(tx.notifications.find())


def cut_all(where: Databases) -> None:
    """End every other connection to this database, as a failing network or an administrator does."""
    assert where.url is not None
    with psycopg.connect(where.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def refused_with(where: Databases) -> Refusal:
    store = PostgresStore(where)
    with pytest.raises(Refusal) as refused:
        write(store)
    assert refused.value.hint
    assert refused.value.__cause__ is None
    return refused.value


def test_a_connection_cut_in_the_middle_leaves_nothing(pg: SharedStore, where: Databases) -> None:
    def cut() -> None:
        with pg.writing() as tx:
            tx.notifications.create(INFO, NOW)
            cut_all(where)
            tx.notifications.create(INFO, NOW)

    write(pg)
    with pytest.raises(DatabaseGone) as refused:
        cut()
    assert refused.value.retryable
    assert count(pg) == 1
    write(pg)


def test_a_connection_cut_before_the_commit_says_that_it_is_open(pg: SharedStore, where: Databases) -> None:
    def cut() -> None:
        with pg.writing() as tx:
            tx.notifications.create(INFO, NOW)
            cut_all(where)

    write(pg)
    with pytest.raises(DatabaseUnusable, match="may or may not be recorded") as refused:
        cut()
    assert not refused.value.retryable
    assert count(pg) == 1


def test_an_idle_connection_that_was_cut_is_replaced_unseen(pg: SharedStore, where: Databases) -> None:
    write(pg)
    cut_all(where)
    write(pg)
    cut_all(where)
    assert count(pg) == 2


def test_a_listener_that_was_cut_listens_again(pg: SharedStore, where: Databases) -> None:
    write(pg)
    with pg.wakeup() as wakeup:
        cut_all(where)
        assert wakeup.wait(5)
        write(pg)
        assert wakeup.wait(5)


def test_a_swallowed_error_does_not_commit_half_a_block(pg: SharedStore, where: Databases) -> None:
    def swallow() -> None:
        with get_db_connection("notifications", databases=where) as conn:
            conn.execute("UPDATE notifications SET level = 'high'")
            with contextlib.suppress(psycopg.errors.CheckViolation):
                conn.execute("UPDATE notifications SET level = 'nonsense'")

    write(pg)
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        swallow()
    with pg.reading() as tx:
        assert tx.notifications.find()[0].level.value == "normal"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@127.0.0.1:1/db",
        "postgresql://me:s3cret@/db?host=/nowhere/at/all",
        "postgresql://me:s3cret@h:notaport/db",
        "host=h s3cret",
    ],
)
def test_no_server_there_and_no_password_shown(url: str) -> None:
    refused = refused_with(Databases("/nowhere", url=url))
    assert isinstance(refused, DatabaseUnusable)
    assert "s3cret" not in f"{refused.message} {refused.hint} {refused.values}"


def test_a_database_that_is_not_there(where: Databases, postgres_server: Server) -> None:
    refused = refused_with(where._replace(url=postgres_server.url("no_such_database")))
    assert "no_such_database" in refused.message


def test_a_user_without_rights(where: Databases, postgres_server: Server) -> None:
    assert where.url is not None
    with psycopg.connect(where.url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS guest")
        connection.execute("CREATE ROLE guest LOGIN")
    refused = refused_with(where._replace(url=where.url.replace("postgres@", "guest@")))
    assert "may not" in refused.message
    assert "GRANT" in refused.hint


def test_a_server_that_only_reads(where: Databases) -> None:
    url = f"{where.url}&options=-c%20default_transaction_read_only%3Don"
    assert "only reads" in refused_with(where._replace(url=url)).message


def test_no_connection_to_spare_is_waited_for_and_then_told(where: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise psycopg.OperationalError("connection failed: FATAL:  sorry, too many clients already")

    slept: list[float] = []
    monkeypatch.setattr(postgres_link.psycopg, "connect", refuse)
    monkeypatch.setattr(postgres_link.time, "sleep", slept.append)
    assert isinstance(refused_with(where._replace(gate_timeout=0.01)), DatabaseBusy)
    assert slept


def test_a_table_that_another_holds_is_waited_for_a_bounded_time(pg: SharedStore, where: Databases) -> None:
    assert where.url is not None
    write(pg)
    impatient = PostgresStore(where._replace(gate_timeout=0.1))
    with psycopg.connect(where.url) as connection:
        connection.execute("LOCK TABLE notifications.notifications IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(DatabaseBusy):
            write(impatient)
    impatient.close()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (psycopg.errors.DiskFull(), "disk is full"),
        (psycopg.errors.QueryCanceled(), "took too long"),
        (psycopg.errors.DataCorrupted(), "damaged"),
        (psycopg.errors.InvalidPassword("FATAL: password authentication failed: hunter2"), "failed: ***"),
        (psycopg.errors.DeadlockDetected(), "in the way"),
        (psycopg.errors.AdminShutdown(), "was lost"),
    ],
)
def test_errors_as_sentences(error: psycopg.Error, words: str) -> None:
    refusal = postgres_errors.as_refusal(error, "notifications", "postgresql://me:hunter2@h/d")
    assert refusal is not None
    assert words in refusal.message
    assert refusal.hint


def test_errors_of_the_program_stay_themselves() -> None:
    assert postgres_errors.as_refusal(psycopg.errors.SyntaxError(), "n", "postgresql://h/d") is None


def test_a_server_that_restarts(where: Databases) -> None:
    own = Server()
    try:
        store = PostgresStore(where._replace(url=own.new_database()))
        write(store)
        own.stop()
        with pytest.raises(Refusal):
            write(store)
        own.start()
        write(store)
        assert count(store) == 2
        store.close()
    finally:
        own.remove()
