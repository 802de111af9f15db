"""Records as the data of the JSON documents: the names and forms that scripts rely on (``docs/reference/cli.md``)."""

from __future__ import annotations

from enum import Enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from typing import Any

    from coffee_maker.core.choosing import Choice, Waiting
    from coffee_maker.core.document import Document
    from coffee_maker.core.history import Change, Outcome
    from coffee_maker.core.items import Item, Problem
    from coffee_maker.core.questions import Notification
    from coffee_maker.core.records import Heartbeat
    from coffee_maker.work.standing import Standing

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


def roadmap(path: str, document: Document, items: Iterable[Item]) -> Data:
    """The document with some of its items; the problems are those of the whole document."""
    return {
        "path": path,
        "revision": document.revision,
        "items": [item(one) for one in items],
        "problems": [problem(one) for one in document.problems],
    }


def match(document: Document, one: Item, wanted: str) -> Data | None:
    """The item with the first of its lines that contains the text (in small letters); None when none does."""
    text = document.text_of(one)
    if wanted not in text.casefold():
        return None
    lines = text.split("\n")
    number = next((i for i, line in enumerate(lines) if wanted in line.casefold()), 0)
    return {**item(one), "match": {"line": one.line + number, "text": lines[number].strip()}}


def found(path: str, document: Document, query: str) -> Data:
    """The items that contain the text; capitals make no difference."""
    wanted = query.casefold()
    matches = [found for one in document.items if (found := match(document, one, wanted))]
    return {"path": path, "revision": document.revision, "query": query, "items": matches}


def choice(one: Choice) -> Data:
    """What is next, and why the others wait."""
    return {
        "item": item(one.item) if one.item is not None else None,
        "waiting": [waiting(other) for other in one.waiting],
    }


def waiting(one: Waiting) -> Data:
    return {"key": one.key, "because": one.because}


def overview(path: str, document: Document, standing: Standing) -> Data:
    """Where the project stands."""
    return {
        "path": path,
        "revision": document.revision,
        "total": len(document.items),
        "counts": {status.value: count for status, count in standing.counts.items()},
        "without_status": standing.without_status,
        "problems": len(document.problems),
        "daemons": [{**daemon(heartbeat), "alive": alive} for heartbeat, alive in standing.daemons],
        "paused_by": standing.paused.asked_by if standing.paused else None,
        "paused_reason": standing.paused.reason if standing.paused else None,
        "questions": [notification(one) for one in standing.questions],
        "recent": [change(one) for one in standing.recent],
    }


def daemon(heartbeat: Heartbeat) -> Data:
    """A daemon by its last sign of life."""
    return {
        "daemon": heartbeat.daemon,
        "host": heartbeat.host,
        "pid": heartbeat.pid,
        "state": heartbeat.state,
        "item": heartbeat.item,
        "step": heartbeat.step,
        "at": moment(heartbeat.at),
        "started": moment(heartbeat.started) if heartbeat.started else None,
        "because": heartbeat.because,
    }


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
