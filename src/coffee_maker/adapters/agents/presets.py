"""Known programs as agents, by name: `[agent] preset`. Which versions were looked at stands in docs/guides/agents.md.

The task reaches each of them on standard input or in a file, never on a command line that a shell reads. They are
allowed to work without asking (they have nobody to ask): whoever does not trust them puts them into a sandbox.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from coffee_maker.adapters.agents import boxing, claude, claude_outcome, process, prompts, task_files
from coffee_maker.adapters.agents.command import fill_in
from coffee_maker.adapters.agents.other_streams import CodexStream, OpencodeStream
from coffee_maker.adapters.agents.streams import ClaudeStream, Reading
from coffee_maker.core.ports import Sandbox, Stop, Watch
from coffee_maker.core.records import AgentResult, Task


class Preset(NamedTuple):
    """How a program is run. Placeholders as in `command`, and {model} and {session} in their own words."""

    argv: Sequence[str]
    names: Sequence[str]  # variables that it gets, by which it reaches its service
    model: Sequence[str] = ("--model", "{model}")
    resume: Sequence[str] | None = None  # put before the last words; None: it cannot resume
    last: Sequence[str] = ()
    stdin: bool = True  # whether the prompt comes on standard input; else only in the file
    stream: type[Reading] | None = None  # reads the JSON lines that it prints
    fixed: Mapping[str, str] = {}


_CLAUDE_TOOLS = "Bash,Edit,Glob,Grep,NotebookEdit,Read,Task,TodoWrite,Write"
_PLACES = ("CLAUDE_CONFIG_DIR", "CODEX_HOME", "OPENCODE_CONFIG")  # of the person's, which are not in a box
_AIDER_OFF = (
    *(
        "auto-commits",
        "dirty-commits",
        "gitignore",
        "check-update",
        "show-release-notes",
        "analytics",
        "pretty",
        "stream",
    ),
    *("detect-urls", "suggest-shell-commands", "fancy-input"),
)
PRESETS: Mapping[str, Preset] = {
    "claude": Preset(
        ("claude", "-p", "--output-format", "stream-json", "--verbose", "--allowedTools", _CLAUDE_TOOLS),
        claude.VARIABLES,
        resume=("--resume", "{session}"),
        stream=ClaudeStream,
        fixed=claude.FIXED,
    ),
    "codex": Preset(
        ("codex", "exec", "--json", "--color", "never", "--sandbox", "workspace-write", "--skip-git-repo-check"),
        ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CODEX_API_KEY", "CODEX_HOME"),
        resume=("resume", "{session}"),
        last=("-",),
        stream=CodexStream,
    ),
    "gemini": Preset(
        ("gemini", "--approval-mode", "yolo", "--skip-trust", "--output-format", "text"),
        ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_CLOUD_PROJECT"),
        last=("--prompt", "Do what is described above."),
    ),
    "opencode": Preset(
        ("opencode", "run", "--format", "json", "--auto"),
        ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "OPENCODE_CONFIG"),
        resume=("--session", "{session}"),
        stream=OpencodeStream,
    ),
    "aider": Preset(
        ("aider", "--yes-always", *(f"--no-{one}" for one in _AIDER_OFF)),
        ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "OPENAI_API_BASE"),
        last=("--message-file", "{item_file}"),
        stdin=False,
    ),
}


class Settings(NamedTuple):
    """How such a program is run."""

    model: str | None = None
    names: Sequence[str] = ()  # variables that it gets besides the usual ones
    sandbox: Sandbox | None = None
    grace: float = 5.0


class PresetAgent:
    """`Agent` that is one of these programs; `name` says which."""

    asks = False

    def __init__(self, name: str, settings: Settings = Settings()) -> None:  # noqa: B008 - it cannot be changed
        self.name = name
        self._preset = PRESETS[name]
        self._settings = settings
        boxed = settings.sandbox is not None
        known = (name for name in self._preset.names if not (boxed and name in _PLACES))
        self._names = (*known, *settings.names)

    def check(self) -> str | None:
        """See the port."""
        return boxing.missing(self._preset.argv, self._settings.sandbox)

    def run(self, task: Task, stop: Stop, watch: Watch) -> AgentResult:
        """See the port."""
        problem = self.check()
        if problem:
            return AgentResult(False, None, problem, "")
        preset = self._preset
        again = task.session is not None and preset.resume is not None
        text = task_files.write(task, prompts.again(task) if again else prompts.for_program(task))
        own = {name: value for name, value in preset.fixed.items() if name not in self._names}
        program = process.Program(
            argv=self._argv(task),
            directory=task.directory,
            environment=own | task_files.environment(task, self._names, os.environ),
            stdin=text if preset.stdin else b"",
            log=task.log,
            timeout=task.timeout.total_seconds(),
            max_output=task.max_output,
            grace=self._settings.grace,
            stall=task.stall.total_seconds() if task.stall else None,
            watchdog=task.watchdog.total_seconds() if task.watchdog else None,
        )
        with boxing.boxed(program, task, self._settings.sandbox) as started:
            if preset.stream is None:
                return process.run(started, stop, watch)
            stream = preset.stream(watch)
            if again:
                stream.earlier = task.taken
            result = _judge(process.run(started, stop, watch, stream.take), stream, program.environment)
        return result._replace(model=result.model or self._settings.model)

    def _argv(self, task: Task) -> list[str]:
        preset = self._preset
        words = [fill_in(word, task) for word in preset.argv]
        if self._settings.model is not None:
            words += [word.replace("{model}", self._settings.model) for word in preset.model]
        if task.session is not None and preset.resume is not None:
            words += [word.replace("{session}", task.session) for word in preset.resume]
        return words + [fill_in(word, task) for word in preset.last]


def _judge(ended: AgentResult, stream: Reading, environment: Mapping[str, str]) -> AgentResult:
    """What the program said of itself counts too: some end with 0 after a failure."""
    secrets = claude_outcome.secrets(environment)
    if isinstance(stream, ClaudeStream):
        return claude_outcome.judge(ended, stream, time.time(), secrets)
    alone = ended.ok or process.by_itself(ended)
    if stream.failure is not None and alone:
        ended = ended._replace(ok=False, reason=f"it failed: {stream.failure[:400]}", outage=stream.away)
    elif stream.away and not alone and (ended.reason or "").startswith(process.SILENT):
        ended = ended._replace(outage=True)
    return claude_outcome.known(ended, stream, secrets)
