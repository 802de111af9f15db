"""From data to text: finds the text of a form, and writes it onto a page that makes every text from outside safe."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coffee_maker.core.errors import Refusal
from coffee_maker.core.typed import NamedTuple, Protocol
from coffee_maker.utils.text import one_line, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Line = Callable[[Any, "Page"], None]

Cell = str | tuple[str, str]  # text, or text and style


class Column(NamedTuple):
    """A table's column; `grow` takes the room that is left, and is cut where there is none, or goes on in the next
    line with `wrap`."""

    name: str
    right: bool = False
    grow: bool = False
    wrap: bool = False


class Page(Protocol):
    """Something to write lines and tables on. Styles: key, title, dim, good, warn, bad, busy."""

    pretty: bool  # a person looks at it: signs and colours make sense

    def line(self, text: str = "", style: str = "") -> None:
        """One or several lines of text."""

    def verbatim(self, text: str, style: str = "") -> None:
        """Text that is somebody's own, such as an item's: never wrapped."""

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        """A table; a cell is always one line."""

    def result(self) -> str:
        """All that was written."""


class PlainPage:
    """Text for a pipe, a file or a dumb terminal: aligned columns, nothing cut off."""

    pretty = False

    def __init__(self) -> None:
        self._lines: list[str] = []

    def line(self, text: str = "", style: str = "") -> None:
        self._lines.append(printable(text))

    verbatim = line

    def table(self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
        texts = [[column.name.upper() for column in columns]]
        texts += [[one_line(cell if isinstance(cell, str) else cell[0]) for cell in row] for row in rows]
        widths = [max(len(row[i]) for row in texts) for i in range(len(columns))]
        for row in texts:
            cells = zip(row, widths, columns, strict=True)
            padded = (cell.rjust(width) if column.right else cell.ljust(width) for cell, width, column in cells)
            self._lines.append("  ".join(padded).rstrip())

    def result(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)


_FORMS = {
    "view": "roadmap",
    "no_items": "roadmap",
    "item": "roadmap",
    "search": "roadmap",
    "next": "roadmap",
    "overview": "roadmap",
    "change": "changes",
    "history": "changes",
    "notification": "messages",
    "notifications": "messages",
    "created": "messages",
    "exists": "messages",
    "answer": "messages",
    "answered": "messages",
    "dismissed": "messages",
    "several_dismissed": "messages",
    "init": "checks",
    "sync": "checks",
    "doctor": "checks",
    "db_init": "databases",
    "db_status": "databases",
    "db_check": "databases",
    "db_backup": "databases",
    "db_restore": "databases",
    "db_vacuum": "databases",
    "daemon": "daemon",
    "daemon_start": "daemon",
    "daemon_status": "daemon",
    "daemon_control": "daemon",
    "daemon_logs": "daemon",
    "daemon_log": "daemon",
    "daemon_dry_run": "daemon",
    "metrics": "figures",
    "health": "figures",
}


def text(form: str, data: Any, page: Page) -> str:
    """The data as text. The module of its form is loaded only now."""
    from importlib import import_module

    module = import_module(f"coffee_maker.cli.texts.{_FORMS[form]}")
    getattr(module, form)(data, page)
    return page.result()


def refusal(refused: Refusal, page: Page) -> str:
    """A sentence and the way out, on lines of their own."""
    page.line(f"coffee-roadmap: {_shortened(refused.message)}", "bad")
    if refused.hint:
        page.line(_shortened(refused.hint))
    return page.result()


_LONGEST = 2000


def _shortened(text: str) -> str:
    """A refusal that repeats what it was given must not fill the screen with it."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
