"""Three-way merge of a person's text with what was recorded meanwhile: item by item, field by field, box by box.

Where only one side changed something its exact characters are taken. Where both changed the same thing, the person's
(`theirs`) stays in the text and ours goes into a `MergeConflict`; nothing is lost without being named there. What one
side removed and the other changed is kept (or goes, with `drop`). When the merged text would not read as the items it
was made of (an unclosed code fence on one side has swallowed some), the items cannot be trusted: then `theirs` stays as
it is and every change of ours is a conflict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from coffee_maker.core.align import ITEM_WEIGHT, PROSE_WEIGHT, Block, align, moved, place_after, split, unchanged
from coffee_maker.core.ancestry import another
from coffee_maker.core.document import Document
from coffee_maker.core.lines import BOM
from coffee_maker.core.threeway import eol_of, merge_text, split_lines
from coffee_maker.core.typed import NamedTuple


class MergeConflict(NamedTuple):
    """What both sides changed. `kept` is in the merged text, `other` is not; empty means: not there."""

    key: str | None  # in the merged text as far as it is there; None: prose outside items
    what: str  # status | field NAME | title | check list | text | added | removed | place
    kept: str
    other: str
    ours_kept: bool = False  # theirs had removed what ours changed: the one case in which ours stays in the text


class Merged(NamedTuple):
    """The merged text, and what could not be had both ways."""

    text: str
    conflicts: tuple[MergeConflict, ...]


def merge(base: str, ours: str, theirs: str, *, item_pattern: str | None = None, drop: bool = False) -> Merged:
    """Both sides' changes since `base`; `theirs` is the person's and stays where both changed the same thing.

    With `drop` what one side removed and the other changed is not kept: so `merge` with the sides exchanged gives the
    other outcome of every conflict.
    """
    known = _one_sided(base, ours, theirs)
    if known is not None:
        return Merged(known, ())
    marks = [BOM if text.startswith(BOM) else "" for text in (base, ours, theirs)]
    mark = marks[1] if marks[2] == marks[0] else marks[2]
    texts = _with_common_line_ends(*(text.removeprefix(BOM) for text in (base, ours, theirs)))
    known = _one_sided(*texts)
    if known is not None:
        return Merged(mark + known, ())
    merged = _merge_blocks([Document.from_text(text, item_pattern=item_pattern) for text in texts], drop)
    return Merged(mark + merged.text, merged.conflicts)


def _one_sided(base: str, ours: str, theirs: str) -> str | None:
    """The merged text when only one side changed something, or both the same."""
    if ours in (base, theirs):
        return theirs
    return ours if theirs == base else None


def _merge_blocks(sides: list[Document], drop: bool) -> Merged:
    theirs = sides[2]
    merging = _Merging(*(split(side) for side in sides), eol=eol_of(theirs.text), drop=drop)
    text = merging.run()
    found = Document.from_text(text, item_pattern=theirs.item_pattern)
    if [found.text_of(item) for item in found.items] != merging.item_texts:
        return Merged(theirs.text, tuple(merging.all_of_ours()))
    return Merged(text, tuple(merging.named([item.key for item in found.items])))


# --- line ends -------------------------------------------------------------------------------------------------


def _with_common_line_ends(base: str, ours: str, theirs: str) -> tuple[str, str, str]:
    """When one side converted all line ends, the texts with its line ends, so that only real changes differ."""
    if "\r" not in base and "\r" not in ours and "\r" not in theirs:
        return base, ours, theirs
    eol = _converted_to(base, theirs) or _converted_to(base, ours)
    if eol is None and _converted_to(theirs, ours):  # each has its own line ends throughout: what both added agrees
        eol = _converted_to(ours, theirs)
    if eol is None:
        return base, ours, theirs
    base, ours, theirs = (_plain_ends(text).replace("\n", eol) for text in (base, ours, theirs))
    return base, ours, theirs


def _plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _converted_to(base: str, side: str) -> str | None:
    """The only line end of `side` when a line of it has another end in `base`; None: it converted nothing."""
    eol = eol_of(side)
    if _plain_ends(side).replace("\n", eol) != side:
        return None
    others = {line.rstrip("\r\n") for line in split_lines(base) if line.strip() and not _ends_with(line, eol)}
    return eol if others and not others.isdisjoint(line.rstrip("\r\n") for line in split_lines(side)) else None


def _ends_with(line: str, eol: str) -> bool:
    return line.rstrip("\r\n") + eol == line


# --- blocks ----------------------------------------------------------------------------------------------------


class _Thing(NamedTuple):
    """One block through the three versions; None where it is not there."""

    base: Block | None
    ours: Block | None
    theirs: Block | None

    @property
    def key(self) -> str | None:
        block = self.theirs or self.ours or self.base
        return block.key if block else None

    @property
    def is_item(self) -> bool:
        return (self.theirs or self.ours or self.base or _NOTHING).item is not None


class _Merging:
    """One merge of three lists of blocks. Things are numbered: those of the base by their place in it, then the new."""

    def __init__(self, base: list[Block], ours: list[Block], theirs: list[Block], *, eol: str, drop: bool) -> None:
        self.eol, self.drop = eol, drop
        self.item_texts: list[str] = []
        self._clashes: list[tuple[int, str, str, str]] = []  # number of the thing, what, kept, other
        self._items: list[int] = []  # numbers of the items in the merged text, in its order
        found = [align(base, ours), align(base, theirs)]
        new = _same_new(ours, theirs, *found)
        count = len(base)
        self.orders: list[list[int]] = [[], []]
        parts: dict[int, list[Block | None]] = {number: [block, None, None] for number, block in enumerate(base)}
        for side, blocks in enumerate((ours, theirs)):
            for at, block in enumerate(blocks):
                number = found[side][at]
                if number is None:
                    number = count + at if side == 0 else count + new.get(at, len(ours) + at)
                parts.setdefault(number, [None, None, None])[1 + side] = block
                self.orders[side].append(number)
        self.things = {number: _Thing(*blocks) for number, blocks in parts.items()}
        self.in_base = count

    def run(self) -> str:
        """The merged text; fills `item_texts` with the items that should be found in it."""
        texts = {number: self._content(number, thing) for number, thing in self.things.items()}
        order = self._order({number for number, text in texts.items() if text is not None})
        known = {pair for side in self.orders for pair in pairwise(side)}
        parts = glue(
            [texts[number] or "" for number in order], self.eol, lambda at: (*order[at : at + 2],) not in known
        )
        self._items = [number for number in order if self.things[number].is_item]
        self.item_texts = [part for number, part in zip(order, parts, strict=True) if self.things[number].is_item]
        return "".join(parts)

    def named(self, keys: list[str]) -> Iterator[MergeConflict]:
        """The conflicts, under the keys that the items have in the merged text."""
        known = dict(zip(self._items, keys, strict=True))
        for number, what, kept, other in self._clashes:
            thing = self.things[number]
            yield MergeConflict(known.get(number, thing.key), what, kept, other, what == "removed" and not thing.theirs)

    def all_of_ours(self) -> Iterator[MergeConflict]:
        """Every change of ours as a conflict: for when theirs has to stay as it is."""
        for thing in self.things.values():
            before, mine, kept = (block.text if block else "" for block in thing)
            if not unchanged(mine, before) and not unchanged(mine, kept):
                what = "removed" if not thing.ours else "text" if thing.base else "added"
                yield MergeConflict(thing.key, what, kept, mine)

    # --- what is in it ---

    def _content(self, number: int, thing: _Thing) -> str | None:
        """The merged text of one thing, or None when it is gone."""
        base, ours, theirs = thing
        if ours is not None and theirs is not None:
            return self._both(number, base, ours, theirs)
        left = ours or theirs
        if left is None or base is None:
            return left.text if left else None
        if unchanged(base.text, left.text):
            return None
        self._clashes.append((number, "removed", left.text, ""))
        return None if self.drop else left.text

    def _both(self, number: int, base: Block | None, ours: Block, theirs: Block) -> str:
        if unchanged(ours.text, theirs.text) and base is None:
            return theirs.text
        if base is None and theirs.item:
            self._clashes.append((number, "added", theirs.text, ours.text))
            return theirs.text
        before = base or _NOTHING
        titles = (before.title, ours.title, theirs.title) if before.item else None
        text, clashes = merge_text(before.text, ours.text, theirs.text, titles=titles)
        self._clashes += [(number, *clash) for clash in clashes]
        return text

    # --- in which order ---

    def _order(self, alive: set[int]) -> list[int]:
        """The person's order, with what we added or moved put behind what it follows on our side."""
        our_moves, their_moves = (self._moves(order) for order in self.orders)
        self._note_places(our_moves & their_moves & alive)
        ours, theirs = ([number for number in order if number in alive] for order in self.orders)
        there = set(theirs)
        placed = {number for number in ours if number not in there or number in our_moves - their_moves}
        follows: dict[int | None, int] = {}
        previous: int | None = None
        for number in ours:
            if number in placed:
                follows[previous] = number
            previous = number
        order = [*_chain(follows, None)]
        for number in theirs:
            if number not in placed:
                order += [number, *_chain(follows, number)]
        return order

    def _moves(self, order: list[int]) -> set[int]:
        """What a side has moved among what was in the base."""
        return moved([number for number in order if number < self.in_base], self._weight)

    def _weight(self, number: int) -> int:
        return ITEM_WEIGHT if self.things[number].is_item else PROSE_WEIGHT

    def _note_places(self, numbers: set[int]) -> None:
        """A conflict for what both sides moved to different places."""
        for number in sorted(numbers):
            ours, theirs = (self._place(order, number) for order in self.orders)
            if ours != theirs:
                self._clashes.append((number, "place", theirs, ours))

    def _place(self, order: list[int], number: int) -> str:
        at = order.index(number)
        thing = self.things[order[at - 1]]
        return place_after((thing.theirs or thing.ours) if at else None)


