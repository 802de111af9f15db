"""What can come between a look and a write: each answer is to look again, to give way, or to stop."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from tests.adapters.git_states import write
from tests.work.daemon_kit import Doing, Project, System, in_thread, until, works

from coffee_maker.core.document import Document
from coffee_maker.core.errors import (
    BranchInUse,
    ClaimLost,
    DatabaseBusy,
    ItemNotFound,
    LockBusy,
    Refusal,
    RevisionChanged,
    RoadmapUnusable,
)
from coffee_maker.core.items import Status
from coffee_maker.core.ports import Stop, Store
from coffee_maker.core.questions import Draft, Kind, Source, State
from coffee_maker.core.records import AgentResult, Run, Task
from coffee_maker.utils.connection import Databases
from coffee_maker.work import accounts, pipeline, steps
from coffee_maker.work.job import Desk, Job, Left, Slots
from coffee_maker.work.supervisor import Hold, StopSign, Supervisor

TWO = "PRIORITY-2"


def claimed(project: Project, desk: Desk) -> Job:
    item = desk.editing.read().item(TWO)
    taken = pipeline.claim(desk, item)
    assert taken is not None
    return pipeline.job_of(desk, item, "text", taken, Hold(taken.claim, StopSign(), timedelta(minutes=1)), Slots(1))


# --- claiming ----------------------------------------------------------------------------------------------------


def test_one_that_was_claimed_since_it_was_chosen_is_left(project: Project) -> None:
    item = project.editing().read().item(TWO)
    assert pipeline.claim(project.desk(Doing(works), owner="first"), item)
    assert pipeline.claim(project.desk(Doing(works), owner="second"), item) is None


def test_one_that_was_done_since_it_was_chosen_is_given_back(project: Project) -> None:
    item = project.editing().read().item(TWO)
    project.set(TWO, Status.COMPLETE)
    assert pipeline.claim(project.desk(Doing(works)), item) is None
    with project.store.reading() as tx:
        assert not tx.claims.held(project.clock.now())


def test_one_that_others_finished_since_it_was_chosen_is_not_begun_again(project: Project) -> None:
    """By a daemon that was frozen in between."""
    item = project.editing().read().item(TWO)
    project.daemon(Doing(works), owner="first").run(once=True)
    with project.store.reading() as tx:
        before = tx.journal.newest(TWO)
    assert pipeline.claim(project.desk(Doing(works), owner="second"), item) is None
    with project.store.reading() as tx:
        assert tx.journal.newest(TWO) == before
        assert not tx.journal.unfinished()


def test_one_that_was_lost_while_it_was_chosen_is_not_begun(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a daemon that was frozen between its claim and its look at the roadmap: another has it by then."""
    item = project.editing().read().item(TWO)
    desk = project.desk(Doing(works), owner="first", lease=timedelta(milliseconds=1))
    read, taken = desk.editing.read, []

    def late() -> Document:
        project.later(timedelta(hours=1))
        taken.append(pipeline.claim(project.desk(Doing(works), owner="second"), item))
        return read()

    monkeypatch.setattr(desk.editing, "read", late)
    assert pipeline.claim(desk, item) is None
    (second,) = taken
    assert second is not None
    with project.store.reading() as tx:
        assert tx.journal.unfinished() == {TWO: second.pipeline}
        assert {entry.pipeline for entry in tx.journal.newest(TWO)} == {second.pipeline}


