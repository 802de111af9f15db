"""Where the project stands: items by status, daemons, questions that wait, the newest changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from coffee_maker.core.document import Document
from coffee_maker.core.history import Change
from coffee_maker.core.items import Item, Status
from coffee_maker.core.ports import Clock, Store, Transaction
from coffee_maker.core.questions import OPEN, Kind, Notification
from coffee_maker.core.records import Control, Heartbeat
from coffee_maker.core.state import Claim

ALIVE_FOR = timedelta(seconds=30)
"""A daemon beats every few seconds, also while its agent works; one that was silent for so long is not running."""
_RECENT = 5

Gone = Callable[[Heartbeat], bool]
"""Whether a daemon is certainly gone, however fresh its last sign of life is: it was killed."""


class Standing(NamedTuple):
    """The overview."""

    counts: Mapping[Status, int]
    without_status: int
    daemons: Sequence[tuple[Heartbeat, bool]]  # with whether it is alive
    questions: Sequence[Notification]
    recent: Sequence[Change]
    paused: Control | None  # by whom the daemons are paused, as long as that stands


def alive(heartbeat: Heartbeat, now: datetime, gone: Gone = lambda _beat: False) -> bool:
    """Whether a daemon's last sign of life is fresh, and nothing says that it is gone all the same."""
    return now - heartbeat.at <= ALIVE_FOR and not gone(heartbeat)


def claims_of_the_living(tx: Transaction, now: datetime, gone: Gone) -> list[Claim]:
    """The claims that hold, without those of daemons that are certainly gone: the next one gives them back at once."""
    held = tx.claims.held(now)
    dead = {beat.daemon for beat in tx.heartbeats.all() if gone(beat)} if held else set()
    return [claim for claim in held if claim.owner not in dead]


def interrupted(tx: Transaction, items: Sequence[Item], claims: Sequence[Claim]) -> list[str]:
    """Items that were begun, that nobody has in hand, and that a daemon would go on with: those that a person has taken
    to another status since are none."""
    begun = tx.journal.unfinished()
    held = {claim.item for claim in claims}
    return [item.key for item in items if item.key in begun and item.key not in held and _goes_on(tx, item)]


def _goes_on(tx: Transaction, item: Item) -> bool:
    from coffee_maker.work.job import REPORT
    from coffee_maker.work.pipeline import set_by_a_daemon

    if item.status is Status.PLANNED or any(one.step == REPORT for one in tx.journal.newest(item.key)):
        return True
    return item.status is Status.IN_PROGRESS and set_by_a_daemon(tx, item.key)


def take_stock(document: Document, store: Store, clock: Clock, gone: Gone = lambda _beat: False) -> Standing:
    """Look at everything once; where there is no database yet, there are no daemons, questions and changes."""
    with store.reading() as tx:
        heartbeats = tx.heartbeats.all()
        waiting = tx.notifications.find(states=OPEN)
        recent = tx.roadmap.changes(limit=_RECENT)
        paused = tx.controls.paused()
    now = clock.now()
    return Standing(
        counts={status: sum(item.status is status for item in document.items) for status in Status},
        without_status=sum(item.status is None for item in document.items),
        daemons=[(heartbeat, alive(heartbeat, now, gone)) for heartbeat in heartbeats],
        questions=[one for one in waiting if one.kind is Kind.QUESTION],
        recent=recent,
        paused=paused,
    )
