"""The git program, run by argument list with an environment of our own.

Nothing of the caller's repository variables (``GIT_DIR``, ``GIT_INDEX_FILE``, … as a hook has them) reaches it, it
never asks anything (no prompt, no editor, no pager, no signing dialogue), runs no hook and no file system monitor,
speaks plain English and has bounded time. Measured: 2.5 to 4 ms a call.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from coffee_maker.core.errors import GitFailed, GitMissing

if TYPE_CHECKING:
    import subprocess

QUICK = 30.0  # seconds; plumbing takes milliseconds, so this is a bound and no expectation
SLOW = 600.0  # checking out or staging a large work tree
STUCK = 30.0  # a git that sleeps for so long, without a program of its own to wait for, waits for ever
_GLANCE = 1.0

# What a person may set on purpose and git should see; every other GIT_ variable belongs to the caller's own repository.
_KEPT = frozenset(
    {
        "GIT_AUTHOR_NAME",
        "GIT_AUTHOR_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_COMMITTER_EMAIL",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_EXEC_PATH",
        "GIT_CEILING_DIRECTORIES",
    }
)
_ALWAYS = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_REPLACE_OBJECTS": "1",  # an agent could show us other objects than there are
    "GIT_OPTIONAL_LOCKS": "0",  # reading never takes the person's index lock
    "GIT_EDITOR": "true",
    "GIT_PAGER": "cat",
    "GIT_ASKPASS": "true",
    "SSH_ASKPASS": "true",
    "LC_ALL": "C",
}
_QUIET = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "commit.gpgSign=false",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "core.quotePath=false",
)
# Never fail for want of a name: a commit by nobody in particular is better than a version that is not kept.
FALLBACK_IDENTITY = {
    "GIT_AUTHOR_NAME": "coffee-roadmap",
    "GIT_AUTHOR_EMAIL": "coffee-roadmap@localhost",
    "GIT_COMMITTER_NAME": "coffee-roadmap",
    "GIT_COMMITTER_EMAIL": "coffee-roadmap@localhost",
}


class Done(NamedTuple):
    """A git call that ended."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return os.fsdecode(self.out).rstrip("\n")


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment that git gets."""
    kept = {name: value for name, value in environ.items() if not name.startswith("GIT_") or name in _KEPT}
    return {**kept, **_ALWAYS}


class Git:
    """git in one directory; `environment` names a repository that is not found by the directory (`GIT_DIR`, …)."""

    def __init__(self, directory: str, *, program: str = "git", environment: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self._program = program
        self._environment = environment or {}

    def at(self, directory: str, *, environment: Mapping[str, str] | None = None) -> Git:
        """The same git in another directory."""
        return Git(directory, program=self._program, environment=environment)

    def ask(
        self,
        *args: str,
        stdin: bytes = b"",
        timeout: float = QUICK,
        extra: Mapping[str, str] | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Done:
        """Run and hand back how it ended; raises only when git is missing, took longer than `timeout` or is to stop."""
        import subprocess

        settings = [part for setting in _QUIET for part in ("-c", setting)]
        argv = [*(_mortal() if timeout > QUICK else ()), self._program, *settings, *args]
        environment = {**clean_environment(os.environ), **self._environment, **(extra or {})}
        try:
            with subprocess.Popen(
                argv,
                cwd=self.directory,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is ours to handle; git is not to be cut in the middle
            ) as process:
                try:
                    out, err = _output(process, stdin, timeout, stop)
                except TimeoutError as late:
                    _end_group(process.pid)
                    raise GitFailed(command=_command(args), problem=str(late)) from None
        except FileNotFoundError as error:
            if not os.path.isdir(self.directory):
                raise GitFailed(command=args[0], problem=f"{self.directory} is no directory") from error
            raise GitMissing() from error
        except OSError as error:
            raise GitFailed(command=args[0], problem=error.strerror or str(error)) from error
        return Done(process.returncode, out, err.decode(errors="replace").strip())

    def must(
        self,
        *args: str,
        stdin: bytes = b"",
        timeout: float = QUICK,
        extra: Mapping[str, str] | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> str:
        """Run; the output as text. Raises `GitFailed` with git's own words when it exits other than 0."""
        done = self.ask(*args, stdin=stdin, timeout=timeout, extra=extra, stop=stop)
        if done.code != 0:
            raise GitFailed(command=_command(args), problem=in_a_line(done.err) or f"exit code {done.code}")
        return done.text

    def commit_tree(self, tree: str, message: str, *, parent: str | None) -> str:
        """A commit of a tree, on no branch yet. When git has no identity for it, a stated fallback is used."""
        parents = ["-p", parent] if parent else []
        command = ["commit-tree", "--no-gpg-sign", *parents, "-F", "-", tree]
        text = plain_message(message).encode()
        done = self.ask(*command, stdin=text)
        if done.code == 0:
            return done.text
        return self.must(*command, stdin=text, extra=FALLBACK_IDENTITY)


