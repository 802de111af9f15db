"""Reading single values from a settings file, with what was expected when one is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from coffee_maker.core.errors import BadSetting
from coffee_maker.core.lean import timedelta
from coffee_maker.core.patterns import on_demand
from coffee_maker.utils.durations import EXPECTED, parse_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Reader = Callable[[Any, str], Any]
    """Takes a value as TOML gives it and the folder that relative paths start from; raises ValueError with what was
    expected."""


class WrongValue(ValueError):
    """What was expected instead; a sentence's second half."""


def text(value: Any, base: str) -> str:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise WrongValue("expected a text")
    return value


def path(value: Any, base: str) -> str:
    return os.path.normpath(os.path.join(base, os.path.expanduser(text(value, base))))


def pattern(value: Any, base: str) -> str:
    """A form of item headings, as `core.headings` takes it."""
    from coffee_maker.core.headings import compile_item_pattern

    try:
        compile_item_pattern(text(value, base))
    except BadSetting as bad:
        raise WrongValue(str(bad.values["problem"])) from None
    return str(value)


def flag(value: Any, base: str) -> bool:
    if not isinstance(value, bool):
        raise WrongValue("expected true or false")
    return value


def count(value: Any, base: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise WrongValue("expected a whole number of 1 or more")
    return value


def money(value: Any, base: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e9:
        raise WrongValue("expected an amount in US dollars, 0 or more: 2.50")
    return float(value)


def number(value: str) -> Any:
    """The number that a text says, or the text itself when it says none."""
    try:
        return float(value)
    except ValueError:
        return value


def duration(value: Any, base: str) -> timedelta:
    if not isinstance(value, str):
        raise WrongValue(f'expected {EXPECTED}, in quotes: "60s"')
    parsed = parse_duration(value)
    if parsed <= timedelta():
        raise WrongValue(f"expected {EXPECTED}, longer than nothing")
    return parsed


_SIZE = on_demand(r"(\d{1,15})\s*([KMG]?)B?", re.ASCII | re.IGNORECASE)
_FACTORS = {"": 1, "K": 1000, "M": 1_000_000, "G": 1_000_000_000}


def size(value: Any, base: str) -> int:
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    number = int(match[1]) * _FACTORS[match[2].upper()] if match else value
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise WrongValue('expected a size such as "10MB", or a number of bytes')
    return number


def words(value: Any, base: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) and "\0" not in word for word in value):
        raise WrongValue('expected a list of texts: ["one", "two"]')
    return tuple(value)


def command(value: Any, base: str) -> tuple[str, ...]:
    """A list is a program and its arguments; a text is a line for the shell."""
    listed = ("sh", "-c", value) if isinstance(value, str) and value.strip() else words(value, base)
    if not listed or not listed[0]:
        raise WrongValue("expected a command: a list of the program and its arguments, or a line for the shell")
    return listed


def argv(value: Any, base: str) -> tuple[str, ...]:
    """A program and its arguments; no line for the shell, since messages from outside are put into it."""
    listed = words(value, base)
    if not listed or not listed[0]:
        raise WrongValue('expected a program and its arguments: ["notify-send", "--", "{title}"]')
    return listed


def one_of(*choices: str) -> Reader:
    def read(value: Any, base: str) -> str:
        if value not in choices:
            raise WrongValue(f"expected {' or '.join(choices)}{nearest(str(value), choices)}")
        return str(value)

    return read


def nearest(word: str, known: tuple[str, ...]) -> str:
    """`` (did you mean that?)``, or nothing when nothing is near."""
    import difflib

    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def without_password(text: str) -> str:
    """The text fit to be shown: passwords in database addresses are replaced by stars, wherever they stand."""
    text = re.sub(r"(://[^:/@\s]*):[^/\s]*@", r"\1:***@", text)
    return re.sub(r"(?i)(password\s*=\s*)('[^']*'|[^&\s]+)", r"\1***", text)
