"""The guide to questions is true: its commands run, print what it says and end as it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from coffee_maker.adapters.command_channel import CommandChannel
from coffee_maker.core.questions import RETRIES, SEND_LIMIT
from coffee_maker.settings import ChannelSettings

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "questions.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_examples_run(tmp_path: Path) -> None:
    command = tmp_path / "bin" / "coffee-roadmap"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m coffee_maker "$@"\n')
    command.chmod(0o755)
    project = tmp_path / "project"
    project.mkdir()
    environment = os.environ | {"PATH": f"{command.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}

    def run(line: str) -> tuple[int, list[str]]:
        done = subprocess.run(["sh", "-c", line], cwd=project, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines()

    assert run("coffee-roadmap init")[0] == 0
    examples = 0
    for block in blocks("console"):
        for example in block.removeprefix("$ ").split("\n$ "):
            line, *printed = example.splitlines()
            code = re.search(r"# exit (\d+)", line)
            ended, out = run(line)
            assert ended == (int(code[1]) if code else 0), line
            assert out == printed or not printed, line
            examples += 1
    assert examples == 5


def test_the_channel_of_the_guide_is_accepted_and_its_figures_hold() -> None:
    (toml,) = blocks("toml")
    settings = tomllib.loads(toml)["channels"]["desktop"]
    channel = ChannelSettings(argv=tuple(settings["argv"]), levels=tuple(settings["levels"]))
    assert len(CommandChannel("desktop", channel).levels) == 2
    assert SEND_LIMIT.total_seconds() == 60
    assert [round(wait.total_seconds()) for wait in RETRIES] == [15, 45, 120, 400, 1200, 3600, 3600]
