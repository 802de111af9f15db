"""What every box keeps: an agent in it writes, reads and reaches nothing but its own, and its program runs as ever."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contract.test_agents import MEASURED, NEVER, Flag, Heard, mark, until  # noqa: F401 - a fixture
from tests.engines import IMAGE, Engine, need, readable

from coffee_maker.adapters.agents.command import CommandAgent
from coffee_maker.adapters.agents.runbook import RunbookAgent
from coffee_maker.adapters.sandbox import box, launcher
from coffee_maker.adapters.sandbox.bwrap import BwrapSandbox
from coffee_maker.adapters.sandbox.docker import DockerSandbox
from coffee_maker.core.ports import Sandbox
from coffee_maker.core.records import AgentResult, Task

pytestmark = pytest.mark.xdist_group("engine")  # one Docker Engine for both files


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher, a process of its own, is measured like everything else."""
    if MEASURED:
        monkeypatch.setattr(box, "LAUNCHER", (sys.executable, "-m", launcher.__name__))


class Cell:
    """One item's box of a kind, and what lies around it on the machine."""

    def __init__(self, kind: str, home: Path) -> None:
        self.kind = kind
        self.home = home
        self.tree = home / "trees/PRIORITY-1-t"
        self.tree.mkdir(parents=True)
        self.heard = Heard()
        self.outside = home / "outside"
        self.outside.mkdir()
        (self.outside / "secret").write_text("top secret\n")

    def sandbox(self, **bounds: object) -> Sandbox:
        given = {"image": IMAGE, "readable": readable() if self.kind == "docker" else (), **bounds}
        all_bounds = box.Bounds(str(self.home / "trees"), **given)  # type: ignore[arg-type]
        return {"bwrap": BwrapSandbox, "docker": DockerSandbox}[self.kind](all_bounds)

    def task(self, *, timeout: float = 60, text: str = "text\n") -> Task:
        return Task(
            key="PRIORITY-1",
            title="T",
            text=text,
            directory=str(self.tree),
            branch="roadmap/PRIORITY-1-t",
            item_file=str(self.home / "scratch/runs/item.md"),
            log=str(self.home / "scratch/runs/run.log"),
            timeout=timedelta(seconds=timeout),
            max_output=100_000,
            answers={},
            environment={"GIVEN": "given = 1"},
        )

    def run(self, script: str, stop: Flag = NEVER, *, timeout: float = 60, **bounds: object) -> AgentResult:
        agent = CommandAgent(
            ["sh", "-eu", "-c", script], names=["LC_TEST_MARK", *MEASURED], grace=2.0, sandbox=self.sandbox(**bounds)
        )
        return agent.run(self.task(timeout=timeout), stop, self.heard)


@pytest.fixture(params=["bwrap", "docker"])
def cell(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cell]:
    engine: Engine | None = None
    if request.param == "bwrap":
        need("bwrap", "bubblewrap")
    else:
        engine = request.getfixturevalue("docker_engine")
        monkeypatch.setenv("DOCKER_HOST", engine.host)
    yield Cell(request.param, tmp_path)
    if engine is not None:
        assert engine.containers() == []


@pytest.fixture
def bwrap(tmp_path: Path) -> Cell:
    need("bwrap", "bubblewrap")
    return Cell("bwrap", tmp_path)


# --- as without a box ------------------------------------------------------------------------------------------


def test_streams_exit_code_variables_and_the_item_are_the_agent_s(cell: Cell) -> None:
    script = 'cat >stdin; cat "$COFFEE_ITEM_FILE"; echo "$GIVEN"; pwd; echo error >&2; exit 7'
    result = cell.run(script)
    assert result.reason == "it ended with exit code 7"
    assert sorted(result.output_tail.splitlines()) == sorted(["text", "given = 1", str(cell.tree), "error"])
    assert (cell.tree / "stdin").read_text() == "text\n"


def test_what_it_writes_in_its_tree_is_the_daemon_s_user_s(cell: Cell) -> None:
    assert cell.run("mkdir made; echo 1 >made/file; ln -s /etc/passwd made/link").ok
    made = cell.tree / "made/file"
    assert (made.read_text(), made.stat().st_uid) == ("1\n", os.getuid())


