"""Work trees for agents: outside the person's, found again, nothing of an earlier attempt ever deleted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.adapters.git_states import PERSON, STATES, git, make, put, snapshot, write

from coffee_maker.adapters import git_locks
from coffee_maker.adapters.git import GitRepository, Rules
from coffee_maker.adapters.git_boxed import BoxedRepository
from coffee_maker.core.errors import (
    BareRepository,
    BranchInUse,
    GitFailed,
    NoCommitYet,
    NotARepository,
    RepositoryBusy,
    WorktreeMoved,
)
from coffee_maker.core.records import Worktree

BRANCH = "roadmap/PRIORITY-1-x"


@pytest.fixture(autouse=True)
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)


class Kind:
    """The kind of work trees that a test is about."""

    repository: type[GitRepository] = GitRepository


@pytest.fixture(autouse=True, params=[GitRepository, BoxedRepository], ids=["linked", "boxed"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[GitRepository]:
    monkeypatch.setattr(Kind, "repository", request.param)
    return Kind.repository


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make(tmp_path / "project with spaces")


@pytest.fixture
def tree(tmp_path: Path) -> str:
    return str(tmp_path / "trees/PRIORITY-1-x")


def repository(project: Path) -> GitRepository:
    return Kind.repository(str(project), str(project / "docs/ROADMAP.md"))


def done(repo: GitRepository, worktree: Worktree, message: str = "m", leave_out: tuple[str, ...] = ()) -> str | None:
    repo.stage(worktree, leave_out=leave_out)
    return repo.commit(worktree, message)


@pytest.mark.parametrize("state", [state for state in STATES if state not in ("rebase", "bisect")])
def test_a_whole_run_leaves_everything_of_the_persons_alone(project: Path, tree: str, state: str) -> None:
    put(project, state)
    before = snapshot(project)
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    assert (worktree.path, worktree.project, worktree.aside) == (tree, tree, None)
    write(Path(tree) / "made/new.py", "made = 1\n")
    write(Path(tree) / "made/ignored.log", "noise\n")
    assert repo.stage(worktree, leave_out=())
    commit = repo.commit(worktree, "PRIORITY-1: x")
    assert commit == git(project, "rev-parse", BRANCH)
    repo.close_worktree(worktree)
    assert git(project, "diff", "--name-only", worktree.base, BRANCH) == "made/new.py"
    after = snapshot(project)
    assert not (project / "hooks-ran.log").exists()
    ours = f"{commit} commit\trefs/heads/{BRANCH}"
    assert [line for line in after.pop("branches") if line != ours] == before.pop("branches")  # type: ignore[attr-defined]
    assert after == before


@pytest.mark.parametrize("state", ["rebase", "bisect"])
def test_a_passing_head_is_no_place_to_branch_from(project: Path, tree: str, state: str) -> None:
    STATES[state](project)
    with pytest.raises(RepositoryBusy, match=state):
        repository(project).open_worktree(tree, BRANCH)


def test_what_is_no_repository_to_work_in_is_refused(tmp_path: Path, tree: str) -> None:
    with pytest.raises(NotARepository):
        repository(tmp_path).open_worktree(tree, BRANCH)
    with pytest.raises(NotARepository):
        repository(tmp_path / "nowhere").check()
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    with pytest.raises(BareRepository):
        repository(tmp_path / "bare.git").check()
    (tmp_path / "fresh").mkdir()
    git(tmp_path / "fresh", "init", "-q")
    with pytest.raises(NoCommitYet):
        repository(tmp_path / "fresh").check()


def test_an_earlier_attempt_is_gone_on_with(project: Path, tree: str) -> None:
    repo = repository(project)
    first = repo.open_worktree(tree, BRANCH)
    write(Path(tree) / "one.py", "1\n")
    commit = done(repo, first)
    again = repo.open_worktree(tree, BRANCH)
    assert again == first._replace(tip=commit)
    assert not repo.stage(again, leave_out=())  # what an earlier attempt committed is no work of this one
    write(Path(tree) / "two.py", "2\n")
    assert done(repo, again) not in (None, commit)
    repo.close_worktree(again)
    assert not Path(tree).exists()
    assert (Path(repo.open_worktree(tree, BRANCH).path) / "one.py").exists()


def test_a_merged_branch_starts_anew(project: Path, tree: str) -> None:
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    write(Path(tree) / "one.py", "1\n")
    done(repo, worktree)
    git(project, "merge", "-q", "--ff-only", BRANCH)
    again = repo.open_worktree(tree, BRANCH)
    assert done(repo, again) is None


def test_leftovers_are_kept_aside_as_they_are(project: Path, tree: str) -> None:
    repo = repository(project)
    for number in (1, 2):
        repo.open_worktree(tree, BRANCH)
        write(Path(tree) / "half.py", f"{number}\n")
        write(Path(tree) / "noise.log", f"{number}\n")
    worktree = repo.open_worktree(tree, BRANCH)
    assert worktree.aside == f"{tree}.left-2"
    for number in (1, 2):
        assert Path(f"{tree}.left-{number}/half.py").read_text() == f"{number}\n"
        assert Path(f"{tree}.left-{number}/noise.log").read_text() == f"{number}\n"
        assert git(Path(f"{tree}.left-{number}"), "status", "--porcelain") == "?? half.py"
    assert not (Path(tree) / "half.py").exists()
    assert git(Path(tree), "symbolic-ref", "HEAD") == f"refs/heads/{BRANCH}"


@pytest.mark.parametrize("kind", [GitRepository], indirect=True)  # in a box it is the agent's own git that merges
def test_a_work_tree_in_the_middle_of_a_merge_is_kept_aside(project: Path, tree: str) -> None:
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    write(Path(tree) / "code.py", "theirs\n")
    done(repo, worktree)
    write(project / "code.py", "ours\n")
    git(project, "commit", "-q", "-am", "ours")
    git(Path(tree), "merge", "main", ok=False)
    again = repo.open_worktree(tree, BRANCH)
    assert again.aside == f"{tree}.left-1"
    assert "<<<<<<<" in Path(f"{tree}.left-1/code.py").read_text()


def test_something_else_in_its_place_is_moved_aside(project: Path, tree: str) -> None:
    write(Path(tree) / "precious.txt", "mine\n")
    assert repository(project).open_worktree(tree, BRANCH).aside == f"{tree}.left-1"
    assert Path(f"{tree}.left-1/precious.txt").read_text() == "mine\n"


def test_a_link_in_its_place_is_moved_aside_and_not_what_it_leads_to(project: Path, tree: str) -> None:
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    Path(tree).rename(f"{tree}.away")
    Path(tree).symlink_to(project)
    before = snapshot(project)
    repo.close_worktree(worktree)
    again = repo.open_worktree(tree, BRANCH)
    assert (again.path, again.aside) == (tree, f"{tree}.left-1")
    assert Path(f"{tree}.left-1").readlink() == project
    assert (Path(f"{tree}.away") / "code.py").exists()
    assert not Path(tree).is_symlink()
    assert snapshot(project) == before
    write(Path(tree) / "made.py", "1\n")
    assert done(repo, again)


@pytest.mark.parametrize("kind", [GitRepository], indirect=True)  # in a box it is the agent's own git that loses it
def test_a_work_tree_whose_branch_is_gone_is_kept_aside(project: Path, tree: str) -> None:
    repo = repository(project)
    repo.open_worktree(tree, BRANCH)
    write(Path(tree) / "half.py", "1\n")
    git(Path(tree), "update-ref", "-d", "HEAD")
    again = repo.open_worktree(tree, BRANCH)
    assert again.aside == f"{tree}.left-1"
    assert Path(f"{tree}.left-1/half.py").read_text() == "1\n"
    write(Path(tree) / "made.py", "1\n")
    assert done(repo, again)


def test_a_registration_whose_directory_is_gone_is_no_obstacle(project: Path, tree: str, tmp_path: Path) -> None:
    repo = repository(project)
    repo.open_worktree(tree, BRANCH)
    Path(tree).rename(tmp_path / "away")
    assert repo.open_worktree(tree, BRANCH).path == tree
    assert (Path(tree) / "code.py").exists()


def test_a_branch_that_is_checked_out_elsewhere_is_left_there(project: Path, tree: str) -> None:
    git(project, "checkout", "-q", "-b", BRANCH)
    with pytest.raises(BranchInUse, match="project with spaces"):
        repository(project).open_worktree(tree, BRANCH)


def test_a_branch_named_roadmap_is_told(project: Path, tree: str) -> None:
    git(project, "branch", "roadmap")
    with pytest.raises(GitFailed, match="roadmap"):
        repository(project).open_worktree(tree, BRANCH)


def test_the_roadmap_and_the_data_are_left_out(project: Path, tree: str) -> None:
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    write(Path(tree) / "docs/ROADMAP.md", "# Mine now\n")
    write(Path(tree) / "data/store.db", "x")
    git(Path(tree), "add", "-A")
    leave_out = ("docs/ROADMAP.md", "data", "../elsewhere", "/outside")
    assert not repo.stage(worktree, leave_out=leave_out)
    assert repo.commit(worktree, "m") is None
    write(Path(tree) / "docs/more.md", "more\n")
    assert repo.stage(worktree, leave_out=leave_out)
    repo.commit(worktree, "m")
    assert git(project, "diff", "--name-only", "main", BRANCH) == "docs/more.md"


@pytest.mark.parametrize("kind", [GitRepository], indirect=True)  # in a box the agent does not see our index
@pytest.mark.parametrize("marks", [["assume-unchanged"], ["skip-worktree"], ["assume-unchanged", "skip-worktree"]])
def test_a_change_that_git_was_told_not_to_see_is_committed(project: Path, tree: str, marks: list[str]) -> None:
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    for mark in marks:  # git takes one of them at a time
        git(Path(tree), "update-index", f"--{mark}", "code.py", ".gitignore")
    write(Path(tree) / "code.py", "two = 2\n")
    assert done(repo, worktree)
    assert git(project, "show", f"{BRANCH}:code.py") == "two = 2"
    assert git(project, "diff", "--name-only", "main", BRANCH) == "code.py"


@pytest.mark.parametrize("kind", [GitRepository], indirect=True)
def test_what_a_sparse_work_tree_leaves_out_is_not_taken_for_removed(project: Path, tree: str) -> None:
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    git(Path(tree), "sparse-checkout", "set", "elsewhere")
    assert not (Path(tree) / "docs/ROADMAP.md").exists()
    write(Path(tree) / "docs/made.md", "1\n")  # there where git adds only what it is told to
    assert done(repo, worktree)
    assert git(project, "diff", "--name-only", "main", BRANCH) == "docs/made.md"


def test_what_comes_after_staging_is_not_committed(project: Path, tree: str) -> None:
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    write(Path(tree) / "made.py", "1\n")
    repo.stage(worktree, leave_out=())
    write(Path(tree) / "left-by-tests.txt", "junk\n")
    repo.commit(worktree, "m")
    assert git(project, "diff", "--name-only", "main", BRANCH) == "made.py"
    assert repo.close_worktree(worktree) == "not committed: left-by-tests.txt"
    assert (Path(tree) / "left-by-tests.txt").exists()


def test_what_was_staged_is_read_beside_what_it_was(project: Path, tree: str) -> None:
    write(project / "sub/a.toml", "old\n")
    write(project / "gone.toml", "was here\n")
    write(project / "same.toml", "same\n")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "manifests")
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    write(Path(tree) / "sub/a.toml", "new\n")
    write(Path(tree) / "other.txt", "1\n")
    (Path(tree) / "gone.toml").unlink()
    assert done(repo, worktree)
    write(Path(tree) / "ü.toml", "added\n")  # in one change with what was committed before
    write(Path(tree) / "large.toml", "#" * 1_000_001)
    (Path(tree) / "link.toml").symlink_to("/etc/passwd")
    write(Path(tree) / "a line\nmore.toml", "odd name\n")
    repo.stage(worktree, leave_out=())
    write(Path(tree) / "sub/a.toml", "after it was staged\n")
    assert repo.staged(worktree, lambda path: path.endswith(".toml"), 1_000_000) == {
        "a line\nmore.toml": (b"", b"odd name\n"),
        "gone.toml": (b"was here\n", b""),
        "large.toml": (b"", None),
        "link.toml": (b"", b""),
        "sub/a.toml": (b"old\n", b"new\n"),
        "ü.toml": (b"", b"added\n"),
    }
    assert repo.staged(worktree, lambda path: False, 1) == {}


def test_what_tests_left_and_nobody_touched_goes_with_the_tree(project: Path, tree: str) -> None:
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    write(Path(tree) / "made.py", "1\n")
    repo.stage(worktree, leave_out=())
    cache = write(Path(tree) / "__pycache__/made.pyc", "junk\n")
    left = repo.leftovers(worktree)
    assert list(left) == ["__pycache__/made.pyc"]
    repo.commit(worktree, "m")
    cache.write_text("somebody's\n")
    assert repo.close_worktree(worktree, left) == "not committed: __pycache__/made.pyc"
    cache.write_text("junk\n")
    own = write(Path(tree) / "notes.txt", "somebody's\n")
    assert repo.close_worktree(worktree, left) == "not committed: notes.txt"
    own.unlink()
    git(Path(tree), "rm", "-q", "--cached", "made.py")
    assert repo.close_worktree(worktree, left) == "something is staged in it"
    git(Path(tree), "add", "made.py")
    assert repo.close_worktree(worktree, left) is None
    assert not Path(tree).exists()


@pytest.mark.parametrize("known", [True, False])
def test_a_repository_inside_is_left_out_and_never_deleted(project: Path, tree: str, known: bool) -> None:
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    inner = make(Path(tree) / "inner")
    write(inner / "work.py", "not committed\n")
    if known:  # as an agent commits it by `git add .`
        git(Path(tree), "add", "inner")
        git(Path(tree), "commit", "-q", "-m", "a gitlink")
    write(Path(tree) / "made.py", "1\n")
    assert done(repo, worktree)
    changed = git(project, "diff", "--name-only", "main", BRANCH).split()
    assert changed == (["inner", "made.py"] if known else ["made.py"])
    repo.close_worktree(worktree)
    assert (inner / "work.py").read_text() == "not committed\n"


def test_deleted_and_renamed_files_count(project: Path, tree: str) -> None:
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    (Path(tree) / "code.py").rename(Path(tree) / "moved.py")
    done(repo, worktree)
    assert git(project, "diff", "--no-renames", "--name-status", "main", BRANCH).split() == [
        "D",
        "code.py",
        "A",
        "moved.py",
    ]


@pytest.mark.parametrize("kind", [GitRepository], indirect=True)  # in a box it is a branch that nobody reads
def test_leaving_the_branch_is_told(project: Path, tree: str) -> None:
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    git(Path(tree), "checkout", "-q", "--detach")
    with pytest.raises(WorktreeMoved, match="no branch"):
        repo.stage(worktree, leave_out=())
    again = repo.open_worktree(tree, BRANCH)
    assert again.aside == f"{tree}.left-1"


def test_a_project_below_the_top_of_the_repository(project: Path, tree: str) -> None:
    inner = project / "code/inner"
    write(inner / "ROADMAP.md", "# Inner\n")
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "inner")
    repo = Kind.repository(str(inner), str(inner / "ROADMAP.md"))
    worktree = repo.open_worktree(tree, BRANCH)
    assert worktree.project == f"{tree}/code/inner"
    write(Path(worktree.project) / "ROADMAP.md", "changed\n")
    write(Path(tree) / "ROADMAP.md", "another one, at the top\n")
    assert done(repo, worktree, leave_out=("ROADMAP.md",))
    assert git(project, "diff", "--name-only", "main", BRANCH) == "ROADMAP.md"


def test_the_roadmap_is_left_out_also_when_the_agent_commits_it(project: Path, tree: str) -> None:
    """And stays the person's of the time when the agent merged what they had committed meanwhile."""
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    write(Path(tree) / "docs/ROADMAP.md", "# Mine now\n")
    write(Path(tree) / "data/store.db", "x")
    git(Path(tree), "add", "-Af")
    git(Path(tree), "commit", "-qm", "the agent's own")
    leave_out = ("docs/ROADMAP.md", "data")
    assert not repo.stage(worktree, leave_out=leave_out)  # nothing that is the agent's to change
    write(project / "docs/ROADMAP.md", "# The person's next\n")
    git(project, "commit", "-qam", "meanwhile")
    if Kind.repository is GitRepository:
        git(Path(tree), "reset", "-q", "--hard")
        git(Path(tree), "merge", "-qX", "ours", "-m", "the person's into mine", "main")
    write(Path(tree) / "made.py", "1\n")
    assert repo.stage(worktree, leave_out=leave_out)
    repo.commit(worktree, "m")
    assert git(project, "diff", "--name-only", f"main...{BRANCH}") == "made.py"
    git(project, "merge", "-q", "-m", "theirs", BRANCH)
    assert (project / "docs/ROADMAP.md").read_text() == "# The person's next\n"
    assert (project / "made.py").exists()


