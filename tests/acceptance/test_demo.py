"""The demonstration that the README promises, as a newcomer runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.adapters.git_states import git

HERE = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).with_name("coffee-roadmap")


@pytest.mark.skipif(not COMMAND.exists(), reason="the package is not installed in this environment")
def test_a_daemon_and_a_person_work_through_a_roadmap(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "scripts/demo.py"), str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    project = tmp_path / "tally"
    view = subprocess.run([COMMAND, "view", "--json"], cwd=project, capture_output=True, text=True)
    statuses = {item["key"]: item["status"] for item in json.loads(view.stdout)["data"]["items"]}
    complete = {key for key, status in statuses.items() if status == "complete"}
    assert complete == {"PRIORITY-1", "PRIORITY-2", "PRIORITY-2.5", "PRIORITY-2.7", "US-110", "PRIORITY-3", "US-113"}
    assert {key for key, status in statuses.items() if status == "manual_review"} == {"US-111", "PRIORITY-5"}
    assert git(project, "show", "roadmap/US-110-choose-the-output-format:tally/settings.py") == 'FORMAT = "csv"'
    built = git(project, "ls-tree", "-r", "--name-only", "roadmap/PRIORITY-3-command-line").splitlines()
    assert {"tally/words.py", "tally/settings.py", "tally/__main__.py"} <= set(built)
    assert git(project, "status", "--porcelain") == " M ROADMAP.md"
