"""What an agent leaves in its work tree never runs anything as the person: our own git reads it with hooks, filters and
file system monitors off, and by a git directory that is named, not found."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.adapters.git_states import PERSON, git, make, write
from tests.utils.test_removing import make_deep
from tests.work.daemon_kit import until

from coffee_maker.adapters import git_program, git_tree
from coffee_maker.adapters.git import GitRepository
from coffee_maker.adapters.git_boxed import BoxedRepository
from coffee_maker.adapters.git_program import SLOW, Git
from coffee_maker.core.errors import GitFailed, Refusal
from coffee_maker.core.records import Worktree
from coffee_maker.utils.boxes import boxed_git

BRANCH = "roadmap/PRIORITY-1-x"


class Scene:
    """A project, a run's work tree in it, and a trap that leaves a trace when anything runs it."""

    def __init__(self, home: Path, kind: Callable[..., GitRepository]) -> None:
        self.home = home
        self.project = make(home / "project")
        self.trace = home / "ran"
        self.trap = write(home / "trap.sh", f"#!/bin/sh\necho \"$0 $*\" >> '{self.trace}'\ncat 2>/dev/null\n")
        self.trap.chmod(0o755)
        self.repository = kind(str(self.project), str(self.project / "docs/ROADMAP.md"))
        self.worktree = self.open()

    @property
    def tree(self) -> Path:
        return Path(self.worktree.path)

    def worktree_git(self) -> Path:
        """The git directory that the agent can write: in a box its own; without one it can write the person's too, so
        the trap is in a nested one."""
        agent = Path(boxed_git(str(self.tree)).agent)
        if agent.is_dir():
            return agent
        git(self.tree, "init", "-q", "own")
        return self.tree / "own/.git"

    def open(self) -> Worktree:
        return self.repository.open_worktree(str(self.home / "trees/PRIORITY-1-x"), BRANCH)

    def whole_run(self) -> None:
        """Everything that the daemon's own git does, twice: a run, and the next attempt."""
        for _ in range(2):
            try:
                self.repository.stage(self.worktree, leave_out=("docs/ROADMAP.md", "data"))
                self.repository.commit(self.worktree, "m")
                self.worktree = self.open()
            except Refusal:
                pass
            # Same size, other time: whoever looks at the content has to filter it.
            for path in self.tree.rglob("*.txt"):
                if path.is_file() and not path.is_symlink():
                    path.write_text(path.read_text().swapcase())
                    os.utime(path, (1, 1))
        self.repository.close_worktree(self.worktree)
        self.worktree = self.open()


@pytest.fixture(autouse=True)
def person(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))


@pytest.fixture(params=[GitRepository, BoxedRepository], ids=["linked", "boxed"])
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Scene:
    return Scene(tmp_path, request.param)


def evil_repository(scene: Scene, place: Path) -> None:
    """A repository of the agent's, in which everything that can run something does."""
    git(scene.home, "init", "-q", "-b", "main", str(place))
    write(place / "inner.txt", "inner\n")
    git(place, "add", "-A")
    git(place, "commit", "-q", "-m", "inner")
    poison(scene, place / ".git")
    write(place / ".gitattributes", "* filter=evil diff=evil merge=evil\n")
    write(place / "inner.txt", "INNER\n")
    os.utime(place / "inner.txt", (1, 1))


def poison(scene: Scene, git_dir: Path) -> None:
    for key in (
        "core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.askPass", "diff.external",
        "core.alternateRefsCommand", "filter.evil.clean", "filter.evil.smudge", "filter.evil.process",
        "diff.evil.textconv", "diff.evil.command", "merge.evil.driver", "gpg.program", "uploadpack.packObjectsHook",
    ):  # fmt: skip
        subprocess.run(["git", "config", "--file", str(git_dir / "config"), key, str(scene.trap)], check=True)
    for hook in ("pre-commit", "post-commit", "post-checkout", "reference-transaction", "post-index-change"):
        write(git_dir / "hooks" / hook, scene.trap.read_text()).chmod(0o755)


def plant_nested(scene: Scene) -> None:
    evil_repository(scene, scene.tree / "nested")


def plant_nested_and_committed(scene: Scene) -> None:
    plant_nested(scene)
    git(scene.tree, "add", "nested")
    git(scene.tree, "commit", "-q", "-m", "a gitlink")
    plant_change(scene)


def plant_change(scene: Scene) -> None:
    write(scene.tree / "nested/inner.txt", "other\n")
    os.utime(scene.tree / "nested/inner.txt", (1, 1))


def plant_git_file(scene: Scene) -> None:
    """The work tree's own `.git` leads elsewhere."""
    evil_repository(scene, scene.home / "evil")
    (scene.tree / ".git").unlink()
    write(scene.tree / ".git", f"gitdir: {scene.home}/evil/.git\n")
    git_attributes(scene)


