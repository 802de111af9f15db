"""`daemon run`: takes the planned items one after the other and has them done."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.cli.roadmap_cli import long_running
from coffee_maker.core.errors import DONE, INTERRUPTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations
    from coffee_maker.work.daemon import Daemon

EXAMPLES = """
  coffee-roadmap daemon run                        until Ctrl-C; asks before each item, answer in another terminal
  coffee-roadmap daemon run --once --yes           the next item only, without asking
  coffee-roadmap daemon run --agent runbook        items that carry their own ```sh run``` block
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("action", choices=("run",), metavar="run")
    parser.add_argument("--once", action="store_true", help="do one item, then end")
    parser.add_argument("--yes", action="store_true", help="do not ask for approval before each item")
    parser.add_argument("--agent", choices=("command", "runbook"), help="default: as coffee-roadmap.toml says")


def run(args: Namespace, operations: Operations, output: Output) -> int:
    long_running()
    daemon = operations.daemon(agent=args.agent, ask=not args.yes, tell=output.say)
    interrupted = _stop_at_signals(daemon)
    done = daemon.run(once=args.once)
    output.show("daemon", {"items": [one._asdict() for one in done]})
    return INTERRUPTED if interrupted else DONE


def _stop_at_signals(daemon: Daemon) -> list[str]:
    """Ctrl-C and a container's stop end the daemon in order; a second Ctrl-C ends it at once. The list that is given
    back gets an entry when it was Ctrl-C: a stop by the system is no interruption."""
    import signal

    interrupted: list[str] = []

    def stop(number: int, _: object) -> None:
        name = signal.Signals(number).name
        if number == signal.SIGINT:
            interrupted.append(name)
            signal.signal(number, signal.default_int_handler)
        daemon.stop(f"it was asked to ({name})")

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    return interrupted
