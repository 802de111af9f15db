"""The attempts at an item through the whole daemon: progress or none, outages, pushing by the policy, vague items."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from tests.adapters.git_states import git, write
from tests.work.daemon_kit import OK, Doing, Project, in_thread, until, works
from tests.work.watching_kit import THREE, TWO, Talking, question, questions

from coffee_maker.core.items import Status
from coffee_maker.core.ports import Stop
from coffee_maker.core.questions import Level
from coffee_maker.core.records import AgentResult, Task
from coffee_maker.work.watching import Watching

AWAY = AgentResult(False, 1, "overloaded", "", outage=True, retry_after=timedelta(milliseconds=1))


def failing(words: str) -> AgentResult:
    return AgentResult(False, 1, "it ended with exit code 1", words)


def working(task: Task, watch: Watching) -> AgentResult | None:
    works(task, watch)
    return None


class Checks(Doing):
    """Tests that come out one way after the other."""

    def __init__(self, *results: AgentResult) -> None:
        left = list(results)
        super().__init__(lambda task, stop: left.pop(0))


# --- tests that use git ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        "git stash -q && git stash pop -q",
        "git stash -q -u",
        "git reset -q",
        "echo evil > evil.txt; git add -A",
        "echo evil > evil.txt; git add -A; git -c user.name=t -c user.email=t@t commit -q -m evil",
        "git replace HEAD $(git rev-list --max-parents=0 HEAD) 2>/dev/null; rm -f made.txt; git add -A",
    ],
)
@pytest.mark.parametrize("fails_first", [False, True])
def test_what_tests_do_with_git_changes_nothing_of_what_is_committed(
    project: Project, script: str, fails_first: bool
) -> None:
    write(project.root / "tracked.txt", "before\n")
    git(project.root, "add", "tracked.txt")
    git(project.root, "commit", "-q", "-m", "a file")

    def agent(task: Task, _watch: Watching) -> None:
        tree = Path(task.directory)
        (tree / f"made-{len(task.earlier)}.txt").write_text("made\n")
        if not task.earlier:
            (tree / "tracked.txt").write_text("after\n")
            (tree / "made.txt").write_text("made\n")

    runs = iter([failing("1 failed"), OK] if fails_first else [OK])

    def tests(task: Task, _stop: Stop) -> AgentResult:
        subprocess.run(["sh", "-c", script], cwd=task.directory, check=True, capture_output=True)
        return next(runs)

    (done,) = project.daemon(Talking(agent), tests=Doing(tests), max_attempts=2).run(once=True)
    assert done.outcome == "complete", project.told
    branch = project.branch_of(TWO)
    second = ["made-1.txt"] if fails_first else []
    assert project.files_of(branch) == ["made-0.txt", *second, "made.txt", "tracked.txt"]
    assert git(project.root, "show", f"{branch}:tracked.txt") == "after"
    assert git(project.root, "rev-list", "--count", f"main..{branch}") == "1"
    assert not list((project.home / "trees").iterdir())


def test_what_an_agent_that_failed_left_in_the_index_is_not_committed(project: Project) -> None:
    def first(task: Task, _watch: Watching) -> None:
        write(Path(task.directory) / "made.txt", "made\n")

    def fails(task: Task, _watch: Watching) -> AgentResult:
        write(Path(task.directory) / "junk.txt", "half\n")
        git(Path(task.directory), "add", "-A")
        return failing("crashed")

    tests = Checks(failing("1 failed"))
    project.daemon(Talking(first, fails), tests=tests, max_attempts=2).run(once=True)
    assert project.status(TWO) is Status.MANUAL_REVIEW
    assert project.files_of(project.branch_of(TWO)) == ["made.txt"]


# --- progress or none --------------------------------------------------------------------------------------------


def test_the_same_test_failure_twice_ends_it_and_says_what_was_tried(shared: Project) -> None:
    """Numbers and times in the output make no other failure."""
    tests = Checks(failing("1 failed in 0.31s"), failing("1 failed in 0.29s"))
    shared.daemon(Talking(working), tests=tests, max_attempts=5).run(once=True)
    assert shared.status(TWO) is Status.MANUAL_REVIEW
    assert shared.reasons(TWO)[-1][1] == (
        "No progress: attempt 2 failed as one before it did: the test command ended with exit code 1"
    )
    message = shared.news()[-1].message
    assert "What was tried:\nAttempt 1: the test command ended with exit code 1\n\n1 failed in 0.31s" in message
    assert "Attempt 2: the test command" in message


def test_failures_that_differ_take_all_attempts_and_each_is_told_of_those_before(project: Project) -> None:
    agent = Talking(working)
    tests = Checks(failing("parser broken"), failing("printer broken"), failing("both broken"))
    project.daemon(agent, tests=tests, max_attempts=3).run(once=True)
    assert project.reasons(TWO)[-1][1] == "3 attempts failed; the last: the test command ended with exit code 1"
    assert [len(task.earlier) for task in agent.tasks] == [0, 1, 2]
    assert agent.tasks[2].earlier[1].startswith("Attempt 2: ")
    assert "printer broken" in agent.tasks[2].earlier[1]
    assert [run.outcome for run in project.runs(TWO)] == ["failed"] * 3


def test_one_that_gets_better_is_complete(project: Project) -> None:
    tests = Checks(failing("parser broken"), OK)
    assert project.daemon(Talking(working), tests=tests).run(once=True)[0].outcome == "complete"
    assert [run.outcome for run in project.runs(TWO)] == ["complete", "failed"]


def test_what_the_second_attempt_leaves_as_it_was_is_still_the_work_of_the_first(project: Project) -> None:
    """The second attempt adds nothing to what the first has set aside; its tests decide."""
    agent = Talking(working, lambda task, watch: None)
    project.daemon(agent, tests=Checks(failing("flaky"), OK)).run(once=True)
    assert project.status(TWO) is Status.COMPLETE


def test_between_attempts_it_waits_twice_as_long_each_time_and_leaves_its_place(project: Project) -> None:
    """Another item is done while the first one waits for its next attempt."""
    project.editing().edit(THREE, _free(), by="person")

    def run(task: Task, watch: Watching) -> AgentResult | None:
        return failing(str(len(project.runs(TWO)))) if task.key == TWO else working(task, watch)

    daemon = project.daemon(Talking(run), backoff=timedelta(minutes=30), max_attempts=4)
    running = in_thread(daemon)
    until(lambda: project.status(THREE) is Status.COMPLETE)
    assert any("attempt 1 failed, again in 30m: the doing agent" in line for line in project.told)
    until(lambda: _waiting(project) == [[(TWO, "the next attempt")]])
    daemon.stop("enough")
    running.join(60)
    assert project.status(TWO) is Status.PLANNED
    assert len(project.runs(TWO)) == 1


def _waiting(project: Project) -> list[list[tuple[object, object]]]:
    """Of each daemon, the items in hand and what they wait for."""
    with project.store.reading() as tx:
        return [[(job["item"], job["waits_for"]) for job in beat.jobs] for beat in tx.heartbeats.all()]


def _free() -> object:
    from coffee_maker.work.editing import ItemEdits

    return ItemEdits(fields={"Depends On": None})


# --- outages -----------------------------------------------------------------------------------------------------


def test_an_outage_of_the_service_is_no_attempt(shared: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often: with one attempt allowed, the fifth run still is the first attempt, in the same session."""
    no_waiting(monkeypatch)

    def away(task: Task, watch: Watching) -> AgentResult:
        watch.session("s-1")
        return AWAY

    agent = Talking(*[away] * 4, working)
    assert shared.daemon(agent, max_attempts=1).run(once=True)[0].outcome == "complete"
    assert [task.session for task in agent.tasks] == [None, *["s-1"] * 4]
    assert [run.attempt for run in shared.runs(TWO)] == [1] * 5
    assert [run.outcome for run in shared.runs(TWO)] == ["complete", *["lost"] * 4]
    told = [one for one in shared.news() if one.title == f"{TWO}: the agent's service is away"]
    assert [(one.level, one.message.partition("\n")[0]) for one in told] == [(Level.HIGH, "overloaded")]


