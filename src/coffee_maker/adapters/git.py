"""The project's git repository: the `Repository` port on the git program.

An agent gets a work tree of its own outside the person's, on a branch of its own. Nothing that is found there is ever
deleted: a work tree with leftovers of an earlier attempt is moved aside as it is, and the move is told.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from coffee_maker.adapters import git_locks, git_log
from coffee_maker.adapters.git_program import SLOW, Git, in_a_line
from coffee_maker.adapters.git_tree import TreeGit, without_filters
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
from coffee_maker.utils.boxes import boxed_git
from coffee_maker.utils.removing import remove_tree

# The HEAD of these is a passing state of the person's, no place to branch from.
_NOT_WHILE = frozenset({"rebase", "bisect"})
_LONGEST_PATH = 8192
FETCHING = (
    "-c", "fetch.fsckObjects=true", "-c", "protocol.file.allow=always", "-c", "core.logAllRefUpdates=false",
    "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance",
)  # fmt: skip
# git's own locks (config, refs) are held for milliseconds by other daemons that do the same; for as long it stumbles
# over a work tree of theirs that is half made.
_TRIES = 5


class _Registered(NamedTuple):
    """One work tree that git knows of."""

    path: str
    branch: str | None  # full ref name


class Rules(NamedTuple):
    """What the settings and the place say about agents' repositories."""

    filters: tuple[str, ...] = ()  # names of git's filters that may run on what agents leave
    hooks: bool = False  # whether the person's hooks run for the agent's commits in its box
    own: str | None = None  # where a repository of ours is kept when the person's cannot be written


_NO_RULES = Rules()


