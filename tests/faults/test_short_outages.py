"""The database is away for a moment: at every transaction of an item's pipeline in turn, when the daemon is told to
end right after its agent has ended, while an answer is waited for. What is finished is kept; nobody has to look.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.adapters.git_states import PERSON
from tests.stores import open_store
from tests.work.daemon_kit import Doing, Project, in_thread, until, works

from coffee_maker.core.errors import DatabaseGone, GitFailed, Refusal
from coffee_maker.core.items import Status
from coffee_maker.core.ports import Stop
from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.core.records import Task
from coffee_maker.store.common import SharedStore
from coffee_maker.utils.connection import Databases
from coffee_maker.work import messages, steps
from coffee_maker.work.daemon import Daemon

TWO = "PRIORITY-2"
ROADMAP = "# Roadmap\n\n### PRIORITY 2: Write the parser\n\n**Status**: 📝 Planned\n\nText of two.\n"
MOST_DAEMONS = 4
_KINDS = ("writing", "reading", "runs", "reading_runs")


class Outages:
    """A store that is away for its nth transaction in an item's thread, and for as long as `away` is set."""

    def __init__(self, store: SharedStore, at: int = 0) -> None:
        self.away = threading.Event()
        self.count = 0
        self.refused = 0
        self._store = store
        self._at = at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        return self._through(found) if name in _KINDS else found

    def _through(self, kind: Callable[[], Any]) -> Callable[[], Any]:
        @contextmanager
        def opened() -> Iterator[Any]:
            in_hand = threading.current_thread().name.startswith("job ")
            self.count += in_hand
            if self.away.is_set() or (in_hand and self.count == self._at):
                self.refused += 1
                raise DatabaseGone(name="notifications")
            with kind() as tx:
                yield tx

        return opened


@pytest.fixture(autouse=True)
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)


def a_project(home: Path, at: int = 0) -> tuple[Project, Outages]:
    home.mkdir(exist_ok=True)
    outages: Any = Outages(open_store(Databases(str(home / "data"))), at)
    return Project(home, outages, text=ROADMAP), outages


def until_it_is_over(project: Project, agent: Doing, tests: Doing) -> None:
    """Daemons, one after the other: what could not even be begun, or be told, is gone on with later."""
    for number in range(MOST_DAEMONS):
        with suppress(Refusal):
            project.daemon(agent, tests=tests, owner=f"daemon-{number}").run(once=True)
        with project.store.writing() as tx:
            entries = tx.journal.newest(TWO)
            for claim in tx.claims.held(project.clock.now()):
                tx.claims.release(claim)
        if entries and entries[-1].step == "end":
            return


def test_a_moment_without_the_database_is_no_reason_to_give_an_item_up(tmp_path: Path) -> None:
    at, more = 0, True
    while more:
        at += 1
        project, outages = a_project(tmp_path / str(at), at)
        agent, tests = Doing(works), Doing(lambda _task, _stop: None)
        until_it_is_over(project, agent, tests)
        more = outages.count >= at
        told = f"away at transaction {at}: {project.told}"
        assert project.status(TWO) is Status.COMPLETE, told
        assert len(agent.tasks) == 1, told
        assert [note.title for note in project.news()] == [f"{TWO} is complete"], told
        assert [run.outcome for run in project.runs(TWO) if run.outcome != "lost"] == ["complete"], told
        assert all(run.ended for run in project.runs(TWO)), told
        project.store.close()  # type: ignore[attr-defined]
    assert at > 20


def test_what_was_given_up_is_not_called_complete_after_an_outage(tmp_path: Path, monkeypatch: Any) -> None:
    """Its tests had passed, its commit has failed: the journal has the first alone."""
    project, outages = a_project(tmp_path)

    def refuse(_tree: object, _message: str) -> str | None:
        outages.away.set()
        raise GitFailed(command="commit", problem="no")

    monkeypatch.setattr(project.repository, "commit", refuse)
    thread = in_thread(project.daemon(Doing(works), tests=Doing(lambda _task, _stop: None)), once=True)
    until(lambda: any("It goes on when the database answers" in words for words in project.told))
    outages.away.clear()
    thread.join(20)
    assert not thread.is_alive()
    assert project.status(TWO) is Status.MANUAL_REVIEW, project.told
    assert [note.title for note in project.news()] == [f"{TWO} needs you"]
    assert [run.outcome for run in project.runs(TWO)] == ["manual_review"]
    project.store.close()  # type: ignore[attr-defined]