def test_home_stays_and_tmp_does_not(cell: Cell) -> None:
    assert cell.run('test "$HOME" = /home/agent; echo session >~/state; echo x >/tmp/x; echo x >"$TMPDIR/y"').ok
    assert cell.run("cat ~/state; test ! -e /tmp/x; test ! -e /tmp/y").output_tail == "session"


def test_a_runbook_runs_in_it(cell: Cell) -> None:
    text = "## PRIORITY 1: T\n\n```sh run\necho $HOME >home\n```\n"
    result = RunbookAgent(sandbox=cell.sandbox()).run(cell.task(text=text), NEVER, cell.heard)
    assert (result, (cell.tree / "home").read_text()) == (AgentResult(True, 0, None, ""), "/home/agent\n")


def test_it_may_tidy_up_when_asked_to_end(cell: Cell) -> None:
    script = "trap 'echo tidy >tidied; exit 0' TERM; touch ready; while :; do sleep 0.05; done"
    stop = Flag()
    asking = threading.Thread(target=lambda: (until((cell.tree / "ready").exists), setattr(stop, "reason", "enough")))
    asking.start()
    assert cell.run(script, stop).reason == "enough"
    asking.join()
    assert (cell.tree / "tidied").read_text() == "tidy\n"


def test_the_time_limit(cell: Cell, mark: Callable[[], list[str]]) -> None:  # noqa: F811
    result = cell.run("trap '' TERM; setsid sleep 600 & while :; do sleep 0.05; done", timeout=1)
    assert result.reason == "it did not end within its time limit of 1s"


def test_nothing_that_it_started_is_left(cell: Cell, mark: Callable[[], list[str]]) -> None:  # noqa: F811
    script = (
        "setsid sh -c 'trap \"\" TERM; while :; do sleep 0.02; done' >/dev/null 2>&1 </dev/null & sleep 0.1; echo over"
    )
    assert cell.run(script) == AgentResult(True, 0, None, "over")
    assert mark() == []


def test_it_dies_with_the_daemon(cell: Cell, mark: Callable[[], list[str]]) -> None:  # noqa: F811
    """kill -9 of daemon and keeper: nobody is left to tidy up."""
    daemon = (
        "import sys; from pathlib import Path\n"
        "from tests.contract.test_sandboxes import Cell, Heard\n"
        "cell = Cell.__new__(Cell); cell.heard = Heard()\n"
        f"cell.kind, cell.home, cell.tree = {cell.kind!r}, Path({str(cell.home)!r}), Path({str(cell.tree)!r})\n"
        "cell.run('setsid sleep 600 & touch started; sleep 600')\n"
    )
    running = subprocess.Popen([sys.executable, "-c", daemon], cwd=Path(__file__).parents[2])
    until((cell.tree / "started").exists)
    keepers = subprocess.run(["pgrep", "-P", str(running.pid)], capture_output=True, text=True).stdout.split()
    for pid in (str(running.pid), *keepers):
        os.kill(int(pid), 9)
    running.wait()
    until(lambda: not mark())
    if cell.kind == "docker":
        client = DockerSandbox(box.Bounds(""))
        until(lambda: client._ask("inspect", box.container_name(cell.task(), box.Bounds(str(cell.home / "trees")))))


# --- the walls -------------------------------------------------------------------------------------------------


