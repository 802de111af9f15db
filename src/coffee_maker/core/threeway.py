"""Three-way merge of one piece of text, line by line, where a line knows what it says.

A plain three-way merge takes neighbouring lines for one place, so a status and an effort that stand on neighbouring
lines would clash. Here the fields of an item are found again by their name and its check boxes by their text, changes
that only touch are both taken, and two different insertions at one place are both kept. What the two sides really
changed both is a `Clash`: the text keeps `theirs`, the clash carries `ours`. Conflict markers are never written.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence

from coffee_maker.core.fields import canonical
from coffee_maker.core.matching import Pair, match
from coffee_maker.core.typed import NamedTuple

_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_FIELD = re.compile(
    r"[ \t]*(?:[-*+][ \t]+)?(?:(?:\*\*|__)[ \t]*([^*_:\r\n]{1,40}?)[ \t]*(?::[ \t]*(?:\*\*|__)|(?:\*\*|__)[ \t]*:)"
    r"|(status)[ \t]*:)[ \t]*",
    re.IGNORECASE,
)
_CHECK = re.compile(
    r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\]|[✅❌🔄⏳📝🚧⏸]\ufe0f?)[ \t]+(.*?)[ \t]*[\r\n]*\Z", re.DOTALL
)
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_HEADING = "title"
STATUS = "status"
_BOX = "check list"
_TEXT = "text"
Titles = tuple[str, str, str]
"""An item's title in base, ours and theirs: tells a changed title from changed status words in one heading."""


class Clash(NamedTuple):
    """What both sides changed: `kept` stands in the merged text, `other` does not."""

    what: str
    kept: str
    other: str


class Hunk(NamedTuple):
    """Lines ``start:end`` of the base became `lines`."""

    start: int
    end: int
    lines: list[str]


class Place(NamedTuple):
    """A stretch of the base that was changed, by one side or by both (None: by the other side only)."""

    start: int
    end: int
    ours: list[str] | None
    theirs: list[str] | None


def split_lines(text: str) -> list[str]:
    """The lines with their ends, by Markdown's line ends only."""
    return _LINES.findall(text)


def line_kind(line: str) -> str | None:
    """What a line says, in a word a person understands; None for ordinary text."""
    if field := _FIELD.match(line):
        label = " ".join((field[1] or field[2]).split())
        return STATUS if canonical(label) == STATUS else f"field {label}"
    return _BOX if _CHECK.match(line) else None


def field_value(line: str) -> str:
    """The value on a field's line."""
    field = _FIELD.match(line)
    return line[field.end() :].strip() if field else line.strip()


def merge_text(base: str, ours: str, theirs: str, *, titles: Titles | None = None) -> tuple[str, list[Clash]]:
    """Both sides' changes in one text, and what could not be had both ways."""
    if ours in (base, theirs):
        return theirs, []
    if theirs == base:
        return ours, []
    merger = _Merger(split_lines(base), split_lines(ours), split_lines(theirs), titles)
    return merger.run(), merger.clashes


def hunks(base: Sequence[str], side: Sequence[str]) -> list[Hunk]:
    """What a side changed. A line that was found again but changed is a hunk of its own."""
    return _hunks(base, side, _matches(base, side))


def _hunks(base: Sequence[str], side: Sequence[str], pairs: list[Pair]) -> list[Hunk]:
    found, start, at = [], 0, 0
    for i, j in [*pairs, (len(base), len(side))]:
        if i > start or j > at:
            found.append(Hunk(start, i, list(side[at:j])))
        if i < len(base) and side[j] != base[i]:
            found.append(Hunk(i, i + 1, [side[j]]))
        start, at = i + 1, j + 1
    return found


def join_lines(lines: Sequence[str], eol: str) -> str:
    """The text; a line without an end, which a last line may be, gets one when others follow it."""
    ends = ("\n", "\r")
    return "".join([*(line if line.endswith(ends) else line + eol for line in lines[:-1]), *lines[-1:]])


def eol_of(text: str) -> str:
    """The line end that a text uses first."""
    found = re.search("\r\n|\r|\n", text)
    return found.group() if found else "\n"


