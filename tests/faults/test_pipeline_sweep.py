"""The daemon is killed before every single deed of an item's pipeline: transaction, git command, step of the file, run.

Whoever takes the item up then comes to the same end as a daemon that nobody kills: the item is done once, committed
once, reported once, asked about once, and no finished step is done again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.adapters.git_states import PERSON, git, write
from tests.faults.mortal import NEVER, Fate, Killed, MortalFile, MortalRepository, MortalStore, mortal
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
AT_A_TIME = 4  # trials; they wait for git most of the time
PUT_BACK = "put-back"
LEFT = ("news", "commits", "files", "trees", "steps", "runs")  # what an item that is left does not have, or more of


@dataclass(frozen=True)
class Case:
    """One way through the pipeline."""

    name: str
    status: Status
    runs: int  # of the agent that finish
    news: tuple[str, ...] = ("question", "status")
    passes: Callable[[int], bool] = lambda _attempt: True
    answers: Mapping[str, str] = field(default_factory=dict)  # beginning of a question's title -> answer; else: approve
    meanwhile: str | None = None  # what happens while the agent is at work for the first time
    push: str | None = None
    least: int = 20  # deeds that the sweep must find

    def __str__(self) -> str:
        return self.name


CASES = [
    Case("at once", Status.COMPLETE, 1),
    Case("at the second attempt", Status.COMPLETE, 2, passes=lambda attempt: attempt >= 2),
    Case("not at all", Status.MANUAL_REVIEW, 2, news=("alert", "question"), passes=lambda _attempt: False),
    Case("skipped", Status.PLANNED, 0, news=("question",), answers={"Start": "skip"}, least=5),
    Case("pushed", Status.COMPLETE, 1, news=("question", "question", "status"), answers={"Push": "push"}, push="there"),
    Case("blocked meanwhile", Status.BLOCKED, 1, meanwhile="blocked"),
    Case("stopped meanwhile", Status.COMPLETE, 1, meanwhile="stopped", least=6),
]


class End(NamedTuple):
    """Everything that a pipeline leaves behind, without its times and numbers."""

    status: Status | None
    history: list[str | None]
    news: list[str]
    commits: str
    files: list[str]
    pushed: str
    trees: list[str]
    steps: list[str]
    runs: list[str]  # outcomes of those that were not cut off


class Trial:
    """A project on which daemons are started until the item's pipeline is over; the first of them is mortal."""

    def __init__(self, home: Path, store: Store, case: Case) -> None:
        home.mkdir(exist_ok=True)
        self.project = Project(home, store, text=ROADMAP)
        self.case = case
        self.ran: list[int] = []
        self.tested: list[int] = []
        self.daemon: Daemon | None = None
        git(home, "init", "-q", "--bare", "there")
        git(self.project.root, "remote", "add", "there", str(home / "there"))

    def build(self, task: Task, stop: Stop) -> AgentResult | None:
        number = len(task.earlier) + 1  # the same work for the same attempt, as a resumed agent's
        self.ran.append(number)
        write(Path(task.directory) / f"attempt-{number}.txt", f"made by attempt {number}\n")
        if self.case.meanwhile == "blocked" and self.project.status(KEY) is Status.IN_PROGRESS:
            self.project.set(KEY, Status.BLOCKED)
        if self.case.meanwhile == "stopped" and len(self.ran) == 1 and self.daemon is not None:
            self.daemon.stop("it was asked to")
            return AgentResult(False, None, stop.requested(), "")
        return None

    def test(self, task: Task, _stop: Stop) -> AgentResult:
        number = len(task.earlier) + 1
        self.tested.append(number)
        if self.case is not CASES[0]:  # there the work tree is clean, and removed at the end
            write(Path(task.directory) / "left-by-tests.txt", "junk\n")
        passed = self.case.passes(number)
        return AgentResult(passed, 0 if passed else 1, None if passed else "it ended with exit code 1", "1 failed")

    def new_daemon(self, owner: str, fate: Fate) -> Daemon:
        project = self.project
        store: Any = MortalStore(project.store, fate)
        agent, tests = Doing(mortal(self.build, fate, "agent")), Doing(mortal(self.test, fate, "tests"))
        desk = project.desk(agent, tests=tests, owner=owner, ask_approval=True, push=self.case.push)
        file: Any = MortalFile(project.file, fate)
        desk = desk._replace(
            store=store,
            messages=Messages(store, desk.clock, {}),
            editing=type(desk.editing)(store, file, desk.clock, desk.editing._options),
            repository=MortalRepository(str(project.root), project.file.path, fate),
        )
        return Daemon(desk, System(), poll=timedelta(milliseconds=20))

    def answer(self) -> None:
        """The person answers whatever is asked."""
        for question in self.project.messages.listing(states=OPEN):
            if question.kind is Kind.QUESTION:
                said = next((said for title, said in self.case.answers.items() if title in question.title), "approve")
                self.project.messages.respond(question.id, said, by="ada", via="terminal")

    def run(self, owner: str, fate: Fate) -> None:
        """One daemon on the item, until it ends or dies."""
        daemon = self.daemon = self.new_daemon(owner, fate)
        failed: list[Exception] = []

        def work() -> None:
            try:
                daemon.run(once=True)
            except Killed:
                pass
            except Exception as error:
                failed.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            self.answer()
            thread.join(0.02)
        if failed:
            raise failed[0]

    def finish(self) -> None:
        """New daemons, one after the other, until the pipeline is over."""
        for number in range(MOST_RESTARTS):
            if self.is_over():
                return
            self.bury()
            self.run(f"daemon-{number}", Fate())
        assert self.is_over(), self.project.told

    def is_over(self) -> bool:
        with self.project.store.reading() as tx:
            return [entry.step for entry in tx.journal.newest(KEY)][-1:] == ["end"]

    def bury(self) -> None:
        """The dead daemon's lease is over."""
        with self.project.store.writing() as tx:
            for claim in tx.claims.held(self.project.clock.now()):
                tx.claims.release(claim)

    def end(self) -> End:
        """What there is now, after checking what must hold at every end."""
        project, trees = self.project, self.project.home / "trees"
        with project.store.reading() as tx:
            assert not tx.claims.held(project.clock.now())
            assert not tx.roadmap.breaks()
            entries = tx.journal.newest(KEY)
        steps = [entry.step for entry in entries]
        assert len(steps) == len(set(steps))
        assert all(run.ended for run in project.runs())
        branch = project.branch_of(KEY)
        return End(
            status=project.status(KEY),
            history=[status for status, _reason in project.reasons(KEY)],
            news=sorted(note.kind.value for note in project.news()),
            commits=git(project.root, "log", "--format=%s", f"main..{branch}") if branch else "",
            files=project.files_of(branch) if branch else [],
            pushed=git(project.home / "there", "for-each-ref", "--format=%(refname)"),
            trees=sorted(path.name for path in trees.iterdir()) if trees.exists() else [],
            steps=[step for step in steps if step != PUT_BACK],
            runs=sorted(str(run.outcome) for run in project.runs() if run.outcome != "lost"),
        )


