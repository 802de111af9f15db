"""Any program as an agent: an argument list with placeholders, the item's text in a file and on standard input.

Placeholders, each within one argument: {item} {title} {item_file} {worktree} {branch}. They are put in as data; no
shell reads them, so a title like ``$(…)`` stays a title. Other braces are left as they are.

The agent can ask the person: ``coffee-roadmap notify "Which one?" --source daemon --type question --option a --option b
--item "$COFFEE_ITEM" --wait`` prints the answer. COFFEE_DATA_DIR and COFFEE_ROADMAP are set, so the question reaches
the person's own project and not the copy in the work tree.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from coffee_maker.adapters.agents import boxing, process, task_files
from coffee_maker.core.ports import Sandbox, Stop, Watch
from coffee_maker.core.records import AgentResult, Task

_PLACEHOLDER = re.compile(r"\{(item|title|item_file|worktree|branch)\}")


class CommandAgent:
    """`Agent` that runs `argv`; `names` are the variables that it gets besides the usual ones."""

    asks = False

    def __init__(
        self,
        argv: Sequence[str],
        *,
        name: str = "command",
        names: Sequence[str] = (),
        grace: float = 5.0,
        sandbox: Sandbox | None = None,
    ) -> None:
        self.name = name
        self._argv = tuple(argv)
        self._names = tuple(names)
        self._grace = grace
        self._sandbox = sandbox

    def check(self) -> str | None:
        """See the port."""
        return boxing.missing(self._argv, self._sandbox)

    def run(self, task: Task, stop: Stop, watch: Watch) -> AgentResult:
        """See the port."""
        problem = self.check()
        if problem:
            return AgentResult(False, None, problem, "")
        text = task_files.write_item(task)
        program = process.Program(
            argv=[fill_in(argument, task) for argument in self._argv],
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


def fill_in(argument: str, task: Task) -> str:
    """One argument with its placeholders replaced, in one pass: what is put in is not looked at again."""
    values = {
        "item": task.key,
        "title": task.title.replace("\0", ""),
        "item_file": task.item_file,
        "worktree": task.directory,
        "branch": task.branch,
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], argument)
