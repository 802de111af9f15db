"""Several items in hand: as many agents as there are places, and others go on while one waits for a person."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.work.daemon_kit import Doing, Project, in_thread, until, works
from tests.work.watching_kit import in_hand, questions

from coffee_maker.core.items import Status
from coffee_maker.core.ports import Stop, Store
from coffee_maker.core.records import AgentResult, Task
from coffee_maker.work.job import Left

ITEMS = """\
# Roadmap

### PRIORITY 1: One

**Status**: 📝 Planned

### PRIORITY 2: Two, upon one

**Status**: 📝 Planned
**Depends On**: PRIORITY 1

### PRIORITY 3: Three

**Status**: 📝 Planned

### PRIORITY 4: Four

**Status**: 📝 Planned
"""
ONE, TWO, THREE, FOUR = (f"PRIORITY-{number}" for number in (1, 2, 3, 4))


@pytest.fixture
def project(tmp_path: Path, sqlite_store: Store, person: None) -> Project:
    return Project(tmp_path, sqlite_store, text=ITEMS)


@pytest.fixture
def shared(tmp_path: Path, store: Store) -> Project:
    return Project(tmp_path, store, text=ITEMS)


class Crowd:
    """Agents that work until they are let go; who is at work, and how many there were at most."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.at_work: set[str] = set()
        self.most = 0
        self.free: dict[str, threading.Event] = {}

    def __call__(self, task: Task, stop: Stop) -> AgentResult | None:
        works(task, stop)
        with self.lock:
            gate = self.free.setdefault(task.key, threading.Event())
            self.at_work.add(task.key)
            self.most = max(self.most, len(self.at_work))
        until(lambda: gate.is_set() or stop.requested())
        with self.lock:
            self.at_work.remove(task.key)
        reason = stop.requested()
        return AgentResult(False, None, reason, "") if reason else None


def test_as_many_agents_as_there_are_places(shared: Project) -> None:
    crowd = Crowd()
    daemon = shared.daemon(Doing(crowd), parallel=2)
    running = in_thread(daemon)
    until(lambda: crowd.at_work == {ONE, THREE})  # two depends on one
    assert shared.status(FOUR) is Status.PLANNED
    crowd.free[THREE].set()
    until(lambda: crowd.at_work == {ONE, FOUR})
    assert shared.status(TWO) is Status.PLANNED
    crowd.free[ONE].set()
    until(lambda: crowd.at_work == {TWO, FOUR})
    for gate in (crowd.free[TWO], crowd.free[FOUR]):
        gate.set()
    until(lambda: all(shared.status(key) is Status.COMPLETE for key in (ONE, TWO, THREE, FOUR)))
    daemon.stop("enough")
    running.join(60)
    assert crowd.most == 2
    assert len(shared.runs()) == 4


def test_while_one_waits_for_its_answer_what_does_not_depend_on_it_goes_on(shared: Project) -> None:
    agent = Doing(works)
    daemon = shared.daemon(agent, ask_approval=True, parallel=1, waiting=3)
    running = in_thread(daemon)
    until(lambda: {one.item for one in questions(shared)} == {ONE, THREE, FOUR})
    by_item = {one.item: one.id for one in questions(shared)}
    shared.messages.respond(by_item[THREE], "approve", by="ada", via="terminal")
    shared.messages.respond(by_item[FOUR], "approve", by="ada", via="terminal")
    until(lambda: shared.status(THREE) is shared.status(FOUR) is Status.COMPLETE)
    assert (shared.status(ONE), shared.status(TWO)) == (Status.PLANNED, Status.PLANNED)
    assert [one.item for one in questions(shared)] == [ONE]
    shared.messages.respond(by_item[ONE], "approve", by="ada", via="terminal")
    until(lambda: [one.item for one in questions(shared)] == [TWO])  # what depends on it comes after it
    assert shared.status(ONE) is Status.COMPLETE
    daemon.stop("enough")
    running.join(60)


def test_no_more_than_so_many_wait_at_once(project: Project) -> None:
    daemon = project.daemon(Doing(works), ask_approval=True, parallel=1, waiting=1)
    running = in_thread(daemon)
    until(lambda: any(job.idle for job in daemon._jobs))
    assert not daemon._room()
    assert [one.item for one in questions(project)] == [ONE]
    project.messages.respond(questions(project)[0].id, "skip", by="ada", via="terminal")
    until(lambda: [one.item for one in questions(project)] == [THREE])
    daemon.stop("enough")
    running.join(60)


