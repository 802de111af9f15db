"""The daemon is killed at every single transaction of an item's pipeline, before it and right after its commit.

Whoever takes the item up then comes to the same end: the item is done once, committed once, reported once, asked about
once, and no finished step is done again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.git_states import PERSON, git, write
from tests.postgres_server import Server
from tests.stores import open_store
from tests.work.daemon_kit import Doing, Project, System

from coffee_maker.core.items import Status
from coffee_maker.core.ports import Stop, Store
from coffee_maker.core.questions import OPEN, Kind
from coffee_maker.core.records import AgentResult, Task
from coffee_maker.utils.connection import Databases
from coffee_maker.work.daemon import Daemon
from coffee_maker.work.messages import Messages

KEY = "PRIORITY-2"
ROADMAP = """\
# Roadmap

### PRIORITY 2: Write the parser

**Status**: 📝 Planned

Text of two.
"""
MOST_RESTARTS = 4


class Killed(BaseException):
    """Stands for kill -9: nothing may run after it."""


class Mortal:
    """A store that dies at its nth transaction, by entering it or right after its commit; then it stays dead."""

    def __init__(self, store: Store, at: int) -> None:
        self._store = store
        self._at = at
        self._count = itertools.count(1)
        self.dead = False

    def _step(self) -> None:
        if self.dead or next(self._count) >= self._at:
            self.dead = True
            raise Killed

    @contextmanager
    def _through(self, name: str) -> Iterator[Any]:
        self._step()
        with getattr(self._store, name)() as tx:
            yield tx
        self._step()

    def writing(self) -> Any:
        return self._through("writing")

    def runs(self) -> Any:
        return self._through("runs")

    def reading(self) -> Any:
        if self.dead:
            raise Killed
        return self._store.reading()

    def __getattr__(self, name: str) -> Any:
        if self.dead:
            raise Killed
        return getattr(self._store, name)


class Gone:
    """A file or repository that does nothing any more once the process is dead: no tidying up after kill -9."""

    def __init__(self, real: object, store: object) -> None:
        self._real = real
        self._store = store

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if not callable(found):
            return found

        def call(*args: object, **rest: object) -> object:
            if getattr(self._store, "dead", False):
                raise Killed
            return found(*args, **rest)

        return call


class Case:
    """One way through the pipeline, and what it must come to."""

    def __str__(self) -> str:
        return self.name

    def __init__(self, name: str, *, tests: Callable[[int], bool], status: Status, runs: int) -> None:
        self.name = name
        self.tests = tests  # whether the nth finished run of the tests passes
        self.status = status
        self.runs = runs  # of the agent that finish


CASES = [
    Case("at once", tests=lambda _n: True, status=Status.COMPLETE, runs=1),
    Case("at the second attempt", tests=lambda n: n >= 2, status=Status.COMPLETE, runs=2),
    Case("not at all", tests=lambda _n: False, status=Status.MANUAL_REVIEW, runs=2),
]


class Trial:
    """A project on which daemons are started until the item is done; the first one is mortal."""

    def __init__(self, home: Path, store: Store, case: Case) -> None:
        home.mkdir()
        self.project = Project(home, store, text=ROADMAP)
        self.case = case
        self.runs = 0
        self.tested = 0

    def build(self, task: Task, _stop: Stop) -> None:
        self.runs += 1
        number = len(task.earlier) + 1  # the same work for the same attempt, as a resumed agent's
        write(Path(task.directory) / f"attempt-{number}.txt", f"made by attempt {number}\n")

    def test(self, task: Task, _stop: Stop) -> AgentResult:
        number = len(task.earlier) + 1
        write(Path(task.directory) / "left-by-tests.txt", "junk\n")
        passed = self.case.tests(number)
        return AgentResult(passed, 0 if passed else 1, None if passed else "it ended with exit code 1", "1 failed")

    def daemon(self, owner: str, store: Store) -> Daemon:
        desk = self.project.desk(Doing(self.build), tests=Doing(self.test), owner=owner, ask_approval=True)
        messages = Messages(store, desk.clock, {})
        file = Gone(self.project.file, store)
        editing = type(desk.editing)(store, file, desk.clock, desk.editing._options)  # type: ignore[arg-type]
        repository = Gone(self.project.repository, store)
        desk = desk._replace(store=store, messages=messages, editing=editing, repository=repository)  # type: ignore[arg-type]
        return Daemon(desk, System(), poll=timedelta(milliseconds=20))

    def answer(self) -> None:
        """The person says yes to whatever is asked."""
        for question in self.project.messages.listing(states=OPEN):
            if question.kind is Kind.QUESTION:
                self.project.messages.respond(question.id, "approve", by="ada", via="terminal")

    def run(self, owner: str, store: Store) -> bool:
        """One daemon on the item; whether it lived. Who waits for the person is answered."""
        import threading

        daemon, lived = self.daemon(owner, store), [False]

        def work() -> None:
            try:
                daemon.run(once=True)
                lived[0] = True
            except Killed:
                pass

        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            self.answer()
            thread.join(0.01)
        return lived[0]

    def done(self) -> bool:
        return self.project.status(KEY) is self.case.status and not self._unfinished()

    def _unfinished(self) -> object:
        with self.project.store.reading() as tx:
            return dict(tx.journal.unfinished())

    def bury(self) -> None:
        """The dead daemon's lease is over."""
        with self.project.store.writing() as tx:
            for claim in tx.claims.held(self.project.clock.now()):
                tx.claims.release(claim)

    def check(self) -> None:
        project, case = self.project, self.case
        assert project.status(KEY) is case.status
        branch = project.branch_of(KEY)
        made = [f"attempt-{number}.txt" for number in range(1, case.runs + 1)]
        assert project.files_of(branch) == made
        assert git(project.root, "rev-list", "--count", f"main..{branch}") == "1"
        assert case.runs <= self.runs <= case.runs + 1
        kinds = [note.kind for note in project.news()]
        assert sorted(kind.value for kind in kinds) == sorted(
            ["question", "status" if case.status is Status.COMPLETE else "alert"]
        )
        statuses = [status for status, _reason in project.reasons(KEY)]
        assert statuses == ["in_progress", case.status.value]
        with project.store.reading() as tx:
            assert not tx.claims.held(project.clock.now())
            assert not tx.roadmap.breaks()
            steps = [entry.step for entry in tx.journal.newest(KEY)]
        assert len(steps) == len(set(steps))
        assert steps[-1] == "end"
        assert all(run.ended for run in project.runs())


