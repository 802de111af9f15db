"""`notifications`: what was said and asked, and the one answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from coffee_maker.core.questions import Draft, Kind, Level, Notification, Source, State
from coffee_maker.store import values
from coffee_maker.utils.connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Notifications:
    """See `coffee_maker.core.ports.NotificationTable`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, draft: Draft, at: datetime) -> tuple[Notification, bool]:
        key = values.text_or_none(draft.idempotency_key)
        now = values.time(at)
        created = self._connection.execute(
            "INSERT INTO notifications (source, type, level, title, message, context, item, options, status, deadline,"
            " default_answer, idempotency_key, created_at, updated_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?, ?, ?)"
            " ON CONFLICT (idempotency_key) DO NOTHING RETURNING *",
            (
                draft.source.value,
                draft.kind.value,
                draft.level.value,
                values.text(draft.title),
                values.text(draft.message),
                values.as_json(draft.context or {}),
                values.text_or_none(draft.item),
                values.as_json([values.text(option) for option in draft.options]),
                values.time_or_none(draft.deadline),
                values.text_or_none(draft.default),
                key,
                now,
                now,
            ),
        ).dicts()
        if created:
            return _notification(created[0]), True
        known = self.keyed(str(key))
        if known is None:
            raise AssertionError("nothing was created, so the key is known")
        return known, False

    def get(self, notification_id: int) -> Notification | None:
        if not 0 < notification_id <= values.FOR_EVER:
            return None
        rows = self._connection.execute("SELECT * FROM notifications WHERE id = ?", (notification_id,)).dicts()
        return _notification(rows[0]) if rows else None

    def keyed(self, idempotency_key: str) -> Notification | None:
        rows = self._connection.execute(
            "SELECT * FROM notifications WHERE idempotency_key = ?", (values.text(idempotency_key),)
        ).dicts()
        return _notification(rows[0]) if rows else None

    def find(
        self,
        *,
        states: Iterable[State] = (),
        item: str | None = None,
        after_id: int = 0,
        limit: int | None = None,
    ) -> Sequence[Notification]:
        most = values.FOR_EVER if limit is None else limit
        wanted = _padded(states)
        if item is None:
            rows = self._connection.execute(
                "SELECT * FROM notifications WHERE id > ? AND status IN (?, ?, ?, ?, ?, ?) ORDER BY id LIMIT ?",
                (after_id, *wanted, most),
            )
        else:
            rows = self._connection.execute(
                "SELECT * FROM notifications WHERE item = ? AND id > ? AND status IN (?, ?, ?, ?, ?, ?)"
                " ORDER BY id LIMIT ?",
                (values.text(item), after_id, *wanted, most),
            )
        return [_notification(row) for row in rows.dicts()]

    def set_state(self, notification_id: int, state: State, at: datetime, *, only_from: Iterable[State]) -> bool:
        allowed = tuple(only_from)
        if not allowed or not 0 < notification_id <= values.FOR_EVER:
            return False
        changed = self._connection.execute(
            "UPDATE notifications SET status = ?, updated_at = ?"
            " WHERE id = ? AND status IN (?, ?, ?, ?, ?, ?) RETURNING id",
            (state.value, values.time(at), notification_id, *_padded(allowed)),
        )
        return len(changed) == 1

    def answer(self, notification_id: int, answer: str, *, by: str, via: str, at: datetime) -> bool:
        if not 0 < notification_id <= values.FOR_EVER:
            return False
        now = values.time(at)
        changed = self._connection.execute(
            "UPDATE notifications SET status = 'responded', answer = ?, answered_by = ?, answered_via = ?,"
            " answered_at = ?, updated_at = ?"
            " WHERE id = ? AND type = 'question' AND answer IS NULL AND status <> 'dismissed' RETURNING id",
            (values.text(answer), values.text(by), values.text(via), now, now, notification_id),
        )
        return len(changed) == 1

    def dismiss(self, notification_id: int, *, by: str, at: datetime) -> bool:
        if not 0 < notification_id <= values.FOR_EVER:
            return False
        changed = self._connection.execute(
            "UPDATE notifications SET status = 'dismissed', answered_by = ?, updated_at = ?"
            " WHERE id = ? AND answer IS NULL AND status <> 'dismissed' RETURNING id",
            (values.text(by), values.time(at), notification_id),
        )
        return len(changed) == 1

    def due(self, now: datetime) -> Sequence[Notification]:
        rows = self._connection.execute(
            "SELECT * FROM notifications WHERE type = 'question' AND status IN ('pending', 'sent', 'failed')"
            " AND deadline <= ? ORDER BY id",
            (values.time(now),),
        )
        return [_notification(row) for row in rows.dicts()]


def _padded(states: Iterable[State]) -> tuple[str, ...]:
    """As many states as there are, the last one repeated, so that one fixed statement serves every selection."""
    wanted = [state.value for state in states] or [state.value for state in State]
    return tuple((wanted + [wanted[-1]] * len(State))[: max(len(State), len(wanted))])


def _notification(row: Mapping[str, Any]) -> Notification:
    return Notification(
        id=row["id"],
        source=Source(row["source"]),
        kind=Kind(row["type"]),
        level=Level(row["level"]),
        title=row["title"],
        message=row["message"],
        context=values.read_json(row["context"]),
        item=row["item"],
        options=tuple(values.read_json(row["options"])),
        state=State(row["status"]),
        answer=row["answer"],
        answered_by=row["answered_by"],
        answered_via=row["answered_via"],
        answered_at=values.read_time_or_none(row["answered_at"]),
        deadline=values.read_time_or_none(row["deadline"]),
        default=row["default_answer"],
        idempotency_key=row["idempotency_key"],
        created=values.read_time(row["created_at"]),
        updated=values.read_time(row["updated_at"]),
    )
