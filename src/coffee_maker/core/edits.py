"""The edits of one item, as splices. Each refuses what it cannot do without touching something else."""

from __future__ import annotations

from coffee_maker.core.document import Document, Splice
from coffee_maker.core.edit import Edit, Place, body_lines, check_whole, check_within, one_line, title_words
from coffee_maker.core.errors import EditRefused
from coffee_maker.core.fields import Field, canonical, written
from coffee_maker.core.items import Item, Status
from coffee_maker.core.markup import LIST_MARKER, is_rule
from coffee_maker.core.placing import add_item, move_item, remove_item
from coffee_maker.core.reading import Entry
from coffee_maker.core.wording import Change, rewrite_status

__all__ = [
    "Edit",
    "Place",
    "add_item",
    "append_text",
    "move_item",
    "remove_item",
    "replace_body",
    "set_field",
    "set_status",
    "set_title",
    "tick",
]


def set_status(doc: Document, ref: str, status: Status) -> Edit:
    """Change the status words where the item's status stands, and nothing else of the line.

    In the field; in the heading too when both agreed before, or alone when the status stands only there. An item
    without any status gets a field.
    """
    item = doc.item(ref)
    entry = doc.entry(item)
    splices = _field_splices(doc, entry, status) + _heading_splices(doc, entry, status)
    if not entry.status_field and not entry.parts.states:
        splices = [_new_status(doc, entry, status)]
    if splices and check_within(doc, item, splices, may_change=("status",)).status is not status:
        raise EditRefused(problem=f"The status of {item.key} is written in a form that cannot be changed.")
    before = item.status.value if item.status else item.status_text
    return Edit(tuple(splices), item.key, before, status.value)


def _field_splices(doc: Document, entry: Entry, status: Status) -> list[Splice]:
    field = entry.status_field
    if not field:
        return []
    start = doc.lines.start(field.line) + field.start_column
    return _moved(rewrite_status(field.first, status), start)


def _heading_splices(doc: Document, entry: Entry, status: Status) -> list[Splice]:
    """The heading's own status words, as far as they say the same as the item's status."""
    stated = entry.field_reading.status if entry.status_field else entry.heading_reading.status
    start = doc.lines.start(entry.heading.line) + entry.heading.column
    splices: list[Splice] = []
    for span, reading in entry.parts.states:
        if reading.status is stated:
            splices += _moved(rewrite_status(entry.heading.text[slice(*span)], status), start + span[0])
    return splices


def _moved(changes: list[Change], offset: int) -> list[Splice]:
    return [Splice(start + offset, end + offset, text) for start, end, text in changes]


def _new_status(doc: Document, entry: Entry, status: Status) -> Splice:
    """A status where there is none: in the empty field if there is one, else in a line of its own."""
    words = f"{status.sign} {status.label}"
    empty = next((field for field in entry.fields if field.name == "status"), None)
    if empty:
        at = doc.lines.start(empty.line) + empty.start_column
        return Splice(at, at, words if doc.text[at - 1] in " \t" else f" {words}")
    return _new_line(doc, entry, "Status", words, behind=False)


def set_field(doc: Document, ref: str, name: str, value: str | None) -> Edit:
    """Change, add or (with None) remove a field, known by any of its names. A status is changed by `set_status`."""
    item = doc.item(ref)
    entry = doc.entry(item)
    known = canonical(name)
    label = one_line(name, "field's name").strip("*_: ")
    if known == "status" or not known or not label:
        raise EditRefused(problem=f"{label!r} is no field to set.", hint="Change a status with `status ITEM STATUS`.")
    field = next((field for field in entry.fields if field.name == known), None)
    before = field.value if field else None
    value = one_line(value, "field's value") if value is not None else None
    if value == "":
        raise EditRefused(problem="An empty value is no value.", hint="Remove the field instead.")
    if value == before:
        return Edit((), item.key, before, value)
    if field and value is not None:
        start = doc.lines.start(field.line)
        end = doc.lines.start(field.end - 1) + len(doc.lines.texts[field.end - 1].rstrip(" \t"))
        gap = "" if doc.text[start + field.start_column - 1] in " \t" else " "
        splice = Splice(start + field.start_column, max(end, start + field.start_column), gap + value)
    elif field:
        splice = Splice(doc.lines.start(field.line), doc.lines.start(field.end), "")
    elif value is not None:
        splice = _new_line(doc, entry, written(label), value, behind=True)
    after = check_within(doc, item, [splice], may_change=("fields", "checks"))
    if after.fields != _with(item, known, value):
        raise EditRefused(problem=f"The field {label} of {item.key} cannot be set without changing other text.")
    return Edit((splice,), item.key, before, value)


