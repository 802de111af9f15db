"""The outbox's worker: brings notifications to their channels, at least once, and never inside a transaction.

Take (a transaction: a lease on the delivery), send (outside), record (a transaction). A worker that is killed between
sending and recording leaves the delivery to the next one, which sends it again: channels are given the notification's
id to tell a repetition by. Nothing is lost, whenever anything dies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from coffee_maker.core.errors import ChannelFailed
from coffee_maker.core.ports import Channel, Clock, Store
from coffee_maker.core.questions import SEND_LEASE, SEND_LIMIT, Delivery, Notification, State, retry_at
from coffee_maker.utils.text import one_line

_LONGEST_ERROR = 500  # characters kept of a channel's sentence
_SETTLED = frozenset({State.RESPONDED, State.DISMISSED})


class Sent(NamedTuple):
    """How one attempt went: delivered when there is no error."""

    delivery: Delivery
    outside_id: str | None = None
    error: str | None = None
    needed: bool = True  # False: nothing was tried, and nothing will be


def deliver_due(store: Store, clock: Clock, channels: Mapping[str, Channel]) -> int:
    """Attempt what is due; the number of attempts. Channels are worked side by side, each in its own order; one that
    fails is left alone until the next call, so that a dead one costs one time limit and holds up no other."""
    if not channels:
        return 0  # what others put into the outbox is for those who have the channels
    with store.writing() as tx:
        now = clock.now()
        due = tx.deliveries.take(now, lease=SEND_LEASE)
        found = [(delivery, tx.notifications.get(delivery.notification_id)) for delivery in due]
    by_channel: dict[str, list[tuple[Delivery, Notification]]] = {}
    for delivery, notification in found:
        if notification is not None:
            by_channel.setdefault(delivery.channel, []).append((delivery, notification))
    until = now + SEND_LEASE
    attempts = [_attempts(channels.get(name), todo, clock, until) for name, todo in by_channel.items()]
    return sum(_record(store, clock, sent) for sent in _side_by_side(attempts))


def _attempts(
    channel: Channel | None, todo: Sequence[tuple[Delivery, Notification]], clock: Clock, until: datetime
) -> Iterator[Sent]:
    """Attempts at one channel, one after the other, up to the first failure or as long as the lease allows."""
    for delivery, notification in todo:
        if clock.now() + SEND_LIMIT > until:
            return
        sent = _attempt(channel, delivery, notification)
        yield sent
        if sent.needed and sent.error is not None:
            return


def _attempt(channel: Channel | None, delivery: Delivery, notification: Notification) -> Sent:
    if notification.state in _SETTLED:
        return Sent(delivery, error=f"not sent: it was {notification.state.value} before", needed=False)
    if channel is None:
        return Sent(delivery, error=f"no channel {delivery.channel} is configured here")
    try:
        return Sent(delivery, outside_id=channel.send(notification))
    except ChannelFailed as refusal:
        return Sent(delivery, error=refusal.message)
    except Exception as bug:  # noqa: BLE001 - a bug in one channel must not stop the others; it is told as the failure
        return Sent(delivery, error=f"{type(bug).__name__}: {bug}")


def _record(store: Store, clock: Clock, sent: Sent) -> bool:
    """Record one attempt together with what it makes of the notification; whether it was one."""
    delivery = sent.delivery
    with store.writing() as tx:
        now = clock.now()
        if sent.error is None:
            tx.deliveries.delivered(delivery.id, sent.outside_id, now)
            unseen = (State.PENDING, State.FAILED)
            tx.notifications.set_state(delivery.notification_id, State.SENT, now, only_from=unseen)
        else:
            next_try = retry_at(delivery.attempts + 1, now) if sent.needed else None
            tx.deliveries.failed(delivery.id, one_line(sent.error, _LONGEST_ERROR), next_try=next_try, at=now)
            if all(other.state == "failed" for other in tx.deliveries.of(delivery.notification_id)):
                tx.notifications.set_state(delivery.notification_id, State.FAILED, now, only_from=(State.PENDING,))
    return sent.needed


def _side_by_side(streams: Sequence[Iterator[Sent]]) -> Iterator[Sent]:
    """What the streams yield, as it comes; each but a lone one runs in a thread of its own. Only the caller's thread
    touches the store."""
    if len(streams) <= 1:
        for stream in streams:
            yield from stream
        return
    import queue
    import threading

    results: queue.SimpleQueue[Sent | None] = queue.SimpleQueue()

    def run(stream: Iterator[Sent]) -> None:
        for sent in stream:
            results.put(sent)
        results.put(None)

    for stream in streams:
        threading.Thread(target=run, args=(stream,), name="delivery", daemon=True).start()
    running = len(streams)
    while running:
        sent = results.get()
        if sent is None:
            running -= 1
        else:
            yield sent
