"""`search`: items by their text."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.cli import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.core.document import Document
    from coffee_maker.core.items import Item
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap search export               items that contain the word, in title or text
  coffee-roadmap search "sign up" --json     for programs
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("text", metavar="TEXT", help="what to look for; capitals make no difference")


def run(args: Namespace, operations: Operations, output: Output) -> int:
    document = operations.document()
    found = [match for one in document.items if (match := _match(document, one, args.text.casefold()))]
    path = operations.settings.roadmap.path
    output.show("search", {"path": path, "revision": document.revision, "query": args.text, "items": found})
    return 0


def _match(document: Document, one: Item, wanted: str) -> dict[str, Any] | None:
    """The item with the first of its lines that contains the text."""
    text = document.text_of(one)
    if wanted not in text.casefold():
        return None
    lines = text.split("\n")
    number = next((i for i, line in enumerate(lines) if wanted in line.casefold()), 0)
    return {**shapes.item(one), "match": {"line": one.line + number, "text": lines[number].strip()}}
