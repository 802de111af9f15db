"""One item from claim to report: what is written where, and what is left alone."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
from datetime import timedelta
from pathlib import Path
from types import FrameType

import pytest
from tests.adapters.git_states import git, snapshot, write
from tests.work.daemon_kit import OK, Doing, Project, in_thread, until, works

from coffee_maker.core.errors import (
    AgentUnusable,
    LockBusy,
    NoCommitYet,
    NoSpace,
    NotARepository,
    RepositoryBusy,
)
from coffee_maker.core.items import Status
from coffee_maker.core.ports import Stop
from coffee_maker.core.questions import Kind, Level, State, late
from coffee_maker.core.records import AgentResult, Heartbeat, Task
from coffee_maker.work import naming, watching
from coffee_maker.work.controlling import Controlling
from coffee_maker.work.editing import ItemEdits
from coffee_maker.work.pipeline import Done

STOPPED = "daemon stopped"
TWO, THREE = "PRIORITY-2", "PRIORITY-3"


def test_a_good_run_from_end_to_end(shared: Project) -> None:
    before = snapshot(shared.root)
    done = shared.daemon(Doing(works), tests=Doing(lambda task, stop: None)).run(once=True)
    branch = "roadmap/PRIORITY-2-write-the-parser"
    assert done == [Done(TWO, "complete", f"done by doing on branch {branch}")]
    assert shared.status(TWO) is Status.COMPLETE
    assert shared.files_of(branch) == ["PRIORITY-2.txt"]
    assert git(shared.root, "log", "-1", "--format=%s", branch) == "PRIORITY-2: Write the parser"
    assert shared.reasons(TWO) == [
        ("in_progress", "taken up by daemon-1"),
        ("complete", f"done by doing on branch {branch}"),
    ]
    (run,) = shared.runs()
    assert (run.item, run.outcome, run.exit_code, run.branch) == (TWO, "complete", 0, branch)
    assert run.commit == git(shared.root, "rev-parse", branch)
    (news,) = shared.news()
    assert (news.kind, news.level, news.item, news.title) == (Kind.STATUS, Level.NORMAL, TWO, "PRIORITY-2 is complete")
    with shared.store.reading() as tx:
        assert not tx.claims.held(shared.clock.now() - timedelta(days=1))
        assert not tx.heartbeats.all()
    assert not list((shared.home / "trees").iterdir())
    after = snapshot(shared.root)
    assert {name for name in before if before[name] != after[name]} == {"files", "branches"}
    assert {name: text for name, text in after["files"].items() if name != "ROADMAP.md"} == {  # type: ignore[attr-defined]
        name: text
        for name, text in before["files"].items()  # type: ignore[attr-defined]
        if name != "ROADMAP.md"
    }


def test_it_goes_on_with_what_became_ready_until_nothing_is_left(project: Project) -> None:
    daemon = project.daemon(Doing(works))
    running = in_thread(daemon)
    until(lambda: project.status(THREE) is Status.COMPLETE)
    until(lambda: any("no item is planned" in line for line in project.told))
    daemon.stop("enough")
    running.join()
    assert [run.item for run in project.runs()] == [THREE, TWO]
    assert project.status("US-7") is Status.IN_PROGRESS


def test_an_edit_while_it_is_idle_wakes_it(project: Project) -> None:
    project.set(TWO, Status.BLOCKED)
    daemon = project.daemon(Doing(works))
    running = in_thread(daemon)
    until(lambda: any("every planned item waits" in line for line in project.told))
    write(project.root / "ROADMAP.md", project.file.read().decode().replace("⏸️ Blocked", "📝 Planned"))
    until(lambda: project.status(TWO) is Status.COMPLETE)
    daemon.stop("enough")
    running.join()


def test_a_signal_at_any_moment_of_a_rest_ends_it(project: Project) -> None:
    """A handler runs between any two lines of the thread that it interrupts, also where that holds a lock."""
    project.set(TWO, Status.BLOCKED)
    daemon = project.daemon(Doing(works))
    lines = set()

    def interrupt(frame: FrameType, event: str, _: object) -> object:
        if frame.f_globals["__name__"] != "threading" or not project.told:
            return interrupt
        if event == "line" and frame.f_code.co_name in ("wait", "__enter__", "__exit__"):
            sys.settrace(None)  # as a handler, it is not interrupted by itself
            lines.add(frame.f_lineno)
            daemon.stop("SIGTERM")
            sys.settrace(interrupt)
        return interrupt

    def run() -> None:
        sys.settrace(interrupt)
        daemon.run()

    running = threading.Thread(target=run, daemon=True)
    running.start()
    until(lambda: any("every planned item waits" in line for line in project.told))
    running.join(timeout=20)
    assert not running.is_alive()
    assert len(lines) > 10


def test_nothing_to_do_says_why(project: Project) -> None:
    project.set(TWO, Status.MANUAL_REVIEW)
    assert project.daemon(Doing(works)).run(once=True) == []
    assert project.told == [
        "Nothing to do: every planned item waits.\n  PRIORITY-3: depends on PRIORITY-2, which is manual_review"
    ]


def test_the_agent_gets_the_item_and_a_place_outside_the_person_s_tree(project: Project) -> None:
    agent = Doing(works)
    project.daemon(agent, environment={"COFFEE_DATA_DIR": "/d"}).run(once=True)
    (task,) = agent.tasks
    assert (task.key, task.title, task.branch) == (TWO, "Write the parser", "roadmap/PRIORITY-2-write-the-parser")
    assert "Text of two." in task.text
    ours = {"COFFEE_ACTOR": "agent of PRIORITY-2", "COFFEE_RUN": "1", "COFFEE_PIPELINE": "1"}
    assert task.environment == {"COFFEE_DATA_DIR": "/d", **ours}
    for path in (task.directory, task.item_file, task.log):
        assert not path.startswith(str(project.root))
    assert not task.item_file.startswith(task.directory)


# --- what makes a person look ------------------------------------------------------------------------------------


def reviewed(project: Project, outcome: str) -> str:
    """The item is under review, with one alert; the reason."""
    assert project.status(TWO) is Status.MANUAL_REVIEW
    assert project.runs(TWO)[0].outcome == outcome
    alert = project.news()[-1]
    assert (alert.kind, alert.level, alert.title) == (Kind.ALERT, Level.HIGH, "PRIORITY-2 needs you")
    reason = project.runs(TWO)[0].detail or ""
    assert reason in alert.message
    return reason.partition("\n\nWhat was tried")[0]


def test_an_agent_that_fails(project: Project) -> None:
    agent = Doing(lambda task, stop: AgentResult(False, 9, "it ended with exit code 9", "last words"))
    project.daemon(agent).run(once=True)
    again = "No progress: attempt 2 failed as one before it did: "
    assert reviewed(project, "failed") == f"{again}the doing agent ended with exit code 9\n\nlast words"
    assert [run.exit_code for run in project.runs()] == [9, 9]
    assert project.tree(TWO).is_dir()


def test_an_agent_that_says_it_is_done_and_did_nothing(project: Project) -> None:
    tests = Doing(lambda task, stop: None)
    project.daemon(Doing(lambda task, stop: None), tests=tests).run(once=True)
    assert reviewed(project, "manual_review") == "the doing agent ended well but changed nothing"
    assert not tests.tasks


def test_changing_the_roadmap_s_copy_is_no_work(project: Project) -> None:
    def cheat(task: Task, _stop: Stop) -> None:
        write(Path(task.directory) / "ROADMAP.md", "all complete\n")

    project.daemon(Doing(cheat)).run(once=True)
    assert "changed nothing" in reviewed(project, "manual_review")


def test_tests_that_fail_keep_the_work_on_its_branch(project: Project) -> None:
    def fail(task: Task, _stop: Stop) -> AgentResult:
        write(Path(task.directory) / "left-by-tests.txt", "junk\n")
        return AgentResult(False, 1, "it ended with exit code 1", "1 failed")

    project.daemon(Doing(works), tests=Doing(fail)).run(once=True)
    again = "No progress: attempt 2 failed as one before it did: "
    assert reviewed(project, "failed") == f"{again}the test command ended with exit code 1\n\n1 failed"
    branch = project.branch_of(TWO)
    assert project.files_of(branch) == ["PRIORITY-2.txt"]
    assert "Not finished: No progress" in git(project.root, "log", "-1", "--format=%B", branch)


def test_what_an_agent_committed_itself_counts(project: Project) -> None:
    def commits(task: Task, _stop: Stop) -> None:
        works(task, _stop)
        git(Path(task.directory), "add", "-A")
        git(Path(task.directory), "commit", "-q", "-m", "the agent's own")

    assert project.daemon(Doing(commits)).run(once=True)[0].outcome == "complete"
    assert git(project.root, "log", "-1", "--format=%s", project.branch_of(TWO)) == "the agent's own"


def test_an_agent_that_leaves_its_branch(project: Project) -> None:
    def leaves(task: Task, _stop: Stop) -> None:
        works(task, _stop)
        git(Path(task.directory), "checkout", "-q", "-b", "elsewhere")

    assert project.daemon(Doing(leaves)).run(once=True)[0].outcome == "manual_review"
    assert "elsewhere" in reviewed(project, "manual_review")


def test_a_branch_that_the_person_has_checked_out(project: Project) -> None:
    git(project.root, "checkout", "-q", "-b", "roadmap/PRIORITY-2-write-the-parser")
    project.daemon(Doing(works)).run(once=True)
    assert project.status(TWO) is Status.MANUAL_REVIEW
    assert "is checked out in" in project.news()[-1].message
    assert not project.runs()


def test_a_status_that_the_person_set_meanwhile_stays(project: Project) -> None:
    def slow(task: Task, _stop: Stop) -> None:
        works(task, _stop)
        project.set(TWO, Status.CANCELLED)

    project.daemon(Doing(slow)).run(once=True)
    assert project.status(TWO) is Status.CANCELLED
    assert "had been changed meanwhile" in project.news()[-1].message


def test_an_item_that_is_removed_meanwhile(project: Project) -> None:
    def slow(task: Task, _stop: Stop) -> None:
        works(task, _stop)
        project.editing().remove(TWO, by="person")

    assert project.daemon(Doing(slow)).run(once=True)[0].outcome == "complete"
    assert "had been changed meanwhile" in project.news()[-1].message


# --- approval ----------------------------------------------------------------------------------------------------


def asked(project: Project, item: str = TWO) -> int:
    """The question about the item; those of others may have been asked meanwhile."""
    until(lambda: any(one.item == item for one in project.news()))
    return next(one.id for one in project.news() if one.item == item)


def test_it_asks_first_and_a_person_answers(shared: Project) -> None:
    running = in_thread(shared.daemon(Doing(works), ask_approval=True), once=True)
    question = shared.messages.get(asked(shared))
    assert (question.kind, question.options, question.item) == (Kind.QUESTION, ("approve", "skip", "change: ..."), TWO)
    assert shared.status(TWO) is Status.PLANNED
    shared.messages.respond(question.id, "approve", by="ada", via="terminal")
    running.join()
    assert shared.status(TWO) is Status.COMPLETE
    assert any("approved by ada via terminal" in line for line in shared.told)


def test_an_approval_that_nobody_needs_any_more_is_put_aside(project: Project) -> None:
    daemon = project.daemon(Doing(works), ask_approval=True)
    running = in_thread(daemon)
    question = asked(project)
    daemon.stop("enough")
    running.join()
    assert project.daemon(Doing(works)).run(once=True)[0].outcome == "complete"
    assert project.messages.get(question).state is State.DISMISSED


def test_skip_leaves_it_planned_and_goes_on_without_asking_again(project: Project) -> None:
    git(project.root, "status")
    project.editing().edit(THREE, _without_dependency(), by="person")
    daemon = project.daemon(Doing(works), ask_approval=True)
    running = in_thread(daemon)
    project.messages.respond(asked(project), "skip", by="ada", via="terminal")
    project.messages.dismiss(asked(project, THREE), by="ada")
    until(lambda: any("left alone" in line and THREE in line for line in project.told))
    until(lambda: any("every planned item waits" in line for line in project.told))
    daemon.stop("enough")
    running.join()
    assert project.status(TWO) is Status.PLANNED
    assert not project.runs()
    assert len(project.news()) == 2


def _without_dependency() -> object:
    from coffee_maker.work.editing import ItemEdits

    return ItemEdits(fields={"Depends On": None})


@pytest.mark.parametrize("how", ["skip", "dismissed"])
def test_what_a_person_does_not_want_begun_is_skipped_by_all_daemons_until_retry(project: Project, how: str) -> None:
    running = in_thread(project.daemon(Doing(works), ask_approval=True), once=True)
    question = asked(project)
    if how == "skip":
        project.messages.respond(question, "skip", by="ada", via="terminal")
    else:
        project.messages.dismiss(question, by="ada")
    running.join()
    with project.store.reading() as tx:
        assert tx.controls.skipped()[TWO].words == f"skipped by ada: {how} to question {question}"
    assert project.daemon(Doing(works)).run(once=True) == []  # one that asks nobody leaves it alone, too
    Controlling(project.store, project.clock, project.editing()).retry(TWO, by="ada", reason=None)
    assert project.daemon(Doing(works)).run(once=True)[0].outcome == "complete"
    assert len([one for one in project.news() if one.kind is Kind.QUESTION]) == 1


def test_a_daemon_that_was_killed_while_asking_finds_its_question_and_the_answer(project: Project) -> None:
    daemon = project.daemon(Doing(works), ask_approval=True)
    running = in_thread(daemon, once=True)
    question = asked(project)
    daemon.stop("stands for a kill")
    running.join()
    assert project.status(TWO) is Status.PLANNED
    project.messages.respond(question, "approve", by="ada", via="terminal")
    assert project.daemon(Doing(works), ask_approval=True).run(once=True)[0].outcome == "complete"
    assert [one.id for one in project.news() if one.kind is Kind.QUESTION] == [question]


def test_an_approval_that_nobody_gives_in_time_is_no_approval(project: Project) -> None:
    daemon = project.daemon(Doing(works), ask_approval=True, approval_deadline=timedelta(milliseconds=100))
    assert daemon.run(once=True)[0].outcome == "skipped"
    assert project.news()[0].state is State.EXPIRED
    assert project.status(TWO) is Status.PLANNED


@pytest.mark.parametrize("meanwhile", ["nothing", "edited", "put back", "declined"])
def test_an_approval_that_comes_late_counts_for_the_next_daemon_unless_the_item_was_changed_since(
    meanwhile: str, project: Project
) -> None:
    soon = timedelta(milliseconds=100)
    before = (project.root / "ROADMAP.md").read_bytes()
    if meanwhile == "put back":
        project.editing().edit(TWO, ItemEdits(append="And in green."), by="ada")
    project.daemon(Doing(works), ask_approval=True, approval_deadline=soon).run(once=True)
    question = project.news()[0].id
    answer = "skip" if meanwhile == "declined" else "approve"
    assert late(project.messages.respond(question, answer, by="ada", via="terminal"))
    if meanwhile == "edited":
        project.editing().edit(TWO, ItemEdits(append="And in green."), by="ada")
    elif meanwhile == "put back":
        (project.root / "ROADMAP.md").write_bytes(before)
        project.editing().reconcile()
    done = project.daemon(Doing(works), ask_approval=True, approval_deadline=soon).run(once=True)
    questions = [one.id for one in project.news() if one.kind is Kind.QUESTION]
    if meanwhile == "nothing":
        assert (done[0].outcome, questions) == ("complete", [question])
        assert any("approved by ada via terminal" in line for line in project.told)
    else:
        assert (done[0].outcome, len(questions)) == ("skipped", 2)


def test_an_item_that_the_person_took_while_it_was_asked_about(project: Project) -> None:
    running = in_thread(project.daemon(Doing(works), ask_approval=True), once=True)
    question = asked(project)
    project.set(TWO, Status.IN_PROGRESS)
    project.messages.respond(question, "approve", by="ada", via="terminal")
    running.join()
    assert project.status(TWO) is Status.IN_PROGRESS
    assert any("no longer planned" in line for line in project.told)


def test_an_item_that_was_taken_while_it_was_asked_about_is_asked_about_again_when_it_is_planned(
    project: Project,
) -> None:
    daemon = project.daemon(Doing(works), ask_approval=True)
    running = in_thread(daemon)
    first = asked(project)
    project.set(TWO, Status.BLOCKED)
    until(lambda: any("no longer planned" in line for line in project.told))
    project.set(TWO, Status.PLANNED)
    until(lambda: any(one.kind is Kind.QUESTION and one.item == TWO and one.id != first for one in project.news()))
    daemon.stop("enough")
    running.join()


def test_a_disk_that_is_full_under_the_runs_files_is_told_and_does_not_end_the_daemon(project: Project) -> None:
    def full(task: Task, _stop: Stop) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), task.item_file)

    (done,) = project.daemon(Doing(full)).run(once=True)
    assert done.outcome == "manual_review"
    assert "No space left on device" in str(done.reason)
    assert "daemon retry" in str(done.reason)
    assert project.status(TWO) is Status.MANUAL_REVIEW


# --- claims ------------------------------------------------------------------------------------------------------


def test_a_lost_claim_stops_the_agent_and_writes_nothing(shared: Project) -> None:
    def waits(task: Task, stop: Stop) -> AgentResult:
        works(task, stop)
        with shared.store.writing() as tx:
            (claim,) = tx.claims.held(shared.clock.now())
            tx.claims.release(claim)
            tx.claims.take(TWO, "another", lease=timedelta(minutes=5), now=shared.clock.now())
        until(stop.requested)
        return AgentResult(False, None, stop.requested(), "")

    done = shared.daemon(Doing(waits), lease=timedelta(seconds=6)).run(once=True)
    assert done[0].outcome == "lost"
    assert shared.status(TWO) is Status.IN_PROGRESS
    assert (shared.tree(TWO) / "PRIORITY-2.txt").exists()
    assert shared.runs()[0].outcome == "lost"
    with shared.store.reading() as tx:
        assert [claim.owner for claim in tx.claims.held(shared.clock.now())] == ["another"]


def test_a_claim_lost_at_the_last_moment_cannot_write_its_result(project: Project) -> None:
    def steals(task: Task, stop: Stop) -> None:
        works(task, stop)
        with project.store.writing() as tx:
            (claim,) = tx.claims.held(project.clock.now())
            tx.claims.release(claim)

    assert project.daemon(Doing(steals)).run(once=True)[0].outcome == "lost"
    assert project.status(TWO) is Status.IN_PROGRESS
    assert not project.files_of(project.branch_of(TWO))


def test_a_long_agent_keeps_its_lease(shared: Project) -> None:
    def long(task: Task, stop: Stop) -> None:
        works(task, stop)
        with shared.store.reading() as tx:
            first = tx.claims.held(shared.clock.now())[0].until
        until(lambda: shared.clock.now() > first + timedelta(seconds=0.5))
        assert stop.requested() is None

    assert shared.daemon(Doing(long), lease=timedelta(seconds=6)).run(once=True)[0].outcome == "complete"


def test_another_s_item_is_left_to_them(project: Project) -> None:
    with project.store.writing() as tx:
        tx.claims.take(TWO, "another", lease=timedelta(minutes=5), now=project.clock.now())
    assert project.daemon(Doing(works)).run(once=True) == []
    assert "is claimed by another" in project.told[0]


def abandon(project: Project, *, runs: int = 1) -> None:
    """Leave what a killed daemon leaves."""
    from coffee_maker.core.records import Entry, Run

    long_ago = project.clock.now() - timedelta(hours=1)
    with project.store.writing() as tx:
        claim = tx.claims.take(TWO, "dead", lease=timedelta(seconds=60), now=long_ago)
        for step in ("claim", "approve", "clarify", "begin"):
            tx.journal.record(Entry(TWO, claim.fence, step, {}, claim.fence, long_ago))
    for _ in range(runs):
        with project.store.runs() as log:
            log.start(Run(TWO, "dead", "doing", "b", long_ago, None, None, None, None, None, claim.fence))
    project.editing().set_status(TWO, Status.IN_PROGRESS, by="dead", reason="taken up by dead")


def test_what_a_dead_daemon_left_is_taken_up_first_and_not_asked_about_again(shared: Project) -> None:
    abandon(shared)
    tree = shared.repository.open_worktree(
        str(shared.home / "trees/PRIORITY-2-write-the-parser"), "roadmap/PRIORITY-2-write-the-parser"
    )
    write(Path(tree.path) / "half.txt", "half\n")
    done = shared.daemon(Doing(works), ask_approval=True).run(once=True)
    assert done[0].outcome == "complete"
    assert [run.outcome for run in shared.runs(TWO)] == ["complete", "lost"]
    kept = shared.home / "trees/PRIORITY-2-write-the-parser.left-1/half.txt"
    assert kept.read_text() == "half\n"
    assert any("taken up again" in line for line in shared.told)
    assert any("kept in" in line for line in shared.told)


def test_attempts_are_bounded(project: Project) -> None:
    abandon(project, runs=3)
    agent = Doing(works)
    project.daemon(agent).run(once=True)
    assert reviewed(project, "manual_review") == "3 runs in a row were cut off: their daemons died"
    assert not agent.tasks


def test_a_person_who_plans_it_again_gets_fresh_attempts(project: Project) -> None:
    abandon(project, runs=3)
    project.daemon(Doing(works)).run(once=True)
    project.set(TWO, Status.PLANNED)
    assert project.daemon(Doing(works)).run(once=True)[0].outcome == "complete"


def test_stopping_puts_the_item_back_and_keeps_the_work_tree(project: Project) -> None:
    def waits(task: Task, stop: Stop) -> AgentResult:
        works(task, stop)
        until(stop.requested)
        return AgentResult(False, None, stop.requested(), "")

    daemon = project.daemon(Doing(waits))
    running = in_thread(daemon)
    until(lambda: list(project.home.glob("trees/*/PRIORITY-2.txt")))
    daemon.stop("Ctrl-C")
    running.join()
    assert project.status(TWO) is Status.PLANNED
    assert project.reasons(TWO)[-1] == ("planned", f"{STOPPED}: Ctrl-C")
    assert (project.tree(TWO) / "PRIORITY-2.txt").exists()
    for _ in range(3):
        abandon_by_stop(project)
    assert project.daemon(Doing(works)).run(once=True)[0].outcome == "complete"


def abandon_by_stop(project: Project) -> None:
    """A stop is no failed attempt, however often."""

    def is_ended(_task: Task, stop: Stop) -> AgentResult:
        daemon.stop("Ctrl-C")
        return AgentResult(False, None, stop.requested(), "")

    daemon = project.daemon(Doing(is_ended))
    assert daemon.run(once=True)[0].outcome == "stopped"


# --- refusals ----------------------------------------------------------------------------------------------------


def test_agents_that_cannot_run_are_told_before_anything_is_touched(project: Project) -> None:
    with pytest.raises(AgentUnusable, match="no such program"):
        project.daemon(Doing(works, missing="no such program")).run()
    with pytest.raises(AgentUnusable, match="no tests"):
        project.daemon(Doing(works), tests=Doing(works, missing="no tests")).run()
    assert project.status(TWO) is Status.PLANNED


def test_without_a_usable_repository_it_does_not_start(project: Project) -> None:
    os.rename(project.root / ".git", project.root / "git-away")
    with pytest.raises(NotARepository):
        project.daemon(Doing(works)).run()
    git(project.root, "init", "-q")
    with pytest.raises(NoCommitYet):
        project.daemon(Doing(works)).run()


def test_in_a_rebase_it_waits(project: Project) -> None:
    (project.root / ".git/rebase-merge").mkdir()
    with pytest.raises(RepositoryBusy):
        project.daemon(Doing(works)).run(once=True)
    daemon = project.daemon(Doing(works))
    running = in_thread(daemon)
    until(lambda: any("in the middle of a rebase" in line for line in project.told))
    assert project.status(TWO) is Status.PLANNED
    (project.root / ".git/rebase-merge").rmdir()
    until(lambda: project.status(TWO) is Status.COMPLETE)
    daemon.stop("enough")
    running.join()


def test_with_no_space_for_work_trees_it_waits(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    full = threading.Event()
    full.set()
    usage = shutil.disk_usage(project.home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=4096) if full.is_set() else usage)
    with pytest.raises(NoSpace):
        project.daemon(Doing(works)).run(once=True)
    daemon = project.daemon(Doing(works))
    running = in_thread(daemon)
    until(lambda: any("less than 16 MB" in line for line in project.told))
    assert project.status(TWO) is Status.PLANNED
    until(lambda: "less than 16 MB" in (beat(project).because or ""))
    full.clear()
    until(lambda: project.status(TWO) is Status.COMPLETE)
    until(lambda: (beat(project).because or "").startswith("Nothing to do: "))
    daemon.stop("enough")
    running.join()
    assert sum("less than 16 MB" in line for line in project.told) == 1


def beat(project: Project) -> Heartbeat:
    with project.store.reading() as tx:
        [one] = tx.heartbeats.all()
    return one


@pytest.mark.parametrize("told", ["by the agent", "by an error"])
def test_a_disk_that_becomes_full_under_an_item_is_waited_for_and_is_no_attempt(
    project: Project, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    full = threading.Event()
    usage = shutil.disk_usage(project.home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=4096) if full.is_set() else usage)
    runs = []

    def fills(task: Task, stop: Stop) -> AgentResult | None:
        runs.append(task)
        if len(runs) > 1:
            return works(task, stop)
        full.set()
        if told == "by an error":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), task.item_file)
        return AgentResult(False, 1, "it exited with 1", "No space left on device")

    daemon = project.daemon(Doing(fills), max_attempts=1)
    running = in_thread(daemon)
    until(lambda: any("put back, There are less than 16 MB" in line for line in project.told))
    until(lambda: sum("less than 16 MB" in line for line in project.told) == 2)
    assert (project.status(TWO), len(runs)) == (Status.PLANNED, 1)
    full.clear()
    until(lambda: project.status(TWO) is Status.COMPLETE)

    def outcomes() -> list[str | None]:
        with project.store.runs() as kept:
            return [run.outcome for _number, run in kept.list(item=TWO)]

    until(lambda: outcomes() == ["complete", "lost"])  # it is written after the status
    daemon.stop("enough")
    running.join()


def test_a_busy_roadmap_at_the_beginning_leaves_the_item_planned(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from coffee_maker.work import steps

    def busy(*_: object, **__: object) -> bool:
        raise LockBusy(what="ROADMAP.md", holder="x", since="y", waited="10 s")

    with monkeypatch.context() as while_busy:
        while_busy.setattr(steps, "set_status", busy)
        with pytest.raises(LockBusy):
            project.daemon(Doing(works)).run(once=True)
    assert project.status(TWO) is Status.PLANNED
    with project.store.reading() as tx:
        assert not tx.claims.held(project.clock.now())


def test_something_unforeseen_keeps_the_claim_so_that_the_item_is_taken_up_again(project: Project) -> None:
    def breaks(_task: Task, _stop: Stop) -> AgentResult:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        project.daemon(Doing(breaks), lease=timedelta(minutes=5)).run(once=True)
    assert project.status(TWO) is Status.IN_PROGRESS
    assert project.daemon(Doing(works)).run(once=True) == []
    project.later(timedelta(minutes=6))
    assert project.daemon(Doing(works)).run(once=True)[0].outcome == "complete"
    assert project.status(TWO) is Status.COMPLETE


def test_a_daemon_that_dies_while_it_sets_aside_what_changed_has_the_work_done_once(
    shared: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []

    def counted(task: Task, stop: Stop) -> None:
        runs.append(task)
        works(task, stop)

    def dies(*_: object, **__: object) -> bool:
        raise RuntimeError("as if killed")

    first = shared.daemon(Doing(counted), lease=timedelta(minutes=5))
    with monkeypatch.context() as dying:
        dying.setattr(shared.repository, "stage", dies)
        with pytest.raises(RuntimeError):
            first.run(once=True)
    shared.later(timedelta(minutes=6))
    assert shared.daemon(Doing(counted)).run(once=True)[0].outcome == "complete"
    assert (shared.status(TWO), len(runs)) == (Status.COMPLETE, 1)
    with shared.store.runs() as kept:
        assert [run.outcome for _number, run in kept.list(item=TWO)] == ["complete"]


# --- beside the work ---------------------------------------------------------------------------------------------


def test_handshakes_are_answered_while_it_works_and_its_beat_says_what_it_does(shared: Project) -> None:
    def looks(task: Task, stop: Stop) -> None:
        works(task, stop)
        with shared.store.writing() as tx:
            tx.heartbeats.ask("nonce", shared.clock.now())
        until(answered)
        with shared.store.reading() as tx:
            (beat,) = tx.heartbeats.all()
        assert (beat.daemon, beat.state, beat.item, beat.step) == ("daemon-1", "working", TWO, "build:1")

    def answered() -> bool:
        with shared.store.reading() as tx:
            return dict(tx.heartbeats.replies("nonce")).get("daemon-1") is not None

    assert shared.daemon(Doing(looks)).run(once=True)[0].outcome == "complete"


def test_a_supervisor_that_fails_ends_the_daemon_with_its_error(project: Project) -> None:
    class Broken:
        def seen(self) -> dict[str, object]:
            if threading.current_thread().name == "supervisor":
                raise RuntimeError("cannot see")
            return {}

    from coffee_maker.work.daemon import Daemon

    def waits(task: Task, stop: Stop) -> AgentResult:
        with project.store.writing() as tx:
            tx.heartbeats.ask("nonce", project.clock.now())
        until(stop.requested)
        return OK

    daemon = Daemon(project.desk(Doing(waits)), Broken(), poll=timedelta(milliseconds=50))
    with pytest.raises(RuntimeError, match="cannot see"):
        daemon.run(once=True)
    assert project.status(TWO) is Status.PLANNED


# --- names -------------------------------------------------------------------------------------------------------

KEYS = [
    "PRIORITY-3#2",
    "PRIORITY-3_2",
    "PRIORITY-3-2",
    "US-1",
    "a/../b.lock",
    "..",
    "",
    "x" * 300,
    "x" * 301,
    "日本",
    "\0",
    "@{",
]


def test_a_key_that_goes_on_like_another_s_title_has_a_name_of_its_own() -> None:
    assert naming.file_name("FEAT-auth", "login flow") != naming.file_name("FEAT-auth-login", "flow")
    assert naming.file_name("PRIORITY-1", "Two words") == "PRIORITY-1-two-words"
    assert naming.file_name("US-7#2", "X") == "US-7_2-x"


def test_names_are_fit_for_git_and_keep_keys_apart(tmp_path: Path) -> None:
    names = [naming.file_name(key, "Title: `$(x)` ünï") for key in KEYS]
    assert len(set(names)) == len(names)
    for name in [*names, *(naming.file_name(key, "") for key in KEYS), naming.project_name("Mein Projekt", "/a")]:
        git(tmp_path, "check-ref-format", f"refs/heads/roadmap/{name}")
        assert len(name) < 120
        assert "/" not in name


@pytest.mark.parametrize("status", [Status.BLOCKED, Status.CANCELLED, Status.COMPLETE])
def test_an_item_that_a_person_decides_about_while_it_is_built_is_left_to_them(
    project: Project, status: Status
) -> None:
    begun = threading.Event()

    def slow(task: Task, stop: Stop) -> AgentResult | None:
        if begun.is_set():
            return works(task, stop)
        write(Path(task.directory) / "half.txt", "half\n")
        begun.set()
        until(lambda: stop.requested() is not None)
        return AgentResult(False, None, str(stop.requested()), "")

    daemon = project.daemon(Doing(slow))
    running = in_thread(daemon)
    assert begun.wait(60)
    project.editing().set_status(TWO, status, by="ada")
    until(lambda: any(line.startswith(f"{TWO}: left alone") for line in project.told))
    assert project.status(TWO) is status
    assert f"{TWO}: left alone: it was set to {status.value} meanwhile" in project.told
    [tree] = (project.home / "trees").iterdir()
    assert (tree / "half.txt").read_text() == "half\n"
    assert project.news() == []
    project.editing().set_status(TWO, Status.PLANNED, by="ada")  # and when it is to be done after all, it is
    until(lambda: project.status(TWO) is Status.COMPLETE)
    daemon.stop("enough")
    running.join(60)


@pytest.mark.parametrize("how", ["planned again", "of another branch"])
def test_an_item_that_is_away_for_a_moment_is_gone_on_with(
    project: Project, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(watching, "_LOOK", -1.0)  # at each question whether it is to end
    begun, changed, looked = threading.Event(), threading.Event(), threading.Event()
    reasons: list[str | None] = []

    def slow(task: Task, stop: Stop) -> AgentResult | None:
        begun.set()
        assert changed.wait(60)
        reasons.append(stop.requested())
        looked.set()
        return works(task, stop)

    running = in_thread(project.daemon(Doing(slow)), once=True)
    assert begun.wait(60)
    path = project.root / "ROADMAP.md"
    text = path.read_text()
    if how == "planned again":
        project.editing().set_status(TWO, Status.PLANNED, by="ada")
    else:
        write(path, "# Roadmap of another branch\n")
    changed.set()
    assert looked.wait(60)
    write(path, text)
    running.join(60)
    assert (reasons, project.status(TWO)) == ([None], Status.COMPLETE)


def test_a_work_tree_in_which_only_tests_left_something_goes(project: Project) -> None:
    def leave(task: Task, _stop: Stop) -> AgentResult:
        write(Path(task.directory) / "__pycache__/made.pyc", "junk\n")
        return OK

    assert project.daemon(Doing(works), tests=Doing(leave)).run(once=True)[0].outcome == "complete"
    assert list((project.home / "trees").iterdir()) == []


def test_a_work_tree_that_stays_is_told_with_the_reason(project: Project) -> None:
    def leave(task: Task, _stop: Stop) -> AgentResult:
        git(project.root, "worktree", "lock", task.directory)
        return OK

    assert project.daemon(Doing(works), tests=Doing(leave)).run(once=True)[0].outcome == "complete"
    assert any(line.endswith(" stays: it is locked") for line in project.told)
