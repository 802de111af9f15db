"""`next`: the item that the daemon would take now, and why the others wait."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.cli import json_text
from coffee_maker.cli.json_text import Records
from coffee_maker.work import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap next                  the next item, and what the others wait for
  coffee-roadmap next --json           for programs
"""


def arguments(parser: Parser) -> None:
    """Nothing but the options of every command."""


def run(args: Namespace, operations: Operations, output: Output) -> int:
    from coffee_maker.core.choosing import Choice, weigh

    document = operations.settled_document()
    place, waiting = weigh(document.standings, *operations.held_back())
    data = shapes.choice(Choice(None if place is None else document.item_at(place), ()))
    data["waiting"] = Records(waiting, shapes.waiting, json_text.waiting)
    output.show("next", data)
    return 0
