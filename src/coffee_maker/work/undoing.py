"""Which change is taken back, and the row that takes it back. Decides on what the history tells; writes nothing."""

from __future__ import annotations

from coffee_maker.core.document import Document
from coffee_maker.core.errors import CannotTake, CannotUndo, ChangeNotFound
from coffee_maker.core.merge import merge
from coffee_maker.core.revert import later, revert
from coffee_maker.work.between import RowsBetween
from coffee_maker.work.rows import PERSON, Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coffee_maker.core.history import Change, ChangeType
    from coffee_maker.core.ports import RoadmapLog
    from coffee_maker.core.questions import Notification

_INVERSE: Mapping[ChangeType, ChangeType] = {"add": "delete", "delete": "add"}
_PAGE = 100
_VERSIONS_TO_SEARCH = 50


def pick(log: RoadmapLog, change_id: int | None) -> Change:
    """The change to take back: the one of that number, else the newest that is neither an undo nor undone."""
    if change_id is None:
        return _newest_standing(log)
    change = log.change(change_id)
    if change is None:
        raise ChangeNotFound(id=change_id)
    later = log.changes(after_id=change_id)
    if change_id in _undone(later):
        by = next(one for one in later if one.undoes == change_id)
        hint = f"`coffee-roadmap undo {by.id}` does it again."
        raise CannotUndo(id=change_id, problem=f"it was already undone by change {by.id}", hint=hint)
    return change


def take_back(log: RoadmapLog, change: Change, current: Document, by: str, reason: str | None) -> Row:
    """The row whose text is the roadmap without `change`; raises `CannotUndo` with the reasons."""
    before, after = _version_before(log, change, current), _document(log.version(change.after_hash), current)
    reverted = revert(current, change, before=before, after=after)
    if reverted.text is None:
        raise CannotUndo(id=change.id, problem="; ".join(reverted.problems))
    new = Document.from_text(reverted.text, item_pattern=current.item_pattern)
    return Row(
        by,
        _INVERSE.get(change.change_type, change.change_type),
        reverted.key,
        change.after,
        change.before,
        _text_of(current, change.item),
        _text_of(new, reverted.key),
        reason or f"undo of change {change.id}",
        reverted.text,
        undoes=change.id,
    )


def take_other(log: RoadmapLog, current: Document, choice: Mapping[str, str], question: Notification) -> Sequence[Row]:
    """The rows that put the other side of a merge conflict into the roadmap, leaving all later changes alone.

    Raises `CannotTake` when what it would replace was changed since.
    """
    merged, alternative = (_document(log.version(choice[side]), current) for side in ("merged", "alternative"))
    if merged is None or alternative is None:
        raise CannotTake(id=question.id, problem="the other side of that conflict is no longer kept")
    taken = merge(merged.text, current.text, alternative.text, item_pattern=current.item_pattern)
    if taken.conflicts:
        raise CannotTake(id=question.id, problem="; ".join(later(conflict) for conflict in taken.conflicts))
    new = Document.from_text(taken.text, item_pattern=current.item_pattern)
    return RowsBetween(current, new, question.answered_by or PERSON, f"chosen in question {question.id}")


def _newest_standing(log: RoadmapLog) -> Change:
    limit = _PAGE
    while True:
        changes = log.changes(limit=limit)
        undone = _undone(changes)
        for change in changes:
            if change.undoes is None and change.id not in undone:
                return change
        if len(changes) < limit:
            raise ChangeNotFound(id="that is not undone yet")
        limit *= 10


def _undone(newest_first: Sequence[Change]) -> set[int]:
    """Numbers of the changes that stand undone; an undo that was itself undone does not count."""
    undone: set[int] = set()
    for change in newest_first:
        if change.undoes is not None and change.id not in undone:
            undone.add(change.undoes)
    return undone


def _version_before(log: RoadmapLog, change: Change, current: Document) -> Document | None:
    """The version before the change; for a deleted item any kept one that has it."""
    found = _document(log.version(change.before_hash), current)
    if found is not None or change.change_type != "delete" or not change.before_text:
        return found
    for digest in log.versions(_VERSIONS_TO_SEARCH):
        document = _document(log.version(digest), current)
        if document is not None and change.before_text.strip() in document.text:
            return document
    return None


def _document(content: bytes | None, like: Document) -> Document | None:
    return None if content is None else Document.from_bytes(content, item_pattern=like.item_pattern)


def _text_of(document: Document, key: str | None) -> str | None:
    item = next((one for one in document.items if one.key == key), None)
    return document.text_of(item) if item else None
