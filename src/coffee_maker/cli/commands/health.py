"""`health`: how well the roadmap stands, and what takes points off."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from coffee_maker.cli.values import whole_number
from coffee_maker.core.errors import DONE, REFUSED

if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap health                    a score of 0 to 100, and a line for everything that takes points off
  coffee-roadmap health --fail-under 80    for a check: exit code 1 below that score
  coffee-roadmap health --json             with the whole formula
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("--fail-under", type=whole_number, metavar="N", help="exit code 1 when the score is below N")


def run(args: Namespace, operations: Operations, output: Output) -> int:
    from coffee_maker.cli import figures
    from coffee_maker.work.health import examine

    health = examine(operations.document(), operations.store, operations.clock)
    output.show("health", figures.health(health))
    return REFUSED if args.fail_under is not None and health.score < args.fail_under else DONE
