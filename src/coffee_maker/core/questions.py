"""The life of a notification and of its one answer: the nouns, and the rules that every store and channel shares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum

from coffee_maker.core.errors import BadAnswer, BadNotification, NotAnOption
from coffee_maker.core.typed import NamedTuple


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
    """pending (nobody was told yet) -> sent -> responded | expired | dismissed; failed: no channel could deliver it.

    A question that failed is still open: it can be seen and answered on the terminal. One that expired can still be
    answered once: a late answer is kept and shown, never thrown away.
    """

    PENDING = "pending"
    SENT = "sent"
    RESPONDED = "responded"
    EXPIRED = "expired"
    DISMISSED = "dismissed"
    FAILED = "failed"


OPEN = frozenset({State.PENDING, State.SENT, State.FAILED})
"""A question in one of these waits for its answer, and expires at its deadline."""
UNANSWERED = OPEN | {State.EXPIRED}
"""A question in one of these takes an answer; a notification in one of these can be dismissed."""


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


# --- rules: what may be created ----------------------------------------------------------------------------------

MAX_TITLE = 300  # characters; a title is one line in a list
MAX_MESSAGE = 100_000  # more than any chat service takes (Slack: 40,000), small enough to list hundreds at once
MAX_OPTIONS = 50
MAX_OPTION = 200
MAX_WORD = 200  # item key, idempotency key, who answered and by which channel


def checked(draft: Draft) -> Draft:
    """The draft, fit to be created, its default put in the words of its option; raises `BadNotification`.

    The texts are kept as they are, control characters and all: they are made safe where they are shown.
    """
    problem = _text_problem(draft) or _question_problem(draft)
    if problem is None and draft.default is not None and draft.options:
        default = option_meant(draft.options, draft.default)
        if default is not None:
            return draft._replace(default=default)
        problem = f"the default {draft.default[:MAX_OPTION]!r} is none of the options"
    if problem is not None:
        raise BadNotification(problem=problem)
    return draft


def same_content(draft: Draft, stored: Notification) -> bool:
    """Whether a draft says what was said already; how long it waits and how loud it is may differ."""
    return all(
        getattr(draft, name) == getattr(stored, name) for name in ("kind", "message", "title", "item", "options")
    )


def _text_problem(draft: Draft) -> str | None:
    if not draft.message.strip():
        return "the message is empty"
    texts = [("title", draft.title, MAX_TITLE), ("message", draft.message, MAX_MESSAGE)]
    texts += [("option", option, MAX_OPTION) for option in draft.options]
    texts += [("default", draft.default or "", MAX_MESSAGE), ("item key", draft.item or "", MAX_WORD)]
    texts += [("idempotency key", draft.idempotency_key or "", MAX_WORD), ("context", _json(draft), MAX_MESSAGE)]
    for what, text, most in texts:
        if len(text) > most:
            return f"the {what} has {len(text):,} characters, and at most {most:,} are taken"
    return None


def _json(draft: Draft) -> str:
    try:
        return json.dumps(draft.context or {}, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadNotification(problem=f"its context is not JSON ({error})") from None


def _question_problem(draft: Draft) -> str | None:
    if draft.kind is not Kind.QUESTION:
        given = [name for name in ("options", "deadline", "default") if getattr(draft, name) not in (None, ())]
        return f"only a question has {' and '.join(given)}" if given else None
    values = [option.strip() for option in draft.options]
    if "" in values:
        return "an option is empty"
    if len(set(values)) < len(values):
        return f"the option {next(value for value in values if values.count(value) > 1)!r} is given twice"
    if len(values) > MAX_OPTIONS:
        return f"it has {len(values)} options, and at most {MAX_OPTIONS} are taken"
    if draft.deadline is not None and draft.deadline.tzinfo is None:
        return "its deadline has no time zone"
    if draft.default is None:
        return None
    if draft.deadline is None:
        return "a default is taken at the deadline, and it has none"
    return None if draft.default.strip() else "the default is empty"


# --- rules: what is an answer ------------------------------------------------------------------------------------


def numbered(options: tuple[str, ...]) -> bool:
    """Whether options can be chosen by their 1-based number. Not when one of them reads like such a number itself:
    with the options "2" and "4" a person who types 2 may mean either, and consent is never guessed."""
    numbers = {str(number) for number in range(1, len(options) + 1)}
    return not any(option.strip().lstrip("0") in numbers for option in options)


TEXT_FOLLOWS = ": ..."


def option_meant(options: tuple[str, ...], answer: str) -> str | None:
    """The option that is meant: by its value, else by its value in other capitals when only one reads so, else by its
    number; None when it is none, or not certain which. Space around and Unicode's composition make no difference.

    An option that ends in `TEXT_FOLLOWS` ("change: ...") takes the person's own words behind its beginning: "change:
    use blue" is that option with these words. Without words it is none.
    """
    import unicodedata  # not at the top: a shared library that most commands never need

    def plain(text: str) -> str:
        return unicodedata.normalize("NFC", text.strip())

    said = plain(answer)
    for same in (plain, lambda text: plain(text).casefold()):
        meant = [option for option in options if same(option) == same(said)]
        if meant:
            return meant[0] if len(meant) == 1 and not meant[0].endswith(TEXT_FOLLOWS) else None
    for option in options:
        beginning = option.removesuffix(TEXT_FOLLOWS)
        if beginning != option and said.casefold().startswith(f"{beginning}:".casefold()):
            words = said[len(beginning) + 1 :].strip()
            return f"{beginning}: {words}" if words.strip(". ") else None
    if numbered(options):
        chosen = next((option for number, option in enumerate(options, 1) if said == str(number)), None)
        return None if chosen is None or chosen.endswith(TEXT_FOLLOWS) else chosen
    return None


def answer_to(question: Notification, answer: str) -> str:
    """The answer as it is to be stored: the option's own value, or free text as it was given when there are no
    options; raises `BadAnswer` for an empty or unfit one and `NotAnOption`."""
    if not answer.strip():
        raise BadAnswer(id=question.id, problem="it is empty")
    if len(answer) > MAX_MESSAGE:
        raise BadAnswer(id=question.id, problem=f"it has {len(answer):,} characters, at most {MAX_MESSAGE:,} are taken")
    if not question.options:
        return answer
    meant = option_meant(question.options, answer)
    if meant is None:
        options, hint = ", ".join(question.options), _way_with_words(question)
        raise NotAnOption(id=question.id, answer=answer, options=options, hint=hint)
    return meant


def _way_with_words(question: Notification) -> str | None:
    """How words of one's own are given, where an option takes them: its beginning alone is no answer."""
    option = next((one.strip() for one in question.options if one.endswith(TEXT_FOLLOWS)), None)
    if option is None:
        return None
    said = f"{option.removesuffix(TEXT_FOLLOWS)}: …"
    hint = NotAnOption.default_hint.removesuffix(".")
    return f'{hint}; put your words behind it: `coffee-roadmap notifications respond {question.id} "{said}"`.'


