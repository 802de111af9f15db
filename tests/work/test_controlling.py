"""What a person asks of the daemons, through the store: on both databases, and from another process's view."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest
from tests.work.daemon_kit import Doing, Project, System, in_thread, until, works
from tests.work.test_pipeline_races import Away

from coffee_maker.core.errors import ItemInHand, ItemNotFound, NoDaemon
from coffee_maker.core.items import Status
from coffee_maker.core.ports import Stop, Store
from coffee_maker.core.questions import OPEN, State
from coffee_maker.core.records import AgentResult, Control, Heartbeat, Task
from coffee_maker.work.controlling import Controlling, Controls
from coffee_maker.work.daemon import Daemon

TWO, THREE = "PRIORITY-2", "PRIORITY-3"


@pytest.fixture
def project(tmp_path: Path, store: Store, person: None) -> Project:
    return Project(tmp_path, store)


@pytest.fixture
def single(tmp_path: Path, sqlite_store: Store, person: None) -> Project:
    """For tests in which the kind of database plays no part."""
    return Project(tmp_path, sqlite_store)


def controlling(project: Project) -> Controlling:
    return Controlling(project.store, project.clock, project.editing())


class Held:
    """An agent that works until it is let go or stopped."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()
        self.stopped: str | None = None

    def __call__(self, task: Task, stop: Stop) -> AgentResult | None:
        works(task, stop)
        self.begun.set()
        until(lambda: self.let_go.is_set() or stop.requested())
        self.stopped = stop.requested()
        return AgentResult(False, None, self.stopped, "") if self.stopped else None


def unfinished(project: Project) -> dict[str, int]:
    with project.store.reading() as tx:
        return dict(tx.journal.unfinished())


# --- stop --------------------------------------------------------------------------------------------------------


def test_stop_ends_the_agent_plans_the_item_again_and_waits_until_the_daemon_is_gone(project: Project) -> None:
    held = Held()
    running = in_thread(project.daemon(Doing(held)))
    assert held.begun.wait(20)
    told: list[list[str]] = []
    asked = controlling(project).stop(
        Control("stop", "ada", reason="lunch"), patience=30, tell=lambda left: told.append(list(left))
    )
    running.join(20)
    assert (asked.gone, dict(asked.replies)) == (("daemon-1",), {"daemon-1": "stopping"})
    assert told == [["daemon-1"], []]
    assert held.stopped == "stopped by ada: lunch"
    assert project.status(TWO) is Status.PLANNED
    assert project.reasons(TWO)[-1] == ("planned", "daemon stopped: stopped by ada: lunch")
    assert TWO in unfinished(project)


def test_stop_after_the_item_lets_it_be_done_and_takes_no_other(project: Project) -> None:
    held = Held()
    running = in_thread(project.daemon(Doing(held)))
    assert held.begun.wait(20)
    asked = controlling(project).stop(Control("stop", "ada", how="after-item"), patience=0)
    assert asked.gone == ()
    until(lambda: [beat.state for beat in controlling(project).daemons()] == ["stopping"])
    held.let_go.set()
    running.join(20)
    assert not running.is_alive()
    assert (project.status(TWO), project.status(THREE)) == (Status.COMPLETE, Status.PLANNED)


def test_stop_by_force_answers_first(single: Project) -> None:
    """What comes after it is the process's end, which a test with real processes sees."""
    ended, held = threading.Event(), Held()
    daemon = single.daemon(Doing(held))
    daemon._controls = Controls(daemon._desk, daemon, end=ended.set)
    running = in_thread(daemon)
    assert held.begun.wait(20)
    asked = controlling(single).stop(Control("stop", "ada", how="force"), patience=0)
    assert ended.wait(20)
    with single.store.reading() as tx:
        assert dict(tx.controls.replies(asked.control.id)) == {"daemon-1": "killed"}
    assert held.stopped is None
    daemon.stop("enough")
    running.join(20)


def test_a_stop_by_force_is_heard_while_an_earlier_stop_waits_for_a_long_step(single: Project) -> None:
    begun, let_go, ended = threading.Event(), threading.Event(), threading.Event()

    def deaf(task: Task, stop: Stop) -> None:
        works(task, stop)
        begun.set()
        let_go.wait(30)

    daemon = single.daemon(Doing(deaf))
    daemon._controls = Controls(daemon._desk, daemon, end=ended.set)
    running = in_thread(daemon)
    assert begun.wait(20)
    controlling(single).stop(Control("stop", "ada"), patience=0.0)
    until(lambda: daemon._supervisor.sign.requested())
    controlling(single).stop(Control("stop", "ada", how="force"), patience=0.0)
    assert ended.wait(20)
    let_go.set()
    running.join()


def test_stop_without_a_daemon_is_refused(project: Project) -> None:
    with pytest.raises(NoDaemon):
        controlling(project).stop(Control("stop", "ada"), patience=0)
    old = Heartbeat("old", "h", 1, "b", "idle", None, None, project.clock.now() - timedelta(minutes=5), {})
    with project.store.writing() as tx:
        tx.heartbeats.beat(old)
    with pytest.raises(NoDaemon):
        controlling(project).stop(Control("stop", "ada"), patience=0)


