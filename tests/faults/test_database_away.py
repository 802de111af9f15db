"""A server that is restarted while an agent works: what the agent did is neither lost nor done again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters.git_states import PERSON
from tests.postgres_server import NoServer, Server
from tests.work.daemon_kit import Doing, Project, in_thread, until, works

from coffee_maker.core.items import Status
from coffee_maker.core.ports import Stop
from coffee_maker.core.records import Task
from coffee_maker.store.postgres import PostgresStore
from coffee_maker.utils.connection import Databases

TWO = "PRIORITY-2"


@pytest.fixture
def server() -> Iterator[Server]:
    """One of its own, for it is stopped."""
    try:
        own = Server()
    except NoServer as problem:
        if os.environ.get("CI"):
            pytest.fail(f"{problem}; in CI nothing may be skipped")
        pytest.skip(f"NOT TESTED on PostgreSQL: {problem}")
    yield own
    own.remove()


def test_work_that_is_finished_while_the_database_is_away_is_kept(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    store = PostgresStore(Databases(str(tmp_path / "data"), url=server.new_database()))
    project = Project(tmp_path, store)

    def finishes_without_a_database(task: Task, stop: Stop) -> None:
        works(task, stop)
        server.stop()

    agent = Doing(finishes_without_a_database)
    thread = in_thread(project.daemon(agent), once=True)
    until(lambda: any("waiting to write down what was done" in words for words in project.told), 60)
    server.start()
    thread.join(60)
    assert not thread.is_alive()
    assert len(agent.tasks) == 1
    assert project.status(TWO) is Status.COMPLETE
    assert [run.outcome for run in project.runs(TWO)] == ["complete"]
    store.close()
