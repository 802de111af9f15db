"""The lock on a file: exclusive between processes and threads, freed by kill -9, respected by `filelock` both ways."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import pytest

from coffee_maker.core.errors import LockBusy, LockUnusable
from coffee_maker.utils import locks

HOLD = """
import sys
from coffee_maker.utils.locks import hold
with hold(sys.argv[1], what="the lock", timeout=5, purpose="testing"):
    print("held", flush=True)
    sys.stdin.read()
"""
WAIT = """
import os, sys
from coffee_maker.utils import locks
locks.COURTESY_SECONDS = float(sys.argv[4])
with locks.hold(sys.argv[1], what="the lock", timeout=120):
    order = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(order, sys.argv[3].encode())
"""
HOLD_BY_FILELOCK = """
import sys, filelock
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(program: str, path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.communicate("", timeout=30)


def test_it_excludes_and_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.hold(str(path), what="it", timeout=1, purpose="writing"):
        with pytest.raises(LockBusy) as busy, locks.hold(str(path), what="it", timeout=0.05):
            raise AssertionError("held twice")
        assert str(os.getpid()) in str(locks.holder(str(path)))
    assert f"process {os.getpid()} (writing)" in busy.value.message
    assert "waited 0.05 s" in busy.value.message
    assert locks.holder(str(path)) is None
    with locks.hold(str(path), what="it", timeout=0):
        pass


def test_another_process_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = holding(HOLD, path)
    assert f"process {other.pid} (testing)" in str(locks.holder(str(path)))
    got = threading.Event()

    def wait() -> None:
        with locks.hold(str(path), what="it", timeout=30):  # not the main thread: no alarm, another thread queues
            got.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert not got.wait(locks.ASK_SECONDS + 0.05)
    end(other)
    waiter.join(30)
    assert got.is_set()


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no line")


def kernel_locks(path: Path) -> list[str]:
    """What the kernel lists of a file's locks; those that wait have an arrow."""
    inode = f":{path.stat().st_ino} "
    return [line for line in Path("/proc/locks").read_text().splitlines() if inode in line]


def waiting(path: Path, order: Path, name: str, place: int, courtesy: float = 60) -> subprocess.Popen[str]:
    """A process that stands in the line for the lock, as the given one of those who wait."""
    argv = [sys.executable, "-c", WAIT, str(path), str(order), name, str(courtesy)]
    process = subprocess.Popen(argv, text=True)
    pause = threading.Event()
    while True:  # the kernel's own list says who is waiting; nothing else can be waited on for it
        assert process.poll() is None, "it ended instead of waiting"
        if len([line for line in kernel_locks(path) if "->" in line]) >= place:
            return process
        pause.wait(0.005)


@linux_only
def test_who_came_first_comes_first_also_before_the_one_that_just_had_it(tmp_path: Path) -> None:
    path, order = tmp_path / "lock", tmp_path / "order"
    mine = locks.acquire(str(path), what="it", timeout=1)
    others = [waiting(path, order, name, place) for place, name in enumerate("abc", 1)]
    # In the queue of the flock itself whoever is woken has to ask again, and others may be faster: one is there.
    assert sorted("OFDLCK" in line for line in kernel_locks(path) if "->" in line) == [False, True, True]
    locks.release(mine)
    with locks.hold(str(path), what="it", timeout=30):
        assert order.read_text() == "abc"
    assert [other.wait(30) for other in others] == [0, 0, 0]


@linux_only
def test_in_its_turn_it_is_taken_before_those_in_line_and_after_it_behind_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, order = tmp_path / "lock", tmp_path / "order"
    monkeypatch.setattr(locks, "TURN_SECONDS", 3600)
    mine = locks.acquire(str(path), what="it", timeout=1)
    first = waiting(path, order, "a", 1)
    first.send_signal(signal.SIGSTOP)  # it stands in line, and does not ask
    os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WNOWAIT)
    locks.release(mine)
    with monkeypatch.context() as patch:
        patch.setattr(locks, "_wait", lambda *_: pytest.fail("it went to the line in its own turn"))
        for _ in range(3):
            with locks.hold(str(path), what="it", timeout=1):
                assert not order.exists()
    locks._turns[str(path)] = 0.0
    monkeypatch.setattr(locks, "COURTESY_SECONDS", 60)
    first.send_signal(signal.SIGCONT)
    with locks.hold(str(path), what="it", timeout=120):
        assert order.read_text() == "a"
    assert first.wait(30) == 0


