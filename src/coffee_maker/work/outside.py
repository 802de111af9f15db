"""What to make of a text that another program saved: a plain edit, a stale buffer, a return to an old version.

Nothing here reads or writes; `recording` does what is decided here, and imports this only when something came from
outside: an ordinary change needs no merge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, overload

from coffee_maker.core.align import unchanged
from coffee_maker.core.ancestry import bases_of
from coffee_maker.core.changes import describe
from coffee_maker.core.document import Document
from coffee_maker.core.errors import Refusal, RoadmapUnusable
from coffee_maker.core.lean import sha256
from coffee_maker.core.merge import MergeConflict, merge
from coffee_maker.core.questions import Draft, Kind, Level, Source
from coffee_maker.core.revisions import revision_of_hash
from coffee_maker.core.typed import NamedTuple
from coffee_maker.work.bases import EDITED_OUTSIDE, Base
from coffee_maker.work.rows import KEEP, PERSON, TAKE, TAKE_OTHER, Row

if TYPE_CHECKING:
    pass

_MANY_VANISHED = 3
_LONGEST_SHOWN = 200
_MOST_NAMED = 20

Tell = Callable[[int], Draft]
"""Makes a notification, given the history id of the change that it is about."""


class Absorbed(NamedTuple):
    """How an outside text goes into the record."""

    document: Document  # what the file is to hold
    rows: Sequence[Row]  # from what was recorded to `document`
    tell: tuple[Tell, ...] = ()
    offered: tuple[Document, ...] = ()  # further texts that an answer may put into the file


def absorb(
    recorded: Document, theirs: Document, bases: Sequence[Base], item_pattern: str | None, *, unread: bool
) -> Absorbed:
    """The outside text merged with what was recorded since the version that it descends from.

    Where the text leaves open which version that is, and another one would make another text of it, that is asked.
    `unread` tells that nobody has read the newest of `bases`.
    """
    texts = [base.text for base in bases]
    saved = {at for at, base in enumerate(bases) if base.saved}
    best, *rivals = bases_of(texts, theirs.text, saved, unread=unread)
    if best and bases[best].settled and _said(texts[best]) == _said(theirs.text):
        version = revision_of_hash(sha256(texts[best].encode()).hexdigest())
        return came_back(recorded, theirs, texts[0], version, item_pattern)
    absorbed = merge_in(recorded, theirs, texts[best], item_pattern)
    if any(one.kind is Kind.QUESTION for one in (tell(0) for tell in absorbed.tell)):
        return absorbed
    for rival in sorted(rivals):
        other = merge_in(recorded, theirs, texts[rival], item_pattern).document
        if not unchanged(other.text, absorbed.document.text):
            question = _doubt(absorbed.document, other, f"{theirs.digest}:{rival}", back=best < rival)
            return absorbed._replace(tell=(*absorbed.tell, question), offered=(other,))
    return absorbed._replace(tell=(*absorbed.tell, *_older(theirs, absorbed.document))) if best else absorbed


def absorb_known(recorded: Document, theirs: Document, bases: Sequence[Base], item_pattern: str | None) -> Absorbed:
    """A text that was in the file before. It came back, unless an editor with an old copy is at work: that has saved
    the same once more, or has taken its last edit back."""
    newest = next((base for base in bases if base.saved), None)
    if newest is None or newest.settled:
        return came_back(recorded, theirs, bases[0].text, theirs.revision, item_pattern)
    absorbed = merge_in(recorded, theirs, newest.text, item_pattern)
    if newest.text == theirs.text:
        return absorbed
    other = came_back(recorded, theirs, bases[0].text, theirs.revision, item_pattern).document
    if unchanged(other.text, absorbed.document.text):
        return absorbed
    question = _doubt(absorbed.document, other, f"{theirs.digest}:{recorded.digest}", back=False)
    return absorbed._replace(tell=(*absorbed.tell, question), offered=(*absorbed.offered, other))


def _said(text: str) -> list[str]:
    """The lines without what a program may change that only stores them: blanks at the ends, blank lines."""
    return [line for line in map(str.rstrip, text.splitlines()) if line]


def merge_in(recorded: Document, theirs: Document, base: str, item_pattern: str | None) -> Absorbed:
    """The outside text merged with what was recorded since its base."""
    if base == recorded.text:
        rows = RowsBetween(recorded, theirs, PERSON, EDITED_OUTSIDE)
        return Absorbed(theirs, rows, _vanished(rows))
    merged = merge(base, recorded.text, theirs.text, item_pattern=item_pattern)
    document = Document.from_text(merged.text, item_pattern=item_pattern)
    rows = RowsBetween(recorded, document, PERSON, f"{EDITED_OUTSIDE}, from an older version: merged")
    if not merged.conflicts:
        return Absorbed(document, rows, _vanished(rows))
    other = merge(base, theirs.text, recorded.text, item_pattern=item_pattern, drop=True)
    alternative = Document.from_text(other.text, item_pattern=item_pattern)
    question = _conflict_question(merged.conflicts, document, alternative)
    return Absorbed(document, rows, (*_vanished(rows), question), (alternative,))


def came_back(recorded: Document, theirs: Document, newest: str, version: str, item_pattern: str | None) -> Absorbed:
    """A return to an older version: a checkout, a restored backup, an editor's undo.

    `newest` is what stood in the file before; a change of it that was on its way into the file at that moment,
    `recorded`, is merged in.
    """
    merged = merge_in(recorded, theirs, newest, item_pattern)
    result = merged.document
    if result.digest == recorded.digest:
        return merged
    reason = f"the file is {'exactly ' if version == theirs.revision else ''}version {version} again"
    if result.digest != theirs.digest:
        reason = f"the file went back to version {version} while a change was written: both are in"
    row = Row(PERSON, "restore", None, recorded.revision, result.revision, None, None, reason, result.text)

    def tell(change: int) -> Draft:
        return Draft(
            Source.DAEMON,
            Kind.INFO,
            f"ROADMAP.md was replaced by the older version {version} (before: {recorded.revision}). "
            f"It was recorded as a restore. To take it back: coffee-roadmap undo {change}",
            title="The roadmap went back to an older version",
            idempotency_key=f"restore:{change}",
        )

    return Absorbed(result, [row], (tell,))


class RowsBetween(Sequence[Row]):
    """The difference of two versions, item by item. Each row is made when it is asked for: every one carries the whole
    text, and a checkout of another branch may change a hundred items of a megabyte."""

    def __init__(self, before: Document, after: Document, by: str, reason: str | None) -> None:
        self._steps = describe(before, after)
        self._by = by
        self._reason = reason

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        one = self._steps[index]
        return Row(
            self._by,
            one.change_type,
            one.key,
            one.before,
            one.after,
            one.before_text,
            one.after_text,
            self._reason,
            one.text,
        )


def refuse_emptied(theirs: Document, recorded: Document, path: str) -> None:
    """An empty file where items were is an accident (a crashed editor, a full disk), not an edit."""
    if theirs.text.strip() or not recorded.items:
        return
    raise RoadmapUnusable(
        path=path,
        problem=f"it is empty, but its last recorded version {recorded.revision} has {len(recorded.items)} items",
        hint="`coffee-roadmap init` puts the last recorded version back.",
    )


def unreadable_save(digest: str, error: Refusal) -> Tell:
    """Somebody saved what is no text while a change was being written; it is kept, the roadmap stays."""

    def tell(change: int) -> Draft:
        return Draft(
            Source.DAEMON,
            Kind.ALERT,
            f"While a change was written, another program saved something into ROADMAP.md that is no text "
            f"({error.message}). The roadmap was kept; what was saved is version {digest[:12]} in the database.",
            title="An unreadable save of the roadmap was set aside",
            level=Level.HIGH,
            idempotency_key=f"unreadable:{digest}",
        )

    return tell


def save_set_aside(path: str) -> Tell:
    """A text beside the roadmap is in no version: somebody's save that a change took out before it was recorded."""

    def tell(change: int) -> Draft:
        return Draft(
            Source.DAEMON,
            Kind.ALERT,
            f"A text was found beside ROADMAP.md that is in none of its recorded versions: what another program saved"
            f" while a change was written that was not finished. It is kept as {path}. Compare it with the roadmap,"
            " take over what is missing, then remove it.",
            title="A save of the roadmap was set aside",
            level=Level.HIGH,
            idempotency_key=f"aside:{path}",
        )

    return tell


