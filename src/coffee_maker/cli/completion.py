"""Completion of a half-typed command line, through `argcomplete`: commands, options, item keys, statuses, numbers.

Only the parser of the command on the line is built, and keys are read from the roadmap without opening a database, so
that an answer comes within a tenth of a second.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from coffee_maker.core.errors import Refusal

if TYPE_CHECKING:
    from argparse import ArgumentParser

Values = Callable[..., Iterable[str] | dict[str, str]]


def complete() -> int:
    """Answer the shell; `argcomplete` writes to the descriptors that the shell's script has opened."""
    import argcomplete
    from argcomplete.completers import SuppressCompleter

    parser = _parser_of_the_line(os.environ.get("COMP_LINE", "").split()[1:])
    argcomplete.autocomplete(
        parser, always_complete_options="long", default_completer=SuppressCompleter(), print_suppressed=True
    )
    return 0


def _parser_of_the_line(words: list[str]) -> ArgumentParser:
    """All commands by name, and the options and values of the one that is on the line."""
    from argparse import ArgumentParser

    from coffee_maker.cli.parser import add_global_options
    from coffee_maker.cli.roadmap_cli import COMMANDS, load, split

    named, _ = split(words)
    top = ArgumentParser("coffee-roadmap")
    add_global_options(top)
    _attach_values(top)
    commands = top.add_subparsers(metavar="COMMAND")
    for name, command in COMMANDS.items():
        one = commands.add_parser(name, help=command.help)
        if name == named:
            load(name).arguments(one)
            add_global_options(one)
            _attach_values(one)
    return top


def _attach_values(parser: ArgumentParser) -> None:
    """Say which values each argument takes."""
    for action in parser._actions:
        values = _VALUES.get(action.dest)
        if values is not None and not action.choices:
            action.completer = _quiet(values)  # type: ignore[attr-defined]


def _quiet(values: Values) -> Values:
    """Without a project, or with a broken one, nothing is offered: nobody wants a refusal for pressing Tab."""

    def offered(**facts: Any) -> Iterable[str] | dict[str, str]:
        try:
            return values(**facts)
        except (Refusal, OSError):
            return ()

    return offered


def _keys(**_: Any) -> dict[str, str]:
    """Item keys, each with its title."""
    from coffee_maker import wiring

    with wiring.open_project() as operations:
        return {item.key: item.title for item in operations.document().items}


def _statuses(**_: Any) -> tuple[str, ...]:
    from coffee_maker.core.items import Status

    return tuple(status.value for status in Status)


def _questions(*, parsed_args: Any, **_: Any) -> dict[str, str]:
    """Numbers of what is open, each with its first words; behind `respond` of what takes an answer."""
    from coffee_maker import wiring
    from coffee_maker.core.questions import OPEN, Kind
    from coffee_maker.utils.text import one_line

    with wiring.open_project() as operations:
        found = operations.messages.listing(states=OPEN)
    wanted = [one for one in found if one.kind is Kind.QUESTION or getattr(parsed_args, "action", "") != "respond"]
    return {str(one.id): one_line(one.title or one.message, 60) for one in wanted}


def _answers(*, parsed_args: Any, **_: Any) -> tuple[str, ...]:
    """The options of the question that is on the line; one that ends with dots is completed by words of one's own."""
    from coffee_maker import wiring

    if parsed_args.id is None:
        return ()
    with wiring.open_project() as operations:
        options = operations.messages.get(int(parsed_args.id)).options
    return tuple(one.removesuffix("...") for one in options)


def _changes(**_: Any) -> dict[str, str]:
    """Numbers of the newest changes, each with what it did."""
    from coffee_maker import wiring

    with wiring.open_project() as operations:
        changes = operations.editing.history(limit=20)
        return {str(one.id): f"{one.change_type} {one.item or ''}" for one in changes}


def _files(*, prefix: str, **_: Any) -> Iterable[str]:
    from argcomplete.completers import FilesCompleter

    found: Iterable[str] = FilesCompleter()(prefix)
    return found


_VALUES: dict[str, Values] = {
    "item": _keys,
    "before": _keys,
    "after": _keys,
    "status": _statuses,
    "id": _questions,
    "answer": _answers,
    "change": _changes,
    "roadmap": _files,
    "data_dir": _files,
}
