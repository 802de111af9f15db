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


_field, _one_check = Field._make, Check._make  # looked up once: they are called thousands of times
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
_NEEDED = r"(?:PRIORITY[ \t_-]*|US-?)[0-9]+(?:\.[0-9]+)*[a-z]?(?:#[0-9]+)?"
_PLAIN_NEEDS = on_demand(
    rf"{_LEAD}()(Depend(?:s [oO]n|encies|ency)|Blocked [bB]y)[ \t]*:[ \t]*"
    rf"({_NEEDED}(?:[ \t]*(?:[,;&]|,? and\b)[ \t]*{_NEEDED})*[ \t]*\.?)[ \t]*\Z"
)
_NOT_WORD = on_demand(r"[\W_]+")
_RULE = on_demand(r"[ \t]*(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|=+[ \t]*)\Z")

# One line: its box or sign and the text behind it, or nothing.
_BOX = on_demand(
    r"(?:[ \t>]*+(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]++)++"
    r"(?:\[([ xX])\](?=[ \t\n]|\Z)|([✅❌🔄⏳])\ufe0f?+)[ \t]*+([^\n]*+)|[^\n]*+)(?:\n|\Z)"
)
_TICKED, _DONE_SIGN = ("x", "X"), "✅"
_Stretches = list[tuple[int, int, int]]  # of a text: number of the first line, and span


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


# A line that begins as a field's can; with a line end in front, that one search passes all others in one step.
_LINE = on_demand(r"\n( {0,3}+(?:[-*+][ \t]++)?+(?:\*\*|__|Status|Current S|Depend|Blocked)[^\n]*)")
_FIRST = frozenset("*+_ SCDB-")
_Parts = tuple[str, str, str, str, str, int]  # of a field's first line: a `Field` without its lines
_NEVER = 2**62
_LONG = 200  # characters of a line that need not be remembered


def read_fields(flat: str, begin: int, stop: int, first: int, opaque: list[tuple[int, int]]) -> list[Field]:
    """The fields in a part of the document (its lines joined by ``\\n``); `first` is the number of its first line."""
    found: list[Field] = []
    lines: list[str] = []
    at, number, end = begin, 0, 0
    margin, seen = 4, 0  # the smallest indentation of a list item on the lines before `seen`
    for candidate in _LINE.finditer(flat, begin - 1, stop):
        line = candidate[1]
        parts = _parts_of(line)
        if not parts:
            continue
        start, after = candidate.span(1)
        number, at = number + flat.count("\n", at, start), start
        visible = _visible_until(opaque, first + number) - first if opaque else _NEVER
        if number < end or visible <= number:
            continue
        if line[0] == " ":
            # An indented field of a list item further left belongs to that and not to the roadmap's item.
            lines = lines or flat[begin:stop].split("\n")
            margin, seen = min([margin, *_list_indents(lines, seen, number)]), number
            if len(line) - len(line.lstrip(" ")) > margin:
                continue
        name, label, value, told, lead, column = parts
        end = number + 1
        if not value or (after + 1 < stop and flat[after + 1] != "\n"):
            lines = lines or flat[begin:stop].split("\n")
            end, value = _rest_of_field(lines, number, min(visible, len(lines) - (not lines[-1])), value)
        found.append(_field((first + number, first + end, name, label, value, told, lead, column)))
    return found


def _visible_until(opaque: list[tuple[int, int]], line: int) -> int:
    """Where the next code, fence or HTML block behind a line begins; the line itself, when it stands in one."""
    place = bisect_right(opaque, (line, _NEVER))
    if place and line < opaque[place - 1][1]:
        return line
    return opaque[place][0] if place < len(opaque) else _NEVER


def _rest_of_field(lines: list[str], number: int, last: int, value: str) -> tuple[int, str]:
    """Where a field ends, and its value with its further lines."""
    end = number + 1
    if not value and end + 1 < last and not lines[end].strip(" \t") and LIST_MARKER.match(lines[end + 1].lstrip(" \t")):
        end += 1
    while end < last and (line := lines[end]):
        if (line[0] in _FIRST and _parts_of(line)) or _ends_field(line.lstrip(" \t"), not value):
            break
        end += 1
    if end > number + 1:
        value = "\n".join([part.strip(" \t") for part in [value, *lines[number + 1 : end]]]).strip("\n")
    return end, value


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


def _take_apart(line: str) -> _Parts | None:
    """The parts of a field's line. A plain `Status:` without bold counts when a status follows, and a plain `Depends
    on:` when nothing but items' names does."""
    found = _FIELD.match(line)
    if not found and "tatus" in line[:30]:
        found = _ALL_BOLD.match(line) or _PLAIN_STATUS.match(line)
        found = found if found and read_status(found[4]).status else None
    elif not found:
        found = _PLAIN_NEEDS.match(line)
    if not found:
        return None
    lead, _, label, value = found.groups()
    name, value = canonical(label), value.rstrip(" \t")
    return (name, label.strip(), value, value, lead, found.start(4)) if name else None


_remembered = lru_cache(maxsize=512)(_take_apart)


def _parts_of(line: str) -> _Parts | None:
    """The same, remembered: roadmaps repeat few such lines often, and each may also end the field before it."""
    return _remembered(line) if len(line) <= _LONG else _take_apart(line)


def is_field(line: str) -> bool:
    """Whether a line is a field's."""
    return line[:1] in _FIRST and _take_apart(line) is not None


def read_boxes(flat: str, stretches: _Stretches) -> list[Box]:
    """The boxes in parts of the document; an emoji that tells done or not done counts as one."""
    boxes: list[Box] = []
    for first, start, end in stretches:
        for number, found in enumerate(_BOX.finditer(flat, start, end), first):
            box, sign, text = found.groups()
            if text is not None:
                begin, stop = found.span(1 if box else 2)
                at = found.start()
                check = Check(text.rstrip(" \t"), box in _TICKED or sign == _DONE_SIGN, number + 1)
                boxes.append(Box(check, begin - at, stop - at, not box))
    return boxes


def read_checks(flat: str, stretches: _Stretches) -> tuple[Check, ...]:
    """The same without where in its line each one stands."""
    lines = _BOX.findall
    return tuple(
        [
            _one_check((text.rstrip(" \t"), box in _TICKED or sign == _DONE_SIGN, number + 1))
            for first, start, end in stretches
            for number, (box, sign, text) in enumerate(lines(flat, start, end), first)
            if box or sign
        ]
    )
