"""The agent that runs what the item itself says: its fenced blocks with the info string ``sh run``.

    ```sh run
    make release
    ```

Only such a block, only when this agent was chosen explicitly. A block that is shown inside another fence, a comment or
indented code is an example and is not run. Several blocks are run in their order as one script, by ``sh -eu``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from coffee_maker.adapters.agents import boxing, process, task_files
from coffee_maker.core import blocks
from coffee_maker.core.lines import Lines
from coffee_maker.core.ports import Sandbox, Stop, Watch
from coffee_maker.core.records import AgentResult, Task

_OPENING = re.compile(r"(?P<indent>[ \t]*)(?:`{3,}|~{3,})[ \t]*sh[ \t]+run[ \t]*\Z")
_NOTHING_TO_RUN = "the item has no fenced block that begins with ```sh run"


class RunbookAgent:
    """`Agent` for items that carry their own commands."""

    name = "runbook"
    asks = False

    def __init__(self, *, names: Sequence[str] = (), grace: float = 5.0, sandbox: Sandbox | None = None) -> None:
        self._names = tuple(names)
        self._grace = grace
        self._sandbox = sandbox

    def check(self) -> str | None:
        """See the port."""
        return boxing.missing(["sh"], self._sandbox)

    def run(self, task: Task, stop: Stop, watch: Watch) -> AgentResult:
        """See the port."""
        script = script_of(task.text)
        problem = self.check() if script is not None else _NOTHING_TO_RUN
        if script is None or problem:
            return AgentResult(False, None, problem, "")
        text = task_files.write_item(task)
        path = f"{task.item_file}.sh"
        with open(path, "w", encoding="utf-8", errors="replace") as file:
            file.write(script)
        program = process.Program(
            argv=["sh", "-eu", path],
            directory=task.directory,
            environment=task_files.environment(task, self._names, os.environ),
            stdin=text,
            log=task.log,
            timeout=task.timeout.total_seconds(),
            max_output=task.max_output,
            grace=self._grace,
            stall=task.stall.total_seconds() if task.stall else None,
            watchdog=task.watchdog.total_seconds() if task.watchdog else None,
        )
        return boxing.run(program, task, self._sandbox, stop, watch)


def script_of(text: str) -> str | None:
    """The item's own commands; None when it has none. An unclosed block is no block: its end is anybody's guess."""
    lines = Lines(text).texts
    parts = []
    for fence in blocks.scan(lines).fences:
        opening = _OPENING.match(lines[fence.line])
        if opening and fence.closed:
            width = len(opening["indent"].expandtabs(4))
            parts += [_without_indent(line, width) for line in lines[fence.line + 1 : fence.end - 1]]
    return "\n".join(parts) + "\n" if parts else None


def _without_indent(line: str, width: int) -> str:
    """A line without the indentation that its fence has (a fence in a list item is indented as a whole)."""
    stripped = line.lstrip(" ")
    return line[min(width, len(line) - len(stripped)) :]
