"""What an edit is, and the check that it changes nothing but what it is meant to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coffee_maker.core.blocks import scan
from coffee_maker.core.document import Document, Splice
from coffee_maker.core.errors import EditRefused
from coffee_maker.core.items import Item
from coffee_maker.core.lines import Lines
from coffee_maker.core.typed import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal


class Edit(NamedTuple):
    """What to change in the document; `before` and `after` are for a person to read."""

    splices: tuple[Splice, ...]
    key: str | None
    before: str | None
    after: str | None


class Place(NamedTuple):
    """Where an item goes; `ref` names the other item for `before` and `after`."""

    where: Literal["first", "last", "before", "after"]
    ref: str | None = None


LONGEST_TITLE = 400  # characters; with number and decoration a heading of at most 500 is an item's


def one_line(words: str, what: str) -> str:
    """Words that may stand in one line: refused when they hold line ends or other control characters."""
    words = words.strip()
    if any(ord(char) < 32 or 127 <= ord(char) < 160 or char in "\u2028\u2029" for char in words):
        raise EditRefused(problem=f"The {what} holds a line end or another control character.")
    return words


def title_words(title: str) -> str:
    """A title: one line, short enough that its heading is read as an item's."""
    title = one_line(title, "title")
    if len(title) > LONGEST_TITLE:
        raise EditRefused(
            problem=f"The title has {len(title):,} characters, and at most {LONGEST_TITLE} are taken.",
            hint="Give a short one; the rest can stand in the item's text (--body).",
        )
    return title


def body_lines(body: str, level: int, key: str) -> list[str]:
    """The lines of a body for an item of that level, without blank ones around; refused when they cannot be one."""
    lines = Lines(body.strip("\r\n")).texts if body.strip() else []
    blocks = scan(lines)
    if any(not fence.closed for fence in blocks.fences):
        raise EditRefused(problem="The body holds a code fence that is not closed.")
    for heading in blocks.headings:
        if heading.level <= level:
            hint = f"Use headings of level {level + 1} or deeper."
            raise EditRefused(problem=f"The body's heading {heading.text[:60]!r} would end {key}.", hint=hint)
    return lines


def check_within(doc: Document, item: Item, splices: Iterable[Splice], *, may_change: Sequence[str]) -> Item:
    """The item after splices inside of it; refused when anything else than `may_change` (fields of `Item`) changes.

    An item begins with a heading and ends before one, so its text alone is read as it is in the document, unless it
    leaves a fence or an HTML block open: a small check, whatever the size of the roadmap.
    """
    before = Document.from_text(doc.text_of(item), item_pattern=doc.item_pattern)
    after = before.apply(Splice(one.start - item.start, one.end - item.start, one.text) for one in splices)
    same_blocks = [fence.closed for fence in before.blocks.fences] == [fence.closed for fence in after.blocks.fences]
    if len(after.items) != 1 or len(before.items) != 1 or not same_blocks or after.items[0].end != len(after.text):
        raise EditRefused(problem=f"That would change where {item.key} begins or ends.")
    for name in ("id", "level", "title", "status", "fields", "checks"):
        if name not in may_change and not _same(name, before.items[0], after.items[0]):
            raise EditRefused(problem=f"That would change the {name} of {item.key} too.")
    return after.items[0]


def _same(name: str, before: Item, after: Item) -> bool:
    if name == "checks":  # their lines may move
        return [check[:2] for check in before.checks] == [check[:2] for check in after.checks]
    return bool(getattr(before, name) == getattr(after, name))


def check_whole(doc: Document, splices: Iterable[Splice], expected: Sequence[tuple[str, str | None]]) -> Document:
    """The document after the splices; refused unless its items are the expected ones (id and revision, None: any)."""
    after = doc.apply(splices)
    found = [(item.id, item.revision) for item in after.items]
    if len(found) != len(expected):
        _refuse_open_fence(doc)
        raise EditRefused(problem="That would make other items appear or disappear.")
    for (name, revision), (wanted, unchanged) in zip(found, expected, strict=True):
        if name != wanted or unchanged not in (None, revision):
            _refuse_open_fence(doc)
            raise EditRefused(problem=f"That would change {wanted} too.")
    return after


def _refuse_open_fence(doc: Document) -> None:
    """A fence that is open to the end of the text, which is why an edit fails that would be none of its matter."""
    fence = doc.blocks.fences[-1] if doc.blocks.fences else None
    if fence and not fence.closed and fence.end >= len(doc.lines.texts) - 1:
        raise EditRefused(
            problem=f"The code fence that opens in line {fence.line + 1} is not closed: what follows counts as code.",
            hint="Close it in an editor where the code ends, by a line of the same signs (``` or ~~~), then try again.",
        )