class GitRepository:
    """`Repository` for the roadmap at `roadmap`, whose project is the directory `project`.

    Branches and work trees are the person's repository's, or those of a bare one of our own: a daemon in a container
    sees the person's ``.git`` read only. The person fetches from it then."""

    def __init__(self, project: str, roadmap: str, rules: Rules = _NO_RULES, *, program: str = "git") -> None:
        self._project = os.path.realpath(project)
        self._roadmap = roadmap
        self._rules = rules
        self._git = Git(self._project, program=program)
        self._own = self._git.at(rules.own) if rules.own else self._git

    # --- the roadmap's versions

    def log_version(self, content: bytes, message: str) -> str:
        """See the port; the file keeps its path below the top of the repository that holds it."""
        git, path = self._place_of_roadmap()
        return git_log.append(git, path, content, message)

    def newest_logged(self) -> str | None:
        """See the port."""
        git, _path = self._place_of_roadmap()
        return git_log.newest_message(git)

    def log_ref(self) -> str:
        """See the port."""
        git, _path = self._place_of_roadmap()
        return git_log.ref_of(git)

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
        head = self._begin()
        path = place_of(path)
        ref = f"refs/heads/{branch}"
        known = self._look_for(path, ref)
        self._unlock(ref)
        aside = self._make_way(path, ref, known, head)
        if not os.path.isdir(path):
            self._add(path, branch, head)
        return self._as_worktree(path, branch, head, aside)

    def stage(
        self, worktree: Worktree, *, leave_out: Sequence[str], left: Sequence[str] = (), since: str | None = None
    ) -> bool:
        """See the port. What the agent committed itself counts too; ignore rules are respected."""
        tree = self._on_its_branch(worktree)
        # Where the agent merged what the person has committed since, that is as theirs as what it began with. A person
        # who stands on an older commit by now, or on another branch, shares only what was before that.
        begun = tree.git.ask("merge-base", self._git.must("rev-parse", "HEAD^0"), "HEAD").text
        if not begun or tree.git.ask("merge-base", "--is-ancestor", worktree.base, begun).code != 0:
            begun = worktree.base
        theirs, before = _inside(worktree, leave_out), worktree.tip or worktree.base
        return tree.stage(theirs, begun, _inside(worktree, left), since, before)

    def snapshot(self, worktree: Worktree) -> str:
        """See the port."""
        return self._on_its_branch(worktree).snapshot()

    def restore(self, worktree: Worktree, snapshot: str) -> None:
        """See the port. Commits that were made since are off the branch; git keeps them for a while."""
        self._on_its_branch(worktree).restore(snapshot)

    def staged(
        self, worktree: Worktree, wanted: Callable[[str], bool], largest: int
    ) -> Mapping[str, tuple[bytes | None, bytes | None]]:
        """See the port."""
        return self._on_its_branch(worktree).staged(worktree.base, wanted, largest)

    def leftovers(self, worktree: Worktree) -> Mapping[str, str | None]:
        """See the port."""
        start = os.path.relpath(worktree.project, worktree.path)
        found = self._on_its_branch(worktree).leftovers()
        return {os.path.relpath(path, start): content for path, content in found.items()}

    def push(self, worktree: Worktree, remote: str, stop: Callable[[], bool] = lambda: False) -> None:
        """See the port. No hook of the person's runs; git asks for nothing, so credentials have to be at hand."""
        ref = f"refs/heads/{worktree.branch}"
        url = self._git.must("remote", "get-url", "--push", remote) if self._rules.own else remote
        self._own.must("push", "--quiet", "--no-verify", "--", url, f"{ref}:{ref}", timeout=SLOW, stop=stop)

    def commit(self, worktree: Worktree, message: str) -> str | None:
        """See the port. No hook runs: they are the person's, and for the person's own commits."""
        tip = self._on_its_branch(worktree).commit(message)
        return None if tip == worktree.base else tip

    def close_worktree(
        self,
        worktree: Worktree,
        left: Mapping[str, str | None] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> str | None:
        """See the port. One that is locked stays, too."""
        admin = self._admin(worktree.path)
        if admin is None:
            return None
        if os.path.exists(os.path.join(admin, "locked")):
            return "it is locked"
        if os.path.isdir(worktree.path):
            held = self._tree(worktree.path, admin).held_by(below(worktree, left or {}))
            if held is not None:
                return held
        check()
        remove_tree(worktree.path)
        check()
        self._own.ask("worktree", "remove", worktree.path, timeout=SLOW)
        return None

    # --- their parts

    def _begin(self) -> str:
        """The commit to branch from, known to the repository that holds the branches."""
        self.check()
        head = self._git.must("rev-parse", "HEAD^0")
        if self._rules.own is not None:
            if not os.path.isdir(self._rules.own):
                self._make_own(self._rules.own)
            source = self._git.must("rev-parse", "--absolute-git-dir")
            everything = ("+refs/heads/*:refs/remotes/person/*", f"+{head}:refs/remotes/person/HEAD")
            self._own.must(*FETCHING, source, *everything, timeout=SLOW)
        return head

    def _make_own(self, path: str) -> None:
        """A bare repository that borrows the objects of the person's."""
        objects = os.path.realpath(os.path.join(common_directory(self._git), "objects"))
        form = self._git.ask("rev-parse", "--show-object-format").text or "sha1"
        new = f"{path}.new-{os.getpid()}"
        self._git.must("init", "--quiet", "--bare", "--template=", f"--object-format={form}", new)
        os.makedirs(os.path.join(new, "objects/info"), exist_ok=True)
        with open(os.path.join(new, "objects/info/alternates"), "wb") as file:
            file.write(os.fsencode(objects) + b"\n")
        try:
            os.rename(new, path)
        except OSError:  # another daemon was faster
            shutil.rmtree(new, ignore_errors=True)

    def _as_worktree(self, path: str, branch: str, head: str, aside: str | None) -> Worktree:
        tip = self._own.must("rev-parse", f"refs/heads/{branch}^0")
        base = self._own.must("merge-base", head, tip)
        prefix = os.path.relpath(self._project, _top(self._git))
        return Worktree(path, branch, base, os.path.normpath(os.path.join(path, prefix)), aside, tip)

    def _look_for(self, path: str, ref: str) -> _Registered | None:
        """The work tree at `path`, when git knows of one; raises `BranchInUse` when the branch is out elsewhere."""
        trees = self._worktrees()
        for tree in trees:
            if tree.branch == ref and tree.path != path and os.path.isdir(tree.path):
                raise BranchInUse(branch=ref.removeprefix("refs/heads/"), where=tree.path)
        return next((tree for tree in trees if tree.path == path), None)

    def _tree(self, path: str, git_dir: str) -> TreeGit:
        return TreeGit(self._own, git_dir, path, filters=self._rules.filters)

    def _on_its_branch(self, worktree: Worktree) -> TreeGit:
        """git on the work tree; raises `WorktreeMoved` when the agent has left the branch."""
        admin = self._admin(worktree.path)
        if admin is None:
            raise WorktreeMoved(path=worktree.path, branch=worktree.branch, head="no work tree of the repository")
        tree = self._tree(worktree.path, admin)
        head = tree.head()
        if head != f"refs/heads/{worktree.branch}":
            raise WorktreeMoved(path=worktree.path, branch=worktree.branch, head=head or "no branch")
        return tree

    def _admin(self, path: str) -> str | None:
        """The git directory that the repository keeps for the work tree at `path`: found in the repository, since an
        agent can make the ``.git`` in its own directory lead anywhere."""
        if os.path.islink(path):  # what it leads to, the person's own project perhaps, is nobody's work tree
            return None
        folder = os.path.join(self._common(), "worktrees")
        with suppress(FileNotFoundError):
            for name in os.listdir(folder):
                with suppress(OSError), open(os.path.join(folder, name, "gitdir"), "rb") as file:
                    if place_of(os.path.dirname(os.fsdecode(file.read().strip()))) == path:
                        return os.path.join(folder, name)
        return None

    def _unlock(self, ref: str) -> None:
        """Clear the lock on an agent's branch that a git left behind which died."""
        git_locks.clear([os.path.join(self._common(), f"{ref}.lock")])

    def _common(self) -> str:
        """The git directory of the repository that holds the branches."""
        return common_directory(self._own)

    def _worktrees(self) -> list[_Registered]:
        for _ in range(_TRIES):
            done = self._own.ask("worktree", "list", "--porcelain")
            if done.code == 0:
                break
        else:
            raise GitFailed(command="worktree list", problem=in_a_line(done.err))
        found = []
        for block in done.text.split("\n\n"):
            facts = dict(line.partition(" ")[::2] for line in block.splitlines())
            if "worktree" in facts:
                found.append(_Registered(place_of(facts["worktree"]), facts.get("branch")))
        return found

    def _make_way(self, path: str, ref: str, known: _Registered | None, head: str) -> str | None:
        """Leave `path` either free or a clean work tree on `ref`; where what was in the way lies now. One whose branch
        is gone stands on `head` from now on."""
        admin = self._admin(path) if known else None
        if admin is not None and not os.path.exists(os.path.join(admin, "index")):
            shutil.rmtree(admin)  # git died while it made it, before any file was there
            admin = None
        if admin is None:
            _remove_begun(path)
        else:
            _unlock_made(admin)  # also where somebody removed the tree since: git adds none over it
        if not os.path.lexists(path):
            return None
        if admin is None:
            return move_aside(path)
        tree = self._tree(path, admin)
        tree.unlock()
        if known and known.branch == ref and _leads_to(path, admin) and tree.is_clean():
            return None
        # A branch can be out in one work tree only: the one kept aside lets go of it, its files stay as they are.
        tip = tree.git.ask("rev-parse", "--verify", "--quiet", "HEAD^0").text
        tree.git.must("update-ref", "--no-deref", "HEAD", tip or head)
        aside = move_aside(path)
        with open(os.path.join(admin, "gitdir"), "wb") as file:
            file.write(os.fsencode(os.path.join(aside, ".git")) + b"\n")
        return aside

    def _add(self, path: str, branch: str, head: str) -> None:
        """Check the branch out at `path`, made from `head` when it is new. --force: only over a stale registration."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        plain = without_filters(self._own, self._common(), self._rules.filters)
        for attempt in range(_TRIES):
            exists = self._own.ask("show-ref", "--verify", "--quiet", f"refs/heads/{branch}").code == 0
            what = [path, branch] if exists else ["-b", branch, "--no-track", path, head]
            done = self._own.ask("worktree", "add", "--force", "--quiet", *what, timeout=SLOW, extra=plain)
            if done.code == 0:
                return
            if attempt + 1 == _TRIES or not ("lock" in done.err or "commondir" in done.err):
                raise GitFailed(command="worktree add", problem=in_a_line(done.err) or f"exit code {done.code}")


def is_read_only(project: str) -> bool:
    """Whether the project's own ``.git`` is there and cannot be written: a container sees it so."""
    git_dir = os.path.join(project, ".git")
    return os.path.isdir(git_dir) and not os.access(git_dir, os.W_OK)


def common_directory(git: Git) -> str:
    """The git directory that a repository's work trees share."""
    return os.path.join(git.directory, git.must("rev-parse", "--git-common-dir"))


def place_of(path: str) -> str:
    """The one name of a work tree's place. A link that stands there itself is not followed: an agent can put one in the
    place of its tree, and what it leads to would be moved aside as the agent's."""
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _remove_begun(path: str) -> None:
    """Remove a directory in which a git that died has made nothing yet but the file that leads to its own."""
    with suppress(OSError):
        if not os.path.islink(path) and os.listdir(path) == [".git"]:
            os.unlink(os.path.join(path, ".git"))  # refused when it is a directory: that may be somebody's
            os.rmdir(path)


def _unlock_made(admin: str) -> None:
    """Clear the lock that git holds on a work tree while it makes it: it died after the last file. Another is a
    person's."""
    locked = os.path.join(admin, "locked")
    with suppress(OSError):
        fd = os.open(locked, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            made = file.read(_LONGEST_PATH).strip() == b"initializing"
        if made:
            os.unlink(locked)


def move_aside(path: str) -> str:
    """Rename to the first free ``….left-1``; the new name."""
    names = (f"{path}.left-{number}" for number in range(1, 1000))
    aside = next(name for name in names if not (os.path.lexists(name) or os.path.lexists(boxed_git(name).home)))
    os.rename(path, aside)
    return aside


def _leads_to(path: str, admin: str) -> bool:
    """Whether a work tree's ``.git`` is still the file that leads to its git directory."""
    try:
        fd = os.open(os.path.join(path, ".git"), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            line = os.fsdecode(file.read(_LONGEST_PATH))
    except OSError:
        return False
    return line.startswith("gitdir: ") and os.path.realpath(line[8:].rstrip("\n")) == os.path.realpath(admin)


def below(worktree: Worktree, left: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """Paths of the project as paths below the work tree's top."""
    return {os.path.relpath(os.path.join(worktree.project, path), worktree.path): left[path] for path in left}


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
