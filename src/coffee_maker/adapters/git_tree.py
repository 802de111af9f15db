"""git in a directory that an agent can write.

Nothing of what lies there may run: the git directory is named and not found (the directory's own ``.git`` is not looked
at), hooks and file system monitors are off, filters are off whatever attributes say, and
repositories inside of it are not looked into. A filter that is trusted all the same (``lfs``) can be named.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from coffee_maker.adapters import git_locks
from coffee_maker.adapters.git_program import FALLBACK_IDENTITY, SLOW, Git, plain_message
from coffee_maker.core.errors import GitFailed

_NOT_INTO = "--ignore-submodules=all"  # git asks a repository inside by a git of its own, with that one's settings
_FILTER = re.compile(r"filter\.(?P<name>.*)\.(clean|smudge|process|required)\Z", re.DOTALL)
_GITLINK = "160000 "
_READ_BY_GIT = frozenset({".gitattributes", ".gitignore"})  # in every directory, and opened whatever they are
_MOST_LEFTOVERS = 20_000  # paths that are looked at one by one, and journalled: two megabytes


class TreeGit:
    """git on the work tree `tree` with the git directory `git_dir`; `filters` are the names of those that stay on."""

    def __init__(self, git: Git, git_dir: str, tree: str, *, filters: Sequence[str] = ()) -> None:
        where = {"GIT_DIR": git_dir, "GIT_WORK_TREE": tree}
        self.tree = tree
        self.git = git.at(tree, environment={**where, **without_filters(git, git_dir, filters)})

    def head(self) -> str | None:
        """The branch's full name; None when it is on none."""
        return self.git.ask("symbolic-ref", "--quiet", "HEAD").text or None

    def tip(self) -> str:
        return self.git.must("rev-parse", "HEAD^0")

    def is_clean(self) -> bool:
        if self._stumbling_block() is not None:
            return False
        status = self.git.ask("status", "--porcelain", _NOT_INTO, timeout=SLOW)
        return status.code == 0 and not status.out

    def held_by(self, left: Mapping[str, str | None]) -> str | None:
        """What would be lost with the tree: something that is not committed, but for what is as it is in `left`, or a
        repository in it; None when nothing would be."""
        if (path := self._stumbling_block()) is not None:
            return f"{path} is no file"
        if self._is_staged():
            return "something is staged in it"
        found = self.leftovers()
        own = [path for path, content in found.items() if path not in left or left[path] != content]
        if own or len(found) == _MOST_LEFTOVERS:
            more = f" and {len(own) - 1} more" if len(own) > 1 else ""
            return f"not committed: {', '.join(own[:1])}{more}" if own else f"it holds {len(found)} uncommitted files"
        inside = self._repositories_inside()
        return next((f"{path} is a repository" for path in inside if os.path.lexists(self._git_of(path))), None)

    def _git_of(self, path: str) -> str:
        return os.path.join(self.tree, path, ".git")

    def unlock(self) -> None:
        """Clear the locks that a git left behind which died here."""
        names = ["index.lock", "HEAD.lock", *(f"{head}.lock" for head in [self.head()] if head)]
        asked = self.git.ask("rev-parse", *(word for name in names for word in ("--git-path", name)))
        git_locks.clear(os.path.join(self.tree, path) for path in asked.text.splitlines() if path)

    def stage(self, theirs: Sequence[str], begun: str, left: Sequence[str], since: str | None, before: str) -> bool:
        """Put what changed into the index, except two kinds of paths below the top: `theirs` are as in the commit
        `begun`, also when the agent has committed them, `left` as in the snapshot `since` or in HEAD. Whether the index
        differs from the commit `before`."""
        git = self.git
        self._check()
        self.unlock()
        # Only this run's index; what the agent staged is staged again below.
        git.must("read-tree", "--reset", since.split()[0] if since else "HEAD", timeout=SLOW)
        self._look_at_all()
        without = (*theirs, *left, *self._repositories_inside())
        out = (path for path in without if not self._is_behind_a_link(path))
        left_out = [f":(top,exclude,literal){path}" for path in out]
        everything = ("--", ":(top)", *left_out)
        if git.ask("add", "--all", *everything, timeout=SLOW).code != 0:  # a sparse work tree wants it said
            git.must("add", "--all", "--sparse", *everything, timeout=SLOW)
        if theirs:
            git.must("reset", "--quiet", begun, "--", *(f":(top,literal){path}" for path in theirs), timeout=SLOW)
        return self._is_staged(before)

    def _look_at_all(self) -> None:
        """Have git look at files that the agent told it to take for unchanged: what was changed there would be in no
        commit, and gone with the tree. What a sparse work tree leaves out is not there, and stays so."""
        told = (entry.split(" ", 1) for entry in _names(self.git.ask("ls-files", "-v", "-z", timeout=SLOW).out))
        marked = [(tag, path) for tag, path in told if tag != "H"]
        there = [path for tag, path in marked if tag in "Ss" and os.path.lexists(os.path.join(self.tree, path))]
        for option, paths in (
            ("--no-assume-unchanged", [path for tag, path in marked if tag.islower()]),
            ("--no-skip-worktree", there),
        ):
            if paths:
                stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
                self.git.must("update-index", option, "-z", "--stdin", stdin=stdin, timeout=SLOW)

    def staged(
        self, base: str, wanted: Callable[[str], bool], largest: int
    ) -> Mapping[str, tuple[bytes | None, bytes | None]]:
        """Of the wanted files, those that differ between the commit and the index: their bytes there and here."""
        changed = ("diff-index", "--cached", "--raw", "--no-abbrev", "--no-renames", "-z", _NOT_INTO, base)
        told = iter(self.git.must(*changed, timeout=SLOW).split("\0"))
        found = {path: facts.lstrip(":").split() for facts, path in zip(told, told, strict=False) if wanted(path)}
        ids = {path: (_file_of(of[0], of[2]), _file_of(of[1], of[3])) for path, of in found.items()}
        contents = self._contents({one for pair in ids.values() for one in pair if one}, largest)
        return {path: (contents.get(old, b""), contents.get(new, b"")) for path, (old, new) in ids.items()}

    def _contents(self, ids: Collection[str], largest: int) -> dict[str, bytes | None]:
        """The blobs of those ids; None for one that is larger."""
        asked = "".join(f"{one}\n" for one in sorted(ids)).encode()
        sizes = self.git.must("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin=asked, timeout=SLOW)
        known = dict(line.split() for line in sizes.splitlines())
        small = [one for one, size in known.items() if size.isdecimal() and int(size) <= largest]
        asked = "".join(f"{one}\n" for one in small).encode()
        out, at = self.git.ask("cat-file", "--batch", stdin=asked, timeout=SLOW).out, 0
        contents: dict[str, bytes | None] = dict.fromkeys(known)
        for one in small:
            begin = out.index(b"\n", at) + 1
            end = begin + int(known[one])
            contents[one], at = out[begin:end], end + 1
        return contents

    def snapshot(self) -> str:
        """The index as a tree, and HEAD's commit."""
        return f"{self.git.must('write-tree', timeout=SLOW)} {self.tip()}"

    def restore(self, snapshot: str) -> None:
        """Make the index and the branch what they were; files are left alone. A commit of that very tree stays."""
        tree, tip = snapshot.split()
        self.unlock()
        if self.git.ask("rev-parse", "HEAD^0", "HEAD^{tree}", "HEAD^1").text.split()[1:] != [tree, tip]:
            self.git.must("update-ref", "HEAD", tip)
        self.git.must("read-tree", "--reset", tree, timeout=SLOW)

    def leftovers(self) -> Mapping[str, str | None]:
        """What differs from the index: path -> a hash of its content, None when it is gone."""
        self._check()
        kinds = ("--others", "--modified", "--deleted", "--exclude-standard")
        listed = self.git.must("ls-files", "-z", *kinds, timeout=SLOW)
        paths = sorted(set(filter(None, listed.split("\0"))))[:_MOST_LEFTOVERS]
        there = [path for path in paths if self._is_file(path)]
        stdin = "".join(map(_quoted, there)).encode(errors="surrogateescape")
        hashes = self.git.must("hash-object", "--no-filters", "--stdin-paths", stdin=stdin, timeout=SLOW).split()
        return {**dict.fromkeys(paths), **dict(zip(there, hashes, strict=True))}

    def _is_behind_a_link(self, path: str) -> bool:
        """git refuses to hear of what lies there, and takes none of it."""
        parents = (path[:at] for at, char in enumerate(path) if char == os.sep)
        return any(os.path.islink(os.path.join(self.tree, parent)) for parent in parents)

    def _check(self) -> None:
        """Raises `GitFailed` where git would wait for ever."""
        path = self._stumbling_block()
        if path is not None:
            raise GitFailed(command="add", problem=f"{path} is a pipe or a device, at which git would wait for ever")

    def _stumbling_block(self) -> str | None:
        """A pipe in the place of a file that git opens by its name; the first one's path below the top. Of a repository
        inside, git asks what it is on, and that may be any of its files."""
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            inside = ".git" in folder.split(os.sep)
            with suppress(OSError), os.scandir(os.path.join(self.tree, folder)) as entries:
                for entry in entries:
                    path = os.path.join(folder, entry.name)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(path)
                    elif (inside or entry.name in _READ_BY_GIT) and _is_waited_at(entry, follow=inside):
                        return path
        return None

    def _is_file(self, path: str) -> bool:
        """A file of the tree's own: what a link leads to may be anywhere."""
        try:
            return stat.S_ISREG(os.lstat(os.path.join(self.tree, path)).st_mode)
        except OSError:
            return False

    def commit(self, message: str) -> str:
        """Commit what is staged, if anything is; the newest commit."""
        self._check()
        if self._is_staged():
            self.unlock()
            command = ["commit", "--quiet", "--no-verify", "--no-gpg-sign", "--cleanup=whitespace", "-F", "-"]
            text = plain_message(message).encode()
            if self.git.ask(*command, stdin=text, timeout=SLOW).code != 0:  # perhaps for want of an identity
                self.git.must(*command, stdin=text, timeout=SLOW, extra=FALLBACK_IDENTITY)
        return self.tip()

    def _is_staged(self, beside: str = "HEAD") -> bool:
        quiet = ("--cached", "--quiet", "--no-ext-diff", "--no-textconv", _NOT_INTO, beside)
        return self.git.ask("diff", *quiet, timeout=SLOW).code != 0

    def _repositories_inside(self) -> list[str]:
        """Repositories in the tree, known to the index or not: what they hold is not this run's result."""
        known = self.git.ask("ls-files", "--stage", "-z", timeout=SLOW).out
        found = {entry.partition("\t")[2] for entry in _names(known) if entry.startswith(_GITLINK)}
        new = self.git.ask("ls-files", "--others", "--exclude-standard", "-z", timeout=SLOW).out
        return sorted(found | {name.rstrip("/") for name in _names(new) if name.endswith("/")})


def _quoted(path: str) -> str:
    """A line that git reads as this very path. It takes what begins with a quote for a quoted name, so that a file in
    the tree could name any other of the machine, /dev/zero say, and drops the end of what ends in a carriage return."""
    for sign, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
        path = path.replace(sign, escaped)
    return f'"{path}"\n'


def _file_of(mode: str, blob: str) -> str:
    """The blob of a regular file; "" for a link, a repository inside and where there is none."""
    return blob if mode.startswith("100") else ""


def _is_waited_at(entry: os.DirEntry[str], *, follow: bool) -> bool:
    try:
        mode = entry.stat(follow_symlinks=follow).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def without_filters(git: Git, git_dir: str, keep: Sequence[str] = ()) -> Mapping[str, str]:
    """The environment in which git runs none of the filters that any of its settings name."""
    done = git.ask("config", "--null", "--name-only", "--get-regexp", r"^filter\.", extra={"GIT_DIR": git_dir})
    found = [_FILTER.match(key) for key in _names(done.out)]
    names = sorted({match["name"] for match in found if match} - set(keep))
    values = [
        (f"filter.{name}.{key}", value)
        for name in names
        for key, value in (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false"))
    ]
    environment = {"GIT_CONFIG_COUNT": str(len(values))}
    for number, (key, value) in enumerate(values):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment


def _names(out: bytes) -> list[str]:
    return [os.fsdecode(part) for part in out.split(b"\0") if part]
