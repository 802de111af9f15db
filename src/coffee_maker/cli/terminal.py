"""The page for a terminal: rich tables and colours. Imported only when a terminal is there, for it costs 50 ms."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coffee_maker.cli.render import Cell, Column
from coffee_maker.utils.text import one_line, printable

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


class TerminalPage:
    """Writes into a text of the terminal's width, which is then printed in one piece."""

    pretty = True

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        self._console = Console(
            file=StringIO(),
            width=max(_width_of(stream), _NARROWEST),
            force_terminal=True,
            no_color=not colour,
            color_system="standard" if colour else None,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def line(self, text: str = "", style: str = "") -> None:
        self._console.print(Text(printable(text), style=_STYLES.get(style, "")), soft_wrap=True)

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for column in columns:
            table.add_column(
                column.name,
                justify="right" if column.right else "left",
                no_wrap=True,
                overflow="ellipsis",
                ratio=1 if column.grow else None,
            )
        for row in rows:
            table.add_row(*(_cell(cell) for cell in row))
        self._console.print(table)

    def result(self) -> str:
        file = self._console.file
        assert isinstance(file, StringIO)
        return "\n".join(line.rstrip(" ") for line in file.getvalue().split("\n"))


def _cell(cell: Cell) -> Text:
    text, style = (cell, "") if isinstance(cell, str) else cell
    return Text(one_line(text), style=_STYLES.get(style, ""))


def _width_of(stream: TextIO) -> int:
    import os

    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
