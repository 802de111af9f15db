"""Real processes on one store, on both databases: nothing lost, nothing twice, nobody refused."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from tests import store_worker
from tests.store_worker import Workers
from tests.stores import open_store

from coffee_maker.core.errors import AlreadyClaimed, ClaimLost, Refusal
from coffee_maker.core.questions import Draft, Kind, Source, State
from coffee_maker.core.records import Heartbeat
from coffee_maker.core.state import Claim
from coffee_maker.store.common import SharedStore
from coffee_maker.utils.connection import Databases

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_twenty_writers_of_twenty_rows_each(store: SharedStore, databases: Databases) -> None:
    waits = Workers(databases, store_worker.write_rows, [str(n) for n in range(20)]).run()
    with store.reading() as tx:
        found = tx.notifications.find()
    assert sorted(note.message for note in found) == sorted(f"{n} {m}" for n in range(20) for m in range(20))
    assert [note.id for note in found] == sorted({note.id for note in found})
    assert max(waits) < databases.gate_timeout


def test_writers_that_read_first_lose_no_update(store: SharedStore, databases: Databases) -> None:
    with store.writing() as tx:
        tx.heartbeats.beat(Heartbeat("counter", "h", 0, "b", "idle", None, None, NOW, {}))
    Workers(databases, store_worker.count_up, [str(n) for n in range(6)]).run()
    with store.reading() as tx:
        assert tx.heartbeats.all()[0].pid == 6 * 20


def test_many_claimants_on_few_items(store: SharedStore, databases: Databases) -> None:
    results = Workers(databases, store_worker.claim, [str(n) for n in range(8)]).run()
    held = [tuple(one) for result in results for one in result]
    assert len(held) > len(store_worker.ITEMS)
    assert len({fence for _, fence, _, _ in held}) == len(held)
    for item in store_worker.ITEMS:
        turns = sorted((begin, end, fence) for name, fence, begin, end in held if name == item)
        for (_, end, fence), (begin, _, next_fence) in pairwise(turns):
            assert end <= begin, "two held the item at once"
            assert fence < next_fence


def test_a_question_gets_exactly_one_answer(store: SharedStore, databases: Databases) -> None:
    with store.writing() as tx:
        tx.notifications.create(Draft(Source.DAEMON, Kind.QUESTION, "Which?"), NOW)
    results = Workers(databases, store_worker.answer, [str(n) for n in range(10)]).run()
    assert results.count(True) == 1
    with store.reading() as tx:
        note = tx.notifications.get(1)
    assert note is not None
    assert note.state == State.RESPONDED
    assert note.answered_by == str(results.index(True))


def test_ten_processes_that_all_come_first(databases: Databases, store: SharedStore) -> None:
    results = Workers(databases, store_worker.first_writer, [str(n) for n in range(10)]).run()
    assert sorted(results) == list(range(1, 11))
    with store.reading() as tx:
        assert {note.message for note in tx.notifications.find()} == {str(n) for n in range(10)}


def test_a_writer_killed_in_the_middle_leaves_nothing(databases: Databases, store: SharedStore) -> None:
    with store.writing() as tx:
        tx.notifications.create(Draft(Source.DAEMON, Kind.INFO, "before"), NOW)
    workers = Workers(databases, store_worker.hang_in_transaction, [""])
    workers.go()
    assert workers.next_line() == ["inside"]
    with store.reading() as tx:  # a reader waits for nobody
        assert [note.message for note in tx.notifications.find()] == ["before"]
    os.kill(workers.processes[0].pid, signal.SIGKILL)
    assert workers.processes[0].wait(10) == -signal.SIGKILL
    with store.writing() as tx:
        tx.notifications.create(Draft(Source.DAEMON, Kind.INFO, "after"), NOW)
    with store.reading() as tx:
        assert [note.message for note in tx.notifications.find()] == ["before", "after"]


def test_waiting_is_bounded_and_names_the_holder(databases: Databases) -> None:
    workers = Workers(databases, store_worker.hang_in_transaction, [""])
    workers.go()
    assert workers.next_line() == ["inside"]
    impatient = open_store(databases._replace(gate_timeout=0.2))
    with pytest.raises(Refusal) as refused, impatient.writing():
        raise AssertionError("got in beside another writer")
    assert refused.value.code == "database_busy"
    assert refused.value.exit_code == 75
    assert str(workers.processes[0].pid) in refused.value.message
    assert "0.2 s" in refused.value.message
    impatient.close()
    workers.processes[0].kill()
    workers.processes[0].wait()


def test_an_old_holder_is_told_by_its_fence(store: SharedStore) -> None:
    minute = timedelta(minutes=1)
    with store.writing() as tx:
        old = tx.claims.take("A", "one", lease=minute, now=NOW)
    with store.writing() as tx, pytest.raises(AlreadyClaimed):
        tx.claims.take("A", "two", lease=minute, now=NOW)
    with store.writing() as tx:
        new: Claim = tx.claims.take("A", "two", lease=minute, now=NOW + 2 * minute)
        with pytest.raises(ClaimLost):
            tx.claims.check(old, NOW + 2 * minute)
        with pytest.raises(ClaimLost):
            tx.claims.renew(old, lease=minute, now=NOW + 2 * minute)
        tx.claims.release(old)
        tx.claims.check(new, NOW + 2 * minute)
    assert new.fence > old.fence
