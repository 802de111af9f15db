"""An item in hand and the run of its agent, without the daemon's loop: what it tells and asks goes to the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from tests.work.daemon_kit import Doing, Project, until, works

from coffee_maker.core.questions import OPEN, Kind, Notification
from coffee_maker.core.records import AgentResult, Task
from coffee_maker.work import pipeline
from coffee_maker.work.job import Job, Slots
from coffee_maker.work.supervisor import Hold, StopSign
from coffee_maker.work.watching import Watching

TWO, THREE = "PRIORITY-2", "PRIORITY-3"
Answer = TypeVar("Answer")


def in_hand(project: Project, key: str = TWO, **options: object) -> Job:
    """The item, claimed."""
    desk = project.desk(Doing(works), **options)
    item = desk.editing.read().item(key)
    taken = pipeline.claim(desk, item)
    assert taken is not None
    return pipeline.job_of(desk, item, "text", taken, Hold(taken.claim, StopSign(), timedelta(minutes=1)), Slots(1))


def watched(job: Job, **granted: int) -> Watching:
    """A run of its agent that has begun."""
    return Watching(job, 1, granted)


def question(project: Project) -> Notification:
    """The one that is open, as soon as it is there."""
    until(lambda: questions(project))
    (one,) = questions(project)
    return one


def questions(project: Project) -> list[Notification]:
    """Those that are open."""
    return [one for one in project.messages.listing(states=OPEN) if one.kind is Kind.QUESTION]


@contextmanager
def aside(do: Callable[[], Answer]) -> Iterator[list[Answer]]:
    """Do it in a thread of its own for the block, as an agent that waits does; what came of it is in the list then."""
    found: list[Answer] = []
    thread = threading.Thread(target=lambda: found.append(do()), daemon=True)
    thread.start()
    yield found
    thread.join(60)
    assert not thread.is_alive(), "it still waits"


class Talking(Doing):
    """An agent whose runs are functions of its task, its stop and its watch, one after the other; the last repeats."""

    def __init__(self, *runs: Callable[[Task, Watching], AgentResult | None]) -> None:
        super().__init__(lambda task, stop: self._next()(task, stop))  # type: ignore[arg-type]
        self._runs = list(runs)

    def _next(self) -> Callable[[Task, Watching], AgentResult | None]:
        return self._runs.pop(0) if len(self._runs) > 1 else self._runs[0]
