"""P7 with real processes: they race for one question, wait for each other, and are killed at any moment."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.faults import messages_children as children
from tests.work.messages_kit import draft, question

from coffee_maker.core.ports import Store
from coffee_maker.core.questions import SEND_LEASE, Level, Notification, State
from coffee_maker.utils.connection import Databases
from coffee_maker.work.messages import Messages

RACERS = 20
PATIENCE = 60.0  # seconds for something that takes milliseconds
POINTS = 40  # more than one life has; the sweep asserts that it reached the end


class Line:
    """What a process tells, and its end."""

    def __init__(self, *target: Any) -> None:
        function, databases, *arguments = target
        self._ours, theirs = children.PROCESSES.Pipe(duplex=False)
        place = next((at for at, one in enumerate(arguments) if one is Line), len(arguments))
        arguments[place : place + 1] = [theirs]
        self.process = children.start(function, databases, *arguments)
        theirs.close()

    def next(self) -> Any:
        assert self._ours.poll(PATIENCE), "nothing came"
        return self._ours.recv()

    def rest(self) -> list[Any]:
        """All that was told before the end."""
        told = []
        while self._ours.poll(PATIENCE):
            try:
                told.append(self._ours.recv())
            except EOFError:
                break
        self.process.join(PATIENCE)
        return told

    def kill(self) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(PATIENCE)


@pytest.fixture
def messages(store: Store) -> Iterator[Messages]:
    """Ours, with the schema made before others come."""
    ours = Messages(store, children.Now(), {})
    ours.notify(draft())
    return ours


def test_twenty_answer_at_once_and_exactly_one_wins(messages: Messages, databases: Databases) -> None:
    asked = messages.notify(question())
    line = children.PROCESSES.Barrier(RACERS)
    racers = [Line(children.answer, databases, asked.id, f"racer-{n}", line) for n in range(RACERS)]
    told = dict(racer.next() for racer in racers)
    winners = [name for name, how in told.items() if how == "won"]
    assert len(winners) == 1
    (winner,) = winners
    answered = messages.get(asked.id)
    assert (answered.answer, answered.answered_by, answered.answered_via) == (f"from {winner}", winner, "race")
    assert answered.answered_at is not None
    at = answered.answered_at.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    refusal = f"Question {asked.id} was already answered by {winner} via race at {at}: from {winner}."
    assert Counter(told.values()) == {"won": 1, refusal: RACERS - 1}


def test_a_waiter_in_another_process_is_woken(messages: Messages, databases: Databases) -> None:
    asked, other = messages.notify(question()), messages.notify(question())
    waiter = Line(children.wait, databases, asked.id)
    assert waiter.next() == "waiting"
    messages.respond(other.id, "not this one", by="ann", via="terminal")
    messages.respond(asked.id, "this one", by="ann", via="terminal")
    assert waiter.rest() == ["this one"]


def test_a_killed_waiter_loses_nothing(messages: Messages, databases: Databases) -> None:
    asked = messages.notify(question(idempotency_key="merge"))
    waiter = Line(children.wait, databases, asked.id)
    assert waiter.next() == "waiting"
    waiter.kill()
    messages.respond(asked.id, "yes", by="ann", via="terminal")
    again = messages.notify(question(idempotency_key="merge"))
    assert again.id == asked.id
    assert messages.wait(again.id).answer == "yes"


def test_a_watcher_in_another_process_shows_what_comes(messages: Messages, databases: Databases) -> None:
    watcher = Line(children.watch, databases)
    assert watcher.next() == "watching"
    assert watcher.next() == "How are things?"
    for number in range(5):
        messages.notify(draft(message=f"news {number}"))
        assert watcher.next() == f"news {number}"
    watcher.kill()
    states = [one.state for one in messages.listing()]
    assert states[:-1] == [State.SENT] * 5  # the last may have been killed while it was being shown


def test_a_worker_killed_while_sending_leaves_the_rest_to_the_next(store: Store, databases: Databases) -> None:
    sent: list[int] = []
    told = Recording(sent)
    messages = Messages(store, children.Now(), {"told": told})
    made = [messages.notify(draft()).id for _ in range(3)]
    worker = Line(children.deliver, databases, Line, True)
    assert worker.next() == made[0]
    worker.kill()
    assert messages.deliver_due() == 2  # the first is still the dead one's
    later = Messages(store, children.Now(ahead=SEND_LEASE), {"told": told})
    assert later.deliver_due() == 1
    assert sent == [made[1], made[2], made[0]]
    assert {one.state for one in messages.listing()} == {State.SENT}


def test_several_workers_share_the_outbox(store: Store, databases: Databases) -> None:
    messages = Messages(store, children.Now(), {"told": Recording([])})
    made = [messages.notify(draft()).id for _ in range(40)]
    workers = [Line(children.deliver, databases, Line, False) for _ in range(4)]
    sent = [one for worker in workers for one in worker.rest()]
    assert sorted(sent) == made


def test_kills_at_random_moments_lose_nothing_acknowledged(messages: Messages, databases: Databases) -> None:
    """The moment is when the parent has read a few acknowledgements: the child is somewhere in a later one."""
    acknowledged: list[int] = []
    for turn in range(10):
        asking = Line(children.ask_for_ever, databases, f"turn {turn}")
        acknowledged += [asking.next() for _ in range(1 + turn % 4)]
        asking.kill()
        acknowledged += asking.rest()
    stored = {one.id: one for one in messages.listing()}
    assert set(acknowledged) <= set(stored)
    assert len(acknowledged) == len(set(acknowledged))
    texts = [one.message for one in stored.values()]
    assert len(texts) == len(set(texts)), "one was stored twice"
    with_delivery = [one for one in stored if messages.deliveries(one)]
    assert set(with_delivery) == set(stored) - {min(stored)}, "a notification without its delivery, or the reverse"


def test_a_death_at_any_point_is_made_good_by_the_next_life(messages: Messages, databases: Databases) -> None:
    """Ask, deliver, answer: whatever was acknowledged holds, and a second life ends in the same one answer."""
    for n in range(1, POINTS):
        key = f"point {n}"
        dying = Line(children.live, databases, key, n, Line)
        told = dying.rest()
        stored = [one for one in messages.listing() if one.idempotency_key == key]
        assert len(stored) <= 1
        assert stored or "asked" not in told
        assert "answered" not in told or stored[0].answer == key
        if dying.process.exitcode == 0:
            assert told == ["asked", stored[0].id, "delivered", "answered"]
            return
        assert dying.process.exitcode == children.KILLED
        again = Line(children.live, databases, key, 0, Line).rest()
        (asked,) = (one for one in messages.listing() if one.idempotency_key == key)
        assert (asked.state, asked.answer, asked.answered_by) == (State.RESPONDED, key, "ann")
        if stored and stored[0].answer is not None:
            assert again[-1] == "answered before"
        (delivery,) = messages.deliveries(asked.id)
        assert asked.id in told + again, "nobody was ever told"
        assert delivery.state != "pending"
    raise AssertionError("the sweep did not reach the end")


class Recording:
    """A channel of this process."""

    name = "told"
    levels: frozenset[Level] = frozenset()

    def __init__(self, sent: list[int]) -> None:
        self._sent = sent

    def send(self, notification: Notification) -> str | None:
        self._sent.append(notification.id)
        return None
