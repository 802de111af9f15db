"""An agent's program in its box, when it has one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from coffee_maker.adapters.agents import process
from coffee_maker.core.ports import Sandbox, Stop, Watch
from coffee_maker.core.records import AgentResult, Task


def missing(argv: Sequence[str], sandbox: Sandbox | None) -> str | None:
    """Why the program cannot be started (in the box), or None."""
    if sandbox is None:
        return process.missing(argv)
    return sandbox.check() or (None if sandbox.own_programs and argv else process.missing(argv))


@contextmanager
def boxed(program: process.Program, task: Task, sandbox: Sandbox | None) -> Iterator[process.Program]:
    """The program as it is started in the box; nothing of the box is left afterwards."""
    if sandbox is None:
        yield program
        return
    try:
        yield program._replace(argv=sandbox.wrap(program.argv, task))
    finally:
        sandbox.clear(task)


def run(program: process.Program, task: Task, sandbox: Sandbox | None, stop: Stop, watch: Watch) -> AgentResult:
    """See `process.run`; nothing of the box is left afterwards either."""
    with boxed(program, task, sandbox) as started:
        return process.run(started, stop, watch)