def test_one_that_is_skipped_while_others_work_gives_its_place_up(project: Project) -> None:
    crowd = Crowd()
    daemon = project.daemon(Doing(crowd), parallel=2)
    running = in_thread(daemon)
    until(lambda: crowd.at_work == {ONE, THREE})
    assert daemon.skip(THREE, "skipped by ada")
    assert not daemon.skip("PRIORITY-9", "skipped by ada")
    until(lambda: crowd.at_work == {ONE, FOUR})
    assert project.status(THREE) is Status.PLANNED
    daemon.stop("enough")
    running.join(60)
    assert {project.status(key) for key in (ONE, THREE, FOUR)} == {Status.PLANNED}


def test_one_that_loses_its_claim_stops_and_the_others_go_on(project: Project) -> None:
    crowd = Crowd()
    daemon = project.daemon(Doing(crowd), parallel=2)
    running = in_thread(daemon)
    until(lambda: crowd.at_work == {ONE, THREE})
    lost = next(job for job in daemon._jobs if job.key == ONE)
    lost.hold.lose("it is another's now")
    until(lambda: ONE not in crowd.at_work)
    crowd.free[THREE].set()
    until(lambda: project.status(THREE) is Status.COMPLETE)
    assert project.status(ONE) is Status.IN_PROGRESS  # whose it is now
    daemon.stop("enough")
    running.join(60)


def test_that_as_many_wait_as_may_is_told(project: Project) -> None:
    def reasons() -> list[str | None]:
        with project.store.reading() as tx:
            return [beat.because for beat in tx.heartbeats.all()]

    daemon = project.daemon(Doing(works), ask_approval=True, waiting=2)
    running = in_thread(daemon)
    until(lambda: len(questions(project)) == 2)
    until(lambda: str(reasons()[0]).startswith("As many items wait as may ([daemon] waiting = 2)"))
    project.messages.respond(questions(project)[0].id, "skip", by="ada", via="terminal")
    until(lambda: len(project.news()) == 3)
    daemon.stop("enough")
    running.join()


def test_tests_come_at_once_whoever_waits_for_a_place(project: Project) -> None:
    """Else one that was built in seconds would wait for another's agent, perhaps for an hour."""
    order: list[str] = []
    both = threading.Event()

    def agent(task: Task, stop: Stop) -> AgentResult | None:
        order.append(f"agent {task.key}")
        assert both.wait(60)
        return works(task, stop)

    def tests(task: Task, _stop: Stop) -> AgentResult | None:
        order.append(f"tests {task.key}")
        return None

    daemon = project.daemon(Doing(agent), tests=Doing(tests), parallel=1, ask_approval=True)
    running = in_thread(daemon)
    until(lambda: len(questions(project)) == 3)
    for one in questions(project)[:2]:
        project.messages.respond(one.id, "approve", by="ada", via="terminal")
    until(lambda: any("a free place" in str(job["waits_for"]) for job in jobs(project)))
    both.set()
    until(lambda: len(order) == 4)
    daemon.stop("enough")
    running.join()
    first, second = (line.removeprefix("agent ") for line in order if line.startswith("agent"))
    assert order == [f"agent {first}", f"tests {first}", f"agent {second}", f"tests {second}"]


def test_who_finds_a_free_place_does_not_tell_that_it_waits(project: Project) -> None:
    job = in_hand(project, "PRIORITY-1")
    told: list[str | None] = []
    job.changed = lambda: told.append(job.waits_for)
    job.take_place("agent")
    assert not told
    other = in_hand(project, "PRIORITY-3")
    other.slots = job.slots
    other.changed = lambda: (told.append(other.waits_for), job.leave_place())[0]
    other.take_place("agent")
    assert told == ["a free place for its agent", None]


def test_who_is_to_end_takes_no_place_that_others_leave(project: Project) -> None:
    job, other = in_hand(project, "PRIORITY-1"), in_hand(project, "PRIORITY-3")
    other.slots = job.slots
    job.take_place("agent")
    waits = threading.Event()
    other.changed = waits.set
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            other.take_place("agent")
        except Left as left:
            ended.append(left)

    thread = threading.Thread(target=wait)
    thread.start()
    assert waits.wait(60)
    other.skip.set("enough")
    job.leave_place()
    thread.join(60)
    assert [str(one) for one in ended] == ["enough"]
    job.take_place("agent")  # the place is free


def jobs(project: Project) -> list[Mapping[str, object]]:
    with project.store.reading() as tx:
        return [job for beat in tx.heartbeats.all() for job in beat.jobs]
