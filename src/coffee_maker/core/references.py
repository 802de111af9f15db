"""Finding items by what people write: `2.6`, `PRIORITY 2.6`, `priority-2.6`, `US-110`, `PRIORITY-3#2`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property

from coffee_maker.core.patterns import on_demand

_NUMBER = on_demand(r"[0-9]+(?:\.[0-9]+)*[a-z]?")
_MENTION = on_demand(
    r"\b(?:PRIORIT(?:Y|IES)[ \t_-]*(?P<numbers>[0-9]+(?:\.[0-9]+)*(?:#[0-9]+)?"
    r"(?:\s*(?:,\s*and\b|,\s*&|,|&|and\b|/|-|–|to\b|through\b)\s*[0-9]+(?:\.[0-9]+)*(?![\w%.]*\s*(?:day|week|hour|month)))*)"
    r"|(?P<story>US-?[0-9]+(?:\.[0-9]+)*(?:#[0-9]+)?))(?!\w)",
    re.IGNORECASE,
)
_EACH = on_demand(r"[0-9]+(?:\.[0-9]+)*(?:#[0-9]+)?")
_ONLY_NUMBERS = on_demand(r"\s*#?[0-9]+(?:\.[0-9]+)*(?:\s*(?:,|&|and)\s*#?[0-9]+(?:\.[0-9]+)*)*\s*\Z")
_NOTHING = on_demand(r"[\s*_]*(?:none|no dependencies|nothing|nil|n/a|n\.a\.|[-–—]+)(?![\w-])", re.IGNORECASE)
_BULLETS = on_demand(r"(?m)^[ \t]*(?:[-*+]|[0-9]+[.)])[ \t]+(?:\[[ xX]\][ \t]+)?")
_SPLIT = on_demand(r"[\n,;]")


_KEY = on_demand(r"(?:PRIORITY|US)-[0-9.]+(?:#[0-9]+)?")
_FAMILY = on_demand(r"(PRIORITY|US)-*(?=[0-9])")


def normal(reference: str) -> str:
    """A reference in the letter case and with the separators of a key: `priority 2.6` -> `PRIORITY-2.6`."""
    if _KEY.fullmatch(reference):
        return reference
    plain = "-".join(reference.strip().strip("[]*").replace("_", " ").split()).upper()
    return _FAMILY.sub(r"\1-", plain, count=1) if plain.startswith(("PRIORITY", "US")) else plain


class References:
    """The names of the items of one document; what is needed to resolve them is made when it is asked for."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._all = keys

    @cached_property
    def keys(self) -> dict[str, str]:
        """Normal form of each key -> key."""
        return {normal(key): key for key in reversed(self._all)}

    @cached_property
    def numbers(self) -> dict[str, list[str]]:
        """Number without leading zeros -> keys of that number, in the order of the document."""
        found: dict[str, list[str]] = {}
        for key in self._all:
            tail = key.partition("#")[0].rpartition("-")[2].lower()
            found.setdefault(tail.lstrip("0") or "0", []).append(key)
        return found

    def find(self, reference: str) -> list[str]:
        """The keys that a reference can mean: one when it is a key, perhaps several when it is a bare number."""
        name = normal(reference)
        if name in self.keys:
            return [self.keys[name]]
        kind, _, number = name.rpartition("-")
        if not _NUMBER.fullmatch(number.lower()):
            return []
        found = self.numbers.get(number.lower().lstrip("0") or "0", [])
        if not kind:
            return found
        return [key for key in found if normal(key).rpartition("-")[0] == kind][:1]

    def dependencies(self, words: str) -> tuple[str, ...]:
        """The keys that a dependency field names; an id that is not there, and prose without any id, as written."""
        words = _BULLETS.sub("", words)
        if not words or _NOTHING.match(words):
            return ()
        names = list(_mentions(words))
        if not names:
            plain = (part.strip(" \t-*+.") for part in _SPLIT.split(words))
            return tuple(
                dict.fromkeys((self.find(part) or [part])[0] for part in plain if part and not _NOTHING.match(part))
            )
        return tuple(dict.fromkeys((self.find(name) or [name])[0] for name in names))


def _mentions(words: str) -> Iterable[str]:
    """The ids that a text names: `PRIORITY 1`, `US-033`, `Priorities 3 & 4`, or numbers alone."""
    if _ONLY_NUMBERS.match(words):
        yield from (f"PRIORITY-{number}" for number in _EACH.findall(words))
        return
    for mention in _MENTION.finditer(words):
        if mention["story"]:
            yield normal(mention["story"])
        else:
            yield from (f"PRIORITY-{number}" for number in _EACH.findall(mention["numbers"]))
