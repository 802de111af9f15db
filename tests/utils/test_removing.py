"""A tree that an agent has left is removed, however it was made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coffee_maker.utils.removing import remove_tree

_DEEP = 3000  # deeper than Python's stack, and longer than the longest path


def make_deep(top: Path, levels: int) -> None:
    """Directories in directories; one at a time, for the whole path would be longer than the system takes."""
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def test_a_tree_deeper_than_the_stack(tmp_path: Path) -> None:
    make_deep(tmp_path / "tree", _DEEP)
    remove_tree(str(tmp_path / "tree"))
    assert os.listdir(tmp_path) == []


def test_no_link_is_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o750)
    (kept / "file").write_text("x")
    tree = tmp_path / "tree"
    (tree / "in").mkdir(parents=True)
    (tree / "in/out").symlink_to(kept)
    (tree / "out").symlink_to(kept)
    os.mkfifo(tree / "pipe")
    remove_tree(str(tree))
    assert os.listdir(tmp_path) == ["kept"]
    assert (kept / "file").read_text() == "x"
    assert kept.stat().st_mode & 0o777 == 0o750


def test_a_link_in_the_place_of_the_tree_is_left(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    (tmp_path / "tree").symlink_to("kept")
    remove_tree(str(tmp_path / "tree"))
    assert (tmp_path / "kept/file").read_text() == "x"


def test_directories_closed_to_their_owner_and_names_of_any_bytes(tmp_path: Path) -> None:
    closed = tmp_path / "tree/closed/in"
    closed.mkdir(parents=True)
    (closed / "file").write_text("x")
    closed.chmod(0)
    closed.parent.chmod(0)
    os.mkdir(os.fsencode(tmp_path / "tree") + b"/\xff\n")
    remove_tree(str(tmp_path / "tree"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("path", ["gone", "file"])
def test_what_is_no_directory_is_no_error(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("x")
    remove_tree(str(tmp_path / path))
    assert (tmp_path / "file").read_text() == "x"
