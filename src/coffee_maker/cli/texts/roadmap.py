"""Texts of the roadmap: the list, one item, what is next, the overview."""

from __future__ import annotations

from coffee_maker.cli.render import Cell, Column, Page
from coffee_maker.cli.texts.words import FORM_OF_AN_ITEM, ago, counted, left, paused
from coffee_maker.core.items import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STYLES = {
    "planned": "",
    "in_progress": "busy",
    "blocked": "warn",
    "manual_review": "warn",
    "complete": "good",
    "cancelled": "dim",
}
_MOST_PROBLEMS = 5
_ITEMS = (
    Column("Key"),
    Column("Status"),
    Column("Done", right=True),
    Column("Checks", right=True),
    Column("Title", grow=True),
)


def view(data: Any, page: Page) -> None:
    """The roadmap as a table, with a short list of what a person should mend."""
    page.line(f"{data['path']}  ·  {counted(len(data['items']), 'item')}  ·  revision {data['revision']}", "dim")
    _table(data["items"], page, 'There are none. `coffee-roadmap add "TITLE"` adds one.')
    _problems(data["problems"], page, all_of_them=data.get("all_problems", False))


def no_items(data: Any, page: Page) -> None:
    """A roadmap without an item: who has planned in headings of another form wants to know which are read."""
    view(data, page)
    for line in FORM_OF_AN_ITEM:
        page.line(line)


def search(data: Any, page: Page) -> None:
    """The items that were found, each with the line that matched."""
    if not data["items"]:
        page.line(f"No item contains {data['query']!r}.")
        return
    rows = [
        (_key(one), status(one["status"], page), (f"{one['match']['line']}", "dim"), one["match"]["text"])
        for one in data["items"]
    ]
    page.table((Column("Key"), Column("Status"), Column("Line", right=True), Column("Found", grow=True)), rows)


def item(data: Any, page: Page) -> None:
    """One item: what was read from it, then its own text."""
    page.line(f"{data['key']}: {data['title']}", "title")
    facts = [("Status", status_words(data, page)), ("Checks", _checks(data)), ("Line", str(data["line"]))]
    facts += [("Depends on", ", ".join(data["depends_on"])), ("Revision", data["revision"])]
    for name, value in facts:
        if value:
            page.line(f"{name + ':':<12}{value}", "dim")
    page.line()
    page.verbatim(data["text"].rstrip("\r\n"))


def next(data: Any, page: Page) -> None:
    """The item that is next, and the others that wait."""
    chosen = data["item"]
    if chosen is None:
        page.line("Nothing can be taken now.", "warn")
    else:
        page.line(f"Next: {chosen['key']}: {chosen['title']}", "title")
    if data["waiting"]:
        page.line()
        rows = [((one["key"], "key"), one["because"]) for one in data["waiting"]]
        page.table((Column("Waiting"), Column("Because", grow=True, wrap=True)), rows)


def overview(data: Any, page: Page) -> None:
    """Where the project stands."""
    page.line(f"{data['path']}  ·  {counted(data['total'], 'item')}  ·  revision {data['revision']}", "dim")
    counts = [(status(name, page), str(count)) for name, count in data["counts"].items() if count]
    if data["without_status"]:
        counts.append((("no status", "warn"), str(data["without_status"])))
    page.table((Column("Status"), Column("Items", right=True)), counts)
    if data["problems"]:
        page.line(f"{counted(data['problems'], 'problem')} in the text: `coffee-roadmap view --problems`.", "warn")
    page.line()
    _daemons(data["daemons"], page)
    if data["paused_by"]:
        page.line(paused(data["paused_by"], data["paused_reason"]), "warn")
    _questions(data["questions"], page)
    _recent(data["recent"], page)


def _daemons(daemons: Any, page: Page) -> None:
    if not daemons:
        page.line("No daemon is running. `coffee-roadmap daemon start` starts one.")
    for one in daemons:
        on = f" on {one['item']}" if one["item"] else ""
        doing = f"{one['state']}{on}" + (f", {one['step']}" if one["step"] else "")
        if one["alive"]:
            page.line(f"Daemon {one['daemon']} is {doing} (seen {ago(one['at'])}).", "good")
            if one["because"]:
                page.line(f"  {_one_line(one['because'])}", "dim")
        else:
            page.line(f"Daemon {one['daemon']} was last seen {ago(one['at'])}, {doing}: it is not running.", "warn")


def _questions(questions: Any, page: Page) -> None:
    if not questions:
        return
    page.line()
    page.line(f"{counted(len(questions), 'question')} for you to answer:", "warn")
    for one in questions:
        options = f"  [{' | '.join(one['options'])}]" if one["options"] else ""
        page.line(f"  {one['id']}  {_one_line(one['title'] or one['message'])}{options}{left(one['deadline'])}")
    page.line("`coffee-roadmap notifications respond ID ANSWER` answers.", "dim")


def _recent(changes: Any, page: Page) -> None:
    if changes:
        from coffee_maker.cli.texts.changes import history

        page.line()
        history({"changes": changes}, page)


def status(name: str | None, page: Page) -> Cell:
    """A status for a table: with its sign where a person looks."""
    if name is None:
        return ("no status", "warn")
    return (f"{Status(name).sign} {name}" if page.pretty else name, _STYLES[name])


def status_words(one: Any, page: Page) -> str:
    """An item's status, and the words that it was read from where they say more."""
    cell = status(one["status"], page)
    words = cell if isinstance(cell, str) else cell[0]
    progress = f", {one['progress']}%" if one["progress"] is not None else ""
    said = one["status_text"]
    return f"{words}{progress}" + (f"  (written: {_one_line(said)})" if said else "")


def _table(items: Any, page: Page, if_none: str) -> None:
    if not items:
        page.line(if_none)
        return
    rows = [(_key(one), status(one["status"], page), _percent(one), _checks(one), one["title"]) for one in items]
    page.table(_ITEMS, rows)


def _key(one: Any) -> Cell:
    return (one["key"], "key")


def _percent(one: Any) -> str:
    return "" if one["progress"] is None else f"{one['progress']}%"


def _checks(one: Any) -> str:
    total = one["checklist"]["total"]
    return f"{one['checklist']['done']}/{total}" if total else ""


def _problems(problems: Any, page: Page, *, all_of_them: bool) -> None:
    if not problems:
        return
    page.line()
    shown = problems if all_of_them else problems[:_MOST_PROBLEMS]
    page.line(f"{counted(len(problems), 'problem')} in the text:", "warn")
    for one in shown:
        page.line(f"  line {one['line']}: {_one_line(one['message'])}")
    if len(shown) < len(problems):
        page.line(f"  and {len(problems) - len(shown)} more: `coffee-roadmap view --problems`", "dim")


def _one_line(text: str) -> str:
    from coffee_maker.utils.text import one_line

    return one_line(text, 200)
