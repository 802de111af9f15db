"""Ceilings for runs, items and days: what is near its ceiling, and what has reached it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from coffee_maker.core.records import Usage

WARN_AT = 0.8


class Ceilings(NamedTuple):
    """The highest that is allowed; None: no ceiling. Costs are in US dollars, times are of agents at work."""

    run_turns: int | None = None
    run_tokens: int | None = None
    run_cost: float | None = None
    item_time: timedelta | None = None
    item_tokens: int | None = None
    item_cost: float | None = None
    day_time: timedelta | None = None
    day_tokens: int | None = None
    day_cost: float | None = None


class Spent(NamedTuple):
    """What was taken: by this run, and by earlier runs of the item and of the day."""

    run: Usage = Usage()
    run_time: timedelta = timedelta()
    item: Usage = Usage()
    item_time: timedelta = timedelta()
    day: Usage = Usage()
    day_time: timedelta = timedelta()


class Reached(NamedTuple):
    """One ceiling, and how much of it is used (1.0: all)."""

    name: str  # e.g. "item_cost"
    share: float
    words: str  # e.g. "$12.50 of $25.00 for this item"


def reached(ceilings: Ceilings, spent: Spent, *, extra: Mapping[str, int] = {}) -> list[Reached]:
    """The ceilings of which at least `WARN_AT` is used, the fullest first. A person who said "go on" to one has raised
    that one by its own height, as often as `extra` says, and no other."""
    found = []
    for name, ceiling, amount in _pairs(ceilings, spent):
        highest = ceiling * (1 + extra.get(name, 0))
        share = amount / highest if highest else 1.0
        if share >= WARN_AT:
            what = {"run": "this run", "item": "this item", "day": "today"}[name.partition("_")[0]]
            found.append(Reached(name, share, f"{_shown(name, amount)} of {_shown(name, highest)} for {what}"))
    return sorted(found, key=lambda one: -one.share)


_EXACTLY = 10  # minutes, below which seconds count


def _pairs(ceilings: Ceilings, spent: Spent) -> Iterator[tuple[str, float, float]]:
    """Name, ceiling and amount of every ceiling that there is."""
    item, day = spent.item.plus(spent.run), spent.day.plus(spent.run)
    amounts = {
        "run_turns": spent.run.turns,
        "run_tokens": spent.run.tokens,
        "run_cost": spent.run.cost,
        "item_time": (spent.item_time + spent.run_time).total_seconds(),
        "item_tokens": item.tokens,
        "item_cost": item.cost,
        "day_time": (spent.day_time + spent.run_time).total_seconds(),
        "day_tokens": day.tokens,
        "day_cost": day.cost,
    }
    for name, ceiling in ceilings._asdict().items():
        if ceiling is not None:
            yield name, ceiling.total_seconds() if isinstance(ceiling, timedelta) else float(ceiling), amounts[name]


def _shown(name: str, amount: float) -> str:
    kind = name.partition("_")[2]
    if kind == "cost":
        return f"${amount:.2f}"
    if kind == "time":
        minutes, seconds = divmod(round(amount), 60)
        if minutes < _EXACTLY:
            return f"{minutes}m {seconds}s" if minutes and seconds else f"{minutes}m" if minutes else f"{seconds}s"
        return f"{minutes // 60}h {minutes % 60}m" if minutes >= 60 else f"{minutes}m"
    return f"{amount:,.0f} {kind}"
