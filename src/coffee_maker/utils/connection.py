"""What both databases have in common for whoever uses a connection: configuration, rows, the connection itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from coffee_maker.core.typed import Generic, NamedTuple, Protocol, TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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

    def __repr__(self) -> str:
        """Without the url: it may hold a password, and this text may end in a log."""
        return f"Databases(directory={self.directory!r}, url={'...' if self.url else None}, names={self.names!r})"


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


class Closable(Protocol):
    """A link that knows the process that opened it."""

    @property
    def pid(self) -> int: ...
    def close(self) -> None: ...


L = TypeVar("L", bound=Closable)

_ABANDONED: list[Closable] = []
"""Links inherited through a fork: kept for ever, since closing them in the child would disturb the parent's."""


class Idle(Generic[L]):
    """Open connections between two uses. Each is used by one thread at a time, and only in the process it is of."""

    def __init__(self) -> None:
        self._links: list[L] = []

    def take(self, usable: Callable[[L], bool]) -> L | None:
        """One that is still good, or None."""
        while True:
            try:
                link = self._links.pop()  # atomic, so no two threads get the same one
            except IndexError:
                return None
            if link.pid != os.getpid():
                _ABANDONED.append(link)
            elif usable(link):
                return link
            else:
                link.close()

    def give(self, link: L) -> None:
        self._links.append(link)

    def close(self) -> None:
        """Close all that are of this process."""
        while (link := self.take(lambda _: True)) is not None:
            link.close()


def refuse_fork(pid: int) -> None:
    """A connection must not be used in a child of the process that opened it: both databases would be damaged by it."""
    if os.getpid() != pid:
        raise RuntimeError("a database connection was carried across a fork; open one in the new process")
