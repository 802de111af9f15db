"""Durations as people write them: ``20s``, ``5m``, ``2h``, ``3d``, also ``1h30m`` and ``500ms``."""

from __future__ import annotations

import re

from coffee_maker.core.lean import timedelta
from coffee_maker.core.patterns import on_demand

_UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_PART = on_demand(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d|w)\s*", re.ASCII)
EXPECTED = "a duration such as 20s, 5m, 2h or 3d"


def parse_duration(text: str) -> timedelta:
    """The duration that `text` means; raises ValueError with what was expected. A number without a unit is refused:
    half of the readers would take it for minutes."""
    total = timedelta()
    rest = text.strip().lower()
    if not rest:
        raise ValueError(f"expected {EXPECTED}, not an empty text")
    while rest:
        part = _PART.match(rest)
        if part is None:
            raise ValueError(f"expected {EXPECTED}, not {text.strip()[:40]!r}")
        try:
            total += float(part[1]) * _UNITS[part[2]]
        except OverflowError:
            raise ValueError(f"{text.strip()[:40]!r} is longer than time itself") from None
        rest = rest[part.end() :]
    return total


def format_duration(duration: timedelta) -> str:
    """The shortest form that `parse_duration` reads back, to the millisecond: ``1h30m``, ``20s``, ``500ms``."""
    left = round(duration / timedelta(milliseconds=1))
    if left <= 0:
        return "0s"
    parts = []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def roughly(duration: timedelta) -> str:
    """For a person's eye, its largest unit alone: ``3d``, ``2h``, ``5m``, ``20s``."""
    seconds = max(int(duration.total_seconds()), 0)
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
