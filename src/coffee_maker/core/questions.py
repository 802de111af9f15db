"""The life of a notification and of its one answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import NamedTuple


class Source(Enum):
    """Who speaks."""

    DAEMON = "daemon"
    PROJECT_MANAGER = "project_manager"


class Kind(Enum):
    """What is said; only a question takes an answer."""

    QUESTION = "question"
    STATUS = "status"
    ALERT = "alert"
    INFO = "info"


class Level(Enum):
    """How loudly."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class State(Enum):
    """pending (nobody was told yet) -> sent -> responded | expired | dismissed | failed.

    A question that expired can still be answered once: a late answer is kept and shown, never thrown away.
    """

    PENDING = "pending"
    SENT = "sent"
    RESPONDED = "responded"
    EXPIRED = "expired"
    DISMISSED = "dismissed"
    FAILED = "failed"


class Draft(NamedTuple):
    """A notification that is to be created."""

    source: Source
    kind: Kind
    message: str
    title: str = ""
    level: Level = Level.NORMAL
    item: str | None = None  # item key
    options: tuple[str, ...] = ()
    context: Mapping[str, object] | None = None  # JSON
    deadline: datetime | None = None
    default: str | None = None  # what happens at the deadline: this answer is taken; None: it only expires
    idempotency_key: str | None = None  # creating twice with one key gives the first one back
    channels: tuple[str, ...] = ()  # empty: every configured channel


class Notification(NamedTuple):
    """A stored notification."""

    id: int
    source: Source
    kind: Kind
    level: Level
    title: str
    message: str
    context: Mapping[str, object]
    item: str | None
    options: tuple[str, ...]
    state: State
    answer: str | None
    answered_by: str | None
    answered_via: str | None
    answered_at: datetime | None
    deadline: datetime | None
    default: str | None
    idempotency_key: str | None
    created: datetime
    updated: datetime


class Delivery(NamedTuple):
    """One notification on its way through one channel."""

    id: int
    notification_id: int
    channel: str
    state: str  # pending | delivered | failed
    attempts: int
    next_try: datetime
    error: str | None
    outside_id: str | None  # the channel's own id of the message, e.g. Slack's timestamp
