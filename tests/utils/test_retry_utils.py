"""Contention is repeated, with chance and a deadline; nothing else is."""

from __future__ import annotations

import apsw
import psycopg
import pytest

from coffee_maker.core.errors import DatabaseBusy, DatabaseGone, DatabaseUnusable, LockBusy
from coffee_maker.utils.retry_utils import Retry, Timing, with_retry

BUSY = DatabaseBusy(name="n", holder="h", waited="1 s")


class Told(Timing):
    """A clock that goes only while somebody sleeps, and a chance that is what the test says."""

    def __init__(self, chance: float = 1.0) -> None:
        self.time = 0.0
        self.sleeps: list[float] = []
        self._chance = chance

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds

    def chance(self) -> float:
        return self._chance


class Failing:
    """Raises what it is given, one after the other, then returns."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self, word: str = "done") -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return word


@pytest.mark.parametrize(
    "error",
    [
        BUSY,
        LockBusy(what="w", holder="h", since="s", waited="1 s"),
        DatabaseGone(name="n"),
        apsw.BusyError(),
        apsw.LockedError(),
        psycopg.errors.SerializationFailure(),
        psycopg.errors.DeadlockDetected(),
        psycopg.errors.LockNotAvailable(),
    ],
)
def test_contention_is_repeated(error: Exception) -> None:
    function = Failing(error, error)
    heard: list[Retry] = []
    repeated = with_retry(on_retry=heard.append, timing=Told())(function)
    assert repeated("word") == "word"
    assert function.calls == 3
    assert [(retry.attempt, retry.error) for retry in heard] == [(1, error), (2, error)]


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnusable(name="n", problem="full", hint=""),
        apsw.SQLError("no such table"),
        apsw.FullError(),
        psycopg.errors.UndefinedTable(),
        psycopg.OperationalError(),
        ValueError(),
    ],
)
def test_what_does_not_go_away_is_raised_at_once(error: Exception) -> None:
    function = Failing(error)
    with pytest.raises(type(error)) as raised:
        with_retry(timing=Told())(function)()
    assert raised.value is error
    assert function.calls == 1
    assert not hasattr(error, "__notes__")


def test_waits_grow_and_are_spread_by_chance() -> None:
    longest, shortest = Told(1.0), Told(0.0)
    for timing in (longest, shortest):
        with_retry(max_attempts=4, backoff_base=2, first_wait=1, timing=timing)(Failing(BUSY, BUSY, BUSY))()
    assert longest.sleeps == [1, 2, 4]
    assert shortest.sleeps == [0.5, 1, 2]


def test_the_last_error_tells_how_often() -> None:
    error = DatabaseBusy(name="n", holder="h", waited="1 s")
    function = Failing(error, error, error, error)
    with pytest.raises(DatabaseBusy) as raised:
        with_retry(max_attempts=3, first_wait=2, backoff_base=1, timing=Told())(function)()
    assert function.calls == 3
    assert raised.value.__notes__ == ["tried 3 times in 4.0 s"]


def test_no_wait_beyond_the_deadline() -> None:
    function = Failing(*[BUSY] * 99)
    timing = Told()
    with pytest.raises(DatabaseBusy):
        with_retry(max_attempts=99, first_wait=4, backoff_base=1, deadline=10, timing=timing)(function)()
    assert timing.sleeps == [4, 4]
    patient = Told()
    with_retry(max_attempts=99, first_wait=4, backoff_base=1, deadline=None, timing=patient)(Failing(*[BUSY] * 50))()
    assert len(patient.sleeps) == 50


def test_own_kinds_of_error() -> None:
    function = Failing(KeyError(), KeyError())
    assert with_retry(retriable_exceptions=(KeyError,), timing=Told())(function)() == "done"
    with pytest.raises(DatabaseBusy):
        with_retry(retriable_exceptions=(KeyError,), timing=Told())(Failing(BUSY))()


def test_the_function_keeps_its_name_and_its_own_time() -> None:
    @with_retry()
    def named() -> int:
        """What it does."""
        return 7

    assert (named(), named.__name__, named.__doc__) == (7, "named", "What it does.")
    assert with_retry(first_wait=0.001)(Failing(BUSY))() == "done"
    with pytest.raises(ValueError, match="max_attempts"):
        with_retry(max_attempts=0)
