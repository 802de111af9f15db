"""`journal`: the finished steps of the items that were taken up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coffee_maker.core.records import Entry
from coffee_maker.store import values
from coffee_maker.utils.connection import Connection

END = "end"
"""The step that closes a pipeline."""


class Journal:
    """See `coffee_maker.core.ports.JournalTable`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def record(self, entry: Entry) -> None:
        self._connection.execute(
            "INSERT INTO journal (item, pipeline, step, result, fence, at) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (pipeline, step) DO NOTHING",
            (
                values.text(entry.item),
                entry.pipeline,
                entry.step,
                values.as_json(entry.result),
                entry.fence,
                values.time(entry.at),
            ),
        )

    def newest(self, item: str) -> Sequence[Entry]:
        rows = self._connection.execute(
            "SELECT item, pipeline, step, result, fence, at FROM journal WHERE item = ? AND pipeline ="
            " (SELECT max(pipeline) FROM journal WHERE item = ?) ORDER BY id",
            (item, item),
        )
        return [
            Entry(key, pipeline, step, values.read_json(result), fence, values.read_time(at))
            for key, pipeline, step, result, fence, at in rows
        ]

    def unfinished(self) -> Mapping[str, int]:
        rows = self._connection.execute(
            "SELECT item, max(pipeline) FROM journal GROUP BY item"
            " HAVING max(pipeline) NOT IN (SELECT pipeline FROM journal WHERE step = ?) ORDER BY item",
            (END,),
        )
        return {item: int(pipeline) for item, pipeline in rows}
