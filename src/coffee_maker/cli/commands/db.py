"""`db`: make, look at, check, back up, bring back and tidy the shared databases."""

from __future__ import annotations

from argparse import Namespace

from coffee_maker.core.errors import WrongUsage
from coffee_maker.work import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.core.ports import Maintenance
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap db status                         kind, place, schema version, size, who writes
  coffee-roadmap db check                          integrity, foreign keys, the history's chain against the file
  coffee-roadmap db backup                         into the data directory, while others go on working
  coffee-roadmap db backup ~/before.db --database notifications
  coffee-roadmap db restore ~/before.db            what it replaces is kept as a backup
"""

_NAMES = ("notifications", "analytics")


def arguments(parser: Parser) -> None:
    parser.add_argument("action", choices=tuple(ACTIONS), metavar="init|status|check|backup|restore|vacuum")
    parser.add_argument("path", nargs="?", metavar="FILE", help="of backup and restore")
    parser.add_argument("--database", choices=_NAMES, metavar="NAME", help="notifications or analytics only")
    parser.add_argument(
        "--yes", action="store_true", help="of restore: newer things, or a damaged database, are put aside"
    )


def run(args: Namespace, operations: Operations, output: Output) -> int:
    if args.path is not None and args.action not in ("backup", "restore"):
        raise WrongUsage(
            problem=f"`db {args.action}` takes no file.", hint="`coffee-roadmap db --help` shows examples."
        )
    data = ACTIONS[args.action](args, operations)
    output.show("db", {"action": args.action, **data}, form=f"db_{args.action}")
    return 1 if any(one["level"] == "problem" for one in data.get("findings", ())) else 0


def _chosen(args: Namespace, operations: Operations) -> list[Maintenance]:
    return [one for one in operations.maintenance if args.database in (None, one.name)]


def _init(args: Namespace, operations: Operations) -> shapes.Data:
    from coffee_maker.work import databases

    made = databases.init(_chosen(args, operations))
    return {"databases": [{**one.status._asdict(), "changed": one.changed} for one in made]}


def _status(args: Namespace, operations: Operations) -> shapes.Data:
    from coffee_maker.work import databases

    return {"databases": [one._asdict() for one in databases.status(_chosen(args, operations))]}


def _check(args: Namespace, operations: Operations) -> shapes.Data:
    return {"findings": [one._asdict() for one in operations.check_databases()]}


def _backup(args: Namespace, operations: Operations) -> shapes.Data:
    from coffee_maker.work import databases

    directory = operations.settings.data.dir
    now = operations.clock.now()
    found = [one for one in _chosen(args, operations) if one.exists()]
    if args.path is not None and len(found) > 1:
        raise WrongUsage(
            problem=f"{args.path} can take one database, and there are {len(found)}: {', '.join(_NAMES)}.",
            hint="Name it with --database; without a file each goes into a file of its own among the backups.",
        )
    made = [databases.backup(one, directory, now=now, path=args.path) for one in found]
    return {"backups": [_backup_data(one) for one in made]}


def _restore(args: Namespace, operations: Operations) -> shapes.Data:
    from coffee_maker.work import databases

    if args.path is None:
        raise WrongUsage(problem="Which backup is to be restored?", hint="`coffee-roadmap db restore FILE`")
    one = _chosen(args, operations)[0]
    directory = operations.settings.data.dir
    done = databases.restore(one, args.path, directory, now=operations.clock.now(), yes=args.yes)
    return {"backup": _backup_data(done.backup), "kept": done.kept}


def _vacuum(args: Namespace, operations: Operations) -> shapes.Data:
    from coffee_maker.work import databases

    return {"databases": [one._asdict() for one in databases.vacuum(_chosen(args, operations))]}


def _backup_data(one: Any) -> shapes.Data:
    return {**one._asdict(), "newest": shapes.moment(one.newest), "rows": dict(one.rows)}


ACTIONS: dict[str, Callable[[Namespace, Operations], shapes.Data]] = {
    "init": _init,
    "status": _status,
    "check": _check,
    "backup": _backup,
    "restore": _restore,
    "vacuum": _vacuum,
}
