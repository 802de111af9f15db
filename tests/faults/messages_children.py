"""What the processes do that race for questions, wait for them, deliver them and are killed."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from typing import Any

from tests.conftest import open_store
from tests.work.messages_kit import draft, question

from coffee_maker.core.errors import AlreadyAnswered
from coffee_maker.core.ports import Channel, Transaction
from coffee_maker.core.questions import SEND_LEASE, Level, Notification
from coffee_maker.store.common import SharedStore
from coffee_maker.utils.connection import Databases
from coffee_maker.work.messages import Messages

KILLED = 9
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


class Now:
    """The time, possibly some while from now."""

    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead


def start(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    return process


def answer(databases: Databases, question_id: int, name: str, line: Barrier, results: Connection) -> None:
    """Answer as soon as all the others are there too; tell how it went."""
    messages = Messages(open_store(databases), Now(), {})
    messages.get(question_id)
    line.wait(60)
    try:
        messages.respond(question_id, f"from {name}", by=name, via="race")
        results.send((name, "won"))
    except AlreadyAnswered as refused:
        results.send((name, refused.message))


def wait(databases: Databases, question_id: int, results: Connection) -> None:
    """Wait for the answer; tell first that the waiting has begun, then what came."""
    store = open_store(databases)
    messages = Messages(store, Now(), {})

    def looked() -> bool:
        nonlocal begun
        if not begun:
            results.send("waiting")
            begun = True
        return False

    begun = False
    results.send(messages.wait(question_id, stop=looked).answer)


def watch(databases: Databases, results: Connection) -> None:
    messages = Messages(open_store(databases), Now(), {})
    results.send("watching")
    for one in messages.watch():
        results.send(one.message)


def ask_for_ever(databases: Databases, name: str, results: Connection) -> None:
    """Create notifications, each acknowledged outside of the store."""
    messages = Messages(open_store(databases), Now(), {"told": Reporting(results)})
    number = 0
    while True:
        number += 1
        results.send(messages.notify(draft(message=f"{name} {number}")).id)


class Reporting:
    """Tells what it is to send; then it either goes on or waits to be killed."""

    name = "told"
    levels: frozenset[Level] = frozenset()

    def __init__(self, results: Connection, *, hang: bool = False) -> None:
        self._results = results
        self._hang = hang

    def send(self, notification: Notification) -> str | None:
        self._results.send(notification.id)
        if self._hang:
            import threading

            threading.Event().wait()
        return None


def deliver(databases: Databases, results: Connection, hang: bool) -> None:
    Messages(open_store(databases), Now(), {"told": Reporting(results, hang=hang)}).deliver_due()


class Mortal(SharedStore):
    """The real store, which ends the process, as kill -9 would, at its nth look: before or after a transaction."""

    def __init__(self, store: SharedStore, n: int) -> None:  # no super(): all that it has is the real one's
        self._store = store
        self._left = n

    def _look(self) -> None:
        self._left -= 1
        if self._left == 0:
            os._exit(KILLED)

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        self._look()
        with self._store.writing() as tx:
            yield tx
            self._look()  # everything said, nothing committed
        self._look()

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        with self._store.reading() as tx:
            yield tx


def live(databases: Databases, key: str, n: int, results: Connection) -> None:
    """Ask, deliver and answer, dying at the nth point (0: never), later than any lease of a life before; tell how far
    it came."""
    channels: Mapping[str, Channel] = {"told": Reporting(results)}
    clock = Now(timedelta() if n else SEND_LEASE)
    messages = Messages(Mortal(open_store(databases), n), clock, channels)
    asked = messages.notify(question(idempotency_key=key))
    results.send("asked")
    messages.deliver_due()
    results.send("delivered")
    try:
        messages.respond(asked.id, key, by="ann", via="terminal")
        results.send("answered")
    except AlreadyAnswered:
        results.send("answered before")
