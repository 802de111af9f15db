"""`init`: sets up a project; never overwrites, and doing it again changes nothing."""

from __future__ import annotations

from argparse import Namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap init                               in the git work tree around you, else in this directory
  coffee-roadmap init --roadmap PLAN.md             with a roadmap that stands elsewhere
  coffee-roadmap init --data-dir ../shared-data     with a data directory that stands elsewhere
"""


def arguments(parser: Parser) -> None:
    """Nothing but the options of every command."""


def run(args: Namespace, operations: Operations, output: Output) -> int:
    from coffee_maker.work.project import set_up

    parts = set_up(operations.settings, operations.file)
    document = operations.editing.reconcile()
    operations.publish()
    data = {
        "root": operations.settings.root,
        "parts": [part._asdict() for part in parts],
        "items": len(document.items),
        "problems": len(document.problems),
        "revision": document.revision,
    }
    output.show("init", data)
    return 0
