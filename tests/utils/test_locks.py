"""The lock on a file: exclusive between processes and threads, freed by kill -9, respected by `filelock` both ways."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
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
HOLD_BY_FLOCK = """
import fcntl, sys
with open(sys.argv[1], "rb") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
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

    def stands() -> bool:  # the kernel's own list says who is waiting; nothing else can be waited on for it
        assert process.poll() is None, "it ended instead of waiting"
        return len([line for line in kernel_locks(path) if "->" in line]) >= place

    until(stands)
    return process


def until(holds: Callable[[], bool]) -> None:
    """Wait for it; a minute is for a machine that is very busy."""
    for _ in range(12_000):
        if holds():
            return
        threading.Event().wait(0.005)
    pytest.fail("it did not come to stand in line")


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
        patch.setattr(locks, "_stand_and_wait", lambda *_: pytest.fail("it went to the line in its own turn"))
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
def test_a_line_that_does_not_move_before_a_free_lock_is_not_waited_in_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, order = tmp_path / "lock", tmp_path / "order"
    mine = locks.acquire(str(path), what="it", timeout=1)
    frozen = waiting(path, order, "f", 1)
    frozen.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, frozen.pid, os.WSTOPPED | os.WNOWAIT)
    locks.release(mine)
    waits: list[int] = []
    really = locks._wait_in_line
    monkeypatch.setattr(locks, "COURTESY_SECONDS", 0.01)
    monkeypatch.setattr(locks, "TURN_SECONDS", 0)
    monkeypatch.setattr(locks, "_wait_in_line", lambda *args: waits.append(1) or really(*args))
    try:
        for _ in range(3):
            with locks.hold(str(path), what="it", timeout=30):
                assert not order.exists()
    finally:
        frozen.send_signal(signal.SIGCONT)
    assert len(waits) == 1
    assert frozen.wait(30) == 0


@linux_only
def test_a_thread_stands_in_line_too(tmp_path: Path) -> None:
    path, order = tmp_path / "lock", tmp_path / "order"
    mine = locks.acquire(str(path), what="it", timeout=1)
    first = waiting(path, order, "a", 1)
    got: list[str] = []

    def wait() -> None:
        with locks.hold(str(path), what="it", timeout=30):
            got.append(order.read_text())

    waiter = threading.Thread(target=wait)
    waiter.start()
    until(lambda: len([line for line in kernel_locks(path) if "OFDLCK" in line]) >= 2)  # its byte, and the first one's
    locks._turns[str(path)] = 0.0
    locks.release(mine)
    waiter.join(30)
    assert got == ["a"]
    assert first.wait(30) == 0


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


def test_threads_that_give_up_leave_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    refused: list[LockBusy] = []

    def ask() -> None:
        for _ in range(10):
            with pytest.raises(LockBusy) as busy:
                locks.acquire(str(path), what="it", timeout=0.03)
            refused.append(busy.value)

    with locks.hold(str(path), what="it", timeout=1):
        before = threading.active_count(), open_descriptors()
        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(30)
        assert (threading.active_count(), open_descriptors()) == before
    assert len(refused) == 10


