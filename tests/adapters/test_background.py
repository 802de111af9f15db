"""A daemon in the background: one per project by its lock, away from the terminal, and told of when it dies at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.work.daemon_kit import until

from coffee_maker.adapters import background
from coffee_maker.adapters.background import Started
from coffee_maker.core.errors import DaemonFailed, DaemonRunning

HOLDER = """
import sys
from coffee_maker.adapters import background
with background.lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "daemon.lock")


def hold(path: str) -> subprocess.Popen[str]:
    """Another process that holds the lock."""
    words = [sys.executable, "-c", HOLDER, path]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


# --- the lock ----------------------------------------------------------------------------------------------------


def test_a_second_one_is_refused_and_told_who_holds_it(path: str) -> None:
    with hold(path) as other:
        with pytest.raises(DaemonRunning) as refused:
            background.refuse_second(path)
        assert str(other.pid) in refused.value.message
        assert refused.value.exit_code == 5
        other.communicate()
    background.refuse_second(path)


def test_one_that_was_killed_holds_nothing(path: str) -> None:
    """The lock counts, and not the file, which stays."""
    with hold(path) as other:
        other.kill()
    assert os.path.exists(path)
    background.refuse_second(path)


def test_whoever_looks_holds_nothing_afterwards(path: str) -> None:
    background.refuse_second(path)
    with background.lock(path), pytest.raises(DaemonRunning):
        background.refuse_second(path)
    background.refuse_second(path)


# --- starting ----------------------------------------------------------------------------------------------------


def test_it_runs_in_a_session_of_its_own_and_what_it_prints_is_kept(tmp_path: Path) -> None:
    log = str(tmp_path / "new" / "daemon.log")
    started = background.start(["--help"], str(tmp_path), log)
    assert started.process.wait(60) == 0
    assert "daemon" in Path(started.errors).read_text()
    assert started.errors == f"{log}.err"
    assert os.stat(tmp_path / "new").st_mode & 0o777 == 0o700


def child(tmp_path: Path, code: str) -> Started:
    errors = tmp_path / "daemon.log.err"
    with errors.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=file, stderr=file, start_new_session=True)
    return Started(process.pid, str(tmp_path / "daemon.log"), str(errors), process)


def test_one_that_dies_at_once_is_told_with_its_own_words(tmp_path: Path) -> None:
    started = child(tmp_path, "import sys; sys.exit('no git repository here')")
    with pytest.raises(DaemonFailed, match="ended at once: no git repository here") as failed:
        background.wait(started, lambda: False)
    assert str(tmp_path / "daemon.log") in failed.value.hint


def test_only_the_end_of_what_it_said_is_told(tmp_path: Path) -> None:
    started = child(tmp_path, "import sys; print('x' * 9000, 'the cause'); sys.exit(3)")
    with pytest.raises(DaemonFailed) as failed:
        background.wait(started, lambda: False)
    assert failed.value.message.endswith("x the cause.")
    assert len(failed.value.message) < 2100


@pytest.mark.parametrize(("code", "told"), [("raise SystemExit(7)", "exit code 7"), ("", "exit code 0")])
def test_one_that_says_nothing_is_told_by_its_exit_code(tmp_path: Path, code: str, told: str) -> None:
    with pytest.raises(DaemonFailed, match=told):
        background.wait(child(tmp_path, code), lambda: False)


def test_one_that_gives_no_sign_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_PATIENCE", 0.1)
    started = child(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(DaemonFailed, match="it gives no sign of life"):
        background.wait(started, lambda: False)
    assert started.process.wait(60) == -signal.SIGTERM


def test_a_sign_of_life_ends_the_wait(tmp_path: Path) -> None:
    started = child(tmp_path, "import sys, time; print('up', flush=True); time.sleep(60)")
    up = threading.Event()
    until(lambda: Path(started.errors).read_text() == "up\n")
    up.set()
    background.wait(started, up.is_set)
    assert started.process.poll() is None
    os.killpg(started.pid, signal.SIGKILL)
    started.process.wait(60)