def _output(
    process: subprocess.Popen[bytes], stdin: bytes, timeout: float, stop: Callable[[], bool]
) -> tuple[bytes, bytes]:
    """What it writes until its end; raises `TimeoutError` with the reason when it is waited for no longer."""
    import subprocess

    began = moved = time.monotonic()
    given: bytes | None = stdin
    seen = None
    while True:
        try:
            return process.communicate(given, min(_GLANCE, max(0.0, began + timeout - time.monotonic())))
        except subprocess.TimeoutExpired:
            given, now = None, time.monotonic()
        asleep = _asleep(process.pid)
        if asleep is None or asleep != seen:
            seen, moved = asleep, now
        if now - moved >= STUCK:
            raise TimeoutError(
                "it waits for ever: something in the work tree, as a pipe in the place of a file of git's"
            )
        if stop():
            raise TimeoutError("it was told to stop")
        if now - began >= timeout:
            raise TimeoutError(f"it took longer than {timeout:g} s")


def _asleep(pid: int) -> tuple[str, ...] | None:
    """What a process has done so far that sleeps and has no child to wait for; None: it is at work, or who knows.

    Linux tells it. A sleep in which a disk is waited for is none (state D); the times are those of all threads.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as told:
            state, *figures = told.read().rpartition(")")[2].split()
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as children:
                if children.read().strip():
                    return None
        with open(f"/proc/{pid}/io", encoding="ascii") as moved:
            return (*figures[10:12], moved.read()) if state == "S" else None
    except (OSError, ValueError):
        return None


@cache
def _mortal() -> Sequence[str]:
    """What lets a call that may take long die with us, also by kill -9: it would go on in an agent's tree, and keep the
    lock of its index. The signal comes when the thread ends that started it, and that one waits for it. (`setpriv` is
    util-linux; where it is missing, such a git ends with its time.)"""
    import shutil

    found = shutil.which("setpriv") if sys.platform == "linux" else None
    return (found, "--pdeathsig", "KILL", "--") if found else ()


def _command(args: Sequence[str]) -> str:
    """What git was asked to do, after settings for this one call (``-c key=value``)."""
    return next((word for word in args if not word.startswith("-") and "=" not in word), args[0])


def plain_message(message: str) -> str:
    """A commit message without what git refuses or a terminal obeys: only printable text and line ends stay."""
    kept = "".join(sign if sign == "\n" or sign.isprintable() else " " for sign in message)
    return kept.strip() + "\n"


def in_a_line(words: str) -> str:
    """git's complaint as one line without its prefixes and its advice."""
    lines = [line.strip() for line in words.splitlines()]
    told = [line for line in lines if line and not line.startswith("hint:")]
    return "; ".join(line.removeprefix("fatal: ").removeprefix("error: ") for line in told)[:500]


def _end_group(pid: int) -> None:
    import signal
    from contextlib import suppress

    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
