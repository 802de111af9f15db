"""What follows an attempt: done, again after a wait, or a person; never in circles, never for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffee_maker.core.attempts import Try, decide, fingerprint, in_words

HALF_A_MINUTE, HOUR = timedelta(seconds=30), timedelta(hours=1)


def failed(number: int, mark: str, **rest: object) -> Try:
    one = Try(number, built=True, changed=True, passed=False, reason=f"reason {mark}", fingerprint=mark)
    return one._replace(**rest)


GOOD = Try(1, built=True, changed=True, passed=True)


def test_built_changed_and_passed_is_done() -> None:
    assert decide([GOOD], most=1, backoff=HALF_A_MINUTE).what == "done"
    assert decide([failed(1, "a"), GOOD._replace(number=2)], most=2, backoff=HALF_A_MINUTE).what == "done"


@pytest.mark.parametrize("lacking", ["built", "changed", "passed"])
def test_nothing_less_is_done(lacking: str) -> None:
    assert decide([GOOD._replace(**{lacking: False})], most=9, backoff=HALF_A_MINUTE).what != "done"


def test_an_agent_that_changes_nothing_is_not_tried_again() -> None:
    decision = decide([failed(1, "a", changed=False)], most=9, backoff=HALF_A_MINUTE)
    assert (decision.what, decision.reason) == ("review", "reason a")


def test_one_that_failed_and_changed_nothing_is_tried_again() -> None:
    decision = decide([failed(1, "a", built=False, changed=False)], most=2, backoff=HALF_A_MINUTE)
    assert decision.what == "again"


def test_the_same_failure_again_is_no_progress_whenever_it_was() -> None:
    tries = [failed(1, "a"), failed(2, "b"), failed(3, "a")]
    decision = decide(tries, most=9, backoff=HALF_A_MINUTE)
    assert decision.what == "review"
    assert decision.reason == "No progress: attempt 3 failed as one before it did: reason a"


def test_different_failures_take_all_attempts() -> None:
    tries = [failed(number, f"{number}") for number in (1, 2, 3)]
    assert [decide(tries[:n], most=3, backoff=HALF_A_MINUTE).what for n in (1, 2, 3)] == ["again", "again", "review"]
    assert decide(tries, most=3, backoff=HALF_A_MINUTE).reason == "3 attempts failed; the last: reason 3"
    assert decide(tries[:1], most=1, backoff=HALF_A_MINUTE).reason == "reason 1"


def test_it_waits_twice_as_long_each_time_and_at_most_an_hour() -> None:
    tries = [failed(number, f"{number}") for number in range(1, 200)]
    waits = [decide(tries[:n], most=1000, backoff=HALF_A_MINUTE).wait for n in range(1, 200)]
    assert waits[:3] == [timedelta(seconds=seconds) for seconds in (30, 60, 120)]
    assert waits[-1] == HOUR
    assert waits == sorted(waits)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.sampled_from("abc")), min_size=1),
    st.integers(1, 9),
)
def test_it_comes_to_an_end(outcomes: list[tuple[bool, bool, bool, str]], most: int) -> None:
    tries = [Try(n, *outcome[:3], fingerprint=outcome[3]) for n, outcome in enumerate(outcomes, 1)]
    decision = decide(tries, most=most, backoff=HALF_A_MINUTE)
    if decision.what == "again":
        assert len(tries) < most
        assert not (tries[-1].built and not tries[-1].changed)
        assert tries[-1].fingerprint not in {one.fingerprint for one in tries[:-1]}
    assert (decision.what == "done") is all(outcomes[-1][:3])


SAME = [
    ("1 failed in 0.31s", "1 failed in 12.70s"),
    ("<X at 0x7f3a>", "<X at 0x55e1>"),
    ("2026-01-01 10:00:00 boom", "2026-11-25 23:59:59 boom"),
    ("commit 1064b13deadbeef", "commit a94f0c2"),
    ("a\n\n  b", "a b"),
    ("\ud800 broken", "\ud800 broken"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_outputs_that_differ_in_numbers_only_are_the_same_failure(one: str, other: str) -> None:
    assert fingerprint("tests", 1, one) == fingerprint("tests", 1, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("test_a failed", "test_b failed"), ("", "x"), ("KeyError", "ValueError"), ("a b", "ab")],
)
def test_other_failures_are_others(one: str, other: str) -> None:
    assert fingerprint("tests", 1, one) != fingerprint("tests", 1, other)
    assert fingerprint("tests", 1, one) != fingerprint("agent", 1, one)


def test_attempts_in_words() -> None:
    assert in_words([failed(1, "a"), GOOD._replace(number=2)]) == ("Attempt 1: reason a", "Attempt 2: it passed")
