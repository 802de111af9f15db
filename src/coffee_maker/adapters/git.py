"""The project's git repository: the `Repository` port on the git program.

An agent gets a work tree of its own outside the person's, on a branch of its own. Nothing that is found there is ever
deleted: a work tree with leftovers of an earlier attempt is moved aside as it is, and the move is told.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from coffee_maker.adapters import git_log
from coffee_maker.adapters.git_program import FALLBACK_IDENTITY, SLOW, Git, in_a_line, plain_message
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

# The HEAD of these is a passing state of the person's, no place to branch from.
_NOT_WHILE = frozenset({"rebase", "bisect"})
_MOST_LEFTOVERS = 2000  # paths that are looked at one by one
_ADD_TRIES = 5  # git's own locks (config, refs) are held for milliseconds by other daemons that do the same


class _Registered(NamedTuple):
    """One work tree that git knows of."""

    path: str
    branch: str | None  # full ref name


class GitRepository:
    """`Repository` for the roadmap at `roadmap`, whose project is the directory `project`."""

    def __init__(self, project: str, roadmap: str, *, program: str = "git") -> None:
        self._project = os.path.realpath(project)
        self._roadmap = roadmap
        self._git = Git(self._project, program=program)

    # --- the roadmap's versions

    def log_version(self, content: bytes, message: str) -> str:
        """See the port; the file keeps its path below the top of the repository that holds it."""
        git, path = self._place_of_roadmap()
        return git_log.append(git, path, content, message)

    def newest_logged(self) -> str | None:
        """See the port."""
        git, _path = self._place_of_roadmap()
        return git_log.newest_message(git)

    def publish(self, content: bytes, message: str) -> str | None:
        """See the port and `git_log.publish` for what is in the way."""
        git, path = self._place_of_roadmap()
        return git_log.publish(git, path, content, message)

    def _place_of_roadmap(self) -> tuple[Git, str]:
        """git at the top of the one that holds the file itself (behind a link, in a submodule); its path there."""
        real = os.path.realpath(self._roadmap)
        top = _top(self._git.at(os.path.dirname(real)))
        return self._git.at(top), os.path.relpath(real, top)

    # --- work trees

    def check(self) -> None:
        """Raises the refusal that says why no work tree can be made here now."""
        _top(self._git)
        git_dir = self._git.must("rev-parse", "--absolute-git-dir")
        busy = git_log.operation(git_dir)
        if busy in _NOT_WHILE:
            raise RepositoryBusy(path=self._project, operation=busy)
        if self._git.ask("rev-parse", "--verify", "--quiet", "HEAD^0").code != 0:
            raise NoCommitYet(path=self._project)

    def open_worktree(self, path: str, branch: str) -> Worktree:
        """See the port. An earlier attempt's branch is gone on with; its leftovers are kept aside, unchanged."""
        self.check()
        path = os.path.realpath(path)
        ref = f"refs/heads/{branch}"
        head = self._git.must("rev-parse", "HEAD^0")
        trees = self._worktrees()
        for tree in trees:
            if tree.branch == ref and tree.path != path and os.path.isdir(tree.path):
                raise BranchInUse(branch=branch, where=tree.path)
        known = next((tree for tree in trees if tree.path == path), None)
        aside = self._make_way(path, ref, known)
        if not os.path.isdir(path):
            self._add(path, branch, head)
        base = self._git.must("merge-base", head, ref)
        prefix = os.path.relpath(self._project, _top(self._git))
        return Worktree(path, branch, base, os.path.normpath(os.path.join(path, prefix)), aside)

    def stage(self, worktree: Worktree, *, leave_out: Sequence[str]) -> bool:
        """See the port. What the agent committed itself counts too; ignore rules are respected."""
        git = self._on_its_branch(worktree)
        git.must("reset", "--quiet", timeout=SLOW)  # only this run's index; what the agent staged is staged again below
        without = [f":(top,exclude,literal){path}" for path in _inside(worktree, leave_out)]
        everything = ("--", ":(top)", *without)
        if git.ask("add", "--all", *everything, timeout=SLOW).code != 0:  # a sparse work tree wants it said
            git.must("add", "--all", "--sparse", *everything, timeout=SLOW)
        return _is_staged(git) or git.must("rev-parse", "HEAD^0") != worktree.base

    def leftovers(self, worktree: Worktree) -> Mapping[str, str | None]:
        """See the port."""
        git = self._git.at(worktree.path)
        listed = git.must("ls-files", "-z", "--others", "--modified", "--deleted", "--exclude-standard", timeout=SLOW)
        paths = sorted(set(filter(None, listed.split("\0"))))[:_MOST_LEFTOVERS]
        there = [path for path in paths if os.path.isfile(os.path.join(worktree.path, path)) and "\n" not in path]
        stdin = "".join(f"{path}\n" for path in there).encode(errors="surrogateescape")
        hashes = git.must("hash-object", "--no-filters", "--stdin-paths", stdin=stdin, timeout=SLOW).split()
        known: dict[str, str | None] = {**dict.fromkeys(paths), **dict(zip(there, hashes, strict=True))}
        start = os.path.relpath(worktree.project, worktree.path)
        return {os.path.relpath(path, start): content for path, content in known.items()}

    def push(self, worktree: Worktree, remote: str) -> None:
        """See the port. No hook of the person's runs; git asks for nothing, so credentials have to be at hand."""
        ref = f"refs/heads/{worktree.branch}"
        self._git.must("push", "--quiet", "--no-verify", "--", remote, f"{ref}:{ref}", timeout=SLOW)

    def commit(self, worktree: Worktree, message: str) -> str | None:
        """See the port. No hook runs: they are the person's, and for the person's own commits."""
        git = self._on_its_branch(worktree)
        if _is_staged(git):
            command = ["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--cleanup=whitespace", "-F", "-"]
            text = plain_message(message).encode()
            if git.ask(*command, stdin=text, timeout=SLOW).code != 0:  # perhaps for want of an identity
                git.must(*command, stdin=text, timeout=SLOW, extra=FALLBACK_IDENTITY)
        tip = git.must("rev-parse", "HEAD^0")
        return None if tip == worktree.base else tip

    def _on_its_branch(self, worktree: Worktree) -> Git:
        """git in the work tree; raises `WorktreeMoved` when the agent has left the branch."""
        git = self._git.at(worktree.path)
        head = git.ask("symbolic-ref", "--quiet", "HEAD").text
        if head != f"refs/heads/{worktree.branch}":
            raise WorktreeMoved(path=worktree.path, branch=worktree.branch, head=head or "no branch")
        return git

    def close_worktree(self, worktree: Worktree) -> None:
        """See the port. One that still holds something uncommitted stays where it is."""
        self._git.ask("worktree", "remove", worktree.path, timeout=SLOW)

    def _worktrees(self) -> list[_Registered]:
        found = []
        for block in self._git.must("worktree", "list", "--porcelain").split("\n\n"):
            facts = dict(line.partition(" ")[::2] for line in block.splitlines())
            if "worktree" in facts:
                found.append(_Registered(os.path.realpath(facts["worktree"]), facts.get("branch")))
        return found

    def _make_way(self, path: str, ref: str, known: _Registered | None) -> str | None:
        """Leave `path` either free or a clean work tree on `ref`; where what was in the way lies now."""
        if not os.path.lexists(path):
            return None
        if known and known.branch == ref and self._is_clean(path):
            return None
        aside = next(name for name in _names_beside(path) if not os.path.lexists(name))
        if known is None:
            os.rename(path, aside)
            return aside
        # A branch can be out in one work tree only: the one kept aside lets go of it, its files stay as they are.
        tree = self._git.at(path)
        tree.must("update-ref", "--no-deref", "HEAD", tree.must("rev-parse", "HEAD^0"))
        self._git.must("worktree", "move", path, aside, timeout=SLOW)
        return aside

    def _is_clean(self, path: str) -> bool:
        status = self._git.at(path).ask("status", "--porcelain", timeout=SLOW)
        return status.code == 0 and not status.out

    def _add(self, path: str, branch: str, head: str) -> None:
        """Check the branch out at `path`, made from `head` when it is new. --force: only over a stale registration."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        exists = self._git.ask("show-ref", "--verify", "--quiet", f"refs/heads/{branch}").code == 0
        what = [path, branch] if exists else ["-b", branch, "--no-track", path, head]
        for attempt in range(_ADD_TRIES):
            done = self._git.ask("worktree", "add", "--force", "--quiet", *what, timeout=SLOW)
            if done.code == 0:
                return
            if attempt + 1 == _ADD_TRIES or "lock" not in done.err:
                raise GitFailed(command="worktree add", problem=in_a_line(done.err) or f"exit code {done.code}")


def _is_staged(git: Git) -> bool:
    return git.ask("diff", "--cached", "--quiet", timeout=SLOW).code != 0


def _names_beside(path: str) -> list[str]:
    return [f"{path}.left-{number}" for number in range(1, 1000)]


def _inside(worktree: Worktree, paths: Sequence[str]) -> list[str]:
    """Paths of the project as paths below the work tree's top; those that lie outside of it are nothing to git."""
    below = [os.path.relpath(os.path.join(worktree.project, path), worktree.path) for path in paths]
    return [path for path in below if path.split(os.sep, 1)[0] not in (os.curdir, os.pardir)]


def _top(git: Git) -> str:
    """The top of the work tree that git's directory lies in."""
    if not os.path.isdir(git.directory):
        raise NotARepository(path=git.directory)
    done = git.ask("rev-parse", "--is-bare-repository", "--show-toplevel")
    if done.text.startswith("true"):
        raise BareRepository(path=git.directory)
    if done.code == 0:
        return os.path.realpath(done.text.partition("\n")[2])
    if "not a git repository" in done.err:
        raise NotARepository(path=git.directory)
    if git.ask("rev-parse", "--git-dir").code == 0:  # inside .git itself
        raise NotARepository(path=git.directory)
    raise GitFailed(command="rev-parse", problem=done.err)
