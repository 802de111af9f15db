"""Finding items by what people write: `2.6`, `PRIORITY 2.6`, `priority-2.6`, `US-110`, `PRIORITY-3#2`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from coffee_maker.core.patterns import on_demand

_NUMBER = on_demand(r"[0-9]+(?:\.[0-9]+)*[a-z]?")
_MENTION = on_demand(
    r"\b(?:PRIORIT(?:Y|IES)[ \t_-]*(?P<numbers>[0-9]+(?:\.[0-9]+)*(?:#[0-9]+)?"
    r"(?:\s*(?:,\s*and\b|,\s*&|,|&|and\b|/|-|–|to\b|through\b)\s*[0-9]+(?:\.[0-9]+)*(?:#[0-9]+)?"
    r"(?![\w%.]*\s*(?:day|week|hour|month)))*)"
    r"|(?P<story>US-?[0-9]+(?:\.[0-9]+)*(?:#[0-9]+)?))(?!\w)",
    re.IGNORECASE,
)
_ONE = r"[0-9]+(?:\.[0-9]+)*(?:#[0-9]+)?"
_EACH = on_demand(_ONE)
_ONLY_NUMBERS = on_demand(rf"\s*#?{_ONE}(?:\s*(?:,|&|and)\s*#?{_ONE})*\s*\Z")
_NOTHING = on_demand(r"[\s*_]*(?:none|no dependencies|nothing|nil|n/a|n\.a\.|[-–—]+)(?![\w-])", re.IGNORECASE)
_BULLETS = on_demand(r"(?m)^[ \t]*(?:[-*+]|[0-9]+[.)])[ \t]+(?:\[[ xX]\][ \t]+)?")
_DIGIT = on_demand(r"[0-9]")
_PART = on_demand(r"[^\n,;]+")
_AROUND = " \t-*+."
_NAMED = "\0"  # stands for each character of an id that was found
_WORD_AND_NUMBER = on_demand(r"(?<![^\W_])(?P<word>[^\W\d_]{1,20})(?P<gap>[ \t_-]*)#?[0-9](?:[\w.#]*\w)?")
_LIKE_US = on_demand(r"SU|USS|UUS")  # other short words in front of a number name other things: UI-3, ES-6
_SHORTEST, _SLIPS = 4, 3

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
        kind, _, number = name.lower().rpartition("-")
        number, again, which = number.partition("#")
        if not _NUMBER.fullmatch(number):
            return []
        found = self.numbers.get(number.lstrip("0") or "0", [])
        if again:
            found = [key for key in found if key.partition("#")[1:] == ("#", which)]
        if not kind:
            return found
        return [key for key in found if normal(key).lower().rpartition("-")[0] == kind][:1]

    def dependencies(self, words: str) -> tuple[str, ...]:
        """The keys that a dependency field names; an id that is not there, and prose without any id, as written."""
        words = _BULLETS.sub("", words)
        if not words or _NOTHING.match(words):
            return ()
        if _ONLY_NUMBERS.match(words):
            return self._keys(_numbered(words))
        mentions = list(_MENTION.finditer(words))
        if not mentions:
            plain = (part.strip(_AROUND) for part in _PART.findall(words))
            return self._keys(part for part in plain if part and not _NOTHING.match(part))
        named = [(mention.start(), name) for mention in mentions for name in _names(mention)]
        others = _MENTION.sub(lambda mention: _NAMED * len(mention[0]), words)
        if _DIGIT.search(others) or self._wordy:
            named += self._further(others)
        return self._keys(name for _, name in sorted(named, key=lambda one: one[0]))

    def _keys(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.find(name) or [name])[0] for name in names))

    def _further(self, words: str) -> Iterator[tuple[int, str]]:
        """What a text names besides its ids, with where: a part that is a number or a key, and one that looks like an
        id with a slip, which is no prose: dropped it would set the item free."""
        for part in _PART.finditer(words):
            text = part[0].strip(_AROUND)
            if _NAMED in text:
                yield from ((part.start() + slip.start(), slip[0]) for slip in self._slips(part[0]))
            elif _ONLY_NUMBERS.match(text):
                yield from ((part.start(), name) for name in _numbered(text))
            elif self.find(text) or any(self._slips(text)):
                yield part.start(), text

    def _slips(self, text: str) -> Iterator[re.Match[str]]:
        """The words in front of a number that are, or are almost, those of an id."""
        for found in _WORD_AND_NUMBER.finditer(text):
            word = found["word"].upper()
            like_us = found["gap"] in ("-", "_") and _LIKE_US.fullmatch(word)
            if like_us or word == "PRIO" or any(_alike(word, family) for family in self._families):
                yield found

    @cached_property
    def _wordy(self) -> bool:
        """Whether a key has no number in it, as a person's own form may give."""
        return not all(_DIGIT.search(key) for key in self._all)

    @cached_property
    def _families(self) -> frozenset[str]:
        """The words in front of the numbers, as keys of this document and ids elsewhere have them."""
        return frozenset({"PRIORITY", "US", *(normal(key).partition("#")[0].rpartition("-")[0] for key in self._all)})


def _alike(word: str, family: str) -> bool:
    """Whether a word is another one but for a slip or two; too short ones would all be alike."""
    if word == family:
        return True
    if len(family) < _SHORTEST or abs(len(word) - len(family)) > _SLIPS:
        return False
    from difflib import SequenceMatcher

    return SequenceMatcher(None, word, family, autojunk=False).ratio() >= (0.8 if len(family) > _SHORTEST else 0.75)


def _numbered(words: str) -> Iterator[str]:
    return (f"PRIORITY-{number}" for number in _EACH.findall(words))


def _names(mention: re.Match[str]) -> Iterable[str]:
    """The ids of one mention: `PRIORITY 1`, `US-033`, `Priorities 3 & 4`."""
    return [normal(mention["story"])] if mention["story"] else _numbered(mention["numbers"])
