"""Texts of notifications: the list, one of them, what became of a question."""

from __future__ import annotations

from coffee_maker.cli.render import Cell, Column, Page
from coffee_maker.cli.texts.words import ago, left, local, zone
from coffee_maker.utils.text import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LEVEL_STYLES = {"critical": "bad", "high": "warn", "normal": "", "low": "dim"}
_SIGNS = {"question": "?", "alert": "!", "status": "~", "info": "i"}


def notifications(data: Any, page: Page) -> None:
    """The open ones (or all), oldest first, so that the newest stands above the prompt."""
    found = data["notifications"]
    if not found:
        page.line("There are no notifications." if data["all"] else "Nothing is open. `--all` shows the others.")
        return
    rows: list[tuple[Cell, ...]] = [
        (
            str(one["id"]),
            (f"{_SIGNS[one['type']]} {one['type']}", _LEVEL_STYLES[one["level"]]),
            one["status"],
            (one["item"] or "", "key"),
            (ago(one["created"]), "dim"),
            _short(one),
        )
        for one in found
    ]
    columns = (
        Column("Nr", right=True),
        Column("Type"),
        Column("Status"),
        Column("Item"),
        Column("Created"),
        Column("Text", grow=True),
    )
    page.table(columns, rows)
    waiting = [one for one in found if one["type"] == "question" and _takes_answer(one)]
    if waiting:
        page.line(f"`coffee-roadmap notifications respond {waiting[0]['id']} ANSWER` answers a question.", "dim")


def notification(data: Any, page: Page) -> None:
    """One, whole."""
    about = f" about {data['item']}" if data["item"] else ""
    head = f"{data['type'].capitalize()} {data['id']}{about}: {data['status']}"
    page.line(head, _LEVEL_STYLES[data["level"]] or "title")
    page.line(f"from {data['source']}, {local(data['created'])} {zone()}, level {data['level']}", "dim")
    if data["title"]:
        page.line(one_line(data["title"]), "title")
    page.line()
    page.verbatim(data["message"].rstrip())
    if data["options"]:
        page.line()
        for number, option in enumerate(data["options"], 1):
            page.line(f"  {number}. {one_line(option)}")
    _fate(data, page)


def created(data: Any, page: Page) -> None:
    """What was made, and how it is answered."""
    page.line(f"{data['type'].capitalize()} {data['id']} is created{left(data['deadline'])}.", "good")
    _how_to_answer(data, page)


def exists(data: Any, page: Page) -> None:
    """What the same key has made before, and the answer that it may have."""
    said = f": {one_line(data['answer'])}" if data["answer"] is not None else ""
    page.line(f"{data['type'].capitalize()} {data['id']} exists already ({data['status']}){said}.")
    if _takes_answer(data):
        _how_to_answer(data, page)


def _how_to_answer(data: Any, page: Page) -> None:
    if data["type"] == "question":
        page.line(f"`coffee-roadmap notifications respond {data['id']} ANSWER` answers it.", "dim")


def answer(data: Any, page: Page) -> None:
    """The answer alone, for scripts; of an expired question its default."""
    if data["taken"] is not None:
        page.verbatim(data["taken"])


def answered(data: Any, page: Page) -> None:
    late = ""
    if data["late"]:
        gone_on = "gone on with the default" if data["default"] is not None else "given up on it"
        late = f" It came after the deadline: whoever asked may have {gone_on}."
    page.line(f"Question {data['id']} is answered: {one_line(data['answer'])}.{late}", "good")


def dismissed(data: Any, page: Page) -> None:
    page.line(f"{data['type'].capitalize()} {data['id']} is dismissed.")


def several_dismissed(data: Any, page: Page) -> None:
    for one in data["notifications"]:
        dismissed(one, page)


def _fate(data: Any, page: Page) -> None:
    if data["answer"] is not None:
        page.line()
        page.line(
            f"Answered by {data['answered_by']} ({data['answered_via']}), {local(data['answered_at'])} {zone()}:", "dim"
        )
        page.verbatim(data["answer"], "good")
    elif data["type"] == "question" and _takes_answer(data):
        default = f", then: {one_line(data['default'])}" if data["default"] else ""
        page.line()
        page.line(f"`coffee-roadmap notifications respond {data['id']} ANSWER`{left(data['deadline'])}{default}", "dim")


def _takes_answer(one: Any) -> bool:
    return one["answer"] is None and one["status"] != "dismissed"


def _short(one: Any) -> str:
    text = one["title"] or one["message"]
    options = f"  [{' | '.join(one['options'])}]" if one["options"] else ""
    return f"{one_line(text, 200)}{options}{left(one['deadline']) if _takes_answer(one) else ''}"
