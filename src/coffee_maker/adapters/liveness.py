"""Whether a daemon on this machine is certainly gone: the lock that it and the keepers of its agents held is free.

The lock is a file of the daemon's own in the data directory, so it is shared with containers on the same kernel. It is
inherited by the keepers, so it becomes free only when the daemon is dead *and* nothing of its agents is left. A frozen
daemon holds it. Whoever cannot see the file, or has another kernel, knows nothing and waits for the lease to run out.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Liveness:
    """`Presence` by locks in the data directory. Descriptors in `inherited` are passed on to the keepers."""

    def __init__(self, data_directory: str, inherited: list[int]) -> None:
        self._directory = os.path.join(data_directory, "daemons")
        self._inherited = inherited

    @contextmanager
    def here(self, owner: str) -> Iterator[None]:
        """Be here, for the block: hold the lock, and let the keepers hold it."""
        path = self._path(owner)
        os.makedirs(self._directory, exist_ok=True)
        fd = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o660)
        fcntl.flock(fd, fcntl.LOCK_EX)
        cut_off = True  # then the file stays, and says by its lock when all of it is gone
        try:
            self._inherited.append(fd)
            yield
            cut_off = False
        except Exception:
            cut_off = False
            raise
        finally:
            self._inherited.remove(fd)
            if not cut_off:
                with suppress(OSError):
                    os.unlink(path)  # names are used once, so nobody can come to hold another file of this name
            os.close(fd)

    def gone(self, owner: str) -> bool:
        """Whether its lock is there and free; False when nothing is known."""
        path = self._path(owner)
        try:
            fd = os.open(path, _FLAGS)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return stat.S_ISREG(os.fstat(fd).st_mode)
        except OSError:
            return False
        finally:
            os.close(fd)

    def forget(self, owner: str) -> None:
        """See the port. The lock of one that is only silent stays."""
        if self.gone(owner):
            with suppress(OSError):
                os.unlink(self._path(owner))

    def _path(self, owner: str) -> str:
        plain = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in owner)[:80]
        return os.path.join(self._directory, f"{plain}-{sha256(owner.encode(errors='replace')).hexdigest()[:8]}.lock")
