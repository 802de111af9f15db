"""Real daemon processes on one project: they share the items out, and one of them is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters.git_states import PERSON, git, write
from tests.work.daemon_kit import until

from coffee_maker.core.items import Status
from coffee_maker.utils import locks

ITEMS = 8
SETTINGS = """\
[daemon]
lease = "6s"
poll = "100ms"

[agent]
command = ["sh", "-eu", "{agent}"]
environment = ["TRACES"]
"""
# Notes when it begins and ends. The item that is named in `stuck` never ends, as long as that file is there.
AGENT = """\
echo "begin $COFFEE_ITEM $$" >> "$TRACES/log"
if [ -e "$TRACES/stuck-$COFFEE_ITEM" ]; then
    setsid sleep 600 &
    touch "$TRACES/begun-$COFFEE_ITEM"
    sleep 600
fi
echo made > "$COFFEE_ITEM.txt"
sleep 0.2
echo "end $COFFEE_ITEM $$" >> "$TRACES/log"
"""


class Place:
    """A project and the processes on it."""

    def __init__(self, home: Path) -> None:
        self.root = home / "project"
        self.traces = home / "traces"
        self.traces.mkdir()
        self.root.mkdir()
        git(self.root, "init", "-q", "-b", "main")
        text = "".join(f"### PRIORITY {n}: Item {n}\n\n**Status**: 📝 Planned\n\n" for n in range(1, ITEMS + 1))
        write(self.root / "ROADMAP.md", f"# Roadmap\n\n{text}")
        write(self.root / "coffee-roadmap.toml", SETTINGS.format(agent=write(home / "agent.sh", AGENT)))
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "first")
        state = {"XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "none"), "NO_COLOR": "1"}
        self.environment = {**os.environ, **PERSON, **state, "TRACES": str(self.traces)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "coffee_maker.cli.roadmap_cli", *arguments],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, *arguments: str) -> object:
        """The data of a command's JSON."""
        process = self.start(*arguments, "--json")
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        return json.loads(out)["data"]

    def statuses(self) -> dict[str, str]:
        return {item["key"]: item["status"] for item in self.ask("view")["items"]}  # type: ignore[index]

    def alive(self, pid: str) -> bool:
        """Whether a program of an agent's or tests lives; another process that has got its number since is none."""
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            given = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False
        ours = f"TRACES={self.traces}".encode() in given and any(one.startswith(b"COFFEE_ITEM=") for one in given)
        return ours and state not in "ZX"

    def log(self) -> list[list[str]]:
        path = self.traces / "log"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def started(place: Place) -> Iterator[list[subprocess.Popen[str]]]:
    """The daemons that a test starts; those that still run are ended."""
    running: list[subprocess.Popen[str]] = []
    yield running
    for daemon in running:
        daemon.kill()
        daemon.communicate()


def ended_in_order(daemon: subprocess.Popen[str]) -> None:
    daemon.send_signal(signal.SIGTERM)
    _out, err = daemon.communicate(timeout=60)
    assert daemon.returncode == 0, err


def all_complete(place: Place) -> bool:
    return set(place.statuses().values()) == {"complete"}


def test_four_daemons_share_the_items_out(place: Place, started: list[subprocess.Popen[str]]) -> None:
    started += [place.start("daemon", "run", "--yes") for _ in range(4)]
    until(lambda: all_complete(place), 120)
    for daemon in started:
        ended_in_order(daemon)
    shared_out(place.log())
    branches = git(place.root, "for-each-ref", "--format=%(refname:short)", "refs/heads/roadmap").splitlines()
    assert len(branches) == ITEMS
    for branch in branches:
        key = branch.removeprefix("roadmap/").rpartition("-item")[0]
        assert git(place.root, "diff", "--name-only", "main", branch) == f"{key}.txt"
    assert git(place.root, "status", "--porcelain").splitlines() == [" M ROADMAP.md"]
    changes = place.ask("history")["changes"]  # type: ignore[index]
    assert len(changes) == 2 * ITEMS


def test_an_item_of_a_killed_daemon_is_taken_up_by_another(place: Place, started: list[subprocess.Popen[str]]) -> None:
    stuck = write(place.traces / "stuck-PRIORITY-1", "")
    first = place.start("daemon", "run", "--yes")
    started.append(first)
    until(lambda: (place.traces / "begun-PRIORITY-1").exists())
    stuck.unlink()
    started += [place.start("daemon", "run", "--yes") for _ in range(3)]
    first.kill()
    first.communicate()
    until(lambda: all_complete(place), 120)
    for daemon in started[1:]:
        ended_in_order(daemon)
    shared_out(place.log(), twice="PRIORITY-1")
    assert not place.alive(place.log()[0][2])
    by = [change["changed_by"] for change in place.ask("history", "PRIORITY-1")["changes"]]  # type: ignore[index]
    assert len(set(by)) == 2


def test_a_question_is_answered_from_another_terminal(place: Place, started: list[subprocess.Popen[str]]) -> None:
    daemon = place.start("daemon", "run", "--once", "--json")
    started.append(daemon)
    until(lambda: place.ask("notifications")["notifications"])  # type: ignore[index]
    (question,) = place.ask("notifications")["notifications"]  # type: ignore[index]
    assert question["options"] == ["approve", "skip", "change: ..."]
    assert place.statuses()["PRIORITY-1"] == Status.PLANNED.value
    place.ask("notifications", "respond", str(question["id"]), "approve")
    out, err = daemon.communicate(timeout=60)
    assert daemon.returncode == 0, err
    assert json.loads(out)["data"]["items"][0]["outcome"] == "complete"
    assert "PRIORITY-1: complete" in err