def taken(question: Notification) -> str | None:
    """The answer to go on with: the one that was given; of an expired question its default; None when there is none.

    The default is never stored as an answer, so the one answer stays free for the person, however late.
    """
    if question.answer is not None:
        return question.answer
    return question.default if question.state is State.EXPIRED else None


def late(question: Notification) -> bool:
    """Whether the answer came after the deadline: whoever waited may have gone on with the default."""
    at, deadline = question.answered_at, question.deadline
    return at is not None and deadline is not None and at > deadline


# --- rules: the outbox -------------------------------------------------------------------------------------------

SEND_LIMIT = timedelta(seconds=60)
"""The longest that a channel may take for one message: a person's phone rings in seconds or not at all."""
SEND_LEASE = SEND_LIMIT + timedelta(seconds=30)
"""How long a worker owns the delivery that it took: longer than any attempt, or two would send it; what a killed worker
left is taken up after this."""
RETRIES = tuple(timedelta(seconds=seconds) for seconds in (15, 45, 120, 400, 1200, 3600, 3600))
"""How long to wait after each failed attempt: a service that restarts is back after the first, a network outage after
the later ones. Two and a half hours in all, then the delivery is given up and says so."""
MAX_ATTEMPTS = len(RETRIES) + 1


def retry_at(attempts: int, now: datetime) -> datetime | None:
    """When to try again after so many attempts (1 after the first); None: give up."""
    return now + RETRIES[attempts - 1] if attempts < MAX_ATTEMPTS else None
