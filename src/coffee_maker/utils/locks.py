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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache

from coffee_maker.core.errors import LockBusy, LockUnusable
from coffee_maker.core.lean import UTC, datetime

TURN_SECONDS = 0.003
"""How long who got the lock may take it again before those who wait in line: 200 of them still wait less than 1 s."""
ASK_SECONDS = 0.2
"""How long a waiter asks before it goes into the kernel's queue, where nobody starves."""
COURTESY_SECONDS = 1.0
"""How long a waiter at most leaves the first place to others: who holds it may be frozen, and the lock free."""
_FIRST_PAUSE = 0.0003
_LONGEST_PAUSE = 0.01
_LONGEST_PAUSE_OF_FIRST = 0.0005  # all others wait for the one who is first in line
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
        fd = _open(path)
        mine = os.fstat(fd)
        _refuse_unless_plain(fd, mine, path)
        if not (started < _turns.get(path, 0.0) and _try(fd)):
            left = timeout - (time.monotonic() - started)
            place = time.monotonic_ns()
            first = timeout <= 0 or (_stand(fd, _ASK, place, 1) and _stand(fd, _ASK, 0, place))
            if not (first and _try(fd)) and not _wait(fd, left, 0 if first else place):
                raise LockBusy(what=what, waited=f"{timeout:g} s", **_read_note(path))
            _turns[path] = time.monotonic() + TURN_SECONDS
            _stand(fd, _ASK, 0, 0, _LEAVE)
        if _is_at(mine, path):
            _write_note(fd, purpose)
            return fd
        os.close(fd)  # somebody replaced the lock file (a library that unlinks it): take the one that counts


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o660)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):  # a planted symlink, directory or socket
            raise LockUnusable(path=path) from error
        raise


def _refuse_unless_plain(fd: int, mine: os.stat_result, path: str) -> None:
    """A planted pipe or device is no lock (a symlink or directory was refused when opening)."""
    if not stat.S_ISREG(mine.st_mode):
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


def _stand(fd: int, how: int | None, start: int, length: int, kind: bytes = _TAKE) -> bool:
    """Lock `length` bytes of the line from `start` on; False: others have some of them. Without a line it is done."""
    if how is None:
        return True
    try:
        fcntl.fcntl(fd, how, b"".join([kind, *(n.to_bytes(8, sys.byteorder) for n in (start, length, 0))]))
    except OSError as error:  # a file system may have `flock` and not this
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    return True


def _wait(fd: int, seconds: float, place: int) -> bool:
    """Wait for at most `seconds`; closes `fd` when that was not enough.

    First comes the line, for all who stand before `place` (0: nobody does), then asking for a moment, and then the
    kernel's own queue, where nobody starves. These have no time limit: the main thread sets an alarm, if the program
    does not use it otherwise. Any other thread asks longer and then lets a second thread queue for it, which on a busy
    machine costs several times as much.
    """
    if seconds <= 0:
        os.close(fd)
        return False
    try:
        return _queue_with_alarm(fd, seconds, place)
    except _NoAlarm:
        _stand(fd, _ASK, 0, 0, _LEAVE)  # who asks from time to time must not keep those back who are woken
        return _ask_again(fd, min(seconds, ASK_SECONDS)) or _queue_in_thread(fd, seconds - ASK_SECONDS)


class _NoAlarm(Exception):
    """The alarm is somebody else's, or this is not the main thread."""


class _TimeUp(Exception):
    """The alarm rang."""


def _queue_with_alarm(fd: int, seconds: float, place: int) -> bool:
    import signal  # only a lock that is busy pays for it

    end, waiting = time.monotonic() + seconds, False

    def ring(*_: object) -> None:
        if waiting:
            raise _TimeUp

    if signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL or any(signal.getitimer(signal.ITIMER_REAL)):
        raise _NoAlarm
    try:
        signal.signal(signal.SIGALRM, ring)
    except ValueError:  # not the main thread
        raise _NoAlarm from None
    got = False
    try:
        if place:
            waiting = True
            with suppress(_TimeUp):
                signal.setitimer(signal.ITIMER_REAL, min(seconds / 2, COURTESY_SECONDS), _AGAIN_SECONDS)
                _stand(fd, _QUEUE, 0, place)
                waiting = False
        waiting = False
        got = _ask_again(fd, min(end - time.monotonic(), ASK_SECONDS / 4), _LONGEST_PAUSE_OF_FIRST)
        if not got:
            signal.setitimer(signal.ITIMER_REAL, max(end - time.monotonic(), 0.001), _AGAIN_SECONDS)
            waiting = True
            fcntl.flock(fd, fcntl.LOCK_EX)
            waiting, got = False, True
    except _TimeUp:
        pass
    finally:
        waiting = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        if not got:  # the alarm, Ctrl-C: whatever was got meanwhile is let go
            os.close(fd)
    return got


def _ask_again(fd: int, seconds: float, longest_pause: float = _LONGEST_PAUSE) -> bool:
    """Ask again and again for at most `seconds`, at growing distances spread by chance."""
    end = time.monotonic() + seconds
    pause = _FIRST_PAUSE
    while (left := end - time.monotonic()) > 0:
        chance = time.monotonic_ns() % 1009 / 1009  # `random` costs more than the whole wait
        time.sleep(min(left, pause * (0.5 + chance)))
        if _try(fd):
            return True
        pause = min(pause * 1.5, longest_pause)
    return False


def _queue_in_thread(fd: int, seconds: float) -> bool:
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
    if os.pread(fd, _NOTE_BYTES, 0) != note:
        os.pwrite(fd, note, 0)


@lru_cache(maxsize=4)
def _note(pid: int, purpose: str, second: int) -> bytes:
    now = datetime.fromtimestamp(second, UTC).isoformat(timespec="seconds")
    note = f"{os.uname().nodename} process {pid}{' (' + purpose + ')' if purpose else ''}\n{now}\n"
    return note.encode()[:_NOTE_BYTES].ljust(_NOTE_BYTES)


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
    return {"holder": lines[0], "since": lines[1].replace("T", " ").replace("+00:00", " UTC")}
