"""From which recorded version does a text descend that some program saved over the roadmap?

An editor's buffer that was read at version k and saved after version n shows, in whatever k+1 to n changed, the old
state. A person who really works on version n may put something back by hand, but has the rest of k+1 to n in the text.
So the base is the version from which the fewest parts differ; among equals the one after which nothing newer shows up
in the text (a stale buffer cannot hold what was recorded after it was read), then the one whose changes since are not
in the text and those before are. Where the text contradicts a change, it may have been written before it or after. The
newest version is then taken when it is among the equals, but in a text that is older than the newest version, the
oldest of the equals. The other equals are told, too: where merging from one of them gives another text, only the
person can say which was meant. What an editor saved itself it has not forgotten: of equal versions between which nobody
else changed anything, the newest is what it goes on from. Where an older one is nearer, either the editor took its own
save back, or a second editor had that: after two saves in a row it is the first, at work; after one it is told as well.

A newest version that nobody has read (some file systems tell) is no base.

A new item that only has its number in common with a recorded one is another item: nobody turns one into the other. A
text that shares next to nothing with its base is no buffer that was read from it but another roadmap, put in the place
of this one. The texts are cut at headings with a coarse ruler and never parsed, which is fast enough for dozens of long
versions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Container, Sequence
from itertools import groupby

from coffee_maker.core.threeway import hunks
from coffee_maker.core.typed import NamedTuple

_NUMBER = re.compile(r"\b([A-Z]{2,})[ \-]?(\d+(?:\.\d+)*)\b")
_LETTERS = re.compile(r"[^\W\d_]+")
_WORDS = re.compile(r"\w+")
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
_NOTHING_SAID = _STATUS_WORDS | {"status", "x"}
_FIELD = re.compile(r"(?:[-*+] )?(?:\*\*|__)[^*:]+(?:\*\*|__)?:")
_SENTENCE = 3  # words; two lines that have fewer in common may have been written apart
_FEWEST_SENTENCES = 3
_RELATED_SHARE = 10

Section = list[str]
Sections = dict[str, Section]


class _Difference(NamedTuple):
    """One section of the text, measured against a version's."""

    differs: bool
    another: bool  # it is another item under the same number
    newer: bool  # it shows what only a newer version has
    older: bool  # it shows what only an older version has


def bases_of(candidates: Sequence[str], outside: str, saved: Container[int] = (), *, unread: bool = False) -> list[int]:
    """The index of the version (newest first) that `outside` most plausibly descends from; behind it its equals.

    Every text that was ever in the file should be among the candidates, what a person saved before a merge included:
    the editor goes on from that. Those are `saved`, by their indexes. The newest, 0, when it descends from none: then
    nothing is merged into it. `unread` tells that nobody has read the newest.
    """
    theirs = _sections(outside)
    versions = []
    for text in candidates:
        versions.append(_sections(text))
        if versions[-1] == theirs and list(versions[-1]) == list(theirs):
            return [len(versions) - 1]
    theirs = _renumbered(theirs, versions)
    equals = _nearest(versions, theirs, saved)
    if unread and equals[0] == 0 and len(versions) > 1:
        equals = _nearest(versions[1:], theirs, {index - 1 for index in range(1, len(versions)) if index in saved})
        equals = [index + 1 for index in equals]
    best = equals[0]
    for older in equals[1:]:
        if _own_between(best, older, saved):
            continue
        shown = _shown(versions[older], versions[best], theirs)
        if shown < 0 or (shown == 0 and best and best not in saved):
            best = older
    if best and not _related(candidates[best], outside):
        return [0]
    newest = next(index for index in range(best + 1) if _own_between(index, best, saved))
    at_work = newest + 1 < best or (newest < best and best in saved)
    if at_work:
        best = newest
    rivals = [one for one in equals if not _own_between(one, best, saved) and _in_doubt(versions, one, best, theirs)]
    return [best, *rivals, *([newest] if newest < best else [])]


