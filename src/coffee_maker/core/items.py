"""The nouns of a roadmap: status, item, check box, problem; frozen, without behaviour that reads or writes.

Records are named tuples, not dataclasses: importing `dataclasses` costs about as much as bare Python's whole start.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from coffee_maker.core.typed import NamedTuple


class Status(Enum):
    """The six statuses; `sign` is the emoji and `label` the words that are written for a person."""

    PLANNED = "planned"
    IN_PROGRESS = "in_progress"
    BLOCKED = "blocked"
    MANUAL_REVIEW = "manual_review"
    COMPLETE = "complete"
    CANCELLED = "cancelled"

    @property
    def sign(self) -> str:
        return _SIGNS[self.value]

    @property
    def label(self) -> str:
        return _LABELS[self.value]


_SIGNS = {
    "planned": "📝",
    "in_progress": "🔄",
    "blocked": "⏸️",
    "manual_review": "🚧",
    "complete": "✅",
    "cancelled": "❌",
}
_LABELS = {
    "planned": "Planned",
    "in_progress": "In Progress",
    "blocked": "Blocked",
    "manual_review": "Manual Review",
    "complete": "Complete",
    "cancelled": "Cancelled",
}


class Check(NamedTuple):
    """One box of an item's check list."""

    text: str
    done: bool
    line: int  # 1-based, in the document


class Item(NamedTuple):
    """One roadmap item as read. Offsets are characters in the document's text, lines are 1-based."""

    key: str  # unique in the document: "PRIORITY-3#2"
    id: str  # as the person wrote it, normalised: "PRIORITY-3"
    title: str  # without decoration
    status: Status | None
    status_text: str | None  # the words it was read from
    progress: int | None  # percent, 0 to 100
    level: int  # of the heading, 1 to 6
    line: int
    start: int
    end: int  # exclusive; spans never overlap
    revision: str  # of the item's own text
    fields: Mapping[str, str]  # canonical name -> value, in the order of the document
    depends_on: tuple[str, ...]  # keys, as far as they could be resolved; else the words as written
    checks: tuple[Check, ...]


class Standing(NamedTuple):
    """What of an item says when its turn comes."""

    key: str
    status: Status | None
    depends_on: tuple[str, ...]


class Problem(NamedTuple):
    """Something in the document that a person should mend; it never stops reading."""

    code: str
    message: str
    line: int
    key: str | None
