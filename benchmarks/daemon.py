"""The daemon: claims under contention, what it costs when idle, how soon it wakes, how soon it goes on after kill -9.

    python benchmarks/daemon.py [claims|idle|wake|restart] [--postgres URL]

claims   1, 10 and 50 processes take 1,000 items in order, as daemons choose them: every item must be claimed once.
         Beside it the floor: the same number of `BEGIN IMMEDIATE … COMMIT` behind the same gate, by as many processes.
idle     processor time and memory of a daemon with nothing to do, over 20 seconds, on a roadmap of 5,000 items.
wake     from a change (an item planned with the command, the file saved by an editor, an answer given) to the agent's
         first sign of life.
restart  kill -9 of a daemon whose agent is at work; from starting the next one to its agent at work on the same item.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

from coffee_maker.core.errors import AlreadyClaimed
from coffee_maker.store.common import SharedStore
from coffee_maker.utils.connection import Databases

ITEMS = 1000
LONG = timedelta(hours=1)
COMMAND = [sys.executable, "-m", "coffee_maker"]


def opened(databases: Databases) -> SharedStore:
    if databases.url is not None:
        from coffee_maker.store.postgres import PostgresStore

        return PostgresStore(databases)
    from coffee_maker.store.sqlite import SqliteStore

    return SqliteStore(databases)


# --- claims ------------------------------------------------------------------------------------------------------


def claimant(databases: Databases, name: str, start: float, out: str) -> None:
    """Claim what is free, in order, until nothing is; write down what was got."""
    store, got = opened(databases), []
    time.sleep(max(start - time.time(), 0))
    while True:
        with store.reading() as tx:
            held = {claim.item for claim in tx.claims.held(datetime.now(UTC))}
        free = [f"I-{number}" for number in range(ITEMS) if f"I-{number}" not in held]
        if not free:
            break
        try:
            with store.writing() as tx:
                got.append(tx.claims.take(free[0], name, lease=LONG, now=datetime.now(UTC)))
        except AlreadyClaimed:
            continue
    Path(out).write_text(json.dumps([[one.item, one.fence] for one in got]))
    store.close()


def floor(databases: Databases, _name: str, start: float, out: str) -> None:
    """Transactions that write one row, as many as there are items for each process's share."""
    store, share = opened(databases), int(out.rpartition(".")[2])
    time.sleep(max(start - time.time(), 0))
    for number in range(share):
        with store.writing() as tx:
            tx.claims.take(f"{out}-{number}", "floor", lease=LONG, now=datetime.now(UTC))
    store.close()


def together(work: Callable[..., None], databases: Databases, count: int, outs: list[str]) -> float:
    context, start = get_context("spawn"), time.time() + 1 + count * 0.12
    running = [context.Process(target=work, args=(databases, f"d{n}", start, outs[n])) for n in range(count)]
    for process in running:
        process.start()
    for process in running:
        process.join()
    return time.time() - start


def claims(url: str | None) -> bool:
    good = True
    for count in (1, 10, 50):
        with tempfile.TemporaryDirectory() as home:
            databases = Databases(f"{home}/data", url=url)
            with opened(databases).writing() as tx:
                for claim in tx.claims.held(datetime(2000, 1, 1, tzinfo=UTC)):
                    tx.claims.release(claim)
            outs = [f"{home}/{n}.json" for n in range(count)]
            seconds = together(claimant, databases, count, outs)
            got = [item for out in outs for item, _fence in json.loads(Path(out).read_text())]
            double = len(got) - len(set(got))
            good = good and double == 0 and len(got) == ITEMS
            shares = [f"{home}/f{n}.{ITEMS // count}" for n in range(count)]
            least = together(floor, databases, count, shares)
            print(
                f"{count:>3} daemons: {len(got)} of {ITEMS} claimed, {double} twice, {ITEMS / seconds:7.0f} claims/s"
                f" (floor {ITEMS / least:7.0f} transactions/s, {least / seconds:.2f} of it)"
            )
    return good


# --- whole daemons -----------------------------------------------------------------------------------------------


