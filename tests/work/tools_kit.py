"""An agent at work on one item of a real project: the claim, the journal and the tools of its run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

from tests.work.daemon_kit import RealClock

from coffee_maker.adapters.roadmap_file import RoadmapFile
from coffee_maker.core.ports import RunLog, Store, Transaction, Wakeup
from coffee_maker.core.records import Entry, Run
from coffee_maker.core.state import Claim
from coffee_maker.work.agent_tools import AgentTools, Parts, Scope
from coffee_maker.work.editing import Editing
from coffee_maker.work.messages import Messages
from coffee_maker.work.recording import Options

ROADMAP = """\
# Roadmap

### PRIORITY 1: Lay the ground

**Status**: ✅ Complete

### PRIORITY 2: Write the parser

**Status**: 🔄 In Progress
**Depends On**: PRIORITY 1

Text of two.

- [ ] one box

### PRIORITY 3: Write the docs

**Status**: 📝 Planned

- [ ] another box

### PRIORITY 3: The same number again

**Status**: 📝 Planned
"""

LEASE = timedelta(minutes=5)


class Flag:
    """A stop that a test sets."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def requested(self) -> str | None:
        return self.reason


class Watched:
    """The real store, which tells when somebody begins to wait on it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.waiting = threading.Event()

    def writing(self) -> AbstractContextManager[Transaction]:
        return self._store.writing()

    def reading(self) -> AbstractContextManager[Transaction]:
        return self._store.reading()

    def runs(self) -> AbstractContextManager[RunLog]:
        return self._store.runs()

    @contextmanager
    def wakeup(self) -> Iterator[Wakeup]:
        with self._store.wakeup() as wakeup:
            self._wakeup = wakeup
            yield self

    def wait(self, timeout: float) -> bool:
        self.waiting.set()
        return self._wakeup.wait(timeout)


def take_up(store: Store, item: str, owner: str = "daemon-1") -> Claim:
    """Claim the item and journal the first step, as the daemon does."""
    now = RealClock().now()
    with store.writing() as tx:
        claim = tx.claims.take(item, owner, lease=LEASE, now=now)
        tx.journal.record(Entry(item, claim.fence, "approve", {}, claim.fence, now))
    return claim


def begin_run(store: Store, claim: Claim) -> int:
    """Record a run of the agent under that claim; its number."""
    run = Run(claim.item, claim.owner, "command", "b", RealClock().now(), None, None, None, None, None, claim.fence)
    with store.runs() as runs:
        return runs.start(run)


class Workplace:
    """A roadmap, a store, and the agents that work on its items."""

    def __init__(self, store: Store, directory: Path, text: str = ROADMAP) -> None:
        self.store = Watched(store)
        self.path = directory / "ROADMAP.md"
        self.path.write_bytes(text.encode())
        self.clock = RealClock()
        self.editing = Editing(
            self.store, RoadmapFile(str(self.path)), self.clock, Options(str(directory / "roadmap.lock"))
        )
        self.messages = Messages(self.store, self.clock, {})
        self.stop = Flag()
        self.progress: list[tuple[int | None, str | None]] = []
        self.published = 0

    @property
    def text(self) -> str:
        return self.path.read_bytes().decode()

    def agent(self, item: str = "PRIORITY-2", *, claim: Claim | None = None) -> AgentTools:
        held = claim or take_up(self.store, item)

        def guard(tx: Transaction) -> None:
            tx.claims.check(held, self.clock.now())

        scope = Scope(
            item=item,
            pipeline=held.fence,
            owner=held.owner,
            guard=guard,
            stop=self.stop,
            progress=lambda percent, words: self.progress.append((percent, words)),
            publish=self._publish,
        )
        return AgentTools(Parts(self.editing, self.messages, self.store, self.clock), scope)

    def _publish(self) -> None:
        self.published += 1