def test_a_turn_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    monkeypatch.setattr(locks, "TURN_SECONDS", 3600)
    with locks.hold(str(path), what="it", timeout=1):
        pass
    other = holding(HOLD, path)
    with pytest.raises(LockBusy, match=f"process {other.pid} "):
        locks.acquire(str(path), what="it", timeout=0.05)
    end(other)


def test_a_note_that_stands_there_already_is_not_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lock"
    monkeypatch.setattr(locks.time, "time", lambda: 1_800_000_000.5)
    written: list[bytes] = []
    really = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, note, at: written.append(note) or really(fd, note, at))
    for purpose in ("one", "one", "two"):
        with locks.hold(str(path), what="it", timeout=1, purpose=purpose):
            assert f"({purpose})" in str(locks.holder(str(path)))
    assert len(written) == 2


@linux_only
def test_a_frozen_waiter_keeps_nobody_back_for_long(tmp_path: Path) -> None:
    path, order = tmp_path / "lock", tmp_path / "order"
    mine = locks.acquire(str(path), what="it", timeout=1)
    frozen = waiting(path, order, "f", 1)
    frozen.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, frozen.pid, os.WSTOPPED | os.WNOWAIT)  # or it could get the lock and freeze with it
    locks.release(mine)
    try:
        with locks.hold(str(path), what="it", timeout=10 * locks.COURTESY_SECONDS):
            assert not order.exists()
    finally:
        frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(30) == 0
    assert order.read_text() == "f"


@linux_only
def test_a_thread_that_asks_from_time_to_time_leaves_the_line(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    mine = locks.acquire(str(path), what="it", timeout=1)
    waiter = threading.Thread(target=lambda: locks.release(locks.acquire(str(path), what="it", timeout=30)))
    waiter.start()
    while not (queued := [line for line in kernel_locks(path) if "->" in line]):
        threading.Event().wait(0.005)
    assert "FLOCK" in queued[0]
    assert not [line for line in kernel_locks(path) if "OFDLCK" in line]
    locks.release(mine)
    waiter.join(30)
    assert not waiter.is_alive()


def test_without_a_line_it_is_a_lock_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_ASK", None)
    monkeypatch.setattr(locks, "_QUEUE", None)
    test_it_excludes_and_is_given_back(tmp_path)


def test_kill_nine_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = holding(HOLD, path)
    os.kill(other.pid, signal.SIGKILL)
    other.communicate(timeout=30)
    with locks.hold(str(path), what="it", timeout=5):
        pass


def test_who_gave_up_does_not_get_it_later(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = holding(HOLD, path)
    with pytest.raises(LockBusy):
        locks.acquire(str(path), what="it", timeout=locks.ASK_SECONDS + 0.05)
    end(other)
    with locks.hold(str(path), what="it", timeout=5):  # the thread that still waited has let it go again
        pass


def test_filelock_respects_ours(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.hold(str(path), what="it", timeout=1), pytest.raises(filelock.Timeout):
        filelock.FileLock(path).acquire(timeout=0)


def test_ours_respects_filelock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = holding(HOLD_BY_FILELOCK, path)
    with pytest.raises(LockBusy):
        locks.acquire(str(path), what="it", timeout=0.05)
    end(other)


def test_a_lock_file_that_was_replaced_meanwhile_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = locks.acquire(str(path), what="it", timeout=1)
    path.unlink()
    with locks.hold(str(path), what="it", timeout=1):
        locks.release(first)
        with pytest.raises(LockBusy):
            locks.acquire(str(path), what="it", timeout=0.01)


@pytest.mark.parametrize("plant", ["pipe", "directory", "link"])
def test_what_is_no_plain_file_is_refused(plant: str, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    if plant == "pipe":
        os.mkfifo(path)
    elif plant == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LockUnusable):
        locks.acquire(str(path), what="it", timeout=0.01)
    assert not (tmp_path / "elsewhere").exists()


def test_nobody_holds_what_is_not_there(tmp_path: Path) -> None:
    assert locks.holder(str(tmp_path / "none")) is None


def test_somebody_elses_alarm_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    rang: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rang.append(number))
    try:
        with locks.hold(str(path), what="it", timeout=1):
            for patience in (0.05, locks.ASK_SECONDS + 0.05):
                with pytest.raises(LockBusy):
                    locks.acquire(str(path), what="it", timeout=patience)
        assert not rang
        signal.raise_signal(signal.SIGALRM)
        assert rang == [signal.SIGALRM]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_the_alarm_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.hold(str(path), what="it", timeout=1), pytest.raises(LockBusy):
        locks.acquire(str(path), what="it", timeout=0.05)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
