"""The roadmap's file: read without tricks, replaced in one step, and nothing that anybody else wrote is dropped.

The directory is opened once and everything happens relative to it, never through a symlink or a pipe. A new text is
*staged* (written and synced under a random name in the same directory) and then *placed*: the two files are exchanged
in one step (``renameat2`` with ``RENAME_EXCHANGE``), so what was taken out can be looked at afterwards, and an editor's
save between our reading and our placing is found, not lost. Where the system has no exchange, the text is compared
right before a plain rename; what is saved between these two system calls (measured: 20 to 60 microseconds) is lost.

An editor that writes in place is waited for (`steady`), before reading and again for what was taken out. Who keeps the
file open longer may still write into what was taken out: that is *set aside* under a name of its own, and is looked at
once it is closed.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from coffee_maker.adapters import steady, unread
from coffee_maker.core.errors import RoadmapMissing, RoadmapUnusable
from coffee_maker.core.lean import sha256
from coffee_maker.utils.mounts import mount_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from coffee_maker.core.state import Taken

    _T = TypeVar("_T")

_RENAME_EXCHANGE = 2  # see rename(2)
_OWNER = "Run as its owner (in a container: `--user $(id -u):$(id -g)`), or chown it."
_MARK = ".coffee-"
_HELD = "open-"


class RoadmapFile:
    """One ROADMAP.md. `patience` is how many seconds a writer that has the file open is waited for, and `gap` how
    many seconds a file that is missing is looked for again: several programs remove a file and make it anew."""

    def __init__(self, path: str, *, patience: float = 2.0, gap: float = 0.2) -> None:
        self.path = path
        self._patience = patience
        self._gap = gap

    def read(self) -> bytes:
        """The whole content; raises `RoadmapMissing` or `RoadmapUnusable`."""
        return self._patiently(self._read)

    def _read(self) -> bytes:
        with self._directory() as (directory, name), steady.open_regular(directory, name, self.path) as fd:
            found = steady.read_steady(fd, self.path, self._patience)
            if found.at_work:
                raise RoadmapUnusable(
                    path=self.path,
                    problem="another program is still writing it",
                    hint="Try again when it has finished.",
                )
            return found.content

    def _patiently(self, action: Callable[[], _T]) -> _T:
        """Do it again while the file is missing, until the gap is over."""
        deadline = time.monotonic() + self._gap
        while True:
            try:
                return action()
            except RoadmapMissing:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.01)  # nothing tells when a file comes back

    def stamp(self) -> object:
        """See the port."""
        try:
            found = os.stat(self.path)
        except OSError as error:
            return error.errno
        return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def unread(self, staged: str | None = None) -> bool:
        """See the port."""
        with self._directory(missing_ok=True) as (directory, name):
            return unread.is_marked(directory, staged or name)

    def now_read(self) -> None:
        """See the port."""
        with self._directory(missing_ok=True) as (directory, name):
            unread.clear(directory, name)

    def stage(self, content: bytes, digest: str | None = None) -> str:
        """Write `content` beside the roadmap with its mode, owner and attributes, synced; the name to place it by."""
        return self._patiently(lambda: self._stage(content, digest or sha256(content).hexdigest()))

    def _stage(self, content: bytes, digest: str) -> str:
        from coffee_maker.core.state import NAMED_BY

        with self._directory() as (directory, name):
            with steady.open_regular(directory, name, self.path) as original:
                self._refuse_unsuitable(directory, name, original)
                staged = f".{name}{_MARK}{digest[:NAMED_BY]}-{os.urandom(6).hex()}"
                with self._refusals("write beside it"):
                    self._write(directory, staged, content, original)
            return staged

    def place(self, staged: str, expected: str) -> Taken | None:
        """Put the staged text into the roadmap's place.

        None when the file held the content with the sha256 `expected`, or was set aside. Otherwise the content that
        somebody else saved meanwhile: it must be merged and placed again, and the file stays under its staged name (as
        what was taken out, or, without the exchange, as the text that did not go in) until `discard`.
        """
        return self._patiently(lambda: self._place(staged, expected))

    def _place(self, staged: str, expected: str) -> Taken | None:
        with self._directory() as (directory, name), self._refusals("put the new text into its place"):
            if not self._exchange(directory, staged, name):
                return self._replace(directory, staged, name, expected)
            os.fsync(directory)
            with steady.open_regular(directory, staged, self.path) as fd:
                taken = steady.read_steady(fd, self.path, self._patience)
            if not taken.quiet:
                os.rename(staged, _aside(name), src_dir_fd=directory, dst_dir_fd=directory)
                return None
            if sha256(taken.content).hexdigest() == expected:
                os.unlink(staged, dir_fd=directory)
                return None
            from coffee_maker.core.state import Taken

            return Taken(taken.content, placed=True)

    def staged(self, name: str) -> bytes | None:
        """What stands under a staged name; None when there is nothing, or it had to be set aside."""
        with self._directory(missing_ok=True) as (directory, roadmap):
            try:
                with steady.open_regular(directory, name, self.path) as fd:
                    found = steady.read_steady(fd, self.path, self._patience)
            except RoadmapMissing:
                return None
            if found.quiet:
                return found.content
            os.rename(name, _aside(roadmap), src_dir_fd=directory, dst_dir_fd=directory)
            return None

    def held(self) -> tuple[str, ...]:
        """Names of what was set aside."""
        return tuple(name for name in self._beside() if _is_aside(name))

    def late(self, name: str) -> bytes | None:
        """The content of what was set aside; None as long as another program has it open for writing."""
        with self._directory(missing_ok=True) as (directory, _), steady.open_regular(directory, name, self.path) as fd:
            found = steady.read_steady(fd, self.path, 0)
        return found.content if found.quiet else None

    def discard(self, name: str) -> None:
        """Remove a staged file that has had its use."""
        with self._directory(missing_ok=True) as (directory, _), suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)

    def aside(self, staged: str) -> str:
        """The path that `set_aside` gives a staged file."""
        return f"{self.path}.saved-{staged[-12:]}"

    def set_aside(self, staged: str) -> None:
        """Give a staged file a name that people see and no operation touches."""
        with self._directory(missing_ok=True) as (directory, name), self._refusals(f"keep {staged}"):
            os.rename(staged, f"{name}.saved-{staged[-12:]}", src_dir_fd=directory, dst_dir_fd=directory)

    def strays(self) -> tuple[str, ...]:
        """Names of staged files that are there (left by a crash, or of a writer at work)."""
        return tuple(name for name in self._beside() if not _is_aside(name))

    def _beside(self) -> list[str]:
        with self._directory(missing_ok=True) as (directory, name):
            return sorted(one for one in os.listdir(directory) if one.startswith(f".{name}{_MARK}"))

    def create(self, content: bytes) -> None:
        """Make the file; raises `FileExistsError` when there is one."""
        with self._directory(missing_ok=True) as (directory, name), self._refusals("create it"):
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666, dir_fd=directory)
            with os.fdopen(fd, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(fd)
            os.fsync(directory)

    @contextmanager
    def _directory(self, *, missing_ok: bool = False) -> Iterator[tuple[int, str]]:
        real = steady.follow(self.path, missing_ok=missing_ok)
        try:
            fd = os.open(os.path.dirname(real), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise RoadmapMissing(path=self.path) from None
        except OSError as error:
            raise RoadmapUnusable(path=self.path, problem=f"its directory: {steady.words(error)}") from error
        try:
            yield fd, os.path.basename(real)
        finally:
            os.close(fd)

    @contextmanager
    def _refusals(self, doing: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise
        except OSError as error:
            raise RoadmapUnusable(
                path=self.path, problem=f"could not {doing}: {steady.words(error)}", hint=steady.cure(error)
            ) from error

    def _refuse_unsuitable(self, directory: int, name: str, fd: int) -> None:
        here, above = mount_id(fd), mount_id(directory)
        if here is not None and above is not None and here != above:
            raise RoadmapUnusable(
                path=self.path,
                problem="it is mounted as a single file, so other programs' saves would go to another file",
                hint="Mount its directory instead (for Docker: `-v ./docs:/project/docs`, never the file).",
            )
        if os.fstat(fd).st_nlink == 0 and self._is_still(directory, name, fd):
            raise RoadmapUnusable(
                path=self.path,
                problem="the file was replaced or removed behind a mount and is only kept by it",
                hint="Mount the directory instead of the file and restart the container.",
            )
        if not os.access(name, os.W_OK, dir_fd=directory, effective_ids=os.access in os.supports_effective_ids):
            owner = os.fstat(fd).st_uid
            own = owner == os.geteuid()
            problem = "it is read-only for this user" + ("" if own else f", and belongs to user {owner}")
            hint = f"Make it writable: chmod u+w {self.path}" if own else _OWNER
            raise RoadmapUnusable(path=self.path, problem=problem, hint=hint)

    def _is_still(self, directory: int, name: str, fd: int) -> bool:
        """Whether the name still means the open file; an editor that has just replaced it makes us look again."""
        mine = os.fstat(fd)
        with suppress(FileNotFoundError):
            there = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
                return True
        raise RoadmapMissing(path=self.path)

    def _write(self, directory: int, staged: str, content: bytes, original: int) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(staged, flags, 0o600, dir_fd=directory)
        try:
            self._like(fd, original)
            view = memoryview(content)
            while view:
                view = view[os.write(fd, view) :]
            unread.mark(fd)
            os.fsync(fd)
            os.fsync(directory)
        except BaseException:
            with suppress(OSError):
                os.unlink(staged, dir_fd=directory)
            raise
        finally:
            os.close(fd)

    def _like(self, fd: int, original: int) -> None:
        """Give the new file the owner, mode and extended attributes of the old one."""
        old, new = os.fstat(original), os.fstat(fd)
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            try:
                os.fchown(fd, old.st_uid, old.st_gid)
            except PermissionError:
                raise RoadmapUnusable(
                    path=self.path,
                    problem=f"it belongs to user {old.st_uid}, group {old.st_gid}, which user {new.st_uid} cannot keep",
                    hint=_OWNER,
                ) from None
        os.fchmod(fd, stat.S_IMODE(old.st_mode))
        if hasattr(os, "listxattr"):
            with suppress(OSError):  # a file system without attributes, or one that only its owner may set
                for attribute in os.listxattr(original):
                    os.setxattr(fd, attribute, os.getxattr(original, attribute))

    def _exchange(self, directory: int, staged: str, name: str) -> bool:
        try:
            return _exchange(directory, staged, name)
        except FileNotFoundError:
            raise RoadmapMissing(path=self.path) from None

    def _replace(self, directory: int, staged: str, name: str, expected: str) -> Taken | None:
        """Without the exchange: compare right before the rename."""
        with steady.open_regular(directory, name, self.path) as fd:
            found = steady.read_steady(fd, self.path, self._patience)
        if sha256(found.content).hexdigest() != expected:
            from coffee_maker.core.state import Taken

            return Taken(found.content, placed=False)
        if not found.quiet:
            os.link(name, _aside(name), src_dir_fd=directory, dst_dir_fd=directory)
        os.replace(staged, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
        return None


def _aside(roadmap: str) -> str:
    return f".{roadmap}{_MARK}{_HELD}{os.urandom(6).hex()}"


def _is_aside(name: str) -> bool:
    return name.rpartition(_MARK)[2].startswith(_HELD)


def _exchange(directory: int, one: str, other: str) -> bool:
    """Exchange two names in one step; False where the system or the file system cannot."""
    import ctypes

    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(directory, os.fsencode(one), directory, os.fsencode(other), ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    if code == errno.ENOENT:
        raise FileNotFoundError(code, os.strerror(code))
    raise OSError(code, os.strerror(code))
