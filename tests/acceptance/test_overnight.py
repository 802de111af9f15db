"""A night in miniature: thirty items, the real Claude Code program on a local Messages API that fails now and then.

Daemons and agents are killed every few seconds, questions answered late by another process; one item is poisonous, one
is left undone.

In the morning every item is complete or in manual review with a reason, none was done twice, no process is left, no
answer was lost, and the history is one chain.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.test_daemon_processes import Place
from tests.adapters.git_states import git, write
from tests.fake_messages_api import Api, Fault, Turn, text, use

from coffee_maker.adapters.agents.claude import program

ITEMS = 30
POISONOUS, LAZY, ASKING = 9, 14, (5, 17)
KILLS = 8
_GOT_ON = 4  # answers for the two agents at work, of which an item takes two to four
SEED = int(os.environ.get("OVERNIGHT_SEED", "1"))
PATIENCE = 600.0  # seconds; it takes one or two minutes
SETTINGS = """\
[daemon]
agent = "claude"
lease = "6s"
poll = "200ms"
backoff = "200ms"
parallel = 2
max_attempts = 6
test_command = ["sh", "-eu", "{tests}"]

[agent]
environment = ["TRACES"]

[policy]
start = "allow"
"""
# The poisonous item fails in another way each time; numbers and addresses alone would not make it another.
TESTS = """\
echo "$COFFEE_ITEM" >> "$TRACES/tested"
if [ "$COFFEE_ITEM" = PRIORITY-{poisonous} ]; then
    tr -dc a-z < /dev/urandom | head -c 30
    exit 1
fi
"""


class Night(Api):
    """Answers by what the conversation holds, so that it may be repeated, cut off and resumed at any point."""

    def __init__(self) -> None:
        super().__init__([text("never said")])
        self._chance = random.Random(SEED)
        self.served = 0

    def take(self, request: Mapping[str, Any], headers: Mapping[str, str]) -> Turn:
        if not any(str(tool.get("name")).lower() == "bash" for tool in request.get("tools") or ()):
            return text('{"title": "x"}')
        with self._changed:
            if self._chance.random() < 0.05:
                return Fault(self._chance.choice((429, 500, 529)))
            self.served += 1
        found = re.search(r"PRIORITY-(\d+)", json.dumps(request.get("system")) + json.dumps(request["messages"]))
        assert found is not None
        return self._turn(int(found[1]), request["messages"])

    def _turn(self, number: int, messages: list[Mapping[str, Any]]) -> Turn:
        if number == LAZY:
            return text("There was nothing to do.")
        done = _results(messages)
        if any(name == "Write" for name, _said in done):
            return text("It is done.")
        if number in ASKING and not (answer := _answered(done)):
            asked = [json.loads(said)["id"] for name, said in done if name.endswith("ask") and '"id"' in said]
            if not asked:
                return use((_tool("ask"), {"question": f"Which colour for {number}?", "options": ["green", "blue"]}))
            return use((_tool("answer"), {"id": asked[-1], "wait": 20}))
        said = answer if number in ASKING else "made"
        return use(("Write", {"file_path": f"item-{number}.txt", "content": f"{said} {len(messages)}\n"}))


def _tool(name: str) -> str:
    return f"mcp__roadmap__{name}"


def _results(messages: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The tools that were used without an error, and what they said."""
    names, found = {}, []
    for message in messages:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "tool_use":
                names[block["id"]] = block["name"]
            elif block["type"] == "tool_result" and not block.get("is_error"):
                said = block.get("content")
                words = said if isinstance(said, str) else "".join(part.get("text", "") for part in said or ())
                found.append((names.get(block["tool_use_id"], ""), words))
    return found


def _answered(done: list[tuple[str, str]]) -> str | None:
    for name, said in done:
        if name.endswith(("ask", "answer")) and said.startswith("{") and json.loads(said).get("answer"):
            return str(json.loads(said)["answer"])
    return None