def plant_git_directory(scene: Scene) -> None:
    """... or is a whole repository."""
    evil_repository(scene, scene.home / "evil")
    (scene.tree / ".git").unlink()
    (scene.home / "evil/.git").rename(scene.tree / ".git")
    git_attributes(scene)


def git_attributes(scene: Scene) -> None:
    write(scene.tree / ".gitattributes", "* filter=evil diff=evil\n")
    write(scene.tree / "made.txt", "made\n")


def plant_persons_filter(scene: Scene) -> None:
    """The person has a filter (git-crypt, say); the agent says which files go through it."""
    for key in ("clean", "smudge"):
        git(scene.project, "config", "--file", str(scene.home / "gitconfig"), f"filter.evil.{key}", f"{scene.trap} %f")
    git(scene.project, "config", "--file", str(scene.home / "gitconfig"), "filter.evil.required", "true")
    git(scene.project, "config", "filter.of=mine.clean", str(scene.trap))
    git_attributes(scene)
    write(scene.tree / "sub/.gitattributes", "* filter=of=mine\n")
    write(scene.tree / "sub/made.txt", "made\n")


def plant_hooks_in_the_tree(scene: Scene) -> None:
    git(scene.project, "config", "core.hooksPath", "hooks")
    for hook in ("pre-commit", "post-checkout", "post-commit", "reference-transaction"):
        write(scene.tree / "hooks" / hook, scene.trap.read_text()).chmod(0o755)
    git_attributes(scene)


def plant_in_its_own_git(scene: Scene) -> None:
    """What the agent can write of git in its box."""
    poison(scene, scene.worktree_git())
    write(scene.worktree_git() / "info/attributes", "* filter=evil diff=evil\n")
    git_attributes(scene)


ATTACKS: dict[str, Callable[[Scene], None]] = {
    "a nested repository": plant_nested,
    "a nested repository as a commit": plant_nested_and_committed,
    "another .git file": plant_git_file,
    "a .git directory": plant_git_directory,
    "attributes for a filter of the person's": plant_persons_filter,
    "hooks in the tree": plant_hooks_in_the_tree,
    "its own git directory": plant_in_its_own_git,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_of_the_agent_s_runs(scene: Scene, attack: str) -> None:
    ATTACKS[attack](scene)
    scene.trace.unlink(missing_ok=True)  # what the planting itself set off
    scene.whole_run()
    assert not scene.trace.exists(), scene.trace.read_text()


def test_a_trap_would_be_seen(scene: Scene) -> None:
    plant_persons_filter(scene)
    write(scene.project / ".gitattributes", "* filter=evil\n")
    subprocess.run(["git", "add", "-A"], cwd=scene.project, check=True)
    assert scene.trace.exists()


def test_what_lies_elsewhere_is_not_committed(scene: Scene) -> None:
    secret = write(scene.home / "secret/key.txt", "secret\n")
    (scene.tree / "out").symlink_to(secret.parent)
    (scene.tree / "file.txt").symlink_to(secret)
    (scene.tree / "up").symlink_to("../..")
    (scene.tree / "made.txt").write_text("made\n")
    assert scene.repository.stage(scene.worktree, leave_out=("out/../../../project/docs/ROADMAP.md", "/", "../.."))
    assert scene.repository.commit(scene.worktree, "m")
    listed = git(scene.project, "ls-tree", "-r", BRANCH).splitlines()
    modes = {line.partition("\t")[2]: line.split()[0] for line in listed}
    assert {name: modes.get(name) for name in ("out", "file.txt", "up", "made.txt")} == {
        "out": "120000", "file.txt": "120000", "up": "120000", "made.txt": "100644"
    }  # fmt: skip
    assert not any("secret" in git(scene.project, "cat-file", "blob", line.split()[2]) for line in listed
                   if line.split()[0] == "100644")  # fmt: skip
    scene.repository.close_worktree(scene.worktree)
    assert secret.read_text() == "secret\n"


PIPES = (".gitattributes", ".gitignore", "sub/.gitattributes", "sub/.gitignore", "in/.git/HEAD", "in/.git/packed-refs")


@pytest.mark.parametrize("name", PIPES)
def test_git_never_waits_at_a_pipe(scene: Scene, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_tree, "SLOW", 2.0)
    write(scene.tree / "made.txt", "made\n")
    if ".git/" in name:
        git(scene.tree, "init", "-q", "in")
    (scene.tree / name).parent.mkdir(exist_ok=True)
    (scene.tree / name).unlink(missing_ok=True)
    os.mkfifo(scene.tree / name)
    for call in (
        lambda: scene.repository.stage(scene.worktree, leave_out=()),
        lambda: scene.repository.leftovers(scene.worktree),
        lambda: scene.repository.commit(scene.worktree, "m"),
    ):
        with pytest.raises(GitFailed, match=re.escape(f"{name} is a pipe")):
            call()
    scene.repository.close_worktree(scene.worktree)
    assert (scene.tree / "made.txt").exists()
    again = scene.open()
    assert again.aside is not None
    assert stat.S_ISFIFO((Path(again.aside) / name).lstat().st_mode)


def test_a_link_to_a_pipe_in_a_repository_inside(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_tree, "SLOW", 2.0)
    git(scene.tree, "init", "-q", "sub")
    os.mkfifo(scene.tree / "pipe")
    (scene.tree / "sub/.git/HEAD").unlink()
    (scene.tree / "sub/.git/HEAD").symlink_to("../../pipe")
    with pytest.raises(GitFailed, match=re.escape("sub/.git/HEAD is a pipe")):
        scene.repository.stage(scene.worktree, leave_out=())


@pytest.mark.parametrize("how", ["a file that leads elsewhere", "a link to a directory"])
def test_a_pipe_that_no_look_beforehand_finds_is_not_waited_at_for_long(
    scene: Scene, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_program, "STUCK", 2.0)
    git(scene.tree, "init", "-q", "sub")
    (scene.tree / "sub/.git").rename(scene.tree / "elsewhere")
    if how.startswith("a file"):
        write(scene.tree / "sub/.git", "gitdir: ../elsewhere\n")
    else:
        (scene.tree / "sub/.git").symlink_to("../elsewhere")
    (scene.tree / "elsewhere/HEAD").unlink()
    os.mkfifo(scene.tree / "elsewhere/HEAD")
    with pytest.raises(GitFailed, match="waits for ever"):
        scene.repository.stage(scene.worktree, leave_out=())


def test_a_git_that_waits_for_a_program_of_its_own_is_left_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_program, "STUCK", 1.0)
    slow = Git(str(make(tmp_path / "project"))).ask("-c", "alias.slow=!sleep 4; echo done", "slow", timeout=SLOW)
    assert (slow.code, slow.text) == (0, "done")


