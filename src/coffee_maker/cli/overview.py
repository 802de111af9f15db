"""What `coffee-roadmap --help` and `--version` print."""

from __future__ import annotations

from coffee_maker import __version__

_USAGE = """\
usage: coffee-roadmap [--roadmap FILE] [--data-dir DIR] [--json] [--no-color] COMMAND ...

A person and autonomous coding agents share one ROADMAP.md and one database, and nobody's work is lost.

commands:
{commands}

options of every command, before or behind its name:
  --roadmap FILE   the roadmap (default: docs/ROADMAP.md, else ROADMAP.md, of the project around you)
  --data-dir DIR   the data directory (default: data, in the project's root)
  --json           print one JSON document; errors go to standard error as one
  --no-color       no colours (so does the variable NO_COLOR)
  -V, --version    the version
  -h, --help       this help, or that of a command; so does `coffee-roadmap help [COMMAND]`

examples:
  coffee-roadmap init                                set up the project in this directory
  coffee-roadmap view                                the whole roadmap
  coffee-roadmap view 2.6                            one item
  coffee-roadmap status PRIORITY-2 completed         change a status
  coffee-roadmap add "Export as HTML" --after 2.6    add an item
  coffee-roadmap next --json                         what the daemon would take
  coffee-roadmap daemon run --once                   have the next item done
  coffee-roadmap notifications                       questions that wait for you
  coffee-roadmap undo                                take back the newest change

exit codes: 0 done, 1 refused (the message says how to mend it), 2 wrong usage, 3 our bug, 4 not found,
            5 conflict, 75 try again, 130 interrupted
"""


def help_text() -> str:
    """The list of all commands, without loading any."""
    from coffee_maker.cli.roadmap_cli import COMMANDS

    lines = [f"  {name:<15}{command.help}" for name, command in COMMANDS.items()]
    return _USAGE.format(commands="\n".join(lines))


def version_text() -> str:
    return f"coffee-roadmap {__version__}\n"


def meant_by(word: str) -> str:
    """`` (did you mean that?)`` for a word that is no command: an action of one, else the nearest name."""
    from coffee_maker.cli.roadmap_cli import COMMANDS, load
    from coffee_maker.utils.values import nearest

    for name in COMMANDS:
        if word in getattr(load(name), "ACTIONS", ()):
            return f" (did you mean {name} {word}?)"
    return nearest(word, tuple(COMMANDS))
