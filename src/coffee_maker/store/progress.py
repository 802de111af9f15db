"""`progress`: what the agent of each item last told of itself."""

from __future__ import annotations

from coffee_maker.core.records import Progress
from coffee_maker.store import values
from coffee_maker.utils.connection import Connection


class ProgressNotes:
    """See `coffee_maker.core.ports.ProgressTable`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tell(self, progress: Progress) -> None:
        before = self.of(progress.item)
        if before is not None and before.pipeline == progress.pipeline:
            percent = before.percent if progress.percent is None else progress.percent
            words = before.words if progress.words is None else progress.words
            progress = progress._replace(percent=percent, words=words)
        self._connection.execute(
            "INSERT INTO progress (item, pipeline, percent, words, at) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (item) DO UPDATE SET pipeline = excluded.pipeline,"
            " percent = excluded.percent, words = excluded.words, at = excluded.at",
            (
                values.text(progress.item),
                progress.pipeline,
                progress.percent,
                values.text_or_none(progress.words),
                values.time(progress.at),
            ),
        )

    def of(self, item: str) -> Progress | None:
        rows = self._connection.execute(
            "SELECT item, pipeline, percent, words, at FROM progress WHERE item = ?", (values.text(item),)
        )
        for key, pipeline, percent, words, at in rows:
            return Progress(key, int(pipeline), None if percent is None else int(percent), words, values.read_time(at))
        return None
