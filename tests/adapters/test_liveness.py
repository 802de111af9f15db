"""Who is certainly gone: never one that is here or frozen, nor one whose agents are still being ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.work.daemon_kit import until

from coffee_maker.adapters.liveness import Liveness

DAEMON = """
import sys
from datetime import timedelta
from pathlib import Path
from tests.contract.test_agents import NEVER, Bench, Heard
from coffee_maker.adapters.agents import process
from coffee_maker.adapters.liveness import Liveness

home = Path(sys.argv[1])
bench = Bench.__new__(Bench)
bench.heard, bench.kind, bench.home, bench.work = Heard(), "command", home, home
# It ends only when told so by this test, whatever it is asked: the keeper waits as long as its grace is.
script = f"trap '' TERM; echo $$ > '{home}/pid'; while [ ! -e '{home}/end' ]; do sleep 0.05; done"
with Liveness(str(home / "data"), process.inherited).here("d-1"):
    agent = bench.agent(script)
    agent._grace = 60.0
    agent.run(bench.task(script), NEVER, bench.heard)
"""


def test_it_is_gone_when_nothing_of_it_is_left(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    daemon = subprocess.Popen([sys.executable, "-c", DAEMON, str(tmp_path)], env=environment)
    others = Liveness(str(tmp_path / "data"), [])
    try:
        until(lambda: (tmp_path / "pid").exists())
        assert not others.gone("d-1")
        daemon.send_signal(signal.SIGSTOP)
        assert not others.gone("d-1")
        daemon.kill()
        daemon.wait()
        assert not others.gone("d-1")  # its agent still lives
        others.forget("d-1")
        assert os.listdir(tmp_path / "data/daemons")
        (tmp_path / "end").touch()
        until(lambda: others.gone("d-1"))
        others.forget("d-1")
        assert not os.listdir(tmp_path / "data/daemons")
        others.forget("d-1")
    finally:
        (tmp_path / "end").touch()
        daemon.kill()
        daemon.wait()


def test_of_one_that_was_never_here_nothing_is_known(tmp_path: Path) -> None:
    assert not Liveness(str(tmp_path), []).gone("never")


def test_one_that_left_in_order_leaves_nothing(tmp_path: Path) -> None:
    kept: list[int] = []
    here = Liveness(str(tmp_path), kept)
    with here.here("d/../1"):
        assert len(kept) == 1
        assert len(list((tmp_path / "daemons").iterdir())) == 1
    assert not kept
    assert not list((tmp_path / "daemons").iterdir())


def test_a_planted_link_or_pipe_is_no_lock(tmp_path: Path) -> None:
    liveness = Liveness(str(tmp_path), [])
    path = Path(liveness._path("d"))
    path.parent.mkdir()
    path.symlink_to("/etc/passwd")
    assert not liveness.gone("d")
    path.unlink()
    os.mkfifo(path)
    assert not liveness.gone("d")
