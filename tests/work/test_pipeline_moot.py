"""An item that waits to be approved while a person takes it away, skips it, or wants the daemon to end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters.git_states import PERSON
from tests.stores import open_store
from tests.work.daemon_kit import Doing, Project, in_thread, until, works

from coffee_maker.core.errors import RoadmapMissing
from coffee_maker.core.items import Status
from coffee_maker.core.ports import Stop
from coffee_maker.core.questions import OPEN, State
from coffee_maker.core.records import Task
from coffee_maker.utils.connection import Databases
from coffee_maker.work.daemon import Daemon

KEY = "PRIORITY-2"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    store = open_store(Databases(str(tmp_path / "data")))
    yield Project(tmp_path, store)
    store.close()


def asking(project: Project) -> Daemon:
    return project.daemon(Doing(works), ask_approval=True)


def unfinished(project: Project) -> list[str]:
    with project.store.reading() as tx:
        assert not tx.claims.held(project.clock.now())
        return list(tx.journal.unfinished())


@pytest.mark.parametrize("how", ["cancelled", "removed"])
def test_an_item_that_is_taken_away_is_left_with_its_question(project: Project, how: str) -> None:
    thread = in_thread(asking(project), once=True)
    until(lambda: project.messages.listing(states=OPEN))
    if how == "cancelled":
        project.set(KEY, Status.CANCELLED)
    else:
        path = Path(project.file.path)
        path.write_text(path.read_text().replace("PRIORITY 2: Write the parser", "Notes on the parser"))
    thread.join(60)
    assert not thread.is_alive()
    assert [note.state for note in project.news()] == [State.DISMISSED]
    assert unfinished(project) == []


def test_one_that_is_skipped_takes_its_question_along(project: Project) -> None:
    daemon = asking(project)
    thread = in_thread(daemon, once=True)
    until(lambda: project.messages.listing(states=OPEN))
    until(lambda: daemon.skip(KEY, "skipped by ada"))
    thread.join(60)
    assert [note.state for note in project.news()] == [State.DISMISSED]
    assert unfinished(project) == []


def test_a_roadmap_that_is_away_for_a_while_changes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    missed, real = threading.Event(), project.file.read

    def read() -> bytes:
        try:
            return real()
        except RoadmapMissing:
            missed.set()
            raise

    monkeypatch.setattr(project.file, "read", read)
    daemon = asking(project)
    thread = in_thread(daemon, once=True)
    until(lambda: project.messages.listing(states=OPEN))
    path = Path(project.file.path)
    path.rename(path.with_name("away.md"))
    assert missed.wait(60)
    path.with_name("away.md").rename(path)
    (question,) = project.messages.listing(states=OPEN)
    project.messages.respond(question.id, "approve", by="ada", via="terminal")
    thread.join(60)
    assert project.status(KEY) is Status.COMPLETE


def test_who_ends_after_the_items_in_hand_waits_for_no_approval(project: Project) -> None:
    """The question stays, and the next daemon uses its answer."""
    daemon = asking(project)
    thread = in_thread(daemon)
    until(lambda: project.messages.listing(states=OPEN))
    daemon.stop("stopped by ada", after_items=True)
    thread.join(60)
    assert not thread.is_alive()
    (question,) = project.messages.listing(states=OPEN)
    assert project.status(KEY) is Status.PLANNED
    project.messages.respond(question.id, "approve", by="ada", via="terminal")
    asking(project).run(once=True)
    assert project.status(KEY) is Status.COMPLETE
    assert len([note for note in project.news() if note.options]) == 1


@pytest.mark.parametrize("before", [Status.PLANNED, Status.MANUAL_REVIEW, Status.CANCELLED])
def test_an_editor_s_old_text_takes_no_item_from_its_agent(project: Project, before: Status) -> None:
    """It is merged with what was recorded since, and what it says of the item is older than the agent's begin."""
    path = Path(project.file.path)
    project.set(KEY, before)
    buffer = path.read_text().replace("# Roadmap\n", "# Roadmap\n\nSaid by the editor.\n", 1)
    if before is not Status.PLANNED:
        project.set(KEY, Status.PLANNED)
    ended: list[str | None] = []

    def saves(task: Task, stop: Stop) -> None:
        works(task, stop)
        path.write_text(buffer)
        if before is not Status.PLANNED:  # else it is looked at when the agent has ended, at the report
            until(lambda: daemon_looked(project) or stop.requested())
        ended.append(stop.requested())

    (done,) = project.daemon(Doing(saves), policy={"start": "allow"}).run(once=True)
    assert done.outcome == "complete", project.told
    assert ended == [None]
    assert project.status(KEY) is Status.COMPLETE
    assert "Said by the editor." in path.read_text()
    assert not any("changed meanwhile" in line for line in project.told)


def daemon_looked(project: Project) -> bool:
    """Whether the old text has been merged: by the daemon, which is the only one here."""
    return not project.editing().unrecorded()
