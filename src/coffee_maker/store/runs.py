"""`runs` in the analytics database: one row per attempt of an agent at an item; `steps`: how long each step took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from coffee_maker.core.records import Run, StepTime, Usage
from coffee_maker.store import values
from coffee_maker.utils.connection import Connection


class Runs:
    """See `coffee_maker.core.ports.RunLog`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def start(self, run: Run) -> int:
        row = self._connection.execute(
            f"INSERT INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) RETURNING id",
            _values(run),
        )
        return int(row.rows[0][0])

    def keep(self, run_id: int, run: Run) -> None:
        self._connection.execute(f"{_UPDATE} AND ended_at IS NULL", (*_values(run), run_id))

    def amend(self, run_id: int, run: Run) -> None:
        self._connection.execute(_UPDATE, (*_values(run), run_id))

    def list(
        self, *, item: str | None = None, since: datetime | None = None, limit: int | None = None
    ) -> Sequence[tuple[int, Run]]:
        """Newest first."""
        where, given = _where(item, since)
        most = values.FOR_EVER if limit is None else limit
        rows = self._connection.execute(
            f"SELECT id, {', '.join(_COLUMNS)} FROM runs{where} ORDER BY id DESC LIMIT ?", (*given, most)
        )
        return [(row["id"], _run(row)) for row in rows.dicts()]

    def add_step(self, step: StepTime) -> None:
        self._connection.execute(
            "INSERT INTO steps (item, pipeline, step, started_at, ended_at, outcome) VALUES (?, ?, ?, ?, ?, ?)",
            (
                values.text(step.item),
                step.pipeline,
                step.step,
                values.time(step.started),
                values.time(step.ended),
                step.outcome,
            ),
        )

    def steps(
        self, *, item: str | None = None, since: datetime | None = None, outcome: str | None = None
    ) -> Sequence[StepTime]:
        where, given = _where(item, since, outcome)
        rows = self._connection.execute(
            f"SELECT item, pipeline, step, started_at, ended_at, outcome FROM steps{where} ORDER BY id", given
        )
        return [
            StepTime(key, pipeline, step, values.read_time(started), values.read_time(ended), outcome)
            for key, pipeline, step, started, ended, outcome in rows
        ]

    def taken_up(self, *, item: str | None = None) -> Mapping[tuple[str, int], datetime]:
        where, given = _where(item, None)
        rows = self._connection.execute(
            f"SELECT item, pipeline, min(started_at) FROM steps{where} GROUP BY item, pipeline", given
        )
        return {(key, pipeline): values.read_time(started) for key, pipeline, started in rows}


_USAGE = Usage._fields
_COLUMNS = (
    "item",
    "daemon",
    "agent",
    "branch",
    "started_at",
    "ended_at",
    "outcome",
    "detail",
    "exit_code",
    "commit_id",
    "pipeline",
    "attempt",
    "model",
    "session",
    "waited",
    *_USAGE,
)
_UPDATE = f"UPDATE runs SET {', '.join(f'{column} = ?' for column in _COLUMNS)} WHERE id = ?"


def _where(item: str | None, since: datetime | None, outcome: str | None = None) -> tuple[str, tuple[str, ...]]:
    """A clause of our own words, and what is put into it."""
    given = {
        "item = ?": values.text_or_none(item),
        "started_at >= ?": values.time_or_none(since),
        "outcome = ?": outcome,
    }
    parts = {words: value for words, value in given.items() if value is not None}
    return (f" WHERE {' AND '.join(parts)}" if parts else ""), tuple(parts.values())


def _values(run: Run) -> tuple[str | int | float | None, ...]:
    return (
        values.text(run.item),
        values.text(run.daemon),
        values.text(run.agent),
        values.text(run.branch),
        values.time(run.started),
        values.time_or_none(run.ended),
        run.outcome,
        values.text_or_none(run.detail),
        run.exit_code,
        run.commit,
        run.pipeline,
        run.attempt,
        values.text_or_none(run.model),
        values.text_or_none(run.session),
        run.waited,
        *run.usage,
    )


def _run(row: Mapping[str, Any]) -> Run:
    return Run(
        item=row["item"],
        daemon=row["daemon"],
        agent=row["agent"],
        branch=row["branch"],
        started=values.read_time(row["started_at"]),
        ended=values.read_time_or_none(row["ended_at"]),
        outcome=row["outcome"],
        detail=row["detail"],
        exit_code=row["exit_code"],
        commit=row["commit_id"],
        pipeline=row["pipeline"],
        attempt=row["attempt"],
        model=row["model"],
        session=row["session"],
        usage=Usage(**{name: row[name] for name in _USAGE}),
        waited=row["waited"],
    )