# Notes a signal that nobody else minds; it ends when its input does, with all signals heard that were sent before.
STRANGER = """
import signal, sys
signal.signal(signal.SIGWINCH, lambda *_: open(sys.argv[1], "w"))
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def stranger(note: Path) -> Iterator[int]:
    """A process outside of the box; its number."""
    with subprocess.Popen(
        [sys.executable, "-c", STRANGER, str(note)],
        env={**os.environ, "SECRET_OF_THE_HOST": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid


ATTEMPTS = (
    "echo x >'{outside}/new'",
    "cat '{outside}/secret'",
    "ls '{scratch}/runs' | grep -v item.md",
    "ls '{scratch}' | grep -v runs",
    "cat '{log}'",
    'echo x >>"$COFFEE_ITEM_FILE"',
    "ls '{tree}/../..' | grep outside",
    "ln -s '{outside}' link && cat link/secret",
    "cat ~{user}/.ssh/*",
    "ls '{home_of_user}' | grep .",
    "echo x >/usr/planted",
    "echo x >/etc/planted",
    "echo x >/planted",
    "echo x >/run/coffee-box/inner.py",
    "mv '{tree}' '{tree}-moved'",
    "cat /etc/shadow",
    "kill -WINCH {pid} && false",  # its effect is looked at: the number may be that of a process in the box
    "grep -q SECRET_OF_THE_HOST /proc/{pid}/environ",
    "test -S /run/docker.sock -o -S /var/run/docker.sock",
    "ls /sys/fs/cgroup/*/coffee* /sys/fs/cgroup/coffee* | grep .",
    "grep -q 'CapEff:.*[1-9a-f]' /proc/self/status",
    "chmod 4755 /bin/sh",
    "value=$(cat /proc/sys/vm/swappiness); echo $value >/proc/sys/vm/swappiness",
    'value=$(cat /proc/sys/kernel/core_pattern); echo "$value" >/proc/sys/kernel/core_pattern',
    # whatever else can be written, for all that nobody thought of; what Docker leaves of /proc takes capabilities
    "find / \\( -path '{tree}' -o -path /tmp -o -path /home/agent -o -path /dev -o -path '/proc/[0-9]*' "
    "-o -path /proc/self -o -path /proc/thread-self \\) -prune -o -writable -not -type l -print "
    "| grep -v -E '^(/run/coffee-box/lifeline|/proc/(keys|mtrr|timer_list|pressure/.*))$'",
    "bash -c 'echo x >/dev/tcp/127.0.0.1/{port}'",
    "bash -c 'echo x >/dev/tcp/8.8.8.8/53'",
)


def test_it_cannot_get_out(cell: Cell, listening: int) -> None:
    with stranger(cell.home / "signalled") as pid:
        _stays_inside(cell, listening, pid)
    assert not (cell.home / "signalled").exists()


def _stays_inside(cell: Cell, listening: int, pid: int) -> None:
    words = {
        "outside": cell.outside, "scratch": cell.home / "scratch", "log": cell.task().log, "tree": cell.tree,
        "pid": pid, "port": listening, "user": "root", "home_of_user": Path.home(),
    }  # fmt: skip
    own = {"scratch", f"{cell.tree.name}.box"}
    before = sorted(path for path in cell.home.rglob("*") if not own & set(path.parts))
    script = "\n".join(
        f"if ( {attempt.format(**words)} ) >/dev/null 2>&1; then echo 'ESCAPED {number}'; fi; rm -f link"
        for number, attempt in enumerate(ATTEMPTS)
    )
    result = cell.run(f"{script}\necho all tried")
    assert [ATTEMPTS[int(line.split()[1])] for line in result.output_tail.splitlines()[:-1]] == []
    assert result.output_tail == "all tried"
    assert sorted(path for path in cell.home.rglob("*") if not own & set(path.parts)) == before


def test_the_attempts_would_be_seen(tmp_path: Path, listening: int) -> None:
    """Without a box the same attempts succeed, so that they say something."""
    cell = Cell("none", tmp_path)
    cell.sandbox = lambda **_: None  # type: ignore[assignment,method-assign]
    with stranger(cell.home / "signalled") as pid:
        script = (
            f"cat {cell.outside}/secret; echo x >{cell.outside}/new; kill -WINCH {pid}; "
            f"grep -q SECRET_OF_THE_HOST /proc/{pid}/environ; "
            f"bash -c 'echo x >/dev/tcp/127.0.0.1/{listening}' && echo reached"
        )
        assert cell.run(script).output_tail.split() == ["top", "secret", "reached"]
    assert (cell.home / "signalled").exists()


@pytest.fixture
def listening() -> Iterator[int]:
    """A service on the host's own loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_project_s_directory_that_became_a_link_leads_nowhere(cell: Cell) -> None:
    (cell.tree / "inner").symlink_to(cell.outside)
    task = cell.task()._replace(directory=str(cell.tree / "inner"))
    agent = CommandAgent(["sh", "-c", "cat secret"], sandbox=cell.sandbox())
    result = agent.run(task, NEVER, cell.heard)
    assert not result.ok
    assert "top secret" not in result.output_tail