class Project(Place):
    def __init__(self, home: Path, url: str) -> None:
        super().__init__(home)
        items = []
        for number in range(1, ITEMS + 1):
            needs = f"**Depends On**: PRIORITY {number - 1}\n" if number % 5 == 0 and number - 1 not in (9, 14) else ""
            items.append(
                f"### PRIORITY {number}: Item {number}\n\n**Status**: 📝 Planned\n{needs}\nMake item {number}.\n"
            )
        write(self.root / "ROADMAP.md", "# Roadmap\n\n" + "\n".join(items))
        tests = write(home / "tests.sh", TESTS.format(poisonous=POISONOUS))
        write(self.root / "coffee-roadmap.toml", SETTINGS.format(tests=tests))
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "second")
        self.mark = f"night {home}"
        self.environment |= {
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": "sk-ant-night",
            "CLAUDE_CONFIG_DIR": str(home / "claude"),
            "HOME": str(home),
            "LC_NIGHT": self.mark,
        }
        self.environment.pop("CLAUDECODE", None)
        self.daemon: subprocess.Popen[bytes] | None = None
        self.log_file = home / "daemon.log"

    def start_daemon(self) -> None:
        with open(self.log_file, "ab") as log:
            self.daemon = subprocess.Popen(
                [sys.executable, "-m", "coffee_maker", "daemon", "run"],
                cwd=self.root,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def processes(self) -> list[tuple[int, str, str]]:
        """What carries this night's mark: process, program, item."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                environ = (entry / "environ").read_bytes().split(b"\0")
                if f"LC_NIGHT={self.mark}".encode() not in environ:
                    continue
                if (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                    continue
                item = next((one[12:].decode() for one in environ if one.startswith(b"COFFEE_ITEM=")), "")
                found.append((int(entry.name), (entry / "comm").read_text().strip(), item))
            except OSError:
                continue
        return found


class Tormentor(threading.Thread):
    """Kills a daemon or an agent every few seconds, until it has had enough; an agent of each item once at most.

    Between two kills the agents get on by some answers: on a machine that takes longer than that to start one, nothing
    would ever come of an item, and that rightly ends in manual review.
    """

    def __init__(self, project: Project, night: Night) -> None:
        super().__init__(daemon=True)
        self.project = project
        self.night = night
        self.daemons = 0
        self.agents: list[str] = []
        self._chance = random.Random(SEED + 1)

    def run(self) -> None:
        while self.daemons + len(self.agents) < KILLS:
            before = self.night.served
            time.sleep(self._chance.uniform(2, 4))  # the torment itself: this is what the night is about
            while self.night.served < before + _GOT_ON:
                time.sleep(0.1)
            agents = [one for one in self.project.processes() if one[1] == "claude" and one[2] not in self.agents]
            if agents and self._chance.random() < 0.4:
                pid, _program, item = self._chance.choice(agents)
                with suppress(ProcessLookupError):  # it has ended since: another one, then
                    os.kill(pid, signal.SIGKILL)
                    self.agents.append(item)
            elif self.project.daemon is not None:
                self.project.daemon.kill()
                self.project.daemon.wait()
                self.daemons += 1
                self.project.start_daemon()


def answer_late(project: Project, over: threading.Event) -> None:
    """A person who looks every few seconds."""
    while not over.wait(3.0):
        for one in project.ask("notifications")["notifications"]:  # type: ignore[index]
            if one["type"] == "question" and one["answer"] is None:
                project.ask(
                    "notifications", "respond", str(one["id"]), "green" if "green" in one["options"] else "go on"
                )


def test_overnight(tmp_path: Path) -> None:
    if program() is None:
        reason = "NOT TESTED: claude-agent-sdk, which carries Claude Code, is not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    over = threading.Event()
    with Night().serving() as api:
        assert isinstance(api, Night)
        project = Project(tmp_path, api.url)
        project.start_daemon()
        tormentor = Tormentor(project, api)
        person = threading.Thread(target=answer_late, args=(project, over), daemon=True)
        tormentor.start()
        person.start()
        try:
            end = time.monotonic() + PATIENCE
            while not (finished(project) and not tormentor.is_alive()):
                assert time.monotonic() < end, project.log_file.read_text()[-6000:]
                time.sleep(0.5)
            stop = project.start("daemon", "stop", "--json")
            assert stop.wait(60) == 0, stop.communicate()
        finally:
            over.set()
            person.join()
            if project.daemon is not None and project.daemon.poll() is None:
                project.daemon.kill()
                project.daemon.wait()
        in_the_morning(project, tormentor)


def finished(project: Project) -> bool:
    statuses = project.statuses().values()
    return (
        all(status in ("complete", "manual_review") for status in statuses)
        and not project.ask("daemon", "status")[
            "interrupted"  # type: ignore[index]
        ]
    )


def in_the_morning(project: Project, tormentor: Tormentor) -> None:
    statuses = project.statuses()
    review = {key for key, status in statuses.items() if status == "manual_review"}
    killed = set(tormentor.agents)
    assert {f"PRIORITY-{POISONOUS}", f"PRIORITY-{LAZY}"} <= review
    assert review <= {f"PRIORITY-{POISONOUS}", f"PRIORITY-{LAZY}"} | killed
    changes = project.ask("history", "--limit", "1000")["changes"]  # type: ignore[index]
    ends = Counter((one["item"], one["after"]) for one in changes if one["after"] in ("complete", "manual_review"))
    assert set(ends.values()) == {1}
    assert all(one["reason"] for one in changes if one["after"] == "manual_review")
    news = project.ask("notifications", "--all")["notifications"]  # type: ignore[index]
    told = Counter(one["item"] for one in news if one["title"].endswith(("is complete", "needs you")))
    assert told == Counter(statuses.keys())
    questions = [one for one in news if one["type"] == "question" and "colour" in one["message"] + one["title"]]
    assert sorted(one["item"] for one in questions) == sorted(f"PRIORITY-{number}" for number in ASKING)
    assert all(one["answer"] == "green" for one in questions)
    for key, status in statuses.items():
        branch = git(project.root, "for-each-ref", "--format=%(refname:short)", f"refs/heads/roadmap/{key}-*")
        if status == "complete":
            number = key.removeprefix("PRIORITY-")
            assert git(project.root, "rev-list", "--count", f"main..{branch}") == "1", key
            assert git(project.root, "diff", "--name-only", "main", branch) == f"item-{number}.txt"
            if int(number) in ASKING:
                assert git(project.root, "show", f"{branch}:item-{number}.txt").startswith("green")
    check = project.start("db", "check", "--json")
    out, err = check.communicate(timeout=60)
    assert check.returncode == 0, out + err
    total = project.ask("metrics")["total"]  # type: ignore[index]
    assert total["done"] == ITEMS - len(review)
    assert total["cost"] > 0
    assert total["turns"] >= ITEMS
    left = [one for one in project.processes() if one[0] != os.getpid()]
    assert not left
    assert tormentor.daemons + len(tormentor.agents) == KILLS
