"""What kind of mount a file or directory lies on, read from Linux's own tables; None elsewhere."""

from __future__ import annotations

import os

from coffee_maker.core.typed import NamedTuple

UNSAFE_KINDS = frozenset(
    {"9p", "virtiofs", "vboxsf", "drvfs", "prl_fs", "nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs"}
)
"""File systems behind which another kernel or machine may write: locks and shared memory do not reach there."""


class Mount(NamedTuple):
    """One line of ``/proc/self/mountinfo``."""

    id: int
    point: str
    kind: str

    @property
    def unsafe(self) -> bool:
        """Whether processes on both sides of it do not share locks (every FUSE kind counts, the backend is unknown)."""
        return self.kind in UNSAFE_KINDS or self.kind == "fuse" or self.kind.startswith("fuse.")


def mount_id(fd: int) -> int | None:
    """The id of the mount that an open descriptor was reached through."""
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as lines:
            for line in lines:
                if line.startswith(b"mnt_id:"):
                    return int(line[7:])
    except OSError:
        pass
    return None


def mount_of(path: str) -> Mount | None:
    """The mount that `path` lies on."""
    try:
        fd = os.open(path, getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        wanted = mount_id(fd)
    finally:
        os.close(fd)
    return next((mount for mount in _mounts() if mount.id == wanted), None)


def _mounts() -> list[Mount]:
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
            return [_parse(line) for line in lines]
    except OSError:
        return []


def _parse(line: str) -> Mount:
    """See proc(5): id parent device root point options optional... - kind source options."""
    fields = line.split(" ")
    kind = fields[fields.index("-") + 1]
    return Mount(int(fields[0]), _unescape(fields[4]), kind)


def _unescape(path: str) -> str:
    for code, sign in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, sign)
    return path