def test_stop_of_one_of_two(project: Project) -> None:
    first, second = project.daemon(Doing(works), owner="one"), project.daemon(Doing(works), owner="two")
    project.set(TWO, Status.BLOCKED)
    threads = in_thread(first), in_thread(second)
    until(lambda: len(controlling(project).daemons()) == 2)
    asked = controlling(project).stop(Control("stop", "ada", daemon="one"), patience=30)
    assert asked.gone == ("one",)
    assert [beat.daemon for beat in controlling(project).daemons()] == ["two"]
    second.stop("enough")
    for thread in threads:
        thread.join(20)


def test_what_was_asked_before_a_daemon_came_is_not_for_it(project: Project) -> None:
    for how in (None, "force"):
        controlling(project).ask(Control("stop", "ada", how=how))
    assert project.daemon(Doing(works)).run(once=True)[0].outcome == "complete"


def test_a_database_that_is_away_while_it_answers_does_not_end_the_daemon(single: Project) -> None:
    held = Held()
    desk = single.desk(Doing(held))
    away = Away(single.store)
    daemon = Daemon(desk, System(), poll=timedelta(milliseconds=50))
    daemon._controls = Controls(desk._replace(store=away), daemon)  # type: ignore[arg-type]
    running = in_thread(daemon)
    assert held.begun.wait(20)
    away.away = True
    controlling(single).ask(Control("pause", "ada"))
    until(lambda: daemon.paused)
    away.away = False
    controlling(single).ask(Control("resume", "ada"))
    until(lambda: not daemon.paused)
    held.let_go.set()
    until(lambda: single.status(TWO) is Status.COMPLETE)
    daemon.stop("enough")
    running.join(20)
    assert not running.is_alive()


# --- pause -------------------------------------------------------------------------------------------------------


def test_pause_lets_what_is_in_hand_go_on_and_nothing_new_begin(project: Project) -> None:
    held = Held()
    daemon = project.daemon(Doing(held))
    running = in_thread(daemon)
    assert held.begun.wait(20)
    controlling(project).ask(Control("pause", "ada"))
    until(lambda: "paused by ada" in project.told)
    held.let_go.set()
    until(lambda: project.status(TWO) is Status.COMPLETE)
    until(lambda: [beat.state for beat in controlling(project).daemons()] == ["paused"])
    assert project.status(THREE) is Status.PLANNED
    controlling(project).ask(Control("resume", "ada"))
    until(lambda: project.status(THREE) is Status.COMPLETE)
    daemon.stop("enough")
    running.join(20)


def test_a_pause_stands_for_a_daemon_that_comes_later(project: Project) -> None:
    controlling(project).ask(Control("pause", "ada"))
    agent = Doing(works)
    assert project.daemon(agent).run(once=True) == []
    assert "paused by ada" in project.told
    assert not agent.tasks
    controlling(project).ask(Control("resume", "ada"))
    assert project.daemon(agent).run(once=True)[0].outcome == "complete"


def test_a_pause_twice_and_a_resume_once(project: Project) -> None:
    for kind in ("pause", "pause", "resume"):
        controlling(project).ask(Control(kind, "ada"))
    assert project.daemon(Doing(works)).run(once=True)[0].outcome == "complete"


# --- skip --------------------------------------------------------------------------------------------------------


def test_skip_of_an_item_in_hand_makes_the_daemon_leave_it(project: Project) -> None:
    held = Held()
    daemon = project.daemon(Doing(held))
    running = in_thread(daemon)
    assert held.begun.wait(20)
    number = controlling(project).skip("2", by="ada", reason="keys").control.id
    until(lambda: project.status(TWO) is Status.PLANNED)
    until(lambda: any("every planned item waits" in line for line in project.told))
    assert held.stopped == "skipped by ada: keys"
    assert project.reasons(TWO)[-1] == ("planned", "left alone: skipped by ada: keys")
    with project.store.reading() as tx:
        assert dict(tx.controls.replies(number)) == {"daemon-1": "leaving it"}
        assert not tx.claims.held(project.clock.now())
    assert not unfinished(project)
    assert (project.tree(TWO) / f"{TWO}.txt").exists()  # nothing that was done is thrown away
    daemon.stop("enough")
    running.join(20)


def test_skip_of_an_item_that_nobody_has_in_hand(project: Project) -> None:
    controlling(project).skip("PRIORITY 2", by="ada", reason="keys")
    assert project.daemon(Doing(works)).run(once=True) == []
    assert "PRIORITY-2: skipped by ada: keys" in project.told[0]
    with pytest.raises(ItemNotFound):
        controlling(project).skip("99", by="ada", reason=None)


def test_skip_of_an_item_that_is_being_asked_about_takes_the_question_back(project: Project) -> None:
    daemon = project.daemon(Doing(works), ask_approval=True)
    running = in_thread(daemon)
    until(project.news)
    controlling(project).skip("2", by="ada", reason=None)
    until(lambda: not unfinished(project))
    until(lambda: any("every planned item waits" in line for line in project.told))
    assert [one.state for one in project.news()] == [State.DISMISSED]
    daemon.stop("enough")
    running.join(20)


