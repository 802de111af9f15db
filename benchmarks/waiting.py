"""A process that waits for an answer: how soon it is woken, and what waiting costs.

    python benchmarks/waiting.py [--rounds 100] [--idle 20] [--url postgresql://...]

Prints the time from the end of `respond` in this process to the end of `wait` in another one, and the share of a core
that the other one takes while nothing happens. Without a URL the database is SQLite in a temporary directory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from datetime import UTC, datetime
from multiprocessing.connection import Connection

from coffee_maker.core.ports import Store
from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.store.sqlite import SqliteStore
from coffee_maker.utils.connection import Databases
from coffee_maker.work.messages import Messages


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


def messages(databases: Databases) -> Messages:
    store: Store = SqliteStore(databases)
    if databases.url is not None:
        from coffee_maker.store.postgres import PostgresStore

        store = PostgresStore(databases)
    return Messages(store, Now(), {})


def waiter(databases: Databases, line: Connection) -> None:
    """Wait for each question that is named; tell when the answer was there and how much of a core it took."""
    ours = messages(databases)
    for question_id in iter(line.recv, None):
        began, busy = time.monotonic(), time.process_time()
        ours.wait(question_id)
        woken = time.monotonic()
        line.send((woken, (time.process_time() - busy) / (woken - began)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--idle", type=float, default=20.0, help="seconds of the idle wait")
    parser.add_argument("--url", help="a PostgreSQL database to use")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coffee-waiting-") as directory:
        databases = Databases(directory, url=args.url)
        ours = messages(databases)
        line, theirs = multiprocessing.Pipe()
        multiprocessing.get_context("spawn").Process(target=waiter, args=(databases, theirs), daemon=True).start()

        def round_trip(pause: float) -> tuple[float, float]:
            """Seconds until woken, and the waiter's share of a core, for one question answered after `pause`."""
            asked = ours.notify(Draft(source=Source.DAEMON, kind=Kind.QUESTION, message="Ready?"))
            line.send(asked.id)
            time.sleep(pause)
            ours.respond(asked.id, "yes", by="benchmark", via="benchmark")
            answered = time.monotonic()
            woken, share = line.recv()
            return woken - answered, share

        round_trip(1.0)  # the other process is there, everything is imported
        late = sorted(round_trip(0.05 + round_ * 0.0013)[0] * 1000 for round_ in range(args.rounds))
        _, share = round_trip(args.idle)
        line.send(None)
    figures = f"median {statistics.median(late):.1f}, 95 % {late[int(len(late) * 0.95)]:.1f}, longest {late[-1]:.1f}"
    print(f"woken after (ms): {figures}, of {len(late)}")
    print(f"idle for {args.idle:g} s: {share:.2%} of a core")


if __name__ == "__main__":
    main()
