"""What becomes of a person's saves while an agent changes the roadmap: random edits of random copies, and an oracle.

    python benchmarks/stale_saves.py [--seconds 20] [--seed 1] [--noisy] [--show MODE:SEED]

Four kinds of people edit a roadmap of two to six items, which is the hardest case (in a large one two seldom meet):

- *alone*: nobody else changes anything, and the editor loads what was merged into the file;
- *fresh*: who loads the file anew before each edit, while an agent's commands come in between;
- *stale*: who reads it, thinks while the agent goes on, and saves once;
- *goes on*: whose editor never loads the file again.

For each save the oracle knows what the editor had read. *Lost* is whatever of either side is not in the file afterwards
although only one side had changed it, when no notification came up; *told* the same with one. Of the people alone and
fresh everything but their very text counts. `--noisy`: something reads the file after every change, as a prompt that
shows git's state does; then only the text can tell how old a copy is.
"""

from __future__ import annotations

import argparse
import difflib
import os
import random
import re
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from coffee_maker.adapters.roadmap_file import RoadmapFile
from coffee_maker.core.edits import Place
from coffee_maker.core.errors import Refusal
from coffee_maker.core.items import Status
from coffee_maker.core.questions import Kind
from coffee_maker.store.sqlite import SqliteStore
from coffee_maker.utils.connection import Databases
from coffee_maker.work.editing import Editing, ItemEdits
from coffee_maker.work.recording import Options

