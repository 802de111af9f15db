"""`status`: the overview; with an item and a status, a change of status."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.cli import changing
from coffee_maker.core.errors import WrongUsage
from coffee_maker.work.looking import status_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap status                                    where the project stands
  coffee-roadmap status 2.6 complete                       change a status
  coffee-roadmap status PRIORITY-2 in progress             in any letter case, with - or _ too
  coffee-roadmap status 2.6 blocked --reason "needs keys"  say why
  coffee-roadmap status 2.6 planned --if-revision 0a1b2c3d4e5f
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("item", nargs="?", metavar="ITEM", help="an item: 2.6, PRIORITY-2.6, US-110")
    parser.add_argument(
        "status",
        nargs="*",
        metavar="STATUS",
        help="planned, in_progress, blocked, manual_review, complete or cancelled",
    )
    changing.add_order_options(parser)


def run(args: Namespace, operations: Operations, output: Output) -> int:
    if args.item is None:
        from coffee_maker.cli.standing import overview

        output.show("status", overview(operations), form="overview")
        return 0
    if not args.status:
        raise WrongUsage(
            problem=f"Which status is {args.item} to have?",
            hint=f"`coffee-roadmap status {args.item} complete` sets one; `coffee-roadmap view {args.item}` shows it.",
        )
    wanted = status_named(" ".join(args.status))
    outcome = operations.editing.set_status(args.item, wanted, **changing.order(args, operations))
    return changing.tell(args, outcome, operations, output)
