"""What a person asks of the daemons, through the store: on both databases, and from another process's view."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.work.daemon_kit import Doing, Project, System, in_thread, until, works
from tests.work.test_pipeline_races import Away

from coffee_maker.core.errors import AlreadyOver, ItemInHand, ItemNotFound, NoDaemon
from coffee_maker.core.items import Status
from coffee_maker.core.ports import Stop
from coffee_maker.core.questions import OPEN, Draft, Kind, Source, State
from coffee_maker.core.records import AgentResult, Control, Entry, Heartbeat, Task
from coffee_maker.work.controlling import Controlling, Controls
from coffee_maker.work.daemon import Daemon
from coffee_maker.work.standing import claims_of_the_living, interrupted

TWO, THREE = "PRIORITY-2", "PRIORITY-3"


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


def unfinished(shared: Project) -> dict[str, int]:
    with shared.store.reading() as tx:
        return dict(tx.journal.unfinished())


# --- stop --------------------------------------------------------------------------------------------------------


def test_stop_ends_the_agent_plans_the_item_again_and_waits_until_the_daemon_is_gone(shared: Project) -> None:
    held = Held()
    running = in_thread(shared.daemon(Doing(held)))
    assert held.begun.wait(60)
    told: list[list[str]] = []
    asked = controlling(shared).stop(
        Control("stop", "ada", reason="lunch"), patience=30, tell=lambda left: told.append(list(left))
    )
    running.join(60)
    assert (asked.gone, dict(asked.replies)) == (("daemon-1",), {"daemon-1": "stopping"})
    assert told == [["daemon-1"], []]
    assert held.stopped == "stopped by ada: lunch"
    assert shared.status(TWO) is Status.PLANNED
    assert shared.reasons(TWO)[-1] == ("planned", "daemon stopped: stopped by ada: lunch")
    assert TWO in unfinished(shared)


def test_stop_after_the_item_lets_it_be_done_and_takes_no_other(shared: Project) -> None:
    held = Held()
    running = in_thread(shared.daemon(Doing(held)))
    assert held.begun.wait(60)
    asked = controlling(shared).stop(Control("stop", "ada", how="after-item"), patience=0)
    assert asked.gone == ()
    until(lambda: [beat.state for beat in controlling(shared).daemons()] == ["stopping"])
    held.let_go.set()
    running.join(60)
    assert not running.is_alive()
    assert (shared.status(TWO), shared.status(THREE)) == (Status.COMPLETE, Status.PLANNED)


def test_stop_by_force_answers_first(project: Project) -> None:
    """What comes after it is the process's end, which a test with real processes sees."""
    ended, held = threading.Event(), Held()
    daemon = project.daemon(Doing(held))
    daemon._controls = Controls(daemon._desk, daemon, end=ended.set)
    running = in_thread(daemon)
    assert held.begun.wait(60)
    asked = controlling(project).stop(Control("stop", "ada", how="force"), patience=0)
    assert ended.wait(60)
    with project.store.reading() as tx:
        assert dict(tx.controls.replies(asked.control.id)) == {"daemon-1": "killed"}
    assert held.stopped is None
    daemon.stop("enough")
    running.join(60)


def test_a_stop_by_force_is_heard_while_an_earlier_stop_waits_for_a_long_step(project: Project) -> None:
    begun, let_go, ended = threading.Event(), threading.Event(), threading.Event()

    def deaf(task: Task, stop: Stop) -> None:
        works(task, stop)
        begun.set()
        let_go.wait(30)

    daemon = project.daemon(Doing(deaf))
    daemon._controls = Controls(daemon._desk, daemon, end=ended.set)
    running = in_thread(daemon)
    assert begun.wait(60)
    controlling(project).stop(Control("stop", "ada"), patience=0.0)
    until(lambda: daemon._supervisor.sign.requested())
    controlling(project).stop(Control("stop", "ada", how="force"), patience=0.0)
    assert ended.wait(60)
    let_go.set()
    running.join()


def test_stop_without_a_daemon_is_refused(shared: Project) -> None:
    with pytest.raises(NoDaemon):
        controlling(shared).stop(Control("stop", "ada"), patience=0)
    old = Heartbeat("old", "h", 1, "b", "idle", None, None, shared.clock.now() - timedelta(minutes=5), {})
    with shared.store.writing() as tx:
        tx.heartbeats.beat(old)
    with pytest.raises(NoDaemon):
        controlling(shared).stop(Control("stop", "ada"), patience=0)


def test_stop_of_one_of_two(shared: Project) -> None:
    first, second = shared.daemon(Doing(works), owner="one"), shared.daemon(Doing(works), owner="two")
    shared.set(TWO, Status.BLOCKED)
    threads = in_thread(first), in_thread(second)
    until(lambda: len(controlling(shared).daemons()) == 2)
    asked = controlling(shared).stop(Control("stop", "ada", daemon="one"), patience=30)
    assert asked.gone == ("one",)
    assert [beat.daemon for beat in controlling(shared).daemons()] == ["two"]
    second.stop("enough")
    for thread in threads:
        thread.join(60)


