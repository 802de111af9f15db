"""Where things lie: the project's root, the user's settings file, the directory for logs; found without running git."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping

from coffee_maker.core.typed import NamedTuple

PROJECT_FILE = "coffee-roadmap.toml"
ROADMAP_PLACES = ("docs/ROADMAP.md", "ROADMAP.md")


class Found(NamedTuple):
    """Where the project is, and its file when it has one."""

    root: str
    project_file: str | None


def find_project(start: str) -> Found:
    """The nearest folder above with a project file; else the git work tree that has a roadmap; else the nearest folder
    (not above that work tree) with one; else the top of the work tree; else `start` itself. Runs no git."""
    with_roadmap: str | None = None
    top: str | None = None
    for folder in _upwards(start):
        file = os.path.join(folder, PROJECT_FILE)
        if os.path.isfile(file):
            return Found(folder, file)
        if top is None:
            is_top = os.path.lexists(os.path.join(folder, ".git"))
            if _has_roadmap(folder) and (with_roadmap is None or is_top or _is_docs_of(with_roadmap, folder)):
                with_roadmap = folder
            top = folder if is_top else None
    if with_roadmap is None and top is None and os.path.basename(start) == "docs":
        return Found(os.path.dirname(start), None)
    return Found(with_roadmap or top or start, None)


def _upwards(start: str) -> list[str]:
    folders = [start]
    while (parent := os.path.dirname(folders[-1])) != folders[-1]:
        folders.append(parent)
    return folders


def _has_roadmap(folder: str) -> bool:
    return any(os.path.lexists(os.path.join(folder, place)) for place in ROADMAP_PLACES)


def _is_docs_of(inner: str, folder: str) -> bool:
    """Whether what was found in `inner` is really the ``docs/ROADMAP.md`` of `folder`."""
    return inner == os.path.join(folder, "docs") and os.path.lexists(os.path.join(folder, ROADMAP_PLACES[0]))


def default_roadmap(root: str, known: Callable[[], Collection[str]] = list) -> str:
    """The first place where there is one; while there is none, the place that is among those `known` from before."""
    places = [os.path.join(root, place) for place in ROADMAP_PLACES]
    for path in places:
        if os.path.lexists(path):
            return path
    before = known()
    return next((path for path in places if os.path.realpath(path) in before), places[0])


def user_file(environ: Mapping[str, str]) -> str | None:
    """The user's own settings file, whether it exists or not; None when there is no home directory."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(base):
        home = environ.get("HOME")
        if not home:
            return None
        base = os.path.join(home, ".config")
    return os.path.join(base, "coffee-roadmap", "config.toml")


def state_directory(environ: Mapping[str, str]) -> str:
    """Where logs and other scratch of this machine go."""
    base = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):
        base = os.path.join(environ.get("HOME") or "/tmp", ".local", "state")  # noqa: S108 - only without any home
    return os.path.join(base, "coffee-roadmap")
