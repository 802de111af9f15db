"""The keeper: a small process between the daemon and an agent that leaves nothing of the agent behind.

Run as a script, by nothing but the standard library: ``keeper.py LIFELINE REPORT GRACE WATCHDOG program argument…``.
It starts the program in a session of its own, waits until the program ends or the lifeline (a pipe from the daemon)
closes, then ends everything that descends from the program, and goes. The pipe REPORT gets the program's process id
when it has started, and its exit code and the number of processes that it left behind at the end.

WATCHDOG (seconds, 0: none) is for a daemon that lives and does nothing: frozen by SIGSTOP, in a paused container, on a
machine that slept. When nothing came through the lifeline for so long, the program is killed, before the daemon's lease
on the item can have run out: whoever takes the item up next finds no agent at work on it.

On Linux it is a *subreaper*: a descendant that detached itself (``setsid``, double fork, ``nohup``) becomes the
keeper's child when its parent dies, so it is found and ended. When the daemon is killed, the kernel closes the
lifeline and the same happens. Two things it cannot help: a program that kills the keeper itself (the program and its
group die with it, helpers that it had detached do not), and, where there is no subreaper (not Linux), descendants
that left the program's process group. Whoever runs untrusted agents puts them into a container.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

_SUBREAPER, _DEATH_SIGNAL = 36, 1  # prctl(2): PR_SET_CHILD_SUBREAPER, PR_SET_PDEATHSIG
_CANNOT_START = 127
_PATIENCE = 5.0  # seconds that killed processes get to disappear (one in disk sleep cannot)
_KILL_ROUND = 0.05
_CLOSED, _SILENT = "closed", "silent"


def main(argv: list[str]) -> int:
    lifeline, report, grace, watchdog = int(argv[1]), int(argv[2]), float(argv[3]), float(argv[4])
    for name in os.listdir("/dev/fd") if os.path.isdir("/dev/fd") else ():
        with suppress(OSError):  # what it inherited is for it alone
            os.set_inheritable(int(name), int(name) <= 2)
    for fd in (lifeline, report):
        os.set_inheritable(fd, False)
    woken, wake = os.pipe()
    for fd in (woken, wake, lifeline):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    prctl = _prctl()
    prctl(_SUBREAPER, 1)
    agent = _start(argv[5:], prctl)
    os.write(report, f"{agent}\n".encode())
    _let_go_of_standard_streams()
    end = _watch(agent, lifeline, woken, watchdog)
    status = end if isinstance(end, int) else None
    left, own = _end_all(agent, {_CLOSED: grace, _SILENT: 0.0}[end] if isinstance(end, str) else min(grace, 1.0))
    status = own if status is None else status
    code = os.waitstatus_to_exitcode(status) if status is not None else -signal.SIGKILL
    os.write(report, f"{code} {left}\n".encode())
    return 0


def _prctl() -> Callable[[int, int], int]:
    """prctl(2), or nothing where there is none."""
    if not sys.platform.startswith("linux"):
        return lambda *_: -1
    import ctypes

    library = ctypes.CDLL(None)
    return lambda option, value: int(library.prctl(option, value, 0, 0, 0))


def _start(argv: list[str], prctl: Callable[[int, int], int]) -> int:
    """Start the program; its process id, which is also the id of its process group."""
    keeper = os.getpid()
    agent = os.fork()
    if agent:
        return agent
    try:
        os.setsid()
        prctl(_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != keeper:  # it died before that took hold
            os._exit(_CANNOT_START)
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(one, signal.SIG_DFL)
        os.execvp(argv[0], argv)  # noqa: S606
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(_CANNOT_START)


def _let_go_of_standard_streams() -> None:
    """The streams are the program's: the daemon sees them close when the program and its helpers have closed them."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)


def _watch(agent: int, lifeline: int, woken: int, watchdog: float) -> int | str:
    """Wait for the program; its wait status, or why it is to be ended before its own end."""
    heard = _now()
    while True:
        ready, _, _ = select.select([lifeline, woken], [], [], watchdog / 4 if watchdog else None)
        if woken in ready:
            with suppress(BlockingIOError):
                os.read(woken, 4096)
            ended, _ = _reap()
            if agent in ended:
                return ended[agent]
        if lifeline in ready:
            if not os.read(lifeline, 4096):
                return _CLOSED
            heard = _now()
        if watchdog and _now() - heard > watchdog:
            return _SILENT


def _now() -> float:
    """Seconds that go on while the machine sleeps, where there is such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _reap() -> tuple[dict[int, int], bool]:
    """Collect the children that have ended; whether there are others."""
    ended: dict[int, int] = {}
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return ended, True
            ended[pid] = status
    return ended, False


def _end_all(agent: int, grace: float) -> tuple[int, int | None]:
    """Ask everything that is left to end, then kill it; how many processes were left, and the program's wait status
    if it was among them.

    A reading of /proc can miss a process that is being born or whose parent is dying. The kernel cannot: a subreaper
    has children for as long as it has descendants, so nothing is over before it has none."""
    remaining = _descendants(agent)
    left = len(remaining)
    own: int | None = None
    for pid in remaining:
        _signal(pid, signal.SIGTERM)
        _signal(pid, signal.SIGCONT)  # a stopped process does not hear the first
    start = time.monotonic()
    while True:
        ended, others = _reap()
        own = ended.get(agent, own)
        remaining = _descendants(agent)
        if not (others or remaining) or time.monotonic() >= start + grace + _PATIENCE:
            return left, own
        if time.monotonic() >= start + grace:
            _kill(remaining, agent)
        time.sleep(_KILL_ROUND if time.monotonic() > start + 0.1 else 0.005)


def _kill(pids: list[int], group: int) -> None:
    """Kill; the program's own group in one step, so that it cannot outrun us by starting more."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            if pid > 0 and os.getpgid(pid) == group:
                os.killpg(group, signal.SIGKILL)
                break
    for pid in pids:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _descendants(agent: int) -> list[int]:
    """Every living process below this one, by /proc; without it the program's group (a negative id), if it lives."""
    try:
        entries = os.listdir("/proc")
    except OSError:
        entries = []
    if str(os.getpid()) not in entries:
        return _group(agent)
    parents, dead = {}, set()
    for name in filter(str.isdigit, entries):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            facts = file.read().rpartition(b")")[2].split()
            parents[int(name)] = int(facts[1])
            # What was read before it died names it as its parent still. One whose first thread alone has ended is shown
            # as dead, too, and is at work in its others.
            if facts[0] in (b"Z", b"X") and int(facts[17]) < 2:
                dead.add(int(name))
    found: list[int] = []
    level = {os.getpid()}
    while level := {pid for pid, parent in parents.items() if parent in level}:
        found += sorted(level - dead)
    return found


def _group(agent: int) -> list[int]:
    try:
        os.killpg(agent, 0)
    except (ProcessLookupError, PermissionError):
        return []
    return [-agent]


if __name__ == "__main__":
    sys.exit(main(sys.argv))
