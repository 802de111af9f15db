"""Real repositories in the states that people leave them in."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

PERSON = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
_NO_HOOKS = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": os.devnull}


def git(directory: Path, *args: str, ok: bool = True) -> str:
    """Run git as the person does, with the hooks asleep."""
    environment = {**os.environ, **PERSON, **_NO_HOOKS}
    done = subprocess.run(["git", *args], cwd=directory, env=environment, capture_output=True, text=True)
    if ok and done.returncode != 0:
        raise AssertionError(f"git {args}: {done.stderr}")
    return done.stdout.rstrip("\n")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def make(directory: Path) -> Path:
    """A repository with two commits on main, one of them with the roadmap."""
    directory.mkdir(parents=True, exist_ok=True)
    git(directory, "init", "-q", "-b", "main")
    write(directory / "docs/ROADMAP.md", "# Roadmap\n")
    write(directory / "code.py", "one = 1\n")
    write(directory / ".gitignore", "*.log\n")
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", "first")
    write(directory / "code.py", "one = 1\ntwo = 2\n")
    git(directory, "commit", "-q", "-am", "second")
    return directory


def _two_sides(directory: Path) -> None:
    """A branch `side` whose change to code.py conflicts with main's."""
    git(directory, "checkout", "-q", "-b", "side", "HEAD~1")
    write(directory / "code.py", "one = 1\nside = 2\n")
    git(directory, "commit", "-q", "-am", "side")
    git(directory, "checkout", "-q", "main")


def _in_conflict(*command: str) -> Callable[[Path], None]:
    def put(directory: Path) -> None:
        _two_sides(directory)
        git(directory, *command, "side", ok=False)

    return put


def _detached(directory: Path) -> None:
    git(directory, "checkout", "-q", "--detach")


def _bisect(directory: Path) -> None:
    git(directory, "bisect", "start", "HEAD", "HEAD~1")


def _staged(directory: Path) -> None:
    write(directory / "code.py", "staged\n")
    git(directory, "add", "code.py")
    write(directory / "code.py", "staged and more\n")


def _sparse(directory: Path) -> None:
    git(directory, "sparse-checkout", "set", "docs")


def _locked(directory: Path) -> None:
    write(directory / ".git/index.lock", "")


STATES: dict[str, Callable[[Path], None]] = {
    "clean": lambda directory: None,
    "merge": _in_conflict("merge"),
    "rebase": _in_conflict("rebase"),
    "cherry-pick": _in_conflict("cherry-pick"),
    "bisect": _bisect,
    "detached": _detached,
    "staged": _staged,
    "sparse": _sparse,
    "index locked": _locked,
}


def put(directory: Path, state: str) -> None:
    """Bring the repository into the state, then install hooks that fail and would leave a trace."""
    STATES[state](directory)
    for hook in ("pre-commit", "post-commit", "post-checkout", "reference-transaction", "post-index-change"):
        path = write(
            directory / ".git/hooks" / hook, f"#!/bin/sh\necho {hook} >> '{directory}/hooks-ran.log'\nexit 1\n"
        )
        path.chmod(0o755)


def snapshot(directory: Path) -> dict[str, object]:
    """Everything of the person's that must not move: HEAD, branches, index bytes, work tree."""
    git_dir = Path(git(directory, "rev-parse", "--absolute-git-dir"))
    index = git_dir / "index"
    files = {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(directory).parts
    }
    return {
        "head": (git_dir / "HEAD").read_text(),
        "branches": git(directory, "for-each-ref", "refs/heads").splitlines(),
        "index": index.read_bytes() if index.exists() else None,
        "files": files,
        "locks": [str(path) for path in git_dir.rglob("*.lock") if path.name != "index.lock"],
        "strays": [path.name for path in git_dir.glob("roadmap-index*")],
    }
