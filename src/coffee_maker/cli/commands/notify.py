"""`notify`: create a notification; of a question, wait for the answer and print it."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.cli.roadmap_cli import long_running
from coffee_maker.cli.values import duration, text_or_stdin
from coffee_maker.core.errors import TRY_AGAIN, NoAnswerYet, WrongUsage
from coffee_maker.work import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.core.questions import Draft, Notification
    from coffee_maker.wiring import Operations

_LONGEST_NUMBER = 18  # digits
EXAMPLES = """
  coffee-roadmap notify "Build is green" --type info --source daemon
  coffee-roadmap notify "Use SQLite or PostgreSQL?" --type question --option sqlite --option postgresql
  coffee-roadmap notify "Merge now?" --type question --option yes --option no --wait --timeout 2h
  coffee-roadmap notify - --level high --item 2.6 < report.txt
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("message", metavar="MESSAGE", help="the text; - reads standard input")
    parser.add_argument("--source", choices=("daemon", "project_manager"), default="project_manager")
    parser.add_argument(
        "--type", choices=("question", "status", "alert", "info"), help="default: question with --option or --wait"
    )
    parser.add_argument("--level", choices=("critical", "high", "normal", "low"), default="normal")
    parser.add_argument("--title", metavar="TEXT", default="", help="one line for lists")
    parser.add_argument("--item", metavar="ITEM", help="the roadmap item it is about")
    parser.add_argument("--option", metavar="ANSWER", action="append", default=[], help="an answer; repeatable")
    parser.add_argument("--channel", metavar="NAME", action="append", default=[], help="default: every configured one")
    parser.add_argument("--wait", action="store_true", help="wait for the answer and print it")
    parser.add_argument("--timeout", type=duration, metavar="TIME", help="then the question expires: 20s, 5m, 2h, 3d")
    parser.add_argument("--default", metavar="ANSWER", help="the answer to go on with when it expires")
    parser.add_argument("--key", metavar="KEY", help="said again with the same key, it is there only once")


def run(args: Namespace, operations: Operations, output: Output) -> int:
    operations.prepare()
    draft = _draft(args, operations)
    created, new = operations.messages.notify_once(draft)
    if not args.wait:
        operations.messages.deliver_due()
        output.show("notify", shapes.notification(created), form="created" if new else "exists")
        return 0
    if created.answer is None and not output.json:  # there, standard error is for the one error
        output.say(f"Question {created.id} waits: `coffee-roadmap notifications respond {created.id} ANSWER`")
    # A question that was there already has a deadline of its own: then the timeout ends only this wait.
    patience = args.timeout if created.deadline != draft.deadline else None
    return _wait(created, patience, operations, output)


def _wait(created: Notification, patience: timedelta | None, operations: Operations, output: Output) -> int:
    """Print the answer. At the deadline the default, if there is one, and exit 75: nobody has answered."""
    from coffee_maker.work.delivery import meanwhile

    long_running()
    with _told(operations, created.id), meanwhile(operations.messages.deliver_due):
        settled = operations.messages.wait(created.id, timeout=patience)
        output.show("notify", shapes.notification(settled), form="answer")
    if settled.answer is not None:
        return 0
    output.refuse(NoAnswerYet(id=settled.id, waited=shapes.waited(settled)))
    return TRY_AGAIN


def _told(operations: Operations, question: int) -> AbstractContextManager[None]:
    """The daemon is told that its agent waits."""
    import os
    from contextlib import nullcontext

    item, pipeline = os.environ.get("COFFEE_ITEM"), os.environ.get("COFFEE_PIPELINE", "")
    if not item or not (pipeline.isascii() and pipeline.isdecimal()) or len(pipeline) > _LONGEST_NUMBER:
        return nullcontext()
    from coffee_maker.work.waits import waits_for

    return waits_for(operations.store, operations.clock, item, int(pipeline), question)


def _asked_before(args: Namespace, message: str) -> str | None:
    """An agent whose daemon died asks again when its item is taken up again: the same question of the same pipeline is
    found, with the answer that may have come meanwhile."""
    import os

    from coffee_maker.core.revisions import revision_of_text

    pipeline = os.environ.get("COFFEE_PIPELINE")
    if not pipeline:
        return None
    return f"agent:{pipeline}:{revision_of_text(chr(0).join((args.title, message, *args.option)))}"


def _draft(args: Namespace, operations: Operations) -> Draft:
    from coffee_maker.core.questions import Draft, Kind, Level, Source

    message = text_or_stdin(args.message) or ""
    kind = Kind(args.type or ("question" if args.option or args.wait else "info"))
    if args.wait and kind is not Kind.QUESTION:
        raise WrongUsage(problem="--wait waits for an answer: only a question has one.", hint="Use --type question.")
    return Draft(
        source=Source(args.source),
        kind=kind,
        message=message,
        title=args.title,
        level=Level(args.level),
        item=operations.document().item(args.item).key if args.item is not None else None,
        options=tuple(args.option),
        deadline=operations.clock.now() + args.timeout if args.timeout is not None else None,
        default=args.default,
        idempotency_key=args.key or (_asked_before(args, message) if kind is Kind.QUESTION else None),
        channels=tuple(args.channel),
    )
