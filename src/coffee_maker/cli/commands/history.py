"""`history`: who changed what, when and why."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.cli.values import how_many, key_even_if_gone, whole_number
from coffee_maker.work import shapes
from coffee_maker.work.looking import record_outside_edits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap history                     the newest changes
  coffee-roadmap history 2.6 --limit 3       of one item
  coffee-roadmap history --diff --limit 1    the newest with its lines, as `git log -p` shows them
  coffee-roadmap history --json              all that is recorded of each change
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("item", nargs="?", metavar="ITEM", help="only changes of this item, also of one that is gone")
    parser.add_argument("--diff", action="store_true", help="with the lines that went and came")
    parser.add_argument("--limit", type=how_many, default=50, metavar="N", help="at most so many (default: 50)")
    parser.add_argument("--after", type=whole_number, default=0, metavar="N", help="only changes after this number")


def run(args: Namespace, operations: Operations, output: Output) -> int:
    unrecorded = _left_unrecorded(operations)
    key = key_even_if_gone(args.item, operations) if args.item is not None else None
    changes = operations.editing.history(key, limit=args.limit, after_id=args.after)
    if not changes and args.item is not None and not args.after:
        operations.document().item(args.item)  # neither here nor in the history: the person mistyped it
    data = {"changes": [shapes.change(one) for one in changes], "unrecorded": unrecorded}
    output.show("history", {**data, "diffs": True} if args.diff and not output.json else data)
    return 0


def _left_unrecorded(operations: Operations) -> bool:
    """Record what was edited outside since the last operation; whether that is still to be done."""
    done = record_outside_edits(operations.editing)
    if done == "recorded":
        operations.publish()
    return done == "not now"
