"""One writer of the race: adds items by the command, one process each, and logs what was acknowledged.

``container_writer.py NAME COUNT LOG GO``: titles are NAME-0, NAME-1, …; one that was killed is logged as begun only.
The log lies outside the shared directories. It begins when the file GO is there: all begin together, however long a
container takes to start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def main(name: str, count: int, log_path: str, go: str) -> None:
    with open(log_path, "a") as log:

        def note(**what: object) -> None:
            log.write(json.dumps(what) + "\n")
            log.flush()

        note(ready=name)
        while not os.path.exists(go):
            time.sleep(0.01)
        for number in range(count):
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
