"""`remove`: an item; its text stays in the history, and `undo` brings it back."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.cli import changing
from coffee_maker.cli.values import confirm

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap remove 2.6                  asks first
  coffee-roadmap remove 2.6 --yes            for scripts
  coffee-roadmap remove 2.6 --dry-run        only show what would go
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("item", metavar="ITEM", help="an item: 2.6, PRIORITY-2.6, US-110")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    changing.add_order_options(parser)


def run(args: Namespace, operations: Operations, output: Output) -> int:
    document = operations.document()
    one = document.item(args.item)
    dependent = [other.key for other in document.items if one.key in other.depends_on]
    depend = f"{', '.join(dependent)} {'depends' if len(dependent) == 1 else 'depend'}"
    question = f"Remove {one.key}: {one.title}{f' (on which {depend})' if dependent else ''}?"
    asked = not (args.yes or args.dry_run)
    if asked and not confirm(question, what="remove", output=output):
        output.say("Nothing was removed.")
        return 1
    outcome = operations.editing.remove(args.item, **changing.order(args, operations))
    done = changing.tell(args, outcome, operations, output)
    if dependent and not asked and not output.json:
        output.say(f"{depend} on it.")
    return done
