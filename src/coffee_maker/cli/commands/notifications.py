"""`notifications`: read, answer, put aside, watch."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace

from coffee_maker.cli.roadmap_cli import long_running
from coffee_maker.cli.values import how_many, key_even_if_gone, refuse_unknown, text_or_stdin, whole_number
from coffee_maker.core.errors import WrongUsage
from coffee_maker.work import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.core.questions import Notification
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap notifications                   what is open
  coffee-roadmap notifications show 12           one, whole
  coffee-roadmap notifications respond 12 yes    answer a question, by the option or its number
  coffee-roadmap notifications dismiss 12 13     put them aside
  coffee-roadmap notifications --watch           show new ones as they come, until Ctrl-C
"""

ACTIONS = ("list", "show", "respond", "dismiss")


def arguments(parser: Parser) -> None:
    parser.add_argument("action", nargs="?", default="list", metavar="list|show|respond|dismiss", choices=ACTIONS)
    parser.add_argument("id", nargs="?", type=whole_number, metavar="ID", help="its number in the list")
    more = "of respond; - reads standard input; of dismiss: further numbers"
    parser.add_argument("answer", nargs="*", metavar="ANSWER", help=more)
    parser.add_argument("--all", action="store_true", help="list also those that are answered, dismissed or expired")
    parser.add_argument("--item", metavar="ITEM", help="list only those about this item")
    parser.add_argument("--limit", type=how_many, metavar="N", help="list at most the N newest")
    parser.add_argument("--watch", action="store_true", help="go on and show new ones as they come")
    parser.add_argument("--by", metavar="NAME", help="who answers (default: COFFEE_ACTOR, else your login name)")


def run(args: Namespace, operations: Operations, output: Output) -> int:
    if args.action != "list" and args.id is None:
        raise WrongUsage(
            problem=f"Which notification is to be meant by `{args.action}`?",
            hint="`coffee-roadmap notifications` lists them with their numbers.",
        )
    _refuse_surplus_words(args)
    if args.watch:
        return _watch(args, operations, output)
    action = {"list": _list, "show": _show, "respond": _respond, "dismiss": _dismiss}[args.action]
    return action(args, operations, output)


def _refuse_surplus_words(args: Namespace) -> None:
    """What would do nothing must not look as if it had been done."""
    if args.action == "list" and args.id is not None:
        raise WrongUsage(
            problem="`list` takes no number.", hint=f"`coffee-roadmap notifications show {args.id}` shows one whole."
        )
    if args.action == "show" and args.answer:
        hint = f'To answer it: `coffee-roadmap notifications respond {args.id} "{" ".join(args.answer)}"`.'
        if all(word.isdecimal() for word in args.answer):
            hint = "Show one after the other; `coffee-roadmap notifications` lists them all."
        raise WrongUsage(problem=f"`show` takes one number, not also {' '.join(args.answer)}.", hint=hint)


def _list(args: Namespace, operations: Operations, output: Output) -> int:
    found = _found(args, operations)
    data = {"notifications": [shapes.notification(one) for one in found], "all": args.all}
    output.show("notifications", data)
    if not output.json:
        operations.messages.shown(found)
    return 0


def _found(args: Namespace, operations: Operations) -> list[Notification]:
    from coffee_maker.core.questions import OPEN

    item = key_even_if_gone(args.item, operations) if args.item is not None else None
    operations.messages.expire_due()
    found = list(operations.messages.listing(states=() if args.all else OPEN, item=item))
    if item is not None and not found and not operations.messages.listing(item=item, limit=1):
        refuse_unknown(args.item, item, operations)
    return found[max(len(found) - args.limit, 0) :] if args.limit is not None else found


def _show(args: Namespace, operations: Operations, output: Output) -> int:
    one = operations.messages.get(args.id)
    output.show("notification", shapes.notification(one))
    if not output.json:
        operations.messages.shown([one])
    return 0


def _respond(args: Namespace, operations: Operations, output: Output) -> int:
    answer = text_or_stdin(" ".join(args.answer)) or ""
    answered = operations.messages.respond(args.id, answer, by=args.by or operations.actor, via="terminal")
    output.show("notification", shapes.notification(answered), form="answered")
    if "choice" in answered.context and operations.editing.choose(answered) is not None:
        operations.publish()
    return 0


def _dismiss(args: Namespace, operations: Operations, output: Output) -> int:
    """One, or several: then all that there are none of are refused first, and what was done is told in any case."""
    by = args.by or operations.actor
    if not args.answer:
        one = operations.messages.dismiss(args.id, by=by)
        output.show("notification", shapes.notification(one), form="dismissed")
        return 0
    numbers = dict.fromkeys((args.id, *map(_number, args.answer)))
    for number in numbers:
        operations.messages.get(number)
    done: list[Notification] = []
    try:
        for number in numbers:
            done.append(operations.messages.dismiss(number, by=by))  # noqa: PERF401 - stays when the next is refused
    finally:
        if done:
            data = {"notifications": [shapes.notification(one) for one in done]}
            output.show("dismissed", data, form="several_dismissed")
    return 0


def _number(word: str) -> int:
    try:
        return whole_number(word)
    except ArgumentTypeError:
        hint = "`coffee-roadmap notifications dismiss 6 7 8`; it takes no words: `respond` does."
        raise WrongUsage(problem=f"`dismiss` takes numbers, not {word[:40]!r}.", hint=hint) from None


def _watch(args: Namespace, operations: Operations, output: Output) -> int:
    """What is open, then what comes: one document, or one block of lines, for each."""
    long_running()
    shown = _found(args, operations)
    for one in shown:
        output.show_one_of_many("notification", shapes.notification(one))
    operations.messages.shown(shown)
    everything = operations.messages.listing()
    for one in operations.messages.watch(after_id=everything[-1].id if everything else 0):
        output.show_one_of_many("notification", shapes.notification(one))
    return 0
