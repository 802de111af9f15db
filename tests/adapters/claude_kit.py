"""Claude as an agent in a work tree of its own, with the real Claude Code program and a local server behind it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contract.test_agents import MEASURED, NEVER, Flag, Heard, until
from tests.fake_messages_api import Api, Turn

from coffee_maker.adapters.agents.claude import ClaudeAgent, Settings
from coffee_maker.core.records import AgentResult, Task
from coffee_maker.core.tools import AGENT_TOOLS

KEY = "sk-ant-not-a-real-key"


class Claude:
    """A place for runs: their work tree, what is heard of them, the server that they speak with."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.work = home / "work tree"
        self.work.mkdir()
        self.heard = Heard()
        self.mark = f"LC_TEST_MARK={home}".encode()
        self._set = monkeypatch.setenv
        environment = {"HOME": home, "CLAUDE_CONFIG_DIR": home / "config", "LC_TEST_MARK": home, "TMPDIR": home / "tmp"}
        (home / "tmp").mkdir()
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")

    @contextmanager
    def api(self, *script: Turn) -> Iterator[Api]:
        with Api(script).serving() as api:
            self._set("ANTHROPIC_BASE_URL", api.url)
            yield api

    def task(self, **more: object) -> Task:
        task = Task(
            key="PRIORITY-1",
            title="Write it",
            text="## PRIORITY 1: Write it\n\nText of the item.\n",
            directory=str(self.work),
            branch="roadmap/PRIORITY-1-write-it",
            item_file=str(self.home / "scratch/item.md"),
            log=str(self.home / "scratch/run.log"),
            timeout=timedelta(seconds=150),
            max_output=200_000,
            answers={},
        )
        return task._replace(**more)  # type: ignore[arg-type]

    def agent(self, **more: object) -> ClaudeAgent:
        return ClaudeAgent(Settings(tools=AGENT_TOOLS, names=MEASURED, grace=2.0)._replace(**more))  # type: ignore[arg-type]

    def run(self, stop: Flag = NEVER, **more: object) -> AgentResult:
        return self.agent().run(self.task(**more), stop, self.heard)

    def begin(self, stop: Flag = NEVER, **more: object) -> Running:
        return Running(self, stop, more)

    @property
    def log(self) -> str:
        return (self.home / "scratch/run.log").read_text()

    def processes(self, word: str = "") -> list[int]:
        """The living processes of these runs whose command line holds the word."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
                ours = entry.name != str(os.getpid()) and self.mark in (entry / "environ").read_bytes()
                if alive and ours and word in (entry / "cmdline").read_text().replace("\0", " "):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def kill(self, word: str) -> None:
        until(lambda: self.processes(word))
        for process in self.processes(word):
            os.kill(process, signal.SIGKILL)


class Running:
    """A run in a thread."""

    def __init__(self, claude: Claude, stop: Flag, more: Mapping[str, object]) -> None:
        self._found: list[AgentResult] = []
        self._thread = threading.Thread(target=lambda: self._found.append(claude.run(stop, **more)))
        self._thread.start()

    def result(self) -> AgentResult:
        self._thread.join(200)
        return self._found[0]


def refusals(results: Sequence[str]) -> list[str]:
    """What of the tools' results are words of the daemon's policy."""
    return [one for one in results if "not permitted" in one or "work tree" in one]