def glue(texts: Sequence[str], eol: str, apart: Callable[[int], bool]) -> list[str]:
    """Blocks with the line ends between them that they need.

    Every block ends with a line end when another follows; where `apart` says that a block and the next one have not
    been neighbours before, a blank line is between them.
    """
    glued = []
    for at, text in enumerate(texts):
        if text.strip(BOM) and at + 1 < len(texts):
            text += "" if text.endswith(("\n", "\r")) else eol
            text += eol if apart(at) and _plain_ends(text[-4:])[-2:] != "\n\n" else ""
        glued.append(text)
    return glued


def _chain(follows: dict[int | None, int], number: int | None) -> Iterator[int]:
    """What follows a number, and what follows that."""
    while (following := follows.get(number)) is not None:
        yield following
        number = following


_NOTHING = Block("", "", "", None)


def _same_new(
    ours: list[Block], theirs: list[Block], in_ours: list[int | None], in_theirs: list[int | None]
) -> dict[int, int]:
    """New blocks that both sides added, items by number, prose by heading: place in theirs -> place in ours.

    Two items that have no more than the number in common are two: both are kept.
    """
    mine: dict[tuple[bool, str], list[int]] = {}
    for at, block in enumerate(ours):
        if in_ours[at] is None:
            mine.setdefault((block.item is None, block.name), []).append(at)
    same = {}
    for at, block in enumerate(theirs):
        rivals = mine.get((block.item is None, block.name), []) if in_theirs[at] is None else []
        found = next((i for i in rivals if block.item is None or not another(ours[i].text, block.text)), None)
        if found is not None:
            rivals.remove(found)
            same[at] = found
    return same
