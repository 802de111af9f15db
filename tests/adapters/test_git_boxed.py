"""The git of a work tree for a box: the agent's copy leads nowhere, the repository fetches, nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.adapters.git_states import PERSON, git, make, write

from coffee_maker.adapters.git import GitRepository, Rules
from coffee_maker.adapters.git_boxed import BoxedRepository
from coffee_maker.core.errors import BranchInUse, BranchMoved
from coffee_maker.core.records import Worktree
from coffee_maker.utils.boxes import box_of, boxed_git

BRANCH = "roadmap/PRIORITY-1-x"


@pytest.fixture(autouse=True)
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make(tmp_path / "project")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return tmp_path / "trees/PRIORITY-1-x"


def repository(project: Path, *, hooks: bool = False) -> BoxedRepository:
    return BoxedRepository(str(project), str(project / "docs/ROADMAP.md"), Rules(hooks=hooks))


def open_in(project: Path, tree: Path, *, hooks: bool = False) -> tuple[BoxedRepository, Worktree]:
    opened = repository(project, hooks=hooks)
    return opened, opened.open_worktree(str(tree), BRANCH)


def as_agent(tree: Path, *args: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """git as it runs in the box: the same tree, the agent's own git directory; hooks run."""
    where = {"GIT_DIR": boxed_git(str(tree)).agent, "GIT_WORK_TREE": str(tree)}
    return subprocess.run(
        ["git", *args], cwd=tree, env={**os.environ, **where}, check=check, capture_output=True, text=True
    )


def test_the_agent_s_copy_works_and_leads_nowhere(project: Path, tree: Path) -> None:
    git(project, "branch", "other")
    open_in(project, tree)
    agent = Path(boxed_git(str(tree)).agent)
    shutil.move(project, project.with_name("away"))
    assert as_agent(tree, "status", "--porcelain").stdout == ""
    assert as_agent(tree, "log", "--format=%s").stdout.split() == ["second", "first"]
    assert as_agent(tree, "branch", "-r").stdout.split() == ["origin/" + name for name in ("main", "other", BRANCH)]
    write(tree / "made.py", "made\n")
    as_agent(tree, "add", "-A")
    as_agent(tree, "commit", "-q", "-m", "mine")
    assert as_agent(tree, "fsck", "--strict").returncode == 0
    files = [path for path in agent.rglob("*") if path.is_file()]
    assert not any(path.stat().st_nlink > 1 for path in files), "an object file is shared with the repository"
    assert not any(str(project).encode() in path.read_bytes() for path in files)


def test_what_was_in_the_box_goes_with_the_tree_and_stays_when_it_is_put_aside(project: Path, tree: Path) -> None:
    repository, worktree = open_in(project, tree)
    session = write(Path(box_of(str(tree))) / "home/session", "mine")
    write(tree / "half", "done")
    worktree = repository.open_worktree(str(tree), BRANCH)
    assert worktree.aside is not None
    assert session.read_text() == "mine"
    write(tree / "half", "not committed")
    repository.close_worktree(worktree)
    assert session.read_text() == "mine"
    (tree / "half").unlink()
    repository.close_worktree(worktree)
    assert sorted(path.name for path in tree.parent.iterdir()) == [f"{tree.name}.left-1", f"{tree.name}.left-1.git"]


def test_what_the_agent_committed_is_taken_from_its_files(project: Path, tree: Path) -> None:
    repo, worktree = open_in(project, tree)
    write(tree / "made.py", "made\n")
    as_agent(tree, "checkout", "-q", "-b", "elsewhere")
    as_agent(tree, "add", "-A")
    as_agent(tree, "commit", "-q", "-m", "mine")
    assert repo.stage(worktree, leave_out=())
    commit = repo.commit(worktree, "PRIORITY-1: x")
    assert commit == git(project, "rev-parse", BRANCH)
    assert git(project, "log", "--format=%an %s", f"main..{BRANCH}") == "Ada PRIORITY-1: x"
    assert git(project, "branch", "--format=%(refname:short)").split() == ["main", BRANCH]