def _with(item: Item, name: str, value: str | None) -> dict[str, str]:
    fields = {**item.fields, name: value} if value is not None else {**item.fields, name: None}
    return {key: words for key, words in fields.items() if words is not None}


def _new_line(doc: Document, entry: Entry, label: str, value: str, *, behind: bool) -> Splice:
    """A field in a line of its own: with the fields right below the heading, in their form, else as the first one."""
    texts, eol = doc.lines.texts, doc.lines.eol
    block = head_fields(doc, entry)
    if block:
        inside = ":**" in texts[block[0].line]
        number = block[-1].end if behind else block[0].line
        line = f"{block[0].lead}**{label}:** {value}" if inside else f"{block[0].lead}**{label}**: {value}"
        gap = tail = ""
    else:
        number, line, gap = entry.heading.end, f"**{label}**: {value}", eol
        if number + 1 < len(texts) and not texts[number].strip(" \t"):
            number, gap = number + 1, ""
        tail = eol if number < len(texts) and texts[number].strip(" \t") else ""
    at = doc.lines.start(number)
    if at == len(doc.text) and not doc.text.endswith(("\n", "\r")):
        return Splice(at, at, eol + gap + line)
    return Splice(at, at, gap + line + eol + tail)


def head_fields(doc: Document, entry: Entry) -> list[Field]:
    """The fields that stand one behind the other right below the heading."""
    top = entry.heading.end
    while top < entry.end and not doc.lines.texts[top].strip(" \t"):
        top += 1
    block: list[Field] = []
    for field in entry.fields:
        if field.line != (block[-1].end if block else top):
            break
        block.append(field)
    return block


def set_title(doc: Document, ref: str, title: str) -> Edit:
    """Change the title in the heading, and nothing around it."""
    item = doc.item(ref)
    entry = doc.entry(item)
    title = title_words(title)
    if title == item.title:
        return Edit((), item.key, item.title, title)
    begin = doc.lines.start(entry.heading.line) + entry.heading.column
    start, end = entry.parts.title_span
    splice = Splice(begin + start, begin + end, title)
    if not title or check_within(doc, item, [splice], may_change=("title",)).title != title:
        raise EditRefused(problem=f"{title!r} would not be read as a title.", hint="Leave out signs and status words.")
    return Edit((splice,), item.key, item.title, title)


def tick(doc: Document, ref: str, which: str, done: bool) -> Edit:
    """Tick a box of the check list, or clear it: by its number (from 1) or by text that only it holds."""
    item = doc.item(ref)
    entry = doc.entry(item)
    box = entry.boxes[_which(item, which)]
    before, after = (("done" if state else "open") + f": {box.check.text}" for state in (box.check.done, done))
    if box.check.done == done:
        return Edit((), item.key, before, after)
    start = doc.lines.start(box.check.line - 1)
    signs = "✅⏳" if box.sign else "x "
    splice = Splice(start + box.start_column, start + box.end_column, signs[0 if done else 1])
    check_within(doc, item, [splice], may_change=("checks", "fields"))
    return Edit((splice,), item.key, before, after)