class _Merger:
    """One merge: its three sides and the clashes found so far."""

    def __init__(self, base: list[str], ours: list[str], theirs: list[str], titles: Titles | None) -> None:
        self.base, self.ours, self.theirs, self.titles = base, ours, theirs, titles
        self.clashes: list[Clash] = []

    def run(self) -> str:
        merged: list[str] = []
        at = 0
        for place in _places(self.base, hunks(self.base, self.ours), hunks(self.base, self.theirs)):
            merged += self.base[at : place.start]
            merged += self._resolve(place)
            at = place.end
        merged += self.base[at:]
        return join_lines(merged, eol_of("".join(self.theirs[:1]) or "".join(self.base[:1])))

    def _resolve(self, place: Place) -> list[str]:
        ours, theirs = place.ours, place.theirs
        if ours is None or theirs is None:
            return (theirs if ours is None else ours) or []
        base = self.base[place.start : place.end]
        if not base:
            return self._unite(ours, theirs)
        if ours == theirs or _alike(ours, base):
            return theirs
        if _alike(theirs, base):
            return ours
        if len(base) == len(ours) == len(theirs):
            sides = enumerate(zip(base, ours, theirs, strict=True), place.start)
            lines = [self._line(*three, first=number == 0) for number, three in sides]
            if None not in lines:
                return self._note(lines)
        self.clashes.append(Clash(_what(base, ours, theirs), "".join(theirs), "".join(ours)))
        return theirs

    def _note(self, lines: Sequence[str | Clash | None]) -> list[str]:
        """Lines as they are; a clash on one of them is noted and leaves theirs."""
        self.clashes += [line for line in lines if isinstance(line, Clash)]
        return [line.kept if isinstance(line, Clash) else line for line in lines if line is not None]

    def _line(self, base: str, ours: str, theirs: str, *, first: bool) -> str | Clash | None:
        """One line that both sides changed: the merged line, a clash about it, or None when the lines do not belong
        together and only the whole place can clash."""
        if ours in (base, theirs):
            return theirs
        if theirs == base:
            return ours
        kinds = {line_kind(line) for line in (base, ours, theirs)}
        if first and self.titles is not None:
            return _merge_heading(base, ours, theirs, self.titles)
        if len(kinds) > 1 or None in kinds:
            return None
        kind = kinds.pop() or _TEXT
        if kind == STATUS:
            merged = _merge_status(base, ours, theirs)
        else:
            merged = _merge_words(base, ours, theirs) if kind == _BOX else None
        return Clash(kind, theirs, ours) if merged is None else merged

    def _unite(self, ours: list[str], theirs: list[str]) -> list[str]:
        """Two insertions at one place: both, what is in both once. The same new field with two values is a clash."""
        known = {_identity(line) for line in self.base}
        new = {name: line for line in theirs if (name := _identity(line)) and name not in known}
        mine = []
        for line in ours:
            rival = new.get(_identity(line) or "")
            if rival is None:
                mine.append(line)
            elif rival.strip() != line.strip():
                self.clashes.append(Clash(line_kind(line) or _TEXT, rival, line))
        if not "".join(mine).strip() or mine == theirs:
            return theirs
        shared = {line for line in mine if line.strip()} & set(theirs)
        if not shared or any(mark in line for mark in ("```", "~~~") for line in (*mine, *theirs)):
            return [*theirs, *mine]
        united, at = [], 0
        for hunk in hunks(theirs, mine):
            united += theirs[at : hunk.end] + hunk.lines
            at = hunk.end
        return united + theirs[at:]


def _places(base: Sequence[str], ours: list[Hunk], theirs: list[Hunk]) -> Iterator[Place]:
    """The changed places in order. Hunks that overlap are one place, hunks that only touch are two."""
    events = sorted([(h.start, h.end, 0, h) for h in ours] + [(h.start, h.end, 1, h) for h in theirs])
    group: list[list[Hunk]] = [[], []]
    start = end = -1
    for low, high, side, hunk in events:
        joins = low < end or (low == high == start == end)
        if not joins and (group[0] or group[1]):
            yield _place(base, start, end, group)
            group = [[], []]
        if not joins:
            start, end = low, high
        end = max(end, high)
        group[side].append(hunk)
    if group[0] or group[1]:
        yield _place(base, start, end, group)


