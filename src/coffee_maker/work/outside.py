"""What to make of a text that another program saved: a plain edit, a stale buffer, a return to an old version.

Nothing here reads or writes; `recording` does what is decided here, and imports this only when something came from
outside: an ordinary change needs no merge.
"""

from __future__ import annotations

from collections.abc import Sequence

from coffee_maker.core.ancestry import bases_of
from coffee_maker.core.blocks import scan
from coffee_maker.core.document import Document
from coffee_maker.core.errors import RoadmapUnusable
from coffee_maker.core.lean import sha256
from coffee_maker.core.merge import merge
from coffee_maker.core.revisions import revision_of_hash
from coffee_maker.work import telling
from coffee_maker.work.bases import CAME_BACK, EDITED_OUTSIDE, Base
from coffee_maker.work.between import RowsBetween
from coffee_maker.work.rows import PERSON, Entry, Row


def absorb(
    recorded: Document, theirs: Document, bases: Sequence[Base], item_pattern: str | None, *, unread: bool
) -> Entry:
    """The outside text merged with what was recorded since the version that it descends from.

    Where the text leaves open which version that is, and another one would make another text of it, that is asked.
    `unread` tells that nobody has read the newest of `bases`.
    """
    texts = [base.text for base in bases]
    saved = {at for at, base in enumerate(bases) if base.saved}
    best, *rivals = bases_of(texts, theirs.text, saved, unread=unread)
    if best and bases[best].settled and _said(texts[best]) == _said(theirs.text):
        return _came_back(recorded, theirs, bases, best, item_pattern)
    absorbed = merge_in(recorded, theirs, texts[best], item_pattern)
    if absorbed.offered:  # it asks already
        return absorbed
    for rival in sorted({min(rivals), max(rivals)} if rivals else ()):  # what lies between is a bit of both
        other = merge_in(recorded, theirs, texts[rival], item_pattern).document
        if _said(other.text) != _said(absorbed.document.text):
            question = telling.doubt(absorbed.document, other, f"{theirs.digest}:{rival}", back=best < rival)
            return absorbed._replace(tell=(*absorbed.tell, question), offered=(other,))
    if best:
        return absorbed._replace(tell=(*absorbed.tell, *telling.older(theirs, absorbed.document, again=not unread)))
    return absorbed


def absorb_known(
    recorded: Document, theirs: Document, bases: Sequence[Base], item_pattern: str | None, *, unread: bool
) -> Entry:
    """A text that was in the file before. It came back, unless an editor with an old copy is at work: that has saved
    the same once more, or has taken its last edit back. Then it is asked, but where nobody has read the newest of
    `bases` (`unread`) the same text again tells nothing new. What was recorded after that editor's save it never had:
    who has that text has loaded it, or checked it out."""
    at = next((at for at, base in enumerate(bases) if base.text == theirs.text), None)
    returned = _came_back(recorded, theirs, bases, at, item_pattern)
    last, newest = next(((place, base) for place, base in enumerate(bases) if base.saved), (0, None))
    if newest is None or newest.settled or (at is not None and at < last):
        return returned
    absorbed = merge_in(recorded, theirs, newest.text, item_pattern)
    if (unread and newest.text == theirs.text) or _said(returned.document.text) == _said(absorbed.document.text):
        return absorbed
    other = returned.document
    question = telling.doubt(absorbed.document, other, f"{theirs.digest}:{recorded.digest}", back=False)
    return absorbed._replace(tell=(*absorbed.tell, question), offered=(*absorbed.offered, other))


def _said(text: str) -> list[str]:
    """The lines without what a program may change that only stores them: blanks at the ends, blank lines."""
    return [line for line in map(str.rstrip, text.splitlines()) if line]


def merge_in(recorded: Document, theirs: Document, base: str, item_pattern: str | None) -> Entry:
    """The outside text merged with what was recorded since its base."""
    if base == recorded.text:
        rows = RowsBetween(recorded, theirs, PERSON, EDITED_OUTSIDE)
        return Entry(theirs, rows, telling.vanished(rows))
    merged = merge(base, recorded.text, theirs.text, item_pattern=item_pattern)
    document = Document.from_text(merged.text, item_pattern=item_pattern)
    rows = RowsBetween(recorded, document, PERSON, f"{EDITED_OUTSIDE}, from an older version: merged")
    if not merged.conflicts:
        return Entry(document, rows, telling.vanished(rows))
    other = merge(base, theirs.text, recorded.text, item_pattern=item_pattern, drop=True)
    alternative = Document.from_text(other.text, item_pattern=item_pattern)
    question = telling.conflict(merged.conflicts, document, alternative)
    return Entry(document, rows, (*telling.vanished(rows), question), (alternative,))


def _came_back(
    recorded: Document, theirs: Document, bases: Sequence[Base], at: int | None, item_pattern: str | None
) -> Entry:
    """A return to an older version (the base at `at`): a checkout, a restored backup, an editor's undo.

    `recorded` may hold a change of the newest base that was on its way into the file at that moment: it is merged in.
    An editor that goes back and forth over its own saves is not told so.
    """
    merged = merge_in(recorded, theirs, bases[0].text, item_pattern)
    result = merged.document
    if result.digest == recorded.digest:
        return merged
    version = theirs.revision if at is None else revision_of_hash(sha256(bases[at].text.encode()).hexdigest())
    reason = f"{CAME_BACK} {version} again{'' if version == theirs.revision else ' but for blanks'}"
    if result.digest != theirs.digest:
        reason = f"the file went back to version {version} while a change was written: both are in"
    row = Row(PERSON, "restore", None, recorded.revision, result.revision, None, None, reason, result.text)
    others = at is None or not all(base.saved for base in bases[:at])
    at_work = at is not None and not others and (at > 1 or bases[at].saved)
    return Entry(result, [row], () if at_work else (telling.came_back(recorded, result, version, others=others),))


def refuse_emptied(theirs: Document, recorded: Document, path: str) -> None:
    """An empty file where items were is an accident (a crashed editor, a full disk), not an edit."""
    if theirs.text.strip() or not recorded.items:
        return
    raise RoadmapUnusable(
        path=path,
        problem=f"it is empty, but its last recorded version {recorded.revision} has {len(recorded.items)} items",
        hint="`coffee-roadmap init` puts the last recorded version back.",
    )


def refuse_conflicted(theirs: Document, recorded: Document, path: str) -> None:
    """What git leaves of a merge that it could not do is both sides at once: a line that they share belongs to either,
    and an item that is changed there is changed on both. It is for the person to settle, before anything is written."""
    line = _conflict(theirs.text)
    if line is None or _conflict(recorded.text) is not None:
        return
    raise RoadmapUnusable(
        path=path,
        problem=f"it holds the marks of an unfinished git merge, from line {line} on",
        hint="Settle the conflict there (`git mergetool`, or an editor) and repeat; until then nothing is written.",
    )


def _conflict(text: str) -> int | None:
    """The line in which the first conflict begins; None where there is none. Examples in code fences are none."""
    if "<<<<<<< " not in text:
        return None
    lines = [line.rstrip("\r") for line in text.split("\n")]
    fenced = {number for fence in scan(lines).fences if fence.closed for number in range(fence.line, fence.end)}
    begun, divided = None, False
    for number, line in enumerate(lines):
        if line.startswith("<<<<<<< ") and number not in fenced:
            begun, divided = number + 1, False
        elif line == "=======" and begun is not None:
            divided = True
        elif line.startswith(">>>>>>> ") and divided:
            return begun
    return None
