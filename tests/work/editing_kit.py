"""What the tests of editing share: a small real roadmap, and an `Editing` on a real file and store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from coffee_maker.adapters.roadmap_file import RoadmapFile
from coffee_maker.core.ports import RoadmapFile as FilePort
from coffee_maker.core.ports import Store
from coffee_maker.work.editing import Editing
from coffee_maker.work.recording import Options

ROADMAP = """\
# Roadmap

Some words before the items.

### 🔴 **PRIORITY 1: First thing** ✅ **COMPLETE**

**Status**: ✅ Complete

- [x] one
- [ ] two

### 🔴 **PRIORITY 2: Second thing**

**Status**: 📝 Planned
**Estimated Effort**: 3 days

Text of the second item.

### PRIORITY 2.5: Between

**Status**: 📝 Planned
**Depends On**: PRIORITY 2

Text of the one between.

## US-110: A story 📝 Planned

Told at length.
"""


class TickingClock:
    """Every look is a millisecond later."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now


class Desk:
    """One project in a temporary directory."""

    def __init__(
        self,
        store: Store,
        directory: Path,
        *,
        text: str = ROADMAP,
        file: FilePort | None = None,
        channels: tuple[tuple[str, tuple[str, ...]], ...] = (),
    ) -> None:
        self.store = store
        self.path = directory / "ROADMAP.md"
        if not self.path.exists():
            self.path.write_bytes(text.encode())
        self.lock_path = str(directory / "roadmap.lock")
        self.file = file or RoadmapFile(str(self.path), patience=0.2, gap=0.0)
        self.editing = Editing(
            store, self.file, TickingClock(), Options(self.lock_path, lock_timeout=0.2, channels=channels)
        )

    def share_with(self, other: Desk) -> None:
        """Use the other's data directory, as a wrong setting makes it."""
        options = Options(other.lock_path, lock_timeout=0.2)
        self.editing = Editing(self.store, self.file, TickingClock(), options)

    @property
    def text(self) -> str:
        return self.path.read_bytes().decode()

    def save_outside(self, text: str) -> None:
        self.path.write_bytes(text.encode())

    def replace_outside(self, old: str, new: str) -> None:
        assert old in self.text
        self.save_outside(self.text.replace(old, new))

    def check_record(self) -> None:
        """File, record and chain agree, and nothing unfinished is left."""
        with self.store.reading() as tx:
            state = tx.roadmap.state()
            changes = list(reversed(tx.roadmap.changes()))
            assert state is not None
            content = tx.roadmap.version(state.hash)
        assert content == self.path.read_bytes()
        assert state.hash == sha256(content).hexdigest()
        for one, following in pairwise(changes):
            assert one.after_hash == following.before_hash
        if changes:
            assert changes[-1].after_hash == state.hash
        assert not list(self.path.parent.glob(".ROADMAP.md.coffee-*"))
