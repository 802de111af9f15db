"""The `Sandbox` on bubblewrap: Linux namespaces, no container engine, no image. Works as root and as any user.

In the box: the machine's programs and libraries and the parts of /etc that programs need, read only; the run's work
tree, a home and a /tmp of its own, writable. Nothing else of the machine is there: no home directories, no data
directory, no repository of the person's, no sockets of services, no process of the host. All namespaces are its own;
it has no capability, and none are to be had by further user namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from coffee_maker.adapters.sandbox import box
from coffee_maker.core.records import Task
from coffee_maker.utils.boxes import AGENT_GIT_IN_BOX, boxed_git

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/gnu/store")
# Nothing from /etc that is for root alone or leads to a service.
_ETC = (
    "alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies", "debian_version",
    "fonts", "gai.conf", "group", "host.conf", "hostname", "inputrc", "java", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "locale.alias", "locale.conf", "localtime", "magic", "mime.types", "nsswitch.conf", "os-release",
    "passwd", "pki", "profile", "profile.d", "protocols", "python3", "services", "shells", "ssl/certs",
    "ssl/openssl.cnf", "terminfo", "timezone",
)  # fmt: skip
_HOSTS = "127.0.0.1 localhost box\n::1 localhost box\n"
_UNSET = ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_SESSION_ID")
_INSTALL = "install it (Debian, Ubuntu: apt-get install bubblewrap; Fedora: dnf install bubblewrap)"
_TRYING = 10.0  # seconds


class BwrapSandbox:
    """See the port and the module."""

    name = "bwrap"
    own_programs = False

    def __init__(self, bounds: box.Bounds, *, program: str = "bwrap") -> None:
        self._bounds = bounds
        self._program = program

    def check(self) -> str | None:
        """See the port. The kernel may forbid user namespaces, so a box is made for trial."""
        if shutil.which(self._program) is None:
            return f"the program {self._program} was not found: {_INSTALL}"
        if problem := box.bad_hosts(self._bounds.network):
            return problem
        trial = [self._program, *self._namespaces, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
        try:
            done = subprocess.run(trial, capture_output=True, timeout=_TRYING, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{self._program} could not be tried: {error}"
        if done.returncode == 0:
            return None
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        return (
            f"{self._program} can make no box here ({said[0]}): user namespaces are probably off. Look at `sysctl "
            "user.max_user_namespaces kernel.unprivileged_userns_clone kernel.apparmor_restrict_unprivileged_userns`"
        )

    def wrap(self, argv: Sequence[str], task: Task) -> Sequence[str]:
        """See the port."""
        place, bounds = box.prepare(task, self._bounds), self._bounds
        with open(os.path.join(place.control, "hosts"), "w", encoding="ascii") as file:
            file.write(_HOSTS)
        python = os.path.realpath(sys.executable)
        inner = [python, "-I", "-S", f"{box.CONTROL_IN_BOX}/inner.py", str(bounds.processes), box.CONTROL_IN_BOX]
        return [
            *box.LAUNCHER,
            *(str(bounds.memory), str(bounds.processes), place.control, box.hosts(bounds), "hold"),
            self._program,
            *self._namespaces,
            *("--hostname", "box"),
            *_system(),
            *("--proc", "/proc", "--dev", "/dev"),
            *("--bind", place.tmp, "/tmp", "--bind", place.home, box.HOME_IN_BOX),  # noqa: S108 - the box's own
            *("--ro-bind", place.control, box.CONTROL_IN_BOX),
            *("--ro-bind", os.path.join(place.control, "hosts"), "/etc/hosts"),
            *self._readable(argv[0], place),
            *("--bind", place.tree, place.tree),
            *_git_of(place.tree),
            # As root it is root's user in there, though without a capability; to /proc/sys that is enough to write.
            *("--remount-ro", "/", "--remount-ro", "/proc", "--chdir", task.directory),
            *("--setenv", "HOME", box.HOME_IN_BOX, "--setenv", "TMPDIR", "/tmp"),  # noqa: S108 - the box's own
            *(part for name in _UNSET for part in ("--unsetenv", name)),
            "--",
            *inner,
            box.own_ports(bounds),
            *argv,
        ]

    def clear(self, task: Task) -> None:
        """See the port: the processes are the keeper's to end, and end with bwrap."""
        box.clear(task, self._bounds)

    @cached_property
    def _namespaces(self) -> list[str]:
        """Version 0.8 (2023) can forbid further user namespaces, and their attack surface with them."""
        told = subprocess.run([self._program, "--help"], capture_output=True, timeout=_TRYING, check=False)
        no_more = ["--disable-userns"] if b"--disable-userns" in told.stdout + told.stderr else []
        return ["--die-with-parent", "--unshare-all", "--unshare-user", *no_more, "--cap-drop", "ALL"]

    def _readable(self, program: str, place: box.Place) -> list[str]:
        found = shutil.which(program)
        ours = [sys.base_prefix, *([found] if found else []), *self._bounds.readable]
        return _read_only([*_outside(ours), *place.files])


def _system() -> Iterator[str]:
    for path in _SYSTEM:
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        elif os.path.isdir(path):
            yield from ("--ro-bind", path, path)
    for name in _ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def _read_only(paths: Iterable[str]) -> list[str]:
    """Each path, and what it leads to when it is a link."""
    every = [path for one in paths for path in dict.fromkeys((one, os.path.realpath(one)))]
    return [part for path in every for part in ("--ro-bind", os.path.realpath(path), path)]


def _outside(paths: Sequence[str]) -> list[str]:
    """The paths that exist and are not in the box anyway."""
    system = tuple(f"{path}/" for path in _SYSTEM)
    there = [path for path in paths if os.path.exists(path)]
    return [path for path in there if not all(f"{one}/".startswith(system) for one in (path, os.path.realpath(path)))]


def _git_of(tree: str) -> list[str]:
    """The agent's own git directory, in place of what stands for the tree's on the host."""
    git = boxed_git(tree)
    if not os.path.isdir(git.agent):
        return []
    return ["--bind", git.agent, AGENT_GIT_IN_BOX, "--ro-bind", git.link, os.path.join(tree, ".git")]
