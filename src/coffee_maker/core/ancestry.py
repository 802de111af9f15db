"""From which recorded version does a text descend that some program saved over the roadmap?

An editor's buffer that was read at version k and saved after version n shows, in whatever k+1 to n changed, the old
state. A person who really works on version n may put something back by hand, but has the rest of k+1 to n in the text.
So the base is the version from which the fewest parts differ; among equals the one after which nothing newer shows up
in the text (a stale buffer cannot hold what was recorded after it was read), then the one with the fewest changed
lines, then the newest. The texts are cut at headings with a coarse ruler and never parsed, which is fast enough for
dozens of long versions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

_NUMBER = re.compile(r"\b([A-Z]{2,})[ \-]?(\d+(?:\.\d+)*)\b")
_LETTERS = re.compile(r"[^\W\d_]+")
_STATUS_WORDS = frozenset(
    (
        "planned",
        "complete",
        "completed",
        "in",
        "progress",
        "blocked",
        "manual",
        "review",
        "required",
        "cancelled",
        "done",
    )
)

Section = list[str]
Sections = dict[str, Section]


class _Distance(NamedTuple):
    """How far a text is from a version; compared from left to right."""

    parts: int  # sections that differ, and one for another order
    newer: int  # sections in which the text shows what only a newer version has
    lines: int


def best_base(candidates: Sequence[str], outside: str) -> int:
    """The index of the version (newest first) that `outside` most plausibly descends from.

    Every text that was ever in the file should be among the candidates, what a person saved before a merge included:
    the editor goes on from that.
    """
    theirs = _sections(outside)
    versions = []
    for text in candidates:
        versions.append(_sections(text))
        if versions[-1] == theirs and list(versions[-1]) == list(theirs):
            return len(versions) - 1
    varying = {name for version in versions for name in {*version, *theirs} if version.get(name) != theirs.get(name)}
    shown = {name: _lines(theirs.get(name)) for name in varying}
    seen: dict[str, Counter[str]] = {name: Counter() for name in varying}  # lines of the versions newer than this one
    best, nearest = 0, None
    for index, version in enumerate(versions):
        distance = _distance(version, theirs, shown, seen)
        if nearest is None or distance < nearest:
            best, nearest = index, distance
    return best


def _distance(
    version: Sections, theirs: Sections, shown: dict[str, Counter[str]], seen: dict[str, Counter[str]]
) -> _Distance:
    """The distance of one version; its lines are added to what has been `seen` in versions newer than the next."""
    parts = newer = lines = 0
    for name, in_text in shown.items():
        here = _lines(version.get(name))
        added, gone = in_text - here, here - in_text
        if added or gone or (name in version) != (name in theirs):
            parts += 1
            lines += added.total() + gone.total()
            newer += bool(added & seen[name])
        seen[name] |= here
    common = version.keys() & theirs.keys()
    if [name for name in version if name in common] != [name for name in theirs if name in common]:
        parts += 1
    return _Distance(parts, newer, lines)


def _lines(section: Section | None) -> Counter[str]:
    return Counter(line.rstrip() for part in section or () for line in part.split("\n") if line.strip())


def _sections(text: str) -> Sections:
    """The text cut at headings. A numbered heading has all below it; other headings have what is theirs alone.

    What looks like a heading inside a code fence is none; counting fence marks is exact enough for a measure.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    sections: Sections = {}
    name, level, fenced = "", 0, False
    for part in f"\n{text}".split("\n#"):
        heading = part.partition("\n")[0]
        depth = len(heading) - len(heading.lstrip("#")) + 1
        if sections and not fenced and (depth <= level or not level):
            found = _name(heading)
            name, level = (found, depth) if found else (f"# {_plain(heading)}", 0)
        sections.setdefault(name, []).append(part)
        fenced ^= part.count("\n```") % 2 == 1
    return sections


def _name(heading: str) -> str | None:
    """The number of a numbered heading, whatever else it says."""
    found = _NUMBER.search(heading)
    return f"{found[1]}-{found[2]}" if found else None


def _plain(heading: str) -> str:
    """A heading's words without those that tell a status."""
    return " ".join(word for word in _LETTERS.findall(heading.lower()) if word not in _STATUS_WORDS)
