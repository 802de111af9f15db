"""The outbox: at least once, bounded attempts, one channel never in another's way."""

from __future__ import annotations

import threading

import pytest
from tests.work.messages_kit import HOUR, START, Post, Told, draft, failure

from coffee_maker.core.ports import Store
from coffee_maker.core.questions import MAX_ATTEMPTS, RETRIES, SEND_LEASE, Delivery, Notification, State


def only(post: Post, notification: Notification) -> Delivery:
    (delivery,) = post.messages.deliveries(notification.id)
    return delivery


def state(post: Post, notification: Notification) -> State:
    return post.messages.get(notification.id).state


def test_delivered_once_in_order(store: Store) -> None:
    told = Told()
    post = Post(store, told)
    made = [post.messages.notify(draft()) for _ in range(25)]
    assert told.sent == []
    assert post.messages.deliver_due() == 25
    assert told.sent == [one.id for one in made]
    assert post.messages.deliver_due() == 0
    assert {state(post, one) for one in made} == {State.SENT}
    delivery = only(post, made[0])
    assert (delivery.state, delivery.outside_id, delivery.attempts) == ("delivered", f"outside-{made[0].id}", 1)


def test_what_is_due_when_there_was_enough_is_left_to_the_next_one(store: Store) -> None:
    post = Post(store, Told())
    for _ in range(3):
        post.messages.notify(draft())
    assert post.messages.deliver_due(lambda: True) == 1
    assert post.messages.deliver_due() == 2


def test_a_failure_is_tried_again_later_and_then_given_up(store: Store) -> None:
    told = Told(failures=[failure() for _ in range(MAX_ATTEMPTS)])
    post = Post(store, told)
    made = post.messages.notify(draft())
    for wait in RETRIES:
        assert post.messages.deliver_due() == 1
        assert post.messages.deliver_due() == 0
        delivery = only(post, made)
        assert (delivery.state, delivery.next_try) == ("pending", post.clock.time + wait)
        assert delivery.error == "Channel told could not deliver: nobody at home."
        assert state(post, made) is State.PENDING
        post.clock.time += wait
    assert post.messages.deliver_due() == 1
    assert only(post, made).state == "failed"
    assert state(post, made) is State.FAILED
    post.clock.time += 100 * HOUR
    assert post.messages.deliver_due() == 0


def test_a_retry_that_works_is_a_delivery(store: Store) -> None:
    post = Post(store, Told(failures=[failure()]))
    made = post.messages.notify(draft())
    post.messages.deliver_due()
    post.clock.time += RETRIES[0]
    assert post.messages.deliver_due() == 1
    delivery = only(post, made)
    assert (delivery.state, delivery.attempts, delivery.error) == ("delivered", 2, None)
    assert state(post, made) is State.SENT


def test_a_failing_channel_is_left_alone_and_no_other_stops(store: Store) -> None:
    """One refuses, one has a bug, one works; the two bad ones cost one attempt a call, not one a message."""
    refuses, buggy, works = Told("a", [failure()] * 9), Told("b", [ZeroDivisionError("oops")] * 9), Told("c")
    post = Post(store, refuses, buggy, works)
    made = [post.messages.notify(draft()) for _ in range(3)]
    assert post.messages.deliver_due() == 1 + 1 + 3
    assert works.sent == [one.id for one in made]
    assert refuses.sent == buggy.sent == [made[0].id]
    assert [delivery.error for delivery in post.messages.deliveries(made[0].id)][1] == "ZeroDivisionError: oops"
    assert [delivery.attempts for delivery in post.messages.deliveries(made[1].id)] == [0, 0, 1]
    assert {state(post, one) for one in made} == {State.SENT}


def test_a_message_that_always_fails_does_not_hold_up_the_next(store: Store) -> None:
    told = Told(failures=[failure()])
    post = Post(store, told)
    bad, good = post.messages.notify(draft()), post.messages.notify(draft())
    post.messages.deliver_due()
    post.messages.deliver_due()
    assert told.sent == [bad.id, good.id]


def test_a_slow_channel_does_not_hold_up_the_others(store: Store) -> None:
    """The slow one ends only after the other has delivered everything: one after the other would wait for ever."""
    all_sent = threading.Event()

    class Slow(Told):
        def send(self, notification: Notification) -> str | None:
            assert all_sent.wait(60)
            return super().send(notification)

    class Quick(Told):
        def send(self, notification: Notification) -> str | None:
            sent = super().send(notification)
            if len(self.sent) == 3:
                all_sent.set()
            return sent

    post = Post(store, Slow("slow"), Quick("quick"))
    for _ in range(3):
        post.messages.notify(draft())
    assert post.messages.deliver_due() == 6


