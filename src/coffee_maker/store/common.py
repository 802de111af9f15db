"""What both stores have in common: one operation is one transaction, and whoever writes first brings the schema up."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from functools import cached_property

from coffee_maker.core.typed import Protocol
from coffee_maker.utils import observing
from coffee_maker.utils.connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from coffee_maker.core.ports import RunLog, Transaction, Wakeup
    from coffee_maker.store.claims import Claims
    from coffee_maker.store.controls import Controls
    from coffee_maker.store.deliveries import Deliveries
    from coffee_maker.store.heartbeats import Heartbeats
    from coffee_maker.store.journal import Journal
    from coffee_maker.store.migrate import Schema
    from coffee_maker.store.notifications import Notifications
    from coffee_maker.store.progress import ProgressNotes
    from coffee_maker.store.roadmap_log import Log

SHARED = "notifications"
ANALYTICS = "analytics"


class Link(Connection, Protocol):
    """A connection that can also run a script of several statements."""

    def script(self, sql: str) -> None: ...


class Backend(Protocol):
    """One logical database in one of the two kinds, and its schema."""

    @property
    def schema(self) -> Schema: ...
    def writing(self) -> AbstractContextManager[Link]:
        """A writer's transaction, whatever the schema."""

    def reading(self) -> AbstractContextManager[Link | None]:
        """A snapshot, whatever the schema; None when there is no database at all."""

    def prepare(self, link: Link) -> None:
        """Make room for the first migration."""

    def blank(self) -> AbstractContextManager[Link]:
        """An empty database with no schema, private to the block and gone afterwards."""

    def close(self) -> None: ...


class Tables:
    """The tables of the shared database inside one transaction; each is imported when it is first asked for."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @cached_property
    def roadmap(self) -> Log:
        from coffee_maker.store.roadmap_log import Log

        return Log(self.connection)

    @cached_property
    def notifications(self) -> Notifications:
        from coffee_maker.store.notifications import Notifications

        return Notifications(self.connection)

    @cached_property
    def deliveries(self) -> Deliveries:
        from coffee_maker.store.deliveries import Deliveries

        return Deliveries(self.connection)

    @cached_property
    def claims(self) -> Claims:
        from coffee_maker.store.claims import Claims

        return Claims(self.connection)

    @cached_property
    def heartbeats(self) -> Heartbeats:
        from coffee_maker.store.heartbeats import Heartbeats

        return Heartbeats(self.connection)

    @cached_property
    def journal(self) -> Journal:
        from coffee_maker.store.journal import Journal

        return Journal(self.connection)

    @cached_property
    def controls(self) -> Controls:
        from coffee_maker.store.controls import Controls

        return Controls(self.connection)

    @cached_property
    def progress(self) -> ProgressNotes:
        from coffee_maker.store.progress import ProgressNotes

        return ProgressNotes(self.connection)


class SharedStore:
    """See `coffee_maker.core.ports.Store`. Closing it closes idle connections; using it again opens new ones."""

    def __init__(self, shared: Backend, analytics: Backend) -> None:
        self._shared = shared
        self._analytics = analytics

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        with observing.span("store.writing") as seen, writing(self._shared) as link:
            seen.mark("begun")  # until then it waited for its turn
            yield Tables(link)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        with observing.span("store.reading"), reading(self._shared) as link:
            yield Tables(link)

    @contextmanager
    def runs(self) -> Iterator[RunLog]:
        from coffee_maker.store.runs import Runs

        with observing.span("store.runs"), writing(self._analytics) as link:
            yield Runs(link)

    @contextmanager
    def reading_runs(self) -> Iterator[RunLog]:
        from coffee_maker.store.runs import Runs

        with observing.span("store.reading_runs"), reading(self._analytics) as link:
            yield Runs(link)

    def wakeup(self) -> AbstractContextManager[Wakeup]:
        raise NotImplementedError

    def close(self) -> None:
        self._shared.close()
        self._analytics.close()


@contextmanager
def writing(backend: Backend) -> Iterator[Link]:
    """A writer's transaction on the newest schema; every missing migration gets a transaction of its own before."""
    while True:
        with backend.writing() as link:
            if backend.schema.up_to_date(link):
                yield link
                return
            backend.prepare(link)
            backend.schema.apply_next(link, link.script)


@contextmanager
def reading(backend: Backend) -> Iterator[Link]:
    """A snapshot on the newest schema; where nothing was written yet it is empty, and reading does not change that."""
    version = 0
    with backend.reading() as link:
        if link is not None:
            version = backend.schema.version(link)
            if version == backend.schema.latest:
                yield link
                return
    if version == 0:
        with blank(backend) as empty:
            yield empty
        return
    with writing(backend):
        pass
    with reading(backend) as link:
        yield link


@contextmanager
def blank(backend: Backend) -> Iterator[Link]:
    """An empty database on the newest schema, for readers that come before the first writer."""
    with backend.blank() as link:
        while not backend.schema.up_to_date(link):
            backend.schema.apply_next(link, link.script)
        yield link
