"""A text as lines, by CommonMark's line ends only: ``\\n``, ``\\r\\n`` and ``\\r``.

`str.splitlines` would also split at form feeds, ``\\x85`` and ``\\u2028``, which are ordinary characters in Markdown.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

from coffee_maker.core.patterns import on_demand

_LINE_END = on_demand("\r\n|\r|\n")
BOM = "\ufeff"


class Lines:
    """The lines of a text without their ends, and where each of them starts.

    A byte order mark is no part of the first line (so a heading may follow it), but it counts in the offsets.
    """

    __slots__ = ("_step", "_sums", "eol", "flat", "texts")

    def __init__(self, text: str) -> None:
        shift = 1 if text.startswith(BOM) else 0
        body = text[shift:] if shift else text
        if "\r" not in body:
            self.texts: list[str] = body.split("\n")
            self.flat = body  # the lines joined by "\n"
            # Sums of lengths cost one pass in C; the line ends, one character each, are added on demand.
            self._sums = list(accumulate(map(len, self.texts), initial=shift))
            self._step = 1
            self.eol = "\n"
            return
        self.texts = _LINE_END.split(body)
        self.flat = "\n".join(self.texts)
        ends = [end.end() + shift for end in _LINE_END.finditer(body)]
        self._sums = [shift, *ends, len(text)]
        self._step = 0
        first = _LINE_END.search(body)
        self.eol = first.group() if first else "\n"

    def start(self, line: int) -> int:
        """The offset in the text of the first character of a line (0-based); one past the last gives the end."""
        if line >= len(self.texts):
            return self._sums[-1] + (len(self.texts) - 1) * self._step
        return self._sums[line] + line * self._step

    def at(self, offset: int) -> int:
        """The line (0-based) that holds the character at `offset`."""
        if not self._step:
            return min(bisect_right(self._sums, offset), len(self.texts)) - 1
        low, high = 0, len(self.texts) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.start(middle) <= offset:
                low = middle
            else:
                high = middle - 1
        return low
