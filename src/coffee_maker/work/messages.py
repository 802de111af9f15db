"""Notifications and questions: created once, brought to their channels, answered exactly once, waited for.

Every operation is one transaction, so every process sees the same one answer whichever channel it came from. The
terminal is a channel that fetches instead of being sent to: what was shown there counts as sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from coffee_maker.core.errors import (
    DATABASE_AWAY,
    AlreadyAnswered,
    BadAnswer,
    DatabaseUnusable,
    KeyTaken,
    NoAnswerYet,
    NotAnswerable,
    NotificationNotFound,
    StillOpen,
    UnknownChannel,
)
from coffee_maker.core.ports import Channel, Clock, Store, Transaction, Wakeup
from coffee_maker.core.questions import (
    MAX_WORD,
    OPEN,
    UNANSWERED,
    Delivery,
    Draft,
    Kind,
    Level,
    Notification,
    State,
    answer_to,
    checked,
    same_content,
)
from coffee_maker.utils import observing
from coffee_maker.utils.durations import format_duration
from coffee_maker.utils.text import one_line
from coffee_maker.work.delivery import Outbox

TERMINAL = "terminal"
"""The channel that needs no delivery: whoever looks there is shown what is new."""

_LOOK_AGAIN = 30.0
"""Seconds after which a waiter looks at the clock again even when nothing was committed: a deadline is a time of day,
and a suspended or corrected clock must not make it miss that."""
_LOOK_UP = 0.5
"""Seconds between looks at `stop`: soon enough for Ctrl-C and for a lost lease, too seldom to cost anything."""
_AWAY_AT_MOST = 600.0
"""Seconds that a wait outlasts a database that is away."""
_RETRIES_LOOKED_FOR = timedelta(seconds=5)
"""Time between passes of the outbox when nothing was committed: the first retry comes after 15."""
_BATCH = 100
_SHOWN = 200  # characters of an answer, or of who gave it, in a refusal's sentence


def _wait(wakeup: Wakeup, seconds: float) -> bool:
    return wakeup.wait(seconds)


class Messages:
    """The operations on messages. `channels` are those that this process can deliver through, by name."""

    def __init__(self, store: Store, clock: Clock, channels: Mapping[str, Channel]) -> None:
        self._store = store
        self._clock = clock
        self._channels = channels

    # --- creating and reading ---

    def notify_once(self, draft: Draft) -> tuple[Notification, bool]:
        """`notify` for who chose the key by hand; and whether it is new. Raises `KeyTaken` where the key is that of
        another message, which would be lost without a word."""
        notification, new = self._create(draft)
        if not new and not same_content(draft, notification):
            raise KeyTaken(
                key=notification.idempotency_key,
                kind=notification.kind.value,
                id=notification.id,
                message=one_line(notification.title or notification.message, _SHOWN),
            )
        return notification, new

    def notify(self, draft: Draft) -> Notification:
        """Create a notification and put it into the outbox for its channels, in one transaction.

        With an idempotency key that is known the first notification is given back, whatever became of it, and nothing
        is sent again: a caller that died and repeats its question goes on waiting for the same answer. Raises
        `BadNotification` and `UnknownChannel`. Nothing has been sent when this returns; `deliver_due` does that.
        """
        return self._create(draft)[0]

    @observing.observed("messages.notify")
    def _create(self, draft: Draft) -> tuple[Notification, bool]:
        draft = checked(draft)
        names = tuple(dict.fromkeys(draft.channels or self._channels_for(draft.level)))
        for name in names:
            if name != TERMINAL and name not in self._channels:
                raise UnknownChannel(channel=name, known=", ".join((TERMINAL, *sorted(self._channels))))
        with self._store.writing() as tx:
            now = self._clock.now()
            notification, new = tx.notifications.create(draft, now)
            for name in names if new else ():
                if name != TERMINAL:
                    tx.deliveries.add(notification.id, name, now)
        observing.note(notification=notification.id, type=notification.kind.value, item=notification.item)
        return notification, new

    def _channels_for(self, level: Level) -> Iterator[str]:
        return (name for name, channel in self._channels.items() if not channel.levels or level in channel.levels)

    def get(self, notification_id: int) -> Notification:
        """One notification; raises `NotificationNotFound`."""
        with self._store.reading() as tx:
            return _get(tx, notification_id)

    def listing(
        self,
        *,
        states: Iterable[State] = (),
        item: str | None = None,
        after_id: int = 0,
        limit: int | None = None,
    ) -> Sequence[Notification]:
        """Notifications, oldest first; with no states, all."""
        with self._store.reading() as tx:
            return tx.notifications.find(states=tuple(states), item=item, after_id=after_id, limit=limit)

    def deliveries(self, notification_id: int) -> Sequence[Delivery]:
        """How far a notification came on each of its channels."""
        with self._store.reading() as tx:
            return tx.deliveries.of(_get(tx, notification_id).id)

    def shown(self, notifications: Iterable[Notification]) -> None:
        """Note that the terminal has shown them: what was pending is sent now. Who may read and not write has been
        shown them all the same."""
        fresh = [notification.id for notification in notifications if notification.state is State.PENDING]
        if not fresh:
            return
        with suppress(DatabaseUnusable), self._store.writing() as tx:
            now = self._clock.now()
            for notification_id in fresh:
                tx.notifications.set_state(notification_id, State.SENT, now, only_from=(State.PENDING,))

    # --- answering ---

    @observing.observed("messages.respond")
    def respond(self, notification_id: int, answer: str, *, by: str, via: str) -> Notification:
        """Store the one answer of a question, whichever of many answerers comes first; the answered question.

        With options the answer is one of them, by value or by number (`core.questions.option_meant`), and stored as
        the option's own value; without, it is free text, kept as given. An expired question takes its answer all the
        same (`core.questions.late` tells). Raises `AlreadyAnswered` with who, what, when and by which channel,
        `NotAnswerable`, `NotAnOption`, `BadAnswer` and `NotificationNotFound`; then nothing was changed.
        """
        _check_word(notification_id, "answerer's name", by)
        _check_word(notification_id, "channel's name", via)
        with self._store.writing() as tx:
            question = _get(tx, notification_id)
            _check_unanswered(question)
            if question.kind is not Kind.QUESTION:
                raise NotAnswerable(id=question.id, state=f"of type {question.kind.value}")
            meant = answer_to(question, answer)
            if not tx.notifications.answer(question.id, meant, by=by, via=via, at=self._clock.now()):
                raise AssertionError(f"question {question.id} was open in this transaction and took no answer")
            return _get(tx, notification_id)

    @observing.observed("messages.dismiss")
    def dismiss(self, notification_id: int, *, by: str) -> Notification:
        """Put a notification aside; a question then takes no answer any more. Again changes nothing. Raises
        `AlreadyAnswered`: an answer is never put aside. `answered_by` then says who did, with no answer."""
        _check_word(notification_id, "name", by)
        with self._store.writing() as tx:
            notification = _get(tx, notification_id)
            if notification.state is State.DISMISSED:
                return notification
            _check_unanswered(notification)
            tx.notifications.dismiss(notification.id, by=by, at=self._clock.now())
            return _get(tx, notification_id)

    # --- waiting ---

    @observing.observed("messages.wait")
    def wait(
        self, notification_id: int, *, timeout: timedelta | None = None, stop: Callable[[], bool] | None = None
    ) -> Notification:
        """Wait for the answer; the answered question, or the expired one when it has a default.

        At the question's own deadline it expires, in the transaction that last looks for an answer, so an answer that
        comes at the very deadline counts. An expired question with a default is returned with `answer` still None:
        `core.questions.taken` gives the default to go on with, and the one answer stays free for the person. Without a
        default `NoAnswerYet` is raised. A timeout never looks like an answer or a refusal.

        `timeout` and `stop` only end this wait: `StillOpen` is raised and the question stays as it is (another may
        wait longer). To have a question expire, give its draft a deadline. A question that was dismissed meanwhile
        raises `NotAnswerable`. A database that goes away meanwhile (a server that is restarted) is waited for, too,
        within `timeout`; its refusal is raised then.
        """
        started = self._clock.now()
        begun, away = False, 0.0  # since when the database is
        with self._store.wakeup() as wakeup:
            while True:
                try:
                    settled = self._look_or_rest(notification_id, wakeup, started, timeout, stop)
                except DATABASE_AWAY:
                    away = away or time.monotonic()
                    over = timeout is not None and self._clock.now() - started >= timeout
                    if not begun or over or _asked(stop) or time.monotonic() - away > _AWAY_AT_MOST:
                        raise
                    time.sleep(_LOOK_UP)
                    continue
                if settled is not None:
                    return settled
                begun, away = True, 0.0

    def _look_or_rest(
        self,
        notification_id: int,
        wakeup: Wakeup,
        started: datetime,
        timeout: timedelta | None,
        stop: Callable[[], bool] | None,
    ) -> Notification | None:
        """The question when it is settled; else None, after a rest until something may have changed."""
        question, give_up = self._look(notification_id), None if timeout is None else started + timeout
        if question.state not in OPEN:
            observing.note(notification=question.id, state=question.state.value)
            return _settled(question)
        now = self._clock.now()
        if (give_up is not None and now >= give_up) or _asked(stop):
            raise StillOpen(id=question.id, waited=_told(now - started))
        nearest = min((at for at in (question.deadline, give_up) if at is not None), default=None)
        with suppress(*DATABASE_AWAY):  # the next look says so
            wakeup.wait(_pause(now, nearest, _LOOK_AGAIN if stop is None else _LOOK_UP))
        return None

    def _look(self, notification_id: int) -> Notification:
        """The question as it is now; one whose deadline has come is expired."""
        question = self.get(notification_id)
        if question.kind is not Kind.QUESTION:
            raise NotAnswerable(id=question.id, state=f"of type {question.kind.value}")
        if question.state not in OPEN or question.deadline is None or self._clock.now() < question.deadline:
            return question
        with self._store.writing() as tx:
            tx.notifications.set_state(notification_id, State.EXPIRED, self._clock.now(), only_from=OPEN)
            return _get(tx, notification_id)

    def watch(self, *, after_id: int = 0, stop: Callable[[], bool] | None = None) -> Iterator[Notification]:
        """Yield the notifications after `after_id`, then new ones as they come, until `stop`. One counts as sent as
        soon as the next is asked for, that is, when it has been shown; one that was being shown at a crash does not."""
        with self._store.wakeup() as wakeup:
            while not _asked(stop):
                batch = self.listing(after_id=after_id, limit=_BATCH)
                for notification in batch:
                    yield notification
                    after_id = notification.id
                    self.shown([notification])
                if not batch:
                    wakeup.wait(_LOOK_AGAIN if stop is None else _LOOK_UP)

    # --- what happens by itself ---

    def expire_due(self) -> int:
        """Expire the open questions whose deadline has passed, also those that nobody waits for; how many."""
        with self._store.reading() as tx:
            if not tx.notifications.due(self._clock.now()):
                return 0  # the usual case takes no turn from a writer
        with self._store.writing() as tx:
            now = self._clock.now()
            due = tx.notifications.due(now)
            return sum(tx.notifications.set_state(one.id, State.EXPIRED, now, only_from=OPEN) for one in due)

    @observing.observed("messages.deliver_due")
    def deliver_due(self, enough: Callable[[], bool] | None = None) -> int:
        """Attempt the deliveries that are due through this process's channels; how many (`work.delivery`)."""
        return Outbox(self._store, self._clock, self._channels).deliver_due(enough)

    def serve(self, stop: Callable[[], bool], wait: Callable[[Wakeup, float], bool] = _wait) -> None:
        """Be the outbox's worker until `stop`: deliver and expire, woken by every commit, else every few seconds.
        Any number of workers may run, and any may be killed at any moment. `wait` may wait for `stop`, too."""
        last_pass: datetime | None = None
        with self._store.wakeup() as wakeup:
            woken = True
            while not stop():
                now = self._clock.now()
                if woken or last_pass is None or now - last_pass >= _RETRIES_LOOKED_FOR:
                    last_pass = now
                    self.expire_due()
                    self.deliver_due()
                woken = wait(wakeup, _LOOK_UP)


