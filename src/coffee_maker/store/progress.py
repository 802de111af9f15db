"""`progress`: what the agent of each item last told of itself."""

from __future__ import annotations

from datetime import datetime

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
            progress = progress._replace(
                percent=percent, words=words, waits_for=before.waits_for, waits_until=before.waits_until
            )
        self._write(progress)

    def _write(self, progress: Progress) -> None:
        self._connection.execute(
            "INSERT INTO progress (item, pipeline, percent, words, at, waits_for, waits_until)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (item) DO UPDATE SET pipeline = excluded.pipeline, percent = excluded.percent,"
            " words = excluded.words, at = excluded.at, waits_for = excluded.waits_for,"
            " waits_until = excluded.waits_until",
            (
                values.text(progress.item),
                progress.pipeline,
                progress.percent,
                values.text_or_none(progress.words),
                values.time(progress.at),
                progress.waits_for,
                values.time_or_none(progress.waits_until),
            ),
        )

    def waits(self, item: str, pipeline: int, question: int, *, until: datetime) -> None:
        before = self.of(item)
        if before is not None and before.pipeline > pipeline:
            return  # what an older one left running
        if before is None or before.pipeline != pipeline:
            before = Progress(item, pipeline, None, None, until)
        elif before.waits_for not in (None, question) and before.waits_until and before.waits_until > until:
            return
        self._write(before._replace(waits_for=question, waits_until=until))

    def of(self, item: str) -> Progress | None:
        rows = self._connection.execute(
            "SELECT item, pipeline, percent, words, at, waits_for, waits_until FROM progress WHERE item = ?",
            (values.text(item),),
        )
        for key, pipeline, percent, words, at, question, until in rows:
            return Progress(
                key,
                int(pipeline),
                None if percent is None else int(percent),
                words,
                values.read_time(at),
                None if question is None else int(question),
                values.read_time_or_none(until),
            )
        return None