def _place(base: Sequence[str], start: int, end: int, group: list[list[Hunk]]) -> Place:
    ours, theirs = (_applied(base, start, end, side) if side else None for side in group)
    return Place(start, end, ours, theirs)


def _applied(base: Sequence[str], start: int, end: int, changes: list[Hunk]) -> list[str]:
    """A side's version of a stretch of the base."""
    lines: list[str] = []
    for hunk in changes:
        lines += base[start : hunk.start]
        lines += hunk.lines
        start = hunk.end
    return lines + list(base[start:end])


def _matches(old: Sequence[str], new: Sequence[str]) -> list[Pair]:
    """Which line is which: equal lines first; between them headings, fields and boxes by what they are."""
    found: list[Pair] = []
    start = (0, 0)
    for pair in [*match(old, new), (len(old), len(new))]:
        one, other = old[start[0] : pair[0]], new[start[1] : pair[1]]
        if one and other:
            same = _same_things(one, other, headed=start == (0, 0))
            found += [(start[0] + i, start[1] + j) for i, j in same]
        found.append(pair)
        start = pair[0] + 1, pair[1] + 1
    return found[:-1]


def _same_things(old: Sequence[str], new: Sequence[str], *, headed: bool) -> list[Pair]:
    """Changed lines that are the same field, the same box, or the same words with other blanks or line ends.

    With `headed` the first lines are those of the whole text: a heading stays the heading, whatever it says now.
    """
    names: list[list[Hashable]] = []
    for side, lines in enumerate((old, new)):  # a blank line is nothing but itself
        names.append([_identity(line) or line.strip() or (side, at) for at, line in enumerate(lines)])
    if headed and old[0].lstrip(" ").startswith("#") and new[0].lstrip(" ").startswith("#"):
        names[0][0] = names[1][0] = None
    return match(*names)


def _identity(line: str) -> str | None:
    """What a line is, whatever its value: a field's name, a box's text."""
    kind = line_kind(line)
    if kind == _BOX:
        box = _CHECK.match(line)
        return f"box {box[1]}" if box else None
    return f"field {canonical(kind.removeprefix('field '))}" if kind else None


def _alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """The same but for blanks at the ends of lines and of the whole."""
    return "".join(one).rstrip() == "".join(other).rstrip() or [s.rstrip() for s in one] == [s.rstrip() for s in other]


def _what(*sides: Sequence[str]) -> str:
    """What a place is about: the one kind all its lines have, else text."""
    kinds = {line_kind(line) for side in sides for line in side if line.strip()}
    kind = kinds.pop() if len(kinds) == 1 else None
    return kind or _TEXT


def _merge_heading(base: str, ours: str, theirs: str, titles: Titles) -> str | Clash:
    """An item's heading: title and status words are two things, so each side may have changed one of them."""
    before, mine, other = titles
    if mine not in (before, other) and other != before:
        return Clash(_HEADING, theirs, ours)
    merged = _merge_words(base, ours, theirs)
    return Clash(STATUS if before == mine == other else _HEADING, theirs, ours) if merged is None else merged


def _merge_status(base: str, ours: str, theirs: str) -> str | None:
    """A status line: who changed the status has it, and what the other wrote behind it stays; None: they disagree."""
    from coffee_maker.core.document import parse_status

    before, mine, other = (parse_status(field_value(line)) for line in (base, ours, theirs))
    if mine not in (before, other) and other != before:
        return None
    merged = _merge_words(base, ours, theirs)
    wanted = other if mine == before else mine
    return merged if merged is not None and parse_status(field_value(merged)) == wanted else None


def _merge_words(base: str, ours: str, theirs: str) -> str | None:
    """One line merged word by word; None when both changed the same words."""
    words = [_WORDS.findall(line) for line in (base, ours, theirs)]
    merged, at = "", 0
    for place in _places(words[0], *(_hunks(words[0], side, match(words[0], side)) for side in words[1:])):
        if place.ours is not None and place.theirs is not None and place.ours != place.theirs:
            return None
        merged += "".join(words[0][at : place.start]) + "".join(place.theirs or place.ours or [])
        at = place.end
    return merged + "".join(words[0][at:])
