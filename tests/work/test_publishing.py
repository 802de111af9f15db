"""Recorded versions on the project's own git ref: all of them, in order, by whoever comes first; failures are noted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.adapters.git_states import git
from tests.work.editing_kit import ROADMAP, Desk

from coffee_maker.adapters.git import GitRepository
from coffee_maker.core.errors import GitFailed
from coffee_maker.core.items import Status
from coffee_maker.core.ports import Store
from coffee_maker.core.questions import Draft, Kind
from coffee_maker.utils import locks
from coffee_maker.work.publishing import Publishing

LOG = "refs/roadmap/log"


class Project:
    """A git repository with a roadmap, its editing and its publishing."""

    def __init__(self, store: Store, root: Path, *, log: bool = True, commit: bool = False) -> None:
        self.root = root
        git(root, "init", "-q", "-b", "main")
        self.desk = Desk(store, root)
        git(root, "add", "ROADMAP.md")
        git(root, "commit", "-qm", "first")
        self.repository = GitRepository(str(root), str(self.desk.path))
        self.data = root / "data"
        self.data.mkdir()
        self.store = store
        self.told: list[Draft] = []
        self.publishing = self.make(self.repository, log=log, commit=commit)

    def make(self, repository: GitRepository, *, log: bool = True, commit: bool = False) -> Publishing:
        tell = self.told.append
        return Publishing(self.store, repository, directory=str(self.data), log=log, commit=commit, tell=tell)

    def set(self, ref: str, status: Status) -> None:
        self.desk.editing.set_status(ref, status, by="ann", reason="because")

    def subjects(self, ref: str = LOG) -> list[str]:
        return git(self.root, "log", "--format=%s", "--reverse", ref).splitlines()


@pytest.fixture
def project(store: Store, tmp_path: Path) -> Project:
    return Project(store, tmp_path)


def test_nothing_is_published_before_anything_is_recorded(project: Project) -> None:
    project.publishing.catch_up()
    assert git(project.root, "show-ref", LOG, ok=False) == ""
    assert project.publishing.problem() is None


def test_a_roadmap_that_was_only_taken_up_is_the_first_version(project: Project) -> None:
    project.desk.editing.reconcile()
    project.publishing.catch_up()
    project.publishing.catch_up()
    assert project.subjects() == ["Take up the roadmap"]
    assert git(project.root, "show", f"{LOG}:ROADMAP.md") == ROADMAP.rstrip("\n")


def test_every_version_is_logged_in_order_and_once(project: Project) -> None:
    project.set("2", Status.IN_PROGRESS)
    project.publishing.catch_up()
    project.set("2", Status.COMPLETE)
    project.set("2.5", Status.BLOCKED)
    project.publishing.catch_up()
    project.publishing.catch_up()
    assert project.subjects() == [
        "PRIORITY-2: planned -> in_progress",
        "PRIORITY-2: in_progress -> complete",
        "PRIORITY-2.5: planned -> blocked",
    ]
    message = git(project.root, "log", "-1", "--format=%B", LOG)
    assert "because" in message
    assert "Changed-By: ann" in message
    assert git(project.root, "log", "--format=%s", "main") == "first"
    assert project.told == []  # a database that stands where the log does has not gone back


def test_the_steps_of_one_outside_edit_are_one_version(project: Project) -> None:
    project.desk.editing.reconcile()
    project.desk.replace_outside("Told at length.", "Told shortly.")
    project.desk.replace_outside("Text of the second item.", "Other text.")
    project.desk.editing.reconcile()
    project.publishing.catch_up()
    assert project.subjects() == ["PRIORITY-2: update and 1 more"]
    assert "Told shortly." in git(project.root, "show", f"{LOG}:ROADMAP.md")


def test_who_finds_somebody_publishing_leaves_it_to_them(project: Project) -> None:
    project.set("2", Status.COMPLETE)
    with locks.hold(str(project.data / "publishing.lock"), what="publishing", timeout=1):
        project.publishing.catch_up()
        assert git(project.root, "show-ref", LOG, ok=False) == ""
    project.publishing.catch_up()
    assert len(project.subjects()) == 1


def test_what_is_recorded_while_the_lock_is_held_is_written_by_its_holder(project: Project) -> None:
    class Slow(GitRepository):
        """Somebody records another change, and finds the lock held, while the first version is written."""

        fresh = True

        def log_version(self, content: bytes, message: str) -> str:
            if self.fresh:
                self.fresh = False
                project.set("2.5", Status.BLOCKED)
                other = threading.Thread(target=project.publishing.catch_up)
                other.start()
                other.join()
            return super().log_version(content, message)

    project.set("2", Status.COMPLETE)
    project.make(Slow(str(project.root), str(project.desk.path))).catch_up()
    assert project.subjects() == ["PRIORITY-2: planned -> complete", "PRIORITY-2.5: planned -> blocked"]


def test_a_failure_is_noted_for_doctor_and_made_good_later(project: Project) -> None:
    class Broken(GitRepository):
        def log_version(self, content: bytes, message: str) -> str:
            raise GitFailed(command="hash-object", problem="no space left")

    project.set("2", Status.COMPLETE)
    broken = project.make(Broken(str(project.root), str(project.desk.path)))
    broken.catch_up()
    assert "no space left" in (broken.problem() or "")
    project.publishing.catch_up()
    assert project.publishing.problem() is None
    assert project.subjects() == ["PRIORITY-2: planned -> complete"]


def test_nothing_is_done_when_nothing_is_wanted(store: Store, tmp_path: Path) -> None:
    project = Project(store, tmp_path, log=False, commit=False)
    project.set("2", Status.COMPLETE)
    project.publishing.catch_up()
    assert git(project.root, "show-ref", LOG, ok=False) == ""


@pytest.mark.parametrize("log", [True, False])
def test_publishing_to_the_branch_waits_until_nothing_is_in_the_way(store: Store, tmp_path: Path, log: bool) -> None:
    project = Project(store, tmp_path, log=log, commit=True)
    project.set("2", Status.IN_PROGRESS)
    project.publishing.catch_up()
    assert project.subjects("main") == ["first", "PRIORITY-2: planned -> in_progress"]
    assert git(project.root, "status", "--porcelain", "--", "ROADMAP.md") == ""
    head = git(project.root, "rev-parse", "HEAD")
    git(project.root, "checkout", "-q", "--detach")
    project.set("2", Status.COMPLETE)
    project.publishing.catch_up()
    assert git(project.root, "rev-parse", "HEAD") == head
    git(project.root, "checkout", "-q", "main")
    project.publishing.catch_up()
    assert project.subjects("main")[-1] == "PRIORITY-2: in_progress -> complete"
    assert git(project.root, "status", "--porcelain", "--", "ROADMAP.md") == ""


def test_a_database_that_went_back_goes_on_logging(project: Project, tmp_path: Path) -> None:
    """As after the restore of an old backup: the change numbers begin lower than the log's cursor."""
    project.set("2", Status.COMPLETE)
    project.publishing.catch_up()
    tip = git(project.root, "rev-parse", LOG)
    tree = git(project.root, "rev-parse", f"{LOG}^{{tree}}")
    ahead = git(project.root, "commit-tree", tree, "-p", tip, "-m", "later\n\nRoadmap-Change: 900")
    git(project.root, "update-ref", LOG, ahead)
    project.set("2.5", Status.BLOCKED)
    project.publishing.catch_up()
    project.set("1", Status.BLOCKED)
    project.publishing.catch_up()
    assert project.subjects()[-2:] == ["The database went back", "PRIORITY-1: complete -> blocked"]
    (told,) = project.told
    assert (told.kind, told.idempotency_key) == (Kind.ALERT, "went-back:900:2")
