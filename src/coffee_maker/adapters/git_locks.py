"""Locks of git's that were left behind by a git that died: cut power, a killed container, an agent ended in a commit.

They are cleared only where nobody but us and an agent that has ended may work: on an agent's work tree and its branch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress

from coffee_maker.adapters.git_program import SLOW

_STALE_AFTER = 2.0  # seconds in which no process has it open; git closes a lock file milliseconds before it renames it
_LOOK = 0.1


def clear(paths: Iterable[str]) -> None:
    """Wait for each lock to go, as one does that a living git holds (a dead daemon's may go on for a while); remove
    one that nobody has open. One that cannot be removed is git's to complain about."""
    for path in paths:
        if os.path.lexists(path):
            _clear(path)


def _clear(path: str) -> None:
    end, stale_at = time.monotonic() + SLOW, time.monotonic() + _STALE_AFTER
    first = seen = _identity(path)
    while seen is not None and time.monotonic() < end:
        if seen != first or path in _open_files():
            first, stale_at = seen, time.monotonic() + _STALE_AFTER
        elif time.monotonic() >= stale_at:
            with suppress(OSError):
                os.unlink(path)
            return
        time.sleep(_LOOK)
        seen = _identity(path)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _open_files() -> Iterator[str]:
    """What the processes that we may look at have open (on Linux; elsewhere nothing is known)."""
    for process in _names("/proc"):
        if process.isdecimal():
            for fd in _names(f"/proc/{process}/fd"):
                with suppress(OSError):
                    yield os.readlink(f"/proc/{process}/fd/{fd}")


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
