"""Adding, moving and removing whole items, as splices; every result is read again before it is handed out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coffee_maker.core.document import Document, Splice
from coffee_maker.core.edit import Edit, Place, body_lines, check_whole, one_line, title_words
from coffee_maker.core.errors import EditRefused
from coffee_maker.core.fields import canonical, written
from coffee_maker.core.items import Item, Status
from coffee_maker.core.lines import Lines
from coffee_maker.core.markup import is_rule
from coffee_maker.core.numbering import next_number, number_between, parse, split_id, used_numbers
from coffee_maker.core.patterns import on_demand
from coffee_maker.core.reading import Entry
from coffee_maker.core.references import normal
from coffee_maker.core.signs import SIGN, shape
from coffee_maker.core.typed import NamedTuple
from coffee_maker.core.wording import rewrite_status, spliced

_BLANKS = " \t\r\n"
_DECORATION = on_demand(rf"{SIGN}[ \t]*")
_RANKING = frozenset("🔴🟠🟡🟢🔵🟣⚪⚫")
_PLAIN_FORM = "PRIORITY 1: T"


class NewItem(NamedTuple):
    """What is to be added."""

    title: str
    status: Status
    body: str
    fields: Mapping[str, str]


def add_item(
    doc: Document,
    *,
    title: str,
    place: Place,
    number: str | None = None,
    status: Status = Status.PLANNED,
    body: str = "",
    fields: Mapping[str, str] | None = None,
    taken: Iterable[str] = (),
) -> Edit:
    """Add an item in the form of its neighbours; `taken` are ids that were used before and must not come again.

    Without a number an item at the end gets the next whole one, one in between a decimal; stories (`US-110`) and own
    forms always count on.
    """
    index = _index(doc, place)
    new = NewItem(title_words(title), status, body, dict(fields or {}))
    if not new.title:
        raise EditRefused(problem="An item needs a title.")
    model = _model(doc, index, place, number)
    name = _new_id(doc, index, model, number, tuple(taken))
    text = _item_text(doc, model, name, new)
    splices = _insertion(doc, _offset(doc, index, place), text)
    expected: list[tuple[str, str | None]] = [(item.id, item.revision) for item in doc.items]
    expected.insert(index, (name, None))
    added = check_whole(doc, splices, expected).items[index]
    if added.title != new.title or added.status is not status:
        raise EditRefused(
            problem=f"{added.id} would be read as {added.title!r}, {added.status_text}, which is not meant.",
            hint="A percentage, sign or status at the end of a title is read as how the item stands, and the marks of"
            " bold words and links are left away: put it in other words, and the rest into the text (--body).",
        )
    return Edit(tuple(splices), added.key, None, added.title)


def move_item(doc: Document, ref: str, place: Place) -> Edit:
    """Move an item with its text to another place."""
    item = doc.item(ref)
    old = doc.place(item)
    index = _index(doc, place)
    before = _described(doc, old, old)
    at = _offset(doc, index, place)
    if at in (item.start, item.end):
        return Edit((), item.key, before, before)
    passed = doc.items[old + 1 : index] if index > old else doc.items[index:old]
    if any(other.id.upper() == item.id.upper() for other in passed):
        problem = f"{item.key} would pass another {item.id}, and the two would change their keys."
        raise EditRefused(problem=problem, hint="Move the others, or give one of the two another number.")
    text = doc.text_of(item)
    splices = [*_removal(doc, item, keep_end=True), *_insertion(doc, at, text)]
    order = [*doc.items[:old], *doc.items[old + 1 :]]
    order.insert(index if index < old else index - 1, item)
    check_whole(doc, splices, [(one.id, one.revision) for one in order])
    return Edit(tuple(splices), item.key, before, _described(doc, index, old))


def remove_item(doc: Document, ref: str) -> Edit:
    """Remove an item with its text."""
    item = doc.item(ref)
    splices = _removal(doc, item, keep_end=False)
    check_whole(doc, splices, [(one.id, one.revision) for one in doc.items if one.key != item.key])
    return Edit(tuple(splices), item.key, item.title, None)


def _index(doc: Document, place: Place) -> int:
    """Before which of the items a place is."""
    if place.where in ("first", "last"):
        return 0 if place.where == "first" else len(doc.items)
    if place.ref is None:
        raise EditRefused(problem=f"{place.where} needs an item to refer to.")
    return doc.place(doc.item(place.ref)) + (place.where == "after")


def _described(doc: Document, index: int, leaving: int) -> str:
    """A place for a person to read, when the item at `leaving` is taken away first."""
    before = index - 1 if index - 1 != leaving else index - 2
    return f"after {doc.items[before].key}" if before >= 0 else "first"


def _offset(doc: Document, index: int, place: Place) -> int:
    """Where a place is in the text: right before or behind the item that it refers to, whatever prose is around."""
    if not doc.items:
        return len(doc.text)
    return doc.items[index].start if place.where in ("first", "before") else doc.items[index - 1].end


def _insertion(doc: Document, at: int, text: str) -> list[Splice]:
    """Splices that put an item's text at an offset between two items, with blank lines around it.

    At the end of the document the blanks that ended it before end it afterwards too.
    """
    eol = doc.lines.eol
    head = doc.text[:at]
    core = text.rstrip(_BLANKS)
    if at == len(doc.text):
        kept = head.rstrip(_BLANKS)
        gap = eol + eol if kept.strip("\ufeff") else ""
        return [Splice(len(kept), len(kept), gap + core + (eol if head == kept and not kept.strip("\ufeff") else ""))]
    lines = Lines(head[-400:]).texts
    gap = "" if not head.strip("\ufeff") or (len(lines) > 1 and not lines[-2].strip(" \t")) else eol
    ending = text[len(core) :]
    tail = ending if ending.count("\n") + ending.count("\r") >= 2 and len(ending.split(eol)) > 2 else eol + eol
    return [Splice(at, at, gap + core + tail)]


def _removal(doc: Document, item: Item, *, keep_end: bool) -> list[Splice]:
    """The splice that takes an item's text away; `keep_end` keeps how the document ended when it was the last."""
    if not keep_end or item.end != len(doc.text):
        return [Splice(item.start, item.end, "")]
    core_end = item.start + len(doc.text_of(item).rstrip(_BLANKS))
    return [Splice(len(doc.text[: item.start].rstrip(_BLANKS)), core_end, "")]


