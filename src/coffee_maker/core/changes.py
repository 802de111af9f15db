"""What happened between two versions, item by item, in words that a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import overload

from coffee_maker.core.align import ITEM_WEIGHT, PROSE_WEIGHT, Block, align, moved, place_after, split, unchanged
from coffee_maker.core.diffs import diff as diff
from coffee_maker.core.document import Document
from coffee_maker.core.items import Item
from coffee_maker.core.threeway import STATUS, Hunk, hunks, line_kind, split_lines
from coffee_maker.core.typed import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.core.history import ChangeType

_MOST_STEPS = 200
_LONGEST_TOLD = 2000  # characters of changed lines that are told; the diff has them all


class ItemChange(NamedTuple):
    """One step from one version to another. `before` and `after` are what a person wants to read."""

    change_type: ChangeType
    key: str | None  # None: prose outside the items, or more changes than are told one by one
    before: str | None
    after: str | None
    before_text: str | None  # the item's whole text
    after_text: str | None
    text: str  # the whole document after this step; the last one's is the new version


class Step(NamedTuple):
    """A step without the document's text, which is put together only when asked for: 100 times 1.2 MB is too much."""

    change_type: ChangeType
    key: str | None
    before: str | None
    after: str | None
    before_text: str | None
    after_text: str | None
    parts: tuple[str, ...]  # of the document after this step

    def told(self) -> ItemChange:
        return ItemChange(*self[:6], text="".join(self.parts))


