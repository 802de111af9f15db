"""`heartbeats`, one row per daemon, and `handshakes`, by which `sync` asks every daemon what it sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from coffee_maker.core.records import Heartbeat
from coffee_maker.store import values
from coffee_maker.utils.connection import Connection

_FORGET_HANDSHAKES_AFTER = timedelta(days=1)


class Heartbeats:
    """See `coffee_maker.core.ports.HeartbeatTable`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def beat(self, heartbeat: Heartbeat) -> None:
        self._connection.execute(
            "INSERT INTO heartbeats (daemon, host, pid, boot_id, state, item, step, at, seen, jobs,"
            " started_at, because) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (daemon) DO UPDATE SET host = excluded.host, pid = excluded.pid, boot_id = excluded.boot_id,"
            " state = excluded.state, item = excluded.item, step = excluded.step, at = excluded.at,"
            " seen = excluded.seen, jobs = excluded.jobs, started_at = excluded.started_at,"
            " because = excluded.because",
            (
                values.text(heartbeat.daemon),
                values.text(heartbeat.host),
                heartbeat.pid,
                heartbeat.boot_id,
                heartbeat.state,
                values.text_or_none(heartbeat.item),
                values.text_or_none(heartbeat.step),
                values.time(heartbeat.at),
                values.as_json(heartbeat.seen),
                values.as_json(heartbeat.jobs),
                values.time_or_none(heartbeat.started),
                values.text_or_none(heartbeat.because),
            ),
        )

    def all(self) -> Sequence[Heartbeat]:
        rows = self._connection.execute("SELECT * FROM heartbeats ORDER BY daemon").dicts()
        return [
            Heartbeat(
                daemon=row["daemon"],
                host=row["host"],
                pid=row["pid"],
                boot_id=row["boot_id"],
                state=row["state"],
                item=row["item"],
                step=row["step"],
                at=values.read_time(row["at"]),
                seen=values.read_json(row["seen"]),
                jobs=tuple(values.read_json(row["jobs"])),
                started=values.read_time_or_none(row["started_at"]),
                because=row["because"],
            )
            for row in rows
        ]

    def forget(self, daemon: str) -> None:
        self._connection.execute("DELETE FROM heartbeats WHERE daemon = ?", (daemon,))

    def ask(self, nonce: str, at: datetime) -> None:
        """Old handshakes go with the new one, so the table stays small."""
        self._connection.execute(
            "DELETE FROM handshakes WHERE asked_at < ?", (values.time(at - _FORGET_HANDSHAKES_AFTER),)
        )
        self._connection.execute("INSERT INTO handshakes (nonce, asked_at) VALUES (?, ?)", (nonce, values.time(at)))

    def open_asks(self, since: datetime) -> Sequence[str]:
        rows = self._connection.execute(
            "SELECT nonce FROM handshakes WHERE asked_at >= ? ORDER BY asked_at, nonce", (values.time(since),)
        )
        return [nonce for (nonce,) in rows]

    def reply(self, nonce: str, daemon: str, seen: Mapping[str, object], at: datetime) -> None:
        """A second reply replaces the first; a reply to a handshake that is gone is dropped."""
        self._connection.execute(
            "INSERT INTO handshake_replies (nonce, daemon, seen, replied_at)"
            " SELECT nonce, ?, ?, ? FROM handshakes WHERE nonce = ?"
            " ON CONFLICT (nonce, daemon) DO UPDATE SET seen = excluded.seen, replied_at = excluded.replied_at",
            (values.text(daemon), values.as_json(seen), values.time(at), nonce),
        )

    def replies(self, nonce: str) -> Mapping[str, Mapping[str, object]]:
        rows = self._connection.execute(
            "SELECT daemon, seen FROM handshake_replies WHERE nonce = ? ORDER BY daemon", (nonce,)
        )
        return {daemon: values.read_json(seen) for daemon, seen in rows}