def test_the_number_of_processes_is_bounded(cell: Cell) -> None:
    if cell.kind == "bwrap" and not _has_cgroups():
        pytest.skip("NOT TESTED: as root only a cgroup bounds the number, and none can be made here")
    script = "for n in $(python3 -c 'print(*range(40))'); do sleep 60 & done 2>/dev/null; echo all"
    result = cell.run(f"sh -c '{script.replace(chr(39), chr(34))}' || echo bounded", processes=20)
    assert "bounded" in result.output_tail or "all" not in result.output_tail


def test_the_memory_is_bounded(cell: Cell) -> None:
    script = "python3 -c 'x = bytearray(400_000_000); print(\"had it\")' || echo bounded"
    assert "had it" not in cell.run(script, memory=100_000_000).output_tail
    assert "had it" in cell.run(script, memory=2_000_000_000).output_tail


def _has_cgroups() -> bool:
    return any(os.access(f"/sys/fs/cgroup/{name}", os.W_OK) for name in ("pids", "cgroup.subtree_control"))


def test_a_group_that_a_killed_one_of_the_same_number_left_is_no_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The box would have no bounds, without a word."""
    monkeypatch.setattr(launcher, "_CGROUPS", str(tmp_path))
    (tmp_path / "cgroup.controllers").touch()
    group = tmp_path / f"coffee-roadmap-{os.getpid()}"
    group.mkdir()
    assert launcher._cgroups(100_000_000, 20) == [str(group)]
    assert (group / "pids.max").read_text() == "20"


# --- the way out -----------------------------------------------------------------------------------------------


class _Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = f"{self.path} for {self.headers['Host']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def service() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


ASK = """python3 - {url} <<'END'
import os, sys, urllib.request
os.environ.pop("no_proxy"), os.environ.pop("NO_PROXY")
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())
except Exception as error:
    print("refused:", error)
END
"""


def test_it_reaches_a_host_that_is_allowed_and_no_other(cell: Cell, service: int) -> None:
    asked = [
        f"http://127.0.0.1:{service}/a?b=1",
        f"http://localhost:{service}/",
        "http://example.com/",
        "https://example.com/",
    ]
    script = "\n".join(ASK.format(url=url) for url in asked)
    lines = cell.run(script, network=(f"127.0.0.1:{service}",)).output_tail.splitlines()
    assert lines[0] == f"/a?b=1 for 127.0.0.1:{service}"
    assert ["Not in [agent] network" in line for line in lines[1:]] == [True] * 3


def test_a_service_of_the_host_s_own_is_reached_by_its_port(cell: Cell, service: int) -> None:
    script = (
        f'exec 3<>/dev/tcp/127.0.0.1/{service}; printf "GET /p HTTP/1.0\\r\\nHost: h\\r\\n\\r\\n" >&3; tail -n 1 <&3'
    )
    result = cell.run(f"bash -c '{script}'", network=(f"localhost:{service}", f"127.0.0.1:{service}"))
    assert result.output_tail.endswith("/p for h")


# --- as somebody else ------------------------------------------------------------------------------------------


def test_bwrap_works_for_a_user_without_rights(bwrap: Cell) -> None:
    """Another user, with the system's Python: nothing of root's can help."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    told = subprocess.run(
        [python or "false", "-c", "import sys; print(sys.version_info >= (3, 11))"], capture_output=True
    )
    if os.geteuid() != 0 or told.stdout.strip() != b"True" or not python:
        pytest.skip("NOT TESTED: it takes root, and a Python 3.11 that everybody can read")
    home = Path("/var/tmp") / f"coffee-box-{os.getpid()}"  # pytest's own directories are root's alone
    source = Path(__file__).parents[2]
    try:
        shutil.copytree(
            source / "src/coffee_maker", home / "src/coffee_maker", ignore=shutil.ignore_patterns("__pycache__")
        )
        shutil.copytree(
            source / "tests/contract", home / "src/tests/contract", ignore=shutil.ignore_patterns("__pycache__")
        )
        (home / "secret").write_text("top secret\n")
        (home / "run.py").write_text(AS_NOBODY)
        subprocess.run(["chown", "-R", "65534:65534", str(home)], check=True)
        (home / "work").mkdir()
        os.chown(home / "work", 65534, 65534)
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", python, str(home / "run.py"), str(home)],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(home / "src"), "HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        shutil.rmtree(home, ignore_errors=True)
    assert done.stdout.splitlines() == ["None", "65534", "hidden", "made", "False bounded", "bounded"], done.stderr


