"""ROADMAP.md as text and an index of spans; an edit is a splice, so nothing but the edited span can change."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from coffee_maker.core.blocks import Blocks, scan
from coffee_maker.core.errors import AmbiguousReference, EditRefused, ItemNotFound, NotText
from coffee_maker.core.headings import compile_item_pattern
from coffee_maker.core.items import Item, Problem, Standing
from coffee_maker.core.lean import sha256_of_large
from coffee_maker.core.lines import Lines
from coffee_maker.core.reading import Entry, build_item, build_standing, make_keys, read_entries
from coffee_maker.core.references import References
from coffee_maker.core.revisions import revision_of_hash
from coffee_maker.core.typed import NamedTuple
from coffee_maker.core.wording import parse_status

__all__ = ["LARGEST", "Document", "Splice", "parse_status"]

LARGEST = 20_000_000
"""Bytes of the largest roadmap that is read or written; the largest real one that we know has 1.2 MB."""


class Splice(NamedTuple):
    """Replace the characters from `start` to before `end`."""

    start: int
    end: int
    text: str


class Document:
    """One version of the roadmap. Immutable: every edit gives a new one. The bytes round-trip exactly."""

    def __init__(self, text: str, item_pattern: str | None) -> None:
        """Use `from_bytes` or `from_text`."""
        self.text = text
        self.item_pattern = item_pattern
        self._pattern = compile_item_pattern(item_pattern) if item_pattern else None

    @cached_property
    def lines(self) -> Lines:
        """The text's lines. The index is made when it is first asked for: a text that is only written needs none."""
        return Lines(self.text)

    @cached_property
    def blocks(self) -> Blocks:
        """The text's block structure."""
        return scan(self.lines.flat)

    @cached_property
    def entries(self) -> list[Entry]:
        """Where the parts of each item stand."""
        return read_entries(self.lines.flat, self.blocks, self._pattern)

    @cached_property
    def _keys(self) -> list[str]:
        return make_keys([entry.parts.id for entry in self.entries])

    @cached_property
    def _places(self) -> dict[str, int]:
        """Key -> which of the items it is."""
        return {key: place for place, key in enumerate(self._keys)}

    @cached_property
    def _references(self) -> References:
        return References(self._keys)

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """The items, in the order of the document."""
        text, lines, references = self.text, self.lines, self._references
        pairs = zip(self.entries, self._keys, strict=True)
        return tuple([build_item(text, lines, entry, key, references) for entry, key in pairs])

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """What of each item says when its turn comes: half the work, where thousands are only compared."""
        references = self._references
        pairs = zip(self.entries, self._keys, strict=True)
        return tuple([build_standing(entry, key, references) for entry, key in pairs])

    def item_at(self, place: int) -> Item:
        """One of the items, counted from 0; only that one is read."""
        return build_item(self.text, self.lines, self.entries[place], self._keys[place], self._references)

    def _item(self, key: str) -> Item:
        return self.item_at(self._places[key])

    @staticmethod
    def from_bytes(data: bytes, *, item_pattern: str | None = None) -> Document:
        """Read a file's bytes; raises `NotText` when they are no UTF-8, `BadSetting` for a bad pattern."""
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise NotText(problem=f"byte {error.start} is {data[error.start]:#04x} ({error.reason})") from None
        document = Document(text, item_pattern)
        document.data = data  # they need not be made again from the text
        return document

    @staticmethod
    def from_text(text: str, *, item_pattern: str | None = None) -> Document:
        """Read a text; raises `NotText` when an item cannot be written as UTF-8, `BadSetting` for a bad pattern."""
        return Document(text, item_pattern)

    @cached_property
    def data(self) -> bytes:
        """The bytes to write; raises `NotText` when the text cannot be written as UTF-8 (a lone surrogate)."""
        try:
            return self.text.encode()
        except UnicodeEncodeError as error:
            problem = f"character {error.start} is {self.text[error.start]!r} ({error.reason})"
            raise NotText(problem=problem) from None

    @cached_property
    def digest(self) -> str:
        """The sha256 of the bytes, in hexadecimal."""
        return sha256_of_large(self.data)

    @property
    def revision(self) -> str:
        """What people and JSON see of the digest."""
        return revision_of_hash(self.digest)

    @cached_property
    def problems(self) -> tuple[Problem, ...]:
        """What a person should mend, in the order of the lines."""
        from coffee_maker.core.problems import find_problems

        return find_problems(self.items, self.entries, self.blocks)

    def item(self, ref: str) -> Item:
        """The item that a forgiving reference means; raises `ItemNotFound` or `AmbiguousReference`.

        Only that item is read, so that a change of one item costs little in a roadmap of thousands.
        """
        keys = self._references.find(ref)
        if len(keys) == 1:
            return self._item(keys[0])
        if not keys:
            raise ItemNotFound(ref=ref)
        found = [self._item(key) for key in keys]
        candidates = "; ".join(f"{item.key} {item.title!r} (line {item.line})" for item in found)
        raise AmbiguousReference(ref=ref, candidates=candidates, example=keys[-1])

    def place(self, item: Item) -> int:
        """Which of the items it is, counted from 0."""
        return self._places[item.key]

    def entry(self, item: Item) -> Entry:
        """Where the parts of an item stand, for edits."""
        return self.entries[self._places[item.key]]

    def text_of(self, item: Item) -> str:
        """The item's own text."""
        return self.text[item.start : item.end]

    def text_after(self, item: Item, splices: Iterable[Splice]) -> str | None:
        """The item's own text after the splices; None when they reach beyond it."""
        own = list(splices)
        if any(one.start < item.start or one.end > item.end for one in own):
            return None
        return _spliced(self.text_of(item), [Splice(a - item.start, b - item.start, text) for a, b, text in own])

    def apply(self, splices: Iterable[Splice]) -> Document:
        """The document with the splices made; overlapping ones are refused."""
        return self.from_text(_spliced(self.text, splices), item_pattern=self.item_pattern)


def _spliced(text: str, splices: Iterable[Splice]) -> str:
    parts: list[str] = []
    done = 0
    for start, end, new in sorted(splices, key=lambda one: (one.start, one.end)):
        if not done <= start <= end <= len(text):
            raise EditRefused(problem="Two changes of the same text overlap.")
        parts += text[done:start], new
        done = end
    return "".join([*parts, text[done:]])
