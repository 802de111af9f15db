"""How values look in the databases, alike on both: times and JSON as text, long texts compressed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coffee_maker.core.lean import UTC, datetime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FOR_EVER = 2**63 - 1
"""The largest number that both databases hold; also "no limit"."""

_FAST = 1  # zlib level: 428 KB of Markdown in 4 ms to 37 %; level 6 takes 14 ms for 31 %


def text(value: str) -> str:
    """Text that both databases store: PostgreSQL has no NUL, and neither has lone halves of surrogate pairs."""
    if "\0" in value:
        value = value.replace("\0", "\N{SYMBOL FOR NULL}")
    try:
        value.encode()
    except UnicodeEncodeError:
        value = value.encode("utf-8", "replace").decode()
    return value


def text_or_none(value: str | None) -> str | None:
    return None if value is None else text(value)


def time(value: datetime) -> str:
    """UTC with microseconds, always 27 characters, so that text order is time order."""
    if value.tzinfo is None:
        raise ValueError("stored times need a time zone")
    return value.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def time_or_none(value: datetime | None) -> str | None:
    return None if value is None else time(value)


def read_time(value: str) -> datetime:
    return datetime.fromisoformat(value)


def read_time_or_none(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def as_json(value: Mapping[str, object] | Sequence[object]) -> str:
    """JSON as ASCII, whatever the texts in it hold."""
    import json  # few commands read or write it

    return json.dumps(value, sort_keys=True)


def read_json(value: str) -> Any:
    import json

    return json.loads(value)


def compress(content: bytes) -> bytes:
    import zlib

    return zlib.compress(content, _FAST)


def decompress(content: bytes) -> bytes:
    """Raises `ValueError` when it is damaged."""
    import zlib

    try:
        return zlib.decompress(content)
    except zlib.error as error:
        raise ValueError(f"a compressed text is damaged: {error}") from error


def pack(value: str | None) -> bytes | None:
    """A text kept exactly as it is, NUL included, for `undo` to work from."""
    return None if value is None else compress(value.encode("utf-8", "surrogatepass"))


def unpack(value: bytes | None) -> str | None:
    return None if value is None else decompress(value).decode("utf-8", "surrogatepass")
