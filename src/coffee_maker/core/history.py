"""The nouns of the roadmap's history: one recorded change, and what an operation tells about the change it made."""

from __future__ import annotations

from coffee_maker.core.revisions import revision_of_hash
from coffee_maker.core.typed import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Literal

    ChangeType = Literal["add", "update", "delete", "status_change", "move", "restore"]


class NewChange(NamedTuple):
    """A change to be recorded. `before` and `after` are what a person wants to read (status names, field values,
    item text); `before_text` and `after_text` are the item's whole text on both sides, which `undo` works from."""

    at: datetime
    changed_by: str
    change_type: ChangeType
    item: str | None  # key; None when no single item is meant
    before: str | None
    after: str | None
    before_text: str | None
    after_text: str | None
    diff: str
    reason: str | None
    before_hash: str  # sha256 hex of the document's bytes; equals the previous change's after_hash
    after_hash: str
    undoes: int | None = None  # id of the change that this one takes back


class Change(NamedTuple):
    """A recorded change: `NewChange` with its number."""

    id: int
    at: datetime
    changed_by: str
    change_type: ChangeType
    item: str | None
    before: str | None
    after: str | None
    before_text: str | None
    after_text: str | None
    diff: str
    reason: str | None
    before_hash: str
    after_hash: str
    undoes: int | None = None

    @property
    def before_revision(self) -> str:
        return revision_of_hash(self.before_hash)

    @property
    def after_revision(self) -> str:
        return revision_of_hash(self.after_hash)


class Outcome(NamedTuple):
    """What an editing operation did, for the renderer. With a dry run nothing was done and `history_id` is None."""

    key: str | None
    change_type: ChangeType
    before: str | None
    after: str | None
    revision: str | None  # of the item, afterwards; None when it was removed
    document_revision: str
    history_id: int | None
    diff: str
    undoes: int | None = None  # id of the change that it takes back
