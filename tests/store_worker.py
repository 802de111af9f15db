"""A real process that works on the store, for the races: ``python -m tests.store_worker TASK URL DIRECTORY ARG``.

It says "ready", waits for a line, does its task, and prints what came of it as one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.stores import open_store

from coffee_maker.core.errors import AlreadyClaimed, ClaimLost
from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.store.common import SharedStore
from coffee_maker.utils.connection import Databases
from coffee_maker.utils.database import get_db_connection

ROOT = Path(__file__).parent.parent
ITEMS = ("A", "B", "C")


def now() -> datetime:
    return datetime.now(UTC)


def write_rows(store: SharedStore, databases: Databases, arg: str) -> Any:
    """Twenty rows, each in a transaction of its own; the longest wait."""
    longest = 0.0
    for number in range(20):
        started = time.monotonic()
        with store.writing() as tx:
            tx.notifications.create(Draft(Source.DAEMON, Kind.INFO, f"{arg} {number}"), now())
        longest = max(longest, time.monotonic() - started)
    return longest


def count_up(store: SharedStore, databases: Databases, arg: str) -> Any:
    """Read, then write what was read plus one, twenty times: both halves in one transaction."""
    for _ in range(20):
        with get_db_connection("notifications", databases=databases) as conn:
            (value,) = conn.execute("SELECT pid FROM heartbeats WHERE daemon = 'counter'").rows[0]
            conn.execute("UPDATE heartbeats SET pid = ? WHERE daemon = 'counter'", (value + 1,))
    return None


def claim(store: SharedStore, databases: Databases, arg: str) -> Any:
    """Claim whatever item is free, note begin and end of holding it by the fence, give it back."""
    held = []
    for turn in range(15):
        item = ITEMS[(turn + int(arg)) % len(ITEMS)]
        try:
            with store.writing() as tx:
                got = tx.claims.take(item, f"daemon-{arg}", lease=timedelta(minutes=1), now=now())
                begin = time.clock_gettime(time.CLOCK_MONOTONIC)
        except AlreadyClaimed:
            continue
        try:
            with store.writing() as tx:
                tx.claims.check(got, now())
                end = time.clock_gettime(time.CLOCK_MONOTONIC)
                tx.claims.release(got)
        except ClaimLost:
            return "lost while the lease ran"
        held.append((item, got.fence, begin, end))
    return held


def answer(store: SharedStore, databases: Databases, arg: str) -> Any:
    with store.writing() as tx:
        return tx.notifications.answer(1, f"answer {arg}", by=arg, via="terminal", at=now())


def first_writer(store: SharedStore, databases: Databases, arg: str) -> Any:
    """Whoever comes first migrates; everybody's row is there in the end."""
    with store.writing() as tx:
        return tx.notifications.create(Draft(Source.DAEMON, Kind.INFO, arg), now())[0].id


def hang_in_transaction(store: SharedStore, databases: Databases, arg: str) -> Any:
    """Write, and never commit: the test kills it (or its connection)."""
    with store.writing() as tx:
        tx.notifications.create(Draft(Source.DAEMON, Kind.INFO, "never committed"), now())
        print(json.dumps("inside"), flush=True)
        sys.stdin.readline()


TASKS: dict[str, Callable[..., Any]] = {
    task.__name__: task for task in (write_rows, count_up, claim, answer, first_writer, hang_in_transaction)
}


class Workers:
    """Several of these processes, started together; `go` lets them run at once."""

    def __init__(self, databases: Databases, task: Callable[..., Any], args: Sequence[str]) -> None:
        self.processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.store_worker",
                    task.__name__,
                    databases.url or "",
                    databases.directory,
                    arg,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
            for arg in args
        ]
        for process in self.processes:
            assert self._line(process) == "ready"

    def go(self) -> None:
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()

    def next_line(self) -> list[Any]:
        return [self._line(process) for process in self.processes]

    def run(self) -> list[Any]:
        """All results; every process must end well."""
        self.go()
        results = self.next_line()
        for process in self.processes:
            assert process.wait(60) == 0
            assert process.stdout is not None
            process.stdout.close()
        return results

    @staticmethod
    def _line(process: subprocess.Popen[str]) -> Any:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the process ended without a result"
        return json.loads(line)


def main() -> None:
    _, task, url, directory, arg = sys.argv
    databases = Databases(directory, url=url or None)
    store = open_store(databases)
    print(json.dumps("ready"), flush=True)
    sys.stdin.readline()
    print(json.dumps(TASKS[task](store, databases, arg)), flush=True)
    store.close()


if __name__ == "__main__":
    main()
