"""Real daemons that freeze, die in every step and come back: nothing is done twice, lost or left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.acceptance.test_daemon_processes import Place, ended_in_order
from tests.adapters.git_states import git, write
from tests.work.daemon_kit import until

KEY = "PRIORITY-1"
LEASE = 4  # seconds
SETTINGS = """\
[daemon]
lease = "4s"
poll = "100ms"
backoff = "{backoff}"
test_command = ["sh", "-eu", "{tests}"]

[agent]
command = ["sh", "-eu", "{agent}"]
environment = ["TRACES"]
"""
# Each notes when it begins and ends, and waits as long as a file of its name is there.
SCRIPT = """\
echo "begin {what} $$" >> "$TRACES/log"
while [ -e "$TRACES/hold-{what}" ]; do sleep 0.05; done
{work}
echo "end {what} $$" >> "$TRACES/log"
"""
FAIL_ONCE = 'if [ ! -e "$TRACES/failed" ]; then touch "$TRACES/failed"; exit 1; fi'


class Stage(Place):
    """A project with one planned item, and an agent and tests that wait when told so."""

    def __init__(self, home: Path, *, backoff: str = "100ms", tests: str = "true") -> None:
        super().__init__(home)
        write(self.root / "ROADMAP.md", "# Roadmap\n\n### PRIORITY 1: Item 1\n\n**Status**: 📝 Planned\n")
        agent = write(home / "a.sh", SCRIPT.format(what="agent", work="echo made > made.txt"))
        checks = write(home / "t.sh", SCRIPT.format(what="tests", work=tests))
        write(self.root / "coffee-roadmap.toml", SETTINGS.format(agent=agent, tests=checks, backoff=backoff))
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "second")
        self.running: list[subprocess.Popen[str]] = []

    def daemon(self, *words: str) -> subprocess.Popen[str]:
        started = self.start("daemon", "run", *words)
        self.running.append(started)
        return started

    def hold(self, what: str) -> Path:
        return write(self.traces / f"hold-{what}", "")

    def began(self, what: str, count: int = 1) -> str:
        """Wait until it has begun so often; its process."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [pid for event, one, pid in self.log() if (event, one) == ("begin", what)]
            return len(found) >= count

        until(look, 60)
        return found[count - 1]

    def count(self, event: str, what: str) -> int:
        return sum((one, other) == (event, what) for one, other, _pid in self.log())

    def done_once(self) -> None:
        """The item is complete: one change to it, one commit, one word to the person, no claim, no orphan."""
        until(lambda: self.statuses()[KEY] == "complete", 60)
        until(lambda: [one for one in self.news() if one["type"] == "status"], 60)
        changes = [one["after"] for one in self.ask("history", KEY)["changes"]]  # type: ignore[index]
        assert changes.count("complete") == 1
        branch = git(self.root, "for-each-ref", "--format=%(refname:short)", "refs/heads/roadmap")
        assert git(self.root, "rev-list", "--count", f"main..{branch}") == "1"
        assert [one["type"] for one in self.news()].count("status") == 1
        assert not [pid for _event, _what, pid in self.log() if self.alive(pid)]

    def news(self) -> list[dict[str, object]]:
        return list(self.ask("notifications", "--all")["notifications"])  # type: ignore[index]

    def daemons(self) -> list[dict[str, object]]:
        return list(self.ask("daemon", "status")["daemons"])  # type: ignore[index]

    def everything(self) -> object:
        """What a daemon that lost its claim must leave as it is."""
        return (
            (self.root / "ROADMAP.md").read_bytes(),
            self.ask("history"),
            [(one["id"], one["status"]) for one in self.news()],
            git(self.root, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads"),
        )


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    made: list[Stage] = []

    def make(**rest: str) -> Stage:
        made.append(Stage(tmp_path, **rest))
        return made[-1]

    yield make
    for one in made:
        for daemon in one.running:
            daemon.kill()
            daemon.communicate()


def test_one_that_was_frozen_writes_nothing_when_it_wakes(stage: Callable[..., Stage]) -> None:
    place = stage()
    hold = place.hold("agent")
    first = place.daemon("--yes")
    agent = place.began("agent")
    first.send_signal(signal.SIGSTOP)
    second = place.daemon("--yes")
    again = place.began("agent", 2)  # when its lease is over; a lock that a frozen one holds says that it is not gone
    assert not place.alive(agent)  # its keeper has ended it before
    hold.unlink()
    place.done_once()
    assert again != agent
    before = place.everything()
    first.send_signal(signal.SIGCONT)
    first.send_signal(signal.SIGTERM)
    _out, err = first.communicate(timeout=60)
    assert "is no longer held by" in err
    assert place.everything() == before
    ended_in_order(second)


@pytest.mark.parametrize("what", ["agent", "tests"])
def test_killed_while_its_programs_run(stage: Callable[..., Stage], what: str) -> None:
    place = stage()
    hold = place.hold(what)
    first = place.daemon("--yes")
    program = place.began(what)
    first.kill()
    first.communicate()
    until(lambda: not place.alive(program))
    hold.unlink()
    second = place.daemon("--yes")
    place.done_once()
    ended_in_order(second)
    assert place.count("end", "agent") == 1  # the agent's finished work is not done again when its tests were cut off
    assert place.count("end", "tests") == 1


def test_killed_while_it_asks(stage: Callable[..., Stage]) -> None:
    """The answer comes while no daemon is there, and counts; nobody is asked twice."""
    place = stage()
    first = place.daemon()
    until(place.news)
    first.kill()
    first.communicate()
    (question,) = place.news()
    place.ask("notifications", "respond", str(question["id"]), "change: use blue")
    second = place.daemon()
    place.done_once()
    ended_in_order(second)
    assert [one["type"] for one in place.news()].count("question") == 1
    items = list((Path(place.environment["XDG_STATE_HOME"]) / "coffee-roadmap").rglob("*.agent.item.md"))
    assert any("use blue" in item.read_text() for item in items)


def test_killed_before_the_next_attempt(stage: Callable[..., Stage]) -> None:
    place = stage(backoff="15s", tests=FAIL_ONCE)  # long enough for a look at it on a busy machine
    first = place.daemon("--yes")
    place.began("tests")
    until(lambda: json_state(place) == "waiting", 60)
    first.kill()
    first.communicate()
    assert place.count("begin", "agent") == 1
    second = place.daemon("--yes")
    place.done_once()
    ended_in_order(second)
    assert place.count("end", "agent") == 2
    assert place.count("begin", "tests") == 2


def json_state(place: Stage) -> str | None:
    daemons = place.daemons()
    return str(daemons[0]["state"]) if daemons else None


def test_stopped_by_force_it_is_gone_on_with_at_once(stage: Callable[..., Stage]) -> None:
    place = stage()
    hold = place.hold("agent")
    first = place.daemon("--yes")
    program = place.began("agent")
    stopping = place.start("daemon", "stop", "--force", "--json")
    out, err = stopping.communicate(timeout=20)  # the silence after which a daemon counts as gone is longer
    first.communicate(timeout=60)
    assert (stopping.returncode, first.returncode) == (0, 1), err
    assert list(json.loads(out)["data"]["replies"].values()) == ["killed"]
    until(lambda: not place.alive(program))
    assert place.statuses()[KEY] == "in_progress"
    hold.unlink()
    second = place.daemon("--yes")
    place.done_once()
    ended_in_order(second)


def test_one_that_was_killed_is_known_to_be_gone(stage: Callable[..., Stage]) -> None:
    """By its lock: its last sign of life is fresh."""
    place = stage()
    place.hold("agent")
    first = place.daemon("--yes")
    program = place.began("agent")
    first.kill()
    first.communicate()
    until(lambda: not place.alive(program))
    until(lambda: [one["alive"] for one in place.daemons()] == [False], 20)
    stopping = place.start("daemon", "stop", "--json")
    _out, err = stopping.communicate(timeout=20)
    assert json.loads(err)["error"]["code"] == "no_daemon"
    (place.traces / "hold-agent").unlink()
    second = place.daemon("--yes")
    place.done_once()
    assert [one["alive"] for one in place.daemons()] == [True]  # the dead one is forgotten
    ended_in_order(second)


def test_nothing_is_left_of_a_stopped_background_daemon(stage: Callable[..., Stage]) -> None:
    place = stage()
    place.hold("agent")
    started = place.ask("daemon", "start", "--yes")
    program = place.began("agent")
    again = place.start("daemon", "start", "--json")
    _out, err = again.communicate(timeout=60)
    assert again.returncode == 5
    assert json.loads(err)["error"]["code"] == "daemon_running"
    os.kill(started["pid"], 0)  # type: ignore[index]
    stopped = place.ask("daemon", "stop")
    assert stopped["gone"]  # type: ignore[index]
    assert not place.alive(program)
    assert place.statuses()[KEY] == "planned"
    assert not place.ask("daemon", "status")["daemons"]  # type: ignore[index]


def test_its_agent_ended_while_it_was_frozen_and_nobody_else_has_the_item(stage: Callable[..., Stage]) -> None:
    """Longer than its lease: a Ctrl-Z. When it wakes it hears of the end, and nothing is done again."""
    place = stage()
    hold = place.hold("agent")
    daemon = place.daemon("--yes")
    place.began("agent")
    daemon.send_signal(signal.SIGSTOP)
    hold.unlink()
    until(lambda: place.count("end", "agent"), 10)
    time.sleep(LEASE + 0.5)  # the freeze itself
    daemon.send_signal(signal.SIGCONT)
    place.done_once()
    ended_in_order(daemon)
    assert place.count("begin", "agent") == 1
