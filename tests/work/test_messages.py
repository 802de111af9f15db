"""Messages: created once, answered exactly once, waited for, expired."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from tests.work.messages_kit import HOUR, START, Post, Sleepless, Told, draft

from coffee_maker.core.errors import (
    AlreadyAnswered,
    BadAnswer,
    BadNotification,
    DatabaseUnusable,
    NoAnswerYet,
    NotAnOption,
    NotAnswerable,
    NotificationNotFound,
    StillOpen,
    UnknownChannel,
)
from coffee_maker.core.ports import Store
from coffee_maker.core.questions import OPEN, Kind, Level, State, late, taken


@pytest.fixture
def post(store: Store) -> Post:
    return Post(store)


# --- creating ---


def test_a_notification_is_stored_as_it_was_given(post: Post) -> None:
    text = "\x1b[31mred\x1b[0m \u202eabc\n⏸️"
    about = {"item": "PRIORITY-2", "context": {"a": [1]}, "level": Level.HIGH}
    made = post.messages.notify(draft(message=text, title="T\a", **about))
    assert (made.message, made.title, made.item, made.context) == (text, "T\a", "PRIORITY-2", {"a": [1]})
    assert (made.state, made.level, made.created, made.updated) == (State.PENDING, Level.HIGH, START, START)
    assert post.messages.get(made.id) == made
    assert list(post.messages.listing()) == [made]


def test_a_bad_one_is_refused_and_leaves_nothing(post: Post) -> None:
    with pytest.raises(BadNotification):
        post.messages.notify(draft(message=""))
    assert list(post.messages.listing()) == []


def test_the_same_key_gives_the_first_one_back_and_sends_nothing_again(store: Store) -> None:
    told = Told()
    post = Post(store, told)
    first = post.ask("yes", "no", idempotency_key="merge-7")
    post.messages.deliver_due()
    again = post.ask("other", idempotency_key="merge-7")
    assert (again.id, again.options) == (first.id, ("yes", "no"))
    assert post.messages.deliver_due() == 0
    post.answer(first)
    assert post.ask(idempotency_key="merge-7").answer == "yes"
    quiet = post.ask(idempotency_key="quiet", channels=("terminal",))
    assert post.ask(idempotency_key="quiet") == quiet
    assert post.messages.deliver_due() == 0
    assert told.sent == [first.id]


def test_one_delivery_for_each_channel_that_takes_the_level(store: Store) -> None:
    post = Post(store, Told("mail"), Told("phone", levels=[Level.CRITICAL]))

    def channels(**more: object) -> list[str]:
        made = post.messages.notify(draft(**more))
        return [delivery.channel for delivery in post.messages.deliveries(made.id)]

    assert channels() == ["mail"]
    assert channels(level=Level.CRITICAL) == ["mail", "phone"]
    assert channels(channels=("phone", "phone")) == ["phone"]
    assert channels(channels=("terminal",)) == []
    with pytest.raises(UnknownChannel, match="no channel fax; the configured ones are: terminal, mail, phone"):
        channels(channels=("mail", "fax"))
    assert len(post.messages.listing()) == 4


# --- reading ---


def test_what_is_not_there(post: Post) -> None:
    for ask in (post.messages.get, post.messages.deliveries, post.messages.wait):
        with pytest.raises(NotificationNotFound, match="no notification 99"):
            ask(99)
    with pytest.raises(NotificationNotFound):
        post.messages.respond(99, "x", by="ann", via="terminal")
    with pytest.raises(NotificationNotFound):
        post.messages.dismiss(99, by="ann")


def test_listing_by_state_item_and_place(post: Post) -> None:
    a, b, c = post.ask(), post.ask(item="PRIORITY-2"), post.ask()
    post.answer(c)
    ids = lambda **by: [one.id for one in post.messages.listing(**by)]  # noqa: E731
    assert ids() == [a.id, b.id, c.id]
    assert ids(states=OPEN) == [a.id, b.id]
    assert ids(item="PRIORITY-2") == [b.id]
    assert ids(after_id=a.id, limit=1) == [b.id]


def test_what_the_terminal_has_shown_counts_as_sent(post: Post) -> None:
    a, b = post.ask(), post.ask()
    post.answer(b)
    post.messages.shown([a, b])  # b was pending when it was read
    assert post.messages.get(a.id).state is State.SENT
    assert post.messages.get(b.id).state is State.RESPONDED
    post.messages.shown([post.messages.get(a.id)])
    assert post.messages.get(a.id).updated == START


def test_who_may_only_read_is_shown_them_all_the_same(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = post.ask()

    @contextmanager
    def refused(_store: object) -> Iterator[None]:
        raise DatabaseUnusable(name="notifications", problem="it is read-only for you")
        yield

    with monkeypatch.context() as patched:
        patched.setattr(Sleepless, "writing", refused)
        post.messages.shown([asked])
    assert post.messages.get(asked.id).state is State.PENDING


# --- answering ---


def test_exactly_one_answer(post: Post) -> None:
    asked = post.ask("yes", "no")
    answered = post.answer(asked, "YES", by="ann", via="terminal")
    assert (answered.state, answered.answer, answered.answered_by) == (State.RESPONDED, "yes", "ann")
    assert (answered.answered_via, answered.answered_at) == ("terminal", START)
    with pytest.raises(AlreadyAnswered) as refused:
        post.answer(asked, "no", by="bob", via="slack")
    assert refused.value.exit_code == 5
    for fact in ("ann", "terminal", "yes", START.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")):
        assert fact in refused.value.message
    assert post.messages.get(asked.id) == answered


def test_the_refusal_shows_hostile_words_safely(post: Post) -> None:
    asked = post.ask()
    post.answer(asked, "\x1b]0;gone\a" + "x" * 5000, by="a\x1b[2Jnn")
    with pytest.raises(AlreadyAnswered) as refused:
        post.answer(asked)
    assert "\x1b" not in refused.value.message
    assert len(refused.value.message) < 400


def test_what_takes_no_answer(post: Post) -> None:
    info = post.messages.notify(draft(kind=Kind.ALERT))
    with pytest.raises(NotAnswerable, match="is of type alert and takes no answer"):
        post.answer(info)
    with pytest.raises(NotAnswerable, match="of type alert"):
        post.messages.wait(info.id)
    asked = post.ask("yes", "no")
    with pytest.raises(NotAnOption):
        post.answer(asked, "perhaps")
    with pytest.raises(BadAnswer):
        post.answer(asked, "")
    with pytest.raises(BadAnswer, match="answerer's name"):
        post.answer(asked, by=" ")
    with pytest.raises(BadAnswer, match="channel's name"):
        post.answer(asked, via="x" * 201)
    assert post.messages.get(asked.id) == asked


def test_dismissed(post: Post) -> None:
    asked, info, answered = post.ask(), post.messages.notify(draft()), post.answer(post.ask())
    gone = post.messages.dismiss(asked.id, by="ann")
    assert (gone.state, gone.answered_by, gone.answer, gone.answered_at) == (State.DISMISSED, "ann", None, None)
    assert post.messages.dismiss(asked.id, by="bob") == gone
    with pytest.raises(NotAnswerable, match=r"dismissed \(by ann\)"):
        post.answer(asked)
    with pytest.raises(NotAnswerable, match=r"dismissed \(by ann\)"):
        post.messages.wait(asked.id)
    assert post.messages.dismiss(info.id, by="ann").state is State.DISMISSED
    with pytest.raises(AlreadyAnswered):
        post.messages.dismiss(answered.id, by="ann")


# --- waiting ---


def test_waiting_for_an_answer(post: Post) -> None:
    asked = post.ask("yes", "no")
    post.store.meanwhile = lambda: len(post.store.waits) == 3 and post.answer(asked, "no")
    assert post.messages.wait(asked.id).answer == "no"
    assert len(post.store.waits) == 3
    assert post.messages.wait(asked.id).answer == "no"


def test_at_the_deadline_it_expires(post: Post) -> None:
    asked = post.ask("yes", "no", deadline=START + timedelta(seconds=70))
    with pytest.raises(NoAnswerYet) as told:
        post.messages.wait(asked.id)
    assert told.value.exit_code == 75
    assert "not answered within 1m10s" in told.value.message
    assert f"respond {asked.id}" in told.value.hint
    assert post.store.waits == [30, 30, 10]
    expired = post.messages.get(asked.id)
    assert (expired.state, expired.answer) == (State.EXPIRED, None)
    assert expired.updated == START + timedelta(seconds=70)
    with pytest.raises(NoAnswerYet):
        post.messages.wait(asked.id)


def test_the_default_is_taken_at_the_deadline_and_the_answer_stays_free(post: Post) -> None:
    asked = post.ask("yes", "no", deadline=START + HOUR, default="no")
    expired = post.messages.wait(asked.id)
    assert (expired.state, expired.answer, taken(expired)) == (State.EXPIRED, None, "no")
    post.clock.time += HOUR
    answered = post.answer(asked, "yes", by="ann", via="slack")
    assert (answered.state, answered.answer, taken(answered)) == (State.RESPONDED, "yes", "yes")
    assert late(answered)
    with pytest.raises(AlreadyAnswered, match="by ann via slack"):
        post.answer(asked, "no", by="bob")
    assert post.messages.wait(asked.id) == answered


def test_an_answer_at_the_very_deadline_counts(post: Post) -> None:
    """It comes between the waiter's look and the transaction that would expire the question."""
    asked = post.ask("yes", "no", deadline=START + HOUR, default="no")
    post.clock.time = START + HOUR
    writing = post.store.writing

    def answered_first() -> object:
        post.store.writing = writing  # only the first writer finds it so
        post.answer(asked, "yes")
        return writing()

    post.store.writing = answered_first
    answered = post.messages.wait(asked.id)
    assert (answered.state, answered.answer) == (State.RESPONDED, "yes")
    assert not late(answered)


