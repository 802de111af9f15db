"""The parser of one command: wrong usage is a refusal like any other, and every help ends with examples."""

from __future__ import annotations

import os

from coffee_maker.cli.untranslated import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from coffee_maker.core.errors import WrongUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Action, Namespace
    from typing import Any, NoReturn

_EVERY_COMMAND = """\
options of every command:
  --roadmap FILE, --data-dir DIR, --json, --no-color   see `coffee-roadmap --help`
"""
_WIDEST = 120
_NO_OPTION = "\0"  # in front of a word behind `--`; no word of a command line holds one


class HelpAsked(Exception):
    """The help is to be printed, by the one who prints everything."""

    text = ""


class _Misused(Exception):
    """What is wrong with the words."""


class Parser(ArgumentParser):
    """An argparse parser that raises `WrongUsage` and takes no abbreviated options: scripts written with them break
    when an option is added."""

    def __init__(self, prog: str, help: str = "", examples: str = "", *, help_option: bool = True) -> None:
        super().__init__(
            prog=prog,
            description=f"{help[:1].upper()}{help[1:]}." if help else None,
            epilog=f"{_EVERY_COMMAND}\nexamples:\n{examples.strip(chr(10))}",
            formatter_class=_formatter,
            allow_abbrev=False,
            add_help=help_option,
        )

    def read(self, words: list[str]) -> Namespace:
        """Take the words apart, options and arguments in any order; raises `WrongUsage` and `HelpAsked`.

        Given a usage, `argparse` does not write one at every command for the error that there might be.
        """
        self.usage = SUPPRESS
        if "--" in words:  # what reads options and arguments in any order forgets it on its second way through
            end = words.index("--")
            words = [*words[:end], *(_NO_OPTION + word for word in words[end + 1 :])]
        try:
            return self.parse_intermixed_args(words)
        except HelpAsked as asked:
            self.usage = None
            asked.text = self.format_help()
            raise
        except _Misused as misused:
            self.usage = None
            message = str(misused).replace(_NO_OPTION, "")
            hint = f"{self.format_usage().strip()}\n`{self.prog} --help` shows examples."
            problem = f"{message[:1].upper()}{message[1:]}{self._meant_by(message)}."
            raise WrongUsage(problem=problem, hint=hint) from None

    def _get_value(self, action: Action, arg_string: str) -> Any:
        return super()._get_value(action, arg_string.removeprefix(_NO_OPTION))

    def error(self, message: str) -> NoReturn:
        raise _Misused(message)

    def _meant_by(self, message: str) -> str:
        """`` (did you mean that?)`` for an option or a choice that there is not."""
        from coffee_maker.utils.values import nearest

        _, _, words = message.partition("unrecognized arguments: ")
        options = [option for action in self._actions for option in action.option_strings]
        for word in words.split():
            if word.startswith("-"):
                return nearest(word.partition("=")[0], tuple(options))
        _, _, chosen = message.partition("invalid choice: ")
        choices = [str(choice) for action in self._actions for choice in action.choices or ()]
        return nearest(chosen.partition(" (choose")[0].strip("'\""), tuple(choices)) if chosen else ""

    def print_help(self, file: object = None) -> NoReturn:
        raise HelpAsked


def add_global_options(parser: ArgumentParser) -> None:
    """The options that every command takes, before and behind its name. They are told once, at the end of each help,
    and not in each usage line."""
    for option in ("--roadmap", "--data-dir"):
        parser.add_argument(option, help=SUPPRESS)
    for options in (("--json",), ("--no-color",), ("-V", "--version")):
        parser.add_argument(*options, action="store_true", help=SUPPRESS)


def _formatter(prog: str) -> RawDescriptionHelpFormatter:
    return RawDescriptionHelpFormatter(prog, max_help_position=32, width=_width())


def _width() -> int:
    """The terminal's width. Asked here because argparse would import `shutil` for it at every command (2 ms)."""
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given) - 2
    try:
        return min(os.get_terminal_size(1).columns, _WIDEST) - 2
    except OSError:
        return 98
