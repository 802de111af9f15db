"""`sync`: prove that everyone sees one file and one database."""

from __future__ import annotations

from argparse import Namespace
from datetime import timedelta

from coffee_maker.cli.values import duration
from coffee_maker.work import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap sync                  ask every running daemon what it sees, and compare
  coffee-roadmap sync --timeout 20s    give a busy machine more time to answer
"""


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "--timeout", type=duration, default=timedelta(seconds=5), metavar="TIME", help="for the answers (default: 5s)"
    )


def run(args: Namespace, operations: Operations, output: Output) -> int:
    operations.prepare()
    report = operations.sync.run(operations.editing, patience=args.timeout)
    operations.publish()
    data = {
        "agree": report.agree,
        "revision": report.revision,
        "recorded": report.recorded,
        "seen": dict(report.seen),
        "findings": [finding._asdict() for finding in report.findings],
        "daemons": [{**shapes.daemon(heartbeat), "replied": replied} for heartbeat, replied in report.daemons],
    }
    output.show("sync", data)
    return 0 if report.agree else 1