# --- the form of a new item ------------------------------------------------------------------------------------


def _model(doc: Document, index: int, place: Place, number: str | None) -> Entry:
    """The item whose form is taken: the one that the place names, or the nearest of the wanted number's family."""
    entries = doc.entries
    family = split_id(normal(number)) if number else None
    if not entries:
        return Document.from_text(f"## {'US-1: T' if family and family[0] == 'US-' else _PLAIN_FORM}\n").entries[0]
    nearest = min(index, len(entries) - 1) if place.where != "after" else index - 1
    if not family or not family[0]:
        return entries[nearest]
    alike = [at for at, item in enumerate(doc.items) if (split_id(item.id) or ("",))[0].upper() == family[0]]
    if not alike:
        form = f"{'#' * entries[nearest].heading.level} {family[0]}1: T\n".replace("PRIORITY-", "PRIORITY ")
        made = Document.from_text(form, item_pattern=doc.item_pattern).entries
        return made[0] if made else entries[nearest]
    return entries[min(alike, key=lambda at: abs(at - nearest))]


def _new_id(doc: Document, index: int, model: Entry, number: str | None, taken: tuple[str, ...]) -> str:
    """The new item's id: the wanted number if it is free, else one that fits the place."""
    family, like = split_id(model.parts.id) or (model.parts.id + "-", "0")
    if number is not None:
        wanted = split_id(number.strip())
        if not wanted:
            raise EditRefused(problem=f"{number!r} is no number.", hint="Numbers read like 7, 2.5 or US-110.")
        name = family + wanted[1].zfill(len(like) if "." not in wanted[1] and family == "US-" else 0)
        known = {item.id.upper() for item in doc.items}
        if name.upper() in known or name.upper() in {normal(one) for one in taken}:
            problem = f"{name} is or was in use, and numbers are never given twice."
            raise EditRefused(problem=problem, hint="Leave the number out: the next free one is taken then.")
        return name
    used = used_numbers(doc.text, family, [*taken, *(item.id for item in doc.items)])
    if family != "PRIORITY-" or index == len(doc.items):
        return family + next_number(used).zfill(len(like) if "." not in like else 0)
    before, after = (_neighbour(doc, at, family) for at in (index - 1, index))
    return family + number_between(before, after, used)


