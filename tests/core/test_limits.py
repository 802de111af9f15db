"""Ceilings: what is near, what is reached, and what a person's "go on" adds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from coffee_maker.core.limits import Ceilings, Reached, Spent, reached
from coffee_maker.core.records import Usage

HOUR = timedelta(hours=1)


def names(found: list[Reached]) -> list[str]:
    return [one.name for one in found]


def test_without_ceilings_nothing_is_reached() -> None:
    assert reached(Ceilings(), Spent(run=Usage(10**9, 10**9, cost=1e9, turns=10**9), run_time=HOUR * 9999)) == []


@pytest.mark.parametrize(
    ("name", "ceiling", "used", "words"),
    [
        ("run_turns", 10, Usage(turns=8), "8 turns of 10 turns for this run"),
        ("run_tokens", 1000, Usage(input_tokens=500, cache_read_tokens=300), "800 tokens of 1,000 tokens for this run"),
        ("run_cost", 2.0, Usage(cost=1.6), "$1.60 of $2.00 for this run"),
        ("item_tokens", 1000, Usage(output_tokens=800), "800 tokens of 1,000 tokens for this item"),
        ("item_cost", 2.0, Usage(cost=1.6), "$1.60 of $2.00 for this item"),
        ("day_tokens", 1000, Usage(cache_write_tokens=800), "800 tokens of 1,000 tokens for today"),
        ("day_cost", 2.0, Usage(cost=1.6), "$1.60 of $2.00 for today"),
    ],
)
def test_each_ceiling_warns_at_80_percent(name: str, ceiling: float, used: Usage, words: str) -> None:
    (near,) = reached(Ceilings(**{name: ceiling}), Spent(run=used))
    assert (near.name, round(near.share, 6), near.words) == (name, 0.8, words)
    assert reached(Ceilings(**{name: ceiling * 1.01}), Spent(run=used)) == []
    (full,) = reached(Ceilings(**{name: ceiling * 0.8}), Spent(run=used))
    assert full.share >= 1


@pytest.mark.parametrize(("name", "earlier"), [("item_time", "item_time"), ("day_time", "day_time")])
def test_times_add_up(name: str, earlier: str) -> None:
    spent = Spent(run_time=timedelta(minutes=50), **{earlier: timedelta(hours=1)})
    (near,) = reached(Ceilings(**{name: HOUR * 2}), spent)
    assert near.share == pytest.approx(110 / 120)
    assert near.words.startswith("1h 50m of 2h 0m for ")
    short = [
        reached(Ceilings(item_time=timedelta(minutes=1)), Spent(item_time=timedelta(seconds=n)))[0].words
        for n in (55, 65)
    ]
    assert short == ["55s of 1m for this item", "1m 5s of 1m for this item"]


def test_earlier_runs_count_for_the_item_and_the_day_and_not_for_the_run() -> None:
    spent = Spent(run=Usage(cost=1.0), item=Usage(cost=3.0), day=Usage(cost=5.0))
    ceilings = Ceilings(run_cost=4.0, item_cost=4.0, day_cost=4.0)
    assert names(reached(ceilings, spent)) == ["day_cost", "item_cost"]


def test_the_fullest_comes_first() -> None:
    spent = Spent(run=Usage(cost=0.9, turns=100))
    assert names(reached(Ceilings(run_cost=1.0, run_turns=100), spent)) == ["run_turns", "run_cost"]


def test_go_on_raises_the_one_that_was_asked_about_by_its_own_height() -> None:
    ceilings, spent, once = Ceilings(item_cost=10.0), Spent(run=Usage(cost=10.0)), {"item_cost": 1}
    assert reached(ceilings, spent)[0].share == 1.0
    assert reached(ceilings, spent, extra=once) == []
    assert reached(ceilings, spent, extra={"run_turns": 1})[0].share == 1.0
    (near,) = reached(ceilings, Spent(run=Usage(cost=19.0)), extra=once)
    assert near.words == "$19.00 of $20.00 for this item"
    assert reached(ceilings, Spent(run=Usage(cost=20.0)), extra=once)[0].share == 1.0


def test_a_ceiling_of_nothing_is_reached_at_once() -> None:
    assert reached(Ceilings(day_cost=0.0), Spent())[0].share >= 1
