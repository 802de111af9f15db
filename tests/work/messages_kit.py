"""What the tests of messages share: a clock that is set, waiting that takes no time, channels that do as told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta

from coffee_maker.core.errors import ChannelFailed
from coffee_maker.core.ports import Channel, RunLog, Store, Transaction, Wakeup
from coffee_maker.core.questions import Draft, Kind, Level, Notification, Source
from coffee_maker.work.messages import Messages

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class SetClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time


class Sleepless:
    """The real store, whose waiting takes no time: `meanwhile` runs, and the clock moves on by what it would have
    waited. Every waiting time that was asked for is kept in `waits`."""

    def __init__(self, store: Store, clock: SetClock, meanwhile: Callable[[], object] = lambda: None) -> None:
        self._store = store
        self._clock = clock
        self.meanwhile = meanwhile
        self.waits: list[float] = []

    def writing(self) -> AbstractContextManager[Transaction]:
        return self._store.writing()

    def reading(self) -> AbstractContextManager[Transaction]:
        return self._store.reading()

    def runs(self) -> AbstractContextManager[RunLog]:
        return self._store.runs()

    @contextmanager
    def wakeup(self) -> Iterator[Wakeup]:
        yield self

    def wait(self, timeout: float) -> bool:
        assert len(self.waits) < 1000, "it waits for ever"
        self.waits.append(timeout)
        self._clock.time += timedelta(seconds=timeout)
        self.meanwhile()
        return False


class Told:
    """A channel that keeps what it was sent; it fails as long as `failures` holds anything."""

    def __init__(self, name: str = "told", failures: Sequence[Exception] = (), levels: Sequence[Level] = ()) -> None:
        self.name = name
        self.levels = frozenset(levels)
        self.failures = list(failures)
        self.sent: list[int] = []

    def send(self, notification: Notification) -> str | None:
        self.sent.append(notification.id)
        if self.failures:
            raise self.failures.pop(0)
        return f"outside-{notification.id}"


def failure() -> ChannelFailed:
    return ChannelFailed(channel="told", problem="nobody at home")


class Post:
    """Messages on a real store, with a clock that is set."""

    def __init__(self, store: Store, *channels: Channel) -> None:
        self.clock = SetClock()
        self.store = Sleepless(store, self.clock)
        self.messages = Messages(self.store, self.clock, {channel.name: channel for channel in channels})

    def ask(self, *options: str, **more: object) -> Notification:
        return self.messages.notify(question(*options, **more))

    def answer(
        self, question: Notification, answer: str = "yes", by: str = "ann", via: str = "terminal"
    ) -> Notification:
        return self.messages.respond(question.id, answer, by=by, via=via)


def question(*options: str, **more: object) -> Draft:
    return draft(kind=Kind.QUESTION, options=options, **more)


def draft(**more: object) -> Draft:
    plain = Draft(source=Source.DAEMON, kind=Kind.INFO, message="How are things?")
    return plain._replace(**more)