def test_a_commit_that_a_crash_kept_from_the_repository_gets_there(project: Path, tree: Path) -> None:
    repo, worktree = open_in(project, tree)
    write(tree / "made.py", "made\n")
    repo.stage(worktree, leave_out=())
    here = git(project, "rev-parse", BRANCH)
    commit = repo._trusted(worktree.path).commit("m")  # and no further
    assert git(project, "rev-parse", BRANCH) == here
    again, worktree = open_in(project, tree)
    assert git(project, "rev-parse", BRANCH) == commit
    assert (worktree.aside, again.commit(worktree, "m")) == (None, commit)


def test_a_branch_that_the_person_changed_is_left_as_it_is(project: Path, tree: Path) -> None:
    repo, worktree = open_in(project, tree)
    write(tree / "made.py", "made\n")
    repo.stage(worktree, leave_out=())
    other = git(project, "commit-tree", "-m", "theirs", "-p", "main", "main^{tree}")
    git(project, "update-ref", f"refs/heads/{BRANCH}", other)
    with pytest.raises(BranchMoved, match=other[:12]):
        repo.commit(worktree, "m")
    assert git(project, "rev-parse", BRANCH) == other
    _again, worktree = open_in(project, tree)
    assert worktree.aside == f"{tree}.left-1"
    assert (Path(worktree.aside) / "made.py").read_text() == "made\n"
    assert git(Path(worktree.aside), "log", "-1", "--format=%s") == "m"
    assert not (tree / "made.py").exists()


def test_a_branch_that_the_person_went_on_with_is_gone_on_with(project: Path, tree: Path) -> None:
    repo, worktree = open_in(project, tree)
    write(tree / "made.py", "made\n")
    write(tree / "cache.log", "ignored\n")
    repo.stage(worktree, leave_out=())
    first = repo.commit(worktree, "m")
    second = git(project, "commit-tree", "-m", "theirs", "-p", str(first), "main^{tree}")
    git(project, "update-ref", f"refs/heads/{BRANCH}", second)
    _repo, worktree = open_in(project, tree)
    assert worktree.aside is None
    assert (not (tree / "made.py").exists(), (tree / "cache.log").exists()) == (True, True)
    assert as_agent(tree, "status", "--porcelain").stdout == ""


def test_a_branch_that_the_person_has_checked_out_is_not_moved(project: Path, tree: Path) -> None:
    repo, worktree = open_in(project, tree)
    write(tree / "made.py", "made\n")
    repo.stage(worktree, leave_out=())
    git(project, "checkout", "-q", BRANCH)
    with pytest.raises(BranchInUse):
        repo.commit(worktree, "m")
    assert git(project, "status", "--porcelain") == ""
    git(project, "checkout", "-q", "main")
    assert repo.commit(worktree, "m") == git(project, "rev-parse", BRANCH)


HOOK = "#!/bin/sh\necho ran >> hook.log\n"


@pytest.mark.parametrize("place", [".git/hooks", "own-hooks", "absolute"])
@pytest.mark.parametrize("hooks", [True, False])
def test_hooks_run_for_the_agent_when_they_are_configured(project: Path, tree: Path, hooks: bool, place: str) -> None:
    directory = project.parent / "absolute" if place == "absolute" else project / place
    write(directory / "pre-commit", HOOK).chmod(0o755)
    if place != ".git/hooks":
        git(project, "add", "-A")
        git(project, "commit", "-q", "-m", "hooks", "--allow-empty")
        git(project, "config", "core.hooksPath", str(directory) if place == "absolute" else place)
    repo, worktree = open_in(project, tree, hooks=hooks)
    write(tree / "made.py", "made\n")
    as_agent(tree, "add", "-A")
    as_agent(tree, "commit", "-q", "-m", "mine")
    assert (tree / "hook.log").exists() is hooks
    (tree / "hook.log").unlink(missing_ok=True)
    repo.stage(worktree, leave_out=())
    repo.commit(worktree, "m")
    assert not (tree / "hook.log").exists()


def test_between_the_kinds_of_work_trees(project: Path, tree: Path) -> None:
    linked = GitRepository(str(project), str(project / "docs/ROADMAP.md"))
    write(Path(linked.open_worktree(str(tree), BRANCH).path) / "half.py", "half\n")
    _repo, worktree = open_in(project, tree)
    assert worktree.aside == f"{tree}.left-1"
    write(tree / "other.py", "half\n")
    assert linked.open_worktree(str(tree), BRANCH).aside == f"{tree}.left-2"
    assert (tree.with_name(f"{tree.name}.left-2") / "other.py").exists()
