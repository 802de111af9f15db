"""What to make of a text that another program saved: a plain edit, a stale buffer, a return to an old version.

Nothing here reads or writes; `recording` does what is decided here, and imports this only when something came from
outside: an ordinary change needs no merge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, overload

from coffee_maker.core.changes import describe
from coffee_maker.core.document import Document
from coffee_maker.core.errors import Refusal, RoadmapUnusable
from coffee_maker.core.merge import MergeConflict, best_base, merge
from coffee_maker.core.questions import Draft, Kind, Level, Source
from coffee_maker.core.typed import NamedTuple
from coffee_maker.work.rows import KEEP, PERSON, TAKE, TAKE_OTHER, Row

if TYPE_CHECKING:
    from coffee_maker.core.ports import RoadmapLog

EDITED_OUTSIDE = "edited outside coffee-roadmap"
_EDITOR = (PERSON, EDITED_OUTSIDE)
"""Who made a version that an editor saved and nothing was merged into; one that was merged is no change of its own."""
_BASES = 50
_MANY_VANISHED = 3
_LONGEST_SHOWN = 200

Tell = Callable[[int], Draft]
"""Makes a notification, given the history id of the change that it is about."""


class Absorbed(NamedTuple):
    """How an outside text goes into the record."""

    document: Document  # what the file is to hold
    rows: Sequence[Row]  # from what was recorded to `document`
    tell: tuple[Tell, ...] = ()
    keep: tuple[Document, ...] = ()  # further texts to be kept as versions


class Base(NamedTuple):
    """A version that a buffer may have been read from."""

    content: bytes
    saved: bool  # by an editor, which goes on from it; not recorded by a command, nor made by a merge


def load_bases(log: RoadmapLog, current: str, *, without: str | None = None) -> list[Base]:
    """The versions that a stale buffer may have been read from, newest first; never the one that was not yet there."""
    digests = [digest for digest in log.versions(_BASES) if digest not in (current, without)]
    makers = log.makers(_BASES)
    contents = ((log.version(digest), makers.get(digest, _EDITOR)) for digest in (current, *digests))
    return [Base(content, maker == _EDITOR) for content, maker in contents if content is not None]


def base_of(bases: Sequence[Base], theirs: Document) -> bytes:
    """The version that the outside text descends from."""
    texts, saved = [], set()
    for base in bases:
        try:
            texts.append(base.content.decode())
        except UnicodeDecodeError:  # kept, but never a text: see `unreadable_save`
            continue
        if base.saved:
            saved.add(len(texts) - 1)
    return texts[best_base(texts, theirs.text, saved)].encode()


def merge_in(recorded: Document, theirs: Document, base: bytes | None, item_pattern: str | None) -> Absorbed:
    """The outside text merged with what was recorded since its base."""
    if base is None or base == recorded.data:
        rows = RowsBetween(recorded, theirs, PERSON, EDITED_OUTSIDE)
        return Absorbed(theirs, rows, _vanished(rows))
    merged = merge(base.decode(), recorded.text, theirs.text, item_pattern=item_pattern)
    document = Document.from_text(merged.text, item_pattern=item_pattern)
    rows = RowsBetween(recorded, document, PERSON, f"{EDITED_OUTSIDE}, from an older version: merged")
    if not merged.conflicts:
        return Absorbed(document, rows, _vanished(rows))
    other = merge(base.decode(), theirs.text, recorded.text, item_pattern=item_pattern, drop=True)
    alternative = Document.from_text(other.text, item_pattern=item_pattern)
    question = _conflict_question(merged.conflicts, document, alternative)
    return Absorbed(document, rows, (*_vanished(rows), question), (alternative,))


def restored(recorded: Document, theirs: Document, merged: Document | None = None) -> Absorbed:
    """An exact return to an older version: a checkout, a restored backup, an editor's undo.

    `merged` is that version with a change that was on its way into the file at that moment.
    """
    result = merged or theirs
    reason = f"the file is exactly version {theirs.revision} again"
    if merged is not None:
        reason = f"the file went back to version {theirs.revision} while a change was written: both are in"
    row = Row(PERSON, "restore", None, recorded.revision, result.revision, None, None, reason, result.text)

    def tell(change: int) -> Draft:
        return Draft(
            Source.DAEMON,
            Kind.INFO,
            f"ROADMAP.md was replaced by the older version {theirs.revision} (before: {recorded.revision}). "
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


def set_back(recorded: Document, theirs: Document, bases: Sequence[Base]) -> tuple[Tell, ...]:
    """A warning where an edit that is taken for one of the newest version makes an item just what it was before others
    changed it. A person may mean that; an old copy in the editor, of which nothing else tells, does so as well."""
    before = {item.key: recorded.text_of(item).strip() for item in recorded.items}
    back = []
    for item in theirs.items:
        text = theirs.text_of(item).strip()
        if before.get(item.key, text) == text:
            continue
        since = next((at for at, base in enumerate(bases) if text.encode() in base.content), 0)
        if not all(base.saved for base in bases[:since]):
            back.append(item.key)
    if not back:
        return ()

    def tell(change: int) -> Draft:
        return Draft(
            Source.DAEMON,
            Kind.ALERT,
            f"An edit of ROADMAP.md made {', '.join(back[:20])} just as before changes that were recorded since. If the"
            f" editor had an old copy: `coffee-roadmap history {back[0]}` shows them, `coffee-roadmap undo N` takes the"
            " edit back.",
            title="An edit set recorded changes back",
            level=Level.HIGH,
            item=back[0],
            idempotency_key=f"back:{change}",
        )

    return (tell,)


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


def _sides(one: MergeConflict) -> str:
    if one.ours_kept:
        return f"the file has the recorded {_short(one.kept)}, the editor removed it"
    other = "removed it" if one.what == "removed" else f"was {_short(one.other)}"
    return f"the file has {_short(one.kept)}, the recorded change {other}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return f"“{flat[:_LONGEST_SHOWN]}{'…' if len(flat) > _LONGEST_SHOWN else ''}”"