def test_what_was_asked_before_a_daemon_came_is_not_for_it(shared: Project) -> None:
    for how in (None, "force"):
        controlling(shared).ask(Control("stop", "ada", how=how))
    assert shared.daemon(Doing(works)).run(once=True)[0].outcome == "complete"


def test_a_database_that_is_away_while_it_answers_does_not_end_the_daemon(project: Project) -> None:
    held = Held()
    desk = project.desk(Doing(held))
    away = Away(project.store)
    daemon = Daemon(desk, System(), poll=timedelta(milliseconds=50))
    daemon._controls = Controls(desk._replace(store=away), daemon)  # type: ignore[arg-type]
    running = in_thread(daemon)
    assert held.begun.wait(60)
    away.away = True
    controlling(project).ask(Control("pause", "ada"))
    until(lambda: daemon.paused)
    away.away = False
    controlling(project).ask(Control("resume", "ada"))
    until(lambda: not daemon.paused)
    held.let_go.set()
    until(lambda: project.status(TWO) is Status.COMPLETE)
    daemon.stop("enough")
    running.join(60)
    assert not running.is_alive()


# --- pause -------------------------------------------------------------------------------------------------------


def test_pause_lets_what_is_in_hand_go_on_and_nothing_new_begin(shared: Project) -> None:
    held = Held()
    daemon = shared.daemon(Doing(held))
    running = in_thread(daemon)
    assert held.begun.wait(60)
    controlling(shared).ask(Control("pause", "ada"))
    until(lambda: "paused by ada" in shared.told)
    held.let_go.set()
    until(lambda: shared.status(TWO) is Status.COMPLETE)
    until(lambda: [beat.state for beat in controlling(shared).daemons()] == ["paused"])
    assert shared.status(THREE) is Status.PLANNED
    controlling(shared).ask(Control("resume", "ada"))
    until(lambda: shared.status(THREE) is Status.COMPLETE)
    daemon.stop("enough")
    running.join(60)


def test_a_pause_stands_for_a_daemon_that_comes_later(shared: Project) -> None:
    controlling(shared).ask(Control("pause", "ada"))
    agent = Doing(works)
    assert shared.daemon(agent).run(once=True) == []
    assert "paused by ada" in shared.told
    assert not agent.tasks
    controlling(shared).ask(Control("resume", "ada"))
    assert shared.daemon(agent).run(once=True)[0].outcome == "complete"


def test_a_pause_twice_and_a_resume_once(shared: Project) -> None:
    for kind in ("pause", "pause", "resume"):
        controlling(shared).ask(Control(kind, "ada"))
    assert shared.daemon(Doing(works)).run(once=True)[0].outcome == "complete"


# --- skip --------------------------------------------------------------------------------------------------------


def test_skip_of_an_item_in_hand_makes_the_daemon_leave_it(shared: Project) -> None:
    held = Held()
    daemon = shared.daemon(Doing(held))
    running = in_thread(daemon)
    assert held.begun.wait(60)
    number = controlling(shared).skip("2", by="ada", reason="keys").control.id
    until(lambda: shared.status(TWO) is Status.PLANNED)
    until(lambda: any("every planned item waits" in line for line in shared.told))
    assert held.stopped == "skipped by ada: keys"
    assert shared.reasons(TWO)[-1] == ("planned", "left alone: skipped by ada: keys")
    with shared.store.reading() as tx:
        assert dict(tx.controls.replies(number)) == {"daemon-1": "leaving it"}
        assert not tx.claims.held(shared.clock.now())
    assert not unfinished(shared)
    assert (shared.tree(TWO) / f"{TWO}.txt").exists()  # nothing that was done is thrown away
    daemon.stop("enough")
    running.join(60)


def test_skip_of_an_item_that_nobody_has_in_hand(shared: Project) -> None:
    controlling(shared).skip("PRIORITY 2", by="ada", reason="keys")
    assert shared.daemon(Doing(works)).run(once=True) == []
    assert "PRIORITY-2: skipped by ada: keys" in shared.told[0]
    with pytest.raises(ItemNotFound):
        controlling(shared).skip("99", by="ada", reason=None)


def test_skip_of_an_item_that_is_being_asked_about_takes_the_question_back(shared: Project) -> None:
    daemon = shared.daemon(Doing(works), ask_approval=True)
    running = in_thread(daemon)
    until(shared.news)
    controlling(shared).skip("2", by="ada", reason=None)
    until(lambda: not unfinished(shared))
    until(lambda: any("every planned item waits" in line for line in shared.told))
    assert [one.state for one in shared.news()] == [State.DISMISSED]
    daemon.stop("enough")
    running.join(60)