MODES = ("alone", "fresh", "stale", "goes on")
STATUSES = {
    Status.PLANNED: "📝 Planned",
    Status.IN_PROGRESS: "🔄 In Progress",
    Status.COMPLETE: "✅ Complete",
    Status.BLOCKED: "⏸️ Blocked",
}
WORDS = ("export", "import", "login", "search", "cache", "mail", "report", "chart", "theme", "parser", "index", "queue")
Atoms = dict[tuple[str, ...], str]


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Life:
    """One roadmap, one agent with commands, one person with an editor."""

    def __init__(self, directory: str, mode: str, seed: int, noisy: bool) -> None:
        self.chance, self.mode, self.noisy, self.count = random.Random(seed), mode, noisy, 0
        self.path = os.path.join(directory, "ROADMAP.md")
        items = [self.item(number) for number in range(1, self.chance.randint(3, 7))]
        self.write("# Roadmap\n\nSome words before the items.\n\n" + "\n".join(items))
        self.store = SqliteStore(Databases(os.path.join(directory, "data")))
        lock = os.path.join(directory, "roadmap.lock")
        self.editing = Editing(self.store, RoadmapFile(self.path), Clock(), Options(lock))
        self.editing.reconcile()
        self.log: list[str] = [self.read()]

    def word(self) -> str:
        self.count += 1
        return f"{self.chance.choice(WORDS)} w{self.count}"

    def item(self, number: int) -> str:
        text = f"### PRIORITY {number}: The {self.word()}\n\n**Status**: 📝 Planned\n**Ref**: r{self.count}\n"
        if self.chance.random() < 0.5:
            text += f"**Effort**: {self.word()}\n"
        text += "\n" + "".join(f"- [ ] box {self.word()}\n" for _ in range(self.chance.randint(0, 2)))
        return (
            text + "\n" + "\n\n".join(f"Sentence about {self.word()}." for _ in range(self.chance.randint(1, 3))) + "\n"
        )

    def read(self) -> str:
        with open(self.path, encoding="utf-8", newline="") as file:
            return file.read()

    def silently(self) -> str:
        """What the file holds, without leaving a trace of the reading."""
        return self.read() if self.noisy else self.editing.read().text

    def write(self, text: str) -> None:
        with open(self.path, "w", encoding="utf-8", newline="") as file:
            file.write(text)

    # --- the two sides ---

    def command(self) -> None:
        """One change by the agent."""
        document = self.editing.read()
        key = self.chance.choice(document.items).key if document.items else None
        kind = self.chance.choice(("status", "field", "append", "body", "title", "box", "move", "remove", "add"))
        try:
            if kind == "add" or key is None:
                title = f"The {self.word()}"
                fields = {"Ref": f"r{self.count}"}
                self.editing.add(title, fields=fields, body=f"Told {self.word()}.", by="agent")
            elif kind == "status":
                self.editing.set_status(key, self.chance.choice([*STATUSES]), by="agent")
            elif kind == "remove" and len(document.items) > 2:
                self.editing.remove(key, by="agent")
            elif kind == "move":
                self.editing.move(key, Place("last"), by="agent")
            else:
                edits = {
                    "field": ItemEdits(fields={"Effort": self.word()}),
                    "append": ItemEdits(append=f"Appended {self.word()}."),
                    "body": ItemEdits(body=f"Body {self.word()}.\n"),
                    "title": ItemEdits(title=f"The {self.word()}"),
                }
                self.editing.edit(key, edits.get(kind, ItemEdits(check=("1",))), by="agent")
            self.log.append(f"agent: {kind} {key}")
        except Refusal:
            pass
        if self.noisy:
            self.read()

    def edit(self, text: str) -> str:
        """One change by the person in the text in the editor."""
        head, *items = re.split(r"(?m)^(?=### )", text)
        kind = self.chance.choice(("status", "field", "add", "change", "cut", "title", "box", "move", "remove", "new"))
        at = self.chance.randrange(len(items)) if items else 0
        if kind == "new" or not items:
            number = max([int(n) for n in re.findall(r"(?m)^### PRIORITY (\d+)", text)] or [0]) + 1
            items.insert(at, self.item(number) + "\n")
        elif kind == "remove":
            del items[at : at + (len(items) > 1)]
        elif kind == "move":
            items.insert(self.chance.randrange(len(items)), items.pop(at).rstrip("\n") + "\n\n")
        else:
            items[at] = self.edit_item(items[at], kind)
        return head + "".join(f"{one.rstrip(chr(10))}\n\n" for one in items).rstrip("\n") + "\n"

    def edit_item(self, item: str, kind: str) -> str:
        lines = item.split("\n")
        wanted = {
            "status": "**Status",
            "field": "**Effort",
            "change": "Sent",
            "cut": "Sent",
            "title": "###",
            "box": "- [",
        }
        found = [at for at, line in enumerate(lines) if line.startswith(wanted.get(kind, "\0"))]
        if kind == "add" or not found:
            return f"{item.rstrip()}\n\nSentence about {self.word()}.\n"
        at = self.chance.choice(found)
        if kind == "cut":
            del lines[at : at + 2]
        elif kind == "box":
            lines[at] = lines[at].replace("[ ]", "[?]").replace("[x]", "[ ]").replace("[?]", "[x]")
        elif kind == "status":
            lines[at] = f"**Status**: {self.chance.choice([*STATUSES.values()])}"
        else:
            start = {
                "field": "**Effort**: ",
                "change": "Sentence about ",
                "title": lines[at].partition(":")[0] + ": The ",
            }
            lines[at] = f"{start[kind]}{self.word()}{'.' if kind == 'change' else ''}"
        return "\n".join(lines)

    # --- one life ---

    def run(self) -> Counter[str]:
        seen: Counter[str] = Counter()
        text = base = self.read()
        for _ in range(self.chance.randint(2, 8)):
            if self.mode == "fresh" or (self.mode == "stale" and self.chance.random() < 0.5):
                self.settle()
                text = base = self.read()
            for _ in range(0 if self.mode == "alone" else self.chance.randint(0, 2)):
                self.command()
            if self.mode == "fresh":
                text = base = self.read()
            for _ in range(self.chance.randint(1, 3)):
                text = self.edit(text)
            if text == base or self.is_known(text):
                continue
            recorded = self.settle()
            before = set(self.notes())
            self.write(text)
            merged = self.settle()
            notes = [note for key, note in self.notes().items() if key not in before]
            self.log.append("saved:" + diff(base, text) + "\nthe file then:" + diff(recorded, merged))
            self.log += [f"{note.kind}: {note.message}" for note in notes]
            seen["saves"] += 1
            seen["asked"] += any(note.kind is Kind.QUESTION for note in notes)
            seen["noted"] += bool(notes) and not any(note.kind is Kind.QUESTION for note in notes)
            lost = losses(atoms(base), atoms(recorded), atoms(text), atoms(merged))
            if lost or (self.mode in ("alone", "fresh") and merged != text):
                seen["told" if notes else "lost"] += 1
                self.log += [f"{'told' if notes else 'LOST'}: {lost or 'the file is not what was saved'}"]
            base = text = merged if self.mode == "alone" else text
            if self.mode == "stale":
                break
        self.store.close()
        return seen

    def settle(self) -> str:
        text = self.editing.reconcile().text
        if self.noisy:
            self.read()
        return text

    def is_known(self, text: str) -> bool:
        from hashlib import sha256

        with self.store.reading() as tx:
            return tx.roadmap.version(sha256(text.encode()).hexdigest()) is not None

    def notes(self) -> dict[int, Any]:
        with self.store.reading() as tx:
            return {note.id: note for note in tx.notifications.find()}


