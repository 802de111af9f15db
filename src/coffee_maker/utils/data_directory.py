"""The data directory: made by the first writer, marked as ours, and never shared with files that are not ours.

The marker comes into being before any other file, so of several processes that start at once each finds a directory
that is missing, empty or marked. Its own ignore file keeps the databases out of the person's git repository.
"""

from __future__ import annotations

import os

from coffee_maker.core.errors import DataDirectoryUnusable

MARKER = "coffee-roadmap"
ROADMAPS = "roadmap.paths"
"""The paths that the directory's roadmap is known by: a container sees the same file under another one."""
_MARKER_TEXT = """\
This directory holds the shared databases of coffee-roadmap: SQLite files, their lock files and backups.
The program recognises the directory by this file. Nothing here is meant to be edited, copied or removed by hand while
a program runs: `coffee-roadmap db backup` and `coffee-roadmap db restore` do that safely.
"""
_NOT_OURS_BUT_HARMLESS = frozenset({"lost+found"})


def ensure(directory: str) -> None:
    """Make the directory if its parent exists, and mark it; raises `DataDirectoryUnusable` when that cannot be."""
    if is_ours(directory):
        return
    try:
        _make(directory)
        names = set(os.listdir(directory)) - _NOT_OURS_BUT_HARMLESS
        if names and MARKER not in names:
            raise DataDirectoryUnusable(
                directory=directory,
                problem=f"it holds files that are not ours ({', '.join(sorted(names)[:3])})",
                hint="Name an empty or new directory with --data-dir or COFFEE_DATA_DIR.",
            )
        _write_new(marker_path(directory), _MARKER_TEXT)
        _write_new(os.path.join(directory, ".gitignore"), "*\n")
    except OSError as error:
        raise DataDirectoryUnusable(
            directory=directory,
            problem=f"it cannot be made or written ({error.strerror})",
            hint="Its parent directory must exist, and you must be allowed to write; or name another with --data-dir.",
        ) from error


def is_ours(directory: str) -> bool:
    """Whether the directory carries our marker."""
    return os.path.exists(marker_path(directory))


def known_roadmaps(directory: str) -> list[str]:
    """The paths noted there, without links; none when there is no note that can be read."""
    try:
        with open(os.path.join(directory, ROADMAPS), encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return []


def marker_path(directory: str) -> str:
    return os.path.join(directory, MARKER)


def lock_path(directory: str) -> str:
    """The lock that everybody holds who changes ROADMAP.md."""
    return os.path.join(directory, "roadmap.lock")


def _make(directory: str) -> None:
    try:
        os.mkdir(directory, 0o770)  # the umask is respected, and a setgid parent hands its group down
    except FileExistsError:
        if not os.path.isdir(directory):
            raise NotADirectoryError(20, "a file is in its place") from None


def _write_new(path: str, text: str) -> None:
    """Write a small file unless it is there; never through a link that somebody planted."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o660)
    except FileExistsError:
        return
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
