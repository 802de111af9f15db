"""Real processes against one roadmap: nothing acknowledged is lost, nobody is refused, no reader sees a torn file.

    python benchmarks/races.py distinct   50 processes, 20 status changes each, every one of an item of its own
    python benchmarks/races.py notes      50 processes, 20 notes each, all on one item
    python benchmarks/races.py kills      300 status changes, each killed (-9) at a random moment
    python benchmarks/races.py syscalls   one status change, killed at every system call in turn (needs strace)

Every worker logs, outside the project, what it is about to do and what was acknowledged; a checker reads these logs
afterwards. It is trusted because it flags a known-bad writer: `--writer naive` rewrites the file in place.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

COMMAND = [sys.executable, "-m", "coffee_maker"]
CYCLE = ("in_progress", "blocked", "complete", "planned")


def make_project(items: int) -> Path:
    root = Path(tempfile.mkdtemp(prefix="coffee-races-"))
    text = "".join(
        f"\n## PRIORITY {number}: Item {number}\n\n**Status**: 📝 Planned\n\nText of item {number}.\n"
        for number in range(1, items + 1)
    )
    (root / "ROADMAP.md").write_text(f"# Roadmap\n{text}", encoding="utf-8")
    (root / "coffee-roadmap.toml").write_text("[git]\nlog = false\n")
    run(root, "init")
    return root


def run(root: Path, *args: str, kill_after: float | None = None) -> subprocess.CompletedProcess[str]:
    process = subprocess.Popen(
        [*COMMAND, *args], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    if kill_after is not None:
        try:
            out, err = process.communicate(timeout=kill_after)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
    else:
        out, err = process.communicate()
    return subprocess.CompletedProcess(args, process.returncode, out, err)


def naive_status(root: Path, ref: str, status: str) -> subprocess.CompletedProcess[str]:
    """The known-bad writer: read, change, write in place; the checker must catch it."""
    code = (
        "import sys,re,pathlib\np=pathlib.Path('ROADMAP.md');t=p.read_text()\n"
        "h=f'## PRIORITY {sys.argv[1]}: ';i=t.index(h)\n"
        "t=t[:i]+re.sub(r'Status\\*\\*: .*',f'Status**: {sys.argv[2]}',t[i:],count=1)\np.write_text(t)"
    )
    return subprocess.run([sys.executable, "-c", code, ref, status], cwd=root, capture_output=True, text=True)


def view(root: Path) -> dict[str, str]:
    done = run(root, "view", "--json")
    if done.returncode != 0:
        raise SystemExit(f"view failed: {done.stderr}")
    return {item["key"]: item["status"] for item in json.loads(done.stdout)["data"]["items"]}


class TornReads:
    """Five threads that read the file all the time; a file without its last line is torn."""

    def __init__(self, path: Path, last: str) -> None:
        self.torn = self.reads = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(path, last)) for _ in range(5)]

    def _read(self, path: Path, last: str) -> None:
        while not self._stop.wait(0.02):
            try:
                text = path.read_text(encoding="utf-8")
            except (FileNotFoundError, UnicodeDecodeError):
                text = ""
            self.reads += 1
            self.torn += not text.rstrip().endswith(last)

    def __enter__(self) -> TornReads:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def race(workers: int, each: int, work: Callable[[int, int], subprocess.CompletedProcess[str]]) -> dict[str, float]:
    """Run `work(worker, turn)` in parallel; errors and waits."""
    errors: list[str] = []
    waits: list[float] = []

    def loop(worker: int) -> None:
        for turn in range(each):
            started = time.perf_counter()
            done = work(worker, turn)
            waits.append(time.perf_counter() - started)
            if done.returncode != 0:
                errors.append(done.stderr.strip())

    threads = [threading.Thread(target=loop, args=(worker,)) for worker in range(workers)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors[:3]:
        print("   ", error)
    return {"errors": len(errors), "seconds": time.perf_counter() - started, "longest": max(waits)}


def distinct(args: argparse.Namespace) -> bool:
    items = args.workers * args.each
    root = make_project(items)
    naive = args.writer == "naive"

    def work(worker: int, turn: int) -> subprocess.CompletedProcess[str]:
        ref = str(worker * args.each + turn + 1)
        return naive_status(root, ref, "✅ Complete") if naive else run(root, "status", ref, "complete")

    with TornReads(root / "ROADMAP.md", f"Text of item {items}.") as reads:
        figures = race(args.workers, args.each, work)
    lost = sum(status != "complete" for status in view(root).values()) - int(figures["errors"])
    return report("distinct", figures, reads, lost=lost, of=items, root=root, check=not naive)


def notes(args: argparse.Namespace) -> bool:
    root = make_project(3)
    total = args.workers * args.each

    def work(worker: int, turn: int) -> subprocess.CompletedProcess[str]:
        return run(root, "edit", "2", "--append", f"note {worker}-{turn}.")

    with TornReads(root / "ROADMAP.md", "Text of item 3.") as reads:
        figures = race(args.workers, args.each, work)
    text = (root / "ROADMAP.md").read_text(encoding="utf-8")
    found = re.findall(r"^note \d+-\d+\.$", text, re.MULTILINE)
    lost = total - len(set(found)) - int(figures["errors"])
    return report("notes", figures, reads, lost=lost, of=total, root=root, doubled=len(found) - len(set(found)))


def report(
    name: str, figures: dict[str, float], reads: TornReads, *, lost: int, of: int, root: Path, doubled: int = 0,
    check: bool = True,
) -> bool:  # fmt: skip
    print(
        f"{name}: lost {lost} of {of}, errors {figures['errors']:.0f}, twice {doubled}, torn reads {reads.torn} of "
        f"{reads.reads}; {figures['seconds']:.1f} s, longest single command {figures['longest']:.2f} s"
    )
    good = lost == 0 and figures["errors"] == 0 and reads.torn == 0 and doubled == 0
    if check:
        good = checked(root) and good
    shutil.rmtree(root)
    return good


def checked(root: Path) -> bool:
    """The chain of the history and the file agree."""
    done = run(root, "db", "check")
    if done.returncode != 0:
        print("   db check:", done.stdout.strip(), done.stderr.strip())
    return done.returncode == 0


def kills(args: argparse.Namespace) -> bool:
    root = make_project(20)
    rng = random.Random(7)
    typical = sorted(timed(lambda: run(root, "status", "1", "planned")) for _ in range(5))[2]
    expected = view(root)
    unsettled: dict[str, set[str]] = {}  # a killed change may be finished by a later operation, or not have begun
    lost = torn = failed = killed = 0
    for turn in range(args.kills):
        ref = rng.randrange(1, 21)
        key, status = f"PRIORITY-{ref}", CYCLE[turn % 4]
        done = run(root, "status", str(ref), status, kill_after=rng.uniform(0.3, 1.6) * typical)
        killed += done.returncode == -9
        text = (root / "ROADMAP.md").read_text(encoding="utf-8")
        torn += not text.endswith("Text of item 20.\n")
        after = view(root)
        if done.returncode == 0:
            expected[key] = status
        else:
            unsettled.setdefault(key, set()).add(status)
        for one in expected:
            if after[one] != expected[one] and after[one] not in unsettled.get(one, ()):
                lost += 1
                print(f"   {one} is {after[one]}, was {expected[one]}; this turn: {key} {status}, {done.returncode}")
        failed += done.returncode not in (0, -9)
        if done.returncode == 0:
            unsettled.clear()
        expected = after
    again = run(root, "status", "1", "complete")
    print(
        f"kills: {killed} of {args.kills} killed; acknowledged lost {lost}, torn {torn}, failed otherwise {failed}, "
        f"next command exits {again.returncode}"
    )
    good = lost == torn == failed == 0 and again.returncode == 0 and checked(root)
    shutil.rmtree(root)
    return good


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


WRITING = (
    "openat,write,pwrite64,fsync,fdatasync,renameat2,rename,unlink,unlinkat,flock,fcntl,ftruncate,mmap,close,fchmod"
)


def points(root: Path) -> Iterator[tuple[str, int]]:
    """Every system call that a status change makes after its own start-up: name and number."""
    trace = root / "trace.txt"
    subprocess.run(
        ["strace", "-f", "-o", str(trace), "-e", f"trace={WRITING}", *COMMAND, "status", "1", "in_progress"],
        cwd=root, check=True, capture_output=True,
    )  # fmt: skip
    counts: dict[str, int] = {}
    project = False
    for line in trace.read_text(errors="replace").splitlines():
        match = re.match(r"\d+\s+(\w+)\(", line)
        if not match:
            continue
        name = match[1]
        counts[name] = counts.get(name, 0) + 1
        project = project or "roadmap.lock" in line or "coffee-roadmap.toml" in line
        if project:
            yield name, counts[name]
    trace.unlink()


def syscalls(args: argparse.Namespace) -> bool:
    if shutil.which("strace") is None:
        raise SystemExit("syscalls needs strace")
    root = make_project(5)
    todo = list(points(root))
    run(root, "status", "1", "planned")
    lost = torn = broken = 0
    for number, (name, nth) in enumerate(todo):
        before = view(root)["PRIORITY-1"]
        status = next(one for one in CYCLE if one != before)
        inject = ["-e", f"trace={name}", "-e", f"inject={name}:{args.inject}:when={nth}"]
        done = subprocess.run(
            ["strace", "-f", "-o", os.devnull, *inject, *COMMAND, "status", "1", status],
            cwd=root, capture_output=True, text=True,
        )  # fmt: skip
        text = (root / "ROADMAP.md").read_text(encoding="utf-8")
        torn += not text.endswith("Text of item 5.\n")
        after = view(root)["PRIORITY-1"]
        if after not in (before, status) or (done.returncode == 0 and after != status):
            lost += 1
            print("   lost at", name, nth, before, status, after, done.returncode)
        if "Traceback" in done.stderr:
            broken += 1
            print("   traceback at", name, nth, done.stderr.strip().splitlines()[-1])
        follow = run(root, "status", "2", CYCLE[number % 4])
        if follow.returncode != 0 or not checked(root):
            broken += 1
            print("   broken after", name, nth, follow.stderr.strip())
    print(f"syscalls ({args.inject}): {len(todo)} points; lost {lost}, torn {torn}, broken {broken}")
    shutil.rmtree(root)
    return lost == torn == broken == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=["distinct", "notes", "kills", "syscalls", "all"])
    parser.add_argument("--workers", type=int, default=50)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--inject", default="signal=KILL", help="or error=ENOSPC, error=EIO")
    parser.add_argument("--writer", choices=["ours", "naive"], default="ours")
    args = parser.parse_args()
    names = ["distinct", "notes", "kills", "syscalls"] if args.which == "all" else [args.which]
    results = [globals()[name](args) for name in names]
    sys.exit(not all(results))


if __name__ == "__main__":
    main()
