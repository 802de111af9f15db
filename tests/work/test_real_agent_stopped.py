"""A real program as the agent, ended by whatever can end it: nothing of it is left, nothing that it did is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.work.daemon_kit import Doing, Project, in_thread, until, works
from tests.work.watching_kit import TWO, question

from coffee_maker.adapters.agents.command import CommandAgent
from coffee_maker.core.items import Status
from coffee_maker.core.limits import Ceilings
from coffee_maker.core.records import Control
from coffee_maker.work.controlling import Controlling
from coffee_maker.work.daemon import Daemon

SLEEPS = ["sh", "-c", "sleep 300 & echo $! > child; echo $$ > pid.new; mv pid.new pid; wait"]


def processes(project: Project) -> list[int]:
    """Its own and its child's, once both are there."""
    until(lambda: (project.home / "trees").is_dir() and list((project.home / "trees").glob("*/pid")))
    tree = project.tree(TWO)
    return [int((tree / name).read_text()) for name in ("pid", "child")]


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def asks(kind: str, **rest: object) -> Callable[[Project, Daemon], None]:
    def ask(project: Project, daemon: Daemon) -> None:
        control = Control(kind, "ada", **rest)  # type: ignore[arg-type]
        Controlling(project.store, project.clock, project.editing()).ask(control)

    return ask


def loses(project: Project, daemon: Daemon) -> None:
    with project.store.writing() as tx:
        (claim,) = tx.claims.held(project.clock.now())
        tx.claims.release(claim)
        tx.claims.take(TWO, "another", lease=timedelta(minutes=5), now=project.clock.now())


WAYS = {
    "skip": (asks("skip", item=TWO), Status.PLANNED, "left alone: skipped by ada"),
    "stop": (asks("stop"), Status.PLANNED, "daemon stopped: stopped by ada"),
    "lost": (loses, Status.IN_PROGRESS, "taken up by daemon-1"),
}


@pytest.mark.parametrize("how", WAYS)
def test_it_is_ended_with_all_that_it_started(shared: Project, how: str) -> None:
    end, status, reason = WAYS[how]
    daemon = shared.daemon(CommandAgent(SLEEPS), lease=timedelta(seconds=6 if how == "lost" else 60))
    running = in_thread(daemon, once=True)
    pids = processes(shared)
    assert all(is_there(pid) for pid in pids)
    end(shared, daemon)
    running.join(60)
    assert not running.is_alive()
    assert not any(is_there(pid) for pid in pids)
    assert shared.status(TWO) is status
    assert shared.reasons(TWO)[-1][1] == reason
    assert (shared.tree(TWO) / "child").exists()  # nothing is thrown away
    assert shared.runs(TWO)[0].outcome == "lost"


def test_a_pause_lets_it_go_on(project: Project) -> None:
    daemon = project.daemon(CommandAgent(SLEEPS))
    running = in_thread(daemon)
    pids = processes(project)
    asks("pause")(project, daemon)
    until(lambda: daemon.paused)
    assert all(is_there(pid) for pid in pids)
    daemon.stop("enough")
    running.join(60)
    assert not any(is_there(pid) for pid in pids)


def test_at_a_ceiling_it_is_ended_and_the_person_asked(project: Project) -> None:
    daemon = project.daemon(CommandAgent(SLEEPS), ceilings=Ceilings(item_time=timedelta(seconds=3)))
    running = in_thread(daemon, once=True)
    pids = processes(project)
    one = question(project)
    assert not any(is_there(pid) for pid in pids)
    assert one.title == f"{TWO} reached a limit: go on?"
    project.messages.respond(one.id, "stop here", by="ada", via="terminal")
    running.join(60)
    assert project.status(TWO) is Status.MANUAL_REVIEW


@pytest.mark.parametrize(
    ("options", "told"),
    [({"stall": timedelta(seconds=3)}, "nothing"), ({"agent_timeout": timedelta(seconds=3)}, "time")],
)
def test_one_that_is_silent_or_takes_too_long_has_failed_an_attempt(
    project: Project, options: dict[str, object], told: str
) -> None:
    project.daemon(CommandAgent(SLEEPS), max_attempts=1, **options).run(once=True)
    assert not any(is_there(pid) for pid in processes(project))
    assert project.status(TWO) is Status.MANUAL_REVIEW
    assert told in str(project.reasons(TWO)[-1][1])
    assert [run.outcome for run in project.runs(TWO)] == ["failed"]


def test_silence_is_no_failure_of_tests(project: Project) -> None:
    """Tests that say nothing for long are tests."""
    agent, tests = Doing(works), Doing(lambda task, stop: None)
    project.daemon(agent, tests=tests, stall=timedelta(minutes=7)).run(once=True)
    assert (agent.tasks[0].stall, tests.tasks[0].stall) == (timedelta(minutes=7), None)