def test_the_roadmap_is_not_taken_back_where_the_person_stands_on_an_older_branch_by_now(
    project: Path, tree: str
) -> None:
    git(project, "branch", "older")
    write(project / "docs/ROADMAP.md", "newer words\n")
    git(project, "add", "docs/ROADMAP.md")
    git(project, "commit", "-qm", "newer words")
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    git(project, "checkout", "-q", "older")
    assert not repo.stage(worktree, leave_out=("docs/ROADMAP.md",))  # nobody has changed anything there
    write(Path(tree) / "made.txt", "made\n")
    assert done(repo, worktree, leave_out=("docs/ROADMAP.md",))
    assert git(project, "diff", "--name-only", "main", BRANCH) == "made.txt"


def test_a_missing_identity_fails_nothing(project: Path, tree: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PERSON:
        if name.endswith(("NAME", "EMAIL")):
            monkeypatch.delenv(name)
    git(project, "config", "user.useConfigOnly", "true")
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    write(Path(tree) / "made.py", "1\n")
    assert done(repo, worktree, "--amend\n\n# not a comment\x1b[31m")
    assert git(project, "log", "-1", "--format=%an", BRANCH) == "coffee-roadmap"
    assert git(project, "log", "-1", "--format=%B", BRANCH) == "--amend\n\n# not a comment [31m"


def test_signing_never_asks(project: Path, tree: str) -> None:
    git(project, "config", "commit.gpgSign", "true")
    git(project, "config", "gpg.program", "/no/such/gpg")
    repo = repository(project)
    worktree = repo.open_worktree(tree, BRANCH)
    write(Path(tree) / "made.py", "1\n")
    assert done(repo, worktree)


OPENER = """
import sys
from importlib import import_module
module, name, project, trees, number = sys.argv[1:]
repo = getattr(import_module(module), name)(project, project + "/docs/ROADMAP.md")
tree = repo.open_worktree(f"{trees}/{number}", f"roadmap/{number}")
open(f"{tree.path}/{number}.txt", "w").close()
repo.stage(tree, leave_out=())
assert repo.commit(tree, number)
repo.close_worktree(tree)
"""


def test_several_daemons_at_once(project: Path, tmp_path: Path, kind: type[GitRepository]) -> None:
    argv = [sys.executable, "-c", OPENER, kind.__module__, kind.__name__, str(project), str(tmp_path / "trees")]
    racers = [subprocess.Popen([*argv, str(number)]) for number in range(8)]
    assert [racer.wait() for racer in racers] == [0] * 8
    assert git(project, "for-each-ref", "--format=%(refname:short)", "refs/heads/roadmap").split() == [
        f"roadmap/{number}" for number in range(8)
    ]


def test_git_s_own_lock_is_waited_for_and_then_told(project: Path, tree: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_locks, "SLOW", 0.5)
    lock = write(project / ".git/refs/heads" / f"{BRANCH}.lock", "")
    with open(lock, "rb"), pytest.raises(GitFailed, match="lock"):  # a living process has it open
        repository(project).open_worktree(tree, BRANCH)
    monkeypatch.setattr(git_locks, "_STALE_AFTER", 0.1)
    assert repository(project).open_worktree(tree, BRANCH)


def test_a_repository_that_cannot_be_written_is_only_read(project: Path, tree: str, tmp_path: Path) -> None:
    """A daemon in a container sees the person's ``.git`` read only, and keeps the branches in one of its own."""
    before = snapshot(project)
    for path in (project / ".git").rglob("*"):
        path.chmod(path.stat().st_mode & ~0o222)
    own = tmp_path / "own.git"
    repo = Kind.repository(str(project), str(project / "docs/ROADMAP.md"), Rules(own=str(own)))
    worktree = repo.open_worktree(tree, BRANCH)
    write(Path(tree) / "made.py", "1\n")
    commit = done(repo, worktree)
    repo.close_worktree(worktree)
    assert snapshot(project) == before
    write(Path(repo.open_worktree(tree, BRANCH).path) / "half.py", "1\n")
    assert repo.open_worktree(tree, BRANCH).aside == f"{tree}.left-1"
    assert snapshot(project) == before
    for path in (project / ".git").rglob("*"):
        path.chmod(path.stat().st_mode | 0o200)
    git(project, "fetch", "-q", str(own), "refs/heads/roadmap/*:refs/heads/roadmap/*")
    assert git(project, "rev-parse", BRANCH) == commit
    assert git(project, "diff", "--name-only", "main", BRANCH) == "made.py"