class Place:
    """A throw-away project with an agent that leaves a trace when it begins."""

    def __init__(self, home: Path, items: int, *, planned: int) -> None:
        self.root, self.traces = home / "project", home / "traces"
        (self.root / "docs").mkdir(parents=True)
        self.traces.mkdir()
        text = "".join(
            f"## PRIORITY {n}: Item {n}\n\n**Status**: {'Planned' if n <= planned else 'Complete'}\n\nText.\n\n"
            for n in range(1, items + 1)
        )
        (self.root / "docs/ROADMAP.md").write_text(f"# Roadmap\n\n{text}")
        (self.root / "coffee-roadmap.toml").write_text(
            '[daemon]\nlease = "4s"\n[agent]\nenvironment = ["TRACES"]\n'
            'command = ["sh", "-c", "echo $COFFEE_ITEM $(date +%s.%N) >> $TRACES/began; sleep ${NAP:-0}; echo x > f"]\n'
        )
        self.environment = {
            **os.environ,
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "TRACES": str(self.traces),
        }
        for words in (
            ["init", "-q", "-b", "main"],
            ["config", "user.name", "B"],
            ["config", "user.email", "b@localhost"],
        ):
            subprocess.run(["git", *words], cwd=self.root, check=True)
        subprocess.run(["git", "add", "-A"], cwd=self.root, check=True)
        subprocess.run(["git", "commit", "-qm", "first"], cwd=self.root, check=True)

    def daemon(self, *words: str) -> subprocess.Popen[bytes]:
        nothing = subprocess.DEVNULL
        argv = [*COMMAND, "daemon", "run", *words]
        return subprocess.Popen(argv, cwd=self.root, env=self.environment, stdout=nothing, stderr=nothing)

    def run(self, *words: str) -> None:
        subprocess.run([*COMMAND, *words], cwd=self.root, env=self.environment, check=True, capture_output=True)

    def status(self) -> dict[str, object]:
        argv = [*COMMAND, "daemon", "status", "--json"]
        done = subprocess.run(argv, cwd=self.root, env=self.environment, check=True, capture_output=True)
        return dict(json.loads(done.stdout)["data"])

    def began(self, item: str, count: int = 1) -> float:
        """When the agent began on the item for the `count`th time."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            path = self.traces / "began"
            lines = path.read_text().split("\n") if path.exists() else []
            times = [float(line.split()[1]) for line in lines if line.startswith(f"{item} ")]
            if len(times) >= count:
                return times[count - 1]
            time.sleep(0.005)
        raise SystemExit(f"the agent did not begin {item}")


def settled(place: Place) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        daemons = place.status()["daemons"]
        if any(one["state"] == "idle" for one in daemons):  # type: ignore[attr-defined]
            return
        time.sleep(0.1)
    raise SystemExit("the daemon did not come to rest")


def idle() -> bool:
    with tempfile.TemporaryDirectory() as home:
        place = Place(Path(home), 5000, planned=0)
        daemon = place.daemon("--yes")
        try:
            settled(place)
            before, seconds = _used(daemon.pid), 20
            time.sleep(seconds)
            share = (_used(daemon.pid) - before) / seconds
            memory = next(
                int(line.split()[1]) / 1000
                for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
                if line.startswith("VmRSS")
            )
        finally:
            daemon.terminate()
            daemon.wait()
    good = share < 0.01 and memory < 60
    print(
        f"idle, 5,000 items: {share:.2%} of a core, {memory:.0f} MB   target 1 %, 60 MB: {'met' if good else 'MISSED'}"
    )
    return good


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wake() -> bool:
    rounds, good = 8, True
    with tempfile.TemporaryDirectory() as home:
        place = Place(Path(home), 3 * rounds + 1, planned=0)
        daemon = place.daemon("--yes")
        try:
            settled(place)
            for name, change in (("the command", _by_command), ("an editor's save", _by_editor)):
                times = []
                for _ in range(rounds):
                    item = len(_all_began(place)) + 1
                    since = change(place, item)
                    times.append(place.began(f"PRIORITY-{item}") - since)
                    settled(place)
                middle = statistics.median(times)
                good = good and max(times) < 1.5
                print(
                    f"woken by {name}: agent at work after {middle * 1000:.0f} ms, at most {max(times) * 1000:.0f} ms"
                )
        finally:
            daemon.terminate()
            daemon.wait()
    return good


def _all_began(place: Place) -> list[str]:
    path = place.traces / "began"
    return path.read_text().splitlines() if path.exists() else []


def _by_command(place: Place, item: int) -> float:
    place.run("status", str(item), "planned")
    return time.time()


def _by_editor(place: Place, item: int) -> float:
    path = place.root / "docs/ROADMAP.md"
    head = f"## PRIORITY {item}: Item {item}\n\n**Status**: "
    text = path.read_text()
    start = text.index(head) + len(head)
    new = path.with_name(".new")
    new.write_text(text[:start] + "📝 Planned" + text[text.index("\n", start) :])
    since = time.time()
    new.replace(path)
    return since


def restart() -> bool:
    times = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as home:
            place = Place(Path(home), 3, planned=1)
            place.environment["NAP"] = "30"
            first = place.daemon("--yes")
            place.began("PRIORITY-1")
            first.send_signal(signal.SIGKILL)
            first.wait()
            since = time.time()
            place.environment["NAP"] = "0"
            second = place.daemon("--yes")
            times.append(place.began("PRIORITY-1", 2) - since)
            second.terminate()
            second.wait()
    print(f"restarted after kill -9 (lease 4 s): agent at work again after {statistics.median(times):.2f} s", end="")
    print(f", at most {max(times):.2f} s")
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", choices=("claims", "idle", "wake", "restart", []))
    parser.add_argument("--postgres", metavar="URL", help="claims: on this PostgreSQL database")
    args = parser.parse_args()
    tasks = {"claims": lambda: claims(args.postgres), "idle": idle, "wake": wake, "restart": restart}
    good = [task() for name, task in tasks.items() if not args.what or name in args.what]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
