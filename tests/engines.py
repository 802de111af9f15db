"""Real boxes for tests: bubblewrap, and a Docker Engine of the tests' own with an image of this machine's programs.

What is missing is installed from Debian's packages where the tests run as root; where it cannot be had, what needs it
is skipped, loudly. The engine has a socket and a directory of its own, and goes with the session.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
from pathlib import Path

import pytest

from coffee_maker.adapters.agents.claude import program

IMAGE = "coffee-roadmap-test"
_INSTALLING = 180.0  # seconds
_STARTING = 20.0
_PROGRAMS = (
    "sh", "bash", "env", "cat", "ls", "touch", "sleep", "id", "mkdir", "rm", "ln", "cp", "mv", "chmod", "setsid", "git",
    "find", "grep", "head", "tail", "true", "nohup", "stat", "date", "dirname", "basename", "tr", "printf", "timeout",
)  # fmt: skip


def need(program: str, package: str) -> None:
    """Make sure that a program is there, or skip the test."""
    if shutil.which(program) is not None:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"NOT TESTED: {program} is missing, and it can be installed only as root with apt-get")
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, timeout=_INSTALLING)
        if done.returncode != 0:
            pytest.skip(f"NOT TESTED: {program} could not be installed: {done.stderr.decode()[-500:]}")
    if shutil.which(program) is None:
        pytest.skip(f"NOT TESTED: {program} is not on the PATH, though {package} is installed")


class Engine:
    """A Docker Engine; `host` is where it listens."""

    def __init__(self, directory: Path) -> None:
        need("dockerd", "docker.io")
        if os.geteuid() != 0:
            pytest.skip("NOT TESTED: a Docker Engine of one's own needs root")
        self.directory = directory
        self.host = f"unix://{directory}/socket"
        self._log = open(directory / "log", "wb")  # noqa: SIM115 - closed with the engine
        self._process = subprocess.Popen(
            [
                *("dockerd", "--iptables=false", "--ip6tables=false", "--ip-masq=false", "--bridge=none"),
                *("--default-ulimit", "nofile=4096:4096", "--default-ulimit", "nproc=4096:4096"),
                *("--data-root", str(directory / "data"), "--exec-root", str(directory / "exec")),
                *("--pidfile", str(directory / "pid"), "--host", self.host),
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        until = time.monotonic() + _STARTING
        while self.run("version", check=False).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > until:
                said = (directory / "log").read_text(errors="replace")[-1000:]
                self.close()
                pytest.skip(f"NOT TESTED: no Docker Engine can run here: {said}")
            time.sleep(0.1)
        _import_image(self)

    def run(self, *words: str, check: bool = True, **rest: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "--host", self.host, *words], check=check, capture_output=True, text=True, timeout=60, **rest
        )  # type: ignore[call-overload,no-any-return]

    def containers(self) -> list[str]:
        return self.run("ps", "--all", "--format", "{{.Names}}").stdout.split()

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        for line in reversed(Path("/proc/self/mountinfo").read_text().splitlines()):
            point = line.split()[4]
            if point.startswith(str(self.directory)):
                subprocess.run(["umount", "-l", point], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def readable() -> tuple[str, ...]:
    """What a container needs of this machine besides the image: interpreter, virtual environment, sources."""
    here = str(Path(__file__).parents[1] / "src")
    return tuple(dict.fromkeys(path for path in (sys.base_prefix, sys.prefix, here) if not path.startswith("/usr")))


def _import_image(engine: Engine) -> None:
    """An image of the programs that the tests use, with the libraries that they and the interpreter load. It takes a
    second, where making one from packages takes a minute; the engine and the kernel's walls are the same."""
    root = engine.directory / "root"
    for name in ("usr/bin", "usr/lib", "etc", "tmp", "proc", "sys", "dev", "run", "root", "home", "var/tmp"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for link in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{link}"):
            (root / link).symlink_to(os.readlink(f"/{link}"))
            (root / os.readlink(f"/{link}")).mkdir(parents=True, exist_ok=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nnogroup:x:65534:\n")
    programs = [(name, found) for name in _PROGRAMS if (found := shutil.which(name))]
    for name, found in programs:
        shutil.copy(os.path.realpath(found), root / "usr/bin" / name)
    (root / "usr/bin/git-upload-pack").symlink_to("git")
    python, more = os.path.realpath(sys.executable), [found for found in [program()] if found]
    if python.startswith("/usr/"):  # `readable` leaves out what lies there, since the image has a /usr of its own
        _copy_python(python, root)
    if python != "/usr/bin/python3":
        (root / "usr/bin/python3").symlink_to(python)
    for claude in more:
        (root / "usr/bin/claude").symlink_to(claude)
    modules = [
        *glob.glob(f"{sysconfig.get_path('stdlib')}/lib-dynload/*.so"),
        *glob.glob(f"{sys.prefix}/lib/**/apsw/*.so", recursive=True),
    ]
    for library in _libraries([*(found for _, found in programs), python, *more, *modules]):
        target = root / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    archive = engine.directory / "image.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(root, arcname=".")
    engine.run("import", str(archive), IMAGE)
    shutil.rmtree(root)
    archive.unlink()


def _copy_python(python: str, root: Path) -> None:
    """The system's own interpreter, at the place that the virtual environment names, without what others installed."""
    standard = sysconfig.get_path("stdlib")
    shutil.copytree(
        standard,
        root / standard.lstrip("/"),
        dirs_exist_ok=True,
        ignore=shutil.ignore_patterns("test", "site-packages", "dist-packages", "config-3*"),
    )
    target = root / python.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(python, target)


def _libraries(files: list[str]) -> set[str]:
    told = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False).stdout
    words = (word for line in told.splitlines() for word in line.split() if word.startswith("/"))
    return {word for word in words if ".so" in word and not word.endswith(":")}
