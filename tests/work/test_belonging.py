"""One data directory, one roadmap: a second project is refused before it is merged into the first."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.work.editing_kit import ROADMAP, Desk

from coffee_maker import wiring
from coffee_maker.core.errors import NotThisRoadmap
from coffee_maker.core.items import Status
from coffee_maker.core.ports import Store
from coffee_maker.settings import Flags, load
from coffee_maker.utils import data_directory
from coffee_maker.work import belonging, doctor


def test_a_second_project_on_one_data_directory_is_refused_and_nothing_is_mixed(store: Store, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    first, second = Desk(store, ours), Desk(store, theirs, text=ROADMAP.replace("Told", "Elsewhere told"))
    second.share_with(first)
    first.editing.set_status("2", Status.COMPLETE, by="ann")
    before = second.text
    with pytest.raises(NotThisRoadmap) as refused:
        second.editing.set_status("1", Status.BLOCKED, by="bob")
    assert str(ours / "ROADMAP.md") in refused.value.message
    assert "--data-dir" in refused.value.hint
    assert second.text == before
    assert len(first.editing.history()) == 1
    first.check_record()


def test_the_same_file_under_another_path_is_ours(tmp_path: Path) -> None:
    real = tmp_path / "ROADMAP.md"
    real.write_text("x")
    belonging.check(str(tmp_path), str(real))
    link = tmp_path / "link.md"
    link.symlink_to(real)
    belonging.check(str(tmp_path), str(link))
    hard = tmp_path / "hard.md"
    hard.hardlink_to(real)  # as a second mount shows it: another path, the same file
    belonging.check(str(tmp_path), str(hard))
    assert (tmp_path / "roadmap.paths").read_text().splitlines() == [str(real), str(hard)]


def test_a_roadmap_that_moved_and_one_behind_a_wall_are_ours(tmp_path: Path) -> None:
    old, new = tmp_path / "ROADMAP.md", tmp_path / "docs.md"
    old.write_text("x")
    belonging.check(str(tmp_path), str(old))
    old.rename(new)
    belonging.check(str(tmp_path), str(new))
    belonging.check(str(tmp_path), "/project/docs/ROADMAP.md")  # as a container notes it
    belonging.check(str(tmp_path), str(new))
    assert len((tmp_path / "roadmap.paths").read_text().splitlines()) == 3


def test_a_copy_of_a_project_with_its_data_is_told_before_anything_is_changed(tmp_path: Path) -> None:
    """`doctor` said that it works, and a daemon was started that could never take anything up."""
    project, copy = tmp_path / "project", tmp_path / "copy"
    project.mkdir()
    (project / "ROADMAP.md").write_text(ROADMAP)
    data_directory.ensure(str(project / "data"))
    wiring.open_operations(load(Flags(), {}, str(project))).editing.set_status("2", Status.COMPLETE, by="ann")
    shutil.copytree(project, copy)
    operations = wiring.open_operations(load(Flags(), {}, str(copy)))
    (told,) = [one for one in doctor.examine(operations.subject) if one.code == "not_this_roadmap"]
    assert told.level == "problem"
    assert "this project one with a data directory of its own" in (told.hint or "")
    with pytest.raises(NotThisRoadmap):
        operations.editing.check_ours()
    note = copy / "data" / "roadmap.paths"
    assert note.read_text().splitlines() == [str(project / "ROADMAP.md")], "only looked at"
    note.write_text("")
    assert operations.editing.set_status("1", Status.BLOCKED, by="bob").history_id is not None
