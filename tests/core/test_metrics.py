"""Figures from records: every one by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffee_maker.core.metrics import Metrics, Reason, Records, Spread, reckon, spread
from coffee_maker.core.questions import Kind, Level, Notification, Source, State
from coffee_maker.core.records import Run, StepTime, Usage

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOW = NOON + 24 * HOUR


def run(item: str, at: float, hours: float | None, outcome: str | None = "complete", **more: object) -> Run:
    """A run that began `at` hours after noon and took so many hours."""
    began = NOON + at * HOUR
    ended = None if hours is None else began + hours * HOUR
    plain = Run(item, "d", "claude", "b", began, ended, outcome, None, 0, None, pipeline=1, model="opus")
    return plain._replace(**more)


def question(asked: float, answered: float | None, state: State = State.RESPONDED) -> Notification:
    at = None if answered is None else NOON + answered * HOUR
    asker = (1, Source.DAEMON, Kind.QUESTION, Level.NORMAL, "", "?", {}, "A", ())
    return Notification(*asker, state, None, None, None, at, None, None, None, NOON + asked * HOUR, NOW)


def figures(
    *runs: Run, since: datetime | None = None, waits: tuple[StepTime, ...] = (), asked: tuple[Notification, ...] = ()
) -> Metrics:
    return reckon(Records(runs, {("A", 1): NOON - HOUR}, waits, asked), NOW, since)


def test_nothing_gives_nothing() -> None:
    empty = figures()
    assert empty.empty
    assert (empty.total.runs, empty.total.done, empty.total.success) == (0, 0, None)
    assert empty.cycle == empty.attempts == Spread()
    assert empty.items == empty.models == empty.days == empty.reasons == ()
    assert empty.waiting.longest is None


def test_the_cycle_begins_when_the_item_was_taken_up_and_ends_with_the_run_that_completed_it() -> None:
    seen = figures(
        run("A", 0, 1, "failed"),
        run("B", 0.5, 1),
        run("A", 2, 1, "lost", attempt=2),
        run("A", 4, 1, "complete", attempt=3),
        run("A", 10, 2, "complete", pipeline=2),  # a second time: from its own beginning
    )
    assert (seen.cycle.number, seen.cycle.median, seen.cycle.most) == (3, 7200, 6 * 3600)  # 1, 2 and 6 hours
    assert seen.total.done == 3
    assert seen.attempts == Spread(2, 1, 4, 4)


def test_a_run_that_goes_on_with_an_attempt_is_no_attempt_of_its_own() -> None:
    seen = figures(run("A", 0, 1, "lost"), run("A", 2, 1, "complete"))
    assert (seen.total.runs, seen.attempts.most) == (2, 1)


def test_success_is_of_those_that_ended_and_says_nothing_of_daemons_that_died() -> None:
    outcomes = ("complete", "failed", "manual_review", "lost", None)
    seen = figures(*(run("A", hour, 1 if outcome else None, outcome) for hour, outcome in enumerate(outcomes)))
    assert seen.total.success == pytest.approx(1 / 3)
    assert seen.total.outcomes == {"complete": 1, "failed": 1, "manual_review": 1, "lost": 1, "running": 1}
    assert seen.total.seconds == 4 * 3600


def test_costs_per_item_model_and_day() -> None:
    seen = figures(
        run("A", 0, 1, usage=Usage(1, 2, 3, 4, 0.5, 6)),
        run("A", 1, 1, usage=Usage(10, 20, 30, 40, 1.0, 60), model="haiku"),
        run("B", 20, 1, usage=Usage(100, 0, 0, 0, 9.0, 1), model=None, waited=30.0),
    )
    assert [(one.name, one.usage.cost, one.usage.tokens) for one in seen.items] == [("B", 9.0, 100), ("A", 1.5, 110)]
    assert [(one.name, one.runs) for one in seen.models] == [("claude", 1), ("haiku", 1), ("opus", 1)]
    assert [(one.name, one.runs, one.done) for one in seen.days] == [("2026-01-02", 2, 2), ("2026-01-03", 1, 1)]
    assert seen.total.usage == Usage(111, 22, 33, 44, 10.5, 67)
    assert (seen.items[0].waited, seen.waiting.runs) == (30.0, 30.0)


def test_since_counts_what_began_then_and_items_that_became_complete_then() -> None:
    seen = figures(run("A", 0, 5, usage=Usage(cost=5.0)), run("B", 4, 1, usage=Usage(cost=1.0)), since=NOON + 3 * HOUR)
    assert (seen.total.runs, seen.total.usage.cost, seen.total.done) == (1, 1.0, 2)
    assert seen.cycle.most == 6 * 3600  # A was taken up long before
    assert {one.name: (one.runs, one.done) for one in seen.items} == {"A": (0, 1), "B": (1, 1)}


def test_waiting_for_a_person() -> None:
    step = StepTime("A", 1, "approve", NOON, NOON + 2 * HOUR, "waited")
    asked = (question(0, 1), question(0, 5), question(20, None, State.SENT), question(0, None, State.EXPIRED))
    waiting = figures(waits=(step, step), asked=asked).waiting
    assert waiting.steps == 4 * 3600
    assert waiting.answered == Spread(2, 3600, 5 * 3600, 5 * 3600)
    assert (waiting.open, waiting.longest) == (1, 4 * 3600)


def test_reasons_that_differ_in_numbers_only_are_one() -> None:
    seen = figures(
        run("A", 0, 1, "failed", detail="the agent ended with exit code 3\nlots of output"),
        run("B", 1, 1, "failed", detail="the agent ended with exit code 12"),
        run("C", 2, 1, "manual_review", detail=None),
        run("D", 3, 1, "lost", detail="its daemon was gone"),
        run("E", 4, 1, "complete", detail="done"),
    )
    assert seen.reasons == (
        Reason("the agent ended with exit code 3", 2, ("A", "B")),
        Reason("no reason was recorded", 1, ("C",)),
    )


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_a_spread_is_made_of_values_that_occur(values: list[float]) -> None:
    seen = spread(values)
    assert seen.number == len(values)
    assert {seen.median, seen.p90, seen.most} <= set(values)
    assert seen.median is not None
    assert seen.p90 is not None
    assert min(values) <= seen.median <= seen.p90 <= max(values) == seen.most
    assert sum(value <= seen.p90 for value in values) >= 0.9 * len(values)
    assert sum(value < seen.p90 for value in values) < 0.9 * len(values)
