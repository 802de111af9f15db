"""Whether there is space for the files of another item: its work tree, its logs."""

from __future__ import annotations

import os
import shutil

from coffee_maker.core.errors import NoSpace
from coffee_maker.work.job import Options

LEAST = 16  # megabytes; below that git and the agent can but fail, item after item


def check(options: Options) -> None:
    """Raises `NoSpace` where an item that is taken up now would only come to grief."""
    for path in (options.worktrees, options.scratch):
        there = os.path.realpath(path)
        while not os.path.isdir(there):  # it is made with the first item
            there = os.path.dirname(there)
        usage = shutil.disk_usage(there)
        if usage.total and usage.free < LEAST * 1_000_000:  # some file systems do not say how large they are
            raise NoSpace(path=path, least=LEAST)
