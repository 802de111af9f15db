"""One advisory lock on a file, shared by processes and containers that see the same directory.

It is a plain ``flock``, the lock that `filelock.FileLock` takes on the same path, so scripts beside a project that use
that library and this program exclude each other (``tests/utils/test_locks.py`` shows it both ways).

A free ``flock`` goes to whoever asks first: mostly a newcomer, or the one who has just let it go, and not the one who
is being woken. So a waiter stands in line before it asks: it locks one byte of the file, whose offset is the moment of
its coming, and waits for all bytes before. The line only orders those who wait; who holds the ``flock`` has the lock.

Giving a lock from one process to the next costs more than a small transaction. So whoever got it may take it again
before all others for the next moments, its turn, and the first in line asks from time to time instead of being woken by
each release: 10 processes do twice as many transactions as when each takes one and goes to the end of the line.

Lock files live in the data directory and are never removed: removing one gives two holders.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache

from coffee_maker.core.errors import LockBusy, LockUnusable
from coffee_maker.core.lean import UTC, datetime

TURN_SECONDS = 0.003
"""How long who got the lock may take it again before those who wait in line: 200 of them still wait about 1 s."""
ASK_SECONDS = 0.05
"""How long the first in line asks before it goes into the kernel's queue, where nobody starves."""
COURTESY_SECONDS = 1.0
"""How long a waiter at most leaves the first place to others: who holds it may be frozen, and the lock free."""
_STUCK_SECONDS = 10.0  # so long a line that did not move, before a lock that was free, is not waited in again
_FIRST_PAUSE = 0.0003
_LONGEST_PAUSE = 0.0005  # all others wait for the one who is first in line
_LONGEST_PAUSE_IN_LINE = 0.002
_NOTE_BYTES = 512
_AGAIN_SECONDS = 0.5  # an alarm that rings right before a wait begins would go unheard, so it rings again

# The bytes' locks end with the descriptor as the ``flock`` does: those of Linux (fcntl(2), "open file description
# locks"; the layout of `struct flock` is that of 64 bits). Elsewhere there is no line.
_LINUX = sys.platform == "linux" and sys.maxsize > 2**32
_ASK: int | None = getattr(fcntl, "F_OFD_SETLK", None) if _LINUX else None
_QUEUE: int | None = getattr(fcntl, "F_OFD_SETLKW", None) if _LINUX else None
_TAKE, _LEAVE = (kind.to_bytes(2, sys.byteorder) + bytes(6) for kind in (fcntl.F_WRLCK, fcntl.F_UNLCK))  # it begins so

_turns: dict[str, float] = {}
"""When this process's turn at each lock ends (`time.monotonic`)."""
_stuck: dict[str, float] = {}
"""Until when this process does not wait in each lock's line, because the first place in it does not take its turn."""
_open_here: set[int] = set()
"""Descriptors of lock files, which a forked child must not keep: its parent's locks would last as long as the child."""


class Held:
    """A lock file that is open, and locked once `acquire` has given it out. Whatever becomes of it, also an interrupt
    right behind `acquire`, the lock is given back with it."""

    __slots__ = ("fd", "pid")

    def __init__(self, fd: int) -> None:
        self.pid = os.getpid()
        self.fd = fd
        _open_here.add(fd)

    def close(self) -> None:
        """Give the lock back, or stop waiting for it; again, or in a forked child, it does nothing."""
        fd, self.fd = getattr(self, "fd", -1), -1  # none: it was interrupted while it was made
        if fd >= 0 and self.pid == os.getpid():
            _open_here.discard(fd)
            os.close(fd)

    __del__ = close


def _forget_parents_locks() -> None:
    for fd in _open_here:
        with suppress(OSError):
            os.close(fd)
    _open_here.clear()


os.register_at_fork(after_in_child=_forget_parents_locks)


