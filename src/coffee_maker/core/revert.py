"""Taking back one change, and only that one: later changes stay, or the reason is told why it cannot be done.

A change of an item is taken back from the item's own texts in the history, by a three-way merge whose base is the text
after the change: what was changed later elsewhere in the item stays, what was changed later at the same place refuses.
What concerns the prose or all of the roadmap is merged from the whole versions on both sides, or patched by the
recorded diff when those are not kept; the place of a deleted item needs a version that still has it, else it goes to
the end.
"""

from __future__ import annotations

from coffee_maker.core.align import Block, align, find_place, split, unchanged
from coffee_maker.core.diffs import take_back
from coffee_maker.core.document import Document
from coffee_maker.core.history import Change, NewChange
from coffee_maker.core.merge import MergeConflict, glue, merge
from coffee_maker.core.threeway import eol_of, merge_text
from coffee_maker.core.typed import NamedTuple


class Reverted(NamedTuple):
    """The roadmap's text without the change, or the reasons why it cannot be taken back (then `text` is None)."""

    text: str | None
    key: str | None = None  # the item's key in the new text, in the old one when it was taken out
    problems: tuple[str, ...] = ()


def revert(
    current: Document,
    change: Change | NewChange,
    *,
    before: Document | None = None,
    after: Document | None = None,
) -> Reverted:
    """Take `change` out of `current`.

    `before` and `after` are the whole versions on both sides of the change, as far as they are still kept: prose, a
    move and a restore are taken back by merging them. Versions of other hashes are never merged, for they would take
    back more than this change; but a deleted item finds its place with any older version that has it as `before`.
    """
    versions = None
    if before and after and (before.digest, after.digest) == (change.before_hash, change.after_hash):
        versions = (before, after)
    if change.change_type == "add" and change.after_text is not None:
        return _take_out(current, change.item, change.after_text)
    if change.change_type == "delete" and change.before_text is not None:
        return _put_back(current, change.item, change.before_text, before)
    if change.change_type == "move":
        return _whole(current, change.item, *versions) if versions else _move_back(current, change)
    if change.item and change.before_text is not None and change.after_text is not None:
        return _change_back(current, change.item, change.before_text, change.after_text)
    return _whole(current, change.item, *versions) if versions else _by_diff(current, change)


def _take_out(current: Document, key: str | None, added: str) -> Reverted:
    """Undo an addition: only when the item is still as it was added."""
    at = _find(current, key, added)
    if at is None:
        return _refused(f"{key} is no longer in the roadmap")
    blocks = split(current)
    if not unchanged(blocks[at].text, added):
        return _refused(f"{key} was changed since it was added; remove it if that is what you want")
    return _made(current, [*blocks[:at], *blocks[at + 1 :]], gone=blocks[at].key, touched=(at - 1,))


def _put_back(current: Document, key: str | None, text: str, before: Document | None) -> Reverted:
    """Undo a deletion: behind the nearest block it followed that is still there."""
    block = _read(current, text)
    if block is None:
        return _refused(f"the recorded text of {key} does not read as an item")
    blocks = split(current)
    known = _count(before, block.name) if before else 1
    if sum(1 for one in blocks if one.name == block.name) >= known:
        return _refused(f"{key} is in the roadmap again")
    at = _place_of(blocks, block, before)
    return _made(current, [*blocks[:at], block, *blocks[at:]], wanted=at, touched=(at - 1, at))


def _place_of(blocks: list[Block], block: Block, before: Document | None) -> int:
    """Where a deleted item goes: behind what it followed in a version that has it; else to the end."""
    old = split(before) if before else []
    at = next((i for i, one in enumerate(old) if one.item and one.text == block.text), None)
    if at is None:
        at = next((i for i, one in enumerate(old) if one.item and one.name == block.name), None)
    if at is None:
        return len(blocks)
    now = {was: index for index, was in enumerate(align(old, blocks)) if was is not None}
    return next((now[i] + 1 for i in range(at - 1, -1, -1) if i in now), 0)


