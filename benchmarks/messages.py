"""Questions created and answered by 10, 50 and 200 processes at once, beside the floor in the same run.

    python benchmarks/messages.py [--processes 10,50,200] [--seconds 3] [--rounds 3]

The floor is the least that a shared read-modify-write can cost: one apsw connection per process, kept open, one
integer read and written in ``BEGIN IMMEDIATE`` with WAL and synchronous FULL, behind SQLite's own busy timeout or, in
the second row, behind the same gate as ours. The next two are what our two statements cost by themselves, on our tables
and without a line of the store, without the gate and behind it. An operation of ours is a whole transaction of the
store: creating a question with an idempotency key, or answering it. All run for the same time on the same disk, in
turn; medians of the rounds, as parts of the first row.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

FLOOR, GATED, OURS = "floor", "floor, with gate", "create + respond"
STATEMENTS, GATED_STATEMENTS = "bare statements", "bare statements, gate"
MODES = (FLOOR, GATED, STATEMENTS, GATED_STATEMENTS, OURS)
NOW = "2026-11-26T08:40:28.123456Z"
INSERT = (
    "INSERT INTO notifications (source, type, level, title, message, context, item, options, status, deadline,"
    " default_answer, idempotency_key, created_at, updated_at)"
    " VALUES ('daemon', 'question', 'normal', '', 'Go on?', '{}', NULL, '[1]', 'pending', NULL, NULL, ?,"
    f" '{NOW}', '{NOW}') ON CONFLICT (idempotency_key) DO NOTHING RETURNING id"
)
ANSWER = (
    "UPDATE notifications SET status = 'responded', answer = 'yes', answered_by = 'bench', answered_via = 'terminal',"
    f" answered_at = '{NOW}', updated_at = '{NOW}' WHERE id = ? AND type = 'question' AND answer IS NULL"
    " AND status <> 'dismissed' RETURNING id"
)


def floor(directory: str, seconds: float, mode: str) -> Iterator[Any]:
    """One shared counter, or our two statements; operations done, errors, longest wait."""
    import apsw

    from coffee_maker.utils import locks

    counter, gate = mode in (FLOOR, GATED), mode in (GATED, GATED_STATEMENTS)
    raw = apsw.Connection(os.path.join(directory, "floor.db" if counter else "notifications.db"))
    raw.set_busy_timeout(5000)
    raw.execute("PRAGMA synchronous = FULL")
    yield None
    done = errors = 0
    longest = 0.0
    end = time.monotonic() + seconds
    number = None
    while (started := time.monotonic()) < end:
        held = None
        try:
            if gate:
                held = locks.acquire(os.path.join(directory, "floor.gate"), what="floor", timeout=30)
            raw.execute("BEGIN IMMEDIATE")
            if counter:
                ((value,),) = raw.execute("SELECT value FROM counter").fetchall()
                raw.execute("UPDATE counter SET value = ?", (value + 1,))
            elif number is None:
                ((number,),) = raw.execute(INSERT, (f"{os.getpid()}-{done}",)).fetchall()
            else:
                number = raw.execute(ANSWER, (number,)).fetchall() and None
            raw.execute("COMMIT")
            done += 1
        except apsw.Error:
            errors += 1
        finally:
            if held is not None:
                locks.release(held)
        longest = max(longest, time.monotonic() - started)
    yield done, errors, longest


def messages(directory: str, seconds: float) -> Iterator[Any]:
    """Create a question, answer it, and so on; operations done, errors, longest wait."""
    from coffee_maker.core.questions import Draft, Kind, Source
    from coffee_maker.store.sqlite import SqliteStore
    from coffee_maker.utils.connection import Databases

    store = SqliteStore(Databases(directory))
    with store.writing():  # opened before the start, as the floor's connection is
        pass
    yield None
    done = errors = 0
    longest = 0.0
    end = time.monotonic() + seconds
    number = None
    while (started := time.monotonic()) < end:
        now = datetime.now(UTC)
        try:
            with store.writing() as tx:
                if number is None:
                    key = f"{os.getpid()}-{done}"
                    draft = Draft(Source.DAEMON, Kind.QUESTION, "Go on?", options=("yes", "no"), idempotency_key=key)
                    number = tx.notifications.create(draft, now)[0].id
                else:
                    if not tx.notifications.answer(number, "yes", by="bench", via="terminal", at=now):
                        errors += 1
                    number = None
            done += 1
        except Exception:
            errors += 1
        longest = max(longest, time.monotonic() - started)
    yield done, errors, longest
    store.close()


def worker(mode: str, directory: str, seconds: float) -> None:
    running = messages(directory, seconds) if mode == OURS else floor(directory, seconds, mode)
    next(running)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(next(running)), flush=True)
    sys.stdin.read()  # ends with all others: 200 interpreters that end on two cores are no part of anybody's turn


def race(mode: str, processes: int, seconds: float) -> tuple[float, int, float]:
    """Operations per second of all together, errors, the longest wait of anybody."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as place:
        directory = os.path.join(place, "data")
        _make(directory)
        argv = [sys.executable, __file__, "--worker", mode, directory, str(seconds)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        running = [subprocess.Popen(argv, **pipes) for _ in range(processes)]
        for process in running:
            process.stdout.readline()
        started = time.monotonic()
        for process in running:
            process.stdin.write("go\n")
            process.stdin.flush()
        results = [json.loads(process.stdout.readline()) for process in running]
        spent = time.monotonic() - started
        for process in running:
            process.communicate()
    return sum(one[0] for one in results) / spent, sum(one[1] for one in results), max(one[2] for one in results)


def _make(directory: str) -> None:
    import apsw

    from coffee_maker.store.sqlite import SqliteStore
    from coffee_maker.utils.connection import Databases

    with SqliteStore(Databases(directory)).writing():
        pass
    raw = apsw.Connection(os.path.join(directory, "floor.db"))
    raw.execute("PRAGMA journal_mode = WAL; CREATE TABLE counter (value); INSERT INTO counter VALUES (0)").fetchall()
    raw.close()


def waiting_cost(seconds: float = 5.0) -> float:
    """The part of a core that one waiting process takes."""
    from coffee_maker.store.sqlite import SqliteStore
    from coffee_maker.utils.connection import Databases

    with tempfile.TemporaryDirectory() as place:
        store = SqliteStore(Databases(os.path.join(place, "data")))
        with store.writing():
            pass
        with store.wakeup() as wakeup:
            before = resource.getrusage(resource.RUSAGE_SELF)
            wakeup.wait(seconds)
            after = resource.getrusage(resource.RUSAGE_SELF)
        store.close()
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", default="10,50,200")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{'processes':>9}  {'what':<22} {'ops/s':>8} {'of floor':>9} {'errors':>7} {'longest wait':>13}")
    for processes in (int(part) for part in options.processes.split(",")):
        rounds: dict[str, list[tuple[float, int, float]]] = {mode: [] for mode in MODES}
        for _ in range(options.rounds):
            for mode in MODES:
                rounds[mode].append(race(mode, processes, options.seconds))
        base = statistics.median(one[0] for one in rounds[MODES[0]])
        for mode in MODES:
            speed = statistics.median(one[0] for one in rounds[mode])
            errors, longest = sum(one[1] for one in rounds[mode]), max(one[2] for one in rounds[mode])
            print(f"{processes:>9}  {mode:<22} {speed:>8.0f} {speed / base:>9.2f} {errors:>7} {longest:>11.2f} s")
    print(f"one waiting process takes {waiting_cost():.2%} of a core")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], sys.argv[3], float(sys.argv[4]))
    else:
        main()
