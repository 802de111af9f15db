"""The `db` operations on both databases: made, looked at, checked, backed up, restored without losing, tidied."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.stores import open_store

from coffee_maker.core.errors import (
    BackupUnusable,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseUnusable,
    LockBusy,
    RestoreWouldLose,
)
from coffee_maker.core.history import NewChange
from coffee_maker.core.ports import Maintenance
from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.core.records import Backup, Finding, Run
from coffee_maker.core.state import RoadmapState
from coffee_maker.store import backup_file, migrate, sqlite_maintenance, values
from coffee_maker.store.common import SharedStore
from coffee_maker.store.sqlite_maintenance import SqliteMaintenance
from coffee_maker.utils import data_directory, locks
from coffee_maker.utils.connection import NAMES, Databases
from coffee_maker.utils.database import get_db_connection
from coffee_maker.utils.mounts import Mount
from coffee_maker.utils.sqlite_link import SqliteLink
from coffee_maker.work import databases as db

NOW = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def maintenance(databases: Databases) -> list[Maintenance]:
    if databases.url is None:
        return [SqliteMaintenance(databases, name) for name in NAMES]
    from coffee_maker.store.postgres_maintenance import PostgresMaintenance

    return [PostgresMaintenance(databases, name) for name in NAMES]


@pytest.fixture
def looked_after(databases: Databases) -> list[Maintenance]:
    return maintenance(databases)


def change(before: str, after: str, at: datetime = NOW) -> NewChange:
    return NewChange(at, "p", "update", "K", "a", "b", "text\0", "text", "-a\n+b\n", None, before, after)


def write_something(store: SharedStore, at: datetime = NOW) -> int:
    content = f"# Roadmap\n\0{at}".encode()
    digest = hashlib.sha256(content).hexdigest()
    with store.writing() as tx:
        newest = tx.roadmap.changes(limit=1)
        tx.roadmap.save_version(digest, content, at)
        tx.roadmap.append(change(newest[0].after_hash if newest else "0" * 64, digest, at))
        tx.roadmap.set_state(RoadmapState(digest, None, None))
        note, _ = tx.notifications.create(Draft(Source.DAEMON, Kind.QUESTION, "Which?\n%s ?", options=("a", "b")), at)
        tx.deliveries.add(note.id, "command", at)
        tx.claims.take("K", "daemon", lease=timedelta(minutes=5), now=at)
    with store.runs() as runs:
        runs.start(Run("K", "daemon", "command", "b", at, None, None, None, None, None))
    return note.id


def problems(findings: Sequence[Finding]) -> list[str]:
    return [finding.code for finding in findings if finding.level == "problem"]


def test_init_makes_once(looked_after: list[Maintenance]) -> None:
    assert [(made.changed, made.status.exists) for made in db.init(looked_after)] == [(True, True)] * 2
    assert [made.changed for made in db.init(looked_after)] == [False, False]


def test_status_before_and_after(looked_after: list[Maintenance], store: SharedStore, databases: Databases) -> None:
    assert [status.exists for status in db.status(looked_after)] == [False, False]
    write_something(store)
    shared, analytics = db.status(looked_after)
    assert shared.schema_version == shared.known_version >= 1
    assert shared.rows["notifications"] == shared.rows["roadmap_history"] == analytics.rows["runs"] == 1
    assert shared.size > 0
    assert shared.writer is None
    assert shared.kind == ("sqlite" if databases.url is None else "postgresql")
    with store.writing():
        assert str(os.getpid()) in str(db.status(looked_after)[0].writer)


def test_status_shows_no_password(looked_after: list[Maintenance], databases: Databases) -> None:
    if databases.url is not None:
        parted = databases._replace(url=f"{databases.url}&password=s3cret")
        assert "s3cret" not in maintenance(parted)[0].status().location
        assert "s3cret" not in repr(parted)


def test_check_of_a_healthy_database(looked_after: list[Maintenance], store: SharedStore, databases: Databases) -> None:
    write_something(store)
    with store.reading() as tx:
        state = tx.roadmap.state()
    assert state is not None
    directory = databases.directory if databases.url is None else None
    found = db.check(looked_after, store, roadmap_hash=state.hash, directory=directory)
    assert {finding.level for finding in found} == {"ok"}


def test_check_before_anything_is_written(looked_after: list[Maintenance], store: SharedStore) -> None:
    found = db.check(looked_after, store, roadmap_hash=None, directory=None)
    assert not problems(found)
    assert [finding.code for finding in found].count("missing") == 2


def test_check_finds_what_does_not_fit(
    looked_after: list[Maintenance], store: SharedStore, databases: Databases
) -> None:
    write_something(store)
    write_something(store, LATER)
    assert [f.code for f in db.check_history(store, "f" * 64) if f.level == "notice"] == ["file_ahead"]
    assert problems(db.check_history(store, None)) == ["file_missing"]
    with get_db_connection("notifications", databases=databases) as conn:
        conn.execute("UPDATE roadmap_history SET before_hash = ? WHERE id = 2", ("e" * 64,))
        conn.execute("UPDATE roadmap_state SET hash = ?", ("d" * 64,))
        conn.execute("UPDATE schema_migrations SET sha256 = ?", ("0" * 64,))
    assert problems(db.check_history(store, "d" * 64)) == ["history_gap", "history_end"]
    assert "damaged" in problems(looked_after[0].verify())


@pytest.mark.parametrize("damage", [b"no zlib", values.compress(b"another text")])
def test_check_finds_a_kept_version_that_is_damaged(damage: bytes, store: SharedStore, databases: Databases) -> None:
    content = b"# Roadmap"
    digest = hashlib.sha256(content).hexdigest()
    with store.writing() as tx:
        tx.roadmap.save_version(digest, content, NOW)
    assert not problems(db.check_history(store, None))
    with get_db_connection("notifications", databases=databases) as conn:
        conn.execute("UPDATE roadmap_versions SET content = ?", (damage,))
    assert problems(db.check_history(store, None)) == ["version_damaged"]
    with store.reading() as tx:
        assert tx.roadmap.version(digest) in (None, b"another text")


def test_check_finds_rows_that_refer_to_nothing(sqlite_store: SharedStore, sqlite_databases: Databases) -> None:
    write_something(sqlite_store)
    sqlite_store.close()
    raw = apsw.Connection(os.path.join(sqlite_databases.directory, "notifications.db"))
    raw.execute("PRAGMA foreign_keys = OFF; DELETE FROM notifications")
    raw.close()
    assert problems(SqliteMaintenance(sqlite_databases, "notifications").verify()) == ["damaged"]


@pytest.mark.parametrize(("kind", "level"), [("virtiofs", "problem"), ("fuse.sshfs", "problem"), ("ext4", "ok")])
def test_check_of_the_file_system(kind: str, level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db, "mount_of", lambda path: Mount(1, "/mnt", kind))
    assert db.check_filesystem(str(tmp_path / "data")).level == level
    monkeypatch.setattr(db, "mount_of", lambda path: None)
    assert db.check_filesystem(str(tmp_path)).level == "notice"


def test_backup_and_restore_bring_everything_back(
    looked_after: list[Maintenance], store: SharedStore, databases: Databases, tmp_path: Path
) -> None:
    number = write_something(store)
    directory = databases.directory
    made = [db.backup(database, directory, now=NOW) for database in looked_after]
    assert made[0].rows["notifications"] == made[1].rows["runs"] == 1
    assert made[0].newest == NOW
    assert Path(made[0].path).parent == Path(directory, "backups")
    with store.reading() as tx:
        before = (tx.notifications.find(), tx.roadmap.changes(), tx.deliveries.of(number), tx.roadmap.state())
        kept = tx.roadmap.version(tx.roadmap.versions(1)[0])
    write_something(store, LATER)
    with store.writing() as tx:
        fence = tx.claims.take("K", "daemon", lease=timedelta(minutes=5), now=LATER).fence

    with pytest.raises(RestoreWouldLose):
        db.restore(looked_after[0], made[0].path, directory, now=LATER)
    restored = db.restore(looked_after[0], made[0].path, directory, now=LATER, yes=True)

    with store.reading() as tx:
        assert (tx.notifications.find(), tx.roadmap.changes(), tx.deliveries.of(number), tx.roadmap.state()) == before
        assert tx.roadmap.version(tx.roadmap.versions(1)[0]) == kept
    assert restored.kept is not None
    assert looked_after[0].look_into(restored.kept).rows["notifications"] == 2
    with store.writing() as tx:  # numbers go on from where they were
        assert tx.claims.take("K", "daemon", lease=timedelta(minutes=5), now=LATER).fence > fence
        note, _ = tx.notifications.create(Draft(Source.DAEMON, Kind.INFO, "new"), LATER)
        assert note.id > number + 1
    assert not problems(looked_after[0].verify())


def test_a_backup_fits_the_other_kind_of_database(
    looked_after: list[Maintenance], store: SharedStore, databases: Databases, tmp_path: Path
) -> None:
    write_something(store)
    made = db.backup(looked_after[0], databases.directory, now=NOW, path=str(tmp_path / "b.db"))
    elsewhere = SqliteMaintenance(Databases(str(tmp_path / "other")), "notifications")
    restored = db.restore(elsewhere, made.path, str(tmp_path / "other"), now=NOW)
    assert restored.kept is None
    assert elsewhere.status().rows == made.rows
    assert not problems(elsewhere.verify())
    assert elsewhere.status().journal_mode == "wal"


def test_restoring_what_is_already_there_needs_no_yes(
    looked_after: list[Maintenance], store: SharedStore, databases: Databases
) -> None:
    write_something(store)
    made = db.backup(looked_after[0], databases.directory, now=NOW)
    assert db.restore(looked_after[0], made.path, databases.directory, now=LATER).kept is not None


@pytest.mark.parametrize("yes", [False, True])
def test_nobody_writes_between_what_is_kept_and_what_is_replaced(
    yes: bool,
    looked_after: list[Maintenance],
    store: SharedStore,
    databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_something(store)
    made = db.backup(looked_after[0], databases.directory, now=NOW)
    real, meanwhile = backup_file.make, []

    def make(*args: Any) -> Backup:
        kept = real(*args)
        with pytest.raises(DatabaseBusy):
            write_something(impatient, LATER)
        meanwhile.append(kept.path)
        return kept

    impatient = open_store(databases._replace(gate_timeout=0.05))
    monkeypatch.setattr(backup_file, "make", make)
    restored = db.restore(looked_after[0], made.path, databases.directory, now=LATER, yes=yes)
    assert meanwhile == [restored.kept]
    write_something(impatient, LATER)
    impatient.close()


def test_a_restore_waits_for_a_change_of_the_roadmap(
    looked_after: list[Maintenance], store: SharedStore, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_something(store)
    shared, analytics = (db.backup(database, databases.directory, now=NOW).path for database in looked_after)
    monkeypatch.setattr(db, "LOCK_SECONDS", 0.05)
    with locks.hold(data_directory.lock_path(databases.directory), what="ROADMAP.md", timeout=0):
        with pytest.raises(LockBusy, match=r"ROADMAP\.md is held by"):
            db.restore(looked_after[0], shared, databases.directory, now=LATER)
        assert db.restore(looked_after[1], analytics, databases.directory, now=LATER).kept is not None
    assert db.restore(looked_after[0], shared, databases.directory, now=LATER).kept is not None


def test_a_restore_that_is_killed_gives_no_number_out_again(
    sqlite_store: SharedStore, sqlite_databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SqliteMaintenance(sqlite_databases, "notifications")
    write_something(sqlite_store)
    made = db.backup(shared, sqlite_databases.directory, now=NOW)
    later = write_something(sqlite_store, LATER)
    real = backup_file.copy_pages

    def copy_pages(source: SqliteLink, target: SqliteLink) -> None:
        real(source, target)
        if target.raw.filename.endswith("/notifications.db"):
            raise KeyboardInterrupt

    monkeypatch.setattr(backup_file, "copy_pages", copy_pages)
    with pytest.raises(KeyboardInterrupt):
        db.restore(shared, made.path, sqlite_databases.directory, now=LATER, yes=True)
    assert shared.status().rows["notifications"] == 1
    assert write_something(sqlite_store, LATER) > later


def test_a_reader_keeps_its_snapshot_through_a_restore(
    looked_after: list[Maintenance], store: SharedStore, databases: Databases, tmp_path: Path
) -> None:
    write_something(store)
    made = db.backup(looked_after[0], databases.directory, now=NOW)
    write_something(store, LATER)
    with store.reading() as tx:
        assert len(tx.notifications.find()) == 2
        if databases.url is None:  # PostgreSQL's reader holds its snapshot too; in one process it is the same thread
            looked_after[0].restore(made.path, str(tmp_path / "kept.db"), yes=True)
            assert len(tx.notifications.find()) == 2
    if databases.url is None:
        with store.reading() as tx:
            assert len(tx.notifications.find()) == 1


def test_no_backup_of_nothing_and_none_over_a_file(
    looked_after: list[Maintenance], store: SharedStore, databases: Databases, tmp_path: Path
) -> None:
    with pytest.raises(DatabaseUnusable, match="nothing to back up"):
        db.backup(looked_after[0], databases.directory, now=NOW)
    write_something(store)
    precious = tmp_path / "precious"
    precious.write_text("mine")
    with pytest.raises(BackupUnusable, match="exists already"):
        db.backup(looked_after[0], databases.directory, now=NOW, path=str(precious))
    assert precious.read_text() == "mine"


def test_a_backup_that_cannot_be_finished_leaves_no_file(
    looked_after: list[Maintenance],
    store: SharedStore,
    databases: Databases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_something(store)
    real = backup_file.look_into
    monkeypatch.setattr(backup_file, "look_into", lambda name, path: real(name, path)._replace(rows={}))
    with pytest.raises(BackupUnusable, match="rows are missing"):
        looked_after[0].backup(str(tmp_path / "b.db"))
    assert not list(tmp_path.glob("b.db*"))


def test_a_killed_backup_is_not_in_the_way_of_the_next(
    looked_after: list[Maintenance], store: SharedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_something(store)
    store.close()
    folder = tmp_path / "backups"
    folder.mkdir()
    child = os.fork()
    if not child:
        try:
            monkeypatch.setattr(backup_file, "look_into", lambda *_: os._exit(9))
            looked_after[0].backup(str(folder / "b.db"))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(list(folder.iterdir())) == 1
    for name in ("b.db", "c.db"):
        assert looked_after[0].backup(str(folder / name)).rows["notifications"] == 1
    assert sorted(path.name for path in folder.iterdir()) == ["b.db", "c.db"]


def test_a_backup_leaves_the_file_of_another_that_is_being_made_alone(
    looked_after: list[Maintenance], store: SharedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_something(store)
    monkeypatch.setattr(backup_file, "FOLDER_SECONDS", 0.0)
    real = backup_file.look_into

    def look_into(name: str, path: str) -> Backup:
        monkeypatch.setattr(backup_file, "look_into", real)
        with pytest.raises(BackupUnusable, match="another backup is being made"):
            looked_after[0].backup(str(tmp_path / "b.db"))
        return real(name, path)

    monkeypatch.setattr(backup_file, "look_into", look_into)
    assert looked_after[0].backup(str(tmp_path / "b.db")).rows["notifications"] == 1


def test_an_old_backup_is_brought_up_in_memory(
    sqlite_store: SharedStore, sqlite_databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_something(sqlite_store)
    made = SqliteMaintenance(sqlite_databases, "notifications").backup(str(tmp_path / "b.db"))
    before = Path(made.path).read_bytes()
    folder = tmp_path / "migrations"
    shutil.copytree(migrate._FOLDER, folder)
    ours = folder / "sqlite" / "notifications"
    (ours / f"{len(list(ours.iterdir())) + 1:04}_more.sql").write_text("CREATE TABLE more (x TEXT) STRICT;\n")
    monkeypatch.setattr(backup_file, "Schema", partial(migrate.Schema, folder=str(folder)))
    with backup_file.opened_up_to_date("notifications", made.path) as link:
        assert link.execute("SELECT count(*) FROM more").fetchone() == (0,)
        assert link.execute("SELECT count(*) FROM notifications").fetchone() == (1,)
    assert Path(made.path).read_bytes() == before


def test_what_is_no_backup_is_refused(looked_after: list[Maintenance], databases: Databases, tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("not a database" * 1000)
    empty = tmp_path / "empty.db"
    empty.write_bytes(b"")
    for path in (text, empty, tmp_path / "missing.db", tmp_path):
        with pytest.raises(BackupUnusable):
            db.restore(looked_after[0], str(path), databases.directory, now=NOW, yes=True)


def test_a_damaged_backup_is_refused(sqlite_store: SharedStore, sqlite_databases: Databases, tmp_path: Path) -> None:
    for hours in range(30):
        write_something(sqlite_store, NOW + timedelta(hours=hours))
    shared = SqliteMaintenance(sqlite_databases, "notifications")
    made = db.backup(shared, sqlite_databases.directory, now=NOW)
    content = bytearray(Path(made.path).read_bytes())
    for start in range(8192, len(content), 4096):
        content[start : start + 64] = b"\xff" * 64
    broken = tmp_path / "broken.db"
    broken.write_bytes(content)
    with pytest.raises(BackupUnusable):
        db.restore(shared, str(broken), sqlite_databases.directory, now=NOW, yes=True)
    with sqlite_store.reading() as tx:
        assert len(tx.notifications.find()) == 30


def damage(databases: Databases, how: str) -> Path:
    """Damage the file of the shared database, which nobody has open."""
    path = Path(databases.directory, "notifications.db")
    raw = apsw.Connection(str(path))
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if how == "orphans":
        raw.execute("PRAGMA foreign_keys = OFF; DELETE FROM notifications")
    raw.close()
    content = bytearray(path.read_bytes())
    if how == "text":
        content[:] = b"my notes\n" * 1000
    elif how == "pages":
        for start in range(8192, len(content), 4096):
            content[start : start + 512] = b"\xa5" * 512
    elif how == "cut":
        content = content[:8292]
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("how", ["text", "pages", "cut", "orphans"])
def test_a_damaged_database_is_kept_aside_and_a_backup_takes_its_place(
    how: str, sqlite_store: SharedStore, sqlite_databases: Databases
) -> None:
    shared, directory = SqliteMaintenance(sqlite_databases, "notifications"), sqlite_databases.directory
    write_something(sqlite_store)
    made = db.backup(shared, directory, now=NOW)
    later = write_something(sqlite_store, LATER)
    sqlite_store.close()
    path = damage(sqlite_databases, how)
    content, mode = path.read_bytes(), path.stat().st_mode

    found = db.check([shared], sqlite_store, roadmap_hash=None, directory=directory)
    assert problems(found)
    (hint,) = (finding.hint for finding in found if finding.code == "damaged" and finding.hint)
    assert f"--yes` puts a backup in the place of {path}" in hint
    assert os.path.basename(made.path) in hint

    with pytest.raises(DatabaseDamaged, match="is damaged") as refused:
        db.restore(shared, made.path, directory, now=LATER)
    assert "--yes" in refused.value.hint
    assert path.read_bytes() == content

    kept = db.restore(shared, made.path, directory, now=LATER, yes=True).kept
    assert kept is not None
    assert (Path(kept).read_bytes(), Path(kept).parent) == (content, Path(directory))
    assert not path.with_name(path.name + ".new").exists()
    assert (shared.status().journal_mode, path.stat().st_mode) == ("wal", mode)
    assert shared.status().rows == made.rows
    assert not problems(shared.verify())
    number = write_something(sqlite_store, LATER)
    assert number > later if how == "orphans" else number > 1  # what can still be read there counts on


def test_who_has_the_damaged_database_open_goes_on_with_the_one_in_its_place(
    sqlite_store: SharedStore, sqlite_databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SqliteMaintenance(sqlite_databases, "notifications")
    write_something(sqlite_store)
    made = db.backup(shared, sqlite_databases.directory, now=NOW)
    write_something(sqlite_store, LATER)

    def damages(link: SqliteLink) -> list[str]:
        return ["page 7"] if link.raw.filename.endswith("/notifications.db") else []

    monkeypatch.setattr(backup_file, "damages", damages)
    with sqlite_store.wakeup() as watch, sqlite_store.reading() as tx:
        kept = db.restore(shared, made.path, sqlite_databases.directory, now=LATER, yes=True).kept
        assert len(tx.notifications.find()) == 2
        assert watch.wait(0)
    monkeypatch.undo()
    write_something(sqlite_store, LATER)
    with sqlite_store.reading() as tx:
        assert len(tx.notifications.find()) == 2
    assert shared.look_into(str(kept)).rows["notifications"] == 2


def test_what_became_whole_meanwhile_is_not_put_away(
    sqlite_store: SharedStore, sqlite_databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, directory = SqliteMaintenance(sqlite_databases, "notifications"), sqlite_databases.directory
    write_something(sqlite_store)
    made = db.backup(shared, directory, now=NOW)
    looks: list[int] = []

    def damages(link: SqliteLink) -> list[str]:
        if not link.raw.filename.endswith("/notifications.db"):
            return []
        looks.append(1)
        return ["page 7"] if len(looks) == 1 else []  # another restore came in between

    monkeypatch.setattr(backup_file, "damages", damages)
    kept = db.restore(shared, made.path, directory, now=LATER, yes=True).kept
    assert kept is not None
    assert "damaged" not in os.path.basename(kept)
    assert not list(Path(directory).glob("damaged-*"))


@pytest.mark.parametrize("numbers", [ValueError("abc"), {"notifications": 2**63 - 1}, {"notifications": 41}])
def test_numbers_of_a_damaged_database_count_as_far_as_they_can_be_read(
    numbers: ValueError | dict[str, int],
    sqlite_store: SharedStore,
    sqlite_databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared, directory = SqliteMaintenance(sqlite_databases, "notifications"), sqlite_databases.directory
    write_something(sqlite_store)
    made = db.backup(shared, directory, now=NOW)
    sqlite_store.close()
    path = damage(sqlite_databases, "orphans")
    really = sqlite_maintenance._numbers

    def read(link: SqliteLink) -> Any:
        if link.raw.filename != str(path):
            return really(link)
        if isinstance(numbers, ValueError):
            raise numbers
        return numbers

    monkeypatch.setattr(sqlite_maintenance, "_numbers", read)
    db.restore(shared, made.path, directory, now=LATER, yes=True)
    assert write_something(sqlite_store, LATER) == (42 if numbers == {"notifications": 41} else 2)


def test_without_a_backup_the_check_says_so(sqlite_store: SharedStore, sqlite_databases: Databases) -> None:
    write_something(sqlite_store)
    sqlite_store.close()
    damage(sqlite_databases, "cut")
    shared = SqliteMaintenance(sqlite_databases, "notifications")
    (found,) = (
        finding
        for finding in db.check([shared], sqlite_store, roadmap_hash=None, directory=sqlite_databases.directory)
        if finding.code == "damaged"
    )
    assert "There is no backup of it" in found.hint


def test_the_other_databases_backup_is_refused(
    looked_after: list[Maintenance], store: SharedStore, databases: Databases
) -> None:
    write_something(store)
    made = [db.backup(database, databases.directory, now=NOW).path for database in looked_after]
    with pytest.raises(BackupUnusable, match="backup of the database analytics") as refused:
        db.restore(looked_after[0], made[1], databases.directory, now=NOW, yes=True)
    assert "--database analytics" in refused.value.hint
    with pytest.raises(BackupUnusable, match="backup of the database notifications"):
        db.restore(looked_after[1], made[0], databases.directory, now=NOW, yes=True)


def test_a_full_disk_is_told_of_the_database_and_not_of_the_backup(
    sqlite_store: SharedStore, sqlite_databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SqliteMaintenance(sqlite_databases, "notifications")
    write_something(sqlite_store)
    made = shared.backup(str(tmp_path / "b.db"))
    real = backup_file.copy_pages

    def copy_pages(source: SqliteLink, target: SqliteLink) -> None:
        if target.raw.filename.endswith("/notifications.db"):
            raise apsw.FullError("database or disk is full")
        real(source, target)

    monkeypatch.setattr(backup_file, "copy_pages", copy_pages)
    with pytest.raises(DatabaseUnusable, match=r"data/notifications\.db is full"):
        db.restore(shared, made.path, sqlite_databases.directory, now=NOW)


def test_a_backup_into_no_folder_says_so(
    looked_after: list[Maintenance], store: SharedStore, databases: Databases, tmp_path: Path
) -> None:
    write_something(store)
    with pytest.raises(BackupUnusable, match=r"nowhere cannot be opened \(No such file") as refused:
        db.backup(looked_after[0], databases.directory, now=NOW, path=str(tmp_path / "nowhere" / "b.db"))
    assert "Make the folder first" in refused.value.hint


def test_vacuum(looked_after: list[Maintenance], store: SharedStore) -> None:
    assert db.vacuum(looked_after) == []
    for hours in range(50):
        write_something(store, NOW + timedelta(hours=hours))
    done = db.vacuum(looked_after)
    assert [one.name for one in done] == list(NAMES)
    if looked_after[0].status().kind == "sqlite":  # a server keeps its own books
        assert done[0].after < done[0].before
    with store.reading() as tx:
        assert len(tx.notifications.find()) == 50
