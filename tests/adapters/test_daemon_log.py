"""The daemon's log: shared by daemons, turned over by size, followed meanwhile; a full disk costs lines only."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coffee_maker.adapters import daemon_log
from coffee_maker.adapters.daemon_log import KEPT, DaemonLog, follow, read, wanted
from coffee_maker.core.records import Line

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ALL = wanted(level=None, item=None)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "daemon.log")


def words(path: str) -> list[str]:
    return [line.words for line in read(path, ALL)]


def test_what_was_told_is_read_again(path: str) -> None:
    with DaemonLog(path) as log:
        log.write(NOW, "one\ntwo \x1b[31m\u2028\ud800", item="US-7", level="warning")
    assert list(read(path, ALL)) == [Line(NOW, "warning", "US-7", "one\ntwo \x1b[31m\u2028\ud800")]
    assert Path(path).read_text().count("\n") == 1
    assert os.stat(path).st_mode & 0o077 == 0
    assert os.stat(os.path.dirname(path)).st_mode & 0o077 == 0


def test_by_level_and_item(path: str) -> None:
    with DaemonLog(path) as log:
        for level in ("info", "warning", "error"):
            for item in (None, "A", "B"):
                log.write(NOW, f"{level} {item}", item=item, level=level)
    assert len(words(path)) == 9
    found = list(read(path, wanted(level="warning", item="A")))
    assert [line.words for line in found] == ["warning A", "error A"]


def test_nothing_was_told_yet(path: str) -> None:
    assert words(path) == []


def test_lines_that_are_none_are_passed_over(path: str) -> None:
    os.makedirs(os.path.dirname(path))
    good = json.dumps({"at": NOW.isoformat(), "level": "info", "item": None, "words": "good"})
    Path(path).write_bytes(
        f"{good[:20]}\n[1]\nnull\n{{}}\n\n\xff\n".encode("latin-1") + f"{good}\n{good[:-3]}".encode()
    )
    assert words(path) == ["good"]


def test_an_error_that_ends_it_is_told(path: str) -> None:
    with pytest.raises(RuntimeError), DaemonLog(path):
        raise RuntimeError("a bug")
    (line,) = read(path, ALL)
    assert (line.level, line.words) == ("error", "it ended: a bug")
    with pytest.raises(KeyboardInterrupt), DaemonLog(path):
        raise KeyboardInterrupt
    assert len(words(path)) == 1


# --- turning over ------------------------------------------------------------------------------------------------


def test_files_are_turned_over_by_size_and_the_oldest_goes(path: str) -> None:
    with DaemonLog(path, max_size=500) as log:
        for number in range(100):
            log.write(NOW, f"line {number}")
    found = words(path)
    assert found == [f"line {number}" for number in range(100 - len(found), 100)]
    names = sorted(os.listdir(os.path.dirname(path)))
    assert names == ["daemon.log", *(f"daemon.log.{number}" for number in range(1, KEPT + 1))]
    assert all(os.stat(os.path.join(os.path.dirname(path), name)).st_size < 700 for name in names)


WRITER = """
import sys
from datetime import UTC, datetime
from coffee_maker.adapters.daemon_log import DaemonLog
with DaemonLog(sys.argv[1], max_size=int(sys.argv[3])) as log:
    sys.stdin.readline()
    for number in range(int(sys.argv[4])):
        log.write(datetime.now(UTC), f"{sys.argv[2]} {number} " + "x" * (number % 50))
