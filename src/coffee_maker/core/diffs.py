"""Unified diffs of long texts that differ in few places, and the way back through them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coffee_maker.core.matching import Pair, common_ends, match
from coffee_maker.core.typed import NamedTuple

_CONTEXT = 3


def diff(before: str, after: str, *, path: str) -> str:
    """The unified diff of two texts; empty when they are equal."""
    if before == after:
        return ""
    head, tail = common_ends(before, after)
    start = before.rfind("\n", 0, head) + 1
    for _ in range(_CONTEXT):
        start = before.rfind("\n", 0, max(start - 1, 0)) + 1
    stop = len(before) - tail
    for _ in range(_CONTEXT + 1):
        stop = before.find("\n", stop) + 1 or len(before)
    old, new = _n_lines(before[start:stop]), _n_lines(after[start : len(after) - len(before) + stop])
    skipped = before.count("\n", 0, start)
    shown = [f"--- a/{path}\n+++ b/{path}\n"]
    for group in _groups(match(old, new), (len(old), len(new))):
        shown += _shown(old, new, skipped, group)
    return "".join(shown)


def _n_lines(text: str) -> list[str]:
    """Lines for a diff, which knows no line end but ``\\n``; each keeps its own."""
    *ended, last = text.split("\n")
    return [f"{line}\n" for line in ended] + ([last] if last else [])


def _groups(pairs: list[Pair], ends: Pair) -> Iterator[list[tuple[Pair, Pair]]]:
    """The changed stretches as (start, stop) on both sides, those together that are near one another."""
    group: list[tuple[Pair, Pair]] = []
    start = (0, 0)
    for i, j in [*pairs, ends]:
        if (i, j) != start:
            if group and start[0] - group[-1][1][0] > 2 * _CONTEXT:
                yield group
                group = []
            group.append((start, (i, j)))
        start = i + 1, j + 1
    yield group


def _shown(old: list[str], new: list[str], skipped: int, group: list[tuple[Pair, Pair]]) -> Iterator[str]:
    """One hunk of a diff with its context."""
    (i, j), (i_end, j_end) = group[0][0], group[-1][1]
    lead, rest = min(_CONTEXT, i), min(_CONTEXT, len(old) - i_end)
    yield f"@@ -{_range(skipped + i - lead, i_end + rest - i + lead)} "
    yield f"+{_range(skipped + j - lead, j_end + rest - j + lead)} @@\n"
    at = i - lead
    for start, stop in group:
        yield from _marked(" ", old[at : start[0]])
        yield from _marked("-", old[start[0] : stop[0]])
        yield from _marked("+", new[start[1] : stop[1]])
        at = stop[0]
    yield from _marked(" ", old[at : at + rest])


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield f"{mark}{line}" if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"


def _range(start: int, length: int) -> str:
    """Lines as a diff's head names them: counted from 1; an empty range names the line before it."""
    if length == 1:
        return str(start + 1)
    return f"{start + 1 if length else start},{length}"


class Patch(NamedTuple):
    """One hunk of a diff: the lines it shows, as they were and as they became, context included."""

    before: str
    after: str


def patches(shown: str) -> list[Patch]:
    """The hunks of a diff that `diff` made."""
    found: list[Patch] = []
    last = ""
    for line in shown.split("\n")[2:-1]:
        mark, rest = line[:1], line[1:] + "\n"
        if mark == "@":
            found.append(Patch("", ""))
        elif mark == "\\":  # no line end behind the last line, on the side or sides that end with it
            before, after = found[-1]
            found[-1] = Patch(before[:-1] if last != "+" else before, after[:-1] if last != "-" else after)
        else:
            before, after = found[-1]
            found[-1] = Patch(before + rest if mark != "+" else before, after + rest if mark != "-" else after)
        last = mark
    return found


def take_back(text: str, shown: str) -> str | None:
    """The text without what a diff shows; None when a changed place is not there as it became, or more than once."""
    for before, after in patches(shown):
        places = [at for at in _found(text, after) if not at or text[at - 1] == "\n"]
        if len(places) != 1:
            return None
        text = text[: places[0]] + before + text[places[0] + len(after) :]
    return text


def _found(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0 and part:
        yield at
        at = text.find(part, at + 1)
