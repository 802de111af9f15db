"""Texts of changes: what an edit did, and the history."""

from __future__ import annotations

from coffee_maker.cli.render import Cell, Column, Page
from coffee_maker.cli.texts.words import counted, local, zone
from coffee_maker.utils.text import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_VERBS = {
    "add": "added",
    "update": "updated",
    "delete": "removed",
    "status_change": "status changed",
    "move": "moved",
    "restore": "restored",
}
_LONGEST = 60


def change(data: Any, page: Page) -> None:
    """What was done, in one line, and the change's number for `undo`; a dry run shows the diff."""
    undone = data.get("undone")
    if undone:
        about = f"change {undone['id']} by {undone['changed_by']}, {undone['item'] or 'the roadmap'} {_what(undone)}"
        page.line(f"{'Would take' if data.get('dry_run') else 'Took'} back {about}", "dim")
    if data.get("dry_run"):
        _diff(data["diff"], page)
        return
    what = f"{data['key'] or 'The roadmap'}: {_VERBS[data['change_type']]}{_from_to(data)}"
    if data["history_id"] is None:
        page.line(f"{data['key'] or 'The roadmap'}: nothing to change, it is so already.")
        return
    page.line(what, "good")
    page.line(f"change {data['history_id']}, revision {data['revision'] or data['document_revision']}", "dim")


def history(data: Any, page: Page) -> None:
    """The changes, newest first."""
    if data.get("unrecorded"):
        page.line("ROADMAP.md was edited outside since; the next change records that, too.", "warn")
    if not data["changes"]:
        page.line("No changes are recorded.")
        return
    rows: list[tuple[Cell, ...]] = [
        (
            str(one["id"]),
            (local(one["at"]), "dim"),
            one["changed_by"],
            (one["item"] or "", "key"),
            _what(one) + (f" ({one['reason']})" if one["reason"] else ""),
        )
        for one in data["changes"]
    ]
    if data.get("diffs"):
        for one, row in zip(data["changes"], rows, strict=True):
            page.line("  ".join(one_line(cell if isinstance(cell, str) else cell[0]) for cell in row if cell), "title")
            _diff(one["diff"], page)
            page.line()
        return
    when = Column(f"When ({zone()})")
    page.table(
        (Column("Nr", right=True), when, Column("By"), Column("Item"), Column("What", grow=True, wrap=True)), rows
    )


def _what(one: Any) -> str:
    """A change in the history: of a status its two values, of an item its title, of a text the lines that differ."""
    kind, before, after = one["change_type"], one["before"], one["after"]
    if kind == "status_change" and before and after:
        return f"{one_line(before, _LONGEST)} -> {one_line(after, _LONGEST)}"
    if kind in ("add", "delete") and one["item"] and (before or after):
        return f"{_VERBS[kind]}: {one_line(before or after, _LONGEST)}"
    return _VERBS[kind] + (_lines_that_differ(one["diff"]) if kind == "update" else _from_to(one))


def _lines_that_differ(diff: str) -> str:
    """The first line that went and the first that came; how many more there are."""
    lines = [line for line in diff.splitlines()[2:] if line[:1] in "+-" and line[1:].strip()]
    gone, come = ([_bare(line) for line in lines if line[0] == sign] for sign in "-+")
    shown = " -> ".join(one[0] for one in (gone, come) if one)
    word = "removed " if gone and not come else "added " if come and not gone else ""
    more = max(len(gone), len(come)) - 1
    return (f": {word}{shown}" if shown else "") + (f", and {counted(more, 'more line')}" if more > 0 else "")


def _bare(line: str) -> str:
    """A line of a diff without its sign and the marks of Markdown that only cost room."""
    return one_line(line[1:].strip().lstrip("#").replace("**", "").strip(), _LONGEST)


def _from_to(one: Any) -> str:
    before, after = one["before"], one["after"]
    if not before or not after or one["change_type"] in ("add", "delete", "restore"):
        return ""
    if "\n" in before or "\n" in after:  # whole texts: `view ITEM` and the diff show them better
        return ""
    return f": {one_line(before, _LONGEST)} -> {one_line(after, _LONGEST)}"


def _diff(diff: str, page: Page) -> None:
    if not diff:
        page.line("Nothing would change.")
        return
    styles = {"+": "good", "-": "bad", "@": "busy"}
    for line in diff.splitlines():
        page.verbatim(line, styles.get(line[:1], ""))
