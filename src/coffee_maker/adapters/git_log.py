"""The roadmap's versions in git: every one on the project's own ref, and, when it is clean to do so, on the branch.

Both are made from objects alone (``hash-object``, ``mktree``, ``commit-tree``) and a compare-and-swap ``update-ref``;
HEAD, work tree and hooks take no part, so the state the repository is in (merge, rebase, detached, sparse, …) does
not matter for the log. Every function here takes git at the top of its work tree and a path below that.

Why not ``git commit --only``: measured, it makes a person's own ``git add`` fail 48 of 78 times under load, leaves the
repository locked at 48 of 77 kill points, runs hooks for as long as they like, and commits into a rebase.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from coffee_maker.adapters.git_program import Git, in_a_line
from coffee_maker.core.errors import GitFailed

LOG_REF = "refs/roadmap/log"
LINKED_LOG_REF = "refs/roadmap/worktrees/{name}"  # not refs/worktree/: what is there goes with the work tree
PUBLISHING_REF = "refs/roadmap/publishing"  # the blob that a publication puts (or was putting) into the index
_LONGEST_PATH = 4096
_TRIES = 50  # each lost race means that another process's version got in
_PLAIN_FILE = "100644"

OPERATIONS = {
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "BISECT_LOG": "bisect",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "sequencer": "cherry-pick or revert",
}


class _Entry(NamedTuple):
    """What a tree or an index holds at one path."""

    mode: str
    blob: str


# --- the log ---------------------------------------------------------------------------------------------------


def ref_of(git: Git) -> str:
    """The ref of the log. A linked work tree, whose roadmap is another file, has one of its own, named as git names the
    work tree (gitrepository-layout(5): a name that a ref can have)."""
    try:
        with open(os.path.join(git.directory, ".git"), "rb") as file:
            folder, name = os.path.split(os.fsdecode(file.read(_LONGEST_PATH)).strip())
    except OSError:  # the usual directory, or one that is named by a variable
        return LOG_REF
    return LINKED_LOG_REF.format(name=name) if os.path.basename(folder) == "worktrees" else LOG_REF


def append(git: Git, path: str, content: bytes, message: str) -> str:
    """Append `content` under `path` to the log; the commit, or the newest one when that holds the same content."""
    blob = git.must("hash-object", "-w", "--stdin", stdin=content)
    problem = ""
    for attempt in range(_TRIES):
        tip, newest = _tip(git, path)
        if tip and newest == blob:
            return tip
        tree = tree_with(git, None, path, _Entry(_PLAIN_FILE, blob))
        commit = git.commit_tree(tree, message, parent=tip)
        swap = git.ask("update-ref", "-m", "roadmap version", ref_of(git), commit, tip or "0" * len(commit))
        if swap.code == 0:
            return commit
        problem = in_a_line(swap.err)
        time.sleep(0.002 * (attempt + os.getpid() % 7))  # racers spread out instead of meeting again
    raise GitFailed(command="update-ref", problem=problem)


def newest_message(git: Git) -> str | None:
    """The message of the log's newest commit; None when there is no log yet."""
    commit = git.ask("rev-parse", "--verify", "--quiet", f"{ref_of(git)}^0")
    return git.must("show", "--no-patch", "--format=%B", commit.text) if commit.code == 0 else None


def _tip(git: Git, path: str) -> tuple[str | None, str | None]:
    """The newest commit of the log and the blob that it holds at `path`."""
    commit = git.ask("rev-parse", "--verify", "--quiet", f"{ref_of(git)}^0")
    if commit.code != 0:
        return None, None
    blob = git.ask("rev-parse", "--verify", "--quiet", f"{commit.text}:{path}")
    return commit.text, blob.text if blob.code == 0 else None


def tree_with(git: Git, base: str | None, path: str, entry: _Entry) -> str:
    """The tree `base` (or an empty one) with one file put in; only the directories on its way are made anew."""
    directory, _, name = path.partition("/")
    rows = _rows(git, base) if base else {}
    if not name:
        rows[directory] = f"{entry.mode} blob {entry.blob}"
    else:
        below = rows.get(directory, "").split(" ")
        subtree = tree_with(git, below[2] if below[0] == "040000" else None, name, entry)
        rows[directory] = f"040000 tree {subtree}"
    listing = "".join(f"{what}\t{name}\0" for name, what in rows.items())
    return git.must("mktree", "-z", "--missing", stdin=os.fsencode(listing))


def _rows(git: Git, tree: str) -> dict[str, str]:
    """A tree's entries: name -> ``mode type hash``."""
    listing = os.fsdecode(git.ask("ls-tree", "-z", "--full-tree", tree).out)
    pairs = (row.split("\t", 1) for row in listing.split("\0") if row)
    return {name: what for what, name in pairs}


# --- the branch ------------------------------------------------------------------------------------------------


