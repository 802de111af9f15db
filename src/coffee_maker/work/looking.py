"""What faces have in common when somebody names a status or an item, or wants to read the history."""

from __future__ import annotations

from collections.abc import Callable

from coffee_maker.core.errors import ItemNotFound, NotText, Refusal, RoadmapMissing, UnknownStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from coffee_maker.core.document import Document
    from coffee_maker.core.items import Status
    from coffee_maker.work.editing import Editing


def status_named(words: str) -> Status:
    """The status that a person names: ``completed``, ``in-progress``, ``In Progress``, ``✅``."""
    from coffee_maker.core.wording import STATUS_NAMES, named_status

    status = named_status(words)
    if status is None:
        from coffee_maker.utils.values import nearest

        raise UnknownStatus(status=f"{words!r}{nearest(words.replace('-', '_').replace(' ', '_'), STATUS_NAMES)}")
    return status


def key_even_if_gone(ref: str, document: Callable[[], Document], editing: Callable[[], Editing]) -> str:
    """The key that a reference means; the history also knows items that are no longer in the roadmap."""
    try:
        return document().item(ref).key
    except (ItemNotFound, RoadmapMissing):
        from coffee_maker.core.references import References, normal

        gone = {change.item for change in editing().history() if change.item is not None}
        found = References(sorted(gone)).find(ref)
        return found[0] if len(found) == 1 else normal(ref)


def record_outside_edits(
    editing: Editing, *, patience: float | None = None
) -> Literal["nothing", "recorded", "not now"]:
    """Record what was edited outside since the last operation, before the history is read; `patience`: for how many
    seconds the lock is waited for, where that is to be less than for a change.

    The history can also be read when that is not possible now: the roadmap gone or broken, its lock held, no right to
    write.
    """
    try:
        if not editing.unrecorded():
            return "nothing"
        editing.reconcile(patience=patience)
    except (RoadmapMissing, NotText):
        return "nothing"
    except (Refusal, OSError):
        return "not now"
    return "recorded"
