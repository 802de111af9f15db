"""`daemon`: run it, start and stop it in the background, see what it does, tell it what to leave."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager

from coffee_maker.cli.roadmap_cli import long_running
from coffee_maker.cli.values import duration
from coffee_maker.core.errors import DONE, INTERRUPTED, WrongUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.wiring import Operations
    from coffee_maker.work.daemon import Daemon

AT_MOST = 90.0
"""Seconds that an end in order may take."""
EXAMPLES = """
  coffee-roadmap daemon run                        until Ctrl-C; asks before each item, answer in another terminal
  coffee-roadmap daemon run --once --yes           the next item only, without asking
  coffee-roadmap daemon run --agent runbook        items that carry their own ```sh run``` block
  coffee-roadmap daemon dry-run                    what would be taken, and whether everything it needs is there
  coffee-roadmap daemon start                      in the background, with a log
  coffee-roadmap daemon status --watch             what it does now
  coffee-roadmap daemon logs --follow              what it did, as it comes
  coffee-roadmap daemon stop --after-item          when the items in hand are done; --force: at once
  coffee-roadmap daemon skip 2.6 --reason "later"  leave an item until `retry`
  coffee-roadmap daemon retry 2.6                  let it be tried again, from the beginning
"""
ACTIONS = ("run", "dry-run", "start", "stop", "pause", "resume", "status", "logs", "retry", "skip")
AGENTS = ("command", "runbook", "claude")
LEVELS = ("info", "warning", "error")


def arguments(parser: Parser) -> None:
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION", help=", ".join(ACTIONS))
    parser.add_argument("item", nargs="?", metavar="ITEM", help="for retry and skip")
    parser.add_argument("--once", action="store_true", help="run: do one item, then end")
    parser.add_argument("--yes", action="store_true", help="run, start: do not ask for approval before each item")
    parser.add_argument("--agent", choices=AGENTS, help="run, start: default: as coffee-roadmap.toml says")
    parser.add_argument("--background", action="store_true", help="run: as `start` runs it: log to the file only")
    parser.add_argument("--after-item", action="store_true", help="stop: when the items in hand are done")
    parser.add_argument("--force", action="store_true", help="stop: at once; what is in hand is taken up again later")
    parser.add_argument(
        "--timeout",
        type=duration,
        metavar="TIME",
        help="stop: how long to wait for it (default 60s, with --after-item a year)",
    )
    parser.add_argument("--reason", metavar="TEXT", help="skip, retry, stop, pause: why")
    parser.add_argument("--watch", action="store_true", help="status: go on showing it until Ctrl-C")
    parser.add_argument("--follow", action="store_true", help="logs: go on with new lines until Ctrl-C")
    parser.add_argument("--since", type=duration, metavar="TIME", help="logs: of the last 30m, 2h, 3d")
    parser.add_argument("--level", choices=LEVELS, help="logs: this level and above")
    parser.add_argument("--item", dest="of_item", metavar="ITEM", help="logs: of one item")


def run(args: Namespace, operations: Operations, output: Output) -> int:
    from coffee_maker.cli import daemon_control

    if args.action not in ("retry", "skip") and args.item is not None:
        raise WrongUsage(problem=f"`daemon {args.action}` takes no item.", hint="For `logs` it is --item ITEM.")
    if args.action == "run":
        return _run(args, operations, output)
    return daemon_control.ACTIONS[args.action](args, operations, output)


def _run(args: Namespace, operations: Operations, output: Output) -> int:
    from coffee_maker.cli.daemon_control import refuse_what_cannot_run

    long_running()
    refuse_what_cannot_run(operations)
    with operations.background_lock(args.background), operations.log as log:

        def tell(words: str, *, item: str | None = None, level: str = "info") -> None:
            log.write(operations.clock.now(), words, item=item, level=level)
            if not args.background:
                output.say(words)

        daemon = operations.daemon(agent=args.agent, ask=not args.yes, tell=tell)
        interrupted = _stop_at_signals(daemon)
        with _ends_at_last(daemon):
            done = daemon.run(once=args.once)
    output.show("daemon", {"items": [one._asdict() for one in done]})
    return INTERRUPTED if interrupted else DONE


@contextmanager
def _ends_at_last(daemon: Daemon) -> Iterator[None]:
    """An end in order needs the database, the roadmap's lock and git. Where one of them does not answer it is the end
    of a kill -9, which loses nothing: the journal says where to go on, and agents die with their daemon."""
    import os
    import threading

    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            if daemon.ending_for() > AT_MOST:
                told = f"coffee-roadmap: no end in order within {AT_MOST:g} s: the next daemon goes on here\n"
                os.write(2, told.encode())
                os._exit(1)

    threading.Thread(target=watch, name="end", daemon=True).start()
    try:
        yield
    finally:
        over.set()


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