def test_an_agent_that_waits_for_an_answer_is_shown_waiting(place: Place, started: list[subprocess.Popen[str]]) -> None:
    """It asks by the command, a process of its own; that it waits reaches the daemon through the store."""
    asks = f"{sys.executable} -m coffee_maker.cli.roadmap_cli notify 'Which?' --option a --option b --wait"
    script = write(place.root.parent / "asking.sh", f'{asks} --item "$COFFEE_ITEM" > answer.txt\n')
    write(place.root / "coffee-roadmap.toml", SETTINGS.format(agent=script))
    daemon = place.start("daemon", "run", "--once", "--yes", "--json")
    started.append(daemon)

    def waits_for() -> list[str | None]:
        return [job["waits_for"] for one in place.ask("daemon", "status")["daemons"] for job in one["jobs"]]  # type: ignore[index]

    until(lambda: waits_for() == ["an answer to question 1"], 60)
    place.ask("notifications", "respond", "1", "b")
    out, err = daemon.communicate(timeout=60)
    assert json.loads(out)["data"]["items"][0]["outcome"] == "complete", err
    branch = git(place.root, "for-each-ref", "--format=%(refname:short)", "refs/heads/roadmap")
    assert git(place.root, "show", f"{branch}:answer.txt") == "b"


def test_ctrl_c_ends_the_agent_and_plans_the_item_again(place: Place, started: list[subprocess.Popen[str]]) -> None:
    write(place.traces / "stuck-PRIORITY-1", "")
    daemon = place.start("daemon", "run", "--yes")
    started.append(daemon)
    until(lambda: (place.traces / "begun-PRIORITY-1").exists())
    daemon.send_signal(signal.SIGINT)
    _out, err = daemon.communicate(timeout=60)
    assert daemon.returncode == 130, err
    assert "Traceback" not in err
    assert not place.alive(place.log()[0][2])
    assert place.statuses()["PRIORITY-1"] == "planned"


def test_a_second_ctrl_c_leaves_the_item_to_the_next_daemon_at_once(
    place: Place, started: list[subprocess.Popen[str]]
) -> None:
    settings = SETTINGS.replace('lease = "6s"', 'lease = "1h"')
    stubborn = 'trap "" TERM INT; echo "begin $COFFEE_ITEM $$" >> "$TRACES/log"; while :; do sleep 0.1; done'
    write(place.root / "coffee-roadmap.toml", settings.format(agent=write(place.root.parent / "s.sh", stubborn)))
    daemon = place.start("daemon", "run", "--yes")
    started.append(daemon)
    until(place.log)
    daemon.send_signal(signal.SIGINT)
    assert daemon.stderr is not None
    said = ""
    while "Ctrl-C again" not in said:
        line = daemon.stderr.readline()
        assert line, said
        said += line
    assert "ending what is in hand: PRIORITY-1; Ctrl-C again leaves it as it is" in said
    daemon.send_signal(signal.SIGINT)
    _out, err = daemon.communicate(timeout=60)
    assert daemon.returncode == 130, err
    until(lambda: not place.alive(place.log()[0][2]))
    write(place.root / "coffee-roadmap.toml", settings.format(agent=place.root.parent / "agent.sh"))
    again = place.start("daemon", "run", "--yes", "--once")
    started.append(again)
    _out, err = again.communicate(timeout=60)
    assert again.returncode == 0, err
    assert "PRIORITY-1: complete" in err


def test_one_that_cannot_end_in_order_ends_all_the_same(place: Place, started: list[subprocess.Popen[str]]) -> None:
    """A lock that somebody else holds keeps it from writing; its agent goes with it, and the next one goes on."""
    write(place.traces / "stuck-PRIORITY-1", "")
    program = (
        "from coffee_maker.cli.commands import daemon\nfrom coffee_maker.cli.roadmap_cli import main\n"
        "daemon.AT_MOST = 1.0\nmain(['daemon', 'run', '--yes'])"
    )
    daemon = subprocess.Popen(
        [sys.executable, "-c", program], cwd=place.root, env=place.environment, stderr=subprocess.PIPE, text=True
    )
    started.append(daemon)
    until(lambda: (place.traces / "begun-PRIORITY-1").exists())
    gate = place.root / "data/notifications.gate"
    with locks.hold(str(gate), what="the gate", timeout=10):
        daemon.send_signal(signal.SIGTERM)
        _out, err = daemon.communicate(timeout=60)
        assert (daemon.returncode, "no end in order within 1 s" in err) == (1, True), err
        until(lambda: not place.alive(place.log()[0][2]))
    (place.traces / "stuck-PRIORITY-1").unlink()
    again = place.start("daemon", "run", "--yes", "--once")
    started.append(again)
    _out, err = again.communicate(timeout=60)
    assert "PRIORITY-1: complete" in err


def test_sync_hears_a_daemon_at_work(place: Place, started: list[subprocess.Popen[str]]) -> None:
    write(place.traces / "stuck-PRIORITY-1", "")
    daemon = place.start("daemon", "run", "--yes")
    started.append(daemon)
    until(lambda: (place.traces / "begun-PRIORITY-1").exists())
    process = place.start("sync", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, (out, err)
    ended_in_order(daemon)


def shared_out(log: list[list[str]], *, twice: str | None = None) -> None:
    """Every item has one agent at a time, begun and ended once; `twice` was begun once more and not ended."""
    begun: dict[str, list[str]] = defaultdict(list)
    for what, item, pid in log:
        begun[item].append(f"{what} {pid}")
    assert len(begun) == ITEMS
    for item, events in begun.items():
        expected = 3 if item == twice else 2
        assert len(events) == expected, (item, events)
        assert [event.split()[0] for event in events[-2:]] == ["begin", "end"]
        assert events[-2].split()[1] == events[-1].split()[1]