class Steps(Sequence[ItemChange]):
    """The steps between two versions. Going through them makes one document's text at a time."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = steps

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> ItemChange: ...
    @overload
    def __getitem__(self, index: slice) -> Steps: ...
    def __getitem__(self, index: int | slice) -> ItemChange | Steps:
        if isinstance(index, slice):
            return Steps(self._steps[index])
        return self._steps[index].told()


def describe(before: Document, after: Document) -> Steps:
    """The difference item by item: what was deleted, moved, added, changed; last what is outside the items.

    Every step carries the whole text after it, so their hashes form a chain from `before` to `after`. A change of the
    status together with other changes of an item is two steps. Beyond 200 steps the rest is told as one.
    """
    if before.text == after.text:
        return Steps([])
    return Steps(_Telling(before, after).run())


# --- the steps -------------------------------------------------------------------------------------------------


class _Telling:
    """The way from one version to another.

    The document is kept as parts, numbered by the block of the old version (new blocks behind those), so that a step
    changes one part and nothing has to be read again.
    """

    def __init__(self, before: Document, after: Document) -> None:
        self.after = after
        self.old, self.new = split(before), split(after)
        count = len(self.old)
        found = align(self.old, self.new)
        self.numbers = [count + at if number is None else number for at, number in enumerate(found)]
        self.kept = {number: block for number, block in zip(self.numbers, self.new, strict=True) if number < count}
        self.now = {number: block.text for number, block in enumerate(self.old)}
        self.order = list(range(count))
        self.steps: list[Step] = []
        self.prose_moved = False

    def run(self) -> list[Step]:
        for _ in chain(self._deletions(), self._moves(), self._additions(), self._updates()):
            if len(self.steps) > _MOST_STEPS:
                del self.steps[_MOST_STEPS - 1 :]
                self.steps.append(Step("update", None, None, "more changes than are told one by one", None, None, ()))
                break
        else:
            self._tell_prose()
        self.steps[-1] = self.steps[-1]._replace(parts=(self.after.text,))
        return self.steps

    def _step(self, kind: ChangeType, key: str | None, told: _Told, texts: _Told) -> None:
        self.steps.append(Step(kind, key, *told, *texts, tuple(self.now[number] for number in self.order)))

    def _deletions(self) -> Iterator[None]:
        for number, block in enumerate(self.old):
            if block.item and number not in self.kept:
                self.order.remove(number)
                self._step("delete", block.key, (block.title, None), (block.text, None))
                yield

    def _moves(self) -> Iterator[None]:
        common = [number for number in self.numbers if number in self.kept]
        away = moved(common, lambda number: ITEM_WEIGHT if self.old[number].item else PROSE_WEIGHT)
        for at, number in enumerate(common):
            if number not in away:
                continue
            stood = self.order.index(number)  # behind what has not moved away before
            before = place_after(self.old[self.order[stood - 1]] if stood else None)
            self.order.remove(number)
            self.order.insert(self.order.index(common[at - 1]) + 1 if at else 0, number)
            if not self.old[number].item:
                self.prose_moved = True
            else:
                place = self.numbers.index(number)
                after = place_after(self.new[place - 1] if place else None)
                text = self.old[number].text
                self._step("move", self.kept[number].key, (before, after), (text, text))
                yield

    def _additions(self) -> Iterator[None]:
        previous: int | None = None
        for number, block in zip(self.numbers, self.new, strict=True):
            if number not in self.now and block.item:
                self.order.insert(self.order.index(previous) + 1 if previous is not None else 0, number)
                self.now[number] = block.text
                self._step("add", block.key, (None, block.title), (None, block.text))
                yield
            if number in self.now:
                previous = number

    def _updates(self) -> Iterator[None]:
        for number, new in self.kept.items():
            old = self.old[number]
            if not new.item or not old.item or unchanged(old.text, new.text):
                continue
            text = _with_status_of(old, new) if old.item.status != new.item.status else old.text
            if unchanged(text, new.text):
                text = new.text
            if text != old.text:
                self.now[number] = text
                self._step("status_change", new.key, (_status(old.item), _status(new.item)), (old.text, text))
                yield
            if text != new.text:
                self.now[number] = new.text
                self._step("update", new.key, _told(old, new, text), (text, new.text))
                yield

    def _tell_prose(self) -> None:
        """One step for all prose. Blanks at the ends of blocks are no step when there is another to carry them."""
        pairs = [(self.old[number], new) for number, new in self.kept.items() if not new.item]
        pairs += [
            (block, _NOTHING) for number, block in enumerate(self.old) if not block.item and number not in self.kept
        ]
        count = len(self.old)
        pairs += [
            (_NOTHING, new)
            for number, new in zip(self.numbers, self.new, strict=True)
            if not new.item and number >= count
        ]
        changed = [(old.text, new.text) for old, new in pairs if not unchanged(old.text, new.text)]
        if self.steps and not changed and not self.prose_moved:
            return
        before, after = zip(*(_changed_lines(*texts) for texts in changed), strict=True) if changed else ((), ())
        self._step("update", None, (_clipped("".join(before)), _clipped("".join(after))), (None, None))


_Told = tuple[str | None, str | None]
_NOTHING = Block("", "", "", None)


def _with_status_of(old: Block, new: Block) -> str:
    """The old item with only that changed which tells its status: in the field, and in the heading."""
    lines = split_lines(old.text)
    same_title = (old.name, old.title) == (new.name, new.title)

    def tells_status(hunk: Hunk) -> bool:
        touched = [line for line in (*lines[hunk.start : hunk.end], *hunk.lines) if line.strip()]
        heading = hunk.start == 0 and hunk.end == 1 and same_title
        return bool(touched) and (heading or all(line_kind(line) == STATUS for line in touched))

    changed, at = "", 0
    for hunk in filter(tells_status, hunks(lines, split_lines(new.text))):
        changed += "".join(lines[at : hunk.start]) + "".join(hunk.lines)
        at = hunk.end
    return changed + "".join(lines[at:])


def _status(item: Item) -> str | None:
    return item.status.value if item.status else item.status_text


def _told(old: Block, new: Block, text: str) -> _Told:
    """What changed, for a person: number and title, else the changed lines."""
    if old.name != new.name:
        return f"{old.key}: {old.title}", f"{new.key}: {new.title}"
    before, after = _changed_lines(text, new.text)
    if old.title != new.title and before.count("\n") <= 1 and after.count("\n") <= 1:
        return old.title, new.title
    return _clipped(before), _clipped(after)


def _changed_lines(old: str, new: str) -> tuple[str, str]:
    """The lines that went, and those that came."""
    lines = split_lines(old)
    found = hunks(lines, split_lines(new))
    before = (line for hunk in found for line in lines[hunk.start : hunk.end])
    return "".join(before), "".join(line for hunk in found for line in hunk.lines)


def _clipped(text: str) -> str | None:
    """At most so much as a person reads in a list; None for nothing."""
    text = text.strip()
    return (text if len(text) <= _LONGEST_TOLD else f"{text[:_LONGEST_TOLD]}…") or None
