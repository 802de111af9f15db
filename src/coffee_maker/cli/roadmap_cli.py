"""The entry point of `coffee-roadmap`: finds the command, loads only that one; one handler takes every failure."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from coffee_maker.core.typed import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import NoReturn

    from coffee_maker.cli.output import Output
    from coffee_maker.cli.parser import Parser


class Command(NamedTuple):
    """One line of the table of commands. Its module has `arguments(parser)`, `run(args, operations, output)` and the
    `EXAMPLES` of its help; it is imported only when it is asked for."""

    module: str
    help: str


COMMANDS = {
    "init": Command("init", "set up a project: settings, data directory, ROADMAP.md if there is none"),
    "view": Command("view", "show the roadmap, or one item whole"),
    "search": Command("search", "find items by their text"),
    "next": Command("next", "show the item the daemon would take now, and why the others wait"),
    "status": Command("status", "show the overview, or change an item's status"),
    "add": Command("add", "add an item"),
    "edit": Command("edit", "change an item's title, fields, check boxes or text"),
    "move": Command("move", "move an item to another place"),
    "remove": Command("remove", "remove an item"),
    "history": Command("history", "show who changed what, when and why"),
    "undo": Command("undo", "take back one change and only that one"),
    "notify": Command("notify", "create a notification, or ask a question and wait for the answer"),
    "notifications": Command("notifications", "read, answer, dismiss or watch notifications"),
    "sync": Command("sync", "prove that everyone sees the same file and database"),
    "db": Command("db", "look after the databases"),
    "daemon": Command("daemon", "run the daemon that does the planned items"),
    "metrics": Command("metrics", "show items done, time, cost and success of the agents' runs"),
    "health": Command("health", "show how well the roadmap stands, and what to mend"),
    "mcp": Command("mcp", "serve the tools of an agent, or all operations, over MCP"),
    "doctor": Command("doctor", "check the whole set-up and say what to do"),
    "completion": Command("completion", "print the completion script for bash, zsh or fish"),
}

_TAKE_A_VALUE = ("--roadmap", "--data-dir")


def command() -> NoReturn:
    """The command as a process of its own: `main`, and out.

    Tearing the interpreter down costs a short command a tenth of its time, and by now everything is closed and flushed.
    Looking for cyclic garbage, of which a short command makes none, costs a quarter on a roadmap of 5,000 items; what
    runs for long turns it on again (`long_running`).
    """
    import gc

    gc.disable()
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def long_running() -> None:
    """To be called by a command that waits or serves, before it does."""
    import gc

    gc.enable()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    try:
        words = list(sys.argv[1:] if argv is None else argv)
        if argv is None and "_ARGCOMPLETE" in os.environ:
            from coffee_maker.cli.completion import complete

            return complete()
        from coffee_maker.cli.failures import guarded
        from coffee_maker.cli.output import Output

        output = Output.for_words(words)
        return guarded(lambda: _run(words, output), output)
    except KeyboardInterrupt:  # during the imports above; later ones are the handler's
        return 130


_WITHOUT_PROJECT = ("completion",)


def _run(words: list[str], output: Output) -> int:
    from coffee_maker.cli.parser import HelpAsked

    name, rest = split(words)
    if name == "help":
        name, rest = split(rest)[0], ["--help"]
    try:
        if name is None:
            return _without_command(rest, output)
        module = load(name)
        args = parser_of(name, module).read(rest)
    except HelpAsked as asked:
        output.write(asked.text)
        return 0
    args.command = name
    output.settle(json=args.json, colour=not args.no_color)
    if args.version:
        return _without_command(["--version"], output)
    if name in _WITHOUT_PROJECT:
        return int(module.run(args, output))
    from coffee_maker import wiring

    with wiring.open_project(roadmap=args.roadmap, data_dir=args.data_dir) as operations:
        return int(module.run(args, operations, output))


def split(words: list[str]) -> tuple[str | None, list[str]]:
    """The command's name, and the other words; global options may stand in front of it."""
    i = 0
    while i < len(words) and words[i].startswith("-"):
        i += 2 if words[i] in _TAKE_A_VALUE else 1
    if i >= len(words):
        return None, words
    return words[i], words[:i] + words[i + 1 :]


def load(name: str) -> ModuleType:
    """The module of a command; an unknown one is refused with the nearest that there is."""
    command = COMMANDS.get(name)
    if command is None:
        from coffee_maker.cli.overview import meant_by
        from coffee_maker.core.errors import WrongUsage

        known = tuple(COMMANDS)
        raise WrongUsage(
            problem=f"There is no command {name}{meant_by(name)}.",
            hint=f"Commands: {', '.join(known)}. `coffee-roadmap --help` tells what they do.",
        )
    name = f"coffee_maker.cli.commands.{command.module}"
    __import__(name)  # `importlib` would be one import more
    return sys.modules[name]


def parser_of(name: str, module: ModuleType) -> Parser:
    """The parser of one command, with the options that every command takes."""
    from coffee_maker.cli.parser import Parser, add_global_options

    parser = Parser(f"coffee-roadmap {name}", COMMANDS[name].help, module.EXAMPLES)
    module.arguments(parser)
    add_global_options(parser)
    return parser


def _without_command(words: list[str], output: Output) -> int:
    from coffee_maker.cli.overview import help_text, version_text
    from coffee_maker.cli.parser import Parser, add_global_options

    parser = Parser("coffee-roadmap", "", "", help_option=False)
    parser.add_argument("-h", "--help", action="store_true")
    add_global_options(parser)
    args = parser.read(words)
    output.write(version_text() if args.version else help_text())
    return 0


if __name__ == "__main__":
    command()
