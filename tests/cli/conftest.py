"""A project in a temporary directory, and `coffee-roadmap` on it: in this process (fast), or as a real one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from coffee_maker.cli.roadmap_cli import main

_SCREEN = ("NO_COLOR", "COLUMNS", "LINES")
ROADMAP = """\
# Roadmap

### PRIORITY 1: Lay the floor

**Status**: ✅ Complete

### PRIORITY 2: Raise the walls

**Status**: 📝 Planned
**Estimated Effort**: 2 days
**Dependencies**: PRIORITY 1

Brick by brick.

- [x] draw them
- [ ] build them

### PRIORITY 2.5: Put in windows

**Status**: 🔄 In Progress (40%)

### PRIORITY 3: Roof

**Status**: 📝 Planned
**Dependencies**: PRIORITY 2
"""


class Result(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The JSON document's data; standard output held nothing else."""
        document = json.loads(self.out)
        assert document["schema_version"] == 1
        return document["data"]

    @property
    def error(self) -> Any:
        """The JSON document's error; standard error held nothing else."""
        document = json.loads(self.err)
        assert (document["schema_version"], document["kind"]) == (1, "error")
        return document["error"]


class Project:
    """A directory with a roadmap, and the command on it."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self.roadmap = root / "docs/ROADMAP.md"
        self.data = root / "data"
        self.environ = dict(environ)

    def real(self, *words: str, stdin: str | bytes | None = None, cwd: Path | None = None, **options: Any) -> Result:
        """Run the command as a process of its own."""
        given = stdin.encode() if isinstance(stdin, str) else stdin
        source = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
        environ = {**self.environ, **options.pop("environ", {})}
        done = subprocess.run(
            [*options.pop("wrapper", ()), sys.executable, "-m", "coffee_maker.cli.roadmap_cli", *words],
            cwd=cwd or self.root,
            env=environ,
            capture_output=True,
            timeout=60,
            check=False,
            **source,
            **options,
        )
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def shell(self, line: str, **environ: str) -> Result:
        """Run a line of bash in which ``coffee-roadmap`` is the command."""
        function = f'coffee-roadmap() {{ "{sys.executable}" -m coffee_maker.cli.roadmap_cli "$@"; }}\n'
        done = subprocess.run(
            ["bash", "-c", function + line],
            cwd=self.root,
            env={**self.environ, **environ},
            capture_output=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with four items and nothing else; the current directory is in it, and no setting comes from outside."""
    root = tmp_path / "project"
    (root / "docs").mkdir(parents=True)
    (root / "docs/ROADMAP.md").write_text(ROADMAP)
    for name in [name for name in os.environ if name.startswith(("COFFEE_", "XDG_")) or name in _SCREEN]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COFFEE_ACTOR", "Tester")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.chdir(root)
    return Project(root, os.environ)


@pytest.fixture
def run(project: Project, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """The command in this process, on the project."""

    def call(*words: str) -> Result:
        capsys.readouterr()
        code = main(list(words))
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return call
