"""The example in the guide for scripts runs as it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.store.common import SharedStore
from coffee_maker.utils.connection import Databases

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "scripts.md"


def test_the_example(store: SharedStore, databases: Databases, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with store.writing() as tx:
        for message, age in (("old", timedelta(days=2)), ("new", timedelta(0))):
            tx.notifications.create(Draft(Source.DAEMON, Kind.QUESTION, message), now - age)
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    script = tmp_path / "script.py"
    script.write_text(example)
    environ = {**os.environ, "COFFEE_DATA_DIR": databases.directory, "COFFEE_DATABASE_URL": databases.url or ""}
    done = subprocess.run(
        [sys.executable, str(script)], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["1", "1 high old", "2 normal new"]
