"""What an agent tells and asks while it runs: permissions by the policy, ceilings, stops."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from tests.work.daemon_kit import Project, until
from tests.work.watching_kit import THREE, TWO, aside, in_hand, question, watched

from coffee_maker.core.limits import Ceilings
from coffee_maker.core.questions import OPEN, Kind
from coffee_maker.core.records import Action, AgentResult, Progress, Usage
from coffee_maker.work import watching

KINDS = ("new_dependency", "network", "push", "pull_request")
PIP = Action("new_dependency", "pip install requests", "for the client")


# --- permissions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_action_goes_by_its_own_policy(project: Project, kind: str) -> None:
    action = Action(kind, "what it wants")  # type: ignore[arg-type]
    others = dict.fromkeys(KINDS, "deny")
    allowed = watched(in_hand(project, policy={**others, kind: "allow"}))
    assert allowed.permit(action) is None
    denied = watched(in_hand(project, "PRIORITY-3", policy={**dict.fromkeys(KINDS, "allow"), kind: "deny"}))
    assert denied.permit(action) == f"the project's policy `{kind}` is deny"
    assert not project.news()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("answer", "told"), [("allow", None), ("deny", "ada said no to question 1")])
def test_what_the_policy_leaves_to_the_person_is_asked(
    project: Project, kind: str, answer: str, told: str | None
) -> None:
    job = in_hand(project, policy={**dict.fromkeys(KINDS, "allow"), kind: "ask"})
    run = watched(job)
    with aside(lambda: run.permit(Action(kind, "x y", "why"))) as found:  # type: ignore[arg-type]
        asked = question(project)
        assert (asked.title, asked.options) == (f"{TWO}: allow {kind.replace('_', ' ')}?", ("allow", "deny"))
        assert asked.message == f"The agent that works on {TWO} wants to: x y\nwhy"
        until(lambda: job.waits_for == f"an answer to question {asked.id}")
        assert not job.idle  # it keeps its place: the agent is there
        project.messages.respond(asked.id, answer, by="ada", via="terminal")
    assert found == [told]
    assert job.waits_for is None


def test_what_is_not_in_the_policy_is_asked(project: Project) -> None:
    run = watched(in_hand(project, policy={}))
    with aside(lambda: run.permit(PIP)):
        project.messages.respond(question(project).id, "1", by="ada", via="terminal")


def test_the_same_action_is_asked_once_and_another_one_again(shared: Project) -> None:
    run = watched(in_hand(shared, policy={}))
    with aside(lambda: run.permit(PIP)):
        shared.messages.respond(question(shared).id, "deny", by="ada", via="terminal")
    assert run.permit(PIP) == "ada said no to question 1"
    with aside(lambda: run.permit(PIP._replace(what="pip install attrs"))) as found:
        shared.messages.respond(question(shared).id, "allow", by="ada", via="terminal")
    assert found == [None]
    assert len(shared.news()) == 2


def test_an_answer_counts_for_the_next_run_of_the_same_pipeline(project: Project) -> None:
    job = in_hand(project, policy={})
    with aside(lambda: watched(job).permit(PIP)):
        project.messages.respond(question(project).id, "allow", by="ada", via="terminal")
    assert watched(job).permit(PIP) is None
    assert len(project.news()) == 1


def test_a_question_that_is_put_aside_is_a_no_and_nothing_is_waited_for_any_more(project: Project) -> None:
    job = in_hand(project, policy={})
    run = watched(job)
    with aside(lambda: run.permit(PIP)) as found:
        project.messages.dismiss(question(project).id, by="ada")
    assert str(found[0]).startswith("the person was asked and did not answer: ")
    assert job.waits_for is None  # the agent goes on without: `status` must not say that it waits


@pytest.mark.parametrize("how", ["skip", "ending", "lost"])
def test_who_is_stopped_while_it_waits_for_a_person_gets_a_no(shared: Project, how: str) -> None:
    job = in_hand(shared, policy={})
    run = watched(job)
    with aside(lambda: run.permit(PIP)) as found:
        asked = question(shared)
        if how == "lost":
            job.hold.lose("it is another's now")
        else:
            getattr(job, how).set("enough")
    assert str(found[0]).startswith("the run is being ended: ")
    left = [one.id for one in shared.messages.listing(states=OPEN)]
    assert left == ([] if how == "skip" else [asked.id])  # who takes the item up again finds it


def test_a_run_that_has_ended_asks_nobody_any_more(project: Project) -> None:
    run = watched(in_hand(project, policy={}))
    with aside(lambda: run.permit(PIP)) as found:
        question(project)
        run.close("failed", "it ended", None)
    assert found == ["the person was asked and did not answer: the run has ended"]
    assert run.requested() == "the run has ended"


# --- ceilings ----------------------------------------------------------------------------------------------------

CEILINGS = [
    ("run_turns", 10, Usage(turns=8), Usage(turns=10), "10 turns of 10 turns for this run"),
    ("run_tokens", 100, Usage(output_tokens=80), Usage(output_tokens=100), "100 tokens of 100 tokens for this run"),
    ("run_cost", 2.0, Usage(cost=1.6), Usage(cost=2.0), "$2.00 of $2.00 for this run"),
    ("item_tokens", 100, Usage(input_tokens=80), Usage(input_tokens=100), "100 tokens of 100 tokens for this item"),
    ("item_cost", 2.0, Usage(cost=1.6), Usage(cost=2.0), "$2.00 of $2.00 for this item"),
    ("day_tokens", 100, Usage(input_tokens=80), Usage(input_tokens=100), "100 tokens of 100 tokens for today"),
    ("day_cost", 2.0, Usage(cost=1.6), Usage(cost=2.0), "$2.00 of $2.00 for today"),
]


@pytest.mark.parametrize(("name", "ceiling", "near", "full", "words"), CEILINGS)
def test_a_ceiling_is_warned_of_once_and_then_ends_the_run(
    project: Project, name: str, ceiling: float, near: Usage, full: Usage, words: str
) -> None:
    run = watched(in_hand(project, ceilings=Ceilings(**{name: ceiling})))  # type: ignore[arg-type]
    run.usage(Usage())
    assert not project.news()
    run.usage(near)
    run.usage(near)
    (warned,) = project.news()
    assert (warned.kind, warned.title, warned.item) == (Kind.ALERT, f"{TWO} comes near a limit", TWO)
    assert warned.message.startswith("80% of a limit is used: ")
    assert run.requested() is None
    run.usage(full)
    assert run.requested() == f"it reached its limit: {words}"
    assert run.limit is not None
    assert run.limit.name == name
    assert len(project.news()) == 1


def test_what_earlier_runs_of_the_item_took_counts(project: Project) -> None:
    job = in_hand(project, ceilings=Ceilings(item_cost=2.0, run_cost=2.0))
    first = watched(job)
    first.usage(Usage(cost=1.5))
    first.close("failed", "", AgentResult(False, 1, "it failed", "", usage=Usage(cost=1.5)))
    second = watched(job)
    second.usage(Usage(cost=0.5))
    assert second.requested() == "it reached its limit: $2.00 of $2.00 for this item"


def test_what_runs_beside_it_take_of_the_day_counts(shared: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_KEEP", 0.0)
    day = Ceilings(day_cost=2.0)
    here, beside = (watched(in_hand(shared, key, ceilings=day)) for key in (TWO, THREE))
    here.usage(Usage(cost=1.0))
    assert here.requested() is None
    beside.usage(Usage(cost=0.9))
    assert (here.limit, beside.limit) == (None, None)
    beside.usage(Usage(cost=1.1))
    here.usage(Usage(cost=1.0))
    for run in (here, beside):
        assert str(run.requested()).startswith("it reached its limit: $2.10 of $2.00 for today")


@pytest.mark.parametrize("name", ["item_time", "day_time"])
def test_times_of_earlier_runs_count_without_what_they_waited_for_a_person(project: Project, name: str) -> None:
    """A question that was answered in the morning has cost nothing of the item's time."""
    job = in_hand(project, ceilings=Ceilings(**{name: timedelta(hours=1)}))  # type: ignore[arg-type]
    now = project.clock.now()
    earlier = watched(job)
    run = earlier._run._replace(started=now, ended=now + timedelta(hours=9), outcome="failed")
    with project.store.runs() as runs:
        runs.amend(earlier.number, run._replace(waited=timedelta(hours=8.5).total_seconds()))
    second = watched(job)
    second.usage(Usage())
    assert second.requested() is None
    assert not project.news()
    with project.store.runs() as runs:
        runs.amend(earlier.number, run._replace(waited=timedelta(hours=8).total_seconds()))
    third = watched(job)
    third.usage(Usage())
    assert str(third.requested()).startswith("it reached its limit: 1h 0m of 1h 0m for ")