def _vanished(rows: Sequence[Row]) -> tuple[Tell, ...]:
    """A warning when several items disappeared at once: that is how a bad merge looks."""
    gone = [row.item for row in rows if row.change_type == "delete" and row.item]
    if len(gone) < _MANY_VANISHED:
        return ()

    def tell(change: int) -> Draft:
        return Draft(
            Source.DAEMON,
            Kind.ALERT,
            f"{len(gone)} items disappeared from ROADMAP.md in one outside edit: {', '.join(gone[:20])}. Each is in "
            "`coffee-roadmap history`; `coffee-roadmap undo N` brings one back.",
            title=f"{len(gone)} items disappeared from the roadmap",
            level=Level.HIGH,
            idempotency_key=f"vanished:{change}",
        )

    return (tell,)


def _conflict_question(conflicts: Sequence[MergeConflict], merged: Document, alternative: Document) -> Tell:
    lines = [f"- {one.key or 'text outside items'}, {one.what}: {_sides(one)}" for one in conflicts]
    ours_kept = any(one.ours_kept for one in conflicts)
    where = "The file has the editor's side; the other side is in the history."
    if ours_kept:
        where = "What the editor removed is still in the file; of anything else it has the editor's side."

    def tell(change: int) -> Draft:
        return Draft(
            Source.DAEMON,
            Kind.QUESTION,
            "An editor saved an older copy of ROADMAP.md. Both sides were merged; these changed on both:\n"
            + "\n".join(lines)
            + f"\n{where}",
            title="Both sides changed the same thing",
            level=Level.HIGH,
            item=conflicts[0].key,
            options=(KEEP, TAKE_OTHER if ours_kept else TAKE),
            context={"choice": {"merged": merged.digest, "alternative": alternative.digest}},
            idempotency_key=f"merge:{merged.digest}:{alternative.digest}",
        )

    return tell


