"""What the commands that change the roadmap have in common: their options, and how they tell what they did."""

from __future__ import annotations

from coffee_maker.cli.values import field_pairs
from coffee_maker.work import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.core.history import Outcome
    from coffee_maker.wiring import Operations
    from coffee_maker.work.editing import Order


def add_order_options(parser: Parser) -> None:
    """Who, why, and under which conditions."""
    group = parser.add_argument_group("options of every change")
    group.add_argument("--reason", metavar="TEXT", help="why; it is kept in the history")
    group.add_argument("--if-revision", metavar="REV", help="only if the item, or the roadmap, still has this revision")
    group.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
    group.add_argument("--by", metavar="NAME", help="who changes it (default: COFFEE_ACTOR, else your login name)")


def add_place_options(parser: Parser, *, required: bool) -> None:
    """Where an item is to stand."""
    group = parser.add_mutually_exclusive_group(required=required)
    group.add_argument("--first", action="store_true", help="before all other items")
    group.add_argument("--last", action="store_true", help="behind all other items")
    group.add_argument("--before", metavar="ITEM", help="right before this item")
    group.add_argument("--after", metavar="ITEM", help="right behind this item")


def add_field_options(parser: Parser, help: str) -> None:
    """The fields of an item."""
    parser.add_argument("--field", metavar="NAME=VALUE", action="append", default=[], help=help)
    parser.add_argument(
        "--depends-on", metavar="ITEM", action="append", default=[], help="an item that comes before; repeatable"
    )


def fields(args: Namespace, operations: Operations) -> dict[str, str | None]:
    """What these options say; an empty value means that the field is to go. Refuses a dependency on nothing."""
    from coffee_maker.core.errors import WrongUsage
    from coffee_maker.core.fields import canonical

    pairs = field_pairs(args.field)
    if args.depends_on:
        if "depends_on" in map(canonical, pairs):
            raise WrongUsage(problem="The dependencies are given twice.", hint="Leave out --field or --depends-on.")
        pairs["depends_on"] = ", ".join(needed(args, operations))
    return pairs


def needed(args: Namespace, operations: Operations) -> tuple[str, ...]:
    """The keys of the items that ``--depends-on`` names; refuses one that is not there."""
    document = operations.document()
    return tuple(dict.fromkeys(document.item(named).key for named in args.depends_on))


def order(args: Namespace, operations: Operations) -> Order:
    """The options of every change, as the operations take them; what a change needs is there then."""
    if not args.dry_run:
        operations.prepare()
    return {
        "by": args.by or operations.actor,
        "reason": args.reason,
        "if_revision": args.if_revision,
        "dry_run": args.dry_run,
    }


def tell(args: Namespace, outcome: Outcome, operations: Operations, output: Output) -> int:
    """Acknowledge what is durable, then bring it to git: that may take its time and never fails a change."""
    data = shapes.outcome(outcome, with_diff=args.dry_run)
    if outcome.undoes is not None:
        with operations.store.reading() as tx:
            undone = tx.roadmap.change(outcome.undoes)
        data["undone"] = shapes.change(undone) if undone else None
    output.show(args.command, data, form="change")
    if outcome.history_id is not None:
        operations.publish()
    return 0
