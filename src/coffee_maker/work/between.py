"""The difference of two versions as rows of the history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from coffee_maker.core.changes import describe
from coffee_maker.core.document import Document
from coffee_maker.work.rows import Row


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
