"""All operations on a project as tools, as data; what they do stands in `coffee_maker.mcp.project`."""

from __future__ import annotations

from collections.abc import Mapping

from coffee_maker.core.tools import MAX_REFERENCE, Tool, arguments, number, text

Schema = Mapping[str, object]

_LONGEST = 1_000_000  # characters of an item's text; more than any real one has
_LINE = 1_000
_MANY = 200
_LARGEST_ID = 2**63 - 1

_REF = text("an item: 2.6, PRIORITY-2.6, US-110, PRIORITY-3#2", MAX_REFERENCE)
_STATUS = text("planned, in_progress, blocked, manual_review, complete or cancelled", 40)
_YES = {"type": "boolean"}
_BOXES = {"type": "array", "items": text("a box, by its number or text", _LINE), "maxItems": _MANY}
_FIELDS = {
    "type": "object",
    "description": "name and value of fields; null removes one",
    "additionalProperties": {"type": ["string", "null"], "maxLength": _LINE},
    "maxProperties": _MANY,
}
_ORDER: Mapping[str, Schema] = {
    "reason": text("why; it is kept in the history", _LINE),
    "if_revision": text("change only if the item, or the roadmap, still has this revision", 64),
    "dry_run": {**_YES, "description": "true: show the diff and change nothing"},
}
_PLACE: Mapping[str, Schema] = {
    "first": {**_YES, "description": "before all other items"},
    "last": {**_YES, "description": "behind all other items"},
    "before": text("right before this item", MAX_REFERENCE),
    "after": text("right behind this item", MAX_REFERENCE),
}
_ID = number("the notification's id", 1, _LARGEST_ID)

_ROADMAP = (
    Tool(
        "view",
        "Show the roadmap's items in short, or with `item` one item whole.",
        arguments(item=_REF, status=_STATUS),
        reads=True,
    ),
    Tool(
        "search",
        "Find items by their text; capitals make no difference.",
        arguments(("text",), text=text("what to look for", _LINE)),
        reads=True,
    ),
    Tool("next", "Show the item that the daemon would take now, and why the others wait.", arguments(), reads=True),
    Tool(
        "status",
        "Show where the project stands: counts, daemons, open questions, newest changes.",
        arguments(),
        reads=True,
    ),
    Tool(
        "set_status",
        "Change the status of an item.",
        arguments(("item", "status"), item=_REF, status=_STATUS, **_ORDER),
        reads=False,
    ),
    Tool(
        "add",
        "Add an item in the form of its neighbours, by default behind the last one and with the next free number.",
        arguments(
            ("title",),
            title=text("its title, without a number", _LINE),
            number=text("its number, e.g. 2.7", 40),
            status=_STATUS,
            fields=_FIELDS,
            body=text("its text, in Markdown", _LONGEST),
            **_PLACE,
            **_ORDER,
        ),
        reads=False,
    ),
    Tool(
        "edit",
        "Change an item: title, status, fields, check boxes, its whole text (`body`), or text at its end (`append`).",
        arguments(
            ("item",),
            item=_REF,
            title=text("a new title", _LINE),
            status=_STATUS,
            fields=_FIELDS,
            check=_BOXES,
            uncheck=_BOXES,
            body={"type": "string", "description": "replaces its text", "maxLength": _LONGEST},
            append=text("goes to its end", _LONGEST),
            **_ORDER,
        ),
        reads=False,
    ),
    Tool(
        "move",
        "Move an item to another place; the order in the file is the order of work.",
        arguments(("item",), item=_REF, **_PLACE, **_ORDER),
        reads=False,
    ),
    Tool(
        "remove",
        "Remove an item. Its text stays in the history, and `undo` brings it back. Needs `yes`, or `dry_run`.",
        arguments(("item",), item=_REF, yes={**_YES, "description": "true: the person wants it removed"}, **_ORDER),
        reads=False,
        destroys=True,
    ),
    Tool(
        "history",
        "Show who changed what, when and why, newest first.",
        arguments(
            item=text("only changes of this item, also of one that is gone", MAX_REFERENCE),
            limit=number("at most so many; default 20", 1, _MANY),
            after=number("only changes after this number", 0, _LARGEST_ID),
        ),
        reads=True,
    ),
    Tool(
        "undo",
        "Take back one change and only that one, as a new change; by default the newest that is not taken back yet.",
        arguments((), change=number("the change's id in `history`", 1, _LARGEST_ID), **_ORDER),
        reads=False,
    ),
)

_MESSAGES = (
    Tool(
        "notify",
        "Create a notification, or with type question (or options) a question that takes exactly one answer.",
        arguments(
            ("message",),
            message=text("the text", 100_000),
            title=text("one line for lists", 300),
            type={"type": "string", "enum": ["question", "status", "alert", "info"]},
            level={"type": "string", "enum": ["critical", "high", "normal", "low"]},
            item=_REF,
            options={"type": "array", "items": text("an answer", 200), "maxItems": 50},
            deadline=text("when the question expires, e.g. 30m, 2h, 3d", 20),
            default=text("the answer to go on with when it expires", 100_000),
            key=text("said again with the same key, it is there only once", 200),
            channels={"type": "array", "items": text("a channel's name", 200), "maxItems": 50},
        ),
        reads=False,
    ),
    Tool(
        "notifications_list",
        "List the open notifications and questions, oldest first.",
        arguments(
            all={**_YES, "description": "true: also those that are answered, dismissed or expired"},
            item=text("only those about this item", MAX_REFERENCE),
            limit=number("at most the newest so many; default 50", 1, _MANY),
        ),
        reads=True,
    ),
    Tool("notifications_show", "Show one notification whole.", arguments(("id",), id=_ID), reads=True),
    Tool(
        "notifications_respond",
        "Answer a question for the person, who must have said what to answer. It takes exactly one answer, for ever.",
        arguments(("id", "answer"), id=_ID, answer=text("one of the options, or free text when it has none", 100_000)),
        reads=False,
        destroys=True,
    ),
    Tool(
        "notifications_dismiss",
        "Put a notification aside; a question then takes no answer any more.",
        arguments(("id",), id=_ID),
        reads=False,
        destroys=True,
    ),
)

PROJECT_TOOLS = _ROADMAP + _MESSAGES
