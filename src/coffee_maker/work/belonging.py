"""A data directory belongs to one roadmap: two projects that share one would merge each other's items.

The directory notes the paths that its roadmap is known by: a container sees the same file under another path, so there
may be several. A noted path that exists here and is another file than ours means that the directory is not ours.
"""

from __future__ import annotations

import os

from coffee_maker.core.errors import NotThisRoadmap
from coffee_maker.utils.data_directory import ROADMAPS, known_roadmaps

_MOST = 20


def check(directory: str, path: str) -> None:
    """Raise `NotThisRoadmap` when the directory is another roadmap's; note the path when it is new.

    To be called with the roadmap's lock held.
    """
    look(directory, path)
    own, known = os.path.realpath(path), known_roadmaps(directory)
    if own in known:
        return
    with open(os.path.join(directory, ROADMAPS), "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{one}\n" for one in [*known, own][-_MOST:])


def look(directory: str, path: str) -> None:
    """Raise `NotThisRoadmap` when the directory is another roadmap's; needs no lock and notes nothing."""
    own, known = os.path.realpath(path), known_roadmaps(directory)
    if own in known:
        return
    for other in known:
        if os.path.exists(other) and os.path.exists(own) and not os.path.samefile(other, own):
            note = os.path.join(directory, ROADMAPS)
            raise NotThisRoadmap(directory=directory, other=other, path=own, note=note)