@pytest.mark.parametrize(
    ("now", "another"),
    [("Delete the old tables", True), ("Write the parser of the settings", False), ("Write the parser", False)],
)
def test_what_was_approved_for_another_item_of_that_number_is_not_begun(
    project: Project, now: str, another: bool
) -> None:
    """Two branches can each have their own PRIORITY 2; a checkout changes the one for the other."""
    desk = project.desk(Doing(works), ask_approval=True)
    job = claimed(project, desk)
    asked = Draft(Source.DAEMON, Kind.QUESTION, "Push it?", item=TWO, idempotency_key=f"{job.pipeline}:push")
    number = project.messages.notify(asked).id
    job.note("approve", {"answer": "approve"})
    with project.store.runs() as runs:
        started = Run(TWO, "daemon-1", "doing", "x", project.clock.now(), None, None, None, None, None, job.pipeline)
        runs.start(started)
    job.note("begin", {"status": "in_progress"})  # and put back: what is planned now nobody has begun
    steps.give_back(job)
    text = project.root / "ROADMAP.md"
    write(text, text.read_text().replace("Write the parser", now))
    item = desk.editing.reconcile().item(TWO)
    taken = pipeline.claim(project.desk(Doing(works), owner="second"), item)
    assert taken is not None
    assert (taken.pipeline != job.pipeline) == another
    assert ("approve" not in taken.results) == another
    assert ("begin" not in taken.results) == another
    assert ([run.outcome for run in project.runs(TWO)] == ["lost"]) == another
    with project.store.reading() as tx:
        assert tx.journal.unfinished() == {TWO: taken.pipeline}
    told = "PRIORITY-2 is another item now; what was begun for Write the parser is left as it is"
    assert (told in project.told) == another
    assert (project.messages.get(number).state is State.DISMISSED) == another


