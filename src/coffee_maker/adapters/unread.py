"""Whether anybody has read a file since it was put there, where the file system tells.

Linux notes the time at which a file was last read, by default at the first reading after a change ("relatime", see
mount(8)). A file gets a time that no reading leaves, made from its inode so that no copy passes for it; as long as it
has that, nobody has read it. Our own readings leave no trace (``O_NOATIME``, which only the owner may use). Writing
does not change it, so a text that was written over a file that nobody had read was made from an older one. The other
way round nothing follows: anything may have read it.
"""

from __future__ import annotations

import os
from contextlib import suppress

from coffee_maker.utils.mounts import mount_of

_SECOND = 1_000_000_000
_SILENT = getattr(os, "O_NOATIME", 0)
_ST_NOATIME = 1024  # see statvfs(3)


def mark(fd: int) -> None:
    """Mark an open file of our own as read by nobody; nothing happens where that cannot be done."""
    found = os.fstat(fd)
    with suppress(OSError):
        os.utime(fd, ns=((found.st_mtime_ns // _SECOND - 1) * _SECOND + _sign(found), found.st_mtime_ns))


def is_marked(directory: int, name: str) -> bool:
    """Whether certainly nobody has read the file since it was marked; False where it is not known."""
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if not _SILENT or found.st_atime_ns % _SECOND != _sign(found):
            return False
        if os.fstatvfs(directory).f_flag & _ST_NOATIME:
            return False
    except OSError:
        return False
    mount = mount_of(f"/proc/self/fd/{directory}")
    return mount is not None and not mount.unsafe


def clear(directory: int, name: str) -> None:
    """Read the file as anybody does, so that it is marked no more; nothing that stands in its place is followed."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(OSError):
        fd = os.open(name, flags, dir_fd=directory)
        try:
            os.read(fd, 1)
        finally:
            os.close(fd)


def _sign(found: os.stat_result) -> int:
    """Nanoseconds into the second; the kernel's clock stands there once in a thousand million readings."""
    return found.st_ino * 2_654_435_761 % (_SECOND - 1) + 1


def open_silently(name: str, flags: int, directory: int) -> int:
    """Open for reading without leaving a trace, where that is allowed."""
    try:
        return os.open(name, flags | _SILENT, dir_fd=directory)
    except PermissionError:
        return os.open(name, flags, dir_fd=directory)
