"""Whole commands, from start to exit, as multiples of ``python -c pass`` measured in the same minutes.

    python benchmarks/commands.py [--rounds 21] [--roadmap FILE] [--installed]

Two roadmaps: a real one when `--roadmap` names it (else one of the same size is made), and one of 5,000 items. The
commands take turns, so that a busy moment of the machine hits them all; the middle value of each counts. Beside the
time on the wall stands the processor's time, which says more where other work loads the machine. Peak memory is the
kernel's own figure for the process (VmHWM; `ru_maxrss` of a child counts its parent's). Programs are measured as users
have them: with their byte code cached, and with `--installed` from a new virtual environment that holds nothing else.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parents[1]
BARE = "python -c pass"
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


class Program(NamedTuple):
    """An installation of the program, and the environment in which it runs."""

    python: str
    environ: dict[str, str]

    def command(self, *words: str) -> list[str]:
        return [str(Path(self.python).with_name("coffee-roadmap")), *words]

    def seconds(self, words: list[str], directory: Path) -> tuple[float, float]:
        """Run once; its time on the wall, and the processor's."""
        before, started = _used(), time.perf_counter()
        subprocess.run(words, cwd=directory, env=self.environ, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - started, _used() - before

    def peak(self, words: list[str], directory: Path) -> int:
        """The most memory in kB that a command needs at once; a text buffer of its output included."""
        program = [self.python, "-c", PEAK, *words]
        done = subprocess.run(program, cwd=directory, env=self.environ, stdout=subprocess.PIPE, check=True, text=True)
        return int(done.stdout)


def _used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def install(folder: Path, environ: dict[str, str]) -> str:
    """The interpreter of a new virtual environment with this project in it, byte code included."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin/python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", PROJECT], env=environ, check=True)
    return python


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


def project(root: Path, text: str, program: Program) -> None:
    """A project that has been in use: initialised, with a change recorded."""
    (root / "docs").mkdir(parents=True)
    (root / "docs/ROADMAP.md").write_text(text, encoding="utf-8")
    for words in (["init"], ["view", "--json"], ["next", "--json"]):
        subprocess.run(program.command(*words), cwd=root, env=program.environ, check=True, capture_output=True)


def compare(name: str, root: Path, key: str, rounds: int, program: Program) -> bool:
    """Let the commands take turns, print one row for each; whether all targets are met."""
    times: dict[str, list[tuple[float, float]]] = {label: [] for label in (BARE, *TARGETS[name])}
    for turn in range(rounds):
        for label, words in commands(key, turn, program).items():
            times[label].append(program.seconds(words, root))
    size = (root / "docs/ROADMAP.md").stat().st_size
    print(f"\n{name}: {size / 1000:.0f} kB, {rounds} rounds")
    bare, bare_used = _middles(times[BARE])
    print(f"  {BARE:<16} wall {bare * 1000:6.1f} ms   1.00 x   processor {bare_used * 1000:6.1f} ms   1.00 x")
    met = True
    for label, target in TARGETS[name].items():
        wall, used = _middles(times[label])
        most = program.peak(commands(key, rounds, program)[label][1:], root)
        good = wall / bare <= target and most <= MOST_MEMORY
        met = met and good
        print(
            f"  {label:<16} wall {wall * 1000:6.1f} ms  {wall / bare:5.2f} x   processor {used * 1000:6.1f} ms"
            f"  {used / bare_used:5.2f} x  {most / 1000:5.1f} MB   target {target:g} x, 40 MB:"
            f" {'met' if good else 'MISSED'}"
        )
    return met


def _middles(times: list[tuple[float, float]]) -> tuple[float, float]:
    return statistics.median(wall for wall, _ in times), statistics.median(used for _, used in times)


def commands(key: str, turn: int, program: Program) -> dict[str, list[str]]:
    """The command lines of one turn; each turn sets another status."""
    return {
        BARE: [program.python, "-c", "pass"],
        "view --json": program.command("view", "--json"),
        "next --json": program.command("next", "--json"),
        "status ITEM S": program.command("status", key, STATUSES[turn % len(STATUSES)]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--roadmap", type=Path, help="a real roadmap (about 428 kB); without it one is made")
    parser.add_argument("--item", default="2.7", help="an item of that roadmap whose status is changed")
    parser.add_argument("--installed", action="store_true", help="measure a fresh installation, not this environment's")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coffee-commands-") as folder:
        environ = environment(Path(folder) / "home")
        program = Program(install(Path(folder) / "venv", environ) if args.installed else sys.executable, environ)
        real = args.roadmap.read_text(encoding="utf-8") if args.roadmap else like_a_real_one()
        roadmaps = {"real": (real, args.item if args.roadmap else "7"), "5000 items": (many_items(), "2500")}
        met = []
        for name, (text, key) in roadmaps.items():
            root = Path(folder) / name.replace(" ", "-")
            project(root, text, program)
            met.append(compare(name, root, key, args.rounds, program))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
