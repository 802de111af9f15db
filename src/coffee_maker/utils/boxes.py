"""Where the parts of a boxed work tree lie: the repository makes them, the sandbox brings them into the box.

Beside a work tree ``NAME`` lies ``NAME.git``, which no agent can write:

- ``trusted``: the git directory that our own git uses for the tree. On the host, ``NAME/.git`` leads there.
- ``agent``: a git directory for the agent's own convenience, with objects of its own. No git of ours ever reads it.
- ``link``: the file that stands for ``NAME/.git`` in the box and leads to ``agent``.

And ``NAME.box`` has what else the box shows: the agent's home and ``/tmp``. It goes with the work tree, and stays when
a tree is put aside, so that an agent's program finds its session again.
"""

from __future__ import annotations

import os
from typing import NamedTuple

AGENT_GIT_IN_BOX = "/run/coffee-git"


class BoxedGit(NamedTuple):
    """The paths that belong to one boxed work tree."""

    home: str
    trusted: str
    agent: str
    link: str


def box_of(tree: str) -> str:
    return f"{tree}.box"


def boxed_git(tree: str) -> BoxedGit:
    home = f"{tree}.git"
    return BoxedGit(home, *(os.path.join(home, name) for name in ("trusted", "agent", "link")))
