"""The fields of an item (`**Effort**: 2 days`) and the boxes of its check lists."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache

from coffee_maker.core.items import Check
from coffee_maker.core.markup import LIST_MARKER, atx_level, opens_fence
from coffee_maker.core.patterns import on_demand
from coffee_maker.core.typed import NamedTuple
from coffee_maker.core.wording import read_status


class Field(NamedTuple):
    """A field where it stands; lines are 0-based, columns are offsets in the first line."""

    line: int
    end: int  # line after its last one
    name: str  # canonical
    label: str  # as written
    value: str
    first: str  # what of the value stands on the first line
    lead: str  # indentation and list marker
    start_column: int  # of the value in its first line


class Box(NamedTuple):
    """A box of a check list where it stands."""

    check: Check
    start_column: int  # of what says whether it is done: the character in the brackets, or the sign
    end_column: int
    sign: bool  # an emoji instead of a box


_SYNONYMS = {
    "effort": "estimated_effort estimated_duration duration estimated_time time_estimate estimate estimated "
    "effort_estimate estimated_time_to_complete",
    "depends_on": "dependencies dependency depends depends_upon blocked_by prerequisite prerequisites requires",
    "status": "current_status overall_status",
    "progress": "current_progress completion",
}
_WRITTEN = {"effort": "Estimated Effort", "depends_on": "Dependencies"}
_CANONICAL = {other: name for name, others in _SYNONYMS.items() for other in others.split()}

# The groups of all three: what leads, the mark of bold, label and value.
_LEAD = r"( {0,3}(?:[-*+][ \t]+)?)(?!\[)"
_LABEL = r"(\*\*|__)([^*:\n]{1,60})(?:\2[ \t]*:|[ \t]*:[ \t]*\2)"
_FIELD = on_demand(rf"{_LEAD}{_LABEL}[ \t]*(.*)", re.DOTALL)
_ALL_BOLD = on_demand(rf"{_LEAD}(\*\*|__)((?:Current )?Status)[ \t]*:[ \t]*([^*_]+)\2[ \t]*\Z")
_PLAIN_STATUS = on_demand(rf"{_LEAD}()((?:Current )?Status)[ \t]*:[ \t]*(.*)", re.DOTALL)
_NOT_WORD = on_demand(r"[\W_]+")
_RULE = on_demand(r"[ \t]*(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|=+[ \t]*)\Z")

_BOX = on_demand(
    r"[ \t>]*(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]+)+"
    r"(?:\[(?P<box>[ xX])\](?=[ \t]|\Z)|(?P<sign>✅|❌|🔄|⏳)\ufe0f?)[ \t]*(?P<text>.*)",
    re.DOTALL,
)


@lru_cache(maxsize=512)
def canonical(label: str) -> str:
    """The name under which a field is known, whatever a person calls it: `Time Estimate` is `effort`."""
    slug = _NOT_WORD.sub("_", label.lower()).strip("_")
    return _CANONICAL.get(slug, slug)


def written(label: str) -> str:
    """The label of a new field: `depends_on` -> `Dependencies`, `release_date` -> `Release Date`."""
    if label in _WRITTEN:
        return _WRITTEN[label]
    return label.replace("_", " ").title() if label == label.lower() else label


_FIRST = frozenset("*-+_ SC")  # what a field's line can begin with
_Parts = re.Match[str]


def read_fields(text: str, first: int, opaque: list[tuple[int, int]]) -> list[Field]:
    """The fields in a part of the document that begins with the line numbered `first`."""
    if "**" not in text and "__" not in text and "tatus" not in text:
        return []
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    found: list[Field] = []
    margin, seen = 4, 0  # the smallest indentation of a list item on the lines before `seen`
    for start, stop in _visible(opaque, first, first + len(lines)) if opaque else ((0, len(lines)),):
        number, parts = start, None
        while number < stop:
            line = lines[number]
            if not parts and line[:1] in _FIRST:
                parts = _field_parts(line)
            if parts and line[0] == " ":
                # An indented field of a list item further left belongs to that and not to the roadmap's item.
                margin, seen = min([margin, *_list_indents(lines, seen, number)]), number
                parts = parts if len(line) - len(line.lstrip(" ")) <= margin else None
            if parts:
                field, following = _read_field(lines, number, stop, parts, first)
                found.append(field)
                number, parts = field.end - first, following
            else:
                number += 1
    return found


def _visible(opaque: list[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """The ranges of lines between `first` and `last` that are no code, fence or HTML block, counted from `first`."""
    number, start = bisect_right(opaque, (first,)), first
    ranges = []
    while number < len(opaque) and opaque[number][0] < last:
        ranges.append((start - first, opaque[number][0] - first))
        start = opaque[number][1]
        number += 1
    if start < last:
        ranges.append((start - first, last - first))
    return ranges


def _read_field(lines: list[str], number: int, last: int, parts: _Parts, first: int) -> tuple[Field, _Parts | None]:
    """The field on a line, with its further lines; and the parts of the field that begins where it ends, if any."""
    lead, _, label, value = parts.groups()
    label, value = label.strip(), value.rstrip(" \t")
    first_value, end, following = value, number + 1, None
    if not value and end + 1 < last and not lines[end].strip(" \t") and LIST_MARKER.match(lines[end + 1].lstrip(" \t")):
        end += 1
    while end < last and (line := lines[end]):
        if (line[0] in _FIRST and (following := _field_parts(line))) or _ends_field(line.lstrip(" \t"), not value):
            break
        end += 1
    if end > number + 1:
        value = "\n".join(part.strip(" \t") for part in [value, *lines[number + 1 : end]]).strip("\n")
    values = first + number, first + end, canonical(label), label, value, first_value, lead, parts.start(4)
    return Field._make(values), following


def _ends_field(line: str, listed: bool) -> bool:
    """Whether a line, its indentation left away, is no part of the paragraph (or, if `listed`, of the list) before."""
    if not line:
        return True
    if line[0] not in "#`~|>-*+_=0123456789":
        return False
    if line[0] in "|>" or atx_level(line, 0) or (line[0] in "`~" and opens_fence(line, 0)) or _RULE.match(line):
        return True
    return not listed and LIST_MARKER.match(line) is not None


def _list_indents(lines: list[str], first: int, last: int) -> Iterator[int]:
    """The indentation of each list item on some lines."""
    for line in lines[first:last]:
        lead = len(line) - len(line.lstrip(" "))
        if LIST_MARKER.match(line, lead):
            yield lead


def _field_parts(line: str) -> _Parts | None:
    """The parts of a field's line. A plain `Status:` without bold counts when a status follows.

    Asked only for lines that begin with one of `_FIRST`: testing that first is what keeps thousands of items fast.
    """
    parts = _FIELD.match(line)
    if parts:
        return parts if canonical(parts[3]) else None
    if "tatus" not in line[:30]:
        return None
    parts = _ALL_BOLD.match(line) or _PLAIN_STATUS.match(line)
    return parts if parts and read_status(parts[4]).status else None


def is_field(line: str) -> bool:
    """Whether a line is a field's."""
    return line[:1] in _FIRST and _field_parts(line) is not None


def read_boxes(lines: list[tuple[int, str]]) -> list[Box]:
    """The boxes among numbered lines on which list items begin; an emoji that tells done or not done counts as one."""
    found: list[Box] = []
    for check, parts in _checks(lines):
        mark = "sign" if parts["sign"] else "box"
        found.append(Box(check, *parts.span(mark), mark == "sign"))
    return found


def read_checks(lines: list[tuple[int, str]]) -> tuple[Check, ...]:
    """The same without where in its line each one stands."""
    return tuple([check for check, _ in _checks(lines)])


def _checks(lines: list[tuple[int, str]]) -> Iterator[tuple[Check, _Parts]]:
    for number, line in lines:
        if parts := _BOX.match(line):
            box, sign, text = parts.group("box", "sign", "text")
            done = sign == "✅" if sign else box != " "
            yield Check._make((text.strip(" \t"), done, number + 1)), parts