def _change_back(current: Document, key: str, before: str, after: str) -> Reverted:
    """Undo a change of an item's text."""
    at = _find(current, key, after)
    if at is None:
        return _refused(f"{key} is no longer in the roadmap")
    blocks = split(current)
    block, old, new = blocks[at], _read(current, before), _read(current, after)
    titles = (new.title, block.title, old.title) if old and new else None
    text, clashes = merge_text(after, block.text, before, titles=titles)
    if clashes:
        return _refused(
            *(f"{block.key}: its {clash.what} was changed again later, to “{_short(clash.other)}”" for clash in clashes)
        )
    if text == block.text:
        return _refused(f"{block.key} is already as it was before that change")
    return _made(current, [*blocks[:at], block._replace(text=text), *blocks[at + 1 :]], wanted=at)


def _move_back(current: Document, change: Change | NewChange) -> Reverted:
    """Undo a move by the recorded words for the place."""
    text = change.after_text or change.before_text or ""
    at = _find(current, change.item, text)
    if at is None:
        return _refused(f"{change.item} is no longer in the roadmap")
    blocks = split(current)
    block = blocks.pop(at)
    if change.after and find_place(blocks, change.after) not in (at, None):
        return _refused(f"{block.key} was moved again later")
    place = find_place(blocks, change.before or "")
    if place is None:
        return _refused(f"what {block.key} stood behind is no longer in the roadmap, and the older version is not kept")
    if place == at:
        return _refused(f"{block.key} stands where it stood before that move")
    return _made(current, [*blocks[:place], block, *blocks[place:]], wanted=place, touched=(place - 1, place))


def _whole(current: Document, key: str | None, before: Document, after: Document) -> Reverted:
    """Undo by the inverse merge of the whole versions on both sides of the change."""
    merged = merge(after.text, current.text, before.text, item_pattern=current.item_pattern)
    if merged.conflicts:
        return _refused(*(later(conflict) for conflict in merged.conflicts))
    if merged.text == current.text:
        return _refused("the roadmap is already as it was before that change")
    return Reverted(merged.text, key)


def _by_diff(current: Document, change: Change | NewChange) -> Reverted:
    """Undo by the recorded diff, where the versions are no longer kept (or never were: a step of a longer edit)."""
    text = take_back(current.text, change.diff) if change.diff else None
    if text is None:
        return _refused("what it changed is not there any more as it was left, and its versions are not kept")
    return Reverted(text, change.item)


def later(conflict: MergeConflict) -> str:
    """Why something cannot be put back: what ours, the roadmap as it is now, has there."""
    name = conflict.key or "the text outside the items"
    if conflict.what == "removed":
        return f"{name}: changed on one side and removed on the other"
    return f"{name}: its {conflict.what} was changed again later, to “{_short(conflict.other)}”"


# --- parts -----------------------------------------------------------------------------------------------------


def _find(current: Document, key: str | None, text: str) -> int | None:
    """The block of the item that had this key and text: by its text and title among items of one number."""
    block, blocks = _read(current, text), split(current)
    candidates = [at for at, one in enumerate(blocks) if one.item and (not block or one.name == block.name)]
    if block is None:
        return next((at for at in candidates if blocks[at].key == key), None)
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    found = align([block], [blocks[at] for at in candidates])
    return next((at for at, was in zip(candidates, found, strict=True) if was == 0), None)


def _read(current: Document, text: str) -> Block | None:
    """A recorded item text as a block."""
    blocks = split(Document.from_text(text, item_pattern=current.item_pattern))
    return blocks[0] if len(blocks) == 1 and blocks[0].item else None


def _count(document: Document, name: str) -> int:
    return sum(1 for item in document.items if item.id == name)


def _made(
    current: Document,
    blocks: list[Block],
    *,
    wanted: int | None = None,
    gone: str | None = None,
    touched: tuple[int, ...] = (),
) -> Reverted:
    """The text of these blocks, if it reads as them; behind the `touched` ones something else follows than before."""
    texts = glue([block.text for block in blocks], eol_of(current.text), touched.__contains__)
    made = Document.from_text("".join(texts), item_pattern=current.item_pattern)
    expected = [text for text, block in zip(texts, blocks, strict=True) if block.item]
    if [made.text_of(item) for item in made.items] != expected:
        return _refused("the roadmap would not read as the same items afterwards (an unclosed code block?)")
    number = sum(1 for block in blocks[:wanted] if block.item)
    return Reverted(made.text, gone if wanted is None else made.items[number].key)


def _refused(*problems: str) -> Reverted:
    return Reverted(None, None, problems)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 100 else f"{flat[:100]}…"
