"""`search`: items by their text."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.work import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap search export               items that contain the word, in title or text
  coffee-roadmap search "sign up" --json     for programs
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("text", metavar="TEXT", help="what to look for; capitals make no difference")


def run(args: Namespace, operations: Operations, output: Output) -> int:
    path = operations.settings.roadmap.path
    output.show("search", shapes.found(path, operations.document(), args.text))
    return 0
