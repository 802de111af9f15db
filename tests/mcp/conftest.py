"""A project, and `coffee-roadmap mcp` on it as a real process: with the SDK's own client, or by bare lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.work.tools_kit import ROADMAP, begin_run, take_up

from coffee_maker.core.state import Claim
from coffee_maker.store.common import SharedStore
from coffee_maker.utils.connection import Databases
from mcp import Client, StdioServerParameters

COMMAND = [sys.executable, "-m", "coffee_maker.cli.roadmap_cli"]
PASSED_ON = ("PATH", "HOME", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
PATIENCE = 60  # seconds, for everything that a test waits for


class Project:
    """A directory with a roadmap and the shared databases, and the servers on it."""

    def __init__(self, root: Path, store: SharedStore, databases: Databases) -> None:
        self.root = root
        self.store = store
        (root / "docs").mkdir(parents=True)
        self.roadmap = root / "docs/ROADMAP.md"
        self.roadmap.write_text(ROADMAP)
        self.environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.environ |= {
            "HOME": str(root.parent),
            "COFFEE_ROADMAP": str(self.roadmap),
            "COFFEE_DATA_DIR": databases.directory,
            "COFFEE_ACTOR": "Tester",
            "GIT_CEILING_DIRECTORIES": str(root.parent),
        }
        if databases.url is not None:
            self.environ["COFFEE_DATABASE_URL"] = databases.url

    @property
    def text(self) -> str:
        return self.roadmap.read_text()

    def begin(self, item: str = "PRIORITY-2") -> Claim:
        """A run of that item begins; the servers that are started from now on are its agent's."""
        claim = take_up(self.store, item)
        self.environ |= {"COFFEE_ITEM": item, "COFFEE_RUN": str(begin_run(self.store, claim))}
        return claim

    def command(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words],
            cwd=self.root,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def data(self, *words: str) -> Any:
        """What a command prints with --json."""
        done = self.command(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["data"]

    @asynccontextmanager
    async def client(self, *words: str, mode: str = "auto") -> AsyncIterator[Client]:
        server = StdioServerParameters(
            command=COMMAND[0], args=[*COMMAND[1:], "mcp", *words], env=self.environ, cwd=self.root
        )
        async with Client(server, mode=mode) as client:
            yield client

    def raw(self, *words: str) -> Raw:
        return Raw(
            subprocess.Popen(
                [*COMMAND, "mcp", *words],
                cwd=self.root,
                env=self.environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )


class Raw:
    """A server spoken to line by line, so that it can be killed, cut off and given garbage."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._number = 0

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def hang_up(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None

    def greet(self) -> Mapping[str, Any]:
        info = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
        self.send("initialize", info)
        greeting = self.answer()
        self.write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return greeting

    def send(self, method: str, params: Mapping[str, Any]) -> int:
        self._number += 1
        self.write({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return self._number

    def write(self, message: object) -> None:
        self.line(json.dumps(message).encode())

    def line(self, words: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(words + b"\n")
        self.process.stdin.flush()

    def answer(self) -> Mapping[str, Any]:
        """The next message; nothing but the protocol may stand on standard output."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise EOFError
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        return message

    def call(self, tool: str, **arguments: object) -> Mapping[str, Any]:
        number = self.send("tools/call", {"name": tool, "arguments": arguments})
        message = self.answer()
        assert message["id"] == number
        return message["result"]["structuredContent"]


@pytest.fixture
def project(tmp_path: Path, store: SharedStore, databases: Databases) -> Project:
    """On SQLite and on PostgreSQL in turn."""
    return Project(tmp_path / "project", store, databases)


@pytest.fixture
def sqlite_project(tmp_path: Path, sqlite_store: SharedStore, sqlite_databases: Databases) -> Project:
    return Project(tmp_path / "project", sqlite_store, sqlite_databases)


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run the asynchronous part of a test, bounded."""

    async def bounded() -> None:
        with anyio.fail_after(PATIENCE):
            await test()

    anyio.run(bounded)