def test_a_waiter_that_gives_up_leaves_the_question_open(post: Post) -> None:
    asked = post.ask("yes", "no", deadline=START + HOUR)
    with pytest.raises(StillOpen, match="not answered within 5s; it stays open") as told:
        post.messages.wait(asked.id, timeout=timedelta(seconds=5))
    assert told.value.exit_code == 75
    assert post.messages.get(asked.id) == asked
    with pytest.raises(StillOpen):
        post.messages.wait(asked.id, timeout=timedelta())
    assert post.store.waits == [5]


def test_a_waiter_that_is_stopped_looks_up_often(post: Post) -> None:
    asked = post.ask()
    with pytest.raises(StillOpen):
        post.messages.wait(asked.id, stop=lambda: len(post.store.waits) == 3)
    assert max(post.store.waits) <= 0.5
    assert post.messages.get(asked.id).state is State.PENDING


def test_one_that_no_channel_could_deliver_is_still_waited_for(post: Post) -> None:
    asked = post.ask(deadline=START + HOUR)
    with post.store.writing() as tx:
        tx.notifications.set_state(asked.id, State.FAILED, START, only_from=OPEN)
    post.store.meanwhile = lambda: post.answer(asked, "free")
    assert post.messages.wait(asked.id).answer == "free"


def test_what_is_due_expires_without_a_waiter(post: Post) -> None:
    soon, later, never, given = (
        post.ask(deadline=START + HOUR),
        post.ask(deadline=START + 3 * HOUR),
        post.ask(),
        post.ask(),
    )
    failed = post.ask(deadline=START + HOUR)
    answered = post.answer(post.ask(deadline=START + HOUR))
    with post.store.writing() as tx:
        tx.notifications.set_state(failed.id, State.FAILED, START, only_from=OPEN)
    assert post.messages.expire_due() == 0
    post.clock.time += HOUR
    assert post.messages.expire_due() == 2
    assert post.messages.expire_due() == 0
    states = [post.messages.get(one.id).state for one in (soon, failed, later, never, given, answered)]
    assert states == [State.EXPIRED] * 2 + [State.PENDING] * 3 + [State.RESPONDED]