def _neighbour(doc: Document, index: int, family: str) -> tuple[int, str] | None:
    parts = split_id(doc.items[index].id) if 0 <= index < len(doc.items) else None
    return parse(parts[1]) if parts and parts[0] == family else None


def _item_text(doc: Document, model: Entry, name: str, new: NewItem) -> str:
    """Heading, fields and body of the new item; it ends like its model."""
    eol = doc.lines.eol
    in_heading = bool(model.parts.states) and not any(field.name == "status" for field in model.fields)
    lines = [_heading_line(model, name, new, in_heading=in_heading), ""]
    pairs = [] if in_heading else [("Status", f"{new.status.sign} {new.status.label}")]
    for label, value in new.fields.items():
        if canonical(label) in ("", "status"):
            raise EditRefused(problem=f"{label!r} is no field to set.")
        pairs.append((written(one_line(label, "field's name")), one_line(value, "field's value")))
    first = model.fields[0] if model.fields else None
    inside = first is not None and ":**" in doc.lines.texts[first.line] if model in doc.entries else False
    lines += [f"**{label}:** {value}" if inside else f"**{label}**: {value}" for label, value in pairs]
    body = body_lines(new.body, model.heading.level, name)
    lines += [*([""] if pairs and body else []), *body]
    text = eol.join(lines).rstrip(_BLANKS) + eol + eol
    return text + ("---" + eol + eol if _ends_in_rule(doc, model) else "")


def _ends_in_rule(doc: Document, model: Entry) -> bool:
    """Whether a rule separates the model from what follows."""
    texts = doc.lines.texts[model.heading.end : model.end] if model in doc.entries else []
    last = next((line for line in reversed(texts) if line.strip(" \t")), "")
    return is_rule(last)


def _heading_line(model: Entry, name: str, new: NewItem, *, in_heading: bool) -> str:
    """The heading in the model's form: its marks and separators, no decoration of its own topic, the new status."""
    text, parts = model.heading.text, model.parts
    behind = in_heading
    front = text[: parts.id_span[0]]
    for span, reading in parts.states:
        if span[1] <= parts.id_span[0] and in_heading and reading.words:
            front = spliced(text[slice(*span)], rewrite_status(text[slice(*span)], new.status))
            behind = False
    if behind or not in_heading:
        front = _undecorated(front)
    between = _undecorated(text[parts.id_span[1] : parts.title_span[0]])
    if "[" in front and "]" not in between:
        front = front.replace("[", "")
    shown = text[slice(*parts.id_span)]
    old, fresh = split_id(shown), split_id(name)
    shown = old[0] + fresh[1] if old and fresh else name
    close = "**" if (front + between).count("**") % 2 else ""
    tail = f" {new.status.sign} {new.status.label}" if behind else ""
    return f"{'#' * model.heading.level} {front}{shown}{between}{new.title}{close}{tail}"


def _undecorated(text: str) -> str:
    """The text without signs, but for the coloured dots: they are a ranking, the others a topic."""
    signs = [found.span() for found in _DECORATION.finditer(shape(text)) if text[found.start()] not in _RANKING]
    return spliced(text, [(start, end, "") for start, end in signs])
