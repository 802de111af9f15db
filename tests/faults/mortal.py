"""A daemon's surroundings that kill it: at its nth deed nothing happens any more, as after kill -9.

A deed is whatever leaves something behind that outlives the process: a transaction that writes, a git command that
writes, a step of the roadmap's file, a run of the agent or of the tests. The death comes *before* the nth deed, which
is the same as right after the one before it, and nothing may run after it: whatever is tried raises `Killed` again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from coffee_maker.adapters.git import GitRepository
from coffee_maker.adapters.git_program import QUICK, Done, Git

NEVER = 10**9
Result = TypeVar("Result")

_WRITES = frozenset({"worktree", "reset", "read-tree", "add", "commit", "push", "update-ref", "fetch", "init"})
_PLACES = frozenset({"stage", "place", "discard"})
_READS = frozenset({"list", "steps", "usage", "taken_up"})


class Killed(BaseException):
    """Stands for kill -9: no `except Exception` holds it, and nothing may run after it."""


class Fate:
    """Says when it is over. Deeds of all threads count, a sign of life does not: nothing depends on one."""

    def __init__(self, at: int = NEVER) -> None:
        self.deeds: list[str] = []
        self.dead = False
        self._at = at
        self._lock = threading.Lock()

    def deed(self, name: str) -> None:
        with self._lock:
            self.live()
            if len(self.deeds) + 1 >= self._at:
                self.dead = True
                raise Killed(name)
            self.deeds.append(name)

    def live(self) -> None:
        if self.dead:
            raise Killed


class _Tables:
    """A transaction, or the log of runs: its first use for anything but a sign of life is a deed. So the death comes
    inside the transaction, which rolls back."""

    def __init__(self, real: object, fate: Fate, kind: str) -> None:
        self._real = real
        self._fate = fate
        self._kind = kind
        self._counted = False

    def __getattr__(self, name: str) -> Any:
        self._fate.live()
        if name != "heartbeats" and name not in _READS and not self._counted:
            self._counted = True
            self._fate.deed(f"{self._kind}.{name}")
        return getattr(self._real, name)


class MortalStore:
    """A store whose user may be dead."""

    def __init__(self, store: object, fate: Fate) -> None:
        self._store = store
        self._fate = fate

    @contextmanager
    def _through(self, kind: str) -> Iterator[Any]:
        self._fate.live()
        with getattr(self._store, kind)() as tx:
            yield _Tables(tx, self._fate, kind)
            self._fate.live()  # who died meanwhile in another thread commits nothing

    def writing(self) -> Any:
        return self._through("writing")

    def runs(self) -> Any:
        return self._through("runs")

    def __getattr__(self, name: str) -> Any:
        self._fate.live()
        return getattr(self._store, name)


class MortalFile:
    """The roadmap's file."""

    def __init__(self, real: object, fate: Fate) -> None:
        self._real = real
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if not callable(found):
            return found

        def call(*args: object, **rest: object) -> object:
            self._fate.live()
            if name in _PLACES:
                self._fate.deed(f"file.{name}")
            return found(*args, **rest)

        return call


class MortalGit(Git):
    """The git program: the daemon may die between any two of its commands."""

    def __init__(self, directory: str, fate: Fate, *, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(directory, environment=environment)
        self._fate = fate

    def at(self, directory: str, *, environment: Mapping[str, str] | None = None) -> MortalGit:
        return MortalGit(directory, self._fate, environment=environment)

    def ask(
        self,
        *args: str,
        stdin: bytes = b"",
        timeout: float = QUICK,
        extra: Mapping[str, str] | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Done:
        self._fate.live()
        command = next(word for word in args if not word.startswith("-") and "=" not in word)
        if command in _WRITES and args[:2] != ("worktree", "list"):
            self._fate.deed(f"git {command}")
        return super().ask(*args, stdin=stdin, timeout=timeout, extra=extra, stop=stop)


class MortalRepository(GitRepository):
    """The project's repository on such a git."""

    def __init__(self, project: str, roadmap: str, fate: Fate) -> None:
        super().__init__(project, roadmap)
        self._git = self._own = MortalGit(self._git.directory, fate)


def mortal(do: Callable[..., Result], fate: Fate, name: str) -> Callable[..., Result]:
    """A run of the agent or of the tests, in a daemon that may die before it."""

    def run(*args: object) -> Result:
        fate.deed(name)
        return do(*args)

    return run