# --- watching ---


def test_watching_shows_what_is_there_then_what_comes(post: Post) -> None:
    old, first = post.ask(), post.ask()
    post.store.meanwhile = lambda: post.ask(str(len(post.store.waits)))
    seen = []
    for one in post.messages.watch(after_id=old.id, stop=lambda: len(seen) == 3):
        seen.append(one)
        assert post.messages.get(one.id).state is State.PENDING  # not before it was shown
    assert [one.id for one in seen] == [first.id, first.id + 1, first.id + 2]
    assert [one.options for one in seen] == [(), ("1",), ("2",)]
    states = [one.state for one in post.messages.listing()]
    assert states == [State.PENDING, State.SENT, State.SENT, State.SENT]


def test_watching_a_backlog_of_more_than_one_batch(post: Post) -> None:
    with post.store.writing() as tx:
        for _ in range(230):
            tx.notifications.create(draft(), START)
    seen: list[int] = []
    seen.extend(one.id for one in post.messages.watch(stop=lambda: bool(post.store.waits)))
    assert seen == list(range(seen[0], seen[0] + 230))


def test_watching_without_stop_sleeps_long(post: Post) -> None:
    post.store.meanwhile = lambda: len(post.store.waits) == 2 and post.ask()
    assert next(post.messages.watch()).message == "How are things?"
    assert post.store.waits == [30, 30]