def test_a_name_names_nothing_else(scene: Scene) -> None:
    """git takes a line that begins with a quote for a quoted name: such a file made it read one of the machine's."""
    names = ('"\\057dev\\057null"', '"made.txt"', '"', "made.txt\r", "a line\nmore", "back\\slash", "bad\udcffutf")
    write(scene.tree / "made.txt", "made\n")
    scene.repository.stage(scene.worktree, leave_out=())
    for name in names:
        write(scene.tree / name, f"{name!r}\n")
    left = scene.repository.leftovers(scene.worktree)
    assert left == {name: git(scene.home, "hash-object", "--", str(scene.tree / name)) for name in names}
    scene.repository.commit(scene.worktree, "m")
    assert scene.repository.close_worktree(scene.worktree, left) is None
    assert not scene.tree.exists()


def test_a_pipe_that_git_does_not_open_is_no_matter(scene: Scene) -> None:
    os.mkfifo(scene.tree / "pipe")
    write(scene.tree / "made.txt", "made\n")
    assert scene.repository.stage(scene.worktree, leave_out=())


def test_a_tree_deeper_than_the_stack_is_committed_and_removed(scene: Scene) -> None:
    write(scene.tree / "made.txt", "made\n")
    make_deep(scene.tree / "deep", 1500)
    assert scene.repository.stage(scene.worktree, leave_out=())
    assert scene.repository.commit(scene.worktree, "m")
    scene.repository.close_worktree(scene.worktree)
    assert not scene.tree.exists()


# --- a daemon that dies while its git is at work ------------------------------------------------------------------

WAITS = """
import sys
from coffee_maker.adapters.git_program import SLOW, Git
Git(sys.argv[1]).ask("add", "--all", timeout=SLOW)
"""


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="NOT TESTED: util-linux's setpriv is not here")
def test_no_git_outlives_a_daemon_that_is_killed(tmp_path: Path) -> None:
    """It would go on in the agent's tree and keep the lock of its index. A pipe makes it wait for ever."""
    project = make(tmp_path / "project")
    os.mkfifo(project / ".gitattributes")
    daemon = subprocess.Popen([sys.executable, "-c", WAITS, str(project)])
    children = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children")
    until(lambda: children.read_text().split())
    (pid,) = map(int, children.read_text().split())
    until(lambda: Path(f"/proc/{pid}/comm").read_text() == "git\n")
    watched = os.pidfd_open(pid)
    daemon.kill()
    daemon.wait(30)
    try:
        assert select.select([watched], [], [], 30)[0], "git is still at work"
    finally:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(watched, signal.SIGKILL)
        os.close(watched)
