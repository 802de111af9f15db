"""`edit`: an item's title, status, fields, check boxes and text, without an editor."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.cli import changing
from coffee_maker.cli.values import text_or_stdin
from coffee_maker.core.errors import WrongUsage
from coffee_maker.work.looking import status_named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap edit 2.6 --title "Export as HTML and PDF"
  coffee-roadmap edit 2.6 --field Effort=3d --field Owner=   set one field, remove another
  coffee-roadmap edit 2.6 --check 1 --uncheck "write docs"   check boxes by number or by text
  coffee-roadmap edit 2.6 --body - < text.md                 replace its text
  coffee-roadmap edit 2.6 --append "Asked the customer: HTML first."
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("item", metavar="ITEM", help="an item: 2.6, PRIORITY-2.6, US-110")
    parser.add_argument("--title", metavar="TEXT", help="a new title")
    parser.add_argument("--status", metavar="STATUS", help="a new status")
    changing.add_field_options(parser, "set a field; empty removes it; repeatable")
    parser.add_argument("--check", metavar="N|TEXT", action="append", default=[], help="tick a check box; repeatable")
    parser.add_argument("--uncheck", metavar="N|TEXT", action="append", default=[], help="untick a check box")
    parser.add_argument("--body", metavar="TEXT", help="replace its text; - reads standard input")
    parser.add_argument("--append", metavar="TEXT", help="add text at its end; - reads standard input")
    changing.add_order_options(parser)


def run(args: Namespace, operations: Operations, output: Output) -> int:
    from coffee_maker.work.editing import ItemEdits

    if args.depends_on and operations.document().item(args.item).key in changing.needed(args, operations):
        raise WrongUsage(problem=f"{args.item} cannot depend on itself.", hint="Name another item with --depends-on.")
    wanted = ItemEdits(
        status=status_named(args.status) if args.status is not None else None,
        title=args.title,
        fields=changing.fields(args, operations),
        check=tuple(args.check),
        uncheck=tuple(args.uncheck),
        body=text_or_stdin(args.body),
        append=text_or_stdin(args.append),
    )
    if wanted == ItemEdits():
        raise WrongUsage(
            problem="Nothing to edit was given.",
            hint="Name at least one of --title, --status, --field, --depends-on, --check, --uncheck, --body, --append.",
        )
    outcome = operations.editing.edit(args.item, wanted, **changing.order(args, operations))
    return changing.tell(args, outcome, operations, output)
