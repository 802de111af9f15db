"""`deliveries`: the outbox, one row per notification and channel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from coffee_maker.core.questions import Delivery
from coffee_maker.store import values
from coffee_maker.utils.connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Deliveries:
    """See `coffee_maker.core.ports.DeliveryTable`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, notification_id: int, channel: str, at: datetime) -> None:
        self._connection.execute(
            "INSERT INTO deliveries (notification_id, channel, state, attempts, next_try, updated_at)"
            " VALUES (?, ?, 'pending', 0, ?, ?) ON CONFLICT (notification_id, channel) DO NOTHING",
            (notification_id, values.text(channel), values.time(at), values.time(at)),
        )

    def take(self, now: datetime, *, channel: str, lease: timedelta, limit: int = 20) -> Sequence[Delivery]:
        """The attempt is counted here: one that takes its worker down with it counts too, so retries stay bounded."""
        rows = self._connection.execute(
            "UPDATE deliveries SET attempts = attempts + 1, next_try = ?, updated_at = ? WHERE id IN"
            " (SELECT id FROM deliveries WHERE state = 'pending' AND channel = ? AND next_try <= ?"
            " ORDER BY next_try, id LIMIT ?) RETURNING *",
            (values.time(now + lease), values.time(now), values.text(channel), values.time(now), limit),
        )
        return sorted((_delivery(row) for row in rows.dicts()), key=lambda delivery: delivery.id)

    def delivered(self, delivery_id: int, outside_id: str | None, at: datetime) -> None:
        self._connection.execute(
            "UPDATE deliveries SET state = 'delivered', outside_id = ?, error = NULL, updated_at = ? WHERE id = ?",
            (values.text_or_none(outside_id), values.time(at), delivery_id),
        )

    def failed(self, delivery_id: int, error: str, *, next_try: datetime | None, at: datetime) -> None:
        state = "failed" if next_try is None else "pending"
        self._connection.execute(
            "UPDATE deliveries SET state = ?, error = ?, next_try = coalesce(?, next_try), updated_at = ?"
            " WHERE id = ? AND state <> 'delivered'",
            (state, values.text(error), values.time_or_none(next_try), values.time(at), delivery_id),
        )

    def of(self, notification_id: int) -> Sequence[Delivery]:
        if not 0 < notification_id <= values.FOR_EVER:
            return []
        rows = self._connection.execute(
            "SELECT * FROM deliveries WHERE notification_id = ? ORDER BY id", (notification_id,)
        )
        return [_delivery(row) for row in rows.dicts()]


def _delivery(row: Mapping[str, Any]) -> Delivery:
    return Delivery(
        id=row["id"],
        notification_id=row["notification_id"],
        channel=row["channel"],
        state=row["state"],
        attempts=row["attempts"],
        next_try=values.read_time(row["next_try"]),
        error=row["error"],
        outside_id=row["outside_id"],
    )
