"""The overview's data: from the operations' records to JSON."""

from __future__ import annotations

from coffee_maker.cli import shapes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.core.records import Heartbeat
    from coffee_maker.wiring import Operations


def overview(operations: Operations) -> shapes.Data:
    """What `status` without an item shows."""
    from coffee_maker.work.standing import take_stock

    document = operations.document()
    standing = take_stock(document, operations.store, operations.clock)
    return {
        "path": operations.settings.roadmap.path,
        "revision": document.revision,
        "total": len(document.items),
        "counts": {status.value: count for status, count in standing.counts.items()},
        "without_status": standing.without_status,
        "problems": len(document.problems),
        "daemons": [{**daemon(heartbeat), "alive": alive} for heartbeat, alive in standing.daemons],
        "questions": [shapes.notification(one) for one in standing.questions],
        "recent": [shapes.change(one) for one in standing.recent],
    }


def daemon(heartbeat: Heartbeat) -> shapes.Data:
    """A daemon by its last sign of life."""
    return {
        "daemon": heartbeat.daemon,
        "host": heartbeat.host,
        "pid": heartbeat.pid,
        "state": heartbeat.state,
        "item": heartbeat.item,
        "step": heartbeat.step,
        "at": shapes.moment(heartbeat.at),
    }