def test_failed_only_when_nobody_was_told(store: Store) -> None:
    post = Post(store, Told(failures=[failure()] * 99))
    seen, unseen = post.ask(), post.ask()
    post.messages.shown([seen])
    for _ in range(2 * MAX_ATTEMPTS):
        post.messages.deliver_due()
        post.messages.deliver_due()
        post.clock.time += HOUR
    assert (state(post, seen), state(post, unseen)) == (State.SENT, State.FAILED)
    assert post.answer(unseen, "found it all the same").state is State.RESPONDED


def test_what_was_settled_before_is_not_sent(store: Store) -> None:
    told = Told()
    post = Post(store, told)
    answered, dismissed, expired = post.ask(), post.ask(), post.ask(deadline=START)
    post.answer(answered)
    post.messages.dismiss(dismissed.id, by="ann")
    post.messages.expire_due()
    assert post.messages.deliver_due() == 1
    assert told.sent == [expired.id]  # its late answer still counts
    assert only(post, answered).error == "not sent: it was responded before"
    assert only(post, dismissed).state == "failed"
    assert [state(post, one) for one in (answered, dismissed)] == [State.RESPONDED, State.DISMISSED]
    assert state(post, expired) is State.EXPIRED


def test_a_worker_that_died_while_sending_sends_again(store: Store) -> None:
    told = Told()
    post = Post(store, told)
    made = post.messages.notify(draft())
    with post.store.writing() as tx:  # what a worker does before it sends
        tx.deliveries.take(post.clock.now(), channel="told", lease=SEND_LEASE, limit=1)
    assert post.messages.deliver_due() == 0
    post.clock.time += SEND_LEASE
    assert post.messages.deliver_due() == 1
    assert (only(post, made).state, only(post, made).attempts) == ("delivered", 2)


def test_a_message_that_kills_its_workers_is_given_up(store: Store) -> None:
    told = Told()
    post = Post(store, told)
    made = post.messages.notify(draft())
    for _ in range(MAX_ATTEMPTS):
        with post.store.writing() as tx:
            assert tx.deliveries.take(post.clock.now(), channel="told", lease=SEND_LEASE, limit=1)
        post.clock.time += SEND_LEASE
    assert post.messages.deliver_due() == 0
    assert told.sent == []
    assert only(post, made).error == f"given up: {MAX_ATTEMPTS} attempts, the last of which was cut off"
    assert state(post, made) is State.FAILED


def test_deliveries_wait_for_who_has_their_channel(store: Store) -> None:
    told = Told()
    made = Post(store, told).messages.notify(draft())
    assert Post(store).messages.deliver_due() == 0
    assert Post(store, Told("other")).messages.deliver_due() == 0
    post = Post(store, told)
    assert only(post, made).attempts == 0
    assert post.messages.deliver_due() == 1


def test_a_channel_s_hostile_sentence_is_kept_short_and_plain(store: Store) -> None:
    post = Post(store, Told(failures=[ValueError("\x1b[31m" + "x" * 10_000)]))
    made = post.messages.notify(draft())
    post.messages.deliver_due()
    error = only(post, made).error
    assert error is not None
    assert error.startswith("ValueError: xxx")
    assert len(error) == 500


def test_serving_delivers_expires_and_retries_until_it_is_stopped(store: Store) -> None:
    told = Told(failures=[failure()])
    post = Post(store, told)
    made = post.ask(deadline=START + RETRIES[0])
    post.messages.serve(lambda: post.clock.time > START + RETRIES[0] * 2)
    assert told.sent == [made.id, made.id]
    assert state(post, made) is State.EXPIRED
    assert max(post.store.waits) <= 0.5


@pytest.mark.parametrize("passes", [1, 2])
def test_serving_makes_a_pass_when_woken(store: Store, passes: int) -> None:
    told = Told()
    post = Post(store, told)
    made: list[int] = []

    def meanwhile() -> None:
        if len(made) < passes:
            made.append(post.messages.notify(draft()).id)

    post.store.meanwhile = meanwhile
    post.messages.serve(lambda: post.clock.time > START + RETRIES[0])
    assert told.sent == made
