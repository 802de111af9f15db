"""A text as lines, by CommonMark's line ends only: ``\\n``, ``\\r\\n`` and ``\\r``.

`str.splitlines` would also split at form feeds, ``\\x85`` and ``\\u2028``, which are ordinary characters in Markdown.
"""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate

from coffee_maker.core.patterns import on_demand

_LINE_END = on_demand("\r\n|\r|\n")
BOM = "\ufeff"


class Lines:
    """The lines of a text without their ends, and where each of them starts; split only when asked for.

    A byte order mark is no part of the first line (so a heading may follow it), but it counts in the offsets.
    """

    def __init__(self, text: str) -> None:
        self._shift = 1 if text.startswith(BOM) else 0
        self._body = text[self._shift :] if self._shift else text
        self._plain = "\r" not in text

    @property
    def shift(self) -> int | None:
        """How far places in the text lie behind those in `flat`; None when that differs from line to line."""
        return self._shift if self._plain else None

    @cached_property
    def texts(self) -> list[str]:
        """The lines; behind the last line end there is one more, empty."""
        return self._body.split("\n") if self._plain else _LINE_END.split(self._body)

    @cached_property
    def flat(self) -> str:
        """The lines joined by ``\\n``."""
        return self._body if self._plain else "\n".join(self.texts)

    @cached_property
    def eol(self) -> str:
        """The line end of the first line that has one."""
        found = _LINE_END.search(self._body)
        return found[0] if found else "\n"

    @cached_property
    def _starts(self) -> list[int]:
        if self._plain:
            return list(accumulate([len(line) + 1 for line in self.texts], initial=self._shift))
        return [self._shift, *(end.end() + self._shift for end in _LINE_END.finditer(self._body))]

    def start(self, line: int) -> int:
        """The offset in the text of the first character of a line (0-based); one past the last gives the end."""
        return self._starts[line] if line < len(self.texts) else self._shift + len(self._body)
