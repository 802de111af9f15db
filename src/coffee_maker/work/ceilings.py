"""The ceilings of a day: when one is reached nothing new is taken up until the person says so or it is tomorrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from coffee_maker.core.limits import reached
from coffee_maker.core.questions import OPEN, Draft, Kind, Level, Source
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
    return _stand(desk, lambda draft: _asked_before(desk, draft) or desk.messages.notify(draft))


def looked_at(desk: Desk) -> Today:
    """The same for who only looks: nobody is asked."""
    return _stand(desk, lambda draft: _asked_before(desk, draft))


def _asked_before(desk: Desk, draft: Draft) -> Notification | None:
    """This is looked at in every round of the daemon, which must not write each time."""
    with desk.store.reading() as tx:
        return tx.notifications.keyed(str(draft.idempotency_key))


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
            return Today(f"A limit of the day is reached: {over[0].words}.{_way_on(question)}", extra)
        extra[name] = extra.get(name, 0) + 1


def _way_on(question: Notification | None) -> str:
    if question is None:
        return ""
    if question.state in OPEN:
        return f" Question {question.id} lets it go on."
    said = f"was answered with {question.answer}" if question.answer else f"is {question.state.value}"
    return f" Question {question.id} {said}: nothing more until tomorrow (UTC)."


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
