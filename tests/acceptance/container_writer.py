"""One writer of the race: adds items by the command, one process each, and logs what was acknowledged.

``container_writer.py NAME COUNT LOG STOP``: titles are NAME-0, NAME-1, …; one that was killed is logged as begun only.
The log lies outside the shared directories. It ends when the file STOP is there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys


def main(name: str, count: int, log_path: str, stop: str) -> None:
    with open(log_path, "a") as log:

        def note(**what: object) -> None:
            log.write(json.dumps(what) + "\n")
            log.flush()

        for number in range(count):
            if os.path.exists(stop):
                return
            title = f"{name}-{number}"
            note(begun=title)
            done = subprocess.run(
                [sys.executable, "-m", "coffee_maker.cli.roadmap_cli", "add", title, "--json"],
                capture_output=True,
                text=True,
            )
            note(ended=title, code=done.returncode, said=done.stderr)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
