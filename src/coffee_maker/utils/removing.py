"""Remove a directory tree that somebody else has made, however deep it is.

`shutil.rmtree` calls itself for each level, so that a thousand levels end its caller by RecursionError. Here each
directory is moved up to the top before it is looked into, so that nothing is ever deep.
"""

from __future__ import annotations

import os
from contextlib import suppress

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def remove_tree(path: str) -> None:
    """Remove the directory with all that is in it. No link is followed; what cannot be removed stays."""
    with suppress(OSError):
        top = os.open(path, _DIRECTORY)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(path)


def _empty(top: int) -> None:
    waiting = _take_out(top, top, 0)
    known = len(waiting)
    while waiting:
        name = waiting.pop()
        with suppress(OSError):
            inner = os.open(name, _DIRECTORY, dir_fd=top)
            try:
                found = _take_out(inner, top, known)
            finally:
                os.close(inner)
            known += len(found)
            waiting += found
            os.rmdir(name, dir_fd=top)


def _take_out(directory: int, top: int, known: int) -> list[str]:
    """Unlink what a directory holds but its directories, which are moved to the top; their names there."""
    moved: list[str] = []
    with os.scandir(directory) as entries:
        listed = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in listed:
        with suppress(OSError):
            if not is_directory:
                os.unlink(name, dir_fd=directory)
                continue
            os.chmod(name, 0o700, dir_fd=directory)  # one that is closed to its owner can neither move nor be read
            new = f".removed-{os.getpid()}-{known + len(moved)}"
            os.rename(name, new, src_dir_fd=directory, dst_dir_fd=top)
            moved.append(new)
    return moved