# --- retry -------------------------------------------------------------------------------------------------------


def failed_once(project: Project) -> None:
    fails = Doing(lambda task, stop: AgentResult(False, 1, "it ended with exit code 1", ""))
    project.daemon(fails, max_attempts=1).run(once=True)
    assert project.status(TWO) is Status.MANUAL_REVIEW


def test_retry_plans_an_item_under_review_and_begins_anew(project: Project) -> None:
    failed_once(project)
    controlling(project).retry("2", by="ada", reason="it was the network")
    assert project.status(TWO) is Status.PLANNED
    assert project.reasons(TWO)[-1] == ("planned", "it was the network")
    agent = Doing(works)
    assert project.daemon(agent).run(once=True)[0].outcome == "complete"
    assert agent.tasks[0].earlier == ()


def test_retry_closes_what_was_begun_and_takes_a_skip_and_its_question_back(project: Project) -> None:
    daemon = project.daemon(Doing(works), ask_approval=True)
    running = in_thread(daemon, once=True)
    until(project.news)
    daemon.stop("enough")
    running.join(20)
    assert TWO in unfinished(project)
    controlling(project).skip("2", by="ada", reason=None)
    controlling(project).retry("2", by="ada", reason=None)
    assert not unfinished(project)
    assert not project.messages.listing(states=OPEN)  # an answer to it would be heard by nobody
    running = in_thread(project.daemon(Doing(works), ask_approval=True), once=True)
    until(lambda: project.messages.listing(states=OPEN))
    (question,) = project.messages.listing(states=OPEN)
    project.messages.respond(question.id, "approve", by="ada", via="terminal")
    running.join(20)
    assert project.status(TWO) is Status.COMPLETE


def test_retry_of_an_item_in_hand_is_refused(project: Project) -> None:
    held = Held()
    daemon = project.daemon(Doing(held))
    running = in_thread(daemon)
    assert held.begun.wait(20)
    with pytest.raises(ItemInHand) as refused:
        controlling(project).retry("2", by="ada", reason=None)
    assert refused.value.exit_code == 5
    assert project.status(TWO) is Status.IN_PROGRESS
    daemon.stop("enough")
    running.join(20)


def test_retry_is_heard_by_a_daemon_that_had_left_the_item_alone(project: Project) -> None:
    daemon = project.daemon(Doing(works), ask_approval=True)
    running = in_thread(daemon)
    until(project.news)
    project.messages.respond(project.news()[-1].id, "skip", by="ada", via="terminal")
    until(lambda: any("every planned item waits" in line for line in project.told))
    controlling(project).retry("2", by="ada", reason=None)
    until(lambda: len(project.news()) == 2)
    project.messages.respond(project.news()[-1].id, "approve", by="ada", via="terminal")
    until(lambda: project.status(TWO) is Status.COMPLETE)
    daemon.stop("enough")
    running.join(20)


def test_an_agent_that_does_nothing_at_the_retry_is_not_credited_with_what_was_done_before(project: Project) -> None:
    fails = Doing(lambda task, stop: AgentResult(False, 1, "it ended with exit code 1", "1 failed"))
    project.daemon(Doing(works), tests=fails, max_attempts=1).run(once=True)
    assert project.files_of(project.branch_of(TWO)) == [f"{TWO}.txt"]
    controlling(project).retry("2", by="ada", reason=None)
    done = project.daemon(Doing(lambda task, stop: None)).run(once=True)
    assert done[0].outcome == "manual_review"
    assert "changed nothing" in (done[0].reason or "")


# --- what a person takes is theirs -------------------------------------------------------------------------------


def stopped_in_the_middle(project: Project) -> None:
    held = Held()
    daemon = project.daemon(Doing(held))
    running = in_thread(daemon)
    assert held.begun.wait(20)
    daemon.stop("Ctrl-C")
    running.join(20)
    assert TWO in unfinished(project)


def test_an_item_that_was_put_back_and_that_the_person_then_took_is_theirs(project: Project) -> None:
    stopped_in_the_middle(project)
    project.set(TWO, Status.IN_PROGRESS)
    agent = Doing(works)
    assert project.daemon(agent).run(once=True) == []
    assert not agent.tasks
    assert project.status(TWO) is Status.IN_PROGRESS
    assert not unfinished(project)


@pytest.mark.parametrize("status", [Status.COMPLETE, Status.BLOCKED, Status.CANCELLED, Status.MANUAL_REVIEW])
def test_the_pipeline_of_an_item_that_the_person_took_elsewhere_is_closed(project: Project, status: Status) -> None:
    stopped_in_the_middle(project)
    project.set(TWO, status)
    project.set(THREE, Status.BLOCKED)
    project.daemon(Doing(works)).run(once=True)
    assert not unfinished(project)
    assert project.status(TWO) is status


def test_the_pipeline_of_an_item_that_was_removed_is_closed(project: Project) -> None:
    stopped_in_the_middle(project)
    project.editing().remove(TWO, by="person")
    project.daemon(Doing(works)).run(once=True)
    assert not unfinished(project)
