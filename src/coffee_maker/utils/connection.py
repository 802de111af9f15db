"""What both databases have in common for whoever uses a connection: configuration, rows, the connection itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

NAMES = ("notifications", "analytics")
BUSY_SECONDS = 5.0
"""How long SQLite itself waits for a lock (another participant without the gate, a recovery)."""
GATE_SECONDS = 10.0
"""How long a writer waits for its turn. With 200 writers at once the longest wait measured is below one second."""


class Databases(NamedTuple):
    """Where the shared databases are. With a `url` they are schemas of that PostgreSQL database, else SQLite files."""

    directory: str
    url: str | None = None
    names: tuple[str, ...] = NAMES
    busy_timeout: float = BUSY_SECONDS
    gate_timeout: float = GATE_SECONDS


class Rows:
    """The result of one statement, already fetched: iterate for tuples, or `dicts()` for rows by column name."""

    __slots__ = ("_next", "columns", "rows")

    def __init__(self, rows: Sequence[tuple[Any, ...]] = (), columns: tuple[str, ...] = ()) -> None:
        self.rows = rows
        self.columns = columns
        self._next = 0

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None when there is none left."""
        if self._next >= len(self.rows):
            return None
        self._next += 1
        return self.rows[self._next - 1]

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows that `fetchone` has not yet given."""
        rest = list(self.rows[self._next :])
        self._next = len(self.rows)
        return rest

    def dicts(self) -> list[dict[str, Any]]:
        """All rows, each as a dictionary by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


class Connection(Protocol):
    """A connection inside its transaction."""

    def execute(self, sql: str, params: Sequence[Any] = ()) -> Rows:
        """Run one statement with ``?`` for each parameter, on either database."""
