"""`mcp`: a server of the Model Context Protocol on standard input and output."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import TYPE_CHECKING

from coffee_maker.cli.failures import as_refusal
from coffee_maker.cli.roadmap_cli import long_running
from coffee_maker.core.errors import DONE, McpMissing

if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser
    from coffee_maker.mcp.server import Afterwards, Toolset
    from coffee_maker.wiring import Operations

EXAMPLES = """
  coffee-roadmap mcp --full                  all operations, for your own assistant
  coffee-roadmap mcp --full --by "Ann's assistant"
  coffee-roadmap mcp                         the tools of an agent that the daemon runs (COFFEE_ITEM, COFFEE_RUN)
"""


def arguments(parser: Parser) -> None:
    parser.add_argument("--full", action="store_true", help="all operations instead of an agent's tools")
    parser.add_argument(
        "--by",
        metavar="NAME",
        help="with --full: who acts, for the history (default: COFFEE_ACTOR, else your login name)",
    )


def run(args: Namespace, operations: Operations, output: Output) -> int:
    try:
        from coffee_maker.mcp.server import Afterwards, Served, serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("mcp", "mcp_types"):
            raise McpMissing from None
        raise
    long_running()
    afterwards = Afterwards(as_refusal)
    try:
        serve(Served(*_toolset(args, operations, afterwards), as_refusal))
    finally:
        afterwards.finish()
    return DONE


def _toolset(args: Namespace, operations: Operations, afterwards: Afterwards) -> tuple[Toolset, str]:
    """The tools, and what a model is told about them."""
    if not args.full:
        from coffee_maker.mcp.run import INSTRUCTIONS, agent_tools

        return agent_tools(operations, os.environ, afterwards.do), INSTRUCTIONS
    from coffee_maker.mcp import project

    return project.ProjectTools(operations, args.by or operations.actor, afterwards.do), project.INSTRUCTIONS
