"""Completion in real shells: the script is loaded, the Tab key's function is called, what it offers is looked at."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Project


@pytest.fixture
def shell(project: Project, tmp_path: Path) -> dict[str, str]:
    """The environment of a shell that finds `coffee-roadmap`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "coffee-roadmap"
    program.write_text(
        f"#!{sys.executable}\nfrom coffee_maker.cli.roadmap_cli import command\ncommand()\n", encoding="utf-8"
    )
    program.chmod(0o755)
    return {**project.environ, "PATH": f"{folder}:{project.environ['PATH']}"}


def run(argv: list[str], project: Project, environ: dict[str, str]) -> list[str]:
    done = subprocess.run(
        argv,
        cwd=project.root,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def in_bash(line: str, project: Project, environ: dict[str, str]) -> list[str]:
    """What bash offers for the words of the line; the last one is half typed."""
    words = line.split(" ")
    script = (
        'eval "$(coffee-roadmap completion bash)"\n'
        f"COMP_LINE='{line}' COMP_POINT={len(line)} COMP_TYPE=9\n"
        f"COMP_WORDS=({' '.join(repr(word) for word in words)}) COMP_CWORD={len(words) - 1}\n"
        f"_python_argcomplete coffee-roadmap '{words[-1]}' '{words[-2]}'\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    return [word.strip() for word in run(["bash", "-c", script], project, environ)]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("coffee-roadmap sta", {"status"}),
        ("coffee-roadmap notif", {"notifications"}),
        ("coffee-roadmap view PRIORITY-2", {"PRIORITY-2", "PRIORITY-2.5"}),
        ("coffee-roadmap status PRIORITY-2 in", {"in_progress"}),
        ("coffee-roadmap move PRIORITY-2 --after PRIORITY-3", {"PRIORITY-3"}),
        ("coffee-roadmap view --prob", {"--problems"}),
        ("coffee-roadmap notifications respond 1 o", {"oak"}),
        ("coffee-roadmap notifications dis", {"dismiss"}),
        ("coffee-roadmap undo ", {"1"}),
        ("coffee-roadmap db ba", {"backup"}),
    ],
)
def test_bash_offers_what_fits(project: Project, shell: dict[str, str], line: str, offered: set[str]) -> None:
    project.real("notify", "Which wood?", "--option", "oak", "--option", "pine")
    project.real("status", "3", "blocked")
    assert offered <= set(in_bash(line, project, shell))


def test_only_what_takes_an_answer_is_offered_for_one(project: Project, shell: dict[str, str]) -> None:
    project.real("notify", "Just so that it is said")
    project.real("notify", "Which wood?", "--option", "oak", "--option", "pine")
    offered = {
        action: in_bash(f"coffee-roadmap notifications {action} ", project, shell) for action in ("respond", "show")
    }
    numbers = {action: [word for word in words if word.isdecimal()] for action, words in offered.items()}
    assert numbers == {"respond": ["2"], "show": ["1", "2"]}


def test_an_option_that_takes_a_file_is_offered_files(project: Project, shell: dict[str, str]) -> None:
    assert any(word.startswith("docs") for word in in_bash("coffee-roadmap --roadmap do", project, shell))


def test_a_project_without_a_roadmap_offers_nothing_and_says_nothing(project: Project, shell: dict[str, str]) -> None:
    project.roadmap.unlink()
    assert in_bash("coffee-roadmap view PRIO", project, shell) == [""]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_takes_the_script_and_completes(project: Project, shell: dict[str, str]) -> None:
    """In a pseudo terminal, since zsh completes only there."""
    done = run(
        [sys.executable, str(Path(__file__).parent / "zsh_on_a_terminal.py")], project, {**shell, "TERM": "xterm"}
    )
    assert done[-1] == "completed"


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_takes_the_script_and_completes(project: Project, shell: dict[str, str]) -> None:
    line = "coffee-roadmap completion fish | source; complete -C 'coffee-roadmap view PRIORITY-2'"
    offered = run(["fish", "-c", line], project, shell)
    assert {word.split("\t")[0] for word in offered} >= {"PRIORITY-2", "PRIORITY-2.5"}
    assert any("Raise the walls" in word for word in offered)


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_the_scripts_are_printed(project: Project, shell_name: str) -> None:
    assert "coffee-roadmap" in project.real("completion", shell_name).out
    assert project.real("completion", shell_name, "--json").data["shell"] == shell_name


def test_an_unknown_shell_is_refused(project: Project) -> None:
    assert project.real("completion", "tcsh").code == 2