# --- retry -------------------------------------------------------------------------------------------------------


def failed_once(shared: Project) -> None:
    fails = Doing(lambda task, stop: AgentResult(False, 1, "it ended with exit code 1", ""))
    shared.daemon(fails, max_attempts=1).run(once=True)
    assert shared.status(TWO) is Status.MANUAL_REVIEW


def test_retry_plans_an_item_under_review_and_begins_anew(shared: Project) -> None:
    failed_once(shared)
    controlling(shared).retry("2", by="ada", reason="it was the network")
    assert shared.status(TWO) is Status.PLANNED
    assert shared.reasons(TWO)[-1] == ("planned", "it was the network")
    agent = Doing(works)
    assert shared.daemon(agent).run(once=True)[0].outcome == "complete"
    assert agent.tasks[0].earlier == ()


def test_retry_closes_what_was_begun_and_takes_a_skip_and_its_question_back(shared: Project) -> None:
    daemon = shared.daemon(Doing(works), ask_approval=True)
    running = in_thread(daemon, once=True)
    until(shared.news)
    daemon.stop("enough")
    running.join(60)
    assert TWO in unfinished(shared)
    controlling(shared).skip("2", by="ada", reason=None)
    controlling(shared).retry("2", by="ada", reason=None)
    assert not unfinished(shared)
    assert not shared.messages.listing(states=OPEN)  # an answer to it would be heard by nobody
    running = in_thread(shared.daemon(Doing(works), ask_approval=True), once=True)
    until(lambda: shared.messages.listing(states=OPEN))
    (question,) = shared.messages.listing(states=OPEN)
    shared.messages.respond(question.id, "approve", by="ada", via="terminal")
    running.join(60)
    assert shared.status(TWO) is Status.COMPLETE


def test_retry_of_an_item_in_hand_is_refused(shared: Project) -> None:
    held = Held()
    daemon = shared.daemon(Doing(held))
    running = in_thread(daemon)
    assert held.begun.wait(60)
    with pytest.raises(ItemInHand) as refused:
        controlling(shared).retry("2", by="ada", reason=None)
    assert refused.value.exit_code == 5
    assert shared.status(TWO) is Status.IN_PROGRESS
    daemon.stop("enough")
    running.join(60)


def test_retry_is_heard_by_a_daemon_that_had_left_the_item_alone(shared: Project) -> None:
    daemon = shared.daemon(Doing(works), ask_approval=True)
    running = in_thread(daemon)
    until(shared.news)
    shared.messages.respond(shared.news()[-1].id, "skip", by="ada", via="terminal")
    until(lambda: any("every planned item waits" in line for line in shared.told))
    controlling(shared).retry("2", by="ada", reason=None)
    until(lambda: len(shared.news()) == 2)
    shared.messages.respond(shared.news()[-1].id, "approve", by="ada", via="terminal")
    until(lambda: shared.status(TWO) is Status.COMPLETE)
    daemon.stop("enough")
    running.join(60)


def test_an_agent_that_does_nothing_at_the_retry_is_not_credited_with_what_was_done_before(shared: Project) -> None:
    fails = Doing(lambda task, stop: AgentResult(False, 1, "it ended with exit code 1", "1 failed"))
    shared.daemon(Doing(works), tests=fails, max_attempts=1).run(once=True)
    assert shared.files_of(shared.branch_of(TWO)) == [f"{TWO}.txt"]
    controlling(shared).retry("2", by="ada", reason=None)
    done = shared.daemon(Doing(lambda task, stop: None)).run(once=True)
    assert done[0].outcome == "manual_review"
    assert "changed nothing" in (done[0].reason or "")


# --- what a person takes is theirs -------------------------------------------------------------------------------


def stopped_in_the_middle(shared: Project) -> None:
    held = Held()
    daemon = shared.daemon(Doing(held))
    running = in_thread(daemon)
    assert held.begun.wait(60)
    daemon.stop("Ctrl-C")
    running.join(60)
    assert TWO in unfinished(shared)


def test_an_item_that_was_put_back_and_that_the_person_then_took_is_theirs(shared: Project) -> None:
    stopped_in_the_middle(shared)
    shared.set(TWO, Status.IN_PROGRESS)
    agent = Doing(works)
    assert shared.daemon(agent).run(once=True) == []
    assert not agent.tasks
    assert shared.status(TWO) is Status.IN_PROGRESS
    assert not unfinished(shared)


@pytest.mark.parametrize("status", [Status.COMPLETE, Status.CANCELLED])
def test_what_is_over_is_not_skipped(project: Project, status: Status) -> None:
    project.set(TWO, status)
    with pytest.raises(AlreadyOver):
        controlling(project).skip(TWO, by="ada", reason=None)
    with project.store.reading() as tx:
        assert not tx.controls.skipped()