@pytest.fixture(autouse=True)
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)


NewStore = Callable[[Path], Any]


def trial(place: Path, new_store: NewStore, case: Case, at: int) -> tuple[End, Fate, Trial]:
    """One pipeline with one death, gone on with to its end."""
    store = new_store(place)
    try:
        one, fate = Trial(place, store, case), Fate(at)
        try:
            one.run("mortal", fate)
            one.finish()
            return one.end(), fate, one
        except BaseException as error:
            error.add_note(f"{case}: killed at deed {at}, after {fate.deeds[-3:]}")
            raise
    finally:
        store.close()


def compare(ended: End, undisturbed: End, case: Case) -> None:
    if case.meanwhile == "stopped":  # how often it was put back differs
        assert ended.history[-1:] == undisturbed.history[-1:]
        ended = ended._replace(history=undisturbed.history)
    if case.meanwhile == "blocked" and "report" not in ended.steps:  # while nobody had it in hand: it is the person's
        assert ended.news == ["question"]
        assert ended.trees  # what was done stays where it is
        assert ended.commits in ("", undisturbed.commits)
        undisturbed = undisturbed._replace(**{name: getattr(ended, name) for name in LEFT})
    assert ended == undisturbed


def sweep(home: Path, new_store: NewStore, case: Case, points: Callable[[list[str]], Iterable[int]]) -> int:
    """Kill at each of the points that are chosen from the deeds of a daemon that nobody kills; how many there were."""
    undisturbed, fate, first = trial(home / "undisturbed", new_store, case, NEVER)
    assert (undisturbed.status, undisturbed.news) == (case.status, list(case.news))
    interrupted = case.meanwhile == "stopped"
    assert len(first.ran) == case.runs + interrupted

    def one(at: int) -> bool:
        ended, fate, this = trial(home / str(at), new_store, case, at)
        try:
            compare(ended, undisturbed, case)
            for done, finished in ((this.ran, first.ran), (this.tested, first.tested)):
                assert len(done) <= len(finished) + 1
                assert set(done) == set(finished) or case.meanwhile == "blocked"
        except AssertionError as error:
            error.add_note(f"{case}: killed at deed {at}, after {fate.deeds[-3:]}")
            raise
        return fate.dead

    chosen = list(points(fate.deeds))
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        died = list(pool.map(one, chosen))
    assert all(died[:-1])  # a deed or two fewer than the undisturbed one's is luck, more would be a hole in the sweep
    return len(died)


def from_the_first(_deeds: list[str]) -> Iterable[int]:
    return range(1, len(_deeds) + 1)


def from_the_agent_on(deeds: list[str]) -> Iterable[int]:
    """The deeds before that are those of every case."""
    return range(deeds.index("agent") + 1, len(deeds) + 1)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_killed_before_every_deed(tmp_path: Path, case: Case) -> None:
    points = from_the_agent_on if case.runs and case is not CASES[0] else from_the_first
    count = sweep(tmp_path, lambda place: open_store(Databases(str(place / "data"))), case, points)
    assert count >= case.least


@pytest.mark.parametrize("case", [CASES[0], CASES[2]], ids=str)
def test_killed_before_some_deeds_on_postgresql(tmp_path: Path, postgres_server: Server, case: Case) -> None:
    def new_store(place: Path) -> Any:
        return open_store(Databases(str(place / "data"), url=postgres_server.new_database()))

    sweep(tmp_path, new_store, case, lambda deeds: range(2, len(deeds), 7))
