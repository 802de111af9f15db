"""Words of the command line that mean something in every command: a place, an actor, a text from stdin."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError

from coffee_maker.core.errors import InputMissing, NeedsYes, WrongUsage
from coffee_maker.utils.durations import parse_duration
from coffee_maker.utils.text import one_line
from coffee_maker.work import looking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from datetime import timedelta

    from coffee_maker.cli.output import Output
    from coffee_maker.core.edits import Place
    from coffee_maker.wiring import Operations

LARGEST_INPUT = 5_000_000  # characters; more than any real roadmap has


def text_or_stdin(text: str | None) -> str | None:
    """The text; of a ``-``, what stands on standard input."""
    if text != "-":
        return text
    if sys.stdin is None or sys.stdin.closed:
        raise InputMissing(problem="it is closed")
    try:
        given = sys.stdin.buffer.read(LARGEST_INPUT + 1)
        if len(given) > LARGEST_INPUT:
            raise InputMissing(problem=f"it holds more than {LARGEST_INPUT:,} bytes", hint="Give a shorter text.")
        if not given:  # most likely the program before the pipe failed, which must not empty an item
            raise InputMissing(problem="it is empty", hint='If no text is what you mean, give it as "".')
        return given.decode()
    except OSError as error:
        raise InputMissing(problem=str(error.strerror)) from None
    except UnicodeDecodeError:
        raise InputMissing(problem="it is not UTF-8 text", hint="Convert it to UTF-8 first.") from None


def place(args: Namespace) -> Place | None:
    """The place that --first, --last, --before or --after names; None when none is given."""
    from coffee_maker.core.edits import Place

    if args.first:
        return Place("first")
    if args.last:
        return Place("last")
    if args.before is not None:
        return Place("before", args.before)
    return Place("after", args.after) if args.after is not None else None


def field_pairs(pairs: list[str]) -> dict[str, str | None]:
    """``NAME=VALUE`` words; an empty value means that the field is to go."""
    fields: dict[str, str | None] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            raise WrongUsage(problem=f"--field takes NAME=VALUE, not {pair!r}.", hint="For example: --field Effort=2d")
        fields[name.strip()] = value.strip() or None
    return fields


def whole_number(text: str) -> int:
    """For argparse: a number of 0 or more that a database can hold."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise ArgumentTypeError(f"expected a whole number, not {text[:40]!r}")
    return int(text)


def how_many(text: str) -> int:
    """For argparse: a number of 1 or more. Of a list of none one cannot tell whether there is nothing."""
    number = whole_number(text)
    if not number:
        raise ArgumentTypeError("expected a number of 1 or more")
    return number


def duration(text: str) -> timedelta:
    """For argparse: ``20s``, ``5m``, ``2h``, ``3d``."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def confirm(question: str, *, what: str, output: Output) -> bool:
    """Ask on the terminal; where nobody can be asked, the command needs --yes."""
    if output.json or sys.stdin is None or sys.stderr is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NeedsYes(what=f"`{what}`")
    output.say(f"{one_line(question)} [y/N]")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def key_even_if_gone(ref: str, operations: Operations) -> str:
    """The key that a reference means; the history also knows items that are no longer in the roadmap."""
    return looking.key_even_if_gone(ref, operations.document, lambda: operations.editing)


def refuse_unknown(ref: str, key: str, operations: Operations) -> None:
    """To be called when nothing was found about an item: one that never was in the roadmap was mistyped."""
    with operations.store.reading() as tx:
        known = tx.roadmap.changes(item=key, limit=1)
    if not known:
        operations.document().item(ref)
