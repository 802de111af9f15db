"""Whole commands, from start to exit, as multiples of ``python -c pass`` measured in the same minutes.

    python benchmarks/commands.py [--rounds 21] [--roadmap FILE ...]

Two roadmaps: a real one when `--roadmap` names it (else one of the same size is made), and one of 5,000 items. The
commands take turns, so that a busy moment of the machine hits them all; the middle value of each counts. Peak memory is
the kernel's own figure for the process (VmHWM; `ru_maxrss` of a child counts its parent's). Programs are measured
as users have them: with their byte code cached.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = [sys.executable, "-c", "pass"]
COMMAND = [shutil.which("coffee-roadmap", path=str(Path(sys.executable).parent)) or "coffee-roadmap"]
STATUSES = ("complete", "in_progress", "planned", "blocked")
TARGETS = {
    "real": {"view --json": 5.0, "next --json": 5.0, "status ITEM S": 7.0},
    "5000 items": {"view --json": 8.0, "next --json": 8.0, "status ITEM S": 10.0},
}
MOST_MEMORY = 40_000  # kB


PEAK = """
import contextlib, io, sys
from coffee_maker.cli.roadmap_cli import main
with contextlib.redirect_stdout(io.StringIO()) if sys.argv[1:] else contextlib.nullcontext():
    sys.argv[1:] and main(sys.argv[1:])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


def environment(home: Path) -> dict[str, str]:
    """A user's environment: byte code is cached, and no setting comes from outside."""
    left_out = ("COFFEE_", "XDG_", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONOPTIMIZE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, "HOME": str(home)}


def seconds(words: list[str], directory: Path, environ: dict[str, str]) -> float:
    """Run once; its time on the wall."""
    started = time.perf_counter()
    subprocess.run(words, cwd=directory, env=environ, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def peak(words: list[str], directory: Path, environ: dict[str, str]) -> int:
    """The most memory in kB that a command needs at once; a text buffer of its output included."""
    program = [sys.executable, "-c", PEAK, *words]
    done = subprocess.run(program, cwd=directory, env=environ, stdout=subprocess.PIPE, check=True, text=True)
    return int(done.stdout)


def like_a_real_one() -> str:
    """17 items in 428 kB, with the kinds of text that real ones have: more than half of the lines are fenced."""
    filler = "Some words about what is to be done, and why it matters to the people who asked for it.\n"
    code = "```python\n" + "def f(one: int, other: int) -> int:\n    return one + other\n" * 20 + "```\n\n"
    boxes = "".join(f"- [{'x' if n % 3 else ' '}] box number {n}\n" for n in range(20))
    section = f"#### A part of it\n\n{filler * 8}\n{boxes}\n{code}"
    heads = (
        f"### 🔴 **PRIORITY {number}: Item number {number}** ⚡ WORDS\n\n**Status**: 📝 Planned\n"
        f"**Estimated Effort**: {number % 9 + 1} days\n**Dependencies**: None\n\n"
        for number in range(1, 18)
    )
    times = 428_000 // 17 // len(section)
    return "# Roadmap\n\n" + "".join(head + section * times + "---\n\n" for head in heads)


def many_items() -> str:
    """5,000 short items."""
    item = "\n## PRIORITY {0}: Item {0}\n\n**Status**: 📝 Planned\n\nText of item {0}.\n"
    return "# Roadmap\n" + "".join(item.format(number) for number in range(1, 5001))


def project(root: Path, text: str, environ: dict[str, str]) -> None:
    """A project that has been in use: initialised, with a change recorded."""
    (root / "docs").mkdir(parents=True)
    (root / "docs/ROADMAP.md").write_text(text, encoding="utf-8")
    for words in (["init"], ["view", "--json"], ["next", "--json"]):
        subprocess.run([*COMMAND, *words], cwd=root, env=environ, check=True, capture_output=True)


def compare(name: str, root: Path, key: str, rounds: int, environ: dict[str, str]) -> bool:
    """Let the commands take turns, print one row for each; whether all targets are met."""
    times: dict[str, list[float]] = {label: [] for label in ("python -c pass", *TARGETS[name])}
    for turn in range(rounds):
        for label, words in commands(key, turn).items():
            times[label].append(seconds(words, root, environ))
    size = (root / "docs/ROADMAP.md").stat().st_size
    print(f"\n{name}: {size / 1000:.0f} kB, {rounds} rounds")
    bare = statistics.median(times["python -c pass"])
    print(f"  {'python -c pass':<16} {bare * 1000:7.1f} ms   1.00 x")
    met = True
    for label, target in TARGETS[name].items():
        middle = statistics.median(times[label])
        most = peak(commands(key, rounds)[label][1:], root, environ)
        good = middle / bare <= target and most <= MOST_MEMORY
        met = met and good
        words = "met" if good else "MISSED"
        print(
            f"  {label:<16} {middle * 1000:7.1f} ms  {middle / bare:5.2f} x  {most / 1000:5.1f} MB"
            f"   target {target:g} x, 40 MB: {words}"
        )
    return met


def commands(key: str, turn: int) -> dict[str, list[str]]:
    """The command lines of one turn; each turn sets another status."""
    return {
        "python -c pass": BARE,
        "view --json": [*COMMAND, "view", "--json"],
        "next --json": [*COMMAND, "next", "--json"],
        "status ITEM S": [*COMMAND, "status", key, STATUSES[turn % len(STATUSES)]],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--roadmap", type=Path, help="a real roadmap (about 428 kB); without it one is made")
    parser.add_argument("--item", default="2.7", help="an item of that roadmap whose status is changed")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coffee-commands-") as folder:
        environ = environment(Path(folder) / "home")
        real = args.roadmap.read_text(encoding="utf-8") if args.roadmap else like_a_real_one()
        roadmaps = {"real": (real, args.item if args.roadmap else "7"), "5000 items": (many_items(), "2500")}
        met = []
        for name, (text, key) in roadmaps.items():
            root = Path(folder) / name.replace(" ", "-")
            project(root, text, environ)
            met.append(compare(name, root, key, args.rounds, environ))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
