"""Texts of changes: what an edit did, and the history."""

from __future__ import annotations

from typing import Any

from coffee_maker.cli.render import Cell, Column, Page
from coffee_maker.cli.texts.words import local, zone
from coffee_maker.utils.text import one_line

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
    if not data["changes"]:
        page.line("No changes are recorded.")
        return
    rows: list[tuple[Cell, ...]] = [
        (
            str(one["id"]),
            (local(one["at"]), "dim"),
            one["changed_by"],
            (one["item"] or "", "key"),
            _VERBS[one["change_type"]] + _from_to(one) + (f" ({one['reason']})" if one["reason"] else ""),
        )
        for one in data["changes"]
    ]
    when = Column(f"When ({zone()})")
    page.table((Column("Nr", right=True), when, Column("By"), Column("Item"), Column("What", grow=True)), rows)


def _from_to(one: Any) -> str:
    before, after = one["before"], one["after"]
    if before is None or after is None or one["change_type"] in ("add", "delete", "restore"):
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
