"""A project with a real repository, file and store, and a daemon on it with an agent that a test writes in Python."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.adapters.git_states import git, write

from coffee_maker.adapters.git import GitRepository
from coffee_maker.adapters.liveness import Liveness
from coffee_maker.adapters.roadmap_file import RoadmapFile
from coffee_maker.core.items import Status
from coffee_maker.core.ports import Agent, Stop, Store, Watch
from coffee_maker.core.questions import Notification
from coffee_maker.core.records import AgentResult, Run, Task
from coffee_maker.work.daemon import Daemon
from coffee_maker.work.editing import Editing
from coffee_maker.work.job import Desk, Options
from coffee_maker.work.messages import Messages
from coffee_maker.work.recording import Options as EditingOptions

ROADMAP = """\
# Roadmap

### PRIORITY 1: Lay the ground

**Status**: ✅ Complete

### PRIORITY 2: Write the parser

**Status**: 📝 Planned
**Depends On**: PRIORITY 1

Text of two.

### PRIORITY 3: Write the docs

**Status**: 📝 Planned
**Depends On**: PRIORITY 2

### US-7: A person's own

**Status**: 🔄 In Progress
"""

OK = AgentResult(True, 0, None, "")


class RealClock:
    def __init__(self, ahead: timedelta = timedelta()) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class System:
    def seen(self) -> Mapping[str, object]:
        return {"host": "here", "boot_id": "boot", "roadmap_hash": "h"}


class Doing:
    """An agent that calls a function."""

    name = "doing"
    asks = False

    def __init__(self, do: Callable[[Task, Stop], AgentResult | None], *, missing: str | None = None) -> None:
        self.do = do
        self.missing = missing
        self.tasks: list[Task] = []

    def check(self) -> str | None:
        return self.missing

    def run(self, task: Task, stop: Stop, watch: Watch) -> AgentResult:
        self.tasks.append(task)
        self.watch = watch
        return self.do(task, stop) or OK


def works(task: Task, _stop: Stop) -> None:
    """Do something."""
    write(Path(task.directory) / f"{task.key}.txt", "made\n")


class Project:
    """One project directory and what a daemon on it needs."""

    def __init__(self, home: Path, store: Store, *, text: str = ROADMAP) -> None:
        self.home = home
        self.store = store
        self.root = home / "project"
        self.root.mkdir()
        git(self.root, "init", "-q", "-b", "main")
        write(self.root / "ROADMAP.md", text)
        write(self.root / ".gitignore", "*.log\n")
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "first")
        self.clock = RealClock()
        self.file = RoadmapFile(str(self.root / "ROADMAP.md"))
        self.repository = GitRepository(str(self.root), str(self.root / "ROADMAP.md"))
        self.messages = Messages(store, self.clock, {})
        self.told: list[str] = []

    def tell(self, words: str, *, item: str | None = None, level: str = "info") -> None:
        self.told.append(words)

    def editing(self) -> Editing:
        return Editing(self.store, self.file, self.clock, EditingOptions(str(self.home / "roadmap.lock")))

    def desk(self, agent: Agent, *, tests: Agent | None = None, owner: str = "daemon-1", **options: object) -> Desk:
        ask = options.pop("ask_approval", False)
        chosen = {
            "policy": {"start": "ask" if ask else "allow"},
            "leave_out": ("ROADMAP.md", "data"),
            "backoff": timedelta(milliseconds=10),
            **options,
        }
        return Desk(
            editing=self.editing(),
            messages=self.messages,
            store=self.store,
            clock=self.clock,
            repository=self.repository,
            agent=agent,
            tests=tests,
            owner=owner,
            started=self.clock.now(),
            options=Options(scratch=str(self.home / "scratch"), worktrees=str(self.home / "trees"), **chosen),  # type: ignore[arg-type]
            tell=self.tell,
            publish=lambda: None,
            presence=Liveness(str(self.home / "here"), []),
        )

    def daemon(self, agent: Agent, **rest: object) -> Daemon:
        return Daemon(self.desk(agent, **rest), System(), poll=timedelta(milliseconds=50))  # type: ignore[arg-type]

    def later(self, ahead: timedelta) -> None:
        """So much later: what ends by the clock has ended, for the desks that are made from now on."""
        self.clock = RealClock(ahead)

    # --- looking

    def status(self, key: str) -> Status | None:
        return self.editing().read().item(key).status

    def runs(self, key: str | None = None) -> list[Run]:
        with self.store.runs() as runs:
            return [run for _id, run in runs.list(item=key)]

    def reasons(self, key: str) -> list[tuple[str | None, str | None]]:
        """What the history says of the item: status and reason, oldest first."""
        return [(change.after, change.reason) for change in reversed(self.editing().history(key))]

    def news(self) -> list[Notification]:
        return list(self.messages.listing())

    def tree(self, key: str) -> Path:
        (found,) = (path for path in (self.home / "trees").iterdir() if path.name.startswith(f"{key}-"))
        return found

    def branch_of(self, key: str) -> str:
        return git(self.root, "for-each-ref", "--format=%(refname:short)", f"refs/heads/roadmap/{key}-*")

    def files_of(self, branch: str) -> list[str]:
        return git(self.root, "diff", "--name-only", "main", branch).splitlines()

    def set(self, key: str, status: Status, **rest: object) -> None:
        self.editing().set_status(key, status, by="person", **rest)  # type: ignore[arg-type]


def in_thread(daemon: Daemon, *, once: bool = False) -> threading.Thread:
    thread = threading.Thread(target=lambda: daemon.run(once=once), daemon=True)  # a test that fails must not hang
    thread.start()
    return thread


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    import time

    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
