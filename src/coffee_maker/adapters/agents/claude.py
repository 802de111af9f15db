"""Claude as an agent: Claude Code, spoken with through claude-agent-sdk in a worker process of its own.

The daemon imports neither asyncio nor the SDK; `claude_worker` does, under the keeper like every other agent. The
worker tells what happens in lines, and asks two things: whether a tool call may go ahead (`core.policy` says what it is
about, `Watch.permit` whether it may), and to have one of our own tools done (`Watch.call`). Both may take days, since a
person may have to be asked: each is answered in a thread of its own, and the run's time stands still meanwhile.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, NamedTuple

from coffee_maker.adapters.agents import claude_outcome, process, prompts, task_files
from coffee_maker.adapters.agents.streams import ClaudeStream
from coffee_maker.adapters.agents.talk import Talk
from coffee_maker.core import policy
from coffee_maker.core.errors import Refusal
from coffee_maker.core.ports import Sandbox, Stop, Watch
from coffee_maker.core.records import Action, AgentResult, Task
from coffee_maker.core.tools import Tool
from coffee_maker.utils.text import one_line

WORKER = (sys.executable, "-I", os.path.join(os.path.dirname(os.path.abspath(__file__)), "claude_worker.py"))
# What of the environment it gets besides the usual, without being named in the settings: how to reach its service.
VARIABLES = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CONFIG_DIR",
)
# Set unless the settings name them: no traffic but the model's, few retries of its own (without a bound it tries for
# minutes, and the daemon knows better when to come again), no stream that hangs for ever, tools that may wait.
FIXED = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_RETRIES": "2",
    "CLAUDE_CODE_MCP_AUTO_BACKGROUND_MS": "0",
    "CLAUDE_ENABLE_STREAM_WATCHDOG": "1",
    "CLAUDE_STREAM_IDLE_TIMEOUT_MS": "180000",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "MCP_TOOL_TIMEOUT": "2000000000",  # milliseconds: 23 days, near the highest that it takes
}
# Of Claude Code's own tools: those that need nobody at a terminal. AskUserQuestion would answer itself.
BUILTIN = ("Bash", "Edit", "Glob", "Grep", "NotebookEdit", "Read", "Task", "TaskStop", "WebFetch", "WebSearch", "Write")
_PATIENCE = 30.0  # seconds that a wait of the API's may last within a run; a longer one ends it, to be resumed later
_SHOWN = 300  # characters of a request in the log
# Claude Code writes a file under such a name beside it and renames that (seen when it was killed in between).
_TORN_WRITE = re.compile(r".+\.tmp\.[0-9]+\.[0-9a-f]{12}")


def _clear_torn_writes(directory: str) -> None:
    """Remove what a Claude Code that was killed in the middle of a write has left: it would be committed as work."""
    for folder, inside, files in os.walk(directory):
        inside[:] = [name for name in inside if name != ".git"]
        for name in filter(_TORN_WRITE.fullmatch, files):
            with suppress(OSError):
                os.unlink(os.path.join(folder, name))


class Settings(NamedTuple):
    """How Claude is run."""

    tools: Sequence[Tool] = ()
    model: str | None = None
    names: Sequence[str] = ()  # variables that it gets besides the usual ones
    sandbox: Sandbox | None = None  # for Claude Code, and it alone: the worker is ours
    grace: float = 5.0


class ClaudeAgent:
    """`Agent` that is Claude Code."""

    name = "claude"
    asks = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self) -> str | None:
        """See the port."""
        if program() is None:
            return "claude-agent-sdk is not installed: install coffee-roadmap with its extra `claude`"
        return self._settings.sandbox.check() if self._settings.sandbox is not None else None

    def run(self, task: Task, stop: Stop, watch: Watch) -> AgentResult:
        """See the port. A session that cannot be resumed gives way to a fresh one."""
        problem = self.check()
        if problem:
            return AgentResult(False, None, problem, "")
        task_files.write_item(task)
        try:
            return self._run(task, stop, watch)
        finally:
            if self._settings.sandbox is not None:
                self._settings.sandbox.clear(task)

    def _run(self, task: Task, stop: Stop, watch: Watch) -> AgentResult:
        if task.session is not None:
            _clear_torn_writes(task.directory)
            run = _Run(task, watch, stop)
            result = run.go(self._program(task, prompts.again(task)))
            if run.stream.began or result.ok or stop.requested() is not None:
                return result
            watch.activity("the session could not be resumed; a fresh one begins")
            task = task._replace(session=None)
        return _Run(task, watch, stop).go(self._program(task, prompts.first(task)))

    def _program(self, task: Task, prompt: str) -> process.Program:
        settings = self._settings
        job = {
            "prompt": prompt,
            "system": prompts.system(task),
            "directory": task.directory,
            "program": self._wrapped(task),
            "session": task.session,
            "model": settings.model,
            "max_turns": task.max_turns,
            # A session that goes on counts its cost from its beginning, and so would Claude Code's own ceiling.
            "max_cost": task.max_cost if task.session is None else None,
            "builtin": BUILTIN,
            "tools": [one._asdict() for one in settings.tools],
        }
        own = {name: value for name, value in FIXED.items() if name not in settings.names}
        return process.Program(
            argv=WORKER,
            directory=task.directory,
            environment=own | task_files.environment(task, self._names, os.environ),
            stdin=json.dumps(job).encode() + b"\n",
            log=task.log,
            timeout=task.timeout.total_seconds(),
            max_output=task.max_output,
            grace=settings.grace,
            stall=task.stall.total_seconds() if task.stall else None,
            watchdog=task.watchdog.total_seconds() if task.watchdog else None,
        )

    @property
    def _names(self) -> Sequence[str]:
        """In a box it has a home of its own, where its sessions are; the person's directories are not there."""
        boxed = self._settings.sandbox is not None
        return (*(name for name in VARIABLES if not (boxed and name == "CLAUDE_CONFIG_DIR")), *self._settings.names)

    def _wrapped(self, task: Task) -> str:
        """The program to start: Claude Code itself, or a script outside the work tree that starts it in its box."""
        found, sandbox = program() or "claude", self._settings.sandbox
        if sandbox is None:
            return found
        argv = sandbox.wrap(["claude" if sandbox.own_programs else found], task)
        path = f"{task.item_file}.claude"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o700)
        with open(fd, "w", encoding="utf-8") as script:
            script.write(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n')
        return path


def program() -> str | None:
    """Claude Code as the SDK's wheel carries it; nothing is imported for that."""
    spec = find_spec("claude_agent_sdk")
    if spec is None or spec.origin is None:
        return None
    found = os.path.join(os.path.dirname(spec.origin), "_bundled", "claude")
    return found if os.access(found, os.X_OK) else None


class _Run:
    """One run of the worker: hears it, answers it, and knows when it is better ended."""

    def __init__(self, task: Task, watch: Watch, stop: Stop) -> None:
        self._task = task
        self._watch = watch
        self._stop = stop
        self.stream = ClaudeStream(watch)
        self._talk = Talk(self._farewell)
        self._ground = _ground(task)

    def go(self, program: process.Program) -> AgentResult:
        with self._talk as talk:
            ended = process.run(program._replace(talk=talk), self, self._watch, self._take)
        return claude_outcome.judge(ended, self.stream, time.time(), claude_outcome.secrets(program.environment))

    def requested(self) -> str | None:
        """Why the run is to end: it was told to, or its service has sent it away."""
        return self._stop.requested() or claude_outcome.given_up(self.stream, _PATIENCE, self._task.max_cost)

    def _farewell(self) -> bytes:
        """It is to end: Claude Code says its result when it is interrupted, and with it what it has taken."""
        self.stream.ending = True
        return b'{"stop": true}'

    def _take(self, line: str) -> str | None:
        """A line of the worker: a request of its own, or what Claude Code says."""
        if not line.startswith(_REQUESTS):
            return self.stream.take(line)
        try:
            request = json.loads(line)
        except ValueError:
            return None
        if request["type"] == "withdrawn":
            self._talk.end(request["request"])
            return ""
        if request["type"] == "permit":
            return self._judge(request)
        self._answer(request, lambda: self._called(request["name"], request["arguments"]))
        return ""

    def _judge(self, request: Mapping[str, Any]) -> str:
        """Most tool calls are plain and answered at once; what the policy speaks about may take a person."""
        judged = policy.judge(request["tool"], request["input"], self._ground)
        if judged.refusal is not None or not judged.actions:
            self._say(request, {"refusal": judged.refusal})
            return f"[refused: {judged.refusal}]" if judged.refusal else ""
        self._answer(request, lambda: {"refusal": self._permitted(judged.actions)})
        return "\n".join(f"[{action.kind}: {one_line(action.what, _SHOWN)}]" for action in judged.actions)

    def _permitted(self, actions: Sequence[Action]) -> str | None:
        for action in actions:
            refusal = self._watch.permit(action)
            if refusal is not None:
                return f"This is not permitted ({action.kind}): {refusal}"
        return None

    def _called(self, name: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        return {"text": json.dumps(self._watch.call(name, arguments), ensure_ascii=False), "error": False}

    def _answer(self, request: Mapping[str, Any], find: Callable[[], Mapping[str, object]]) -> None:
        """Answer in a thread. Should the run end first, nobody hears the answer, and the thread keeps nothing back."""
        self._talk.begin(request["request"])

        def work() -> None:
            try:
                answer = find()
            except Refusal as refusal:
                said = " ".join(filter(None, (refusal.message, refusal.hint)))
                answer = {"refusal": said, "text": said, "error": True}
            except Exception as error:  # noqa: BLE001 - the agent must not hang because we have failed
                said = f"This could not be done now ({type(error).__name__}); try again or go on without it."
                answer = {"refusal": said, "text": said, "error": True}
            self._say(request, answer)
            self._talk.end(request["request"])

        threading.Thread(target=work, name=f"answer-{self._task.key}", daemon=True).start()

    def _say(self, request: Mapping[str, Any], answer: Mapping[str, object]) -> None:
        self._talk.say(json.dumps({"request": request["request"], **answer}).encode())


_REQUESTS = ('{"type": "permit"', '{"type": "call"', '{"type": "withdrawn"')


def _ground(task: Task) -> policy.Ground:
    """Where it may write: in the work tree, which may begin above the project's directory."""
    tree = os.path.realpath(task.directory)
    above = tree
    while not os.path.lexists(os.path.join(above, ".git")) and os.path.dirname(above) != above:
        above = os.path.dirname(above)
    tree = above if os.path.lexists(os.path.join(above, ".git")) else tree
    return policy.Ground(tree, _resolve, (os.path.realpath(tempfile.gettempdir()),))


def _resolve(path: str, base: str) -> str:
    """A path as a shell or a tool means it, without links."""
    return os.path.realpath(os.path.join(base, os.path.expanduser(path).replace("\0", "")))