def _asked(stop: Callable[[], bool] | None) -> bool:
    return stop is not None and stop()


def _get(tx: Transaction, notification_id: int) -> Notification:
    notification = tx.notifications.get(notification_id)
    if notification is None:
        raise NotificationNotFound(id=notification_id)
    return notification


def _check_word(notification_id: int, what: str, word: str) -> None:
    if not word.strip() or len(word) > MAX_WORD:
        raise BadAnswer(id=notification_id, problem=f"the {what} needs 1 to {MAX_WORD} characters")


def _check_unanswered(notification: Notification) -> None:
    if notification.state is State.RESPONDED and notification.answered_at is not None:
        raise AlreadyAnswered(
            id=notification.id,
            by=one_line(notification.answered_by or "", _SHOWN),
            via=one_line(notification.answered_via or "", _SHOWN),
            at=notification.answered_at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z").strip(),
            answer=one_line(notification.answer or "", _SHOWN),
        )
    if notification.state not in UNANSWERED:
        raise NotAnswerable(id=notification.id, state=_dismissed(notification))


def _dismissed(notification: Notification) -> str:
    return f"dismissed (by {one_line(notification.answered_by or 'somebody', _SHOWN)})"


def _settled(question: Notification) -> Notification:
    """What a waiter gets of a question that is no longer open."""
    if question.state is State.EXPIRED and question.default is None:
        waited = (question.deadline or question.updated) - question.created
        raise NoAnswerYet(id=question.id, waited=_told(waited))
    if question.state is State.DISMISSED:
        raise NotAnswerable(id=question.id, state=_dismissed(question))
    return question


def _told(waited: timedelta) -> str:
    """To the tenth of a second: who asks for 2 s is not told 1.998."""
    return format_duration(timedelta(seconds=round(waited.total_seconds(), 1)))


def _pause(now: datetime, until: datetime | None, longest: float) -> float:
    """Seconds to sleep: until the moment that comes first, at most `longest`."""
    return longest if until is None else max(min((until - now).total_seconds(), longest), 0.0)
