"""The command reference is generated, and current."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Project

from coffee_maker.cli.roadmap_cli import COMMANDS

ROOT = Path(__file__).parent.parent.parent


def test_the_reference_is_current() -> None:
    script = str(ROOT / "scripts/generate_reference.py")
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_has_a_help_with_examples(project: Project) -> None:
    overview = project.real("--help").out
    for name, command in COMMANDS.items():
        assert f"  {name}" in overview
        assert command.help in overview
        done = project.real(name, "--help")
        assert (done.code, done.err) == (0, "")
        assert f"examples:\n  coffee-roadmap {name}" in done.out


def test_help_and_version_need_no_project(project: Project) -> None:
    project.roadmap.unlink()
    (project.root / "coffee-roadmap.toml").write_text("broken [")
    assert project.real("--version").out.startswith("coffee-roadmap ")
    assert project.real("-V").out == project.real("view", "-V").out == project.real("--version").out
    assert project.real("help").out == project.real("--help").out
    assert (
        project.real("help", "view").out == project.real("--json", "help", "view").out == project.real("view", "-h").out
    )
    assert project.real("view", "--version").out.startswith("coffee-roadmap ")
    assert project.real().out == project.real("--help").out == project.real("-h").out
    assert project.real("completion", "bash").code == 0
