"""A place in one line, for the exact rules of the block structure."""

from __future__ import annotations

from coffee_maker.core.patterns import on_demand

_SPACES = on_demand(r"[ \t]*")


class Cursor:
    """A place in a line, as column (tabs stop at every fourth) and as position of the next character that counts."""

    __slots__ = ("_breaks", "_tabs", "column", "line", "next", "next_column", "opened")

    def __init__(self, line: str) -> None:
        self.line = line
        self._tabs = "\t" in line
        self._breaks: dict[str, int] = {}
        self.column = 0
        self.opened = 0  # containers that are open at this place
        self._look(0, 0)

    def _look(self, position: int, column: int) -> None:
        """Find the next character that is no blank, from a position whose column is known."""
        line = self.line
        found = _SPACES.match(line, position)
        self.next = found.end() if found else position
        if not self._tabs:
            self.next_column = column + self.next - position
            return
        for char in line[position : self.next]:
            column += 4 - column % 4 if char == "\t" else 1
        self.next_column = column

    @property
    def blank(self) -> bool:
        return self.next == len(self.line)

    @property
    def char(self) -> str:
        return self.line[self.next]

    @property
    def indent(self) -> int:
        return self.next_column - self.column

    def pass_quote(self) -> None:
        """Behind a block quote's mark and the one blank that belongs to it."""
        self.column = self.next_column + 1
        self._look(self.next + 1, self.column)
        if self.next_column > self.column:
            self.column += 1

    def pass_marker(self, end: int, bare: bool) -> int:
        """Behind a list marker that ends at `end`; the width of the marker with the blanks that belong to it."""
        width = end - self.next
        self.column = self.next_column + width
        self._look(end, self.column)
        blanks = 1 if bare or self.indent > 4 else self.indent
        self.column = self.next_column if bare else self.column + blanks
        return width + blanks

    def is_break(self) -> bool:
        """Whether the rest is a thematic break; the end of the line is measured once for each kind of mark."""
        char = self.char
        if char not in self._breaks:
            self._breaks[char] = len(self.line.rstrip(char + " \t"))
        return self.next >= self._breaks[char] and self.line.count(char, self.next) >= 3
