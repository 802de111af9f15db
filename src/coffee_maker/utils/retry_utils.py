"""`with_retry`: repeat a function that met contention, and nothing else.

    @with_retry(max_attempts=5)
    def rename(old, new):
        with get_db_connection("notifications") as conn:
            ...

What is repeated must be safe to repeat: with `get_db_connection` it is, since a block that raised was rolled back.
A missing table, a full disk or a syntax error does not go away by waiting, so it is raised at once.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple, ParamSpec, TypeVar

from coffee_maker.core.errors import DatabaseBusy, DatabaseGone, LockBusy

P = ParamSpec("P")
R = TypeVar("R")

CONTENTION: tuple[type[Exception], ...] = (DatabaseBusy, DatabaseGone, LockBusy)
"""Somebody else was in the way, and nothing was recorded. Drivers' own contention errors count as well, see `_is`."""


class Retry(NamedTuple):
    """Told to `on_retry` before each wait."""

    attempt: int  # that failed, from 1
    error: Exception
    wait: float  # seconds until the next attempt


def with_retry(
    max_attempts: int = 3,
    backoff_base: float = 1.5,
    retriable_exceptions: tuple[type[Exception], ...] | None = None,
    *,
    first_wait: float = 0.1,
    deadline: float | None = 30.0,
    on_retry: Callable[[Retry], None] | None = None,
    timing: Timing | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function so that it is repeated when it raises one of `retriable_exceptions`, which are by themselves
    those of contention.

    At most `max_attempts` calls, and no wait that would end more than `deadline` seconds after the first call (None:
    no such limit). The wait before attempt n+1 is between half and the whole of ``first_wait * backoff_base ** n``:
    spread by chance, so that those who met do not meet again. The last error is raised as it is, with a note that
    says how often and how long it was tried; `on_retry` hears of each repetition.
    """
    if max_attempts < 1:
        raise ValueError("max_attempts must be at least 1")
    timing = timing or Timing()

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def repeated(*args: P.args, **kwargs: P.kwargs) -> R:
            started = timing.now()
            attempt = 0
            while True:
                attempt += 1
                try:
                    return function(*args, **kwargs)
                except Exception as error:
                    if not _is(error, retriable_exceptions):
                        raise
                    wait = first_wait * backoff_base ** (attempt - 1) * (0.5 + 0.5 * timing.chance())
                    spent = timing.now() - started
                    if attempt == max_attempts or (deadline is not None and spent + wait > deadline):
                        if attempt > 1:
                            error.add_note(f"tried {attempt} times in {spent:.1f} s")
                        raise
                    if on_retry is not None:
                        on_retry(Retry(attempt, error, wait))
                    timing.sleep(wait)

        return repeated

    return decorate


class Timing:
    """Where time and chance come from; a test brings its own."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def chance(self) -> float:
        """A number from 0 up to 1."""
        import random

        return random.random()  # noqa: S311 - spreads waits, keeps no secret


def _is(error: Exception, wanted: tuple[type[Exception], ...] | None) -> bool:
    """Whether to repeat. Drivers are not imported for the question: an error of theirs means that they are loaded."""
    if wanted is not None:
        return isinstance(error, wanted)
    if isinstance(error, CONTENTION):
        return True
    kinds = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    return not kinds.isdisjoint(_DRIVERS_CONTENTION)


_DRIVERS_CONTENTION: frozenset[Any] = frozenset(
    {
        "apsw.BusyError",
        "apsw.LockedError",
        "psycopg.errors.SerializationFailure",
        "psycopg.errors.DeadlockDetected",
        "psycopg.errors.LockNotAvailable",
    }
)
