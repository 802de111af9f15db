"""P1, P2, P3 under kill: one change dies at its nth call into file or store, for every n, and the next one goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.work.editing_kit import ROADMAP, Desk

from coffee_maker.adapters.roadmap_file import RoadmapFile
from coffee_maker.core.items import Status
from coffee_maker.core.ports import Store
from coffee_maker.core.state import Taken

KILLED = 9
CALLS = 40  # more than one change makes; the sweep asserts that it reached the end


class Countdown:
    """Ends the process, as kill -9 would, when it has been asked `n` times."""

    def __init__(self, n: int) -> None:
        self.left = n

    def __call__(self) -> None:
        self.left -= 1
        if self.left <= 0:
            os._exit(KILLED)


class MortalFile(RoadmapFile):
    """A roadmap file whose every call may be the last, before or after it has done its work."""

    def __init__(self, path: str, countdown: Countdown, *, save: str | None = None) -> None:
        super().__init__(path, patience=0.2, gap=0.0)
        self._countdown = countdown
        self._save = save

    def stage(self, content: bytes, digest: str | None = None) -> str:
        self._countdown()
        staged = super().stage(content, digest)
        self._countdown()
        return staged

    def place(self, staged: str, expected: str) -> Taken | None:
        self._countdown()
        if self._save is not None:
            path, save, self._save = Path(self.path), self._save, None
            path.write_bytes(path.read_bytes().replace(b"Told at length.", save.encode()))
        taken = super().place(staged, expected)
        self._countdown()
        return taken

    def discard(self, name: str) -> None:
        self._countdown()
        super().discard(name)
        self._countdown()

    def read(self) -> bytes:
        self._countdown()
        return super().read()

    def staged(self, name: str) -> bytes | None:
        self._countdown()
        return super().staged(name)


class MortalStore:
    """The real store, whose transactions may die on entering, before the commit or after it."""

    def __init__(self, store: Store, countdown: Countdown) -> None:
        self._store = store
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def writing(self) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def transaction() -> Any:
            self._countdown()
            with self._store.writing() as tx:
                yield tx
                self._countdown()
            self._countdown()

        return transaction()


def run_mortal(desk: Desk, n: int, save: str | None) -> int:
    """One status change in a process of its own that dies at call `n`; its exit code (0: it was acknowledged)."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        countdown = Countdown(n)
        file = MortalFile(str(desk.path), countdown, save=save)
        mortal = Desk(MortalStore(desk.store, countdown), desk.path.parent, file=file)  # type: ignore[arg-type]
        mortal.editing.set_status("2", Status.COMPLETE, by="daemon")
        os._exit(0)
    finally:
        os._exit(1)


@pytest.mark.parametrize("save", [None, "Saved by an editor."])
def test_a_change_that_dies_anywhere_is_wholly_in_or_out(store: Store, tmp_path: Path, save: str | None) -> None:
    codes = []
    for n in range(1, CALLS):
        directory = tmp_path / str(n)
        directory.mkdir()
        # One store for the whole sweep: each round's file is an outside return to the first version.
        desk = Desk(store, directory, text=ROADMAP)
        desk.editing.reconcile()
        if desk.text != ROADMAP:  # taken for the editor of the round before, which took its words back there
            desk.save_outside(ROADMAP)
            desk.editing.reconcile()
        assert desk.text == ROADMAP
        before = len(desk.editing.history())
        code = run_mortal(desk, n, save)
        codes.append(code)
        assert code in (0, KILLED)
        saved = save is not None and save in "".join(
            path.read_text() for path in directory.iterdir() if "ROADMAP.md" in path.name
        )
        document = desk.editing.reconcile()
        assert document.item("2").status in (Status.PLANNED, Status.COMPLETE)
        if code == 0:
            assert document.item("2").status is Status.COMPLETE
        if saved:
            assert save in desk.text
        desk.check_record()
        assert len(desk.editing.history()) >= before
        assert desk.editing.set_status("2.5", Status.BLOCKED, by="ann").history_id is not None
        desk.check_record()
    assert codes[-1] == 0, "the sweep must reach an undisturbed end"
    assert codes.count(KILLED) >= 8
