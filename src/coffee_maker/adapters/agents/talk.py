"""Talking with a program while it runs: its standard input stays open, and it is answered from any thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class Talk:
    """What is said to one running program. Use it as a context manager around the run."""

    def __init__(self, farewell: Callable[[], bytes] | None = None) -> None:
        self.farewell = farewell  # what is said when it is to end, a moment before it is ended
        self.woken, self._wake = os.pipe()
        for fd in (self.woken, self._wake):
            os.set_blocking(fd, False)
        self._lock = threading.Lock()
        self._said = bytearray()
        self._open = True
        self._waits: set[object] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What is said from now on, by a thread that was slow, is dropped."""
        with self._lock:
            self._open = False
            os.close(self.woken)
            os.close(self._wake)

    def say(self, line: bytes) -> None:
        """Write a line to it, now or when it reads again."""
        with self._lock:
            if self._open:
                self._said += line.rstrip(b"\n") + b"\n"
                with suppress(BlockingIOError):  # full: it is awake already
                    os.write(self._wake, b".")

    def take(self) -> bytes:
        """What was said since the last call; for `process.run`."""
        with suppress(BlockingIOError):
            os.read(self.woken, 65536)
        with self._lock:
            said = bytes(self._said)
            self._said.clear()
        return said

    def begin(self, request: object) -> None:
        """The program waits for us from now on: it is not stalled, and its time stands still."""
        with self._lock:
            self._waits.add(request)

    def end(self, request: object) -> None:
        """It has its answer, or wants none any more."""
        with self._lock:
            self._waits.discard(request)

    @property
    def waits(self) -> bool:
        """Whether the program waits for us."""
        return bool(self._waits)
