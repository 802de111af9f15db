"""git died in the middle of something on an agent's work tree (cut power, a killed box): the next daemon goes on."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.adapters.git_states import PERSON, git, write

from coffee_maker.adapters import git_locks
from coffee_maker.adapters.git import GitRepository
from coffee_maker.core.records import Worktree

BRANCH = "roadmap/x"
NOTHING_LEFT_OUT = ()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(git_locks, "_STALE_AFTER", 0.2)
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    write(root / "ROADMAP.md", "# Roadmap\n")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    return root


@pytest.fixture
def repository(root: Path) -> GitRepository:
    return GitRepository(str(root), str(root / "ROADMAP.md"))


def admin(root: Path) -> Path:
    return root / ".git/worktrees/x"


LOCKS: dict[str, Callable[[Path], Path]] = {
    "index": lambda root: admin(root) / "index.lock",
    "HEAD": lambda root: admin(root) / "HEAD.lock",
    "branch": lambda root: root / f".git/refs/heads/{BRANCH}.lock",
}


def finish(repository: GitRepository, root: Path, tree: Worktree) -> None:
    """The rest of an item's way: staged, committed once, closed."""
    write(Path(tree.path) / "new.txt", "new\n")
    assert repository.stage(tree, leave_out=NOTHING_LEFT_OUT)
    assert repository.commit(tree, "made")
    repository.close_worktree(tree)
    assert not os.path.exists(tree.path)
    assert git(root, "rev-list", "--count", f"main..{BRANCH}") == "1"
    assert BRANCH not in git(root, "worktree", "list")


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("step", ["open", "stage", "commit"])
def test_locks_that_it_left(root: Path, repository: GitRepository, lock: str, step: str) -> None:
    path = str(root.parent / "trees/x")
    tree = repository.open_worktree(path, BRANCH)
    write(Path(tree.path) / "new.txt", "new\n")
    if step == "commit":
        assert repository.stage(tree, leave_out=NOTHING_LEFT_OUT)
    write(LOCKS[lock](root), "half")
    if step == "open":
        tree = repository.open_worktree(path, BRANCH)
        assert tree.aside is not None
        assert (Path(tree.aside) / "new.txt").exists()
        write(Path(tree.path) / "new.txt", "new\n")
    if step != "commit":
        assert repository.stage(tree, leave_out=NOTHING_LEFT_OUT)
    assert repository.commit(tree, "made")
    finish_closed(repository, root, tree)


def finish_closed(repository: GitRepository, root: Path, tree: Worktree) -> None:
    repository.close_worktree(tree)
    assert not os.path.exists(tree.path)
    assert git(root, "rev-list", "--count", f"main..{BRANCH}") == "1"


@pytest.mark.parametrize("missing", [("index",), ("index", "HEAD"), ("index", "commondir"), ("index", "HEAD", "logs")])
@pytest.mark.parametrize("with_files", [True, False])
def test_a_work_tree_that_was_half_made(
    root: Path, repository: GitRepository, missing: tuple[str, ...], with_files: bool
) -> None:
    path = str(root.parent / "trees/x")
    repository.open_worktree(path, BRANCH)
    for name in missing:
        found = admin(root) / name
        shutil.rmtree(found) if found.is_dir() else found.unlink()
    write(admin(root) / "locked", "initializing")
    if not with_files:
        shutil.rmtree(path)
    finish(repository, root, repository.open_worktree(path, BRANCH))


def test_a_work_tree_that_was_all_but_made(root: Path, repository: GitRepository) -> None:
    """Only the lock was left to be removed, under which git makes it."""
    path = str(root.parent / "trees/x")
    repository.open_worktree(path, BRANCH)
    write(admin(root) / "locked", "initializing")
    finish(repository, root, repository.open_worktree(path, BRANCH))


def test_a_work_tree_that_was_all_but_made_and_then_removed(root: Path, repository: GitRepository) -> None:
    path = str(root.parent / "trees/x")
    repository.open_worktree(path, BRANCH)
    write(admin(root) / "locked", "initializing")
    shutil.rmtree(path)
    finish(repository, root, repository.open_worktree(path, BRANCH))


def test_a_work_tree_of_which_nothing_was_made_is_not_kept_aside(root: Path, repository: GitRepository) -> None:
    path = root.parent / "trees/x"
    repository.open_worktree(str(path), BRANCH)
    for file in path.iterdir():
        if file.name != ".git":
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    (admin(root) / "index").unlink()
    write(admin(root) / "locked", "initializing")
    tree = repository.open_worktree(str(path), BRANCH)
    assert tree.aside is None
    assert [one.name for one in path.parent.iterdir()] == ["x"]
    finish(repository, root, tree)


def test_a_work_tree_that_was_half_removed(root: Path, repository: GitRepository) -> None:
    tree = repository.open_worktree(str(root.parent / "trees/x"), BRANCH)
    shutil.rmtree(tree.path)
    repository.close_worktree(tree)
    assert not admin(root).exists()


def test_a_lock_that_a_living_process_has_open_is_waited_for(root: Path, repository: GitRepository) -> None:
    """As of a git that a dead daemon began, and that goes on."""
    tree = repository.open_worktree(str(root.parent / "trees/x"), BRANCH)
    write(Path(tree.path) / "new.txt", "new\n")
    lock = LOCKS["index"](root)
    done = threading.Event()

    def stage() -> None:
        repository.stage(tree, leave_out=NOTHING_LEFT_OUT)
        done.set()

    with open(lock, "w", encoding="utf-8"):
        thread = threading.Thread(target=stage)
        thread.start()
        assert not done.wait(1.0)  # five times as long as one that nobody has open is left there
        assert lock.exists()
        lock.unlink()
    thread.join(60)
    assert done.is_set()
    assert not lock.exists()