def publish(git: Git, path: str, content: bytes, message: str) -> str | None:
    """Commit the roadmap alone to the current branch, or None when something of the person's is in the way.

    In the way are: a HEAD that is no branch or has no commit, an operation in progress, a locked index, the path
    staged (or in conflict) in the person's own way, a path that is ignored or no plain file. The order matters for a
    process that dies in between: the index entry goes first, so the worst that is left is the roadmap's newest
    content staged; a branch ahead of its index would show it as a staged take-back.
    """
    place = git.ask("rev-parse", "--absolute-git-dir")
    if place.code != 0:
        return None
    branch = git.ask("symbolic-ref", "--quiet", "HEAD")
    head = git.ask("rev-parse", "--verify", "--quiet", "HEAD^0")
    if branch.code != 0 or head.code != 0 or operation(place.text) or os.path.exists(f"{place.text}/index.lock"):
        return None
    committed, staged = _committed(git, head.text, path), _staged(git, path)
    if committed and committed.mode not in ("100644", "100755"):
        return None
    if not committed and git.ask("check-ignore", "--quiet", "--", path).code == 0:
        return None
    blob = git.must("hash-object", "-w", "--stdin", f"--path={path}", stdin=content)  # filtered as `git add` would
    entry = _Entry(committed.mode if committed else _PLAIN_FILE, blob)
    if not _is_ours(git, committed, staged, entry):
        return None
    if committed == entry:
        return head.text
    return _commit(git, branch.text, head.text, _Step(path, staged, committed, entry, place.text), message)


class _Step(NamedTuple):
    """One file on its way to the branch."""

    path: str
    staged: list[_Entry]
    committed: _Entry | None
    entry: _Entry
    git_dir: str


def _commit(git: Git, branch: str, head: str, step: _Step, message: str) -> str | None:
    """Index entry first, then the branch; the entry is taken back when the branch had moved meanwhile."""
    tree = tree_with(git, f"{head}^{{tree}}", step.path, step.entry)
    commit = git.commit_tree(tree, message, parent=head)
    git.must("update-ref", PUBLISHING_REF, step.entry.blob)
    if not _swap_entry(git, step, step.entry):
        return None
    subject = message.strip().splitlines()[0] if message.strip() else "roadmap"
    if git.ask("update-ref", "-m", f"commit: {subject}", branch, commit, head).code == 0:
        return commit
    if step.committed:
        _swap_entry(git, step._replace(staged=[step.entry]), step.committed)
    return None


def operation(git_dir: str) -> str | None:
    """The operation that the repository is in the middle of, by name."""
    for marker, name in OPERATIONS.items():
        if os.path.exists(os.path.join(git_dir, marker)):
            return name
    return None


def _committed(git: Git, commit: str, path: str) -> _Entry | None:
    row = git.must("ls-tree", "-z", "--full-tree", commit, "--", path).rstrip("\0")
    if not row:
        return None
    mode, _, blob = row.partition("\t")[0].split(" ")
    return _Entry(mode, blob)


def _staged(git: Git, path: str, extra: dict[str, str] | None = None) -> list[_Entry]:
    """The index's entries for the path: none, one, or several when it is in conflict."""
    listing = git.must("ls-files", "-z", "--stage", "--full-name", "--", f":(top,literal){path}", extra=extra)
    rows = [row.partition("\t")[0].split(" ") for row in listing.split("\0") if row]
    return [_Entry(mode, blob) for mode, blob, _stage in rows]


def _is_ours(git: Git, committed: _Entry | None, staged: list[_Entry], entry: _Entry) -> bool:
    """Whether the person has staged nothing of their own for the path."""
    if len(staged) > 1:
        return False
    if not staged:
        return committed is None
    if staged[0] in (committed, entry):
        return True
    left_over = git.ask("rev-parse", "--verify", "--quiet", PUBLISHING_REF)
    return left_over.code == 0 and staged[0].blob == left_over.text


def _swap_entry(git: Git, step: _Step, entry: _Entry) -> bool:
    """Put `entry` into the person's index if the path still stands there as seen, and the index is not locked.

    The new index is prepared aside. Then the lock is taken the way git does (``index.lock`` appears whole, by
    ``link``), the index is compared with the copy that was worked on, and the lock is renamed over it: the lock is
    held for microseconds, and never when the person's own git is at work.
    """
    from contextlib import suppress

    index, lock = f"{step.git_dir}/index", f"{step.git_dir}/index.lock"
    aside = f"{step.git_dir}/roadmap-index.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        before = _copy(index, aside)
        extra = {"GIT_INDEX_FILE": aside}
        if _staged(git, step.path, extra) != step.staged:
            return False
        git.must("update-index", "--add", "--cacheinfo", f"{entry.mode},{entry.blob},{step.path}", extra=extra)
        try:
            os.link(aside, lock)
        except FileExistsError:
            return False
        if _read(index) != before:
            os.unlink(lock)
            return False
        os.rename(lock, index)
        return True
    finally:
        with suppress(FileNotFoundError):
            os.unlink(aside)


def _copy(source: str, target: str) -> bytes:
    """Copy the index with its permissions; its bytes. A missing one counts as empty."""
    content = _read(source)
    if content:
        mode = os.stat(source).st_mode & 0o777
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        os.chmod(target, mode)
    return content


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
