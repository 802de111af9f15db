"""What is in a logical database, asked in the same words on both databases: row counts, the last thing written."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from coffee_maker.store import values
from coffee_maker.utils.connection import Connection

TABLES: Mapping[str, tuple[str, ...]] = {
    "notifications": (
        "roadmap_versions",
        "roadmap_state",
        "roadmap_history",
        "notifications",
        "deliveries",
        "slack_interactions",
        "claims",
        "heartbeats",
        "handshakes",
        "handshake_replies",
        "journal",
        "controls",
        "control_replies",
        "progress",
    ),
    "analytics": ("runs", "steps"),
}
"""Every table, one that refers to another after it."""

_SINCE = {"journal": 2, "controls": 2, "control_replies": 2, "steps": 2, "progress": 3}
"""The schema version that brought a table, where that was not the first."""

NUMBERED: Mapping[str, str] = {
    "roadmap_history": "id",
    "notifications": "id",
    "deliveries": "id",
    "slack_interactions": "id",
    "claims": "fence",
    "journal": "id",
    "controls": "id",
    "runs": "id",
    "steps": "id",
}
"""Tables whose numbers are never given out twice, and the column of the number."""

_NEWEST: Mapping[str, str] = {
    "notifications": (
        "SELECT max(moment) FROM (SELECT max(at) AS moment FROM roadmap_history"
        " UNION ALL SELECT max(saved_at) FROM roadmap_versions UNION ALL SELECT max(updated_at) FROM notifications"
        " UNION ALL SELECT max(updated_at) FROM deliveries UNION ALL SELECT max(taken_at) FROM claims"
        " UNION ALL SELECT max(received_at) FROM slack_interactions) AS moments"
    ),
    "analytics": (
        "SELECT max(moment) FROM (SELECT max(started_at) AS moment FROM runs"
        " UNION ALL SELECT max(ended_at) FROM runs) AS moments"
    ),
}


def row_counts(connection: Connection, name: str, version: int) -> Mapping[str, int]:
    """Rows of every table that the schema has at that version."""
    return {
        table: int(connection.execute(f"SELECT count(*) FROM {table}").rows[0][0])
        for table in TABLES[name]
        if _SINCE.get(table, 1) <= version
    }


def newest(connection: Connection, name: str) -> datetime | None:
    """Heartbeats do not count: they say nothing that could be lost."""
    return values.read_time_or_none(connection.execute(_NEWEST[name]).rows[0][0])


def copy(source: Connection, target: Connection, name: str) -> None:
    """Put every row of `source` into `target`, which holds none, and has the same tables."""
    for table in TABLES[name]:
        rows = source.execute(f"SELECT * FROM {table}")
        columns, marks = ", ".join(rows.columns), ", ".join("?" * len(rows.columns))
        for row in sorted(rows) if table in NUMBERED else rows:
            target.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", row)


def clear(target: Connection, name: str) -> None:
    for table in reversed(TABLES[name]):
        target.execute(f"DELETE FROM {table}")
