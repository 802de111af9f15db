"""Spans around operations, store transactions and agents' turns, for a person who wants to see where time and money go.

A process observes nothing until `switch_on` gives it a tracer (`coffee_maker.wiring` does, in the daemon, when a server
for traces is configured). Until then every call here hands out one shared object that does nothing: no import, no
allocation, a fraction of a microsecond.

An attribute is a name, a key, a count, a duration or a status; a text that is none of these is not sent. Texts go
through `Span.text` and are dropped unless ``[traces] content`` is set. Only what happens within an `item` or a `run` is
observed, so that the daemon's looking around makes no traces of its own.
"""

from __future__ import annotations

from functools import wraps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime
    from types import TracebackType
    from typing import ParamSpec, Protocol, Self, TypeVar

    from coffee_maker.core.records import Usage

    Value = str | int | float | bool | None
    P = ParamSpec("P")
    R = TypeVar("R")

    class Tracer(Protocol):
        """Takes the spans of this process. It stands here since hardly any command that imports this needs it."""

        def trace(self, about: tuple[str, str], identity: str, since: datetime | None, known: dict[str, Value]) -> Span:
            """The root of a trace. `about`: its name, and its session (an item's key). Equal identities are one
            trace, whichever process sends which part of it. `since`: when it began, where that was before now."""

        def span(self, name: str, known: dict[str, Value]) -> Span:
            """A part of the current span; does nothing where there is none."""

        def turn(self, agent: str, model: str | None, system: str | None, before: Usage | None) -> Span: ...
        def current(self) -> Span: ...
        def close(self) -> None:
            """Send what is left, for a second at most."""


class Span:
    """A piece of work, for the length of a ``with`` block. This one does nothing, and is what there is by default."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """An exception is noted by the name of its class, and goes on."""

    def note(self, **attributes: Value) -> None:
        """Say more about it: names, keys, counts, durations, statuses."""

    def text(self, **texts: str) -> None:
        """Texts that it worked on (`input`, `output`); sent, bounded and without secrets, only with content on."""

    def mark(self, name: str) -> None:
        """Note the moment in which something happened within it."""

    def took(self, total: Usage, *, model: str | None = None) -> None:
        """What a turn has taken so far, as a total; what is new since the last call is sent at once, so that a daemon
        that is killed has told what was spent until then."""

    def leave(self) -> None:
        """It is not over: another daemon will go on with it, and end it."""

    def within(self) -> AbstractContextManager[object]:
        """Make it the current span of another thread, for the length of a ``with`` block."""
        return self


NOTHING = Span()
_tracer: Tracer | None = None


def switch_on(tracer: Tracer) -> None:
    """Have this process observed from now on."""
    global _tracer
    _tracer = tracer


def switch_off() -> None:
    """Observe nothing any more; what was observed is sent, for a second at most."""
    global _tracer
    tracer, _tracer = _tracer, None
    if tracer is not None:
        tracer.close()


def item(key: str, *, pipeline: int, begun: datetime, **attributes: Value) -> Span:
    """A trace of an item's pipeline: its steps, but for what belongs to a `run`. A daemon that takes the item up again
    after another one gives the same pipeline and the same beginning of it, and so goes on with the same trace."""
    if _tracer is None:
        return NOTHING
    known: dict[str, Value] = {"item": key, "pipeline": pipeline, **attributes}
    return _tracer.trace((f"item {key}", key), f"{key}\n{pipeline}\n{begun.isoformat()}", begun, known)


def run(key: str, *, pipeline: int, attempt: int, begun: datetime, **attributes: Value) -> Span:
    """A trace of one attempt at an item, whichever daemons work on it; `begun` is about the pipeline, as in `item`
    (two projects may well have the same item, pipeline and attempt, but never at the same microsecond)."""
    if _tracer is None:
        return NOTHING
    identity = f"{key}\n{pipeline}\n{begun.isoformat()}\n{attempt}"
    known: dict[str, Value] = {"item": key, "pipeline": pipeline, "attempt": attempt, **attributes}
    return _tracer.trace((f"run {key}", key), identity, None, known)


def turn(agent: str, *, model: str | None = None, system: str | None = None, before: Usage | None = None) -> Span:
    """An agent at work; `Span.took` tells what it takes. `system` is its service (anthropic, openai, …), `before` what
    an earlier process has told of what it took."""
    return NOTHING if _tracer is None else _tracer.turn(agent, model, system, before)


def span(name: str, **attributes: Value) -> Span:
    """A piece of work within an `item` or a `run`."""
    return NOTHING if _tracer is None else _tracer.span(name, attributes)


def current() -> Span:
    """The span that this thread is in."""
    return NOTHING if _tracer is None else _tracer.current()


def note(**attributes: Value) -> None:
    """Say more about the current span."""
    if _tracer is not None:
        _tracer.current().note(**attributes)


def observed(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function whose calls are spans of this name. What it is called with is not sent."""

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if _tracer is None:
                return function(*args, **kwargs)
            with _tracer.span(name, {}):
                return function(*args, **kwargs)

        return call

    return wrap
