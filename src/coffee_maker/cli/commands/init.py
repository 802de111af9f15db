"""`init`: sets up a project, or puts a roadmap that was lost back; never overwrites, and again changes nothing."""

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
  coffee-roadmap init --docker                      also what the daemon needs to run in a container
  coffee-roadmap init --data-dir ../shared-data     with a data directory that stands elsewhere
"""


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "--docker",
        action="store_true",
        help="also put Dockerfile and docker-compose.yml into deploy/coffee-roadmap, for the daemon in a container",
    )


def run(args: Namespace, operations: Operations, output: Output) -> int:
    from coffee_maker.work.project import is_lost, set_up

    restored = None
    if is_lost(operations.settings, operations.file):
        restored = _put_back(operations)
    parts = set_up(operations.settings, operations.file)
    if args.docker:
        from coffee_maker.work.containers import set_up_docker

        parts += set_up_docker(operations.settings)
    document = operations.editing.reconcile()
    operations.publish()
    data = {
        "root": operations.settings.root,
        "parts": [part._asdict() for part in parts],
        "items": len(document.items),
        "problems": len(document.problems),
        "revision": document.revision,
        "restored": restored,
    }
    output.show("init", data)
    return 0


def _put_back(operations: Operations) -> str | None:
    """The last recorded version into its place; its revision, None when none was ever recorded."""
    from coffee_maker.core.errors import NothingToRestore

    try:
        return operations.editing.restore_recorded().revision
    except NothingToRestore:
        return None