def atoms(text: str) -> Atoms:
    """What a roadmap says, piece by piece; items are known by their Ref."""
    found: Atoms = {}
    for item in re.split(r"(?m)^(?=### )", text)[1:]:
        ref = re.search(r"\*\*Ref\*\*: (\S+)", item)
        name = ref[1] if ref else item.partition("\n")[0]
        found[(name,)] = "here"
        for line in item.splitlines():
            field, box = re.match(r"\*\*(\w+)\*\*: (.*)", line), re.match(r"- \[(.)\] (.*)", line)
            if line.startswith("###"):
                found[name, "title"] = line.partition(": ")[2]
            elif field:
                found[name, field[1]] = field[2]
            elif box:
                found[name, "box", box[2]] = box[1]
            elif line.strip():
                found[name, "line", line.strip()] = "here"
    return found


def losses(base: Atoms, ours: Atoms, theirs: Atoms, merged: Atoms) -> list[tuple[str, ...]]:
    """What one side alone changed and is not in the merged text (what both changed may be either's)."""
    lost = []
    for key in {*base, *ours, *theirs, *merged}:
        before, mine, other = base.get(key), ours.get(key), theirs.get(key)
        wanted = {mine, other} if before not in (mine, other) else {other} if mine == before else {mine}
        if merged.get(key) not in wanted:
            lost.append(key)
    return lost


def diff(one: str, other: str) -> str:
    lines = difflib.unified_diff(one.splitlines(), other.splitlines(), n=0, lineterm="")
    return "".join(f"\n    {line}" for line in lines if not line.startswith(("---", "+++", "@@")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noisy", action="store_true")
    parser.add_argument("--show", metavar="MODE:SEED")
    options = parser.parse_args()
    os.fsync = lambda _: None  # nothing is killed here
    if options.show:
        mode, _, seed = options.show.partition(":")
        with tempfile.TemporaryDirectory() as place:
            life = Life(place, mode, int(seed), options.noisy)
            seen = life.run()
            print(*life.log, dict(seen), sep="\n")
        return
    print(f"{'':<8} {'saves':>6} {'lost':>5} {'told':>5} {'noted':>6} {'asked':>6}   lives in which something was lost")
    for mode in MODES:
        total: Counter[str] = Counter()
        seed, bad, end = options.seed, [], time.monotonic() + options.seconds
        while time.monotonic() < end:
            with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as place:
                seen = Life(place, mode, seed, options.noisy).run()
            total += seen
            bad += [seed] if seen["lost"] else []
            seed += 1
        counts = " ".join(
            f"{total[name]:>{wide}}"
            for name, wide in (("saves", 6), ("lost", 5), ("told", 5), ("noted", 6), ("asked", 6))
        )
        print(f"{mode:<8} {counts}   {' '.join(map(str, bad[:12]))}")


if __name__ == "__main__":
    main()
