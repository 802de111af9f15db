"""A daemon freezes between its look at the claim and git; another finishes the item; then the first wakes up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.git_states import PERSON, git, write
from tests.faults.test_pipeline_sweep import KEY, ROADMAP
from tests.stores import open_store
from tests.work.daemon_kit import Doing, Project, System, in_thread, works

from coffee_maker.adapters.git import GitRepository, Rules
from coffee_maker.adapters.git_boxed import BoxedRepository
from coffee_maker.core.items import Status
from coffee_maker.core.ports import Stop
from coffee_maker.core.records import AgentResult, Task
from coffee_maker.utils.connection import Databases
from coffee_maker.work.daemon import Daemon

PATIENCE = 30.0


class Freezing:
    """A repository in which the first call of one method waits until it may go on."""

    def __init__(self, real: object, where: str) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self._real = real
        self._where = where

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return self._frozen(found) if name == self._where else found

    def _frozen(self, do: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **rest: object) -> object:
            if not self.reached.is_set():
                self.reached.set()
                assert self.go_on.wait(PATIENCE)
            return do(*args, **rest)

        return call


def snapshot(project: Project) -> object:
    with project.store.reading() as tx:
        steps = [(entry.step, entry.fence) for entry in tx.journal.newest(KEY)]
    return (
        (project.root / "ROADMAP.md").read_bytes(),
        project.reasons(KEY),
        [(note.id, note.state) for note in project.news()],
        git(project.root, "for-each-ref"),
        steps,
    )


@pytest.mark.parametrize("where", ["open_worktree", "stage", "commit", "close_worktree"])
def test_it_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    store = open_store(Databases(str(tmp_path / "data")))
    project = Project(tmp_path, store, text=ROADMAP)
    freezing: Any = Freezing(project.repository, where)
    desk = project.desk(Doing(works), owner="first")._replace(repository=freezing)
    first = in_thread(Daemon(desk, System(), poll=timedelta(milliseconds=20)), once=True)
    try:
        assert freezing.reached.wait(PATIENCE)
        with store.writing() as tx:  # its lease is over
            for claim in tx.claims.held(project.clock.now()):
                tx.claims.release(claim)
        (done,) = project.daemon(Doing(works), owner="second").run(once=True)
        assert done.outcome == "complete"
        before, told = snapshot(project), len(project.told)
    finally:
        freezing.go_on.set()
        first.join(PATIENCE)
    assert not first.is_alive()
    assert snapshot(project) == before
    assert project.status(KEY) is Status.COMPLETE
    assert any("no longer held by first" in words for words in project.told[told:])
    assert not any(".;" in words for words in project.told[told:])
    store.close()


@pytest.mark.parametrize("kind", [GitRepository, BoxedRepository])
def test_it_takes_no_work_tree_from_who_has_it_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[GitRepository]
) -> None:
    """Frozen when it was about to remove the work tree; meanwhile the item was completed by another daemon, planned
    again by a person, and is built in a new tree of the same name."""
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    store = open_store(Databases(str(tmp_path / "data")))
    project = Project(tmp_path, store, text=ROADMAP)
    repository = kind(str(project.root), str(project.root / "ROADMAP.md"), Rules())
    freezing: Any = Freezing(repository, "close_worktree")
    desk = project.desk(Doing(works), owner="first")._replace(repository=freezing)
    first = in_thread(Daemon(desk, System(), poll=timedelta(milliseconds=20)), once=True)
    begun, go_on = threading.Event(), threading.Event()

    def slow(task: Task, _stop: Stop) -> AgentResult | None:
        begun.set()
        assert go_on.wait(PATIENCE)
        write(Path(task.directory) / "again.txt", "again\n")
        return None

    def other(agent: Doing, owner: str) -> Daemon:
        own = project.desk(agent, owner=owner)._replace(repository=repository)
        return Daemon(own, System(), poll=timedelta(milliseconds=20))

    try:
        assert freezing.reached.wait(PATIENCE)
        with store.writing() as tx:  # its lease is over
            for claim in tx.claims.held(project.clock.now()):
                tx.claims.release(claim)
        assert other(Doing(works), "second").run(once=True)[0].outcome == "complete"
        project.editing().set_status(KEY, Status.PLANNED, by="ada")
        third = in_thread(other(Doing(slow), "third"), once=True)
        assert begun.wait(PATIENCE)
    finally:
        freezing.go_on.set()
        first.join(PATIENCE)
    assert not first.is_alive()
    go_on.set()
    third.join(PATIENCE)
    assert project.status(KEY) is Status.COMPLETE
    store.close()
