"""Reading a file that others write: without tricks by what stands at its path, and not in the middle of a writing.

An editor that writes in place holds the file open meanwhile. A read lease (``F_SETLEASE``) can only be had while nobody
has the file open for writing, so we wait for the writer to finish, as long as it writes.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from coffee_maker.adapters import unread
from coffee_maker.core.document import LARGEST
from coffee_maker.core.errors import RoadmapMissing, RoadmapUnusable
from coffee_maker.core.lean import SIGURG
from coffee_maker.core.typed import NamedTuple

_TEXT_ENDINGS = (".md", ".markdown", ".mdown", ".txt")
_AT_WORK = 5  # times the patience, for a writer that goes on writing
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def follow(path: str, *, missing_ok: bool) -> str:
    """The real path. A symlink of the user's own is followed, one that could have been planted is refused.

    Whoever may write the directory can plant a symlink to any file of the user's; it is only followed to a text file
    (by its name) that belongs to the same user as the link.
    """
    try:
        link = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        if missing_ok:
            return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        raise RoadmapMissing(path=path) from None
    except OSError as error:
        raise RoadmapUnusable(path=path, problem=words(error), hint=cure(error)) from error
    if not stat.S_ISLNK(link.st_mode):
        return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    real = os.path.realpath(path)
    try:
        target = os.stat(real, follow_symlinks=False)
    except OSError as error:
        raise RoadmapUnusable(path=path, problem=f"it is a symlink to {real}: {words(error)}") from error
    if target.st_uid != link.st_uid or not real.lower().endswith(_TEXT_ENDINGS):
        raise RoadmapUnusable(
            path=path,
            problem=f"it is a symlink to {real}, which is no text file of the link's owner",
            hint="If it is meant, name the file itself: `[roadmap] path` in coffee-roadmap.toml.",
        )
    return real


@contextmanager
def open_regular(directory: int, name: str, path: str) -> Iterator[int]:
    try:
        fd = unread.open_silently(name or os.curdir, _READ, directory)  # the root has no name
    except FileNotFoundError:
        raise RoadmapMissing(path=path) from None
    except OSError as error:
        raise RoadmapUnusable(path=path, problem=words(error), hint=cure(error)) from error
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise RoadmapUnusable(
                path=path,
                problem="it is a directory" if stat.S_ISDIR(mode) else "it is no regular file",
                hint="Name the Markdown file itself with --roadmap or `[roadmap] path`.",
            )
        yield fd
    finally:
        os.close(fd)


class Found(NamedTuple):
    content: bytes
    quiet: bool  # nobody had it open for writing
    at_work: bool  # somebody has, and wrote into it all the time that was waited


def read_steady(fd: int, path: str, patience: float) -> Found:
    """The content. A writer is waited for `patience` seconds since it last wrote, and five times that in all."""
    now = time.monotonic()
    deadline, at_most = now + patience, now + patience * _AT_WORK
    written = _written(fd)
    while not (quiet := _lease(fd)) and time.monotonic() < deadline:
        time.sleep(0.005)  # a writer has it open: nothing tells when it closes
        if written != (written := _written(fd)):  # who is at work has not forgotten to close it
            deadline = min(time.monotonic() + patience, at_most)
    try:
        size = os.fstat(fd).st_size
        if size > LARGEST:
            raise RoadmapUnusable(
                path=path,
                problem=f"it has {size / 1e6:.0f} MB, more than the {LARGEST / 1e6:.0f} MB that a roadmap may have",
                hint="Move finished parts into an archive file of their own, or name the right file with --roadmap.",
            )
        chunks: list[bytes] = []
        offset = 0
        while chunk := os.pread(fd, 1 << 20, offset):
            chunks.append(chunk)
            offset += len(chunk)
        return Found(b"".join(chunks), quiet, not quiet and deadline == at_most)
    except OSError as error:
        raise RoadmapUnusable(path=path, problem=f"could not read it: {words(error)}") from error
    finally:
        _end_lease(fd)


def _written(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_size, found.st_mtime_ns


def _lease(fd: int) -> bool:
    """Take a read lease; False when somebody has the file open for writing. True where there are no leases."""
    if not hasattr(fcntl, "F_SETLEASE"):
        return True
    try:
        # An opener for writing breaks the lease with a signal; SIGURG is one that is ignored by default.
        fcntl.fcntl(fd, fcntl.F_SETSIG, int(SIGURG))
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno != errno.EAGAIN
    return True


def _end_lease(fd: int) -> None:
    if hasattr(fcntl, "F_SETLEASE"):
        with suppress(OSError):
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def words(error: OSError) -> str:
    known = {
        errno.ELOOP: "it is a symlink that somebody put there meanwhile",
        errno.ENXIO: "it is a pipe or socket, no regular file",
        errno.EACCES: "no permission",
        errno.EPERM: "not permitted",
        errno.EROFS: "the file system is read-only",
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EBUSY: "it is a mount point of its own",
    }
    return known.get(error.errno or 0, os.strerror(error.errno) if error.errno else str(error))


def cure(error: OSError) -> str:
    cures = {
        errno.EACCES: "Run as the owner of the directory, or make it writable for this user.",
        errno.EPERM: "Look at the file's attributes (lsattr) and owner.",
        errno.EROFS: "Mount it writable, or use a checkout on a writable disk.",
        errno.ENOSPC: "Free some space and try again; nothing was changed.",
        errno.EDQUOT: "Free some space and try again; nothing was changed.",
        errno.EBUSY: "Mount the directory instead of the single file.",
    }
    return cures.get(error.errno or 0, "")