AS_NOBODY = """
import os, sys
from datetime import timedelta
from pathlib import Path
from coffee_maker.adapters.agents.command import CommandAgent
from coffee_maker.adapters.sandbox.box import Bounds
from coffee_maker.adapters.sandbox.bwrap import BwrapSandbox
from coffee_maker.core.records import Task

home = Path(sys.argv[1])
tree = home / "work/trees/one"
tree.mkdir(parents=True)
scratch = home / "work/scratch"

class Quiet:
    def activity(self, words): pass
    def waits(self): return False
    def requested(self): return None

def run(script, **bounds):
    sandbox = BwrapSandbox(Bounds(str(tree.parent), **bounds))
    task = Task("K", "T", "t", str(tree), "roadmap/K", str(scratch / "runs/i.md"), str(scratch / "runs/l"),
                timedelta(seconds=60), 10000, {})
    agent = CommandAgent(["sh", "-c", script], sandbox=sandbox)
    return agent.check(), agent.run(task, Quiet(), Quiet())

check, result = run(f"id -u; cat {home}/secret 2>/dev/null || echo hidden; touch made; ls")
print(check)
print(result.output_tail)
_, result = run("python3 -c 'import time; x = bytearray(400_000_000); time.sleep(60)'", memory=100_000_000)
print(result.ok, "bounded" if "of memory" in result.output_tail else result)
_, result = run(f"for n in {' '.join('x' * 24)}; do sleep 5 & done; echo all", processes=12)
print("bounded" if "fork" in result.output_tail and "all" not in result.output_tail else result)
"""


# --- what is missing -------------------------------------------------------------------------------------------


def test_a_missing_program_is_told_with_the_package(tmp_path: Path) -> None:
    bounds = box.Bounds(str(tmp_path), image="x")
    assert "apt-get install bubblewrap" in (BwrapSandbox(bounds, program="no-bwrap").check() or "")
    assert "apt-get install docker.io" in (DockerSandbox(bounds, program="no-docker").check() or "")
    agent = CommandAgent(["sh"], sandbox=BwrapSandbox(bounds, program="no-bwrap"))
    assert "apt-get install bubblewrap" in (agent.check() or "")


def test_user_namespaces_that_are_off_are_told(tmp_path: Path) -> None:
    """bwrap says so in its own words; a stand-in that says them is all that can be had without changing the kernel."""
    need("bwrap", "bubblewrap")
    refusing = tmp_path / "bwrap"
    refusing.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    refusing.chmod(0o755)
    problem = BwrapSandbox(box.Bounds(str(tmp_path)), program=str(refusing)).check() or ""
    assert "No permissions to create new namespace" in problem
    assert "user.max_user_namespaces" in problem


def test_an_engine_or_image_that_is_not_there_is_told(
    tmp_path: Path, docker_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = box.Bounds(str(tmp_path))
    assert "[agent] image" in (DockerSandbox(bounds).check() or "")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing")
    assert "cannot be reached" in (DockerSandbox(bounds._replace(image="x")).check() or "")
    monkeypatch.setenv("DOCKER_HOST", docker_engine.host)
    assert "image no-such-image is not there" in (DockerSandbox(bounds._replace(image="no-such-image")).check() or "")
    assert DockerSandbox(bounds._replace(image=IMAGE)).check() is None


@pytest.mark.parametrize("host", ["http://x.org", "a b", "x.org/", "*.x.org", "x.org:http", ".x.org:80", "", "a,b"])
def test_what_is_no_host_is_told(tmp_path: Path, host: str) -> None:
    assert "[agent] network" in (box.bad_hosts([host]) or "")


@pytest.mark.parametrize("host", ["x.org", ".x.org", "localhost:8080", "10.0.0.1:80", "a-b.example"])
def test_what_is_a_host(host: str) -> None:
    assert box.bad_hosts([host]) is None


def test_a_container_that_was_left_behind_goes_before_the_next_run(
    tmp_path: Path, docker_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker_engine.host)
    cell = Cell("docker", tmp_path)
    name = box.container_name(cell.task(), box.Bounds(str(cell.home / "trees")))
    docker_engine.run("run", "--detach", "--network", "none", "--name", name, IMAGE, "sleep", "600")
    assert cell.run("echo mine").output_tail == "mine"
    assert docker_engine.containers() == []
