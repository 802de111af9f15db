"""The edits of one item, as splices. Each refuses what it cannot do without touching something else."""

from __future__ import annotations

from typing import Literal, NamedTuple

from coffee_maker.core.document import Document, Splice
from coffee_maker.core.items import Status
from coffee_maker.core.reading import Entry
from coffee_maker.core.wording import Change, rewrite_status


class Edit(NamedTuple):
    """What to change in the document; `before` and `after` are for a person to read."""

    splices: tuple[Splice, ...]
    key: str | None
    before: str | None
    after: str | None


class Place(NamedTuple):
    """Where an item goes."""

    where: Literal["first", "last", "before", "after"]
    ref: str | None = None


def set_status(doc: Document, ref: str, status: Status) -> Edit:
    """Change the status words where the item's status stands, and nothing else of the line.

    In the field; in the heading too when both agreed before, or alone when the status stands only there. An item
    without any status gets a field.
    """
    item = doc.item(ref)
    entry = doc.entry(item)
    splices = _field_splices(doc, entry, status) + _heading_splices(doc, entry, status)
    if not entry.status_field and not entry.parts.states:
        splices = [_new_status(doc, entry, status)]
    before = item.status.value if item.status else item.status_text
    return Edit(tuple(splices), item.key, before, status.value)


def _field_splices(doc: Document, entry: Entry, status: Status) -> list[Splice]:
    field = entry.status_field
    if not field:
        return []
    start = doc.lines.start(field.line) + field.start_column
    value = doc.text[start : doc.lines.start(field.line) + field.end_column]
    return _moved(rewrite_status(value, status), start)


def _heading_splices(doc: Document, entry: Entry, status: Status) -> list[Splice]:
    """The heading's own status words, as far as they say the same as the item's status."""
    stated = entry.field_reading.status if entry.status_field else entry.heading_reading.status
    start = doc.lines.start(entry.heading.line) + entry.heading.column
    text = entry.heading.text
    splices: list[Splice] = []
    for span, reading in entry.parts.states:
        if reading.status is stated:
            splices += _moved(rewrite_status(text[slice(*span)], status), start + span[0])
    return splices


def _moved(changes: list[Change], offset: int) -> list[Splice]:
    return [Splice(start + offset, end + offset, text) for start, end, text in changes]


def _new_status(doc: Document, entry: Entry, status: Status) -> Splice:
    """A status where there is none: in the empty field if there is one, else in a line of its own."""
    words = f"{status.sign} {status.label}"
    empty = next((field for field in entry.fields if field.name == "status"), None)
    if empty:
        at = doc.lines.start(empty.line) + empty.start_column
        return Splice(at, at, words if doc.text[at - 1] in " \t" else f" {words}")
    return new_field_line(doc, entry, f"**Status**: {words}")


def new_field_line(doc: Document, entry: Entry, line: str) -> Splice:
    """A field as first one of the item: behind the heading and a blank line, in the form of the field it precedes."""
    texts, eol = doc.lines.texts, doc.lines.eol
    number = entry.heading.end
    if number < entry.end and not texts[number].strip(" \t"):
        number += 1
    gap = "" if number > entry.heading.end else eol
    follows = next((field for field in entry.fields if field.line == number), None)
    if follows:
        gap, tail, line = "", "", _lead(texts[number]) + line
    else:
        tail = eol if number < len(texts) and texts[number].strip(" \t") else ""
    at = doc.lines.start(number)
    if at == len(doc.text) and not doc.text.endswith(("\n", "\r")):
        return Splice(at, at, eol + eol + line)
    return Splice(at, at, gap + line + eol + tail)


def _lead(line: str) -> str:
    """The indentation and list marker of a field's line."""
    return line[: len(line) - len(line.lstrip(" \t-*+"))] if line[:1] in "-+ " or line[1:2] == " " else ""
