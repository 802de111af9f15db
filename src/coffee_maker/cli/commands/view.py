"""`view`: the roadmap, or one item whole. Opens no database and takes no lock."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.cli import json_text
from coffee_maker.cli.json_text import Records
from coffee_maker.work import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap view                        all items
  coffee-roadmap view --status in-progress   only those in progress
  coffee-roadmap view 2.6                    one item with its whole text
  coffee-roadmap view --json                 for programs
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("item", nargs="?", metavar="ITEM", help="an item: 2.6, PRIORITY-2.6, US-110")
    parser.add_argument("--status", metavar="STATUS", help="only items of this status")
    parser.add_argument("--problems", action="store_true", help="list every problem in the text, not only the first")


def run(args: Namespace, operations: Operations, output: Output) -> int:
    document = operations.document()
    if args.item is not None:
        output.show("view", shapes.whole_item(document, document.item(args.item)), form="item")
        return 0
    items = document.items
    if args.status is not None:
        from coffee_maker.work.looking import status_named

        wanted = status_named(args.status)
        items = tuple(one for one in items if one.status is wanted)
    data = shapes.roadmap(operations.settings.roadmap.path, document, ())
    data["items"] = Records(items, shapes.item, json_text.items)
    if args.problems:
        data["all_problems"] = True
    output.show("view", data, form="view" if document.items else "no_items")
    return 0