@contextmanager
def hold(path: str, *, what: str, timeout: float, purpose: str = "") -> Iterator[None]:
    """Hold the lock on `path` for the block; raises `LockBusy` naming the holder when `timeout` seconds ran out."""
    held = acquire(path, what=what, timeout=timeout, purpose=purpose)
    try:
        yield
    finally:
        release(held)


def acquire(path: str, *, what: str, timeout: float, purpose: str = "") -> Held:
    """Take the lock; it is to be given to `release`. Raises `LockBusy`, `LockUnusable`, or `OSError` when the file
    cannot be opened."""
    started = time.monotonic()
    while True:
        held = Held(_open(path))
        try:
            mine = os.fstat(held.fd)
            if not stat.S_ISREG(mine.st_mode):  # a planted pipe or device; links and directories cannot be opened
                raise LockUnusable(path=path)
            if not (started < _turns.get(path, 0.0) and _try(held.fd)):
                if not _stand_and_wait(held.fd, path, started, timeout):
                    raise LockBusy(what=what, waited=f"{timeout:g} s", **_read_note(path))
                _turns[path] = time.monotonic() + TURN_SECONDS
                _stand(held.fd, _ASK, 0, 0, _LEAVE)
            if _is_at(mine, path):
                _write_note(held.fd, purpose)
                return held
        except BaseException:
            held.close()
            raise
        held.close()  # somebody replaced the lock file (a library that unlinks it): take the one that counts


def release(held: Held) -> None:
    """Give the lock back."""
    held.close()


def holder(path: str) -> str | None:
    """Who holds the lock now, or None when it is free; never waits."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look at once do not see each other
    except BlockingIOError:
        return _read_note(path)["holder"]
    finally:
        os.close(fd)
    return None


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o660)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):  # a planted symlink, directory or socket
            raise LockUnusable(path=path) from error
        raise


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock(fd: int) -> bool:
    fcntl.flock(fd, fcntl.LOCK_EX)
    return True


def _stand(fd: int, how: int | None, start: int, length: int, kind: bytes = _TAKE) -> bool:
    """Lock `length` bytes of the line from `start` on; False: others have some of them. Without a line it is done."""
    if how is None:
        return True
    try:
        fcntl.fcntl(fd, how, b"".join([kind, *(n.to_bytes(8, sys.byteorder) for n in (start, length, 0))]))
    except OSError as error:  # a file system may have `flock` and not this
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True


def _stand_and_wait(fd: int, path: str, started: float, timeout: float) -> bool:
    """Take the lock from the place in line that comes with this moment; False when the time ran out."""
    end = started + timeout
    place = time.monotonic_ns()
    first = timeout <= 0 or (_stand(fd, _ASK, place, 1) and (started < _stuck.get(path, 0.0) or _is_first(fd, place)))
    if first and _try(fd):
        return True
    if time.monotonic() >= end:
        return False
    if not first:
        patience = time.monotonic() + min(timeout / 2, COURTESY_SECONDS)
        if not (_wait_in_line(fd, place, patience) or _is_first(fd, place)) and _try(fd):
            _stuck[path] = time.monotonic() + _STUCK_SECONDS  # the lock was free, and who is first did not take it
            return True
    return _ask_again(fd, min(end, time.monotonic() + ASK_SECONDS)) or _queue(fd, end)


def _is_first(fd: int, place: int) -> bool:
    return _stand(fd, _ASK, 0, place)


def _wait_in_line(fd: int, place: int, end: float) -> bool:
    """Wait until nobody stands before `place`. Where the wait in the kernel cannot be ended, ask from time to time."""
    try:
        return _until_alarm(end, lambda: _stand(fd, _QUEUE, 0, place))
    except _TimeUp:
        return False
    except _NoAlarm:
        return _again_and_again(lambda: _is_first(fd, place), end, _LONGEST_PAUSE_IN_LINE)


def _ask_again(fd: int, end: float) -> bool:
    return _again_and_again(lambda: _try(fd), end, _LONGEST_PAUSE)


def _queue(fd: int, end: float) -> bool:
    """Wait for the lock in the kernel's own queue."""
    try:
        return _until_alarm(end, lambda: _lock(fd))
    except _TimeUp:
        return False
    except _NoAlarm:
        return _again_and_again(lambda: _try(fd), end, _LONGEST_PAUSE_IN_LINE)


