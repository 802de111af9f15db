"""What an agent adds to the dependencies is allowed, refused or asked about, whatever the agent is."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.git_states import git, write
from tests.work.daemon_kit import Doing, Project, in_thread, until
from tests.work.watching_kit import THREE, TWO, Talking, question, questions

from coffee_maker.core.items import Status
from coffee_maker.core.records import Action, AgentResult, Task
from coffee_maker.work.editing import ItemEdits
from coffee_maker.work.watching import Watching

MANIFEST = '[project]\nname = "x"\ndependencies = [{}]\n'
FAILED = AgentResult(False, 1, "it ended with exit code 1", "1 failed")


@pytest.fixture
def project(shared: Project) -> Project:
    """On both databases; the project depends on something already."""
    write(shared.root / "pyproject.toml", MANIFEST.format('"attrs"'))
    git(shared.root, "add", "-A")
    git(shared.root, "commit", "-q", "-m", "a manifest")
    return shared


def asking_for(*names: str, made: str = "made") -> object:
    """A run of an agent that leaves these dependencies in the manifest."""

    def run(task: Task, _watch: Watching) -> None:
        wanted = ", ".join(f'"{name}>=1"' for name in names)
        write(Path(task.directory) / "pyproject.toml", MANIFEST.format(wanted))
        write(Path(task.directory) / "made.txt", made)

    return run


def test_what_the_policy_denies_is_a_failed_attempt_that_the_next_is_told_of(project: Project) -> None:
    agent = Talking(asking_for("Attrs", "Left_Pad"), asking_for("attrs"))  # type: ignore[arg-type]
    tested: list[str] = []
    tests = Doing(lambda task, stop: tested.append(task.key))  # type: ignore[arg-type]
    denied = {"start": "allow", "new_dependency": "deny"}
    project.daemon(agent, tests=tests, policy=denied).run(once=True)
    assert project.status(TWO) is Status.COMPLETE
    (told,) = agent.tasks[1].earlier
    assert "it may not add dependencies" in told
    assert "- left-pad (pyproject.toml)" in told
    assert "attrs" not in told
    assert tested == [TWO]
    assert [run.outcome for run in project.runs()] == ["complete", "failed"]
    assert not questions(project)


def test_one_that_does_not_leave_it_ends_with_the_person(project: Project) -> None:
    agent = Talking(asking_for("attrs", "zeep"), asking_for("attrs", "zeep", made="more"))  # type: ignore[arg-type]
    project.daemon(agent, policy={"start": "allow", "new_dependency": "deny"}).run(once=True)
    assert project.status(TWO) is Status.MANUAL_REVIEW
    assert "it may not add dependencies" in str(project.reasons(TWO)[-1][1])
    assert "(the project's policy `new_dependency` is deny)" in agent.tasks[1].earlier[0]
    assert len(agent.tasks) == 2


@pytest.mark.parametrize("tests", [True, False])
def test_the_person_is_asked_once_and_allows_it_for_all_attempts(project: Project, tests: bool) -> None:
    results: list[AgentResult | None] = [FAILED, None]
    agent = Talking(asking_for("attrs", "zeep"), asking_for("attrs", "zeep", made="more"))  # type: ignore[arg-type]
    checks = Doing(lambda task, stop: results.pop(0)) if tests else None
    running = in_thread(project.daemon(agent, tests=checks, policy={"start": "allow"}), once=True)
    asked = question(project)
    assert "- zeep (pyproject.toml)" in asked.message
    assert (asked.options, asked.item) == (("allow", "deny"), TWO)
    project.messages.respond(asked.id, "allow", by="ada", via="terminal")
    running.join(30)
    assert project.status(TWO) is Status.COMPLETE
    assert len(agent.tasks) == (2 if tests else 1)
    assert not questions(project)


def test_a_no_of_the_person_stands_for_the_next_attempts(project: Project) -> None:
    agent = Talking(asking_for("zeep"), asking_for("zeep", made="more"), asking_for("attrs"))  # type: ignore[arg-type]
    running = in_thread(project.daemon(agent, policy={"start": "allow"}), once=True)
    project.messages.respond(question(project).id, "deny", by="ada", via="terminal")
    running.join(30)
    assert project.status(TWO) is Status.MANUAL_REVIEW
    assert not questions(project)
    assert "ada said no to question" in agent.tasks[1].earlier[0]
    assert "ada said no to question" not in project.news()[-1].message.partition("What was tried:")[0]
    assert "(zeep was not allowed before): zeep" in project.news()[-1].message


def test_a_flood_of_names_is_cut_and_still_asked_about(project: Project) -> None:
    running = in_thread(
        project.daemon(Talking(asking_for(*(f"p{n}" for n in range(1200)))), policy={"start": "allow"}),  # type: ignore[arg-type]
        once=True,
    )
    asked = question(project)
    assert "- and 971 more" in asked.message
    project.messages.respond(asked.id, "allow", by="ada", via="terminal")
    running.join(30)
    assert project.status(TWO) is Status.COMPLETE


def test_while_it_is_asked_another_item_has_the_place_and_a_new_daemon_finds_the_answer(project: Project) -> None:
    project.editing().edit(THREE, ItemEdits(fields={"Depends On": None}), by="person")
    agent = Talking(asking_for("zeep"), asking_for("attrs"))  # type: ignore[arg-type]
    daemon = project.daemon(agent, policy={"start": "allow"}, parallel=1)
    running = in_thread(daemon)
    asked = question(project)
    until(lambda: project.status(THREE) is Status.COMPLETE)
    daemon.stop("stands for a kill")
    running.join(30)
    assert project.status(TWO) is Status.PLANNED
    project.messages.respond(asked.id, "allow", by="ada", via="terminal")
    daemon = project.daemon(agent, policy={"start": "allow"})
    running = in_thread(daemon)
    until(lambda: project.status(TWO) is Status.COMPLETE)
    daemon.stop("enough")
    running.join(30)
    assert [task.key for task in agent.tasks] == [TWO, THREE]  # what was built is not built again
    assert not questions(project)


def test_what_was_allowed_as_a_command_is_not_asked_about_again(project: Project) -> None:
    def run(task: Task, watch: Watching) -> None:
        assert watch.permit(Action("new_dependency", "pip install Zeep==4", "")) is None
        asking_for("zeep")(task, watch)  # type: ignore[operator]

    running = in_thread(project.daemon(Talking(run), policy={"start": "allow"}), once=True)
    project.messages.respond(question(project).id, "allow", by="ada", via="terminal")
    running.join(30)
    assert project.status(TWO) is Status.COMPLETE


def test_other_words_of_questions_allow_nothing(project: Project) -> None:
    """What the agent gave as its reason, and what it was allowed to do with the network, names no dependency."""

    def run(task: Task, watch: Watching) -> None:
        assert watch.permit(Action("new_dependency", "pip install attrs", "and left-pad, zeep")) is None
        assert watch.permit(Action("network", "curl zeep", "")) is None
        asking_for("zeep", "left-pad", "wants", "allow")(task, watch)  # type: ignore[operator]

    running = in_thread(project.daemon(Talking(run), policy={"start": "allow"}), once=True)
    for _ in range(2):
        project.messages.respond(question(project).id, "allow", by="ada", via="terminal")
        until(lambda: not questions(project) or "dependencies" in questions(project)[0].title)
    asked = question(project)
    assert all(f"- {name} (" in asked.message for name in ("zeep", "left-pad", "wants", "allow"))
    project.messages.respond(asked.id, "deny", by="ada", via="terminal")
    running.join(30)


@pytest.mark.parametrize("text", ["", MANIFEST.format('"attrs>=3"')])
def test_without_anything_new_nobody_is_asked(project: Project, text: str) -> None:
    def run(task: Task, _watch: Watching) -> None:
        write(Path(task.directory) / "pyproject.toml", text)
        write(Path(task.directory) / "made.txt", "made")

    assert project.daemon(Talking(run), policy={"start": "allow"}).run(once=True)[0].outcome == "complete"


def test_a_manifest_that_cannot_be_read_any_more_is_asked_about(project: Project) -> None:
    def run(task: Task, _watch: Watching) -> None:
        write(Path(task.directory) / "pyproject.toml", "[project")

    running = in_thread(project.daemon(Talking(run), policy={"start": "allow"}), once=True)
    asked = question(project)
    assert "- what cannot be read (pyproject.toml)" in asked.message
    project.messages.dismiss(asked.id, by="ada")
    running.join(30)
    assert project.status(TWO) is Status.MANUAL_REVIEW
    assert f"(question {asked.id} was put aside): what cannot be read" in project.runs()[-1].detail


def test_an_agent_that_shows_git_other_objects_is_found_out(project: Project) -> None:
    def run(task: Task, watch: Watching) -> None:
        tree = Path(task.directory)
        base = git(tree, "rev-parse", "HEAD")
        asking_for("zeep")(task, watch)  # type: ignore[operator]
        git(tree, "add", "-A")
        git(tree, "commit", "-q", "-m", "mine")
        git(tree, "replace", base, "HEAD")

    project.daemon(Talking(run), policy={"start": "allow", "new_dependency": "deny"}, max_attempts=1).run(once=True)
    assert project.status(TWO) is Status.MANUAL_REVIEW
    assert "zeep" in str(project.runs()[-1].detail)


def test_with_the_policy_allow_nothing_is_looked_at(project: Project) -> None:
    allowed = {"start": "allow", "new_dependency": "allow"}
    done = project.daemon(Talking(asking_for("zeep")), policy=allowed).run(once=True)  # type: ignore[arg-type]
    assert done[0].outcome == "complete"
