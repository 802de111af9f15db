"""The daemon's log on this machine: one line of JSON for each thing told, in files that are turned over by size."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
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
        self._before = ""
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
            with suppress(OSError):  # where no new file can be made, the old one goes on
                self._turn_over()
            data = f"{self._before}{line}\n".encode()
            written = os.write(self._fd, data)
            self._before = "\n" if written < len(data) else ""  # half a line must not spoil the next one

    def _open(self) -> None:
        """The old descriptor is closed last: its number would become another file's, and that one written into."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        old, self._fd = self._fd, os.open(self.path, flags, 0o600)
        if old >= 0:
            os.close(old)

    def _turn_over(self) -> None:
        """Move the files on when this one is full, or take the new one when another daemon did."""
        if self._is_current():
            if os.fstat(self._fd).st_size < self._max_size:
                return
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # another daemon is about it, or frozen in it: nobody waits for that
                return
            try:
                self._move_on()
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        self._open()

    def _move_on(self) -> None:
        """Under the file's lock, since one that is moved on by two daemons would be moved on twice."""
        if self._is_current():
            for number in range(KEPT, 0, -1):
                older = self.path if number == 1 else f"{self.path}.{number - 1}"
                with suppress(FileNotFoundError):
                    os.replace(older, f"{self.path}.{number}")

    def _is_current(self) -> bool:
        return _is_at(self._fd, self.path)


def wanted(*, level: str | None, item: str | None) -> Callable[[Line], bool]:
    """Lines of this level and above, and of this item."""
    levels = LEVELS[LEVELS.index(level) :] if level else LEVELS
    return lambda line: line.level in levels and item in (None, line.item)


def read(path: str, want: Callable[[Line], bool]) -> Iterator[Line]:
    """The lines that are there, oldest first."""
    for name in (*_older(path), path):
        with suppress(FileNotFoundError), open(name, encoding="utf-8", errors="replace") as file:
            yield from filter(want, filter(None, map(_line, file)))


def follow(path: str, want: Callable[[Line], bool], stop: threading.Event, *, before: bool = False) -> Iterator[Line]:
    """The lines that come from this call on; with `before` those that are there, too. Through a turning over of the
    files."""
    file = _opened(path)
    if file is not None and not before:
        file.seek(0, os.SEEK_END)
    return _follow(path, file, want, stop, before=before)


def _follow(
    path: str, file: IO[bytes] | None, want: Callable[[Line], bool], stop: threading.Event, *, before: bool
) -> Iterator[Line]:
    for name in _older(path) if before else ():
        if file is None or not _is_at(file.fileno(), name):
            with suppress(FileNotFoundError), open(name, "rb") as older:
                yield from filter(want, _lines(older.readlines()))
    rest = b""
    while not stop.is_set():
        gone = file is None or not _is_at(file.fileno(), path)  # first: what is read after that is its end
        new = file.read() if file is not None else b""
        *lines, rest = (rest + new).split(b"\n")
        yield from filter(want, _lines(lines))
        if gone:
            if file is not None:
                file.close()
            file, rest = _opened(path), b""
        if not new:
            stop.wait(_LOOK)


def _older(path: str) -> list[str]:
    """The files that were turned over, oldest first."""
    return [f"{path}.{number}" for number in range(KEPT, 0, -1)]


def _lines(raw: Iterable[bytes]) -> Iterator[Line]:
    return filter(None, (_line(line.decode(errors="replace")) for line in raw))


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