def _again_and_again(test: Callable[[], bool], end: float, longest_pause: float) -> bool:
    """Whether it holds before `end`, asked at growing distances spread by chance."""
    pause = _FIRST_PAUSE
    while (left := end - time.monotonic()) > 0:
        chance = time.monotonic_ns() % 1009 / 1009  # `random` costs more than the whole wait
        time.sleep(min(left, pause * (0.5 + chance)))
        if test():
            return True
        pause = min(pause * 1.5, longest_pause)
    return False


class _NoAlarm(Exception):
    """The alarm is somebody else's, nobody would hear it, or this is not the main thread."""


class _TimeUp(Exception):
    """The alarm rang."""


def _until_alarm(end: float, wait: Callable[[], bool]) -> bool:
    """What `wait` gives, which has no time limit of its own; raises `_TimeUp` when it would last longer than to `end`.

    Only the main thread can set an alarm, and only if the program does not use it otherwise; else raises `_NoAlarm`.
    """
    import signal  # only a lock that is busy pays for it

    waiting = False

    def ring(*_: object) -> None:
        if waiting:
            raise _TimeUp

    if (
        signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL
        or any(signal.getitimer(signal.ITIMER_REAL))
        or signal.SIGALRM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    ):
        raise _NoAlarm
    try:
        try:
            signal.signal(signal.SIGALRM, ring)
        except ValueError:  # not the main thread
            raise _NoAlarm from None
        waiting = True
        signal.setitimer(signal.ITIMER_REAL, max(end - time.monotonic(), 0.001), _AGAIN_SECONDS)
        done = wait()
        waiting = False
        return done
    finally:
        waiting = False
        if signal.getsignal(signal.SIGALRM) is ring:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)


def _is_at(mine: os.stat_result, path: str) -> bool:
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _write_note(fd: int, purpose: str) -> None:
    """Leave a note of who holds the lock and since when, for the refusal of others; it decides nothing.

    It always has the same length and is written over: a file that is cut first is flushed to the disk by ext4 when it
    is closed, which made each turn at the lock 2.4 ms longer, ten times the transaction inside. A note that stands
    there already is left alone, since a changed file makes the next flush of any other longer too.
    """
    note = _note(os.getpid(), purpose, int(time.time()))
    with suppress(OSError):  # a full disk
        if os.pread(fd, _NOTE_BYTES, 0) != note:
            os.pwrite(fd, note, 0)


@lru_cache(maxsize=4)
def _note(pid: int, purpose: str, second: int) -> bytes:
    now = datetime.fromtimestamp(second, UTC).isoformat(timespec="seconds")
    note = f"{_process(pid)}{' (' + purpose + ')' if purpose else ''}\n{now}\n"
    return note.encode(errors="replace")[:_NOTE_BYTES].ljust(_NOTE_BYTES)


def _process(pid: int) -> str:
    return f"{os.uname().nodename} process {pid}"


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
    if len(lines) < 2:
        return unknown
    if _is_over(lines[0]):  # who holds it now leaves no note: `flock`, `filelock`
        return {**unknown, "holder": f"another process (not {lines[0]}, which is over)"}
    return {"holder": lines[0], "since": lines[1].replace("T", " ").replace("+00:00", " UTC")}


def _is_over(noted: str) -> bool:
    """Whether the process that a note names was one of this machine and has ended."""
    words = noted.split(" ")
    pid = words[2] if len(words) > 2 else ""
    if not pid.isdecimal() or " ".join(words[:3]) != _process(int(pid)):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass
    return False
