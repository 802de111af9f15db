"""The data directory: made once, marked, never shared with files that are not ours."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from coffee_maker.core.errors import DataDirectoryUnusable
from coffee_maker.utils import data_directory


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o007)
    yield
    os.umask(before)


def test_it_is_made_and_marked(tmp_path: Path, umask: None) -> None:
    data = tmp_path / "data"
    assert not data_directory.is_ours(str(data))
    data_directory.ensure(str(data))
    data_directory.ensure(str(data))
    assert data_directory.is_ours(str(data))
    assert (data / ".gitignore").read_text() == "*\n"
    assert stat.S_IMODE(data.stat().st_mode) == 0o770
    assert stat.S_IMODE((data / data_directory.MARKER).stat().st_mode) == 0o660


def test_a_parents_group_is_handed_down(tmp_path: Path, umask: None) -> None:
    tmp_path.chmod(0o2770)
    data_directory.ensure(str(tmp_path / "data"))
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o2770


@pytest.mark.parametrize("inside", [[], ["lost+found"]])
def test_an_empty_directory_is_taken(inside: list[str], tmp_path: Path) -> None:
    for name in inside:
        (tmp_path / name).mkdir()
    data_directory.ensure(str(tmp_path))
    assert data_directory.is_ours(str(tmp_path))


def test_other_peoples_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(DataDirectoryUnusable, match=r"thesis\.tex"):
        data_directory.ensure(str(tmp_path))
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_no_parents_are_made(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryUnusable, match="No such file"):
        data_directory.ensure(str(tmp_path / "typo" / "data"))
    assert os.listdir(tmp_path) == []


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    with pytest.raises(DataDirectoryUnusable, match="a file is in its place"):
        data_directory.ensure(str(tmp_path / "data"))
