"""The outbox's worker: brings notifications to their channels, at least once, and never inside a transaction.

Take (a transaction: a lease on one delivery), send (outside), record (a transaction). A worker that is killed between
sending and recording leaves the delivery to the next one, which sends it again when the lease has run out: channels
are given the notification's id to tell a repetition by. Nothing is lost, whenever anything dies.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from queue import SimpleQueue
from typing import NamedTuple

from coffee_maker.core.errors import ChannelFailed, Refusal
from coffee_maker.core.ports import Channel, Clock, Store, Transaction
from coffee_maker.core.questions import MAX_ATTEMPTS, SEND_LEASE, Delivery, Notification, State, retry_at
from coffee_maker.utils.text import one_line

_LONGEST_ERROR = 500  # characters kept of a channel's sentence
_SETTLED = (State.RESPONDED, State.DISMISSED)


class Sent(NamedTuple):
    """How one attempt went: delivered when there is no error."""

    delivery: Delivery
    outside_id: str | None
    error: str | None


class Outbox:
    """Delivers through the channels that this process has; what is for other channels waits for who has them."""

    def __init__(self, store: Store, clock: Clock, channels: Mapping[str, Channel]) -> None:
        self._store = store
        self._clock = clock
        self._channels = channels

    def deliver_due(self, enough: Callable[[], bool] | None = None) -> int:
        """Attempt what is due; the number of attempts. Channels are worked side by side, each in its own order. One
        that fails is left alone until the next call: a dead one costs one time limit and holds up no other. What is
        still due when there has been `enough` is left to the next one, too."""
        results: SimpleQueue[Sent] = SimpleQueue()
        attempts = 0
        under_way = sum(self._begin(name, results) for name in self._channels)
        while under_way:
            sent = results.get()
            self._record(sent)
            attempts += 1
            done = sent.error is not None or (enough is not None and enough())
            if done or not self._begin(sent.delivery.channel, results):
                under_way -= 1
        return attempts

    def _begin(self, name: str, results: SimpleQueue[Sent]) -> bool:
        """Send the channel's next delivery in a thread of its own; only the caller's thread touches the store."""
        with self._store.writing() as tx:
            todo = _take(tx, name, self._clock.now())
        if todo is None:
            return False
        channel = self._channels[name]
        threading.Thread(target=lambda: results.put(_attempt(channel, *todo)), name="delivery", daemon=True).start()
        return True

    def _record(self, sent: Sent) -> None:
        """Record one attempt together with what it makes of the notification."""
        with self._store.writing() as tx:
            now = self._clock.now()
            if sent.error is not None:
                _failed(tx, sent.delivery, sent.error, next_try=retry_at(sent.delivery.attempts, now), at=now)
                return
            tx.deliveries.delivered(sent.delivery.id, sent.outside_id, now)
            unseen = (State.PENDING, State.FAILED)
            tx.notifications.set_state(sent.delivery.notification_id, State.SENT, now, only_from=unseen)


@contextmanager
def meanwhile(deliver: Callable[[Callable[[], bool]], int]) -> Iterator[None]:
    """For the block, what is due is delivered beside it: who waits for an answer hears it when it comes, however long
    a channel takes. Behind the block only the attempts that are under way are waited for, so that none is cut off."""
    over = threading.Event()
    bugs: list[Exception] = []

    def work() -> None:
        try:
            deliver(over.is_set)
        except Refusal:
            pass  # the database is away: the wait says so, and what is due stays in the outbox
        except Exception as bug:  # noqa: BLE001 - told by whoever began it, as any other
            bugs.append(bug)

    thread = threading.Thread(target=work, name="outbox", daemon=True)
    thread.start()
    try:
        yield
    except Exception:
        over.set()
        thread.join()
        raise  # an interrupt waits for nothing
    over.set()
    thread.join()
    if bugs:
        raise bugs[0]


def _take(tx: Transaction, channel: str, now: datetime) -> tuple[Delivery, Notification] | None:
    """The channel's next delivery that is worth an attempt, under a lease; those that are not are given up."""
    while taken := tx.deliveries.take(now, channel=channel, lease=SEND_LEASE, limit=1):
        delivery = taken[0]
        notification = tx.notifications.get(delivery.notification_id)
        if notification is None or notification.state in _SETTLED:
            reason = f"not sent: it was {notification.state.value if notification else 'removed'} before"
        elif delivery.attempts > MAX_ATTEMPTS:
            reason = f"given up: {MAX_ATTEMPTS} attempts, the last of which was cut off"
        else:
            return delivery, notification
        _failed(tx, delivery, reason, next_try=None, at=now)
    return None


def _attempt(channel: Channel, delivery: Delivery, notification: Notification) -> Sent:
    try:
        return Sent(delivery, channel.send(notification), None)
    except ChannelFailed as refusal:
        return Sent(delivery, None, refusal.message)
    except Exception as bug:  # noqa: BLE001 - a bug in one channel must not stop the others; it is told as the failure
        return Sent(delivery, None, f"{type(bug).__name__}: {bug}")


def _failed(tx: Transaction, delivery: Delivery, error: str, *, next_try: datetime | None, at: datetime) -> None:
    """Note a failed attempt; when every channel has given up and nobody has seen it, the notification has failed."""
    tx.deliveries.failed(delivery.id, one_line(error, _LONGEST_ERROR), next_try=next_try, at=at)
    if all(other.state == "failed" for other in tx.deliveries.of(delivery.notification_id)):
        tx.notifications.set_state(delivery.notification_id, State.FAILED, at, only_from=(State.PENDING,))
