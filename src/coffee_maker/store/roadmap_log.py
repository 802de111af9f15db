"""`roadmap_versions`, `roadmap_history`, `roadmap_state`: what was in the file, who changed it, what comes next."""

from __future__ import annotations

from coffee_maker.core.history import Change, NewChange
from coffee_maker.core.state import RoadmapState
from coffee_maker.store import values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from typing import Any

    from coffee_maker.utils.connection import Connection

_HEX = frozenset("0123456789abcdef")


class Log:
    """See `coffee_maker.core.ports.RoadmapLog`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def state(self) -> RoadmapState | None:
        row = self._connection.execute("SELECT hash, pending, before FROM roadmap_state").fetchone()
        return None if row is None else RoadmapState(*row)

    def set_state(self, state: RoadmapState) -> None:
        self._connection.execute(
            "INSERT INTO roadmap_state (id, hash, pending, before) VALUES (1, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE"
            " SET hash = excluded.hash, pending = excluded.pending, before = excluded.before",
            (state.hash, state.pending, state.before),
        )

    def save_version(self, digest: str, content: bytes, at: datetime, *, in_file: bool = True) -> None:
        """A content that is kept already is not compressed again: only its place in the order changes."""
        turn = "(SELECT coalesce(max(turn), 0) + 1 FROM roadmap_versions)"
        known = self._connection.execute(
            f"UPDATE roadmap_versions SET saved_at = ?, turn = {turn},"
            " in_file = CASE WHEN ? = 1 THEN 1 ELSE in_file END"
            " WHERE digest = ? RETURNING digest",
            (values.time(at), int(in_file), digest),
        )
        if not len(known):
            self._connection.execute(
                "INSERT INTO roadmap_versions (digest, content, size, saved_at, in_file, turn)"
                f" SELECT ?, ?, ?, ?, ?, {turn}",
                (digest, values.compress(content), len(content), values.time(at), int(in_file)),
            )

    def version(self, digest_or_prefix: str) -> bytes | None:
        prefix = digest_or_prefix.lower()
        if not prefix or not _HEX.issuperset(prefix):
            return None
        found = self._connection.execute(
            "SELECT content FROM roadmap_versions WHERE digest >= ? AND digest < ? LIMIT 2", (prefix, prefix + "g")
        ).fetchall()
        try:
            return values.decompress(found[0][0]) if len(found) == 1 else None
        except ValueError:  # `db check` tells of it
            return None

    def last_changes(self) -> Mapping[str, tuple[datetime, datetime | None]]:
        rows = self._connection.execute(
            "SELECT item, max(at), max(CASE WHEN change_type IN ('status_change', 'add') THEN at END)"
            " FROM roadmap_history WHERE item IS NOT NULL GROUP BY item"
        )
        return {item: (values.read_time(at), values.read_time_or_none(status_at)) for item, at, status_at in rows}

    def versions(self, limit: int, *, in_file: bool = False) -> Sequence[str]:
        rows = self._connection.execute(
            f"SELECT digest FROM roadmap_versions {'WHERE in_file = 1' if in_file else ''} ORDER BY turn DESC LIMIT ?",
            (limit,),
        )
        return [digest for (digest,) in rows]

    def makers(self, limit: int) -> Mapping[str, tuple[str, str | None]]:
        rows = self._connection.execute(
            "SELECT after_hash, changed_by, reason FROM roadmap_history WHERE after_hash IN"
            " (SELECT digest FROM roadmap_versions WHERE in_file = 1 ORDER BY turn DESC LIMIT ?) ORDER BY id",
            (limit,),
        )
        return {digest: (by, reason) for digest, by, reason in rows}

    def was_recorded(self, digest: str) -> bool:
        rows = self._connection.execute(
            "SELECT 1 FROM roadmap_history WHERE after_hash = ? OR before_hash = ? LIMIT 1", (digest, digest)
        )
        return len(rows) == 1

    def prune_versions(self, *, keep_last: int, keep_since: datetime) -> int:
        gone = self._connection.execute(
            "DELETE FROM roadmap_versions WHERE saved_at < ?"
            " AND digest NOT IN (SELECT digest FROM roadmap_versions ORDER BY turn DESC LIMIT ?)"
            " AND digest NOT IN (SELECT hash FROM roadmap_state)"
            " AND digest NOT IN (SELECT before FROM roadmap_state WHERE before IS NOT NULL)"
            " RETURNING digest",
            (values.time(keep_since), keep_last),
        )
        return len(gone)

    def append(self, change: NewChange) -> int:
        newest = self._connection.execute("SELECT after_hash FROM roadmap_history ORDER BY id DESC LIMIT 1").fetchone()
        if newest is not None and newest[0] != change.before_hash:
            raise ValueError(f"the history ends at {newest[0]}, this change begins at {change.before_hash}")
        row = self._connection.execute(
            "INSERT INTO roadmap_history (at, changed_by, change_type, item, old_value, new_value, old_text, new_text,"
            " diff, reason, before_hash, after_hash, undoes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                values.time(change.at),
                values.text(change.changed_by),
                change.change_type,
                values.text_or_none(change.item),
                values.text_or_none(change.before),
                values.text_or_none(change.after),
                values.pack(change.before_text),
                values.pack(change.after_text),
                values.text(change.diff),
                values.text_or_none(change.reason),
                change.before_hash,
                change.after_hash,
                change.undoes,
            ),
        )
        return int(row.rows[0][0])

    def changes(self, *, item: str | None = None, limit: int | None = None, after_id: int = 0) -> Sequence[Change]:
        most = values.FOR_EVER if limit is None else limit
        if item is None:
            rows = self._connection.execute(
                "SELECT * FROM roadmap_history WHERE id > ? ORDER BY id DESC LIMIT ?", (after_id, most)
            )
        else:
            rows = self._connection.execute(
                "SELECT * FROM roadmap_history WHERE item = ? AND id > ? ORDER BY id DESC LIMIT ?",
                (values.text(item), after_id, most),
            )
        return [_change(row) for row in rows.dicts()]

    def restores(self, *, after_id: int = 0) -> Sequence[Change]:
        rows = self._connection.execute(
            "SELECT * FROM roadmap_history WHERE item IS NULL AND change_type = 'restore' AND id > ? ORDER BY id DESC",
            (after_id,),
        )
        return [_change(row) for row in rows.dicts()]

    def change(self, change_id: int) -> Change | None:
        if not 0 < change_id <= values.FOR_EVER:
            return None
        rows = self._connection.execute("SELECT * FROM roadmap_history WHERE id = ?", (change_id,)).dicts()
        return _change(rows[0]) if rows else None

    def breaks(self) -> Sequence[int]:
        rows = self._connection.execute(
            "SELECT id FROM (SELECT id, before_hash, lag(after_hash) OVER (ORDER BY id) AS previous"
            " FROM roadmap_history) AS chain WHERE previous IS NOT NULL AND previous <> before_hash ORDER BY id"
        )
        return [change_id for (change_id,) in rows]


def _change(row: Mapping[str, Any]) -> Change:
    return Change(
        id=row["id"],
        at=values.read_time(row["at"]),
        changed_by=row["changed_by"],
        change_type=row["change_type"],
        item=row["item"],
        before=row["old_value"],
        after=row["new_value"],
        before_text=values.unpack(row["old_text"]),
        after_text=values.unpack(row["new_text"]),
        diff=row["diff"],
        reason=row["reason"],
        before_hash=row["before_hash"],
        after_hash=row["after_hash"],
        undoes=row["undoes"],
    )
