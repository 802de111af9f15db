"""Transactions, snapshots and waking up, on both databases."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime

import pytest
from tests.stores import open_store

from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.store.common import SharedStore
from coffee_maker.utils.connection import Databases
from coffee_maker.utils.database import get_db_connection

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
INFO = Draft(Source.DAEMON, Kind.INFO, "x")


def count(store: SharedStore) -> int:
    with store.reading() as tx:
        return len(tx.notifications.find())


def write(store: SharedStore) -> None:
    with store.writing() as tx:
        tx.notifications.create(INFO, NOW)


def test_reading_before_the_first_writer_finds_nothing_and_makes_nothing(
    store: SharedStore, databases: Databases
) -> None:
    assert count(store) == 0
    with store.reading() as tx:
        assert tx.roadmap.state() is None
    assert not os.path.exists(databases.directory)
    with store.runs() as runs:
        assert runs.list() == []


@pytest.mark.parametrize("problem", [ZeroDivisionError, KeyboardInterrupt, SystemExit])
def test_a_block_that_raises_leaves_nothing(store: SharedStore, problem: type[BaseException]) -> None:
    def fail() -> None:
        with store.writing() as tx:
            tx.notifications.create(INFO, NOW)
            raise problem

    write(store)
    with pytest.raises(problem):
        fail()
    assert count(store) == 1
    write(store)
    assert count(store) == 2


def test_a_snapshot_stays_what_it_was(store: SharedStore, databases: Databases) -> None:
    write(store)
    other = open_store(databases)
    with store.reading() as tx:
        assert len(tx.notifications.find()) == 1
        write(other)
        assert len(tx.notifications.find()) == 1
    assert count(store) == 2
    other.close()


def test_a_reader_waits_for_no_writer(store: SharedStore, databases: Databases) -> None:
    write(store)
    other = open_store(databases)
    with other.writing() as tx:
        tx.notifications.create(INFO, NOW)
        assert count(store) == 1
    assert count(store) == 2
    other.close()


def test_a_reader_can_write_nothing(store: SharedStore, databases: Databases) -> None:
    write(store)
    with pytest.raises(Exception, match=r"read-only|only reads"), store.reading() as tx:
        tx.notifications.create(INFO, NOW)
    assert count(store) == 1


def test_threads_use_one_store(store: SharedStore) -> None:
    write(store)
    problems: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                write(store)
                count(store)
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not problems
    assert count(store) == 41


def test_a_store_goes_on_after_close(store: SharedStore) -> None:
    write(store)
    store.close()
    write(store)
    assert count(store) == 2


def test_a_connection_does_not_survive_a_fork(store: SharedStore, databases: Databases) -> None:
    with get_db_connection("analytics", databases=databases) as conn:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                conn.execute("SELECT 1")
                os.write(writing, b"used")
            except RuntimeError as refused:
                os.write(writing, str(refused).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert b"fork" in os.read(reading, 200)
        assert conn.execute("SELECT 1").fetchone() == (1,)
        os.close(reading)
        os.close(writing)


def test_a_child_of_a_fork_opens_its_own(store: SharedStore) -> None:
    write(store)  # leaves an idle connection behind
    child = os.fork()
    if child == 0:
        try:
            write(store)
            store.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    write(store)
    assert count(store) == 3


# --- waking ----------------------------------------------------------------------------------------------------


def test_a_commit_before_the_wait_is_not_missed(store: SharedStore, databases: Databases) -> None:
    write(store)
    other = open_store(databases)
    with store.wakeup() as wakeup:
        assert wakeup.wait(0) is False
        write(other)
        assert wakeup.wait(5) is True
        while wakeup.wait(0):  # it may wake for nothing
            pass
        write(other)
        write(other)
        assert wakeup.wait(5) is True
    other.close()


def test_what_was_committed_is_seen_after_waking(store: SharedStore, databases: Databases) -> None:
    other = open_store(databases)
    with store.wakeup() as wakeup:
        seen = count(store)
        committed = threading.Event()

        def later() -> None:
            write(other)
            committed.set()

        thread = threading.Thread(target=later)
        thread.start()
        while count(store) == seen:
            assert wakeup.wait(10)
        thread.join()
        assert committed.is_set()
    other.close()


def test_the_first_database_ever_wakes(store: SharedStore, databases: Databases) -> None:
    with store.wakeup() as wakeup:
        assert wakeup.wait(0) is False
        write(store)
        assert wakeup.wait(5) is True


def test_waiting_costs_next_to_nothing(store: SharedStore) -> None:
    write(store)
    with store.wakeup() as wakeup:
        wakeup.wait(0)
        before = time.process_time()
        wakeup.wait(1.0)
        spent = time.process_time() - before
    assert spent < 0.1  # a busy loop spends a whole second; the figure itself is in the benchmark