def _older(theirs: Document, merged: Document) -> tuple[Tell, ...]:
    """What the person's text lacked: an editor that goes on without reading the file anew is told once."""
    kept = list(RowsBetween(theirs, merged, PERSON, None))
    if not kept:
        return ()
    lacked = set(merged.text.splitlines()) ^ set(theirs.text.splitlines())
    digest = sha256("\n".join(sorted(lacked)).encode()).hexdigest()

    def tell(change: int) -> Draft:
        return Draft(
            Source.DAEMON,
            Kind.INFO,
            f"An editor saved an older copy of ROADMAP.md. It was merged, and what was recorded meanwhile is kept:"
            f" {_named(kept)}. If the edit was to take some of that back, do it again in the file as it is now.",
            title="An older copy of the roadmap was merged",
            item=kept[0].item,
            idempotency_key=f"older:{digest}",
        )

    return (tell,)


def _named(rows: Sequence[Row]) -> str:
    keys = dict.fromkeys(row.item or "the text outside items" for row in rows)
    return ", ".join([*keys][:_MOST_NAMED])


def _doubt(document: Document, other: Document, about: str, *, back: bool) -> Tell:
    """The text that was saved can be read in two ways: an old copy, or one in which the person took something back."""
    rows = list(RowsBetween(other, document, PERSON, None))
    shown = _named(rows)
    if back:
        told = (
            f"An editor saved ROADMAP.md without what was recorded before in {shown}. It was taken for an edit of the"
            " newest version, which takes that back; if the editor only had an older copy, take the other side."
        )
    else:
        told = (
            f"An editor saved ROADMAP.md without what was recorded before in {shown}. It was taken for an older copy,"
            " and what was recorded stays; if the edit was meant to take that back, take the other side."
        )

    def tell(change: int) -> Draft:
        return Draft(
            Source.DAEMON,
            Kind.QUESTION,
            told,
            title="An edit may have taken recorded changes back",
            level=Level.HIGH,
            item=rows[0].item if rows else None,
            options=(KEEP, TAKE_OTHER),
            context={"choice": {"merged": document.digest, "alternative": other.digest}},
            idempotency_key=f"doubt:{about}",
        )

    return tell


def _sides(one: MergeConflict) -> str:
    if one.ours_kept:
        return f"the file has the recorded {_short(one.kept)}, the editor removed it"
    other = "removed it" if one.what == "removed" else f"was {_short(one.other)}"
    return f"the file has {_short(one.kept)}, the recorded change {other}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return f"“{flat[:_LONGEST_SHOWN]}{'…' if len(flat) > _LONGEST_SHOWN else ''}”"