def test_what_was_given_up_is_not_told_as_complete_by_the_next_daemon(tmp_path: Path, monkeypatch: Any) -> None:
    """The first one ended between the report and the word to the person."""
    project, _outages = a_project(tmp_path)

    def refuse(_tree: object, _message: str) -> str | None:
        raise GitFailed(command="commit", problem="no")

    def dies(_job: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(project.repository, "commit", refuse)
    with monkeypatch.context() as patched, suppress(RuntimeError):
        patched.setattr(steps, "tell", dies)
        project.daemon(Doing(works), tests=Doing(lambda _task, _stop: None)).run(once=True)
    with project.store.writing() as tx:
        for claim in tx.claims.held(project.clock.now()):
            tx.claims.release(claim)
    project.daemon(Doing(works), owner="daemon-2").run(once=True)
    assert project.status(TWO) is Status.MANUAL_REVIEW
    assert [note.title for note in project.news()] == [f"{TWO} needs you"]
    assert [run.outcome for run in project.runs(TWO)] == ["manual_review"]
    project.store.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("away", [False, True], ids=["at once", "while the database is away"])
def test_told_to_end_when_the_agent_has_just_ended(tmp_path: Path, away: bool) -> None:
    project, outages = a_project(tmp_path)
    daemons: list[Daemon] = []

    def ends_with_its_daemon(task: Task, stop: Stop) -> None:
        works(task, stop)
        if away:
            outages.away.set()
        daemons[-1].stop("it was asked to")

    agent = Doing(ends_with_its_daemon)
    daemons.append(project.daemon(agent))
    thread = in_thread(daemons[-1])
    if away:
        until(lambda: any("waiting to write down what was done" in words for words in project.told))
        outages.away.clear()
    thread.join(20)
    assert not thread.is_alive()
    assert project.status(TWO) is Status.PLANNED
    project.daemon(agent, owner="daemon-2").run(once=True)
    assert project.status(TWO) is Status.COMPLETE
    assert len(agent.tasks) == 1
    assert [run.outcome for run in project.runs(TWO)] == ["complete"]
    project.store.close()  # type: ignore[attr-defined]


def test_who_waits_for_an_answer_outlasts_it(tmp_path: Path) -> None:
    """An agent that asks with `notify --wait` would fail else, and with it the attempt."""
    project, outages = a_project(tmp_path)
    question = project.messages.notify(Draft(source=Source.DAEMON, kind=Kind.QUESTION, message="Which colour?"))
    looks: list[bool] = []
    answers: list[str | None] = []

    def wait() -> None:
        answers.append(project.messages.wait(question.id, stop=lambda: bool(looks.append(True))).answer)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    until(lambda: looks)
    outages.away.set()
    until(lambda: outages.refused > 1)
    outages.away.clear()
    project.messages.respond(question.id, "green", by="ada", via="terminal")
    thread.join(20)
    assert answers == ["green"]
    project.store.close()  # type: ignore[attr-defined]


def test_who_waits_for_an_answer_for_a_time_does_not_wait_longer_for_a_database(tmp_path: Path) -> None:
    project, outages = a_project(tmp_path)
    question = project.messages.notify(Draft(source=Source.DAEMON, kind=Kind.QUESTION, message="Which colour?"))
    looked, raised = threading.Event(), list[Refusal]()

    def look() -> bool:
        looked.set()
        return False

    def wait() -> None:
        try:
            project.messages.wait(question.id, timeout=timedelta(seconds=2), stop=look)
        except Refusal as refusal:
            raised.append(refusal)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert looked.wait(20)
    outages.away.set()
    thread.join(20)
    assert [type(one) for one in raised] == [DatabaseGone]
    project.store.close()  # type: ignore[attr-defined]


def test_who_begins_to_wait_while_it_is_away_is_told_at_once(tmp_path: Path) -> None:
    project, outages = a_project(tmp_path)
    outages.away.set()
    with pytest.raises(DatabaseGone):
        project.messages.wait(1, timeout=timedelta(seconds=30))
    assert outages.refused == 1
    project.store.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("ends", ["stopped", "away for too long", "away again"])
def test_how_long_a_wait_outlasts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    project, outages = a_project(tmp_path)
    question = project.messages.notify(Draft(source=Source.DAEMON, kind=Kind.QUESTION, message="Which colour?"))
    now, looks, stopped = [1.0], [0], threading.Event()
    monkeypatch.setattr(messages, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=time.sleep))
    came: list[object] = []

    def stop() -> bool:
        looks[0] += 1
        return stopped.is_set()

    def wait() -> None:
        try:
            came.append(project.messages.wait(question.id, stop=stop).answer)
        except Refusal as refusal:
            came.append(type(refusal))

    def outage() -> None:
        before = outages.refused
        outages.away.set()
        until(lambda: outages.refused > before + 1)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    until(lambda: looks[0])
    outage()
    if ends == "stopped":
        stopped.set()
    elif ends == "away for too long":
        now[0] += messages._AWAY_AT_MOST + 1
    else:  # each outage has its own time
        outages.away.clear()
        before = looks[0]
        until(lambda: looks[0] > before + 2)
        now[0] += messages._AWAY_AT_MOST + 1
        outage()
        outages.away.clear()
        project.messages.respond(question.id, "green", by="ada", via="terminal")
    thread.join(20)
    assert came == ["green" if ends == "away again" else DatabaseGone]
    project.store.close()  # type: ignore[attr-defined]


def test_killed_before_the_run_was_closed_it_counts_as_no_run_that_was_cut_off(tmp_path: Path) -> None:
    """Its agent had ended, and that is in the journal: there is nothing to be done again."""
    project, _outages = a_project(tmp_path)
    agent = Doing(works)
    project.daemon(agent).run(once=True)
    (done,) = project.runs(TWO)
    with project.store.writing() as tx:
        tx.connection.execute("DELETE FROM journal WHERE step NOT IN ('claim', 'worktree', 'agent:1')")  # type: ignore[attr-defined]
    with project.store.runs() as runs:
        runs.amend(1, done._replace(ended=None, outcome=None, detail=None))
    project.set(TWO, Status.PLANNED)
    project.daemon(agent, owner="daemon-2", max_attempts=1).run(once=True)
    assert len(agent.tasks) == 1
    assert [run.detail for run in project.runs(TWO)] != ["its daemon was gone"]
    assert project.runs(TWO)[0].ended is not None
    project.store.close()  # type: ignore[attr-defined]
