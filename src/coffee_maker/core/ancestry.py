"""From which recorded version does a text descend that some program saved over the roadmap?

An editor's buffer that was read at version k and saved after version n shows, in whatever k+1 to n changed, the old
state. A person who really works on version n may put something back by hand, but has the rest of k+1 to n in the text.
So the base is the version from which the fewest parts differ; among equals the one after which nothing newer shows up
in the text (a stale buffer cannot hold what was recorded after it was read), then the one with the fewest changed
lines, then the newest. A text that shares next to nothing with that version is no buffer that was read from it but
another roadmap, put in the place of this one. The texts are cut at headings with a coarse ruler and never parsed, which
is fast enough for dozens of long versions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from coffee_maker.core.typed import NamedTuple

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
_FIELD = re.compile(r"(?:[-*+] )?(?:\*\*|__)[^*:]+:")
_SENTENCE = 3  # words
_FEWEST_SENTENCES = 3
_RELATED_SHARE = 10

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
    the editor goes on from that. The newest, 0, when it descends from none: then nothing is merged into it.
    """
    theirs = _sections(outside)
    versions = []
    for text in candidates:
        versions.append(_sections(text))
        if versions[-1] == theirs and list(versions[-1]) == list(theirs):
            return len(versions) - 1
    varying = {name for version in versions for name in {*version, *theirs} if version.get(name) != theirs.get(name)}
    rulers = [_Ruler(name, theirs.get(name)) for name in varying]
    best, nearest = 0, None
    for index, version in enumerate(versions):
        measured = [ruler.measure(version.get(ruler.name)) for ruler in rulers]
        parts = sum(one.parts for one in measured) + _reordered(version, theirs)
        distance = _Distance(parts, sum(one.newer for one in measured), sum(one.lines for one in measured))
        if nearest is None or distance < nearest:
            best, nearest = index, distance
    return best if best and _related(candidates[best], outside) else 0


def _related(one: str, other: str) -> bool:
    """Whether the texts say some of the same. What few words or a field say, any two roadmaps may share."""
    here, there = _sentences(one), _sentences(other)
    fewer = min(len(here), len(there))
    return fewer < _FEWEST_SENTENCES or len(here & there) * _RELATED_SHARE >= fewer


def _sentences(text: str) -> set[str]:
    lines = (line.strip() for line in text.splitlines())
    return {line for line in lines if not _FIELD.match(line) and len(_LETTERS.findall(line)) >= _SENTENCE}


class _Ruler:
    """Measures one section of the text against the versions', which come newest first."""

    def __init__(self, name: str, in_text: Section | None) -> None:
        self.name = name
        self._text = in_text
        self._in_text = _lines(in_text)
        self._seen: Counter[str] = Counter()  # lines of newer versions
        self._last: Section | None = None
        self._distance: _Distance | None = None

    def measure(self, section: Section | None) -> _Distance:
        if self._distance is None or section != self._last:
            self._last, self._distance = section, self._measured(section)
        return self._distance

    def _measured(self, section: Section | None) -> _Distance:
        here = _lines(section)
        added, gone = self._in_text - here, here - self._in_text
        newer = any(self._seen[line] > here[line] for line in added)
        self._seen |= here
        differs = bool(added or gone) or (section is None) != (self._text is None)
        return _Distance(int(differs), int(newer), added.total() + gone.total())


def _reordered(version: Sections, theirs: Sections) -> bool:
    common = version.keys() & theirs.keys()
    return [name for name in version if name in common] != [name for name in theirs if name in common]


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
