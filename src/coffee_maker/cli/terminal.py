"""The page for a terminal: rich tables and colours. Imported only when a terminal is there, for it costs 50 ms."""

from __future__ import annotations

import os
from collections.abc import Sequence
from io import StringIO

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from coffee_maker.cli.render import Cell, Column
from coffee_maker.utils.text import one_line, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_STYLES = {
    "key": "bold cyan",
    "title": "bold",
    "dim": "dim",
    "good": "green",
    "warn": "yellow",
    "bad": "bold red",
    "busy": "blue",
}
_NARROWEST = 40
_NARROW = 16  # a column that is to be read
_NARROWEST_COLUMN = 4  # one of which something is to be seen
_DEEPEST = 8
_GAP = 2


class TerminalPage:
    """Writes into a text of the terminal's width, which is then printed in one piece."""

    pretty = True

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        self._console = Console(
            file=StringIO(),
            width=max(_size_of(stream).columns, _NARROWEST),
            force_terminal=True,
            no_color=not colour,
            color_system="standard" if colour else None,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def line(self, text: str = "", style: str = "") -> None:
        """Wrapped at words; what follows the first line of a paragraph is set in as far as that is."""
        for paragraph in printable(text).split("\n"):
            margin = " " * (len(paragraph) - len(paragraph.lstrip(" ")))
            self._console.print(
                Padding(Text(paragraph.strip(), style=_STYLES.get(style, "")), (0, 0, 0, min(len(margin), _DEEPEST)))
            )

    def verbatim(self, text: str, style: str = "") -> None:
        """As it is: a long line is broken by the terminal, and stays one line when it is copied."""
        self._console.print(Text(printable(text), style=_STYLES.get(style, "")), soft_wrap=True)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        """Columns are as wide as they need. Where that is too wide, the one that grows is cut first, then dates and
        words; keys and numbers never, since half of one is another one."""
        cells = [[_cell(cell) for cell in row] for row in rows]
        table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="dim")
        widths = [max(cell_len(text) for text in texts) for texts in _columns(columns, cells)]
        whole = [
            column.right or any(not isinstance(row[i], str) and row[i][1] == "key" for row in rows)
            for i, column in enumerate(columns)
        ]
        _fit(widths, columns, whole, self._console.width - _GAP * (len(columns) - 1))
        for column, width in zip(columns, widths, strict=True):
            table.add_column(
                column.name,
                justify="right" if column.right else "left",
                no_wrap=not column.wrap,
                overflow="fold" if column.wrap else "ellipsis",
                width=width,
            )
        for row in cells:
            table.add_row(*row)
        console, room = self._console, self._console.width
        console.width = max(room, sum(widths) + _GAP * len(columns))  # rich would cut what is whole
        console.print(table, crop=False)
        console.width = room

    def result(self) -> str:
        file = self._console.file
        assert isinstance(file, StringIO)
        return "\n".join(line.rstrip(" ") for line in file.getvalue().split("\n"))


def over(text: str, before: int, stream: TextIO) -> tuple[str, int]:
    """The text so that it takes the place of the `before` lines above the cursor, and how many lines it has.

    In one piece, so that nothing flickers, and whole in itself: a command that is killed leaves no terminal that is not
    as it was. A terminal cannot go up beyond its top, so what is higher than it is cut off; and a line that it would
    break is cut off as well, for it would be more lines than we know of.
    """
    lines = text.rstrip("\n").split("\n")
    most = max(_size_of(stream).lines - 1, 1)
    if len(lines) > most:
        lines = [*lines[: most - 1], "…"]
    up = f"\x1b[{before}F" if before else ""
    drawn = "".join(f"{line}\x1b[K\n" for line in lines)
    return f"\x1b[?7l{up}{drawn}\x1b[J\x1b[?7h", len(lines)


def _fit(widths: list[int], columns: Sequence[Column], whole: Sequence[bool], room: int) -> None:
    """Make the columns narrower until they fit, as far as they may be: the widest of them first."""
    grow = [i for i, column in enumerate(columns) if column.grow]
    others = [i for i, kept in enumerate(whole) if not kept and i not in grow]
    for group, least in ((grow, _NARROW), (others, _NARROWEST_COLUMN), (grow, _NARROWEST_COLUMN)):
        for i in group:
            widths[i] = min(widths[i], max(room, least))
        while sum(widths) > room and group and widths[widest := max(group, key=widths.__getitem__)] > least:
            widths[widest] -= 1


def _columns(columns: Sequence[Column], rows: list[list[Text]]) -> list[list[str]]:
    """The texts of each column, its name first."""
    return [[column.name, *(row[i].plain for row in rows)] for i, column in enumerate(columns)]


def _cell(cell: Cell) -> Text:
    text, style = (cell, "") if isinstance(cell, str) else cell
    return Text(one_line(text), style=_STYLES.get(style, ""))


def _size_of(stream: TextIO) -> os.terminal_size:
    try:
        columns, lines = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns, lines = 0, 0
    return os.terminal_size((columns or 80, lines or 24))
