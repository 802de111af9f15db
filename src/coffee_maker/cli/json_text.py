"""Compact JSON, letter for letter as `json.dumps` writes it, without that module's import and with a short cut.

`json` brings a decoder and seven regular expressions along (1 ms). Thousands of items are written without a dictionary
for each (`Records`): half of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from coffee_maker.core.items import Status
from coffee_maker.core.typed import Generic, TypeVar

__all__ = ["Records", "compact", "items", "waiting"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from json.encoder import encode_basestring, encode_basestring_ascii
    from typing import Any

    from coffee_maker.core.choosing import Waiting
    from coffee_maker.core.items import Item

    Quote = Callable[[str], str]
else:
    try:
        from _json import encode_basestring, encode_basestring_ascii
    except ImportError:
        from json.encoder import encode_basestring, encode_basestring_ascii

R = TypeVar("R")
_AT_ONCE = 32
_STATUSES = {status.value: f'"{status.value}"' for status in Status}


class Records(Sequence[dict[str, "Any"]], Generic[R]):
    """Records as data: each as a dictionary when it is asked for, some at once as JSON."""

    def __init__(
        self,
        records: Sequence[R],
        data: Callable[[R], dict[str, Any]],
        texts: Callable[[Sequence[R], Quote], list[str]],
    ) -> None:
        self._records, self._data, self._texts = records, data, texts

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self._data, self._records)

    def __getitem__(self, index: Any) -> Any:
        return [*self][index]

    def pieces(self, quote: Quote) -> Iterator[str]:
        """The JSON in parts: as one text, thousands of items with a sign beyond U+FFFF fill 4 MB several times."""
        records, separator = self._records, "["
        for at in range(0, len(records), _AT_ONCE):
            yield separator + ",".join(self._texts(records[at : at + _AT_ONCE], quote))
            separator = ","
        yield "]" if records else "[]"


def compact(value: Any, *, ascii: bool) -> Iterator[str]:
    """The parts of a document as JSON without blanks, made as they are asked for: memory that is used for the first
    time costs more than the making. Only its outer dictionaries can hold `Records`."""
    if isinstance(value, Records):
        yield from value.pieces(encode_basestring_ascii if ascii else encode_basestring)
    elif isinstance(value, dict) and value:
        separator = "{"
        for name, one in value.items():
            yield f"{separator}{_encoded(name, ascii)}:"
            yield from compact(one, ascii=ascii)
            separator = ","
        yield "}"
    else:
        yield _encoded(value, ascii)


def _encoded(value: Any, ascii: bool) -> str:
    try:
        from _json import make_encoder

        quote = encode_basestring_ascii if ascii else encode_basestring
        # markers, default, encoder, indent, separators, sort_keys, skipkeys, allow_nan
        encode = make_encoder(None, _refuse, quote, None, ":", ",", False, False, True)
    except (ImportError, TypeError):  # an interpreter that has it otherwise
        import json

        return json.dumps(value, ensure_ascii=ascii, check_circular=False, separators=(",", ":"))
    return "".join(encode(value, 0))


def _refuse(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} is no JSON")


def items(some: Sequence[Item], quote: Quote) -> list[str]:
    """Each as `shapes.item` has it, as JSON."""
    texts = []
    for key, _, title, status, words, progress, level, line, _, _, revision, fields, depends_on, checks in some:
        named = ",".join([f"{quote(name)}:{quote(value)}" for name, value in fields.items()]) if fields else ""
        needed = ",".join([quote(name) for name in depends_on]) if depends_on else ""
        texts.append(
            f'{{"key":{quote(key)},"title":{quote(title)},"status":{_STATUSES[status._value_] if status else "null"},'
            f'"status_text":{"null" if words is None else quote(words)},'
            f'"progress":{"null" if progress is None else progress},"line":{line},"level":{level},'
            f'"revision":"{revision}","fields":{{{named}}},"depends_on":[{needed}],'
            f'"checklist":{{"done":{sum([check.done for check in checks]) if checks else 0},"total":{len(checks)}}}}}'
        )
    return texts


def waiting(some: Sequence[Waiting], quote: Quote) -> list[str]:
    """Each as `shapes.waiting` has it, as JSON."""
    return [f'{{"key":{quote(key)},"because":{quote(because)}}}' for key, because in some]