def test_waiting_for_a_person_takes_nothing_of_the_time_also_while_it_lasts(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two questions at the same time are waited for once."""
    clock = Clock(monkeypatch)
    run = watched(in_hand(project, policy={}, ceilings=Ceilings(item_time=timedelta(hours=1))))
    with aside(lambda: run.permit(PIP)), aside(lambda: run.permit(PIP._replace(what="other"))) as found:
        until(lambda: len(project.news()) == 2)
        clock.ahead += 10 * 3600
        assert run.requested() is None
        kept = project.runs(TWO)[0]  # others compare with it while it waits
        assert (kept.ended, kept.waited) == (None, pytest.approx(10 * 3600, abs=60))
        for one in project.news():
            project.messages.respond(one.id, "allow", by="ada", via="terminal")
    assert found == [None]
    run.usage(Usage())
    assert run.requested() is None
    clock.ahead += 3600
    run.usage(Usage())
    assert str(run.requested()).startswith("it reached its limit: 1h 0m of 1h 0m for this item")
    assert run.close("lost", "", None).waited == pytest.approx(10 * 3600, abs=60)


class Clock:
    """The monotonic clock of a run, which a test can move on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from coffee_maker.work import watching

        self.ahead, real = 0.0, time.monotonic
        moved = type("Moved", (), {"monotonic": staticmethod(lambda: real() + self.ahead)})
        monkeypatch.setattr(watching, "time", moved)


def test_the_time_is_looked_at_also_when_the_agent_says_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    run = watched(in_hand(project, ceilings=Ceilings(item_time=timedelta(hours=1))))
    assert run.requested() is None
    clock.ahead += 3600
    assert str(run.requested()).startswith("it reached its limit: ")


def test_going_on_raises_the_ceiling_that_was_asked_about_and_no_other(project: Project) -> None:
    run = watched(in_hand(project, ceilings=Ceilings(run_turns=10, run_cost=2.0)), run_turns=1)
    run.usage(Usage(turns=15))
    assert run.requested() is None
    run.usage(Usage(turns=15, cost=2.0))
    assert run.requested() == "it reached its limit: $2.00 of $2.00 for this run"


# --- what is kept and shown --------------------------------------------------------------------------------------


def test_the_session_is_kept_at_once_and_the_usage_in_time(shared: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    job = in_hand(shared)
    run = watched(job)
    run.session("s-1")
    assert shared.runs(TWO)[0].session == "s-1"
    run.usage(Usage(output_tokens=5, cost=0.5))
    assert (job.used.tokens, job.shown()["cost"]) == (5, 0.5)
    assert shared.runs(TWO)[0].usage == Usage()
    clock.ahead += 6
    run.usage(Usage(output_tokens=6))
    assert shared.runs(TWO)[0].usage == Usage(output_tokens=6)


def test_what_a_server_of_the_agent_s_own_tells_is_shown_once(shared: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    job = in_hand(shared)
    run = watched(job)
    now = shared.clock.now()
    with shared.store.writing() as tx:
        tx.progress.tell(Progress(TWO, job.pipeline, 40, "half\nway", now))
    clock.ahead += 2
    assert run.requested() is None
    assert (job.progress, job.activity) == (40, "half way")
    job.heard("something newer")
    clock.ahead += 2
    run.requested()
    assert job.activity == "something newer"


def test_progress_of_another_pipeline_is_not_its_own(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    job = in_hand(project)
    with project.store.writing() as tx:
        tx.progress.tell(Progress(TWO, job.pipeline + 1, 90, "old", project.clock.now()))
    clock.ahead += 2
    watched(job).requested()
    assert job.progress is None


def test_while_its_own_process_waits_for_an_answer_its_time_stands_still(
    shared: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    job = in_hand(shared, ceilings=Ceilings(item_time=timedelta(seconds=100)))
    run = watched(job)
    with shared.store.writing() as tx:
        tx.progress.waits(TWO, job.pipeline, 7, until=shared.clock.now() + timedelta(minutes=1))
    clock.ahead += 2
    assert run.requested() is None
    assert (job.waits_for, job.idle, run.waits()) == ("an answer to question 7", False, True)
    clock.ahead += 1000
    assert run.requested() is None
    with shared.store.writing() as tx:
        tx.progress.waits(TWO, job.pipeline, 7, until=shared.clock.now())
    clock.ahead += 2
    assert run.requested() is None
    assert (job.waits_for, run.waits()) == (None, False)
    clock.ahead += 90
    assert run.requested() is None
    assert run.limit is None
    clock.ahead += 10
    assert "its limit" in str(run.requested())
    ended = run.close("failed", "", None)
    assert 1000 < ended.waited < 1010


def test_one_that_was_ended_in_its_wait_waits_no_more(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    job = in_hand(project)
    run = watched(job)
    with project.store.writing() as tx:
        tx.progress.waits(TWO, job.pipeline, 7, until=project.clock.now() + timedelta(minutes=1))
    clock.ahead += 2
    run.requested()
    run.close("failed", "killed", None)
    assert job.waits_for is None
    again = watched(job)
    clock.ahead += 2
    again.requested()
    assert not again.waits()


def test_its_tools_are_of_this_item_and_tell_its_progress(project: Project) -> None:
    job = in_hand(project)
    run = watched(job)
    run.call("progress", {"percent": 30, "words": "on it"})
    assert (job.progress, job.activity) == (30, "on it")
    asked = run.call("ask", {"question": "Which?", "options": ["a", "b"]})
    project.messages.respond(question(project).id, "a", by="ada", via="terminal")
    answer = run.call("answer", {"id": asked["id"]})
    assert answer["answer"] == "a"
