"""The ceilings of a day: when one is reached nothing new is taken up until the person says so or it is tomorrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coffee_maker.core.limits import reached
from coffee_maker.core.questions import Draft, Kind, Level, Source
from coffee_maker.work import accounts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coffee_maker.core.questions import Notification
    from coffee_maker.work.job import Desk

GO_ON, TOMORROW = "go on", "tomorrow"


class Today(NamedTuple):
    """How this day (UTC) stands."""

    over: str | None = None  # why no agent is to work any more today
    granted: Mapping[str, int] = {}  # ceiling -> how often the person said to go on beyond it


def today(desk: Desk) -> Today:
    """Whether a ceiling of the day is reached. The person is asked once for each ceiling's height."""
    return _stand(desk, desk.messages.notify)


def looked_at(desk: Desk) -> Today:
    """The same for who only looks: nobody is asked."""

    def asked_before(draft: Draft) -> Notification | None:
        with desk.store.reading() as tx:
            found = (one for one in tx.notifications.find() if one.idempotency_key == draft.idempotency_key)
            return next(found, None)

    return _stand(desk, asked_before)


def _stand(desk: Desk, asked: Callable[[Draft], Notification | None]) -> Today:
    ceilings = desk.options.ceilings
    if all(one is None for one in (ceilings.day_time, ceilings.day_tokens, ceilings.day_cost)):
        return Today()
    spent, extra = accounts.spent_today(desk), dict[str, int]()
    while True:
        over = [one for one in reached(ceilings, spent, extra=extra) if one.name.startswith("day_") and one.share >= 1]
        if not over:
            return Today(granted=extra)
        name = over[0].name
        question = asked(_question(desk, name, over[0].words, extra.get(name, 0)))
        if question is None or question.answer != GO_ON:
            lets = f" Question {question.id} lets it go on." if question else ""
            return Today(f"A limit of the day is reached: {over[0].words}.{lets}", extra)
        extra[name] = extra.get(name, 0) + 1


def _question(desk: Desk, name: str, words: str, height: int) -> Draft:
    return Draft(
        source=Source.DAEMON,
        kind=Kind.QUESTION,
        level=Level.HIGH,
        title="A limit of the day is reached: go on?",
        message=f"{words} is used. `{GO_ON}` allows as much again; else it goes on tomorrow (UTC).",
        options=(GO_ON, TOMORROW),
        idempotency_key=f"day:{desk.clock.now():%Y-%m-%d}:{name}:{height}",
    )
