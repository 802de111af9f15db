"""Texts of `metrics` and `health`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from coffee_maker.cli.render import Cell, Column, Page
from coffee_maker.cli.texts.words import counted, local, zone
from coffee_maker.utils.durations import format_duration

_MOST_ROWS = 15
_MOST_DAYS = 14
_MOST_KEYS = 8
_COLUMNS = (
    Column("Runs", right=True),
    Column("Done", right=True),
    Column("Success", right=True),
    Column("Time", right=True),
    Column("Tokens", right=True),
    Column("Cost", right=True),
)


def metrics(data: Any, page: Page) -> None:
    """The sums, then tables by item, model and day, and why runs failed."""
    since = f"since {local(data['since'])} {zone()}" if data["since"] else "of all time"
    page.line(f"Runs of agents {since}", "dim")
    if not data["total"]["runs"] and not data["total"]["done"]:
        page.line("Nothing has been run in that time." if data["since"] else "Nothing has been run yet.")
        page.line("`coffee-roadmap daemon run` takes the next planned item.", "dim")
        _waiting(data, page)
        return
    _sums(data, page)
    _waiting(data, page)
    _groups("Item", "key", data["items"][:_MOST_ROWS], page, len(data["items"]))
    _groups("Agent or model", "model", data["models"], page, len(data["models"]))
    _groups("Day (UTC)", "day", data["days"][-_MOST_DAYS:], page, len(data["days"]))
    if data["reasons"]:
        page.line()
        columns = (Column("Failed", right=True), Column("Why", grow=True, wrap=True))
        page.table(columns, [(str(one["runs"]), one["reason"]) for one in data["reasons"]])


def _sums(data: Any, page: Page) -> None:
    total, cycle, attempts = data["total"], data["cycle"], data["attempts"]
    ways = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(total["outcomes"].items()))
    ways = f" ({ways})" if ways else ""  # what is done may have begun before the time
    rows: list[tuple[Cell, Cell]] = [("Items done", str(total["done"])), ("Runs", f"{total['runs']}{ways}")]
    if total["success"] is not None:
        rows.append(("Success", _percent(total["success"])))
    if cycle["number"]:
        rows.append(("Taken up to complete", f"median {_time(cycle['median'])}, nine of ten in {_time(cycle['p90'])}"))
    if attempts["number"]:
        rows.append(("Attempts per item", f"median {attempts['median']}, most {attempts['most']}"))
    rows.append(
        ("Cost", f"{_money(total['cost'])}, {_number(total['tokens'])} tokens, {counted(total['turns'], 'turn')}")
    )
    page.table((Column("All"), Column("", grow=True)), rows)


def _waiting(data: Any, page: Page) -> None:
    waiting = data["waiting"]
    answered = waiting["answered"]
    if answered["number"]:
        page.line(
            f"{counted(answered['number'], 'question')} answered: median {_time(answered['median'])}, "
            f"longest {_time(answered['most'])}."
        )
    if waiting["steps"] + waiting["runs"] > 0:
        page.line(
            f"Waited for a person: {_time(waiting['steps'])} between steps, {_time(waiting['runs'])} within runs."
        )
    if waiting["open"]:
        page.line(f"{counted(waiting['open'], 'question')} open, the oldest for {_time(waiting['longest'])}.", "warn")


def _groups(title: str, name: str, groups: Any, page: Page, all_of_them: int) -> None:
    if not groups:
        return
    page.line()
    page.table((Column(title), *_COLUMNS), [((one[name], "key"), *_figures(one)) for one in groups])
    if len(groups) < all_of_them:
        page.line(f"and {all_of_them - len(groups)} more: --json has them all", "dim")


def _figures(one: Any) -> tuple[str, ...]:
    success = "" if one["success"] is None else _percent(one["success"])
    sums = (_time(one["seconds"]), _number(one["tokens"]), _money(one["cost"]))
    return (str(one["runs"]), str(one["done"]), success, *sums)


def health(data: Any, page: Page) -> None:
    """The score, and a line for every point that is missing."""
    score = data["score"]
    page.line(f"{score} of 100", "good" if score >= 80 else "warn" if score >= 50 else "bad")
    if not data["findings"]:
        page.line("Nothing takes points off.")
    for one in data["findings"]:
        page.line()
        page.line(f"-{one['points']}  {one['message']}", "warn")
        if one["items"]:
            more = len(one["items"]) - _MOST_KEYS
            page.line(f"     {', '.join(one['items'][:_MOST_KEYS])}" + (f" and {more} more" if more > 0 else ""))
        page.line(f"     {one['hint']}", "dim")


def _time(seconds: float) -> str:
    """The two largest units: ``3h12m``, ``45s``, ``300ms``."""
    whole: float = round(seconds) if seconds >= 1 else seconds
    for size, unit in ((86_400, 3600), (3600, 60)):
        if whole >= size:
            whole -= whole % unit
            break
    return format_duration(timedelta(seconds=whole))


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _money(amount: float) -> str:
    return f"${amount:,.2f}"


def _number(count: int) -> str:
    return f"{count:,}"
