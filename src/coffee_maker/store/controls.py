"""`controls`: what a person asks of the daemons, and what each made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from coffee_maker.core.records import Control
from coffee_maker.store import values
from coffee_maker.utils.connection import Connection

_SELECT = "SELECT id, kind, daemon, item, how, reason, asked_by, at FROM controls"


class Controls:
    """See `coffee_maker.core.ports.ControlTable`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ask(self, control: Control, at: datetime) -> int:
        row = self._connection.execute(
            "INSERT INTO controls (kind, daemon, item, how, reason, asked_by, at) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " RETURNING id",
            (
                control.kind,
                values.text_or_none(control.daemon),
                values.text_or_none(control.item),
                control.how,
                values.text_or_none(control.reason),
                values.text(control.asked_by),
                values.time(at),
            ),
        )
        return int(row.rows[0][0])

    def since(self, after_id: int) -> Sequence[Control]:
        return [_control(row) for row in self._connection.execute(f"{_SELECT} WHERE id > ? ORDER BY id", (after_id,))]

    def newest(self) -> int:
        return int(self._connection.execute("SELECT coalesce(max(id), 0) FROM controls").rows[0][0])

    def reply(self, control_id: int, daemon: str, outcome: str, at: datetime) -> None:
        """A second reply replaces the first: asked to stop, then stopped."""
        self._connection.execute(
            "INSERT INTO control_replies (control, daemon, outcome, at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (control, daemon) DO UPDATE SET outcome = excluded.outcome, at = excluded.at",
            (control_id, values.text(daemon), values.text(outcome), values.time(at)),
        )

    def replies(self, control_id: int) -> Mapping[str, str]:
        rows = self._connection.execute(
            "SELECT daemon, outcome FROM control_replies WHERE control = ? ORDER BY daemon", (control_id,)
        )
        return dict(tuple(row) for row in rows)

    def paused(self) -> Control | None:
        rows = self._connection.execute(f"{_SELECT} WHERE kind IN ('pause', 'resume') ORDER BY id DESC LIMIT 1")
        last = [_control(row) for row in rows]
        return last[0] if last and last[0].kind == "pause" else None

    def skipped(self) -> Mapping[str, Control]:
        rows = self._connection.execute(
            f"{_SELECT} WHERE kind = 'skip' AND id IN"
            " (SELECT max(id) FROM controls WHERE kind IN ('skip', 'retry') AND item IS NOT NULL GROUP BY item)"
            " ORDER BY id"
        )
        found = [_control(row) for row in rows]
        return {control.item: control for control in found if control.item is not None}


def _control(row: Sequence[object]) -> Control:
    number, kind, daemon, item, how, reason, asked_by, at = row
    return Control(
        kind=str(kind),
        asked_by=str(asked_by),
        daemon=None if daemon is None else str(daemon),
        item=None if item is None else str(item),
        how=None if how is None else str(how),
        reason=None if reason is None else str(reason),
        id=int(str(number)),
        at=values.read_time(str(at)),
    )