def test_one_that_is_done_and_not_told_is_told_also_when_it_got_another_title(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its daemon died in between: it had been left as another item's, its run as lost."""

    def dies(_job: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched, suppress(RuntimeError):
        patched.setattr(steps, "tell", dies)
        project.daemon(Doing(works)).run(once=True)
    with project.store.writing() as tx:
        for claim in tx.claims.held(project.clock.now()):
            tx.claims.release(claim)
    text = project.root / "ROADMAP.md"
    write(text, text.read_text().replace("Write the parser", "Tokenizer"))
    project.daemon(Doing(works), owner="second").run(once=True)
    assert [note.title for note in project.news() if note.item == TWO] == [f"{TWO} is complete"]
    assert [run.outcome for run in project.runs(TWO)] == ["complete"]
    with project.store.reading() as tx:
        assert TWO not in tx.journal.unfinished()


def test_another_item_that_has_the_number_since_it_was_approved_is_not_begun(project: Project) -> None:
    """A checkout between the answer and the status: it had been set in progress."""
    desk = project.desk(Doing(works))
    job = claimed(project, desk)
    text = project.root / "ROADMAP.md"
    write(text, text.read_text().replace("Write the parser", "Delete the old tables"))
    with pytest.raises(Left, match="another item has its number now"):
        steps.begin(job)
    assert project.status(TWO) is Status.PLANNED


def test_the_run_of_an_agent_whose_end_is_noted_is_not_lost(project: Project) -> None:
    """Its daemon died before it closed the run; the tests that come now say how it came out."""
    job = claimed(project, project.desk(Doing(works)))
    with project.store.runs() as runs:
        runs.start(Run(TWO, "daemon-1", "doing", "x", project.clock.now(), None, None, None, None, None, job.pipeline))
    job.results["agent:1"] = {"ok": True}
    accounts.settle(job)
    (run,) = project.runs(TWO)
    assert (run.ended is not None, run.outcome, run.detail) == (True, None, None)


def test_an_approval_does_not_count_for_what_has_the_number_since_it_was_asked(project: Project) -> None:
    """A checkout of another branch while the question waits: what is there now is asked about."""
    agent = Doing(works)
    daemon = project.daemon(agent, ask_approval=True)
    thread = in_thread(daemon)
    until(lambda: project.messages.listing())
    text = project.root / "ROADMAP.md"
    write(text, text.read_text().replace("Write the parser", "Delete the old tables"))
    until(lambda: len(project.messages.listing()) > 1)
    old, new = project.messages.listing()[:2]
    assert old.state is State.DISMISSED
    assert "Delete the old tables" in new.message
    assert not agent.tasks
    project.messages.respond(new.id, "approve", by="ada", via="terminal")
    until(lambda: project.status(TWO) is Status.COMPLETE)
    daemon.stop("enough")
    thread.join(20)
    assert [task.title for task in agent.tasks][:1] == ["Delete the old tables"]


@pytest.mark.parametrize("answer", ["approve", "skip"])
def test_one_that_got_another_title_while_its_daemon_was_dead_is_not_left_in_progress(
    project: Project, answer: str
) -> None:
    job = claimed(project, project.desk(Doing(works)))
    steps.begin(job)
    steps.give_back(job)  # as a death, by which nothing was put back
    text = project.root / "ROADMAP.md"
    write(text, text.read_text().replace("Write the parser", "Delete the old tables"))
    thread = in_thread(project.daemon(Doing(works), owner="second", ask_approval=True), once=True)
    until(lambda: project.messages.listing())
    project.messages.respond(project.messages.listing()[0].id, answer, by="ada", via="terminal")
    thread.join(20)
    assert project.status(TWO) is (Status.COMPLETE if answer == "approve" else Status.PLANNED)


def test_one_that_is_built_in_the_middle_of_a_merge_is_reported_when_that_is_settled(project: Project) -> None:
    """Not when the lease is over: nobody is at work on it any more."""
    text = project.root / "ROADMAP.md"

    def merges(task: Task, stop: Stop) -> None:
        works(task, stop)
        write(text, text.read_text() + "\n<<<<<<< HEAD\none\n=======\nother\n>>>>>>> branch\n")

    agent = Doing(merges)
    with pytest.raises(RoadmapUnusable, match="unfinished git merge"):
        project.daemon(agent).run(once=True)
    with project.store.reading() as tx:
        assert not tx.claims.held(project.clock.now())
    write(text, text.read_text().partition("\n<<<<<<<")[0])
    project.daemon(agent, owner="second").run(once=True)
    assert project.status(TWO) is Status.COMPLETE
    assert len(agent.tasks) == 1


def test_nothing_is_taken_up_where_runs_cannot_be_recorded(project: Project, sqlite_databases: Databases) -> None:
    """Each item would fail on it, and all of them be the person's to set back."""
    with project.store.writing():
        pass  # the directory is there, and ours
    write(Path(sqlite_databases.directory) / "analytics.db", "no database\n")
    daemon = project.daemon(Doing(works))
    thread = in_thread(daemon)
    until(lambda: any("The database analytics cannot be used" in words for words in project.told))
    assert project.status(TWO) is Status.PLANNED
    (Path(sqlite_databases.directory) / "analytics.db").unlink()
    until(lambda: project.status(TWO) is Status.COMPLETE)
    daemon.stop("enough")
    thread.join(20)


def test_the_daemon_then_chooses_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = pipeline.claim

    def raced(desk: Desk, item: object) -> object:
        monkeypatch.setattr(pipeline, "claim", claim)
        return None

    monkeypatch.setattr(pipeline, "claim", raced)
    assert project.daemon(Doing(works)).run(once=True)[0].key == TWO


# --- writing the status ------------------------------------------------------------------------------------------


def refusing(desk: Desk, refusals: list[Refusal]) -> Desk:
    """A desk whose next status writes are refused."""
    write_status = desk.editing.set_status

    def set_status(*args: object, **order: object) -> object:
        if refusals:
            raise refusals.pop(0)
        return write_status(*args, **order)  # type: ignore[arg-type]

    desk.editing.set_status = set_status  # type: ignore[method-assign, assignment]
    return desk


BUSY = LockBusy(what="ROADMAP.md", holder="x", since="y", waited="10 s")
EDITED = RevisionChanged(what=TWO, actual="a", expected="b", ref=TWO)


@pytest.mark.parametrize("refusal", [BUSY, EDITED, ItemNotFound(ref=TWO)])
def test_it_looks_again_and_writes(project: Project, refusal: Refusal) -> None:
    desk = refusing(project.desk(Doing(works)), [refusal, refusal])
    job = claimed(project, desk)
    assert steps.set_status(job, Status.PLANNED, Status.IN_PROGRESS, "r", "begin")
    assert project.status(TWO) is Status.IN_PROGRESS


def test_patience_has_an_end(project: Project) -> None:
    desk = refusing(project.desk(Doing(works)), [BUSY] * 100)
    job = claimed(project, desk)
    with pytest.raises(LockBusy):
        steps.set_status(job, Status.PLANNED, Status.IN_PROGRESS, "r", "begin")
    edited = refusing(desk, [EDITED] * 100)
    job.desk = edited
    assert not steps.set_status(job, Status.PLANNED, Status.IN_PROGRESS, "r", "begin")


def test_a_claim_of_yesterday_writes_nothing(project: Project) -> None:
    desk = project.desk(Doing(works))
    job = claimed(project, desk)
    steps.give_back(job)
    project.desk(Doing(works), owner="another")
    with pytest.raises(ClaimLost):
        steps.set_status(job, Status.PLANNED, Status.IN_PROGRESS, "r", "begin")
    assert project.status(TWO) is Status.PLANNED


# --- two things at once ------------------------------------------------------------------------------------------


def steal(project: Project) -> None:
    with project.store.writing() as tx:
        for claim in tx.claims.held(project.clock.now()):
            tx.claims.release(claim)


def test_a_refused_step_of_a_lost_claim_writes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: str, branch: str) -> object:
        steal(project)
        raise BranchInUse(branch=branch, where="there")

    monkeypatch.setattr(project.repository, "open_worktree", refuse)
    assert project.daemon(Doing(works)).run(once=True)[0].outcome == "lost"
    assert project.status(TWO) is Status.IN_PROGRESS


def test_stopping_without_the_claim_writes_nothing(project: Project) -> None:
    def stops(task: Task, _stop: Stop) -> AgentResult:
        steal(project)
        daemon.stop("Ctrl-C")
        return AgentResult(False, None, "stopped", "")

    daemon = project.daemon(Doing(stops))
    assert daemon.run(once=True)[0].outcome == "lost"
    assert project.status(TWO) is Status.IN_PROGRESS


def test_a_stop_before_the_first_look_takes_nothing_up(project: Project) -> None:
    daemon = project.daemon(Doing(works))
    daemon.stop("at once")
    assert daemon.run() == []
    assert project.status(TWO) is Status.PLANNED


def test_a_roadmap_that_is_gone_for_a_moment_is_waited_for(project: Project) -> None:
    path = project.root / "ROADMAP.md"
    text = path.read_text()
    path.unlink()
    daemon = project.daemon(Doing(works))
    running = in_thread(daemon)
    until(lambda: any("There is no roadmap" in line for line in project.told))
    write(path, text)
    until(lambda: project.status(TWO) is Status.COMPLETE)
    daemon.stop("enough")
    running.join()
    assert sum("There is no roadmap" in line for line in project.told) == 1


# --- the supervisor and a database that is away --------------------------------------------------------------------


class Away:
    """A store that can be taken away."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.away = False
        self.refused = threading.Event()

    @contextmanager
    def writing(self) -> Iterator[object]:
        if self.away:
            self.refused.set()
            raise DatabaseBusy(name="notifications", holder="x", waited="10 s")
        with self._store.writing() as tx:
            yield tx

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


class BrokenWakeup:
    def wait(self, timeout: float) -> bool:
        raise DatabaseBusy(name="notifications", holder="x", waited="10 s")


def supervisor(project: Project, store: object, lease: timedelta) -> Supervisor:
    return Supervisor(
        store,  # type: ignore[arg-type]
        project.messages,
        project.clock,
        owner="daemon-1",
        system=System(),
        lease=lease,
    )


def test_a_database_that_is_away_for_longer_than_the_lease_ends_the_work(project: Project) -> None:
    store, lease = Away(project.store), timedelta(seconds=6)
    desk = project.desk(Doing(works), lease=lease)
    job = claimed(project, desk)
    with supervisor(project, store, lease) as watched, watched.holding(job.hold.claim) as hold:
        store.away = True
        until(lambda: hold.trouble != "no answer")
        until(hold.requested)
        store.away = False
    assert "not renewed in time: The database notifications is busy" in str(hold.requested())


def test_the_work_ends_in_time_also_when_the_renewal_itself_hangs(project: Project) -> None:
    """The thread that renews waits for a lock or a disk and says nothing; others may take the item when the lease is
    over, and by then no agent may be at work."""
    lease = timedelta(milliseconds=800)
    job = claimed(project, project.desk(Doing(works), lease=lease))
    with supervisor(project, project.store, lease) as watched:
        with project.store.writing(), watched.holding(job.hold.claim) as hold:  # nobody else can write now
            until(hold.requested)
        assert "not renewed in time" in str(hold.lost)


def test_a_database_that_is_away_for_a_moment_costs_nothing(project: Project) -> None:
    store, lease = Away(project.store), timedelta(seconds=8)
    desk = project.desk(Doing(works), lease=lease)
    job = claimed(project, desk)
    with supervisor(project, store, lease) as watched, watched.holding(job.hold.claim) as hold:
        first = hold.claim.until
        store.away = True
        assert store.refused.wait(60)
        watched.beat()
        store.away = False
        until(lambda: hold.claim.until > first)
        assert hold.requested() is None


def test_a_pause_outlives_a_database_that_is_away(project: Project) -> None:
    watched = supervisor(project, project.store, timedelta(seconds=1))
    watched.pause(BrokenWakeup(), 0.01)


def test_claims_that_many_threads_begin_and_end_to_hold_are_all_kept(project: Project) -> None:
    """One that got lost would run out under the work; one that stayed would be renewed for ever."""
    watched = supervisor(project, project.store, timedelta(seconds=1))
    claim = claimed(project, project.desk(Doing(works))).hold.claim
    count, failed = 50, []
    lease = timedelta(minutes=1)
    others = [Hold(claim, StopSign(), lease) for _ in range(300)]  # so that a change takes long enough to be cut in on
    watched._holds = list(others)

    def hold() -> None:
        for _ in range(count):
            with watched.holding(claim) as mine:
                if mine not in watched._holds:
                    failed.append(mine)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=hold) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failed
    assert watched._holds == others


def test_the_first_reason_to_stop_is_the_one_that_is_told() -> None:
    sign = StopSign()
    for reason in ("first", "second"):
        sign.set(reason)
    assert sign.requested() == "first"


def test_word_to_the_person_names_the_branch_the_tree_and_the_output(project: Project) -> None:
    def fails(task: Task, _stop: Stop) -> AgentResult:
        return AgentResult(False, 1, "it ended with exit code 1", "")

    project.daemon(Doing(works), tests=Doing(fails)).run(once=True)
    message = project.news()[-1].message
    assert "git diff HEAD...roadmap/PRIORITY-2-write-the-parser" in message
    assert "coffee-roadmap daemon retry PRIORITY-2" in message
    assert f"Work tree: {project.tree(TWO)}" in message
    assert "tests.log" in message


def test_a_loop_that_fails_stops_what_is_in_hand(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody would hear any more what is asked of it."""
    begun = threading.Event()

    def waits(_task: Task, stop: Stop) -> AgentResult:
        begun.set()
        until(stop.requested)
        return AgentResult(False, None, stop.requested(), "")

    daemon = project.daemon(Doing(waits))

    def hear() -> None:
        if begun.is_set():
            raise RuntimeError("a bug")

    monkeypatch.setattr(daemon._controls, "hear", hear)
    with pytest.raises(RuntimeError, match="a bug"):
        daemon.run()
    assert project.status(TWO) is Status.PLANNED


def test_a_supervisor_that_is_left_with_items_in_hand_leaves_its_heartbeat(project: Project) -> None:
    """By it, others see that it is gone; one that has nothing in hand leaves none."""
    desk = project.desk(Doing(works))
    lease = timedelta(minutes=1)
    for in_hand in (True, False):
        supervisor = Supervisor(
            project.store, project.messages, project.clock, owner="one", system=System(), lease=lease
        )
        taken = pipeline.claim(desk, desk.editing.read().item("PRIORITY-2")) if in_hand else None
        holding = [supervisor.holding(taken.claim)] if taken else []
        with supervisor:
            for one in holding:
                one.__enter__()  # and is never left, as by a thread that is cut off
        with project.store.reading() as tx:
            assert [beat.daemon for beat in tx.heartbeats.all()] == (["one"] if in_hand else [])
