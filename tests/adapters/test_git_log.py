"""The roadmap's own ref and the publication to the branch: nothing of the person's is ever touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.adapters.git_states import PERSON, STATES, git, make, put, snapshot, write

from coffee_maker.adapters import git_log
from coffee_maker.adapters.git import GitRepository
from coffee_maker.adapters.git_program import Git
from coffee_maker.core.errors import BareRepository, GitFailed, GitMissing, NotARepository, Refusal

LOG = "refs/roadmap/log"


@pytest.fixture(autouse=True)
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make(tmp_path / "project with spaces")


def repository(project: Path) -> GitRepository:
    return GitRepository(str(project), str(project / "docs/ROADMAP.md"))


def log_of(project: Path) -> list[str]:
    return git(project, "log", "--reverse", "--format=%s", LOG).splitlines()


@pytest.mark.parametrize("state", STATES)
def test_the_log_leaves_everything_of_the_persons_alone(project: Path, state: str) -> None:
    put(project, state)
    before = snapshot(project)
    first = repository(project).log_version(b"# One\r\n", "PRIORITY-1: planned -> complete")
    second = repository(project).log_version(b"# Two", "more")
    assert snapshot(project) == before
    assert not (project / "hooks-ran.log").exists()
    assert git(project, "rev-parse", LOG) == second
    assert git(project, "rev-parse", f"{LOG}~1") == first
    assert git(project, "ls-tree", "-r", "--name-only", LOG) == "docs/ROADMAP.md"
    assert log_of(project) == ["PRIORITY-1: planned -> complete", "more"]


def test_the_log_keeps_the_bytes_whatever_filters_say(project: Path) -> None:
    write(project / ".gitattributes", "*.md text eol=crlf\n")
    content = b"\xef\xbb\xbfa\r\nb\nc\x00"
    commit = repository(project).log_version(content, "exact")
    shown = subprocess.run(["git", "cat-file", "blob", f"{commit}:docs/ROADMAP.md"], cwd=project, capture_output=True)
    assert shown.stdout == content


def test_the_same_content_again_makes_no_commit(project: Path) -> None:
    first = repository(project).log_version(b"same", "a")
    assert repository(project).log_version(b"same", "b") == first
    assert log_of(project) == ["a"]


def test_the_log_works_before_the_first_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    commit = GitRepository(str(tmp_path), str(tmp_path / "ROADMAP.md")).log_version(b"x", "m")
    assert git(tmp_path, "rev-parse", LOG) == commit
    assert GitRepository(str(tmp_path), str(tmp_path / "ROADMAP.md")).publish(b"x", "m") is None


def test_a_linked_work_tree_has_a_log_of_its_own_that_outlives_it(project: Path, tmp_path: Path) -> None:
    """Its roadmap is another file, and its history another one."""
    other = tmp_path / "linked"
    git(project, "worktree", "add", "-q", str(other), "-b", "other")
    repository(project).log_version(b"1", "from the origin")
    repository(other).log_version(b"2", "from the linked one")
    assert log_of(project) == ["from the origin"]
    assert repository(other).log_ref() == "refs/roadmap/worktrees/linked"
    git(project, "worktree", "remove", "--force", str(other))
    assert git(project, "log", "--format=%s", "refs/roadmap/worktrees/linked") == "from the linked one"


def test_a_roadmap_in_a_submodule_goes_to_the_submodule(project: Path, tmp_path: Path) -> None:
    inner = make(tmp_path / "inner")
    git(
        project,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        str(inner),
        "sub",
    )
    commit = GitRepository(str(project), str(project / "sub/docs/ROADMAP.md")).log_version(b"x", "m")
    assert git(project / "sub", "rev-parse", LOG) == commit
    assert git(project, "for-each-ref", "refs/roadmap") == ""


def test_a_linked_roadmap_is_logged_where_it_really_lies(project: Path) -> None:
    (project / "ROADMAP.md").symlink_to("docs/ROADMAP.md")
    GitRepository(str(project), str(project / "ROADMAP.md")).log_version(b"x", "m")
    assert git(project, "ls-tree", "-r", "--name-only", LOG) == "docs/ROADMAP.md"


def test_a_missing_identity_fails_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PERSON:
        if name.endswith(("NAME", "EMAIL")):
            monkeypatch.delenv(name)
    git(project, "config", "user.useConfigOnly", "true")
    repository(project).log_version(b"x", "m")
    assert git(project, "log", "-1", "--format=%an", LOG) == "coffee-roadmap"


def test_variables_of_a_calling_hook_do_not_reach_git(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    repository(project).log_version(b"x", "m")
    monkeypatch.undo()
    assert git(project, "for-each-ref", "refs/roadmap").endswith(LOG)
    assert git(other, "for-each-ref", "refs/roadmap") == ""


def test_hostile_messages_are_plain_text_in_the_log(project: Path) -> None:
    repository(project).log_version(b"x", "--amend \x1b[31mred\x00\u202e\nsecond line")
    assert git(project, "log", "-1", "--format=%B", LOG) == "--amend  [31mred  \nsecond line"


RACER = """
import sys
from coffee_maker.adapters.git import GitRepository
project, name = sys.argv[1:]
for n in range(5):
    GitRepository(project, project + "/docs/ROADMAP.md").log_version(f"{name} {n}".encode(), f"{name} {n}")
