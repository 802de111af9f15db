"""What `doctor` says about set-ups that a command cannot easily be brought into, and what `init` refuses."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from coffee_maker import wiring
from coffee_maker.core.errors import OutOfReach, RepositoryBusy, RoadmapUnusable
from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.core.records import Finding
from coffee_maker.settings import Flags, load
from coffee_maker.utils import data_directory
from coffee_maker.utils.mounts import Mount
from coffee_maker.work import doctor
from coffee_maker.work.doctor import Subject, examine, mend
from coffee_maker.work.project import set_up


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "ROADMAP.md").write_text("### PRIORITY 1: One\n\n**Status**: Planned\n")
    return tmp_path


def subject(root: Path, **changed: Any) -> Subject:
    settings = load(Flags(), {}, str(root))
    return wiring.open_operations(settings).subject._replace(environ={}, **changed)


def found(subject: Subject, code: str) -> list[Finding]:
    return [finding for finding in examine(subject) if finding.code == code]


def test_an_old_python(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 9))
    [finding] = found(subject(root), "python")
    assert (finding.level, finding.hint) == ("problem", "Install Python 3.11 or newer.")


def test_settings_that_belong_to_somebody_else(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "coffee-roadmap.toml").write_text("")
    subject_ = subject(root)
    monkeypatch.setattr(doctor.os, "getuid", lambda: 4711)
    os.chown(root / "coffee-roadmap.toml", *((12345, -1) if os.geteuid() == 0 else (-1, -1)))
    assert any("belongs to another user" in finding.message for finding in found(subject_, "settings"))


def test_a_data_directory_that_others_write(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_directory.ensure(str(root / "data"))
    subject_ = subject(root)
    monkeypatch.setattr(doctor.os, "getuid", lambda: 4711)
    assert any("belong to another user" in finding.message for finding in found(subject_, "data"))
    monkeypatch.setattr(doctor.os, "access", lambda *_, **__: False)
    [finding] = found(subject_, "data")
    assert (finding.level, "cannot be written by user 4711" in finding.message) == ("problem", True)


def test_files_that_cannot_be_written(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_directory.ensure(str(root / "data"))
    closed = root / "data" / "notifications.gate"
    closed.touch()
    subject_ = subject(root)
    assert [finding.level for finding in found(subject_, "data")] == ["ok"]
    really = os.access
    monkeypatch.setattr(
        doctor.os, "access", lambda path, mode, **how: path != str(closed) and really(path, mode, **how)
    )
    assert [finding.level for finding in found(subject_, "data")] == ["problem", "ok"]
    assert "notifications.gate" in found(subject_, "data")[0].message


def test_an_unsafe_file_system(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "mount_of", lambda _: Mount(1, "/mnt/c", "9p"))
    assert [finding.level for finding in found(subject(root), "mounts")] == ["problem", "problem"]
    monkeypatch.setattr(doctor, "mount_of", lambda _: None)
    assert found(subject(root), "mounts") == []


def test_an_agent_that_is_missing_and_a_repository_that_is_busy(root: Path) -> None:
    (root / "coffee-roadmap.toml").write_text('[agent]\ncommand = ["no-such-program-anywhere"]\n')
    messages = [finding.message for finding in found(subject(root), "daemon")]
    assert any("no-such-program-anywhere" in message for message in messages)

    class Busy:
        def check(self) -> None:
            raise RepositoryBusy(path="p", operation="rebase")

        def newest_logged(self) -> str | None:
            return None

        def log_ref(self) -> str:
            return "refs/roadmap/log"

    busy = subject(root, repository=Busy)
    assert any("middle of a rebase" in finding.message for finding in found(busy, "daemon"))
    assert [finding.message for finding in found(busy, "git")] == ["Versions go to refs/roadmap/log."]
    unlogged = busy._replace(unpublished=lambda: "git is missing")
    assert "git is missing" in found(unlogged, "git")[0].message
    silent = busy._replace(settings=busy.settings._replace(git=busy.settings.git._replace(log=False)))
    assert found(silent, "git") == []


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('sandbox = "bwrap"', True),
        ('sandbox = "bwrap"\nnetwork = ["api.anthropic.com"]', False),
        ('sandbox = "none"', False),
        ('sandbox = "bwrap"\npreset = "codex"', True),
    ],
)
def test_an_agent_in_a_box_without_its_service(root: Path, more: str, told: bool) -> None:
    agent = "command" if "preset" in more else "claude"
    (root / "coffee-roadmap.toml").write_text(f'[daemon]\nagent = "{agent}"\n[agent]\n{more}\n')
    messages = [finding.message for finding in found(subject(root), "daemon")]
    assert any("box has no network" in message for message in messages) is told


def test_findings_of_the_databases_are_told_once(root: Path) -> None:
    twice = [
        Finding("version", "ok", "SQLite 3"),
        Finding("version", "ok", "SQLite 3"),
        Finding("filesystem", "ok", "x"),
    ]
    assert found(subject(root, databases=lambda: twice), "version") == twice[:1]


def test_a_channel_that_cannot_be_used_is_told(root: Path) -> None:
    (root / "coffee-roadmap.toml").write_text('[channels.bad]\nargv = ["true", "{titel}"]\n')
    (finding,) = [one for one in examine(subject(root)) if "titel" in one.message]
    assert finding.level == "problem"


def test_a_channel_that_fails_is_told(root: Path) -> None:
    (root / "coffee-roadmap.toml").write_text(
        '[channels.bad]\nargv = ["no-such-program-anywhere"]\n[channels.good]\nargv = ["true"]\n'
    )
    subject_ = subject(root)
    assert [finding.level for finding in found(subject_, "channels")] == ["ok", "ok"]
    messages = wiring.open_operations(subject_.settings).messages
    messages.notify(Draft(source=Source.DAEMON, kind=Kind.ALERT, message="Help"))
    messages.deliver_due()
    bad, good = found(subject_, "channels")
    assert (bad.level, good.level) == ("notice", "ok")
    assert "The channel bad could not deliver alert 1: " in bad.message
    assert "no-such-program-anywhere" in bad.message
    assert "[channels.bad]" in bad.hint


def test_mending_without_a_roadmap_makes_the_data_directory_only(tmp_path: Path) -> None:
    assert [finding.code for finding in mend(subject(tmp_path))] == ["fixed"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


# --- init ------------------------------------------------------------------------------------------------------


def test_a_roadmap_that_comes_into_being_meanwhile_is_kept(tmp_path: Path) -> None:
    settings = load(Flags(), {}, str(tmp_path))
    operations = wiring.open_operations(settings)

    class Late:
        def create(self, content: bytes) -> None:
            raise FileExistsError

    assert [part.made for part in set_up(settings, Late())] == [True, False, True]  # type: ignore[arg-type]
    assert operations.settings is settings


@pytest.mark.parametrize("kind", ["directory", "fifo", "the root of all"])
def test_what_is_no_roadmap_is_refused_before_anything_is_made(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path = Path("/")
    before = sorted(tmp_path.iterdir())
    settings = load(Flags(roadmap=str(path), data_dir=str(tmp_path / "data")), {}, str(tmp_path))
    with pytest.raises(RoadmapUnusable, match=r"it is (a directory|no regular file)"):
        set_up(settings, wiring.open_operations(settings).file)
    assert sorted(tmp_path.iterdir()) == before


def test_a_place_that_cannot_be_written_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "docs").write_text("a file")
    settings = load(Flags(), {}, str(tmp_path))
    with pytest.raises(OutOfReach, match="ROADMAP"):
        set_up(settings, wiring.open_operations(settings).file)


def test_a_settings_file_that_cannot_be_made(root: Path) -> None:
    settings = load(Flags(), {}, str(root))
    (root / "coffee-roadmap.toml").mkdir()  # no file, so it was not found as one
    assert [part.made for part in set_up(settings, wiring.open_operations(settings).file)] == [True, False, False]
    elsewhere = settings._replace(root=str(root / "no/such"))
    with pytest.raises(OutOfReach, match=r"coffee-roadmap\.toml"):
        set_up(elsewhere, wiring.open_operations(settings).file)
