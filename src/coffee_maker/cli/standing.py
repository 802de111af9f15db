"""The overview's data: from the operations' records to JSON."""

from __future__ import annotations

from coffee_maker.work import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.wiring import Operations


def overview(operations: Operations) -> shapes.Data:
    """What `status` without an item shows."""
    from coffee_maker.work.standing import take_stock

    document = operations.settled_document()
    standing = take_stock(document, operations.store, operations.clock, operations.is_gone)
    return shapes.overview(operations.settings.roadmap.path, document, standing)


def daemons(operations: Operations) -> shapes.Data:
    """What `daemon status` shows: each daemon with the items in hand, and what comes next."""
    from coffee_maker.core.choosing import choose
    from coffee_maker.work.standing import alive, claims_of_the_living, interrupted

    settings = operations.settings_hash()
    now, items = operations.clock.now(), operations.settled_document().items
    with operations.store.reading() as tx:
        beats, paused = tx.heartbeats.all(), tx.controls.paused()
        claims = claims_of_the_living(tx, now, operations.is_gone)
        skipped = {key: one.words for key, one in tx.controls.skipped().items()}
        left = interrupted(tx, items, claims)
    following = choose(items, claims, skipped).item
    living = {beat.daemon: alive(beat, now, operations.is_gone) for beat in beats}
    return {
        "daemons": [
            {
                **shapes.daemon(beat),
                "alive": living[beat.daemon],
                "jobs": list(beat.jobs),
                "settings_changed": _differ(beat.seen.get("settings_hash"), settings),
            }
            for beat in beats
        ],
        "paused_by": paused.asked_by if paused else None,
        "paused_reason": paused.reason if paused else None,
        "next": following.key if following else None,
        "skipped": skipped,
        "interrupted": left,
    }


def _differ(theirs: object, ours: str | None) -> bool:
    """Whether a daemon began with another settings file than there is now; one that saw none has its own."""
    return theirs is not None and ours is not None and theirs != ours
