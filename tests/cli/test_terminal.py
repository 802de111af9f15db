"""What a person sees on a terminal: signs, colours when wanted, tables that fit."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr

import pytest
from tests.cli.conftest import ROADMAP, Project

from coffee_maker.cli import terminal
from coffee_maker.cli.output import Output


def on_a_terminal(project: Project, *words: str, columns: int = 80, answer: str = "", **environ: str) -> str:
    """The command's output on a pseudo terminal of that width."""
    leader, follower = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "coffee_maker", *words],
        cwd=project.root,
        env={**project.environ, "TERM": "xterm-256color", **environ},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        close_fds=True,
    )
    os.close(follower)
    if answer:
        os.write(leader, answer.encode())
    seen = _all_of(leader)
    process.wait(timeout=30)
    os.close(leader)
    return seen


def _all_of(terminal: int) -> str:
    seen, end = b"", time.monotonic() + 30
    while time.monotonic() < end and select.select([terminal], [], [], 30)[0]:
        try:
            block = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            break
        seen += block
    return seen.decode().replace("\r\n", "\n")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_signs_and_colours(project: Project) -> None:
    seen = on_a_terminal(project, "view")
    assert "\x1b[" in seen
    assert "✅ complete" in seen
    assert "Raise the walls" in seen


@pytest.mark.parametrize(("words", "environ"), [(("--no-color",), {}), ((), {"NO_COLOR": "1"}), ((), {"TERM": "dumb"})])
def test_no_colours_where_none_are_wanted(project: Project, words: tuple[str, ...], environ: dict[str, str]) -> None:
    for command in (("view",), ("view", "99")):
        assert not re.search(r"\x1b\[[0-9;]*3[0-9]", on_a_terminal(project, *command, *words, **environ))


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_tables_fit_and_keys_are_never_cut(project: Project, columns: int) -> None:
    project.roadmap.write_text(ROADMAP.replace("Raise the walls", "Raise the walls " * 20))
    project.real("status", "2", "blocked", "--reason", "because " * 40)
    for words in (("view",), ("history",), ("status",), ("next",)):
        lines = plain(on_a_terminal(project, *words, columns=columns)).splitlines()
        assert all(len(line) <= columns for line in lines if "/ROADMAP.md" not in line), words
    assert "PRIORITY-2.5" in plain(on_a_terminal(project, "view", columns=columns))
    assert "…" in plain(on_a_terminal(project, "view", columns=columns))


def test_keys_and_numbers_are_whole_on_the_narrowest_terminal(project: Project) -> None:
    project.roadmap.write_text("# Roadmap\n")
    seen = plain(on_a_terminal(project, "status", columns=40))
    assert "0 items" in " ".join(seen.split())  # they are broken into lines where the path before them says
    project.roadmap.write_text(ROADMAP.replace("Raise the walls", "Raise the walls " * 20))
    project.real("status", "2.5", "blocked", "--reason", "because " * 40)
    project.real("notify", "Which wood is to be taken for the windows?", "--type", "question", "--item", "2.5")
    for words, wanted in (
        (("view",), ("PRIORITY-2.5", "40%", "1/2")),
        (("history",), (" 1 ", "PRIORITY-2.5")),
        (("notifications",), (" 1 ", "PRIORITY-2.5")),
    ):
        seen = plain(on_a_terminal(project, *words, columns=40))
        for word in wanted:
            assert word in f" {seen}", (words, seen)
        assert all(len(line) <= 40 for line in seen.splitlines() if "/ROADMAP.md" not in line), (words, seen)


def test_settings_are_whole_on_a_narrow_terminal(project: Project) -> None:
    project.real("init")
    seen = plain(on_a_terminal(project, "doctor", "--all"))
    assert "daemon.approval_deadline" in seen
    assert "…" not in seen
    assert all(len(line) <= 80 for line in seen.splitlines() if "/" not in line)


def test_a_removal_asks(project: Project) -> None:
    asked = plain(on_a_terminal(project, "remove", "2", answer="n\n"))
    assert "Remove PRIORITY-2: Raise the walls (on which PRIORITY-3 depends)? [y/N]" in asked
    assert project.real("view", "2").code == 0
    on_a_terminal(project, "remove", "2", answer="y\n")
    assert project.real("view", "2").code == 4


def test_json_on_a_terminal_is_indented_and_uncoloured(project: Project) -> None:
    seen = on_a_terminal(project, "view", "--json")
    assert seen.startswith('{\n  "schema_version": 1')
    assert "\x1b" not in seen


def test_signs_that_a_terminal_obeys_are_escaped_in_json_and_left_out_of_progress(project: Project) -> None:
    evil = "Roof\x1b[5m \u202eback \x9b2J"
    project.roadmap.write_text(ROADMAP.replace("PRIORITY 3: Roof", f"PRIORITY 3: {evil}"))
    seen = on_a_terminal(project, "view", "3", "--json")
    assert not set("\x1b\u202e\x9b") & set(seen)
    assert json.loads(seen)["data"]["title"] == evil
    capture = io.StringIO()
    with redirect_stderr(capture):
        Output(json=False, colour=False).say(f"PRIORITY-3: {evil}")
    assert not set("\x1b\u202e\x9b") & set(capture.getvalue())


def watched(project: Project, *words: str, mark: bytes = b"Next:", wanted: int = 3) -> str:
    """What `daemon status --watch` writes on a terminal until the mark was there so often, and Ctrl-C ends it."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "coffee_maker", "daemon", "status", "--watch", *words],
        cwd=project.root,
        env={**project.environ, "TERM": "xterm-256color"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    seen, end = b"", time.monotonic() + 30
    while seen.count(mark) < wanted and time.monotonic() < end:
        if select.select([leader], [], [], 1)[0]:
            seen += os.read(leader, 65536)
    process.send_signal(signal.SIGINT)
    seen += _all_of(leader).encode()
    os.close(leader)
    assert process.wait(timeout=30) == 130
    return seen.decode().replace("\r\n", "\n")


def test_what_is_watched_is_drawn_in_place(project: Project) -> None:
    first, *others = watched(project).split("\x1b[?7l")[1:]
    assert len(others) >= 2
    assert "\x1b[2F" not in first
    for picture in others:
        assert picture.startswith("\x1b[2F")  # over the two lines before
        assert picture.split("\x1b[J")[0].count("\x1b[K\n") == 2
    assert all("\x1b[J\x1b[?7h" in picture for picture in (first, *others))  # as it was, whenever it ends


def test_a_picture_is_never_higher_than_the_terminal() -> None:
    with open(os.devnull, "w") as no_terminal:  # counts as 24 lines
        drawn, height = terminal.over("line\n" * 100, 30, no_terminal)
    assert height == 23
    assert drawn.startswith("\x1b[?7l\x1b[30F")
    assert drawn.count("\n") == 23
    assert "…\x1b[K\n\x1b[J" in drawn


def test_what_is_watched_as_json_is_not_drawn(project: Project) -> None:
    seen = watched(project, "--json", mark=b"schema_version", wanted=1)
    assert "\x1b" not in seen


def test_every_text_has_a_terminal_form(project: Project) -> None:
    project.real("notify", "Which wood?", "--option", "oak")
    for words in (
        "doctor",
        "sync",
        "db status",
        "notifications",
        "notifications show 1",
        "view 2",
        "status 2 blocked",
        "undo",
    ):
        seen = on_a_terminal(project, *words.split())
        assert "bug" not in seen, seen
        assert seen
