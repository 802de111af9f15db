"""Looks at the roadmap, its history and the work on it, and has it judged."""

from __future__ import annotations

from datetime import UTC, datetime

from coffee_maker.core.choosing import choose
from coffee_maker.core.document import Document
from coffee_maker.core.health import LATELY, Facts, Health, judge
from coffee_maker.core.ports import Clock, Store
from coffee_maker.core.questions import OPEN

_EVER = datetime(2000, 1, 1, tzinfo=UTC)  # before any claim: "held at that time or later" is every unreleased one


def examine(document: Document, store: Store, clock: Clock) -> Health:
    """How well it stands; where nothing was written yet, the text alone counts."""
    now = clock.now()
    with store.reading() as tx:
        claims = tx.claims.held(_EVER)
        questions = tx.notifications.find(states=OPEN)
        changed = tx.roadmap.last_changes()
        oldest = tx.roadmap.change(1)
    with store.reading_runs() as log:
        runs = [run for _number, run in log.list(since=now - LATELY)]
    choice = choose(document.items, [claim for claim in claims if claim.until > now])
    recorded_since = oldest.at if oldest else None
    return judge(
        Facts(document.items, document.problems, choice, claims, questions, runs, changed, recorded_since, now)
    )