def _which(item: Item, which: str) -> int:
    """The place of the box that a person means."""
    words = which.strip().casefold()
    if words.isascii() and words.isdigit():
        if 1 <= int(words[:9]) <= len(item.checks):
            return int(words) - 1
        raise EditRefused(
            problem=f"{item.key} has no box {which}; it has {len(item.checks)}.",
            hint=f"`coffee-roadmap view {item.key}` shows them.",
        )
    exact = [at for at, check in enumerate(item.checks) if check.text.casefold() == words]
    found = exact or [at for at, check in enumerate(item.checks) if words and words in check.text.casefold()]
    if len(found) != 1:
        listed = "; ".join(f"{at + 1}: {item.checks[at].text[:60]}" for at in found[:8])
        problem = f"{which!r} could mean several boxes of {item.key}: {listed}." if found else ""
        raise EditRefused(problem=problem or f"{item.key} has no box {which!r}.", hint="Name it by its number.")
    return found[0]


def replace_body(doc: Document, ref: str, body: str) -> Edit:
    """Change the item's text below its heading and the fields that stand there; blank lines and rules at the end stay.

    Refused is a body that holds a heading of the item's own or a higher level or of an item, an open fence, or a
    status: it would not stay this item's body.
    """
    item = doc.item(ref)
    entry = doc.entry(item)
    text, eol = doc.lines, doc.lines.eol
    block = head_fields(doc, entry)
    first = block[-1].end if block else entry.heading.end
    last = entry.end
    while last > first and (not text.texts[last - 1].strip(" \t") or is_rule(text.texts[last - 1])):
        last -= 1
    start, end = text.start(first), min(text.start(last), len(doc.text))
    before = doc.text[start:end].strip("\r\n")
    body = eol.join(body_lines(body, item.level, item.key))
    if body == before:
        return Edit((), item.key, before, body)
    opened = doc.text[:start].endswith(("\n", "\r"))
    closed = last < entry.end and not text.texts[last].strip(" \t")
    new = ("" if opened else eol) + eol + body + eol + ("" if closed or end == len(doc.text) else eol) if body else ""
    splice = Splice(start, end, new)
    expected = [(one.id, None if one.key == item.key else one.revision) for one in doc.items]
    after = check_whole(doc, [splice], expected).items[doc.place(item)]
    if (after.title, after.status) != (item.title, item.status):
        raise EditRefused(problem=f"The body would change the status of {item.key}.")
    return Edit((splice,), item.key, before, body)


def append_text(doc: Document, ref: str, words: str) -> Edit:
    """Add text at the item's end, as a paragraph of its own; a list item joins a list that stands there.

    It may bring boxes to tick and fields that the item has not; it may change nothing that is there already.
    """
    item = doc.item(ref)
    entry = doc.entry(item)
    lines, eol = doc.lines, doc.lines.eol
    added = body_lines(words, item.level, item.key)
    if not added:
        raise EditRefused(problem="There is no text to append.")
    last = entry.end
    while last > entry.heading.end and (not lines.texts[last - 1].strip(" \t") or is_rule(lines.texts[last - 1])):
        last -= 1
    listed = LIST_MARKER.match(added[0]) and LIST_MARKER.match(lines.texts[last - 1].lstrip(" \t"))
    at = min(lines.start(last), len(doc.text))
    opened = doc.text[:at].endswith(("\n", "\r"))
    new = ("" if opened else eol) + ("" if listed else eol) + eol.join(added) + (eol if opened else "")
    splice = Splice(at, at, new)
    expected = [(one.id, None if one.key == item.key else one.revision) for one in doc.items]
    after = check_whole(doc, [splice], expected).items[doc.place(item)]
    fields_kept = all(after.fields.get(name) == value for name, value in item.fields.items())
    if (after.title, after.status) != (item.title, item.status) or not fields_kept or not _kept(item, after):
        raise EditRefused(problem=f"That would change the status, a field or a box of {item.key}.")
    return Edit((splice,), item.key, None, eol.join(added))


def _kept(before: Item, after: Item) -> bool:
    """Whether the boxes that were there stand first and as they were (their lines count from elsewhere)."""
    return [box[:2] for box in after.checks[: len(before.checks)]] == [box[:2] for box in before.checks]