@pytest.fixture(autouse=True)
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)


def sweep(home: Path, new_store: Callable[[Path], Any], case: Case, points: Iterator[int]) -> int:
    """Kill at each of the points until the pipeline gets through; how many points there were."""
    count = 0
    for at in points:
        place = home / f"{at}"
        store = new_store(place)
        trial = Trial(place, store, case)
        try:
            lived = trial.run("mortal", Mortal(store, at))  # type: ignore[arg-type]
            for number in range(MOST_RESTARTS):
                if trial.done():
                    break
                trial.bury()
                trial.run(f"daemon-{number}", store)
            trial.check()
        except BaseException as error:
            error.add_note(f"killed at transaction {at} of the case {case.name!r}")
            raise
        finally:
            store.close()
        count += 1
        if lived:
            return count
    return count


@pytest.mark.parametrize(("case", "stride"), [(CASES[0], 1), (CASES[1], 5), (CASES[2], 5)], ids=lambda one: str(one))
def test_killed_at_every_transaction(tmp_path: Path, case: Case, stride: int) -> None:
    count = sweep(tmp_path, lambda place: open_store(Databases(str(place / "data"))), case, itertools.count(1, stride))
    assert count * stride > 40  # a pipeline has that many at least; if not, the sweep has missed them


def test_killed_at_some_transactions_on_postgresql(tmp_path: Path, postgres_server: Server) -> None:
    def new_store(place: Path) -> Any:
        return open_store(Databases(str(place / "data"), url=postgres_server.new_database()))

    sweep(tmp_path, new_store, CASES[0], itertools.count(2, 9))
