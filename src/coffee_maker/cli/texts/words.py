"""Words that texts share. Times are local, or how long ago; the data carry UTC."""

from __future__ import annotations

from coffee_maker.core.lean import UTC, datetime
from coffee_maker.utils.durations import roughly
from coffee_maker.utils.text import one_line

_WHY = 200  # characters of a reason

FORM_OF_AN_ITEM = (
    "An item is a heading such as `## PRIORITY 1: Title` or `## US-1: Title`; check lists and tables are none.",
    "Are yours of another form? [roadmap] item_pattern in coffee-roadmap.toml describes it.",
)


def counted(count: int, noun: str) -> str:
    """``1 item``, ``2 items``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def local(at: str) -> str:
    """Date and time on this machine's clock: ``2026-11-23 19:20``; `zone` names the clock."""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")


def zone() -> str:
    """The name of this machine's time zone, now."""
    return datetime.now(UTC).astimezone().tzname() or "local"


def ago(at: str, now: datetime | None = None) -> str:
    """How long ago."""
    return f"{roughly((now or datetime.now(UTC)) - datetime.fromisoformat(at))} ago"


def left(deadline: str | None, now: datetime | None = None) -> str:
    """How long a question still waits; nothing when it has no deadline."""
    if deadline is None:
        return ""
    rest = datetime.fromisoformat(deadline) - (now or datetime.now(UTC))
    return "  (its time is over)" if rest.total_seconds() <= 0 else f"  ({roughly(rest)} left)"


def paused(by: str, reason: str | None) -> str:
    """That nothing new is taken up, as long as somebody wants it so, and why."""
    why = f" ({one_line(reason, _WHY)})" if reason else ""
    return f"Paused by {by}{why}: nothing new is taken up. `coffee-roadmap daemon resume` lets it go on."
