"""Ceilings through the whole daemon: the agent is stopped, the person asked, and the answer followed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.work.daemon_kit import OK, Project, System, in_thread, until, works
from tests.work.watching_kit import THREE, TWO, Talking, question

from coffee_maker.core.items import Status
from coffee_maker.core.limits import Ceilings
from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.core.records import AgentResult, Heartbeat, Run, Task, Usage
from coffee_maker.work import accounts, ceilings
from coffee_maker.work.daemon import Daemon
from coffee_maker.work.watching import Watching

HOURS = Ceilings(day_time=timedelta(hours=6))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def takes(usage: Usage, *, session: str | None = None) -> Talking:
    """An agent whose every run takes so much, and which then works on unless it is told to stop."""

    def run(task: Task, watch: Watching) -> AgentResult:
        if session:
            watch.session(session)
        watch.usage(usage)
        reason = watch.requested()
        if reason:
            return AgentResult(False, None, reason, "", usage=usage)
        works(task, watch)
        return OK._replace(usage=usage)

    return Talking(run)


def answer(project: Project, words: str) -> int:
    one = question(project)
    project.messages.respond(one.id, words, by="ada", via="terminal")
    return one.id


def titles(project: Project) -> list[str]:
    return [one.title for one in project.news() if one.options]


# --- runs and items ----------------------------------------------------------------------------------------------


def test_going_on_runs_it_again_with_as_much_again(shared: Project) -> None:
    agent = takes(Usage(turns=10), session="s-1")
    spend(shared, NOON, Usage(turns=100), item=TWO, session="s-0")
    running = in_thread(shared.daemon(agent, ceilings=Ceilings(run_turns=10)), once=True)
    one = question(shared)
    assert (one.title, one.options) == (f"{TWO} reached a limit: go on?", ("go on", "stop here"))
    assert one.message.startswith("The agent was stopped: 10 turns of 10 turns for this run.")
    assert shared.status(TWO) is Status.IN_PROGRESS
    answer(shared, "go on")
    running.join(60)
    assert shared.status(TWO) is Status.COMPLETE
    assert [task.max_turns for task in agent.tasks] == [10, 20]
    assert [(task.session, task.taken.turns) for task in agent.tasks] == [(None, 0), ("s-1", 10)]
    assert [run.outcome for run in shared.runs(TWO)] == ["complete", "lost", "complete"]


def test_stopping_there_leaves_it_to_the_person(project: Project) -> None:
    agent = takes(Usage(cost=3.0))
    running = in_thread(project.daemon(agent, ceilings=Ceilings(item_cost=2.0)), once=True)
    answer(project, "stop here")
    running.join(60)
    assert project.status(TWO) is Status.MANUAL_REVIEW
    words = "it reached its limit: $3.00 of $2.00 for this item. ada said stop here"
    assert project.reasons(TWO)[-1] == ("manual_review", words)
    assert len(agent.tasks) == 1


def test_a_question_that_is_put_aside_is_no_leave_to_go_on(project: Project) -> None:
    running = in_thread(project.daemon(takes(Usage(cost=3.0)), ceilings=Ceilings(item_cost=2.0)), once=True)
    project.messages.dismiss(question(project).id, by="ada")
    running.join(60)
    assert project.status(TWO) is Status.MANUAL_REVIEW


def test_each_height_and_each_ceiling_is_asked_about(project: Project) -> None:
    """Leave to go on beyond the turns is no leave to spend more money."""
    agent = takes(Usage(turns=10, cost=1.0))
    running = in_thread(project.daemon(agent, ceilings=Ceilings(run_turns=10, item_cost=2.0)), once=True)
    answer(project, "go on")  # 10 turns
    until(lambda: len(titles(project)) == 2)
    assert "$2.00 of $2.00 for this item" in question(project).message
    answer(project, "go on")
    running.join(60)
    assert project.status(TWO) is Status.COMPLETE
    assert len(agent.tasks) == 3


def test_an_answer_that_came_while_no_daemon_was_there_counts(shared: Project) -> None:
    limits = Ceilings(item_cost=2.0)
    daemon = shared.daemon(takes(Usage(cost=2.0)), ceilings=limits)
    running = in_thread(daemon, once=True)
    question(shared)
    daemon.stop("Ctrl-C")
    running.join(60)
    answer(shared, "go on")
    agent = Talking(lambda task, watch: works(task, watch))
    assert shared.daemon(agent, owner="daemon-2", ceilings=limits).run(once=True)[0].outcome == "complete"
    assert len(titles(shared)) == 1


@pytest.mark.parametrize("limit", ["turns", "cost"])
def test_a_ceiling_that_the_agent_s_own_program_has_noticed(project: Project, limit: str) -> None:
    stopped = AgentResult(False, 1, "it has no more", "", limit=limit)  # type: ignore[arg-type]
    agent = Talking(lambda task, watch: stopped, lambda task, watch: works(task, watch))
    running = in_thread(project.daemon(agent, ceilings=Ceilings(run_turns=10, run_cost=1.0)), once=True)
    assert f"all {limit} of this run" in question(project).message
    answer(project, "go on")
    running.join(60)
    raised = {"turns": (20, 1.0), "cost": (10, 2.0)}[limit]
    assert (agent.tasks[1].max_turns, agent.tasks[1].max_cost) == raised
    assert project.status(TWO) is Status.COMPLETE


def test_an_item_that_waits_at_its_limit_leaves_its_place_to_others(project: Project) -> None:
    project.editing().edit(THREE, _free(), by="person")

    def run(task: Task, watch: Watching) -> AgentResult | None:
        if task.key == THREE:
            return works(task, watch)
        watch.usage(Usage(cost=3.0))
        return AgentResult(False, None, watch.requested(), "")

    daemon = project.daemon(Talking(run), ceilings=Ceilings(item_cost=2.0))
    running = in_thread(daemon)
    until(lambda: project.status(THREE) is Status.COMPLETE)
    assert question(project).item == TWO
    daemon.stop("enough")
    running.join(60)


def _free() -> object:
    from coffee_maker.work.editing import ItemEdits

    return ItemEdits(fields={"Depends On": None})


# --- days --------------------------------------------------------------------------------------------------------


class At:
    """A clock that a test sets."""

    def __init__(self, now: datetime) -> None:
        self.at = now

    def now(self) -> datetime:
        return self.at


def spend(project: Project, at: datetime, used: Usage, hours: float = 1, **rest: object) -> None:
    """A run of another item, in the past."""
    run = Run("US-1", "old", "doing", "b", at, at + timedelta(hours=hours), "complete", None, 0, None)
    with project.store.runs() as runs:
        number = runs.start(run)
        runs.amend(number, run._replace(usage=used, **rest))  # type: ignore[arg-type]


DAYS = [
    (Ceilings(day_cost=2.0), "$2.00 of $2.00 for today"),
    (Ceilings(day_tokens=100), "100 tokens of 100 tokens for today"),
    (Ceilings(day_time=timedelta(hours=1)), "1h 0m of 1h 0m for today"),
    (Ceilings(day_cost=0.0), "$2.00 of $0.00 for today"),
]


@pytest.mark.parametrize(("limits", "words"), DAYS)
def test_a_day_that_is_used_up_takes_nothing_up_and_turns_over(project: Project, limits: Ceilings, words: str) -> None:
    clock = At(NOON)
    spend(project, NOON - timedelta(hours=2), Usage(cost=2.0, output_tokens=100))
    desk = project.desk(Talking(works), ceilings=limits)._replace(clock=clock)  # type: ignore[arg-type]
    over = ceilings.today(desk).over
    assert over == f"A limit of the day is reached: {words}. Question 1 lets it go on."
    assert ceilings.today(desk).over == over
    assert titles(project) == ["A limit of the day is reached: go on?"]
    clock.at = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    assert ceilings.today(desk).over == over
    if limits.day_cost != 0.0:
        clock.at = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
        assert ceilings.today(desk) == ceilings.Today()
    assert limits.day_cost == 0.0 or len(titles(project)) == 1


def test_a_ceiling_of_nothing_is_one(project: Project) -> None:
    """`day_cost = 0` lets nothing begin, also before anything was spent."""
    desk = project.desk(Talking(works), ceilings=Ceilings(day_cost=0.0))
    assert ceilings.today(desk).over


def test_time_that_was_waited_for_a_person_is_none_of_the_day_s(project: Project) -> None:
    spend(project, NOON - timedelta(hours=9), Usage(), hours=8, waited=7.5 * 3600)
    desk = project.desk(Talking(works), ceilings=Ceilings(day_time=timedelta(hours=1)))
    assert ceilings.today(desk._replace(clock=At(NOON))).over is None


def test_a_day_whose_question_is_put_aside_is_over(project: Project) -> None:
    desk = project.desk(Talking(works), ceilings=Ceilings(day_cost=0.0))
    assert str(ceilings.today(desk).over).endswith("Question 1 lets it go on.")
    project.messages.dismiss(1, by="ada")
    words = "A limit of the day is reached: $0.00 of $0.00 for today. Question 1 is dismissed: nothing more until"
    assert str(ceilings.today(desk).over).startswith(words)
    assert len(project.news()) == 1


def test_a_day_that_was_answered_with_tomorrow_says_so(project: Project) -> None:
    desk = project.desk(Talking(works), ceilings=Ceilings(day_cost=0.0))
    assert ceilings.today(desk).over
    answer(project, "tomorrow")
    assert "Question 1 was answered with tomorrow: nothing more" in str(ceilings.today(desk).over)


def test_what_runs_beside_counts_for_the_day_until_its_daemon_s_last_sign_of_life(shared: Project) -> None:
    clock = At(NOON + timedelta(hours=3))
    desk = shared.desk(Talking(works), ceilings=HOURS)._replace(clock=clock)
    with shared.store.runs() as runs:
        for item, daemon in ((TWO, "alive"), (THREE, "gone")):
            runs.start(Run(item, daemon, "doing", "b", NOON, None, None, None, None, None, waited=3600.0))
    with shared.store.writing() as tx:
        for daemon, at in (("alive", clock.at), ("gone", NOON + timedelta(hours=1, minutes=10))):
            tx.heartbeats.beat(Heartbeat(daemon, "h", 1, "b", "working", None, None, at, {}))
    assert accounts.spent_today(desk).day_time == timedelta(hours=2, minutes=10)
    with shared.store.writing() as tx:
        tx.heartbeats.forget("gone")
    assert accounts.spent_today(desk).day_time == timedelta(hours=2)


def test_the_night_in_which_a_dead_daemon_s_item_lay_is_nobody_s_work(shared: Project) -> None:
    """A machine that was off for ten hours would else have used up the six that an item may take."""
    clock, lease = At(NOON), timedelta(minutes=1)
    desk = shared.desk(Talking(works))._replace(clock=clock)
    with shared.store.writing() as tx:
        claim = tx.claims.take(TWO, "gone", lease=lease, now=NOON)
    with shared.store.runs() as runs:
        runs.start(Run(TWO, "gone", "doing", "b", NOON, None, None, None, None, None))
    with shared.store.writing() as tx:
        tx.claims.renew(claim, lease=lease, now=NOON + 9 * lease)
        tx.claims.take("US-9", "gone", lease=timedelta(days=1), now=NOON)
    clock.at = NOON + timedelta(hours=10)
    accounts.close_left_open(desk, TWO, lambda _run: False)
    [run] = shared.runs(TWO)
    assert (run.outcome, run.worked) == ("lost", 10 * lease)
    assert ceilings.looked_at(desk._replace(options=desk.options._replace(ceilings=HOURS))) == ceilings.Today()


def test_a_run_that_is_closed_while_its_lease_runs_ends_now(shared: Project) -> None:
    clock = At(NOON)
    desk = shared.desk(Talking(works))._replace(clock=clock)
    with shared.store.writing() as tx:
        tx.claims.take(TWO, "gone", lease=timedelta(hours=1), now=NOON)
    with shared.store.runs() as runs:
        runs.start(Run(TWO, "gone", "doing", "b", NOON, None, None, None, None, None))
    clock.at = NOON + timedelta(minutes=5)
    accounts.close_left_open(desk, TWO, lambda _run: False)
    assert [run.worked for run in shared.runs(TWO)] == [timedelta(minutes=5)]


@pytest.mark.parametrize("hours", [9, -9])
def test_a_clock_that_is_set_or_a_machine_that_sleeps_changes_no_time_of_work(shared: Project, hours: int) -> None:
    clock = At(NOON)

    def sleeps(task: Task, stop: Watching) -> AgentResult:
        clock.at += timedelta(hours=hours)
        works(task, stop)
        return OK

    desk = shared.desk(Talking(sleeps), lease=timedelta(days=1), ceilings=Ceilings(item_time=timedelta(hours=6)))
    daemon = Daemon(desk._replace(clock=clock), System(), poll=timedelta(milliseconds=20))
    assert daemon.run(once=True)[0].outcome == "complete"
    [run] = shared.runs(TWO)
    assert run.started == NOON
    assert timedelta() <= run.worked < timedelta(minutes=1)
    assert titles(shared) == []


def test_each_height_of_the_day_is_asked_about(shared: Project) -> None:
    desk = shared.desk(Talking(works), ceilings=Ceilings(day_cost=2.0, day_tokens=100))
    spend(shared, shared.clock.now(), Usage(cost=2.0))
    assert ceilings.looked_at(desk).over == "A limit of the day is reached: $2.00 of $2.00 for today."
    assert titles(shared) == []
    over = ceilings.today(desk)
    assert over.over
    assert ceilings.looked_at(desk) == over
    before = question(shared).id
    assert [ceilings.today(desk) for _ in range(5)] == [over] * 5
    later = shared.messages.notify(Draft(Source.DAEMON, Kind.INFO, "later"))
    assert later.id == before + 1  # who looks in every round writes nothing, and takes no numbers
    answer(shared, "go on")
    assert ceilings.today(desk) == ceilings.looked_at(desk) == ceilings.Today(None, {"day_cost": 1})
    spend(shared, shared.clock.now(), Usage(output_tokens=100))
    assert "100 tokens of 100 tokens" in (ceilings.today(desk).over or "")
    answer(shared, "go on")
    assert ceilings.today(desk) == ceilings.Today(None, {"day_cost": 1, "day_tokens": 1})
    spend(shared, shared.clock.now(), Usage(cost=2.0))
    assert "$4.00 of $4.00" in (ceilings.today(desk).over or "")


def test_tomorrow_is_no_leave_to_go_on(project: Project) -> None:
    desk = project.desk(Talking(works), ceilings=Ceilings(day_cost=2.0))
    spend(project, project.clock.now(), Usage(cost=2.0))
    assert ceilings.today(desk).over
    answer(project, "tomorrow")
    assert ceilings.today(desk).over
    assert len(titles(project)) == 1


def test_a_daemon_on_a_day_that_is_used_up_says_so_and_goes_on_when_it_may(shared: Project) -> None:
    """One answer is enough: the run that then begins is not stopped at the height that the person has let it pass."""
    spend(shared, shared.clock.now(), Usage(cost=2.0))
    limits = Ceilings(day_cost=2.0)
    assert shared.daemon(takes(Usage(cost=0.1)), ceilings=limits).run(once=True) == []
    assert any("A limit of the day is reached" in line for line in shared.told)
    daemon = shared.daemon(takes(Usage(cost=0.1)), ceilings=limits)
    running = in_thread(daemon)
    answer(shared, "go on")
    until(lambda: shared.status(THREE) is Status.COMPLETE)
    daemon.stop("enough")
    running.join(60)
    assert len(titles(shared)) == 1


def test_a_day_that_is_used_up_in_the_middle_of_a_run_puts_the_item_back_and_asks_once(shared: Project) -> None:
    agent = takes(Usage(cost=2.0), session="s-1")
    daemon = shared.daemon(agent, ceilings=Ceilings(day_cost=2.0))
    running = in_thread(daemon)
    one = question(shared)
    assert (one.title, one.item) == ("A limit of the day is reached: go on?", None)
    assert shared.status(TWO) is Status.PLANNED
    assert shared.reasons(TWO)[-1] == (
        "planned",
        "daemon stopped: a limit of the day is reached: $2.00 of $2.00 for today",
    )
    shared.set(THREE, Status.BLOCKED)
    agent._runs = [lambda task, watch: works(task, watch)]
    answer(shared, "go on")
    until(lambda: shared.status(TWO) is Status.COMPLETE)
    daemon.stop("enough")
    running.join(60)
    assert agent.tasks[1].session == "s-1"  # it goes on, and does not begin anew
    assert len(titles(shared)) == 1


def test_a_day_that_others_have_used_up_meanwhile_starts_no_further_attempt(project: Project) -> None:
    def fails(task: Task, watch: Watching) -> AgentResult:
        spend(project, project.clock.now(), Usage(cost=2.0))
        return AgentResult(False, 1, "it failed", "")

    agent = Talking(fails)
    assert project.daemon(agent, ceilings=Ceilings(day_cost=2.0)).run(once=True)[0].outcome == "stopped"
    assert len(agent.tasks) == 1
    assert project.status(TWO) is Status.PLANNED
