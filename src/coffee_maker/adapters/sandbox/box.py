"""What the boxes have in common: the bounds, and the directories of one item's box."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import NamedTuple

from coffee_maker.core.records import Task
from coffee_maker.utils.boxes import box_of
from coffee_maker.utils.removing import remove_tree

CONTROL_IN_BOX = "/run/coffee-box"
HOME_IN_BOX = "/home/agent"
_HERE = os.path.dirname(os.path.abspath(__file__))
LAUNCHER = (sys.executable, "-I", "-S", os.path.join(_HERE, "launcher.py"))
INNER = os.path.join(_HERE, "inner.py")
_OUR_LOOPBACK = ("localhost", "127.0.0.1")


class Bounds(NamedTuple):
    """What the settings say about the box."""

    worktrees: str  # the directory whose directories are the runs' work trees
    network: tuple[str, ...] = ()  # see `proxy`
    memory: int = 4_000_000_000  # bytes
    processes: int = 512
    readable: tuple[str, ...] = ()  # further paths that can be read in the box
    image: str | None = None


class Place(NamedTuple):
    """The directories of one item's box. `home` and `tmp` are the agent's; `control` it can read only."""

    tree: str
    home: str
    tmp: str
    control: str
    files: tuple[str, ...]  # the item's own, to be read


def prepare(task: Task, bounds: Bounds) -> Place:
    """Make the directories. Home stays from attempt to attempt, so that an agent's program can resume."""
    tree = _tree(task.directory, bounds.worktrees)
    top = box_of(tree)
    place = Place(
        tree=tree,
        home=os.path.join(top, "home"),
        tmp=os.path.join(top, "tmp"),
        control=os.path.join(top, "control"),
        files=tuple(path for path in (task.item_file, f"{task.item_file}.sh") if os.path.isfile(path)),
    )
    for directory in (place.home, place.tmp, place.control):
        os.makedirs(directory, mode=0o700, exist_ok=True)
    shutil.copyfile(INNER, os.path.join(place.control, "inner.py"))
    with suppress(FileNotFoundError):  # of an earlier run that had a way out
        os.unlink(os.path.join(place.control, "proxy"))
    return place


def clear(task: Task, bounds: Bounds) -> None:
    """Take away what nobody needs after a run."""
    remove_tree(os.path.join(box_of(_tree(task.directory, bounds.worktrees)), "tmp"))


def container_name(task: Task, bounds: Bounds) -> str:
    """One name for each box on this machine, so that a container that was left behind is found again."""
    tree = _tree(task.directory, bounds.worktrees)
    return f"coffee-roadmap-{sha256(tree.encode(errors='surrogatepass')).hexdigest()[:16]}"


def hosts(bounds: Bounds) -> str:
    """The allowed hosts as the launcher takes them."""
    return ",".join(bounds.network) or "-"


def own_ports(bounds: Bounds) -> str:
    """The ports of the host's own loopback among them, as `inner` takes them."""
    named = (entry.rpartition(":") for entry in bounds.network)
    return ",".join(sorted({port for host, _, port in named if host in _OUR_LOOPBACK and port.isdigit()})) or "-"


def bad_hosts(network: Sequence[str]) -> str | None:
    """What is wrong with the allowed hosts, or None."""
    for entry in network:
        if not re.fullmatch(r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:[0-9]{1,5})?", entry):
            return f"[agent] network: {entry!r} is no host name; write name, .name (all below it) or name:port"
        if entry.startswith(".") and ":" in entry:
            return f"[agent] network: {entry!r} has a port, so it must name one host"
    return None


def _tree(directory: str, worktrees: str) -> str:
    """The top of the run's work tree: found by where it lies, since the agent can change everything inside of it."""
    top = os.path.realpath(worktrees)
    relative = os.path.relpath(os.path.abspath(directory), top)
    first = relative.split(os.sep, 1)[0]
    return os.path.abspath(directory) if first in (os.curdir, os.pardir) else os.path.join(top, first)
