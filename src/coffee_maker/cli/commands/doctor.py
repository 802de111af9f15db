"""`doctor`: checks the whole set-up and says what to do."""

from __future__ import annotations

from argparse import Namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap doctor                what is well, what to mend and how, and the settings that are not the defaults
  coffee-roadmap doctor --all          all settings, and where each comes from
  coffee-roadmap doctor --fix          also do what is safe to do without asking
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("--all", action="store_true", help="show also the settings that are as they are by default")
    parser.add_argument("--fix", action="store_true", help="make what is missing, finish what was interrupted")


def run(args: Namespace, operations: Operations, output: Output) -> int:
    from coffee_maker.settings import shown
    from coffee_maker.work.doctor import examine, mend

    subject = operations.subject
    findings = [*(mend(subject) if args.fix else ()), *examine(subject)]
    rows = [{"name": name, "value": value, "source": source} for name, value, source in shown(operations.settings)]
    data = {"findings": [one._asdict() for one in findings], "settings": rows}
    if not output.json:
        data["all"] = args.all
    output.show("doctor", data)
    return 1 if any(one.level == "problem" for one in findings) else 0
