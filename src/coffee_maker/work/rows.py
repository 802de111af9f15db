"""The row that a change becomes, and the words of the question about a conflict."""

from __future__ import annotations

from coffee_maker.core.typed import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from coffee_maker.core.document import Document
    from coffee_maker.core.history import ChangeType
    from coffee_maker.work.telling import Tell

PERSON = "person"
KEEP, TAKE, TAKE_OTHER = "keep the file", "take the recorded change", "take the other side"
"""The options of the question about a conflict; the last where the file does not have the editor's side throughout."""
TAKE_SAVED, TAKE_BACK = "take the text as it was saved", "bring back what was recorded"
"""Those beside `KEEP` where a saved text may be an old copy, or one in which something was taken back."""


class Row(NamedTuple):
    """A change that is about to be recorded, without what the recorder knows itself (time, hashes, diff)."""

    changed_by: str
    change_type: ChangeType
    item: str | None
    before: str | None
    after: str | None
    before_text: str | None
    after_text: str | None
    reason: str | None
    text: str  # the whole document afterwards
    undoes: int | None = None


class Entry(NamedTuple):
    """What goes into the record in one transaction."""

    document: Document  # what the file is to hold
    rows: Sequence[Row]  # from what was recorded to `document`
    tell: tuple[Tell, ...] = ()
    offered: tuple[Document, ...] = ()  # further texts that the answer to a question in `tell` may put into the file
