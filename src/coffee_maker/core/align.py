"""Which part of one version of the roadmap is which part of another.

A version is a list of blocks that together are its text: the items, and the prose before, between and after them, cut
at its headings. Blocks are found again by number and title, not by place, so that taking out the first of two items
with one number does not read as a change of both, and renumbering an item does not read as removing it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import pairwise

from coffee_maker.core.document import Document
from coffee_maker.core.items import Item
from coffee_maker.core.matching import common_ends, rising
from coffee_maker.core.typed import NamedTuple

_HEADING_AHEAD = re.compile(r"\n(?=#{1,6}[ \t])")
_HEADING_AHEAD_OF_ANY_END = re.compile(r"[\r\n](?=#{1,6}[ \t])")
_LINE_END = re.compile(r"[\r\n]+")
_KNOWN_BY = 40  # characters of text by which an item with another number and title can be known
_MANY_PAIRS = 400
"""More candidates for one another than this (20 items of one number and title) are taken in their order."""

ITEM_WEIGHT, PROSE_WEIGHT = 2, 3
"""What stays in place when two blocks changed places: sections stand still, items move."""


class Block(NamedTuple):
    """A part of a version: an item, or prose (`item` is None)."""

    name: str  # the item's id, which several may share; the first line of prose
    title: str
    text: str
    item: Item | None

    @property
    def key(self) -> str | None:
        return self.item.key if self.item else None


def split(document: Document) -> list[Block]:
    """The blocks of a version, in order; joined they are its text."""
    blocks: list[Block] = []
    at = 0
    for item in document.items:
        blocks += _prose(document.text[at : item.start])
        blocks.append(Block(item.id, item.title, document.text[item.start : item.end], item))
        at = item.end
    return blocks + _prose(document.text[at:])


def _prose(text: str) -> list[Block]:
    """Prose cut at what looks like headings; a cut inside a code fence does no harm, the parts stay neighbours."""
    ahead = _HEADING_AHEAD_OF_ANY_END if "\r" in text else _HEADING_AHEAD
    cuts = [0, *(found.end() for found in ahead.finditer(text)), len(text)]
    parts = [text[start:end] for start, end in pairwise(cuts) if end > start]
    return [Block(_LINE_END.split(part, maxsplit=1)[0].strip(), "", part, None) for part in parts]


def place_after(previous: Block | None) -> str:
    """A place in words: `first`, or `after` an item's key or a line of prose."""
    return f"after {previous.key or previous.name}" if previous else "first"


def find_place(blocks: Sequence[Block], words: str) -> int | None:
    """The index at which a block goes whose place was put in those words; None when what it followed is gone."""
    if words == "first":
        return 0
    name = words.removeprefix("after ")
    return next((at + 1 for at, block in enumerate(blocks) if (block.key or block.name) == name), None)


def unchanged(one: str, other: str) -> bool:
    """Equal but for blanks and line ends at the end, which belong to what follows rather than to the block."""
    return one == other or one.rstrip() == other.rstrip()


def align(old: Sequence[Block], new: Sequence[Block]) -> list[int | None]:
    """For each block of `new` the index of the block of `old` that it was."""
    pairing = _Pairing(old, new)
    pairing.by(lambda block: (block.item is None, block.name, block.text))
    pairing.by(lambda block: (block.item is None, block.name, block.title))
    pairing.by(lambda block: block.title.casefold() if block.item else None, only_clear=True)
    pairing.by(lambda block: block.name if block.item else None)
    pairing.by(lambda block: _body(block.text) if block.item else None, only_clear=True)
    pairing.by_neighbour()
    return pairing.found


def _body(text: str) -> str | None:
    """An item's text without its heading; None when that is too little to know it by."""
    body = _LINE_END.split(text, 1)[1:]
    return body[0].strip() if body and len(body[0]) > _KNOWN_BY else None


class _Pairing:
    """Blocks that have found each other, rule after rule."""

    def __init__(self, old: Sequence[Block], new: Sequence[Block]) -> None:
        self.old, self.new = old, new
        self.found: list[int | None] = [None] * len(new)
        self.taken = [False] * len(old)
        head, tail = common_ends([block.text for block in old], [block.text for block in new])
        for at in (*range(head), *range(-tail, 0)):
            self._pair(at % len(old), at % len(new))

    def by(self, sign: Callable[[Block], Hashable], *, only_clear: bool = False) -> None:
        """Pair the free blocks of equal sign; with `only_clear` where there is just one on either side."""
        olds = _buckets(sign, ((i, block) for i, block in enumerate(self.old) if not self.taken[i]))
        news = _buckets(sign, ((j, block) for j, block in enumerate(self.new) if self.found[j] is None))
        for value, candidates in news.items():
            rivals = olds.get(value)
            if not rivals or not value or (only_clear and len(rivals) + len(candidates) > 2):
                continue
            for i, j in self._matched(rivals, candidates):
                self._pair(i, j)

    def by_neighbour(self) -> None:
        """Pair free prose that follows the same block (or that begins the text)."""
        after: dict[int | None, int] = {i - 1 if i else None: i for i in range(len(self.old)) if not self.taken[i]}
        for j, block in enumerate(self.new):
            if self.found[j] is None and block.item is None and (j == 0 or self.found[j - 1] is not None):
                i = after.get(self.found[j - 1] if j else None)
                if i is not None and not self.taken[i] and self.old[i].item is None:
                    self._pair(i, j)

    def _pair(self, i: int, j: int) -> None:
        self.taken[i], self.found[j] = True, i

    def _matched(self, olds: list[int], news: list[int]) -> Iterable[tuple[int, int]]:
        """Pairs of equal sign: the most similar texts first, in the order of the document when that says nothing."""
        if len(olds) == len(news) == 1 or len(olds) * len(news) > _MANY_PAIRS:
            return list(zip(olds, news, strict=False))
        old = {i: set(self.old[i].text.splitlines()) for i in olds}
        new = {j: set(self.new[j].text.splitlines()) for j in news}
        ranked = sorted((-_likeness(old[i], new[j]), i, j) for i in olds for j in news)
        pairs, used = [], set()
        for _, i, j in ranked:
            if (0, i) not in used and (1, j) not in used:
                used |= {(0, i), (1, j)}
                pairs.append((i, j))
        return pairs


def _buckets(sign: Callable[[Block], Hashable], blocks: Iterable[tuple[int, Block]]) -> dict[Hashable, list[int]]:
    buckets: dict[Hashable, list[int]] = defaultdict(list)
    for index, block in blocks:
        buckets[sign(block)].append(index)
    return buckets


def _likeness(one: set[str], other: set[str]) -> float:
    """The share of lines in common."""
    return len(one & other) / (len(one | other) or 1)


def moved(order: Sequence[int], weight: Callable[[int], int]) -> set[int]:
    """Which numbers have to move so that the others are in rising order; the lightest set of them."""
    return set(order) - rising(order, weight)
