"""`add`: a new item, in the form of its neighbours."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.cli import changing
from coffee_maker.cli.values import place, text_or_stdin
from coffee_maker.work.looking import status_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap add "Export as HTML"                      behind the last item, with the next free number
  coffee-roadmap add "Export as HTML" --after 2.6          right behind that item, with a number in between
  coffee-roadmap add "Export as PDF" --depends-on 2.6      the daemon builds it when 2.6 is complete
  coffee-roadmap add "Log in" --field Effort=2d --body -   the text is read from standard input
  coffee-roadmap add "Export as HTML" --dry-run            only show what would be written
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("title", metavar="TITLE", help="its title, without a number")
    parser.add_argument("--number", metavar="N", help="its number, e.g. 2.7 (default: the next free one at its place)")
    parser.add_argument("--status", metavar="STATUS", default="planned", help="default: planned")
    changing.add_field_options(parser, "a field; repeatable")
    parser.add_argument("--body", metavar="TEXT", help="its text; - reads standard input")
    changing.add_place_options(parser, required=False)
    changing.add_order_options(parser)


def run(args: Namespace, operations: Operations, output: Output) -> int:
    from coffee_maker.core.edits import Place

    outcome = operations.editing.add(
        args.title,
        number=args.number,
        status=status_named(args.status),
        fields={name: value for name, value in changing.fields(args, operations).items() if value is not None},
        body=text_or_stdin(args.body) or "",
        place=place(args) or Place("last"),
        **changing.order(args, operations),
    )
    return changing.tell(args, outcome, operations, output)