@pytest.mark.parametrize("where", ["_stand_and_wait", "_is_at", "_write_note"])
def test_an_interrupt_on_the_way_leaves_nothing_held(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lock"
    before = open_descriptors()
    really = getattr(locks, where)

    def interrupted(*args: object) -> None:
        really(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(locks, where, interrupted)
    with pytest.raises(KeyboardInterrupt):
        locks.acquire(str(path), what="it", timeout=1)
    assert (locks.holder(str(path)), open_descriptors()) == (None, before)


def test_what_nobody_kept_is_given_back(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    locks.acquire(path, what="it", timeout=1)  # as when an interrupt comes before the caller has it
    assert locks.holder(path) is None


@pytest.mark.parametrize("alarm", ["mine", "somebody else's", "blocked"])
def test_an_interrupt_while_waiting_leaves_nothing_behind(alarm: str, tmp_path: Path) -> None:
    path, before = tmp_path / "lock", open_descriptors()
    program = """
import os, signal, sys, threading
from coffee_maker.utils import locks
if sys.argv[2] == "somebody else's":
    signal.signal(signal.SIGALRM, lambda *_: None)
elif sys.argv[2] == "blocked":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
handler = signal.getsignal(signal.SIGALRM)
print("asks", flush=True)
try:
    locks.acquire(sys.argv[1], what="it", timeout=60)
except KeyboardInterrupt:
    at = os.stat(sys.argv[1])
    kept = []
    for name in os.listdir("/proc/self/fd"):
        try:
            kept += [name] if os.path.samestat(os.stat(f"/proc/self/fd/{name}"), at) else []
        except OSError:
            pass
    print(len(kept), threading.active_count(), signal.getitimer(signal.ITIMER_REAL)[0],
          signal.getsignal(signal.SIGALRM) == handler, flush=True)
"""
    with locks.hold(str(path), what="it", timeout=1):
        for pause in (0.0, 0.02, 0.2):
            argv = [sys.executable, "-c", program, str(path), alarm]
            waiter = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
            assert waiter.stdout is not None
            assert waiter.stdout.readline() == "asks\n"
            threading.Event().wait(pause)  # wherever it is then
            waiter.send_signal(signal.SIGINT)
            told = waiter.communicate(timeout=30)[0]
            assert told in ("0 1 0.0 True\n", ""), told  # nothing: it had not yet begun
    assert (locks.holder(str(path)), open_descriptors()) == (None, before)


def test_the_time_limit_is_kept_where_no_alarm_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    other = holding(HOLD, path)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    try:
        with pytest.raises(LockBusy, match=f"process {other.pid} "):
            locks.acquire(str(path), what="it", timeout=0.2)
        assert signal.SIGALRM not in signal.sigpending()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        end(other)


def test_a_forked_child_does_not_keep_it(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    ready, go_on = os.pipe(), os.pipe()
    held = locks.acquire(path, what="it", timeout=1)
    child = os.fork()
    if not child:
        try:
            os.write(ready[1], b"x")
            os.read(go_on[0], 1)
            others = [os.open(os.devnull, os.O_RDONLY) for _ in range(held.fd)]  # one of them has its number now
            locks.release(held)  # as at the end of a block
            for other in others:
                os.fstat(other)
            os._exit(0)
        finally:
            os._exit(1)
    try:
        os.read(ready[0], 1)
        locks.release(held)
        assert locks.holder(path) is None
        with locks.hold(path, what="it", timeout=0):
            os.write(go_on[1], b"x")
            _, status = os.waitpid(child, 0)
            child = 0
            assert status == 0
            assert str(os.getpid()) in str(locks.holder(path))
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        for end_of_pipe in (*ready, *go_on):
            os.close(end_of_pipe)


@pytest.mark.parametrize("trouble", ["full disk", "no text"])
def test_a_note_that_cannot_be_written_decides_nothing(
    trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "lock")

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    if trouble == "full disk":
        monkeypatch.setattr(os, "pwrite", full)
    with locks.hold(path, what="it", timeout=1, purpose="\udcff"):
        assert locks.holder(path) is not None
    assert locks.holder(path) is None


def test_a_note_of_a_process_that_is_over_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    before = holding(HOLD, path)
    end(before)
    other = holding(HOLD_BY_FLOCK, path)
    with pytest.raises(LockBusy, match=f"another process \\(not .* process {before.pid} .*which is over\\)"):
        locks.acquire(str(path), what="it", timeout=0.05)
    end(other)


def test_two_who_look_at_once_do_not_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locks.hold(str(path), what="it", timeout=1):
        pass
    with path.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)  # as `holder` does for a moment
        assert locks.holder(str(path)) is None


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
