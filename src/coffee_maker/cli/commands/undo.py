"""`undo`: take back one change and only that one, as a new change."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.cli import changing
from coffee_maker.cli.values import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap undo                        the newest change that is not taken back yet
  coffee-roadmap undo 17                     the change that `history` numbers 17
  coffee-roadmap undo --dry-run              only show what would change
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("change", nargs="?", type=whole_number, metavar="N", help="the change's number in `history`")
    changing.add_order_options(parser)


def run(args: Namespace, operations: Operations, output: Output) -> int:
    outcome = operations.editing.undo(args.change, **changing.order(args, operations))
    return changing.tell(args, outcome, operations, output)
