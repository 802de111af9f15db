"""The tools that an agent has while it works on an item, as data: what each is for and which arguments it takes.

A person reads about them in ``docs/guides/mcp.md``, a model reads the descriptions here. What they do stands in
`coffee_maker.work.agent_tools`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Tool(NamedTuple):
    """One tool. `schema` is the JSON schema of its arguments, an object, in the words that `core.arguments` checks."""

    name: str
    description: str
    schema: Mapping[str, object]
    reads: bool  # it changes nothing
    destroys: bool = False  # it takes something away


LONGEST_WAIT = 50
"""Seconds that one call may wait for an answer: less than the minute after which most clients give a call up."""
MAX_REFERENCE = 200
MAX_QUESTION = 2_000
MAX_DETAILS = 20_000
MAX_OPTIONS = 20
MAX_OPTION = 200
MAX_NOTICE = 4_000
MAX_NOTE = 4_000
MAX_WORDS = 200

QUESTIONS_PER_RUN = 50
NOTICES_PER_RUN = 50
NOTES_PER_RUN = 20


def text(description: str, longest: int, **more: object) -> dict[str, object]:
    """The schema of a text that is not empty."""
    return {"type": "string", "description": description, "minLength": 1, "maxLength": longest, **more}


def number(description: str, least: int, most: int) -> dict[str, object]:
    """The schema of a whole number."""
    return {"type": "integer", "description": description, "minimum": least, "maximum": most}


def arguments(required: tuple[str, ...] = (), **properties: Mapping[str, object]) -> dict[str, object]:
    """The schema of a tool's arguments; nothing else than these is taken."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


AGENT_TOOLS = (
    Tool(
        "view",
        "Show the roadmap item you work on, whole: its text, fields and check list. With `item`, another item by its "
        "reference (2.6, PRIORITY-2.6, US-110); with `list`, all items in short.",
        arguments(
            item=text("another item than yours", MAX_REFERENCE),
            list={"type": "boolean", "description": "true: every item in short instead of one whole"},
        ),
        reads=True,
    ),
    Tool(
        "next",
        "Show which item would be taken next, and why each other planned item waits.",
        arguments(),
        reads=True,
    ),
    Tool(
        "ask",
        "Ask the person who plans the roadmap a question, when you cannot settle it yourself. Returns at once with the "
        "question's id and, if it was answered already, the answer; the same question again is the same question. "
        "Then call `answer` with the id, or go on with what does not depend on it.",
        arguments(
            ("question",),
            question=text("the question, in one or two sentences", MAX_QUESTION),
            message=text("what one has to know to answer it", MAX_DETAILS),
            options={
                "type": "array",
                "description": "the answers to choose from; leave it out for free text",
                "items": text("an answer", MAX_OPTION),
                "maxItems": MAX_OPTIONS,
            },
            deadline=text("when the question expires, e.g. 30m, 2h, 3d; leave it out to keep it open", 20),
        ),
        reads=False,
    ),
    Tool(
        "answer",
        "Look for the answer to a question that you asked. `wait` waits so many seconds for it; call it again to wait "
        "longer. The state is answered, open (nobody has answered yet), expired (its deadline has passed) or dismissed "
        "(no answer will come). Only `answered` is an answer: the others are neither a yes nor a no.",
        arguments(
            ("id",),
            id=number("the question's id", 1, 2**63 - 1),
            wait=number("seconds to wait", 0, LONGEST_WAIT),
        ),
        reads=True,
    ),
    Tool(
        "notify",
        "Tell the person something that needs no answer.",
        arguments(
            ("message",),
            message=text("what is to be told", MAX_NOTICE),
            title=text("one line for lists", MAX_WORDS),
            type={"type": "string", "description": "default: info", "enum": ["info", "status", "alert"]},
            level={"type": "string", "description": "default: normal", "enum": ["low", "normal", "high"]},
        ),
        reads=False,
    ),
    Tool(
        "progress",
        "Tell how far you are. It is shown beside your run and changes nothing in the roadmap.",
        arguments(
            percent=number("how much is done", 0, 100),
            words=text("what you do now, in a line", MAX_WORDS),
        ),
        reads=False,
    ),
    Tool(
        "note",
        "Add a note at the end of your item in ROADMAP.md, for the person and for later runs: a decision, a finding, "
        "something left to do. It is quoted there, so headings and check boxes in it are only text. The same note "
        "again is added once.",
        arguments(("text",), text=text("the note, in Markdown", MAX_NOTE)),
        reads=False,
    ),
)
