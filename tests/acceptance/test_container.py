"""The person on the machine, the daemon in a real container: one roadmap, one database, nothing lost, no way out.

The container is Docker Engine's, or, where none can run, a box of namespaces made by `unshare`: that is said loudly.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from tests.adapters.git_states import PERSON, git, write
from tests.engines import IMAGE, Engine, need, readable
from tests.work.daemon_kit import until

from coffee_maker.work.containers import DIRECTORY

pytestmark = pytest.mark.xdist_group("engine")  # one Docker Engine for both files

REPOSITORY = Path(__file__).parents[2]
WRITERS = 10  # on each side
ADDS = 5  # of each writer
CLI = [sys.executable, "-m", "coffee_maker.cli.roadmap_cli"]
ROADMAP = "# Roadmap\n\n### PRIORITY 1: Build it\n\n**Status**: 📝 Planned\n\nText.\n"


class Wall:
    """A project, and a way to run something on the other side of a container's wall."""

    def __init__(self, home: Path) -> None:
        self.root = home / "project"
        self.root.mkdir()
        git(self.root, "init", "-q", "-b", "main")
        write(self.root / "docs/ROADMAP.md", ROADMAP)
        write(self.root / "code.py", "one = 1\n")
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "first")
        self.logs = home / "logs"
        self.logs.mkdir()
        outside = {"XDG_STATE_HOME": str(home / "state"), "XDG_CONFIG_HOME": str(home / "none"), "NO_COLOR": "1"}
        self.mark = {"LC_TEST_WALL": str(home)}  # in the environment of what runs for this test, on either side
        self.environment = {**os.environ, **PERSON, **outside, **self.mark}
        self.ask("init")

    # --- this side

    def start(self, *words: str) -> subprocess.Popen[str]:
        return self._popen([*CLI, *words], self.environment)

    def ask(self, *words: str) -> object:
        return _data(self.start(*words, "--json"))

    def start_script(self, *words: str) -> subprocess.Popen[str]:
        return self._popen([sys.executable, *words], self.environment)

    def _popen(self, argv: Sequence[str], environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            argv, cwd=self.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    # --- the other side

    def inside(self, *argv: str, **options: object) -> subprocess.Popen[str]:
        """Start a program there."""
        raise NotImplementedError

    def kill(self) -> None:
        """End everything there at once, as a power cut of the container would."""
        raise NotImplementedError


class Container(Wall):
    """Docker Engine: each program is a container of its own, with what `docker-compose.yml` gives the daemon."""

    def __init__(self, home: Path, engine: Engine) -> None:
        self.engine = engine
        self.names: list[str] = []
        super().__init__(home)

    def inside(self, *argv: str, user: str | None = None, mounts: Sequence[str] = ()) -> subprocess.Popen[str]:
        name = f"wall-{os.urandom(4).hex()}"
        self.names.append(name)
        shared = [f"{path}:{path}:ro" for path in readable()]
        shared += [f"{self.root}:/project", f"{self.root}/.git:/project/.git:ro", f"{self.root}/data:/data"]
        shared += [f"{self.logs}:/logs", f"{REPOSITORY}/tests:/tests:ro", *mounts]
        variables = {
            "COFFEE_ROADMAP": "/project/docs/ROADMAP.md", "COFFEE_DATA_DIR": "/data", "COFFEE_GIT_LOG": "false",
            "HOME": "/tmp", "XDG_STATE_HOME": "/tmp/state", "NO_COLOR": "1", "PYTHONPATH": str(REPOSITORY / "src"),
            **self.mark, **{key: value for key, value in PERSON.items() if key.startswith("GIT_")},
        }  # fmt: skip
        return self._popen(
            [
                *("docker", "--host", self.engine.host, "run", "--rm", "--init", "--name", name, "--network", "none"),
                *("--user", user or f"{os.getuid()}:{os.getgid()}", "--read-only", "--tmpfs", "/tmp:exec,mode=1777"),
                *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pids-limit", "200"),
                *("--memory", "512m", "--workdir", "/project"),
                *(part for mount in shared for part in ("--volume", mount)),
                *(part for key, value in variables.items() for part in ("--env", f"{key}={value}")),
                *(IMAGE, *argv),
            ]
        )

    def kill(self) -> None:
        for name in self.names:
            self.engine.run("kill", name, check=False)
        self.names.clear()


class Unshared(Wall):
    """Namespaces without an engine: the kernel is shared as with a container, and that is what locks are about."""

    def __init__(self, home: Path) -> None:
        self.running: list[subprocess.Popen[str]] = []
        super().__init__(home)

    def inside(self, *argv: str, **_: object) -> subprocess.Popen[str]:
        words = [word.replace("/logs/", f"{self.logs}/").replace("/tests/", f"{REPOSITORY}/tests/") for word in argv]
        environment = {**self.environment, "COFFEE_GIT_LOG": "false"}
        wall = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--net"]
        process = self._popen([*wall, "--uts", "--ipc", *words], environment)
        self.running.append(process)
        return process

    def kill(self) -> None:
        for process in self.running:
            process.kill()


@pytest.fixture
def wall(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Wall]:
    try:
        engine = request.getfixturevalue("docker_engine")
    except pytest.skip.Exception as reason:
        if subprocess.run(["unshare", "--user", "--map-root-user", "--pid", "--fork", "true"]).returncode != 0:
            raise
        warnings.warn(f"NO REAL CONTAINER: {reason}; namespaces made by unshare stand in for it", stacklevel=1)
        made: Wall = Unshared(tmp_path)
    else:
        made = Container(tmp_path, engine)
    yield made
    made.kill()


def _data(process: subprocess.Popen[str], *, code: int = 0) -> object:
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    return json.loads(out)["data"]


# --- nothing is lost -------------------------------------------------------------------------------------------


def _killable(wall: Wall) -> list[int]:
    """The commands of this test that are at work on either side, as the host sees them."""
    ((name, value),) = wall.mark.items()
    mark = f"{name}={value}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if b"coffee_maker.cli.roadmap_cli" not in words or b"add" not in words or b"docker" in words[0]:
                continue
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def test_ten_writers_on_each_side_lose_nothing_and_see_no_lock(wall: Wall) -> None:
    here, there = "tests/acceptance/container_writer.py", "/tests/acceptance/container_writer.py"
    writers = []
    for number in range(WRITERS):
        inner = wall.inside(sys.executable, there, f"in-{number}", str(ADDS), f"/logs/in-{number}", "/logs/go")
        outer = wall.start_script(
            str(REPOSITORY / here), f"out-{number}", str(ADDS), str(wall.logs / f"out-{number}"), str(wall.logs / "go")
        )
        writers += [inner, outer]
    until(lambda: sum("ready" in entry for entry in _entries(wall)) == 2 * WRITERS, seconds=60)
    (wall.logs / "go").touch()
    chance, kills, whole = random.Random(7), 0, False
    deadline = time.monotonic() + 300
    while any(writer.poll() is None for writer in writers):
        assert time.monotonic() < deadline, "the writers did not come to their end"
        entries = _entries(wall)
        if not whole and len(_acknowledged(entries, "in-")) > WRITERS:
            whole = True
            wall.kill()  # all that is inside, in the middle of its work
        elif (victims := _killable(wall)) and kills < sum("ended" in entry for entry in entries) // 5:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(victims), signal.SIGKILL)
                kills += 1
        time.sleep(0.02)
    for writer in writers:
        writer.communicate()
    entries = _entries(wall)
    said = [entry["said"] for entry in entries if entry.get("said")]
    assert not any("locked" in words.lower() or "busy" in words.lower() for words in said), said
    assert {entry["code"] for entry in entries if "code" in entry} <= {0, -9}, said
    assert kills > 5
    _nothing_lost(wall, entries)


def _entries(wall: Wall) -> list[dict[str, str]]:
    lines = (line for path in sorted(wall.logs.glob("*-*")) for line in path.read_text().splitlines(keepends=True))
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _acknowledged(entries: list[dict[str, str]], side: str = "") -> set[str]:
    return {entry["ended"] for entry in entries if entry.get("code") == 0 and entry["ended"].startswith(side)}


def _nothing_lost(wall: Wall, entries: list[dict[str, str]]) -> None:
    titles = [item["title"] for item in wall.ask("view")["items"]]  # type: ignore[index]
    acknowledged = _acknowledged(entries)
    begun = {entry["begun"] for entry in entries if "begun" in entry}
    assert len(_acknowledged(entries, "in-")) > WRITERS
    assert len(_acknowledged(entries, "out-")) > WRITERS * ADDS // 2
    assert [title for title in acknowledged if titles.count(title) != 1] == []
    assert set(titles) - {"Build it"} <= begun
    assert len(titles) == len(set(titles))
    recorded = wall.ask("history", "--limit", "1000")["changes"]  # type: ignore[index]
    keys = [item["key"] for item in wall.ask("view")["items"]]  # type: ignore[index]
    assert {change["item"] for change in recorded} == set(keys) - {"PRIORITY-1"}
    wall.ask("db", "check")
    levels = {finding["code"]: finding["level"] for finding in wall.ask("doctor")["findings"]}  # type: ignore[index]
    assert [code for code, level in levels.items() if level == "problem"] == []


# --- across the wall -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asker", ["inside", "here"])
def test_a_question_is_answered_across_the_wall(wall: Wall, asker: str) -> None:
    words = [
        "notify",
        "Which one?",
        "--type",
        "question",
        "--option",
        "a",
        "--option",
        "b",
        "--wait",
        "--timeout",
        "60s",
    ]
    asking = wall.inside(*CLI, *words) if asker == "inside" else wall.start(*words)
    until(lambda: wall.ask("notifications")["notifications"])  # type: ignore[index]
    [question] = wall.ask("notifications")["notifications"]  # type: ignore[index]
    answer = ["notifications", "respond", str(question["id"]), "b"]
    answering = wall.start(*answer) if asker == "inside" else wall.inside(*CLI, *answer)
    assert (answering.communicate(timeout=60)[1], answering.returncode) == ("", 0)
    assert asking.communicate(timeout=60)[0].strip() == "b"


def test_the_daemon_inside_builds_and_the_person_fetches(tmp_path: Path, docker_engine: Engine) -> None:
    """The files that `init --docker` puts there, brought up by the compose program itself."""
    need("docker-compose", "docker-compose")
    wall = Container(tmp_path, docker_engine)
    write(
        wall.root / "coffee-roadmap.toml",
        '[daemon]\npoll = "200ms"\n[agent]\ncommand = ["sh", "-c", "echo made >made.py"]\n',
    )
    wall.ask("init", "--docker")
    directory = wall.root / DIRECTORY
    name = f"coffee-{os.urandom(4).hex()}"
    mounts = "".join(f"      - {path}:{path}:ro\n" for path in readable())
    write(
        directory / "docker-compose.override.yml",
        f"services:\n  daemon:\n    entrypoint: [{sys.executable}, -m, coffee_maker.cli.roadmap_cli]\n"
        f"    command: [daemon, run, --yes]\n    network_mode: none\n    volumes:\n{mounts}"
        f"    environment:\n      PYTHONPATH: {REPOSITORY}/src\n",
    )
    environment = {
        **os.environ, "DOCKER_HOST": docker_engine.host, "COFFEE_IMAGE": IMAGE, "COFFEE_CONTAINER": name,
        "COFFEE_MEMORY": "512m", "COMPOSE_PROJECT_NAME": name,
    }  # fmt: skip

    def compose(*words: str) -> str:
        done = subprocess.run(
            ["docker-compose", *words], cwd=directory, env=environment, capture_output=True, text=True, timeout=90
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    # A new volume takes owner and mode from the image's directory, which the Dockerfile makes; this image has none.
    docker_engine.run("volume", "create", f"{name}_work")
    docker_engine.run("run", "--rm", "-v", f"{name}_work:/work", "--network", "none", IMAGE, "chmod", "1777", "/work")
    before = git(wall.root, "for-each-ref", "refs/heads")
    try:
        compose("up", "--detach", "--no-build")
        until(lambda: wall.ask("view", "1")["status"] in ("complete", "manual_review"), 40)  # type: ignore[index]
        assert wall.ask("view", "1")["status"] == "complete", wall.ask("notifications")  # type: ignore[index]
        assert git(wall.root, "for-each-ref", "refs/heads") == before
        found = wall.ask("sync")
        assert [one["replied"] for one in found["daemons"]] == [True]  # type: ignore[index]
        source = f"ext::docker --host {docker_engine.host} exec -i {name} git upload-pack /work/repository.git"
        git(
            wall.root,
            "-c",
            "protocol.ext.allow=always",
            "fetch",
            "-q",
            source,
            "refs/heads/roadmap/*:refs/heads/roadmap/*",
        )
        [branch] = git(wall.root, "branch", "--list", "--format=%(refname:short)", "roadmap/*").splitlines()
        assert git(wall.root, "diff", "--name-only", "main", branch) == "made.py"
        planted = docker_engine.run("exec", name, "sh", "-c", "echo x >/project/.git/hooks/pre-commit", check=False)
        assert "Read-only file system" in planted.stderr
        written = docker_engine.run("exec", name, "sh", "-c", "echo x >/project/code.py", check=False)
        assert "Read-only file system" in written.stderr
    finally:
        print(compose("logs", "--no-color"))
        with suppress(AssertionError):
            compose("down", "--volumes", "--timeout", "10")


# --- what doctor says ------------------------------------------------------------------------------------------


def _findings(process: subprocess.Popen[str]) -> list[dict[str, str]]:
    out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 1), err
    return json.loads(out)["data"]["findings"]  # type: ignore[no-any-return]


def test_doctor_tells_of_another_user(tmp_path: Path, docker_engine: Engine) -> None:
    wall = Container(tmp_path, docker_engine)
    wall.ask("status", "1", "blocked")
    for path in (wall.root, *wall.root.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    found = _findings(wall.inside(*CLI, "doctor", "--json", user="4711:4711"))
    assert any("belong to another user" in one["message"] and "--user" in one["hint"] for one in found), found
    wall.inside(*CLI, "doctor", "--fix", "--json", user="4711:4711").communicate(timeout=60)
    (wall.root / "data").chmod(0o755)
    found = _findings(wall.inside(*CLI, "doctor", "--json", user="4711:4711"))
    assert any("cannot be written by user 4711" in one["message"] for one in found), found


def test_doctor_tells_of_a_file_that_is_mounted_alone(tmp_path: Path, docker_engine: Engine) -> None:
    wall = Container(tmp_path, docker_engine)
    single = f"{wall.root}/docs/ROADMAP.md:/project/docs/ROADMAP.md"
    found = _findings(wall.inside(*CLI, "doctor", "--json", mounts=[single]))
    told = [one for one in found if one["level"] == "problem"]
    assert any("mount" in one["message"] and "directory" in one["hint"] for one in told), found


# --- an agent that tries everything ----------------------------------------------------------------------------

HOSTILE = r"""
try() { if ( eval "$1" ) >/dev/null 2>&1; then echo "ESCAPED: $1" >>escaped; fi; }
try 'echo x >>"PROJECT/code.py"'
try 'cat "PROJECT/code.py"'
try 'cat "DATA/notifications.db"'
try 'ls "DATA"'
try 'cat ~root/.ssh/id_test'
try 'cat "PROJECT/.git/config"'
try 'echo x >"PROJECT/.git/hooks/pre-commit"'
try 'bash -c "echo x >/dev/tcp/127.0.0.1/PORT"'
try 'bash -c "echo x >/dev/tcp/8.8.8.8/53"'
try 'grep -rq project "$(git rev-parse --git-dir)/objects/info/alternates"'
try 'rm .git || mv .git gone || echo x >.git'
git config core.fsmonitor 'touch TRACE; false'
git config filter.evil.clean 'touch TRACE; cat'
git config filter.evil.smudge 'touch TRACE; cat'
git config core.hooksPath hooks
mkdir -p hooks; printf '#!/bin/sh\ntouch TRACE\n' >hooks/pre-commit; chmod +x hooks/pre-commit
cp hooks/pre-commit hooks/post-checkout; cp hooks/pre-commit hooks/reference-transaction
echo '* filter=evil' >.gitattributes
git init -q nested && git -C nested config core.fsmonitor 'touch TRACE; false'
setsid sleep 600 >/dev/null 2>&1 </dev/null &
echo built >built.py
"""


@pytest.mark.parametrize("kind", ["bwrap", "docker"])
def test_a_boxed_agent_builds_and_gets_nowhere(tmp_path: Path, request: pytest.FixtureRequest, kind: str) -> None:
    if kind == "bwrap":
        need("bwrap", "bubblewrap")
    wall = Wall(tmp_path)
    trace = tmp_path / "trace"
    if kind == "docker":
        wall.environment["DOCKER_HOST"] = request.getfixturevalue("docker_engine").host
    words = {"PROJECT": wall.root, "DATA": wall.root / "data", "TRACE": trace, "PORT": 22}
    script = HOSTILE
    for word, value in words.items():
        script = script.replace(word, str(value))
    agent = write(tmp_path / "agent.sh", script)
    config = f'[daemon]\ntest_command = ["sh", "-c", "test -e built.py"]\n[agent]\ncommand = ["sh", "{agent}"]\n'
    write(wall.root / "coffee-roadmap.toml", f'{config}sandbox = "{kind}"\nimage = "{IMAGE}"\n')
    git(wall.root, "add", "-A")
    git(wall.root, "commit", "-q", "-m", "settings")
    config_before = (wall.root / ".git/config").read_bytes()
    hooks_before = sorted(path.name for path in (wall.root / ".git/hooks").iterdir())
    daemon = wall.start("daemon", "run", "--once", "--yes")
    out, err = daemon.communicate(timeout=90)
    assert daemon.returncode == 0, err
    assert wall.ask("view", "1")["status"] == "complete", out + err  # type: ignore[index]
    [branch] = git(wall.root, "branch", "--list", "--format=%(refname:short)", "roadmap/*").splitlines()
    files = git(wall.root, "diff", "--name-only", "main", branch).splitlines()
    assert "built.py" in files
    assert "escaped" not in files, git(wall.root, "show", f"{branch}:escaped")
    assert not trace.exists()
    assert (wall.root / ".git/config").read_bytes() == config_before
    assert sorted(path.name for path in (wall.root / ".git/hooks").iterdir()) == hooks_before
    assert not _left_behind(str(tmp_path))


def _left_behind(mark: str) -> list[str]:
    """Processes of the box: their working directory lies in this test's directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.readlink(entry / "cwd").startswith(mark):
                found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
    return found
