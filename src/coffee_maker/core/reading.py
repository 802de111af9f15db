"""From blocks to items: which headings are items, what each one's own part says, which items it depends on."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter

from coffee_maker.core.blocks import Blocks, Heading
from coffee_maker.core.fields import Box, Field, is_field, read_boxes, read_checks, read_fields
from coffee_maker.core.headings import ItemHeading, read_heading, read_own_heading
from coffee_maker.core.items import Check, Item, Standing
from coffee_maker.core.lines import Lines
from coffee_maker.core.patterns import on_demand
from coffee_maker.core.references import References
from coffee_maker.core.revisions import revision_of_text
from coffee_maker.core.wording import Reading, read_status

_item, _standing = Item._make, Standing._make  # looked up once: they are called for each
_NONE = Reading(None, "", None, None, None, None, None)
# Sub-sections that speak of the item as a whole, so that a status in them is the item's own.
_OWN_SECTIONS = frozenset({"status", "current status", "overview", "summary", "metadata", "details", "info"})
Extent = tuple[int, int, int]
"""How far an item goes: the line after its last one; where that starts in the text whose line ends are all ``\\n``; and
where a sub-section about something else begins, else the same."""
_PERCENT = on_demand(r"(\d{1,3})(?:\.\d+)?\s*%")


class Entry:
    """An item as it stands in the document; lines are 0-based. Fields and boxes are read when they are asked for."""

    __slots__ = ("_blocks", "_fields", "_flat", "end", "end_at", "heading", "own_end_at", "parts")

    def __init__(self, flat: str, blocks: Blocks, heading: Heading, parts: ItemHeading, extent: Extent) -> None:
        self.heading = heading
        self.parts = parts
        self.end, self.end_at, self.own_end_at = extent
        self._flat = flat
        self._blocks = blocks
        self._fields: list[Field] | None = None

    @property
    def fields(self) -> list[Field]:
        """The fields of its own part. (`cached_property` takes a lock: too slow for thousands of entries.)"""
        if self._fields is None:
            heading = self.heading
            opaque = self._blocks.opaque
            self._fields = read_fields(self._flat, heading.end_at, self.own_end_at, heading.end, opaque)
        return self._fields

    @property
    def boxes(self) -> list[Box]:
        """The check boxes of the whole item."""
        return read_boxes(self._flat, self._boxed)

    @property
    def checks(self) -> tuple[Check, ...]:
        """The same without where in its line each one stands."""
        return read_checks(self._flat, self._boxed) if self._blocks.boxes else ()

    @property
    def _boxed(self) -> list[tuple[int, int, int]]:
        stretches = self._blocks.boxes  # none of them goes beyond a heading
        first = bisect_left(stretches, (self.heading.end,))
        return stretches[first : bisect_left(stretches, (self.end,), first)]

    @property
    def status_field(self) -> Field | None:
        """The field that states the status: the first that is not empty."""
        return next((field for field in self.fields if field.name == "status" and field.first), None)

    @property
    def field_reading(self) -> Reading:
        field = self.status_field
        return read_status(field.first) if field else _NONE

    @property
    def heading_reading(self) -> Reading:
        return self.parts.states[0][1] if self.parts.states else _NONE


def read_entries(flat: str, blocks: Blocks, pattern: re.Pattern[str] | None) -> list[Entry]:
    """The items of a text (its lines joined by ``\\n``) in the order of the document."""
    # What looks like a field above a rule is one in its author's mind; CommonMark makes it a setext heading.
    headings = [h for h in blocks.headings if not (h.setext and h.level == 2 and is_field(h.text))]
    if pattern is None:
        forms = [read_heading(heading.text) for heading in headings]
    else:
        forms = [read_own_heading(heading.text, pattern) or read_heading(heading.text) for heading in headings]
    last = headings[-1].line + flat.count("\n", headings[-1].at) + 1 if headings else 0, len(flat), len(flat)
    return [
        Entry(flat, blocks, headings[number], parts, _extent(headings, forms, number, last))
        for number, parts in enumerate(forms)
        if parts
    ]


def _extent(headings: list[Heading], forms: list[ItemHeading | None], number: int, last: Extent) -> Extent:
    """How far an item goes: to the next item or a heading of its own or a higher level, or to the end of the text."""
    after = number + 1
    if after < len(forms) and forms[after]:  # nearly always, where there are thousands
        heading = headings[after]
        return heading.line, heading.at, heading.at
    level, own = headings[number].level, -1
    for following in range(after, len(headings)):
        heading = headings[following]
        if forms[following] or heading.level <= level:
            return heading.line, heading.at, heading.at if own < 0 else own
        if own < 0 and heading.text.strip("*: ").lower() not in _OWN_SECTIONS:
            own = heading.at
    return last if own < 0 else (last[0], last[1], own)


def make_keys(ids: list[str]) -> list[str]:
    """Unique keys: the second item with an id gets `#2`; ids that differ in letter case only are the same."""
    upper = "".join(ids).isupper()  # as nearly all are; thousands of copies would cost more than all else here
    if len(set(ids) if upper else {name.upper() for name in ids}) == len(ids):
        return ids
    counts: Counter[str] = Counter()
    taken: set[str] = set()
    keys: list[str] = []
    for name in ids:
        key = name
        while not keys or key.upper() in taken:
            counts[name.upper()] += 1
            count = counts[name.upper()]
            key = name if count == 1 else f"{name}#{count}"
            if key.upper() not in taken:
                break
        taken.add(key.upper())
        keys.append(key)
    return keys


def build_standing(entry: Entry, key: str, references: References) -> Standing:
    reading, fields = _own(entry)
    return _standing((key, reading.status, _needed(fields, references)))


def build_item(text: str, lines: Lines, entry: Entry, key: str, references: References) -> Item:
    heading, parts, shift = entry.heading, entry.parts, lines.shift
    if shift is None:
        start, end = lines.start(heading.line), lines.start(entry.end)
    else:
        start, end = heading.at + shift, min(entry.end_at + shift, len(text))
    reading, fields = _own(entry)
    progress = reading.progress
    if progress is None and "progress" in fields:
        percent = _PERCENT.search(fields["progress"])
        progress = int(percent[1]) if percent and int(percent[1]) <= 100 else None
    return _item(
        (
            key,
            parts.id,
            parts.title,
            reading.status,
            reading.text or None,
            progress,
            heading.level,
            heading.line + 1,
            start,
            end,
            revision_of_text(text[start:end]),
            fields,
            _needed(fields, references),
            entry.checks,
        )
    )


def _own(entry: Entry) -> tuple[Reading, dict[str, str]]:
    """What the item says of its status, and its other fields."""
    reading = _NONE
    fields: dict[str, str] = {}
    for field in entry.fields:
        if field.name != "status":
            fields.setdefault(field.name, field.value)
        elif reading is _NONE and field.first:
            reading = read_status(field.first)
    if reading is _NONE and entry.parts.states:
        reading = entry.parts.states[0][1]
    return reading, fields


def _needed(fields: dict[str, str], references: References) -> tuple[str, ...]:
    return references.dependencies(fields["depends_on"]) if "depends_on" in fields else ()