def test_an_outage_is_waited_out_longer_each_time_or_as_long_as_the_service_says(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = no_waiting(monkeypatch)
    silent = AWAY._replace(retry_after=None)
    said = AWAY._replace(retry_after=timedelta(seconds=90))
    agent = Talking(*[_giving(one) for one in (silent, silent, said, silent, AWAY)], working)
    project.daemon(agent, backoff=timedelta(seconds=30)).run(once=True)
    assert waits == pytest.approx([30, 60, 90, 240, 1], abs=0.5)  # never less than a second


def test_a_few_outages_are_nothing_to_tell_a_person(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    no_waiting(monkeypatch)
    project.daemon(Talking(_giving(AWAY), _giving(AWAY), working)).run(once=True)
    assert [one.title for one in project.news()] == [f"{TWO} is complete"]


def _giving(result: AgentResult) -> object:
    return lambda task, watch: result


def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Outages are waited out at once; the list gets how long it would have been."""
    from coffee_maker.work.job import Job

    waits: list[float] = []

    def sleep(job: Job, until: object, reason: str) -> None:
        if reason == "the agent's service":
            waits.append((until - job.desk.clock.now()).total_seconds())  # type: ignore[operator]

    monkeypatch.setattr(Job, "sleep", sleep)
    return waits


# --- pushing -----------------------------------------------------------------------------------------------------


@pytest.fixture
def remote(project: Project) -> Path:
    bare = project.home / "remote.git"
    git(project.home, "init", "-q", "--bare", str(bare))
    git(project.root, "remote", "add", "origin", str(bare))
    return bare


def pushed(remote: Path) -> list[str]:
    return git(remote, "for-each-ref", "--format=%(refname:short)").splitlines()


def options(push: str | None) -> dict[str, object]:
    return {"push": "origin", "policy": {"start": "allow", **({"push": push} if push else {})}}


def test_with_leave_the_branch_is_pushed(project: Project, remote: Path) -> None:
    project.daemon(Talking(working), **options("allow")).run(once=True)
    assert pushed(remote) == [project.branch_of(TWO)]
    assert project.status(TWO) is Status.COMPLETE


def test_without_leave_it_is_not_pushed_and_told(project: Project, remote: Path) -> None:
    project.daemon(Talking(working), **options("deny")).run(once=True)
    assert pushed(remote) == []
    assert project.status(TWO) is Status.COMPLETE
    told = "it was not pushed to origin: the policy or the person said no"
    assert str(project.reasons(TWO)[-1][1]).endswith(told)
    assert not [one for one in project.news() if one.options]


@pytest.mark.parametrize(("answer", "is_pushed"), [("push", True), ("do not push", False), (None, False)])
@pytest.mark.parametrize("policy", ["ask", None])
def test_the_person_is_asked_before_a_push(
    project: Project, remote: Path, policy: str | None, answer: str | None, is_pushed: bool
) -> None:
    running = in_thread(project.daemon(Talking(working), **options(policy)), once=True)
    one = question(project)
    assert (one.title, one.options) == (f"Push {TWO} to origin?", ("push", "do not push"))
    assert pushed(remote) == []
    if answer is None:
        project.messages.dismiss(one.id, by="ada")
    else:
        project.messages.respond(one.id, answer, by="ada", via="terminal")
    running.join(60)
    assert bool(pushed(remote)) is is_pushed
    assert project.status(TWO) is Status.COMPLETE


def test_without_a_remote_nobody_is_asked(project: Project) -> None:
    project.daemon(Talking(working), policy={"start": "allow", "push": "ask"}).run(once=True)
    assert not [one for one in project.news() if one.options]


def test_a_push_that_fails_is_tried_three_times_and_left_to_the_person(project: Project) -> None:
    git(project.root, "remote", "add", "origin", str(project.home / "nowhere"))
    project.daemon(Talking(working), **options("allow"), backoff=timedelta(milliseconds=1)).run(once=True)
    assert project.status(TWO) is Status.MANUAL_REVIEW
    assert "could not be pushed" in project.news()[-1].message
    assert project.files_of(project.branch_of(TWO)) == [f"{TWO}.txt"]


def test_what_is_not_finished_is_not_pushed_silently(project: Project, remote: Path) -> None:
    """Work with failing tests goes by the same policy as any other."""
    tests = Checks(failing("broken"))
    project.daemon(Talking(working), tests=tests, max_attempts=1, **options("deny")).run(once=True)
    assert pushed(remote) == []


# --- starting ----------------------------------------------------------------------------------------------------


def test_a_policy_that_denies_starting_leaves_every_item(project: Project) -> None:
    agent = Talking(working)
    done = project.daemon(agent, policy={"start": "deny"}).run(once=True)
    assert [(one.outcome, one.reason) for one in done] == [("skipped", "the policy `start` is deny")]
    assert not agent.tasks
    assert project.status(TWO) is Status.PLANNED
    assert not project.news()


def test_words_of_the_person_are_given_to_the_agent(project: Project) -> None:
    agent = Talking(working)
    running = in_thread(project.daemon(agent, ask_approval=True), once=True)
    project.messages.respond(question(project).id, "change: in Rust, please", by="ada", via="terminal")
    running.join(60)
    assert dict(agent.tasks[0].answers) == {"What the person wants changed": "in Rust, please"}


# --- vague items -------------------------------------------------------------------------------------------------


def test_an_item_that_says_too_little_is_asked_about_first(shared: Project) -> None:
    agent = Talking(working)
    running = in_thread(shared.daemon(agent, ask_when_vague=True), once=True)
    one = question(shared)
    assert (one.title, one.options) == (f"What is {TWO} to deliver?", ())
    assert shared.status(TWO) is Status.PLANNED
    shared.messages.respond(one.id, "a parser that reads its own output", by="ada", via="terminal")
    running.join(60)
    assert dict(agent.tasks[0].answers) == {one.title: "a parser that reads its own output"}
    assert shared.status(TWO) is Status.COMPLETE


def test_without_an_answer_a_vague_item_stays_planned(project: Project) -> None:
    running = in_thread(project.daemon(Talking(working), ask_when_vague=True), once=True)
    project.messages.dismiss(question(project).id, by="ada")
    running.join(60)
    assert project.status(TWO) is Status.PLANNED


def test_who_has_said_what_to_change_is_not_asked_what_is_to_come_out(project: Project) -> None:
    daemon = project.daemon(Talking(working), ask_approval=True, ask_when_vague=True)
    running = in_thread(daemon, once=True)
    project.messages.respond(question(project).id, "change: it must read JSON", by="ada", via="terminal")
    running.join(60)
    assert project.status(TWO) is Status.COMPLETE
    assert not questions(project)


def test_a_stop_while_it_pushes_is_heard(project: Project, remote: Path) -> None:
    """The question stays; who takes the item up again neither builds nor commits anew."""
    agent = Talking(working)
    daemon = project.daemon(agent, **options("ask"))
    running = in_thread(daemon, once=True)
    one = question(project)
    daemon.stop("Ctrl-C")
    running.join(60)
    assert project.status(TWO) is Status.PLANNED
    project.messages.respond(one.id, "push", by="ada", via="terminal")
    assert project.daemon(agent, owner="daemon-2", **options("ask")).run(once=True)[0].outcome == "complete"
    assert pushed(remote) == [project.branch_of(TWO)]
    assert len(agent.tasks) == 1


def test_a_stop_while_the_remote_hangs_is_heard(project: Project) -> None:
    hangs = write(project.home / "hangs.sh", f"echo $$ > {project.home}/pid\nexec sleep 600\n")
    git(project.root, "remote", "add", "origin", f"ext::sh {hangs}")
    git(project.root, "config", "protocol.ext.allow", "always")
    daemon = project.daemon(Talking(working), **options("allow"))
    running = in_thread(daemon, once=True)
    until(lambda: (project.home / "pid").exists() and (project.home / "pid").read_text())
    daemon.stop("Ctrl-C")
    running.join(60)
    assert not running.is_alive()
    assert project.status(TWO) is Status.PLANNED
    until(lambda: not Path(f"/proc/{(project.home / 'pid').read_text().strip()}").exists())


def test_a_stop_while_an_agent_waits_for_its_place(project: Project) -> None:
    """Two items are begun, one place: the second waits for it, and is put back with the first."""
    project.editing().edit(THREE, _free(), by="person")

    def waits(task: Task, stop: Stop) -> AgentResult:
        until(stop.requested)
        return AgentResult(False, None, stop.requested(), "")

    daemon = project.daemon(Doing(waits), ask_approval=True, parallel=1, waiting=3)
    running = in_thread(daemon)
    until(lambda: len(questions(project)) == 2)
    for one in questions(project):
        project.messages.respond(one.id, "approve", by="ada", via="terminal")
    # Whoever takes the place shows for a moment that it waits for it: so first one run, then one that still waits.
    until(lambda: len(project.runs()) == 1)
    until(lambda: "a free place for its agent" in [why for jobs in _waiting(project) for _item, why in jobs])
    assert len(project.runs()) == 1
    daemon.stop("enough")
    running.join(60)
    assert (project.status(TWO), project.status(THREE)) == (Status.PLANNED, Status.PLANNED)