def _renumbered(theirs: Sections, versions: Sequence[Sections]) -> Sections:
    """The text's sections under the numbers that the versions know them by: an item with another number is no other."""
    new = theirs.keys() - {name for version in versions for name in version}
    if not new:
        return theirs
    gone = {
        _title(section[0]).strip(): name
        for version in reversed(versions)
        for name, section in version.items()
        if name not in theirs
    }
    return {
        gone.pop(_title(section[0]).strip(), name) if name in new else name: section for name, section in theirs.items()
    }


def _nearest(versions: Sequence[Sections], theirs: Sections, saved: Container[int]) -> list[int]:
    """The versions from which the fewest parts differ and after which the fewest newer things show up."""
    varying = {name for version in versions for name in {*version, *theirs} if version.get(name) != theirs.get(name)}
    measured = [_measured([version.get(name) for version in versions], theirs.get(name)) for name in varying]
    nearest: tuple[int, int] | None = None
    equals: list[int] = []
    for index, version in enumerate(versions):
        found = [one[index] for one in measured]
        others = 0 if index in saved else sum(one.another for one in found)
        parts = sum(one.differs + one.older for one in found) + others + _reordered(version, theirs)
        distance = (parts, sum(one.newer for one in found))
        if nearest is None or distance < nearest:
            nearest, equals = distance, []
        if distance == nearest:
            equals.append(index)
    return equals


def _in_doubt(versions: Sequence[Sections], one: int, other: int, theirs: Sections) -> bool:
    """Whether a person may have done by hand what is between two versions: one change more than the text has."""
    newer, older = sorted((one, other))
    return abs(_shown(versions[older], versions[newer], theirs)) <= 1


def _own_between(one: int, other: int, saved: Container[int]) -> bool:
    """Whether between two versions there is nothing but what an editor saved."""
    low, high = sorted((one, other))
    return all(index in saved for index in range(low, high))


def ruler(outside: str) -> Callable[[str], int]:
    """Measures roughly how far a version is from the text: the parts, cut at headings, that only one of them has."""
    parts = _parts(outside)
    return lambda text: len(parts ^ _parts(text))


def _parts(text: str) -> set[str]:
    return {part.strip() for part in _cut(text)}


def _cut(text: str) -> list[str]:
    """The text at what looks like headings."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return f"\n{text}".split("\n#")


def another(one: str, other: str) -> bool:
    """Whether two items of one number are different ones: few words of the titles in common, and no line but fields."""
    if not titles_differ(_title(one), _title(other)):
        return False
    lines, others = ({line.strip() for line in text.splitlines() if line.strip()} for text in (one, other))
    return all(_FIELD.match(line) for line in lines & others)


def titles_differ(one: str, other: str) -> bool:
    """Whether they have so few words in common that the one is hardly the other in new words."""
    here, there = (set(_LETTERS.findall(title.lower())) - _STATUS_WORDS for title in (one, other))
    return here != there and len(here & there) * 2 <= min(len(here), len(there))


def _title(text: str) -> str:
    heading = text.lstrip().partition("\n")[0]
    number = _NUMBER.search(heading)
    return heading[number.end() :] if number else heading


def _is_another(one: Section | None, other: Section | None) -> bool:
    return bool(one and other) and another("\n#".join(one or ()), "\n#".join(other or ()))


def _shown(older: Sections, newer: Sections, theirs: Sections) -> int:
    """How many changes from one version to the other are in the text, less those that are not.

    What the text contradicts does not count: it has neither the old nor the new lines, or the whole section is gone.
    """
    count = 0
    for name in {*older, *newer}:
        if older.get(name) == newer.get(name) or (name in older and name in newer and name not in theirs):
            continue
        before, after = _lines(older.get(name)), _lines(newer.get(name))
        text = set() if _is_another(newer.get(name), theirs.get(name)) else set(_lines(theirs.get(name)))
        own = text.difference(before, after)
        for hunk in hunks(before, after):
            gone, come = set(before[hunk.start : hunk.end]), set(hunk.lines)
            had, has = bool(gone & text), bool(come & text) or (not gone and _corrected(come, own))
            count += (has or not (come or had)) - (had or not (gone or has))
    return count


def _corrected(lines: set[str], own: set[str]) -> bool:
    """Whether one of the text's own lines is one of these in other words: most of the words are the same."""
    here, there = ([set(_LETTERS.findall(line.lower())) for line in side] for side in (lines, own))
    return any(
        len(one & other) >= _SENTENCE and len(one & other) * 2 > max(len(one), len(other))
        for one in here
        for other in there
    )