"""


def test_ten_processes_at_once_lose_no_version(project: Path) -> None:
    racers = [subprocess.Popen([sys.executable, "-c", RACER, str(project), str(n)]) for n in range(10)]
    assert [racer.wait() for racer in racers] == [0] * 10
    assert sorted(log_of(project)) == sorted(f"{name} {n}" for name in range(10) for n in range(5))


def test_without_a_repository_or_git_it_says_so(tmp_path: Path, project: Path) -> None:
    with pytest.raises(NotARepository):
        GitRepository(str(tmp_path), str(tmp_path / "ROADMAP.md")).log_version(b"x", "m")
    with pytest.raises(GitMissing):
        GitRepository(str(project), str(project / "docs/ROADMAP.md"), program="no-such-git").log_version(b"x", "m")
    git(tmp_path, "init", "-q", "--bare", "bare.git")
    with pytest.raises(BareRepository):
        GitRepository(str(tmp_path / "bare.git"), str(tmp_path / "bare.git/ROADMAP.md")).log_version(b"x", "m")
    with pytest.raises(NotARepository):
        GitRepository(str(project / ".git"), str(project / ".git/ROADMAP.md")).log_version(b"x", "m")


def test_a_ref_that_cannot_be_written_is_told_in_gits_own_words(project: Path) -> None:
    git(project, "update-ref", "refs/roadmap/log/below", "HEAD")
    with pytest.raises(GitFailed, match="refs/roadmap/log"):
        repository(project).log_version(b"x", "m")


def test_git_that_hangs_is_ended(tmp_path: Path) -> None:
    slow = write(tmp_path / "slow-git", "#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    with pytest.raises(GitFailed, match="longer than"):
        Git(str(tmp_path), program=str(slow)).ask("status", timeout=0.2)
    with pytest.raises(GitFailed):
        Git(str(tmp_path), program=str(tmp_path)).ask("status")


# --- publish ---------------------------------------------------------------------------------------------------

IN_THE_WAY = {"merge", "rebase", "cherry-pick", "bisect", "detached", "index locked"}


@pytest.mark.parametrize("state", STATES)
def test_publish_commits_the_roadmap_alone_or_waits(project: Path, state: str) -> None:
    put(project, state)
    write(project / "docs/ROADMAP.md", "# New\n")
    staged = git(project, "diff", "--cached", "--name-only")
    before = snapshot(project)
    commit = repository(project).publish(b"# New\n", "roadmap: news")
    assert not (project / "hooks-ran.log").exists()
    if state in IN_THE_WAY:
        assert commit is None
        assert snapshot(project) == before
        return
    assert commit == git(project, "rev-parse", "main")
    assert git(project, "diff-tree", "--no-commit-id", "--name-only", "-r", commit) == "docs/ROADMAP.md"
    assert git(project, "diff", "--cached", "--name-only") == staged
    assert "ROADMAP" not in git(project, "status", "--porcelain")
    assert snapshot(project)["files"] == before["files"]
    assert not list((project / ".git").glob("roadmap-index*"))


def test_publish_waits_while_the_person_has_the_roadmap_staged(project: Path) -> None:
    write(project / "docs/ROADMAP.md", "# Mine\n")
    git(project, "add", "docs/ROADMAP.md")
    before = snapshot(project)
    assert repository(project).publish(b"# Other\n", "m") is None
    assert snapshot(project) == before


def test_publish_is_no_commit_when_the_branch_has_it(project: Path) -> None:
    head = git(project, "rev-parse", "HEAD")
    assert repository(project).publish(b"# Roadmap\n", "m") == head


def test_publish_adds_a_new_roadmap_but_not_an_ignored_one(project: Path) -> None:
    new = GitRepository(str(project), str(write(project / "ROADMAP.md", "new\n")))
    assert new.publish(b"new\n", "m") == git(project, "rev-parse", "HEAD")
    assert git(project, "status", "--porcelain") == ""
    ignored = GitRepository(str(project), str(write(project / "plan.log", "new\n")))
    assert ignored.publish(b"new\n", "m") is None


def test_publish_filters_like_git_add(project: Path) -> None:
    git(project, "config", "core.autocrlf", "true")
    write(project / "docs/ROADMAP.md", "a\r\nb\r\n")
    commit = repository(project).publish(b"a\r\nb\r\n", "m")
    shown = subprocess.run(["git", "cat-file", "blob", f"{commit}:docs/ROADMAP.md"], cwd=project, capture_output=True)
    assert shown.stdout == b"a\nb\n"
    assert git(project, "status", "--porcelain") == ""


def test_publish_keeps_a_link_a_link(project: Path) -> None:
    link = project / "linked.md"
    link.symlink_to("docs/ROADMAP.md")
    git(project, "add", "linked.md")
    git(project, "commit", "-q", "-m", "link")
    assert git_log.publish(Git(str(project)), "linked.md", b"x", "m") is None


@pytest.mark.parametrize("moment", ["update-index", "update-ref"])
def test_a_branch_that_moves_meanwhile_wins(project: Path, moment: str) -> None:
    class Racing(Git):
        """The person commits right before our step."""

        raced = False

        def ask(self, *args: str, **rest: object) -> object:  # type: ignore[override]
            if args[0] == moment and git_log.PUBLISHING_REF not in args and not Racing.raced:
                Racing.raced = True
                write(project / "code.py", "raced\n")
                git(project, "commit", "-q", "-am", "the person's own")
            return super().ask(*args, **rest)  # type: ignore[arg-type]

    write(project / "docs/ROADMAP.md", "# Roadmap\n")
    assert git_log.publish(Racing(str(project)), "docs/ROADMAP.md", b"# New\n", "m") is None
    assert git(project, "log", "-1", "--format=%s") == "the person's own"
    assert git(project, "diff", "--cached", "--name-only") == ""
    assert repository(project).publish(b"# New\n", "later") is not None


def test_a_locked_index_at_the_last_moment_stops_it(project: Path) -> None:
    class Locking(Git):
        def ask(self, *args: str, **rest: object) -> object:  # type: ignore[override]
            if args[0] == "update-index":
                write(project / ".git/index.lock", "")
            return super().ask(*args, **rest)  # type: ignore[arg-type]

    head = git(project, "rev-parse", "HEAD")
    assert git_log.publish(Locking(str(project)), "docs/ROADMAP.md", b"# New\n", "m") is None
    assert git(project, "rev-parse", "HEAD") == head


KILLED = """
import os, signal, sys
from coffee_maker.adapters import git_log
from coffee_maker.adapters.git_program import Git

class Dying(Git):
    calls = 0
    def ask(self, *args, **rest):
        Dying.calls += 1
        if Dying.calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().ask(*args, **rest)

git_log.publish(Dying(sys.argv[1]), "docs/ROADMAP.md", b"# New\\n", "m")
"""


def test_killed_at_any_git_call_it_leaves_a_usable_repository_and_publishes_later(tmp_path: Path) -> None:
    call, finished = 0, False
    while not finished:
        call += 1
        project = make(tmp_path / str(call))
        write(project / "docs/ROADMAP.md", "# New\n")
        done = subprocess.run([sys.executable, "-c", KILLED, str(project), str(call)])
        finished = done.returncode != -signal.SIGKILL
        assert not (project / ".git/index.lock").exists()
        assert git(project, "diff", "--cached", "--name-only") in ("", "docs/ROADMAP.md")
        assert repository(project).publish(b"# Newer\n", "later") is not None
        write(project / "docs/ROADMAP.md", "# Newer\n")
        assert git(project, "status", "--porcelain") == ""
    assert call > 10


def test_every_refusal_is_one_of_ours() -> None:
    for kind in (BareRepository, GitFailed, GitMissing, NotARepository):
        assert issubclass(kind, Refusal)
        assert os.sep not in kind.code
