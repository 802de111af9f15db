"""The handshake: what differs between this process and a daemon is named, with what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coffee_maker.adapters.roadmap_file import RoadmapFile
from coffee_maker.adapters.system import SystemFacts
from coffee_maker.core.document import LARGEST
from coffee_maker.core.records import Heartbeat
from coffee_maker.store.sqlite import SqliteStore
from coffee_maker.utils import data_directory
from coffee_maker.utils.connection import Databases
from coffee_maker.work.editing import Editing
from coffee_maker.work.recording import Options
from coffee_maker.work.sync import Report, Sync

PATIENCE = timedelta(seconds=20)


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Sight:
    """The `System` port with something changed in what it sees."""

    def __init__(self, facts: SystemFacts, **changed: object) -> None:
        self._facts = facts
        self._changed = changed

    def seen(self) -> Mapping[str, object]:
        return {**self._facts.seen(), **self._changed}


class Place:
    """A project, and the daemon that looks at it from somewhere."""

    def __init__(self, root: Path) -> None:
        roadmap, data = root / "ROADMAP.md", root / "data"
        roadmap.write_text("### PRIORITY 1: One\n\n**Status**: Planned\n")
        data_directory.ensure(str(data))
        self.store = SqliteStore(Databases(str(data)))
        self.facts = SystemFacts(str(roadmap), str(data), str(data / "notifications.db"))
        options = Options(lock_path=str(data / "roadmap.lock"))
        self.editing = Editing(self.store, RoadmapFile(str(roadmap)), Clock(), options)

    @contextmanager
    def daemon(self, **changed: object) -> Iterator[None]:
        """A daemon that beats once and answers every handshake."""
        sight, over = Sight(self.facts, **changed), threading.Event()
        with self.store.writing() as tx:
            tx.heartbeats.beat(Heartbeat("d", "box", 1, "b", "idle", None, None, Clock().now(), {}))

        def answer() -> None:
            answered: set[str] = set()
            with self.store.wakeup() as wakeup:
                while not over.is_set():
                    with self.store.reading() as tx:
                        new = set(tx.heartbeats.open_asks(Clock().now() - timedelta(minutes=1))) - answered
                    for nonce in new:
                        with self.store.writing() as tx:
                            tx.heartbeats.reply(nonce, "d", sight.seen(), Clock().now())
                    answered |= new
                    wakeup.wait(0.05)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def sync(self, *, uses_files: bool = True, **changed: object) -> Report:
        system = Sight(self.facts, **changed)
        return Sync(self.store, Clock(), system, uses_files=uses_files).run(self.editing, patience=PATIENCE)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path)
    yield found
    found.store.close()


def problems(report: Report) -> list[str]:
    return [finding.code for finding in report.findings if finding.level == "problem"]


def test_all_agree(place: Place) -> None:
    with place.daemon(roadmap="/project/docs/ROADMAP.md", data="/data", host="container"):
        report = place.sync()
    assert (report.agree, problems(report)) == (True, [])
    assert [answered for _, answered in report.daemons] == [True]
    assert report.revision == str(report.seen["roadmap_hash"])[:12]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"boot_id": "another"}, ["other_kernel"]),
        ({"database_inode": 1}, ["other_database"]),
        ({"roadmap_hash": "0" * 64}, ["other_text"]),
        ({"roadmap_inode": 1}, ["other_file"]),
        ({"roadmap_alone": True}, ["single_file"]),
        ({"boot_id": "another", "roadmap_hash": None}, ["other_kernel", "other_text"]),
    ],
)
def test_what_a_daemon_sees_differently_is_named_with_a_cure(
    place: Place, changed: dict[str, object], found: list[str]
) -> None:
    with place.daemon(**changed):
        report = place.sync()
    assert (report.agree, problems(report)) == (False, found)
    assert all(finding.hint for finding in report.findings if finding.level == "problem")


def test_another_kernel_is_no_problem_on_postgresql(place: Place) -> None:
    with place.daemon(boot_id="another", roadmap_inode=1, database_inode=None):
        assert problems(place.sync(uses_files=False)) == []


def test_an_unsafe_file_system_is_a_problem_only_for_files(place: Place) -> None:
    assert problems(place.sync(data_mount="virtiofs")) == ["filesystem"]
    assert problems(place.sync(data_mount="virtiofs", uses_files=False)) == []
    assert problems(place.sync(data_mount=None)) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_roadmap_that_is_mounted_as_a_single_file_is_a_problem(tmp_path: Path) -> None:
    roadmap, other = tmp_path / "docs/ROADMAP.md", tmp_path / "other.md"
    roadmap.parent.mkdir()
    roadmap.write_text("### PRIORITY 1: One\n\n**Status**: Planned\n")
    other.write_text(roadmap.read_text())
    command = f'mount --bind "{other}" "{roadmap}" && exec "$0" -m coffee_maker sync --json'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command, sys.executable], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stderr
    data = json.loads(done.stdout)["data"]
    assert (data["agree"], data["seen"]["roadmap_alone"]) == (False, True)
    assert [one["code"] for one in data["findings"] if one["level"] == "problem"] == ["single_file"]


def test_what_cannot_be_seen_is_none(tmp_path: Path) -> None:
    seen = SystemFacts(str(tmp_path / "no.md"), str(tmp_path / "no"), None, str(tmp_path / "no.toml")).seen()
    for fact in ("roadmap_hash", "settings_hash", "roadmap_device", "data_inode", "data_mount", "database_inode"):
        assert seen[fact] is None


@pytest.mark.parametrize("other", ["/dev/zero", "."])
def test_what_is_no_file_is_not_read(tmp_path: Path, other: str) -> None:
    (tmp_path / "ROADMAP.md").symlink_to(other)
    assert SystemFacts(str(tmp_path / "ROADMAP.md"), str(tmp_path), None).seen()["roadmap_hash"] is None


def test_what_is_larger_than_a_roadmap_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "ROADMAP.md").open("wb") as file:
        file.truncate(LARGEST + 1)
    facts = SystemFacts(str(tmp_path / "ROADMAP.md"), str(tmp_path), None)
    assert facts.seen()["roadmap_hash"] is None
    os.truncate(tmp_path / "ROADMAP.md", LARGEST)
    assert facts.seen()["roadmap_hash"] is not None


def test_two_looks_at_one_thing_are_equal_and_a_change_shows(place: Place, tmp_path: Path) -> None:
    first = place.facts.seen()
    assert first == place.facts.seen()
    (tmp_path / "ROADMAP.md").write_text("other")
    assert place.facts.seen()["roadmap_hash"] != first["roadmap_hash"]