"""


def write_at_once(path: str, *, writers: int, max_size: int, count: int) -> None:
    """Processes that begin to write at the same moment."""
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, path, name, str(max_size), str(count)], stdin=subprocess.PIPE)
        for name in "abcd"[:writers]
    ]
    for one in started:
        assert one.stdin is not None
        one.stdin.write(b"\n")
    for one in started:
        one.communicate(timeout=60)
        assert one.returncode == 0


def test_two_daemons_share_a_file_and_lose_nothing_of_what_is_kept(path: str) -> None:
    """All that was written fits into the files that are kept, so every line is there, whole, and in its order."""
    write_at_once(path, writers=2, max_size=60_000, count=1000)
    assert os.path.exists(f"{path}.1")
    raw = [line for name in sorted(Path(path).parent.iterdir()) for line in name.read_text().splitlines()]
    assert all(json.loads(line) for line in raw)
    for name in "ab":
        assert sorted(int(line.split()[1]) for line in words(path) if line.startswith(name)) == list(range(1000))


def test_what_another_daemon_has_just_moved_on_is_not_moved_on_twice(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fcntl.flock
    with DaemonLog(path, max_size=100) as one, DaemonLog(path, max_size=100) as other:
        one.write(NOW, "x" * 100)

        def flock(fd: int, how: int) -> None:
            if how == fcntl.LOCK_EX | fcntl.LOCK_NB:
                monkeypatch.setattr(fcntl, "flock", real)
                other.write(NOW, "by the other")  # it is faster, by everything that it takes
            real(fd, how)

        monkeypatch.setattr(fcntl, "flock", flock)
        one.write(NOW, "by the one")
    assert words(path) == ["x" * 100, "by the other", "by the one"]
    assert not os.path.exists(f"{path}.2")


def test_nobody_waits_for_one_that_is_frozen_while_it_moves_the_files_on(path: str) -> None:
    with DaemonLog(path, max_size=100) as log, open(path) as frozen:
        fcntl.flock(frozen, fcntl.LOCK_EX)
        log.write(NOW, "x" * 100)
        log.write(NOW, "goes on")
        assert not os.path.exists(f"{path}.1")
        fcntl.flock(frozen, fcntl.LOCK_UN)
        log.write(NOW, "moved on")
    assert words(path) == ["x" * 100, "goes on", "moved on"]
    assert os.path.exists(f"{path}.1")


def test_a_file_that_is_taken_away_is_made_anew(path: str) -> None:
    with DaemonLog(path) as log:
        log.write(NOW, "one")
        os.unlink(path)
        log.write(NOW, "two")
    assert words(path) == ["two"]


def test_nothing_else_is_written_into_when_the_log_cannot_be_opened_again(path: str, tmp_path: Path) -> None:
    """The number of a descriptor that was closed is the next file's, which may be a database."""
    with DaemonLog(path) as log:
        log.write(NOW, "one")
        os.unlink(path)
        os.rmdir(os.path.dirname(path))
        log.write(NOW, "lost")
        other = os.open(tmp_path / "database", os.O_RDWR | os.O_CREAT)
        try:
            log.write(NOW, "lost")
            os.mkdir(os.path.dirname(path))
            log.write(NOW, "found")
            os.fstat(other)  # nobody has closed it
        finally:
            os.close(other)
        assert (tmp_path / "database").read_bytes() == b""
    assert words(path) == ["found"]


# --- a full disk -------------------------------------------------------------------------------------------------


@contextmanager
def little_room(directory: Path, size: str) -> Iterator[None]:
    directory.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(directory)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"NOT TESTED: no small file system can be mounted here: {done.stderr.decode()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def test_a_full_disk_costs_lines_and_stops_nothing(tmp_path: Path) -> None:
    with little_room(tmp_path / "small", "64k"):
        path = str(tmp_path / "small" / "daemon.log")
        with DaemonLog(path) as log:
            for number in range(1000):
                log.write(NOW, f"line {number} {'x' * 200}")
            kept = len(words(path))
            assert 100 < kept < 1000
            os.truncate(path, os.stat(path).st_size - 30_000)  # room again, behind half a line
            log.write(NOW, "after")
        assert words(path)[-1] == "after"


