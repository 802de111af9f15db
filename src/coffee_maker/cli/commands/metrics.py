"""`metrics`: what the runs of the agents came to."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from coffee_maker.cli.values import duration, key_even_if_gone, refuse_unknown

if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap metrics                 of all time: items done, time, cost, tokens, success, reasons of failure
  coffee-roadmap metrics --since 7d      of the last seven days
  coffee-roadmap metrics --item 2.6      of one item
  coffee-roadmap metrics --json          for programs
"""


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "--since", type=duration, metavar="TIME", help="only what began in that time up to now: 7d, 12h"
    )
    parser.add_argument("--item", metavar="ITEM", help="only this item, also one that is gone")


def run(args: Namespace, operations: Operations, output: Output) -> int:
    from coffee_maker.cli import figures
    from coffee_maker.work.metrics import measure

    key = key_even_if_gone(args.item, operations) if args.item is not None else None
    since = operations.clock.now() - args.since if args.since is not None else None
    measured = measure(operations.store, operations.clock, since=since, item=key)
    if key is not None and measured.empty:
        refuse_unknown(args.item, key, operations)
    output.show("metrics", figures.metrics(measured))
    return 0