def _related(one: str, other: str) -> bool:
    """Whether the texts say some of the same. What few words or a field say, any two roadmaps may share."""
    here, there = _sentences(one), _sentences(other)
    fewer = min(len(here), len(there))
    return fewer < _FEWEST_SENTENCES or len(here & there) * _RELATED_SHARE >= fewer


def _sentences(text: str) -> set[str]:
    lines = (line.strip() for line in text.splitlines())
    return {line for line in lines if not _FIELD.match(line) and len(_LETTERS.findall(line)) >= _SENTENCE}


def _measured(sections: Sequence[Section | None], in_text: Section | None) -> list[_Difference]:
    """One section of the text, measured against the versions', which come newest first."""
    runs = [(section, len(list(run))) for section, run in groupby(sections)]  # most changes are elsewhere
    text = Counter(_lines(in_text))
    lines = [Counter(_lines(section)) for section, _ in runs]
    elder: list[Counter[str]] = [Counter()]
    for here in lines[:0:-1]:
        elder.append(elder[-1] | here)
    newer: Counter[str] = Counter()
    found: list[_Difference] = []
    for (section, count), here, older in zip(runs, lines, reversed(elder), strict=True):
        added = text - here
        said = {_words(line) for line in here}
        telling = [line for line in added if (words := _words(line)) and words not in said]
        differs = bool(added or here - text) or (section is None) != (in_text is None)
        one = _Difference(
            differs,
            differs and _is_another(section, in_text),
            any(newer[line] > here[line] for line in telling),
            any(older[line] > here[line] for line in telling),
        )
        found += [one] * count
        newer |= here
    return found


def _words(line: str) -> tuple[str, ...]:
    """What a line says but for a status or a ticked box: two people may come to the same one."""
    return tuple(word for word in _WORDS.findall(line.lower()) if word not in _NOTHING_SAID)


def _reordered(version: Sections, theirs: Sections) -> bool:
    common = version.keys() & theirs.keys()
    return [name for name in version if name in common] != [name for name in theirs if name in common]


def _lines(section: Section | None) -> list[str]:
    return [line.rstrip() for part in section or () for line in part.split("\n") if line.strip()]


def _sections(text: str) -> Sections:
    """The text cut at headings. A numbered heading has all below it; other headings have what is theirs alone.

    What looks like a heading inside a code fence is none; counting fence marks is exact enough for a measure.
    """
    sections: Sections = {}
    name, level, fenced = "", 0, False
    for part in _cut(text):
        heading = part.partition("\n")[0]
        depth = len(heading) - len(heading.lstrip("#")) + 1
        if sections and not fenced and (depth <= level or not level or _begins_another(heading, name)):
            found = _name(heading)
            name, level = (found, depth) if found else (f"# {_plain(heading)}", 0)
        sections.setdefault(name, []).append(part)
        fenced ^= part.count("\n```") % 2 == 1
    return sections


def _name(heading: str) -> str | None:
    """The number of a numbered heading, whatever else it says."""
    found = _NUMBER.search(heading)
    return f"{found[1]}-{found[2]}" if found else None


def _begins_another(heading: str, name: str) -> bool:
    """Whether a heading below that of a numbered one begins with another number: an item of its own."""
    word = _LETTERS.search(heading)
    number = _NUMBER.search(heading)
    return bool(word and number and word.start() == number.start()) and _name(heading) != name


def _plain(heading: str) -> str:
    """A heading's words without those that tell a status."""
    return " ".join(word for word in _LETTERS.findall(heading.lower()) if word not in _STATUS_WORDS)