@pytest.mark.parametrize("status", [Status.COMPLETE, Status.BLOCKED, Status.CANCELLED, Status.MANUAL_REVIEW])
def test_the_pipeline_of_an_item_that_the_person_took_elsewhere_is_closed(shared: Project, status: Status) -> None:
    stopped_in_the_middle(shared)
    shared.set(TWO, status)
    shared.set(THREE, Status.BLOCKED)
    shared.daemon(Doing(works)).run(once=True)
    assert not unfinished(shared)
    assert shared.status(TWO) is status


def test_the_pipeline_of_an_item_that_was_removed_is_closed(shared: Project) -> None:
    stopped_in_the_middle(shared)
    shared.editing().remove(TWO, by="person")
    shared.daemon(Doing(works)).run(once=True)
    assert not unfinished(shared)


@pytest.mark.parametrize("status", [Status.COMPLETE, Status.CANCELLED])
def test_retry_of_what_is_over_is_refused(project: Project, status: Status) -> None:
    project.editing().set_status(TWO, status, by="ada")
    with pytest.raises(AlreadyOver, match=f"{TWO} is {status.value}"):
        controlling(project).retry("2", by="ada", reason=None)
    assert project.status(TWO) is status


def alerts(project: Project) -> list[tuple[str | None, State]]:
    return [(one.item, one.state) for one in project.news() if one.kind is Kind.ALERT]


@pytest.mark.parametrize("how", ["retry", "complete"])
def test_an_alert_of_an_item_goes_when_it_is_tried_again_or_done(shared: Project, how: str) -> None:
    for item, source in ((TWO, Source.DAEMON), (THREE, Source.DAEMON), (TWO, Source.PROJECT_MANAGER)):
        shared.messages.notify(Draft(source, Kind.ALERT, "trouble", item=item))
    if how == "retry":
        controlling(shared).retry("2", by="ada", reason=None)
    else:
        assert shared.daemon(Doing(works)).run(once=True)[0].outcome == "complete"
    assert alerts(shared) == [(TWO, State.DISMISSED), (THREE, State.PENDING), (TWO, State.PENDING)]


def left_by_a_dead_daemon(project: Project) -> Callable[[Heartbeat], bool]:
    """An item in progress whose daemon was killed a moment ago: its claim and its heartbeat still stand."""
    now = project.clock.now()
    with project.store.writing() as tx:
        claim = tx.claims.take(TWO, "dead", lease=timedelta(minutes=1), now=now)
        tx.journal.record(Entry(TWO, claim.fence, "claim", {}, claim.fence, now))
        tx.heartbeats.beat(Heartbeat("dead", "h", 1, "b", "working", TWO, "build:1", now, {}))
    project.editing().set_status(TWO, Status.IN_PROGRESS, by="dead", reason="taken up by dead")
    return lambda beat: beat.daemon == "dead"


def test_skip_of_what_a_dead_daemon_left_plans_it_again(shared: Project) -> None:
    gone = left_by_a_dead_daemon(shared)
    controls = Controlling(shared.store, shared.clock, shared.editing(), gone)
    controls.skip("2", by="ada", reason="keys")
    assert shared.reasons(TWO)[-1] == ("planned", "skipped by ada: keys")
    with shared.store.reading() as tx:
        assert list(tx.controls.skipped()) == [TWO]


def test_skip_leaves_the_status_to_the_daemon_that_is_there_and_to_the_person(shared: Project) -> None:
    left_by_a_dead_daemon(shared)
    controlling(shared).skip("2", by="ada", reason=None)  # nobody knows that it is dead
    assert shared.status(TWO) is Status.IN_PROGRESS
    shared.editing().set_status(THREE, Status.IN_PROGRESS, by="ada")
    controlling(shared).skip("3", by="ada", reason=None)
    assert shared.status(THREE) is Status.IN_PROGRESS


def test_retry_of_what_a_dead_daemon_left_need_not_wait_for_its_lease(shared: Project) -> None:
    gone = left_by_a_dead_daemon(shared)
    Controlling(shared.store, shared.clock, shared.editing(), gone).retry("2", by="ada", reason=None)
    assert shared.status(TWO) is Status.PLANNED


def test_what_a_dead_daemon_left_is_told_as_interrupted_at_once(shared: Project) -> None:
    gone, now = left_by_a_dead_daemon(shared), shared.clock.now()
    items = shared.editing().read().items
    with shared.store.reading() as tx:
        assert interrupted(tx, items, claims_of_the_living(tx, now, gone)) == [TWO]
        assert interrupted(tx, items, claims_of_the_living(tx, now, lambda _beat: False)) == []
