"""What this process sees of the shared file, directory and database: the `System` port on Linux's own tables.

It looks with `stat` and reads no database file: opening one outside SQLite would drop this process's locks on it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from hashlib import sha256

from coffee_maker.core.document import LARGEST
from coffee_maker.utils.mounts import mount_of

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_BLOCK = 1 << 20


class SystemFacts:
    """See `coffee_maker.core.ports.System`. `database` is the path of the SQLite file, None for PostgreSQL; `settings`
    that of the project's settings file, which is looked at once: as it is when this process begins."""

    def __init__(self, roadmap: str, data: str, database: str | None, settings: str | None = None) -> None:
        self._roadmap = roadmap
        self._data = data
        self._database = database
        self._settings = content_hash(settings)

    def seen(self) -> Mapping[str, object]:
        """Equal in a container on the same kernel with the same directories, whatever their paths are there."""
        digest, device, inode = _content_of(self._roadmap)
        data_device, data_inode = _place_of(self._data)
        database_device, database_inode = _place_of(self._database)
        return {
            "roadmap": os.path.realpath(self._roadmap),
            "roadmap_hash": digest,
            "roadmap_device": device,
            "roadmap_inode": inode,
            "roadmap_alone": _mounted_alone(os.path.realpath(self._roadmap)),
            "roadmap_mount": _kind_of_mount(os.path.dirname(os.path.realpath(self._roadmap))),
            "data": os.path.realpath(self._data),
            "data_device": data_device,
            "data_inode": data_inode,
            "data_mount": _kind_of_mount(self._data),
            "database_device": database_device,
            "database_inode": database_inode,
            "settings_hash": self._settings,
            "boot_id": boot_id(),
            "host": os.uname().nodename,
        }


def content_hash(path: str | None) -> str | None:
    """None when it cannot be read."""
    return _content_of(path)[0] if path is not None else None


def boot_id() -> str | None:
    """Equal in all containers of one kernel, different in a virtual machine and after a restart."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def _content_of(path: str) -> tuple[str | None, int | None, int | None]:
    """Hash, device and inode of one and the same open file; nothing of a pipe, a device or what never ends."""
    digest = sha256()
    size = 0
    try:
        fd = os.open(os.path.realpath(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(fd, "rb", buffering=0) as file:
            facts = os.fstat(fd)
            while stat.S_ISREG(facts.st_mode) and (block := file.read(_BLOCK)):
                digest.update(block)
                size += len(block)
                if size > LARGEST:
                    break
    except OSError:
        return None, None, None
    if not stat.S_ISREG(facts.st_mode) or size > LARGEST:
        return None, None, None
    return digest.hexdigest(), facts.st_dev, facts.st_ino


def _place_of(path: str | None) -> tuple[int | None, int | None]:
    try:
        facts = os.stat(path) if path is not None else None
    except OSError:
        return None, None
    return (facts.st_dev, facts.st_ino) if facts is not None else (None, None)


def _kind_of_mount(path: str) -> str | None:
    mount = mount_of(path)
    return mount.kind if mount is not None else None


def _mounted_alone(path: str) -> bool:
    """Whether the file itself is a mount: then it stays the old one after every save that replaces it."""
    here, above = mount_of(path), mount_of(os.path.dirname(path))
    return here is not None and above is not None and here.id != above.id
