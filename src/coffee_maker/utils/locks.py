"""One advisory lock on a file, shared by processes and containers that see the same directory.

It is a plain ``flock``, the lock that `filelock.FileLock` takes on the same path, so scripts beside a project that use
that library and this program exclude each other (``tests/utils/test_locks.py`` shows it both ways). A waiter
asks for a moment, then stands in the kernel's queue: asking alone starved one of 20 processes for 3.7 s, queueing alone
cost nine tenths of the throughput of 200 (`benchmarks/messages.py`).
Lock files live in the data directory and are never removed: removing one gives two holders.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from coffee_maker.core.errors import LockBusy, LockUnusable

ASK_SECONDS = 0.2
"""How long a waiter asks before it goes into the kernel's queue, where nobody starves."""
_FIRST_PAUSE = 0.0003
_LONGEST_PAUSE = 0.01
_NOTE_BYTES = 512


@contextmanager
def hold(path: str, *, what: str, timeout: float, purpose: str = "") -> Iterator[None]:
    """Hold the lock on `path` for the block; raises `LockBusy` naming the holder when `timeout` seconds ran out."""
    fd = acquire(path, what=what, timeout=timeout, purpose=purpose)
    try:
        yield
    finally:
        release(fd)


def acquire(path: str, *, what: str, timeout: float, purpose: str = "") -> int:
    """Take the lock and return its descriptor, to be given to `release`."""
    started = time.monotonic()
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o660)
        _refuse_unless_plain(fd, path)
        left = timeout - (time.monotonic() - started)
        if not _try(fd) and not _ask_again(fd, min(left, ASK_SECONDS)) and not _queue(fd, left - ASK_SECONDS):
            raise LockBusy(what=what, waited=f"{timeout:g} s", **_read_note(path))
        if _still_at(fd, path):
            _write_note(fd, purpose)
            return fd
        os.close(fd)  # somebody replaced the lock file (a library that unlinks it): take the one that counts


def _refuse_unless_plain(fd: int, path: str) -> None:
    """A planted pipe or device is no lock (a symlink was refused when opening)."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise LockUnusable(path=path)


def release(fd: int) -> None:
    """Give the lock back."""
    os.close(fd)


def holder(path: str) -> str | None:
    """Who holds the lock now, or None when it is free; never waits."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        if _try(fd):
            return None
        return _read_note(path)["holder"]
    finally:
        os.close(fd)


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _ask_again(fd: int, seconds: float) -> bool:
    """Ask again and again for at most `seconds`, at growing distances spread by chance. Most waits end here: with 200
    processes in the kernel's queue each turn would wait until two threads of a busy machine are scheduled."""
    end = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while (left := end - time.monotonic()) > 0:
        chance = time.monotonic_ns() % 1009 / 1009  # `random` costs more than the whole wait
        time.sleep(min(left, pause * (0.5 + chance)))
        if _try(fd):
            return True
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    return False


def _queue(fd: int, seconds: float) -> bool:
    """Wait in the kernel's queue for at most `seconds`; takes over `fd` and closes it when that was not enough.

    ``flock`` has no time limit of its own and a signal would belong to the whole process, so a thread waits; when it
    is given up on and gets the lock after all, closing the descriptor lets the lock go at once.
    """
    if seconds <= 0:
        os.close(fd)
        return False
    import threading  # only a lock that is busy pays for it

    guard = threading.Lock()
    done = threading.Event()
    given_up = False
    got = False

    def wait() -> None:
        nonlocal got
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError:
            done.set()
            return
        with guard:
            if given_up:
                os.close(fd)
            else:
                got = True
        done.set()

    threading.Thread(target=wait, name="lock-wait", daemon=True).start()
    done.wait(max(seconds, 0.0))
    with guard:
        given_up = not got
    return got


def _still_at(fd: int, path: str) -> bool:
    mine = os.fstat(fd)
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _write_note(fd: int, purpose: str) -> None:
    """Leave a note of who holds the lock and since when, for the refusal of others; it decides nothing.

    It always has the same length and is written over: a file that is cut first is flushed to the disk by ext4 when it
    is closed, which made each turn at the lock 2.4 ms longer, ten times the transaction inside.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    note = f"{os.uname().nodename} process {os.getpid()}{' (' + purpose + ')' if purpose else ''}\n{now}\n"
    os.pwrite(fd, note.encode()[:_NOTE_BYTES].ljust(_NOTE_BYTES), 0)


def _read_note(path: str) -> dict[str, str]:
    unknown = {"holder": "another process", "since": "an unknown time"}
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return unknown
    try:
        lines = os.read(fd, _NOTE_BYTES).decode(errors="replace").splitlines()
    finally:
        os.close(fd)
    return {"holder": lines[0], "since": lines[1]} if len(lines) >= 2 else unknown
