"""The daemon's log on this machine: one line of JSON for each thing told, in files that are turned over by size."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import IO, Self

from coffee_maker.core.records import Line

LEVELS = ("info", "warning", "error")
MAX_SIZE = 5_000_000  # bytes of one file
KEPT = 3  # older files
_LOOK = 0.3  # seconds between looks for new lines


class DaemonLog:
    """Appends lines. Several daemons may share a file: each line goes out in one write."""

    def __init__(self, path: str, *, max_size: int = MAX_SIZE) -> None:
        self.path = path
        self._max_size = max_size
        self._fd = -1
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is not None and kind is not None and issubclass(kind, Exception):
            from datetime import UTC

            self.write(datetime.now(UTC), f"it ended: {error}", level="error")
        os.close(self._fd)

    def write(self, at: datetime, words: str, *, item: str | None = None, level: str = "info") -> None:
        """A full disk must not stop the work: a line that cannot be written is left out."""
        line = json.dumps({"at": at.isoformat(), "level": level, "item": item, "words": words})
        with self._lock, suppress(OSError):
            self._turn_over()
            os.write(self._fd, f"{line}\n".encode())

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self.path, flags, 0o600)

    def _turn_over(self) -> None:
        """Move the files on when this one is full, or take the new one when another daemon did."""
        mine = os.fstat(self._fd)
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            there = None
        if there is not None and there.st_ino == mine.st_ino:
            if mine.st_size < self._max_size:
                return
            for number in range(KEPT, 0, -1):
                older = self.path if number == 1 else f"{self.path}.{number - 1}"
                with suppress(FileNotFoundError):
                    os.replace(older, f"{self.path}.{number}")
        os.close(self._fd)
        self._open()


def wanted(*, level: str | None, item: str | None) -> Callable[[Line], bool]:
    """Lines of this level and above, and of this item."""
    levels = LEVELS[LEVELS.index(level) :] if level else LEVELS
    return lambda line: line.level in levels and item in (None, line.item)


def read(path: str, want: Callable[[Line], bool]) -> Iterator[Line]:
    """The lines that are there, oldest first."""
    for name in [*(f"{path}.{number}" for number in range(KEPT, 0, -1)), path]:
        with suppress(FileNotFoundError), open(name, encoding="utf-8", errors="replace") as file:
            yield from filter(want, filter(None, map(_line, file)))


def follow(path: str, want: Callable[[Line], bool], stop: threading.Event) -> Iterator[Line]:
    """The lines that come from now on; through a turning over of the files."""
    file, rest = _opened(path), b""
    if file is not None:
        file.seek(0, os.SEEK_END)
    while not stop.is_set():
        new = file.read() if file is not None else b""
        *lines, rest = (rest + new).split(b"\n")
        yield from filter(want, filter(None, (_line(line.decode(errors="replace")) for line in lines)))
        if new:
            continue
        if file is None or not _is_at(file.fileno(), path):
            if file is not None:
                file.close()
            file, rest = _opened(path), b""
        stop.wait(_LOOK)


def _opened(path: str) -> IO[bytes] | None:
    try:
        return open(path, "rb", 0)
    except FileNotFoundError:
        return None


def _is_at(fd: int, path: str) -> bool:
    try:
        return os.stat(path).st_ino == os.fstat(fd).st_ino
    except FileNotFoundError:
        return False


def _line(text: str) -> Line | None:
    """A line that was cut off by a crash is none."""
    try:
        found = json.loads(text)
        return Line(datetime.fromisoformat(found["at"]), found["level"], found["item"], found["words"])
    except (ValueError, KeyError, TypeError):
        return None
