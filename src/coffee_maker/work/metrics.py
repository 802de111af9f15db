"""Reads what the figures are made of; where nothing was written yet, there is nothing, and nothing is made."""

from __future__ import annotations

from datetime import datetime

from coffee_maker.core.metrics import Metrics, Records, reckon
from coffee_maker.core.ports import Clock, Store


def measure(store: Store, clock: Clock, *, since: datetime | None = None, item: str | None = None) -> Metrics:
    """The figures since a moment (of all time without one), of one item or of all."""
    with store.reading_runs() as log:
        runs = [run for _number, run in reversed(log.list(item=item))]
        taken_up = log.taken_up(item=item)
        waits = log.steps(item=item, since=since, outcome="waited")
    with store.reading() as tx:
        questions = tx.notifications.find(item=item)
    return reckon(Records(runs, taken_up, waits, questions), clock.now(), since)
