"""P1 and P4 with real processes: commands and an editor that knows nothing of them change one roadmap all the time.

The editor reads the file, thinks while others write, and saves its stale buffer with one line of its own. At the end
every acknowledged line of every side is in the file, once, and the history is one chain.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

ITEMS = 12
WORKERS = 3
EACH = 8
ROADMAP = "# Roadmap\n" + "".join(
    f"\n## PRIORITY {n}: Item {n}\n\n**Status**: 📝 Planned\n\nText of item {n}.\n" for n in range(1, ITEMS + 1)
)


def in_place(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def by_rename(path: Path, text: str) -> None:
    other = path.with_suffix(".tmp")
    other.write_text(text, encoding="utf-8")
    other.replace(path)


def moved_aside(path: Path, text: str) -> None:
    """As vim does with `backupcopy=no`: for a moment there is no file at all."""
    aside = path.with_name("ROADMAP.md~")
    path.rename(aside)
    path.write_text(text, encoding="utf-8")
    aside.unlink()


class Race:
    """One project, its commands, and the lines that were acknowledged."""

    def __init__(self, root: Path, save: Callable[[Path, str], None]) -> None:
        self.root = root
        self.path = root / "ROADMAP.md"
        self.save = save
        self.path.write_text(ROADMAP, encoding="utf-8")
        (root / "coffee-roadmap.toml").write_text("[git]\nlog = false\n")
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self.over = threading.Event()
        self.changed = threading.Condition()
        self.ended = 0  # commands
        assert self.run("init").returncode == 0

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "coffee_maker", *args], cwd=self.root, capture_output=True, text=True
        )

    def work(self, worker: int) -> None:
        """Notes on items of its own, and a status that the editor never touches."""
        for turn in range(EACH):
            line = f"note {worker}-{turn}."
            done = self.run("edit", str(worker * 3 + turn % 3 + 1), "--append", line)
            if done.returncode == 0:
                self.acknowledged.append(line)
            else:
                self.refused.append(done.stderr)
            with self.changed:
                self.ended += 1
                self.changed.notify_all()

    def edit(self) -> None:
        rng = random.Random(3)
        number = 0
        while not self.over.is_set():
            before = self.ended
            try:
                text = self.path.read_text(encoding="utf-8")
            except FileNotFoundError:
                continue
            # The person types, and others write meanwhile: at least one, however slow the machine is. Who saves more
            # often than a command takes is refused, rightly.
            self.over.wait(rng.uniform(0, 0.3))
            with self.changed:
                while self.ended == before and not self.over.is_set():
                    self.changed.wait()
            number += 1
            line = f"typed {number}."
            place = f"Text of item {rng.randint(10, ITEMS)}.\n"
            if place in text:  # a buffer read while another save was half written is not saved
                self.save(self.path, text.replace(place, f"{place}{line}\n", 1))
                self.acknowledged.append(line)


@pytest.mark.parametrize("save", [in_place, by_rename, moved_aside])
def test_commands_and_an_editor_lose_nothing_of_each_other(tmp_path: Path, save: Callable[[Path, str], None]) -> None:
    race = Race(tmp_path, save)
    editor = threading.Thread(target=race.edit)
    workers = [threading.Thread(target=race.work, args=(number,)) for number in range(WORKERS)]
    for thread in (editor, *workers):
        thread.start()
    for thread in workers:
        thread.join()
    with race.changed:
        race.over.set()
        race.changed.notify_all()
    editor.join()
    assert race.refused == []
    assert race.run("history", "--json").returncode == 0  # records the editor's last save
    text = race.path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert [line for line in race.acknowledged if lines.count(line) != 1] == []
    assert len([line for line in race.acknowledged if line.startswith("note")]) == WORKERS * EACH
    check = race.run("db", "check")
    assert check.returncode == 0, check.stdout
    assert sorted(name for name in os.listdir(tmp_path) if "ROADMAP" in name) == ["ROADMAP.md"]