def test_half_a_line_takes_no_other_one_with_it(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a disk that became full took is half a line; the next one begins on its own."""
    real = os.write

    def half(fd: int, data: bytes) -> int:
        return real(fd, data[: len(data) // 2])

    with DaemonLog(path) as log:
        log.write(NOW, "whole")
        with monkeypatch.context() as full:
            full.setattr(os, "write", half)
            log.write(NOW, "torn")
        log.write(NOW, "whole again")
    assert words(path) == ["whole", "whole again"]


def test_a_write_that_fails_is_left_out(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    with DaemonLog(path) as log:
        with monkeypatch.context() as while_full:
            while_full.setattr(os, "write", full)
            log.write(NOW, "lost")
        log.write(NOW, "kept")
    assert words(path) == ["kept"]


# --- following ---------------------------------------------------------------------------------------------------


class Follower:
    """Follows in a thread; says when it has seen a line."""

    def __init__(self, path: str, **rest: object) -> None:
        self.seen: list[str] = []
        self.changed = threading.Condition()
        self.stop = threading.Event()
        self.lines = follow(path, ALL, self.stop, **rest)  # type: ignore[arg-type]
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        for line in self.lines:
            with self.changed:
                self.seen.append(line.words)
                self.changed.notify()

    def wait_for(self, words: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: words in self.seen, 60), self.seen

    def close(self) -> list[str]:
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.seen


@pytest.fixture
def following(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Follower]]:
    monkeypatch.setattr(daemon_log, "_LOOK", 0.01)
    made: list[Follower] = []

    def make(path: str, **rest: object) -> Follower:
        made.append(Follower(path, **rest))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_what_comes_is_followed_and_what_was_there_is_not(path: str, following: Callable[..., Follower]) -> None:
    with DaemonLog(path) as log:
        log.write(NOW, "before")
        follower = following(path)
        log.write(NOW, "after")
        follower.wait_for("after")
    assert follower.close() == ["after"]


def test_followed_before_the_first_line_was_told(path: str, following: Callable[..., Follower]) -> None:
    follower = following(path)
    with DaemonLog(path) as log:
        log.write(NOW, "first")
        follower.wait_for("first")


def test_followed_through_a_turning_over(path: str, following: Callable[..., Follower]) -> None:
    with DaemonLog(path, max_size=2000) as log:
        follower = following(path)
        told = [f"line {number}" for number in range(60)]
        for one in told:
            log.write(NOW, one)
            if one.endswith("9"):
                follower.wait_for(one)  # it must not be more than a file behind
        assert os.path.exists(f"{path}.2")
    assert follower.close() == told


def test_a_line_that_comes_in_two_halves_is_one(path: str, following: Callable[..., Follower]) -> None:
    line = json.dumps({"at": NOW.isoformat(), "level": "info", "item": None, "words": "whole \u00fc"}) + "\n"
    with DaemonLog(path) as log:
        follower = following(path)
        with open(path, "ab", buffering=0) as file:
            file.write(line.encode()[:30])
            log_was_read(follower)
            file.write(line.encode()[30:])
        log.write(NOW, "after")
        follower.wait_for("after")
    assert follower.close() == ["whole \u00fc", "after"]


def log_was_read(follower: Follower) -> None:
    """The follower has looked at the file at least once more."""
    real, looked = follower.stop.wait, threading.Event()

    def wait(timeout: float | None = None) -> bool:
        looked.set()
        return real(timeout)

    follower.stop.wait = wait  # type: ignore[method-assign]
    assert looked.wait(60)


def test_what_is_there_and_what_comes_in_one_go(path: str, following: Callable[..., Follower]) -> None:
    """Nothing is missed between the two, and nothing comes twice, also over files that were turned over."""
    with DaemonLog(path, max_size=1000) as log:
        told = [f"line {number}" for number in range(30)]
        for one in told:
            log.write(NOW, one)
        kept = words(path)
        assert os.path.exists(f"{path}.1")
        follower = following(path, before=True)
        follower.wait_for(told[-1])
        log.write(NOW, "after")
        follower.wait_for("after")
    assert follower.close() == [*kept, "after"]
