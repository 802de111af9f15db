"""The ceilings of a day: when one is reached nothing new is taken up until the person says so or it is tomorrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffee_maker.core.limits import reached
from coffee_maker.core.questions import Draft, Kind, Level, Source
from coffee_maker.work import accounts

if TYPE_CHECKING:
    from coffee_maker.work.job import Desk

GO_ON, TOMORROW = "go on", "tomorrow"


def day_is_over(desk: Desk) -> str | None:
    """Why nothing new is taken up today, or None. The person is asked once for each ceiling's height."""
    ceilings = desk.options.ceilings
    if not any((ceilings.day_time, ceilings.day_tokens, ceilings.day_cost)):
        return None
    spent, extra = accounts.spent_today(desk), 0
    while True:
        over = [one for one in reached(ceilings, spent, extra=extra) if one.name.startswith("day_") and one.share >= 1]
        if not over:
            return None
        day = f"{desk.clock.now():%Y-%m-%d}"
        question = desk.messages.notify(
            Draft(
                source=Source.DAEMON,
                kind=Kind.QUESTION,
                level=Level.HIGH,
                title="A limit of the day is reached: go on?",
                message=f"{over[0].words} is used. `{GO_ON}` allows as much again; else it goes on tomorrow (UTC).",
                options=(GO_ON, TOMORROW),
                idempotency_key=f"day:{day}:{over[0].name}:{extra}",
            )
        )
        if question.answer != GO_ON:
            return f"A limit of the day is reached: {over[0].words}. Question {question.id} lets it go on."
        extra += 1
