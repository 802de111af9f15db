"""Records as the data of the JSON documents: the names and forms that scripts rely on (``docs/reference/cli.md``)."""

from __future__ import annotations

from enum import Enum

from coffee_maker.cli import json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any

    from coffee_maker.core.choosing import Waiting
    from coffee_maker.core.document import Document
    from coffee_maker.core.history import Change, Outcome
    from coffee_maker.core.items import Item, Problem
    from coffee_maker.core.questions import Notification

    Data = dict[str, Any]


def item(one: Item) -> Data:
    """One item, without its text."""
    return {
        "key": one.key,
        "title": one.title,
        "status": one.status.value if one.status else None,
        "status_text": one.status_text,
        "progress": one.progress,
        "line": one.line,
        "level": one.level,
        "revision": one.revision,
        "fields": dict(one.fields),
        "depends_on": list(one.depends_on),
        "checklist": {"done": sum([check.done for check in one.checks]), "total": len(one.checks)},
    }


def whole_item(document: Document, one: Item) -> Data:
    """One item with its text, its check boxes one by one and its document's revision."""
    checks = [{"text": check.text, "done": check.done, "line": check.line} for check in one.checks]
    return {**item(one), "document_revision": document.revision, "checks": checks, "text": document.text_of(one)}


def problem(one: Problem) -> Data:
    return {"code": one.code, "message": one.message, "line": one.line, "key": one.key}


def roadmap(path: str, document: Document, items: Sequence[Item]) -> Data:
    """The document with some of its items; the problems are those of the whole document."""
    return {
        "path": path,
        "revision": document.revision,
        "items": json_text.Records(items, item, json_text.items),
        "problems": [problem(one) for one in document.problems],
    }


def next_item(one: Item | None, others: Sequence[Waiting]) -> Data:
    """The next item, and why the others wait."""
    return {
        "item": item(one) if one is not None else None,
        "waiting": json_text.Records(others, waiting, json_text.waiting),
    }


def waiting(one: Waiting) -> Data:
    return {"key": one.key, "because": one.because}


def outcome(one: Outcome, *, with_diff: bool) -> Data:
    """What an edit did; a dry run adds the diff of what it would do."""
    data = {
        "key": one.key,
        "change_type": one.change_type,
        "before": one.before,
        "after": one.after,
        "revision": one.revision,
        "document_revision": one.document_revision,
        "history_id": one.history_id,
    }
    return {**data, "dry_run": True, "diff": one.diff} if with_diff else data


def change(one: Change) -> Data:
    return {
        "id": one.id,
        "at": moment(one.at),
        "changed_by": one.changed_by,
        "change_type": one.change_type,
        "item": one.item,
        "before": one.before,
        "after": one.after,
        "reason": one.reason,
        "before_revision": one.before_revision,
        "after_revision": one.after_revision,
        "undoes": one.undoes,
        "diff": one.diff,
    }


_OUTSIDE = {"kind": "type", "state": "status"}
"""Names of a notification that are `type` and `status` on the command line and in the database."""


def notification(one: Notification) -> Data:
    """A notification: enumerations by their value, times in UTC, and the answer to go on with."""
    from coffee_maker.core.questions import late, taken

    data = {_OUTSIDE.get(name, name): _plain(value) for name, value in one._asdict().items()}
    return {**data, "taken": taken(one), "late": late(one)}


def waited(one: Notification) -> str:
    """How long a question was open until its deadline, to the tenth of a second: the deadline was fixed a moment
    before the question was made, and who asks for 2s is not told 1s999ms."""
    from datetime import timedelta

    from coffee_maker.utils.durations import format_duration

    if one.deadline is None:
        return "its time"
    return format_duration(timedelta(seconds=round((one.deadline - one.created).total_seconds(), 1)))


def moment(at: datetime | None) -> str | None:
    """A time as JSON has it: UTC, ISO 8601, microseconds."""
    return at.isoformat(timespec="microseconds") if at is not None else None


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if hasattr(value, "isoformat"):
        return moment(value)
    if isinstance(value, tuple):
        return list(value)
    return value
