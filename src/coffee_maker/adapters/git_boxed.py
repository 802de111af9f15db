"""Work trees for agents in a box: nothing in or around them leads to the person's repository.

A linked work tree will not do: its ``.git`` leads to the person's repository, so in a box it is dead, or the repository
is in the box too. A plain clone will not do either: our git would have to read a repository that the agent can write,
and so would the person's shell, which asks git for its prompt in every directory. So there are two git directories
beside the tree (see `utils.boxes`): the *trusted* one, in which our own git stages and commits and from which the
person's repository fetches the branch; and the *agent's*, a copy with objects of its own that is seen in the box only,
and that no git on the host ever reads. What the agent commits there is taken as what it left in its files.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress

from coffee_maker.adapters.git import FETCHING, GitRepository, below, common_directory, move_aside, place_of
from coffee_maker.adapters.git_program import SLOW, in_a_line
from coffee_maker.adapters.git_tree import TreeGit
from coffee_maker.core.errors import BranchMoved, GitFailed
from coffee_maker.core.records import Worktree
from coffee_maker.utils.boxes import AGENT_GIT_IN_BOX, box_of, boxed_git
from coffee_maker.utils.removing import remove_tree

_DEPTH = 100  # commits of each branch that the agent can look back on; its copy takes time and space
_TRIES = 5
# Of the person's own settings, what decides how files are written and commits are signed off.
_TAKEN_OVER = (
    "core.autocrlf", "core.eol", "core.filemode", "core.symlinks", "core.ignorecase", "i18n.commitEncoding",
    "user.name", "user.email",
)  # fmt: skip
_OWN = {
    "core.bare": "false",
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "submodule.recurse": "false",
    "gc.auto": "0",
}


class BoxedRepository(GitRepository):
    """`Repository` whose work trees are for a box; see the module."""

    def open_worktree(self, path: str, branch: str) -> Worktree:
        """See the port and the module."""
        head = self._begin()
        path, ref = place_of(path), f"refs/heads/{branch}"
        known = self._look_for(path, ref)
        aside = self._make_way(path, "", known, head) if known else None  # a linked one, of the time before the box
        tip = self._tip(ref) or self._make_branch(ref, head)
        with suppress(BranchMoved):  # what a crash kept from getting there
            tip = self._bring_home(path, branch)
        if not self._goes_on(path, ref, tip):
            aside = _put_aside(path) or aside
            self._make(path, ref, tip)
        self._make_agents(path, ref, tip)
        return self._as_worktree(path, branch, head, aside)

    def commit(self, worktree: Worktree, message: str) -> str | None:
        """See the port; the commit gets into the person's repository, unless the branch was changed there."""
        self._trusted(worktree.path).commit(message)
        tip = self._bring_home(worktree.path, worktree.branch)
        return None if tip == worktree.base else tip

    def close_worktree(
        self,
        worktree: Worktree,
        left: Mapping[str, str | None] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> str | None:
        """See the port."""
        git = boxed_git(worktree.path)
        if not os.path.isdir(git.trusted):
            return None
        held = self._trusted(worktree.path).held_by(below(worktree, left or {}))
        if held is None:
            for directory in (box_of(worktree.path), worktree.path, git.home):
                check()
                remove_tree(directory)
        return held

    # --- the branch in the person's repository

    def _tip(self, ref: str) -> str | None:
        return self._own.ask("rev-parse", "--verify", "--quiet", f"{ref}^0").text or None

    def _make_branch(self, ref: str, commit: str) -> str:
        self._move(ref, commit, "0" * len(commit))
        return commit

    def _bring_home(self, path: str, branch: str) -> str:
        """Fetch what was committed in the trusted git directory; the branch's newest commit. Raises `BranchMoved`."""
        git, ref = boxed_git(path), f"refs/heads/{branch}"
        here = self._tip(ref)
        if not os.path.isdir(git.trusted):
            if here is None:
                raise GitFailed(command="rev-parse", problem=f"there is no branch {branch}")
            return here
        there = self._git.at(git.trusted).ask("rev-parse", "--verify", "--quiet", f"{ref}^0").text
        if not there or there == here:
            return here or there
        self._look_for("", ref)  # raises when the person has it checked out: their files would stay behind
        self._own.must(*FETCHING, git.trusted, ref, timeout=SLOW)
        if here is None:
            return self._make_branch(ref, there)
        if self._own.ask("merge-base", "--is-ancestor", there, here).code == 0:
            return here  # the person went on from it
        if self._own.ask("merge-base", "--is-ancestor", here, there).code != 0:
            raise BranchMoved(branch=branch, now=here[:12], path=path)
        self._move(ref, there, here)
        return there

    def _move(self, ref: str, new: str, old: str) -> None:
        """Set a branch by compare-and-swap; git's own locks are held for milliseconds."""
        self._unlock(ref)
        for attempt in range(_TRIES):
            done = self._own.ask("update-ref", ref, new, old)
            if done.code == 0 or self._tip(ref) == new:
                return
            if attempt + 1 == _TRIES or "lock" not in done.err:
                raise GitFailed(command="update-ref", problem=in_a_line(done.err))

    # --- the trusted git directory

    def _on_its_branch(self, worktree: Worktree) -> TreeGit:
        """The agent cannot change it, so it is on its branch."""
        return self._trusted(worktree.path)

    def _trusted(self, path: str) -> TreeGit:
        return self._tree(path, boxed_git(path).trusted)

    def _goes_on(self, path: str, ref: str, tip: str) -> bool:
        """Whether there is a clean tree on that branch; it is brought to the branch's newest commit."""
        if os.path.islink(path) or not (os.path.isdir(path) and os.path.isdir(boxed_git(path).trusted)):
            return False
        tree = self._trusted(path)
        if tree.head() != ref or not tree.is_clean():
            return False
        if tree.tip() != tip:
            if tree.git.ask("merge-base", "--is-ancestor", "HEAD", tip).code != 0:
                return False
            tree.git.must("reset", "--quiet", "--hard", tip, timeout=SLOW)
        return True

    def _make(self, path: str, ref: str, tip: str) -> None:
        """The tree and its trusted git directory. It has no objects but new ones: it borrows the repository's."""
        git = boxed_git(path)
        for directory in (path, git.home):
            os.makedirs(directory)
        self._init(git.trusted, "--separate-git-dir", git.trusted, path)
        objects = os.path.realpath(os.path.join(self._common(), "objects"))
        _write(os.path.join(git.trusted, "objects/info/alternates"), f"{objects}\n")
        for name in ("shallow", "info/exclude"):  # the person's own rules for what is ignored
            with suppress(FileNotFoundError):
                shutil.copyfile(os.path.join(self._common(), name), os.path.join(git.trusted, name))
        if not self._rules.filters:  # for the person's own git, should they look around here
            _write(os.path.join(git.trusted, "info/attributes"), "* -filter\n")
        plain = self._git.at(path, environment={"GIT_DIR": git.trusted})
        plain.must("update-ref", ref, tip)
        plain.must("symbolic-ref", "HEAD", ref)
        self._trusted(path).git.must("reset", "--quiet", "--hard", timeout=SLOW)

    def _init(self, git_dir: str, *where: str) -> None:
        form = self._git.ask("rev-parse", "--show-object-format").text or "sha1"
        self._git.must("init", "--quiet", "--template=", f"--object-format={form}", *where)
        for name in ("info", "objects/info"):
            os.makedirs(os.path.join(git_dir, name), exist_ok=True)
        settings = {key: self._git.ask("config", "--get", key).text for key in _TAKEN_OVER}
        for key, value in {**settings, **_OWN}.items():
            if value:
                self._git.must("config", "--file", os.path.join(git_dir, "config"), key, value)

    # --- the agent's git directory

    def _make_agents(self, path: str, ref: str, tip: str) -> None:
        """A new copy each time: the old one is the agent's, so nothing can be made of it."""
        git = boxed_git(path)
        remove_tree(git.agent)
        self._init(git.agent, "--bare", git.agent)
        _write(git.link, f"gitdir: {AGENT_GIT_IN_BOX}\n")
        plain = self._git.at(git.home, environment={"GIT_DIR": git.agent, "GIT_WORK_TREE": path})
        source = os.path.realpath(self._common())
        branches = [f"+refs/{place}/*:refs/remotes/origin/*" for place in ("remotes/person", "heads")]
        plain.must(*FETCHING, f"--depth={_DEPTH}", source, *branches[0 if self._rules.own else 1 :], timeout=SLOW)
        plain.must("update-ref", ref, tip)
        plain.must("symbolic-ref", "HEAD", ref)
        plain.must("read-tree", "HEAD")
        self._bring_hooks(git.agent)

    def _bring_hooks(self, agent: str) -> None:
        settings = os.path.join(agent, "config")
        self._git.must("config", "--file", settings, "core.bare", "false")
        self._git.must("config", "--file", settings, "--unset", "core.hooksPath")
        if not self._rules.hooks:
            return
        *named_by_the_person, _ours = self._git.ask("config", "--get-all", "core.hooksPath").text.splitlines() or [""]
        named = named_by_the_person[-1] if named_by_the_person else None
        if named and not os.path.isabs(named):  # a directory of the project's, which is in the tree
            self._git.must("config", "--file", settings, "core.hooksPath", named)
            return
        source = named or os.path.join(common_directory(self._git), "hooks")
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(agent, "hooks"), dirs_exist_ok=True)


def _put_aside(path: str) -> str | None:
    """Move what is in the way aside, with its git directories; where it lies now, None when there was nothing."""
    git = boxed_git(path)
    if not os.path.lexists(path):
        remove_tree(git.home)  # its commits were brought home, and files there are none
        return None
    aside = move_aside(path)
    if os.path.isdir(git.home):
        moved = boxed_git(aside)
        os.rename(git.home, moved.home)
        link = os.path.join(aside, ".git")
        if os.path.islink(aside):  # that one's own is not ours to change
            return aside
        with suppress(OSError):  # the agent may have put anything in its place
            os.unlink(link)
            _write(link, f"gitdir: {moved.trusted}\n")
    return aside


def _write(path: str, text: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with open(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
