"""Two real daemons on one project, killed at random and started again: no item is worked on by two, none done twice."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

from tests.acceptance.test_daemon_processes import ITEMS, Place, all_complete, ended_in_order
from tests.adapters.git_states import git, write
from tests.work.daemon_kit import until

KILLS = 12
SETTINGS = """\
[daemon]
lease = "4s"
poll = "100ms"
max_attempts = 50

[agent]
command = ["sh", "-eu", "{agent}"]
environment = ["TRACES"]
"""
# Holds a lock of the item's as long as it, or anything that it started, lives.
AGENT = """\
exec 9> "$TRACES/lock-$COFFEE_ITEM"
flock -n 9 || echo "overlap $COFFEE_ITEM $$" >> "$TRACES/log"
echo "begin $COFFEE_ITEM $$" >> "$TRACES/log"
echo made > "$COFFEE_ITEM.txt"
git add -A
sleep 0.3
echo "end $COFFEE_ITEM $$" >> "$TRACES/log"
"""


def test_no_item_is_in_two_hands(tmp_path: Path) -> None:
    seed = int(os.environ.get("COFFEE_TEST_SEED", "1"))
    chance = random.Random(seed)
    place = Place(tmp_path)
    write(place.root / "coffee-roadmap.toml", SETTINGS.format(agent=write(tmp_path / "random.sh", AGENT)))
    running: list[subprocess.Popen[str]] = []
    errors: list[str] = []
    try:
        running += [place.start("daemon", "run", "--yes") for _ in range(2)]
        for _ in range(KILLS):
            happens(place)
            time.sleep(chance.random() * 0.4)  # the moment is the point
            victim = running.pop(chance.randrange(2))
            victim.kill()
            errors.append(victim.communicate()[1])
            running.append(place.start("daemon", "run", "--yes"))
        until(lambda: all_complete(place), 120)
        until(lambda: len(news(place)) == ITEMS, 60)
        until(lambda: [one["alive"] for one in daemons(place)] == [True, True], 60)
        for daemon in running:
            ended_in_order(daemon)
    finally:
        for daemon in running:
            daemon.kill()
            daemon.communicate()
    log = place.log()
    assert not [line for line in log if line[0] == "overlap"], f"seed {seed}"
    assert not [pid for _event, _item, pid in log if place.alive(pid)]
    assert not [words for words in errors if "Traceback" in words]
    for number in range(1, ITEMS + 1):
        key = f"PRIORITY-{number}"
        branch = f"roadmap/{key}-item-{number}"
        assert git(place.root, "rev-list", "--count", f"main..{branch}") == "1"
        assert git(place.root, "diff", "--name-only", "main", branch) == f"{key}.txt"
        changes = [one["after"] for one in place.ask("history", key)["changes"]]  # type: ignore[index]
        assert changes.count("complete") == 1
    assert sorted(str(one["item"]) for one in news(place)) == [f"PRIORITY-{n}" for n in range(1, ITEMS + 1)]


def happens(place: Place) -> None:
    """Wait until an agent has begun or ended, or there is nothing left to do."""
    before = len(place.log())
    until(lambda: len(place.log()) > before or len(news(place)) == ITEMS, 60)


def daemons(place: Place) -> list[dict[str, object]]:
    return list(place.ask("daemon", "status")["daemons"])  # type: ignore[index]


def news(place: Place) -> list[dict[str, object]]:
    found = place.ask("notifications", "--all")["notifications"]  # type: ignore[index]
    return [one for one in found if one["type"] == "status"]
