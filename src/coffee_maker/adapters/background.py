"""A daemon in the background: a process of its own session, one per project, known by the lock that it holds."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from coffee_maker.core.errors import DaemonFailed, DaemonRunning, LockBusy
from coffee_maker.utils import locks

_PATIENCE = 30.0  # seconds until it must have given its first sign of life
_LOOK = 0.05
_TAIL = 2000  # bytes of what it said at its end
_PREFIX = "coffee-roadmap: "
_WHAT = "the background daemon"


class Started(NamedTuple):
    """One that was started."""

    pid: int
    log: str
    errors: str  # file that takes what it prints
    process: subprocess.Popen[bytes]


@contextmanager
def lock(path: str) -> Iterator[None]:
    """Hold the lock for the block. It goes with the process, however that ends: no file says that it is there."""
    try:
        held = locks.acquire(path, what=_WHAT, timeout=0.0, purpose="daemon")
    except LockBusy as busy:
        raise DaemonRunning(holder=busy.values["holder"], since=busy.values["since"]) from None
    try:
        yield
    finally:
        locks.release(held)


def refuse_second(path: str) -> None:
    with lock(path):
        pass


def start(words: Sequence[str], directory: str, log: str) -> Started:
    """Start this very program with the words, away from this terminal."""
    errors = f"{log}.err"
    os.makedirs(os.path.dirname(log), mode=0o700, exist_ok=True)
    with open(errors, "wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "coffee_maker", *words],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    return Started(process.pid, log, errors, process)


def wait(started: Started, alive: Callable[[], bool]) -> None:
    """Until it gives a sign of life; raises `DaemonFailed` with its own words when it ends instead. One that is silent
    for too long is ended: what was told as failed must not be at work later."""
    until = time.monotonic() + _PATIENCE
    while not alive():
        if started.process.poll() is not None or time.monotonic() > until:
            with open(started.errors, "rb") as file:
                said = file.read()[-_TAIL:].decode(errors="replace").strip()
            code = started.process.poll()
            if code is None:
                started.process.terminate()
            said = said.removeprefix(_PREFIX)  # its own refusal is told in ours, which begins so, too
            problem = said or ("it gives no sign of life" if code is None else f"exit code {code}")
            raise DaemonFailed(problem=problem, log=started.log)
        time.sleep(_LOOK)
