"""The launcher: stands outside the box, under the keeper, and holds what the box cannot hold for itself.

Run as a script: ``launcher.py MEMORY PROCESSES CONTROL HOSTS SIGNALS program argument…``

- MEMORY (bytes) and PROCESSES bound the whole box. As root they are a cgroup of its own (version 2, or the memory and
  pids controllers of version 1). Where no cgroup can be made, the memory of all processes of the box is added up four
  times a second, and the box is ended when it has more; a burst between two looks is not seen. 0 and 0: the container
  engine holds them.
- CONTROL is a directory that the box sees as ``/run/coffee-box``. HOSTS (comma separated) is what the proxy lets
  through the socket in there; ``-``: no network at all.
- SIGNALS ``pass``: the program is told to end by the signal that the launcher gets (the docker client hands it on).
  ``hold``: it is not, since the keeper signals what is in the box by itself, and bwrap would end it without any grace.

An argument ``{names}`` is replaced by ``--env NAME`` for every variable of the agent's. The fifo ``lifeline``
in CONTROL is held open: who reads it in a container learns from its end that the launcher is gone.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress

_LOOK = 0.25  # seconds between looks at the memory
_PATIENCE = 2.0  # seconds in which killed processes disappear
_CGROUPS = "/sys/fs/cgroup"
_DEATH_SIGNAL = 1  # prctl(2): PR_SET_PDEATHSIG
_FAILED = 125
# The client's own, or the host's: a container has its own.
_NOT_INSIDE = {"PATH", "HOME", "TMPDIR", "SHELL", "USER", "LOGNAME", "PWD", "OLDPWD", "SHLVL", "_", "TERM"}


def main(argv: list[str]) -> int:
    memory, processes, control, hosts, signals = int(argv[1]), int(argv[2]), argv[3], argv[4], argv[5]
    program = [part for one in argv[6:] for part in (_names() if one == "{names}" else [one])]
    groups = _cgroups(memory, processes) if memory else []
    lifeline = _hold_lifeline(control)
    proxy = _proxy(control, hosts.split(",")) if hosts != "-" else None
    child = _start(program, groups, lifeline, signals)
    if signals == "pass":
        signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    status = _wait(child, 0 if groups else memory)
    if proxy is not None:
        proxy.kill()
        proxy.wait()
    for group in groups:
        _remove(group)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _names() -> list[str]:
    given = [name for name in os.environ if name not in _NOT_INSIDE and not name.startswith(("XDG_", "DOCKER_"))]
    return [part for name in sorted(given) for part in ("--env", name)]


def _hold_lifeline(control: str) -> int:
    """Opened for reading too, so that opening does not wait for the other side."""
    path = os.path.join(control, "lifeline")
    with suppress(FileNotFoundError):
        os.unlink(path)
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def _proxy(control: str, hosts: list[str]) -> subprocess.Popen[bytes]:
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "proxy.py")
    proxy = subprocess.Popen(
        [sys.executable, "-I", "-S", script, control, *hosts],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={},
        preexec_fn=_die_with_parent,  # a single thread, so nothing can be held across the fork
    )
    if proxy.stdout is None or not proxy.stdout.readline():
        print("the box's way to the network could not be opened", file=sys.stderr)
        sys.exit(_FAILED)
    return proxy


def _die_with_parent() -> None:
    import ctypes

    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def _start(program: list[str], groups: list[str], lifeline: int, signals: str) -> int:
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        _die_with_parent()
        if os.getppid() != parent:
            os._exit(_FAILED)
        for group in groups:
            with open(os.path.join(group, "cgroup.procs"), "w") as file:
                file.write(str(os.getpid()))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if signals == "hold":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.close(lifeline)
        os.execvp(program[0], program)  # noqa: S606
    except OSError as error:
        os.write(2, f"{program[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(_FAILED)


def _wait(child: int, memory: int) -> int:
    """The child's wait status; it is killed when the box has more than `memory` (0: no matter)."""
    if not memory:
        return os.waitpid(child, 0)[1]
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        if _used(child) > memory:
            os.write(2, f"\n[the box had more than its {memory} bytes of memory and was ended]\n".encode())
            os.kill(child, signal.SIGKILL)  # bwrap's processes end with it
            return os.waitpid(child, 0)[1]
        time.sleep(_LOOK)


def _used(top: int) -> int:
    """Bytes of memory of their own that a process and its descendants have."""
    parents: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            parents.setdefault(int(file.read().rpartition(b")")[2].split()[1]), []).append(int(name))
    total, level = 0, [top]
    while level:
        for pid in level:
            with suppress(OSError), open(f"/proc/{pid}/statm", "rb") as file:
                _size, resident, shared = (int(number) for number in file.read().split()[:3])
                total += resident - shared
        level = [child for pid in level for child in parents.get(pid, [])]
    return total * resource.getpagesize()


# --- cgroups ---------------------------------------------------------------------------------------------------


def _cgroups(memory: int, processes: int) -> list[str]:
    """The directories of a cgroup with these limits, in every hierarchy that it takes; none where it cannot be had."""
    name = f"coffee-roadmap-{os.getpid()}"
    if os.path.exists(os.path.join(_CGROUPS, "cgroup.controllers")):
        wanted = {"": {"memory.max": memory, "memory.swap.max": 0, "pids.max": processes}}
    else:
        wanted = {"memory": {"memory.limit_in_bytes": memory}, "pids": {"pids.max": processes}}
    made: list[str] = []
    try:
        for hierarchy, limits in wanted.items():
            parent = os.path.join(_CGROUPS, hierarchy)
            _clear_away(parent)
            group = os.path.join(parent, name)
            os.mkdir(group)
            made.append(group)
            for file, value in limits.items():
                _limit(group, file, value)
    except OSError:
        for group in made:
            _remove(group)
        return []
    return made


def _limit(group: str, name: str, value: int) -> None:
    try:
        with open(os.path.join(group, name), "w") as file:
            file.write(str(value))
    except OSError:
        if name != "memory.swap.max":  # not there on a kernel without swap accounting
            raise


def _clear_away(parent: str) -> None:
    """Remove the empty groups of launchers that were killed; one that is in use cannot be removed. Also one of our own
    number, which is that of an earlier launcher: the numbers of processes begin again."""
    for name in os.listdir(parent):
        pid = name.removeprefix("coffee-roadmap-")
        if pid != name and pid.isdigit() and (int(pid) == os.getpid() or not os.path.exists(f"/proc/{pid}")):
            with suppress(OSError):
                os.rmdir(os.path.join(parent, name))


def _remove(group: str) -> None:
    """It can be removed when the last process in it is gone, which is a moment after its namespace's end."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            os.rmdir(group)
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > until:
                return
            time.sleep(0.005)
        else:
            return


if __name__ == "__main__":
    sys.exit(main(sys.argv))
