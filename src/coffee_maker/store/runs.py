"""`runs` in the analytics database: one row per attempt of an agent at an item."""

from __future__ import annotations

from collections.abc import Sequence

from coffee_maker.core.records import Run
from coffee_maker.store import values
from coffee_maker.utils.connection import Connection


class Runs:
    """See `coffee_maker.core.ports.RunLog`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def start(self, run: Run) -> int:
        row = self._connection.execute(
            "INSERT INTO runs (item, daemon, agent, branch, started_at, ended_at, outcome, detail,"
            " exit_code, commit_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            _values(run),
        )
        return int(row.rows[0][0])

    def end(self, run_id: int, run: Run) -> None:
        self._connection.execute(
            "UPDATE runs SET item = ?, daemon = ?, agent = ?, branch = ?, started_at = ?, ended_at = ?, outcome = ?,"
            " detail = ?, exit_code = ?, commit_id = ? WHERE id = ?",
            (*_values(run), run_id),
        )

    def list(self, *, item: str | None = None, limit: int | None = None) -> Sequence[tuple[int, Run]]:
        """Newest first."""
        most = values.FOR_EVER if limit is None else limit
        if item is None:
            rows = self._connection.execute("SELECT * FROM runs ORDER BY id DESC LIMIT ?", (most,))
        else:
            rows = self._connection.execute("SELECT * FROM runs WHERE item = ? ORDER BY id DESC LIMIT ?", (item, most))
        return [
            (
                row["id"],
                Run(
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
                ),
            )
            for row in rows.dicts()
        ]


def _values(run: Run) -> tuple[str | int | None, ...]:
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
    )
