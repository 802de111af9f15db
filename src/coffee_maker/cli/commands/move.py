"""`move`: an item to another place; the order in the file is the order of work."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.cli import changing
from coffee_maker.cli.values import place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap move 2.6 --first
  coffee-roadmap move US-110 --after 2.6
  coffee-roadmap move 2.6 --last --dry-run
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("item", metavar="ITEM", help="an item: 2.6, PRIORITY-2.6, US-110")
    changing.add_place_options(parser, required=True)
    changing.add_order_options(parser)


def run(args: Namespace, operations: Operations, output: Output) -> int:
    where = place(args)
    assert where is not None  # the parser requires one
    outcome = operations.editing.move(args.item, where, **changing.order(args, operations))
    return changing.tell(args, outcome, operations, output)
