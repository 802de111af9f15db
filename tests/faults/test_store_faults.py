"""What goes wrong under a store: full disk, damage, the future, no permission, a file that is no database."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from coffee_maker.core.errors import DatabaseBusy, DatabaseTooNew, DatabaseUnusable, Refusal
from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.store.common import SharedStore
from coffee_maker.store.sqlite import SqliteStore
from coffee_maker.utils import sqlite_link
from coffee_maker.utils.connection import Databases
from coffee_maker.utils.database import get_db_connection
from coffee_maker.utils.mounts import Mount

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
INFO = Draft(Source.DAEMON, Kind.INFO, "x")


def write(store: SharedStore, message: str = "x") -> None:
    with store.writing() as tx:
        tx.notifications.create(INFO._replace(message=message), NOW)


def count(store: SharedStore) -> int:
    with store.reading() as tx:
        return len(tx.notifications.find())


def refusal_of(store: SharedStore) -> Refusal:
    """How a writer is refused; a plain sentence with a way out."""
    with pytest.raises(Refusal) as refused:
        write(store)
    assert refused.value.message.endswith(".")
    assert refused.value.hint
    assert "locked" not in refused.value.message
    return refused.value


@pytest.fixture
def database(sqlite_store: SharedStore, sqlite_databases: Databases) -> Path:
    """The file of a database with something in it, and no connection open."""
    write(sqlite_store)
    sqlite_store.close()
    return Path(sqlite_databases.directory, "notifications.db")


# --- not a database, damaged, from the future ------------------------------------------------------------------


def without_log(database: Path) -> None:
    """Fold the log in and remove it, as SQLite does when the last of its other programs closes."""
    raw = apsw.Connection(str(database))
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()


def test_a_text_file_in_its_place(database: Path, sqlite_store: SharedStore) -> None:
    without_log(database)
    database.write_text("my notes\n" * 1000)
    refused = refusal_of(sqlite_store)
    assert "not a SQLite database" in refused.message
    with pytest.raises(DatabaseUnusable, match="not a SQLite database"):
        count(sqlite_store)
    assert database.read_text() == "my notes\n" * 1000


def test_a_directory_in_its_place(database: Path, sqlite_store: SharedStore) -> None:
    without_log(database)
    database.unlink()
    database.mkdir()
    assert "cannot be opened" in refusal_of(sqlite_store).message


def test_a_link_in_its_place(database: Path, sqlite_store: SharedStore, tmp_path: Path) -> None:
    without_log(database)
    victim = tmp_path / "victim.db"
    database.rename(victim)
    database.symlink_to(victim)
    before = victim.read_bytes()
    assert "cannot be opened" in refusal_of(sqlite_store).message
    assert victim.read_bytes() == before


def test_a_damaged_file(database: Path, sqlite_store: SharedStore) -> None:
    without_log(database)
    content = bytearray(database.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start : start + 512] = b"\xa5" * 512
    database.write_bytes(content)
    refused = refusal_of(sqlite_store)
    assert "is damaged" in refused.message
    assert "restore" in refused.hint


def test_a_cut_file(database: Path, sqlite_store: SharedStore) -> None:
    without_log(database)
    os.truncate(database, 8192 + 100)
    assert "is damaged" in refusal_of(sqlite_store).message


def test_a_database_of_another_program(sqlite_databases: Databases, sqlite_store: SharedStore) -> None:
    write(sqlite_store)
    sqlite_store.close()
    path = os.path.join(sqlite_databases.directory, "analytics.db")
    raw = apsw.Connection(path)
    raw.execute("CREATE TABLE theirs (x)")
    raw.close()
    with pytest.raises(DatabaseUnusable, match="journal mode delete"), sqlite_store.runs():
        pass
    raw = apsw.Connection(path)
    assert raw.execute("PRAGMA journal_mode").fetchone() == ("delete",)  # never converted
    raw.close()


def test_a_schema_from_the_future(store: SharedStore, databases: Databases) -> None:
    write(store)
    with get_db_connection("notifications", databases=databases) as conn:
        if databases.url is None:
            conn.execute("PRAGMA user_version = 99")
        else:
            conn.execute("COMMENT ON TABLE schema_migrations IS '99'")
    with pytest.raises(DatabaseTooNew, match="schema version 99"):
        count(store)
    with pytest.raises(DatabaseTooNew, match="99"):
        write(store)


def next_migration(folder: Path, name: str) -> Path:
    """The file of one migration more than the program has."""
    there = folder / "sqlite" / "notifications"
    return there / f"{len(list(there.glob('*.sql'))) + 1:04d}_{name}.sql"


def test_an_old_schema_is_brought_up_by_a_reader_too(
    sqlite_store: SharedStore, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that knows one migration more: reading first brings the database up, then reads."""
    from coffee_maker.store import migrate

    folder = tmp_path / "migrations"
    shutil.copytree(migrate._FOLDER, folder)
    next_migration(folder, "more").write_text("CREATE TABLE more (x TEXT) STRICT;\n")
    newer = SqliteStore(Databases(str(database.parent)))
    newer._file.schema = migrate.Schema("notifications", newer._file.schema._dialect, folder=str(folder))
    assert count(newer) == 1
    with newer.reading() as tx:
        assert tx.connection.execute("SELECT count(*) FROM more").fetchone() == (0,)  # type: ignore[attr-defined]
    newer.close()
    with pytest.raises(DatabaseTooNew):
        count(sqlite_store)


def test_a_migration_that_fails_leaves_no_trace(database: Path, sqlite_store: SharedStore, tmp_path: Path) -> None:
    from coffee_maker.store import migrate

    folder = tmp_path / "migrations"
    shutil.copytree(migrate._FOLDER, folder)
    next_migration(folder, "bad").write_text("CREATE TABLE a (x); SELECT nonsense;")
    newer = SqliteStore(Databases(str(database.parent)))
    newer._file.schema = migrate.Schema("notifications", newer._file.schema._dialect, folder=str(folder))
    with pytest.raises(apsw.SQLError, match="nonsense"):
        write(newer)
    newer.close()
    write(sqlite_store)
    assert count(sqlite_store) == 2


def test_migrations_must_be_numbered_without_gaps(tmp_path: Path) -> None:
    from coffee_maker.store import migrate
    from coffee_maker.store.sqlite import SQLITE

    (tmp_path / "sqlite" / "x").mkdir(parents=True)
    (tmp_path / "sqlite" / "x" / "0002_second.sql").write_text("")
    with pytest.raises(ValueError, match="not numbered"):
        migrate.Schema("x", SQLITE, folder=str(tmp_path))


def test_an_affected_sqlite_is_refused(sqlite_store: SharedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.40.1")
    assert "SQLite 3.40.1 can lose" in refusal_of(sqlite_store).message


# --- permission and space --------------------------------------------------------------------------------------


def test_an_unsafe_file_system_gets_no_database(sqlite_store: SharedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sqlite_link.ANY_FILESYSTEM, raising=False)
    monkeypatch.setattr("coffee_maker.utils.mounts.mount_of", lambda path: Mount(1, "/mnt/c", "9p"))
    refused = refusal_of(sqlite_store)
    assert "9p (/mnt/c)" in refused.message
    assert sqlite_link.ANY_FILESYSTEM in refused.hint
    monkeypatch.setenv(sqlite_link.ANY_FILESYSTEM, "1")
    write(sqlite_store)


def test_no_space_left_is_told_and_loses_nothing(database: Path, sqlite_store: SharedStore) -> None:
    """A quota of pages stands for a full disk, which SQLite reports in the same way."""

    def fill() -> None:
        with get_db_connection("notifications", databases=Databases(str(database.parent))) as conn:
            conn.execute("PRAGMA max_page_count = 1")
            for _ in range(99):
                conn.execute("INSERT INTO handshakes VALUES (?, ?)", (os.urandom(4000).hex(), "t"))

    with pytest.raises(DatabaseUnusable, match=r"disk or quota .* is full"):
        fill()
    assert count(sqlite_store) == 1
    write(sqlite_store)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; only root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = os.geteuid() == 0 and shutil.which("mount") is not None
    if mounted:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=False)
        mounted = done.returncode == 0
    if not mounted:
        pytest.skip("a small file system cannot be mounted here; the page quota stands for it")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(small_disk: Path) -> None:
    store = SqliteStore(Databases(str(small_disk / "data")))
    written = 0
    refused = None
    while refused is None:
        try:
            write(store, "x" * 20_000)
            written += 1
        except DatabaseUnusable as error:
            refused = error
    assert "full" in refused.message or "failed" in refused.message
    assert refused.hint
    assert count(store) == written > 0  # what was acknowledged is there, what was refused is not
    store.close()
    assert count(store) == written
    store.close()  # a reader is kept open for the next one


AS_NOBODY = """
import sys
from datetime import UTC, datetime
from coffee_maker.core.errors import Refusal
from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.store.sqlite import SqliteStore
from coffee_maker.utils.connection import Databases
store = SqliteStore(Databases(sys.argv[1]))
def write():
    with store.writing() as tx:
        tx.notifications.create(Draft(Source.DAEMON, Kind.INFO, "x"), datetime.now(UTC))
def read():
    with store.reading() as tx:
        print("read", len(tx.notifications.find()))
for action in (write, read):
    try:
        action()
    except Refusal as refused:
        print("refused", refused.message, refused.hint)
"""


def as_nobody(directory: Path) -> list[str]:
    """What a user without rights is told; root sheds its rights for it, anybody else has none to shed."""
    root = os.geteuid() == 0
    command = [sys.executable, "-c", AS_NOBODY, str(directory)]
    if root:
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is missing")
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", *command]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}  # it could not write
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    if any(words in done.stderr for words in ("No module named", "Permission denied", "loading shared libraries")):
        pytest.skip("the interpreter is private to this user")
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def open_path(tmp_path: Path) -> Iterator[Path]:
    """A directory that others can reach; the one of pytest is private."""
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o755)
        yield Path(place)


def test_a_directory_that_may_not_be_written(open_path: Path) -> None:
    data = open_path / "data"
    store = SqliteStore(Databases(str(data)))
    write(store)
    store.close()
    for path in data.iterdir():
        path.chmod(0o444)
    data.chmod(0o555)
    try:
        written, read = as_nobody(data)
    finally:
        data.chmod(0o755)
    assert written.startswith("refused")
    assert "write permission" in written
    assert read == "read 1"


def test_a_parent_that_may_not_be_written(open_path: Path) -> None:
    open_path.chmod(0o555)
    written, read = as_nobody(open_path / "data")
    assert "refused" in written
    assert "cannot be made" in written
    assert read == "read 0"


def test_files_that_may_not_be_read(open_path: Path) -> None:
    data = open_path / "data"
    store = SqliteStore(Databases(str(data)))
    write(store)
    store.close()
    for path in data.iterdir():
        path.chmod(0o000)
    data.chmod(0o755)
    written, read = as_nobody(data)
    assert written.startswith("refused")
    assert read.startswith("refused The database notifications cannot be used")


def test_a_planted_gate_is_refused(database: Path, sqlite_store: SharedStore) -> None:
    gate = database.with_suffix(".gate")
    gate.unlink()
    gate.symlink_to("/etc/passwd")
    assert "cannot serve as a lock" in refusal_of(sqlite_store).message
    gate.unlink()
    os.mkfifo(gate)
    assert "not a regular file" in refusal_of(sqlite_store).message


# --- others ----------------------------------------------------------------------------------------------------


def test_a_program_that_does_not_queue(database: Path) -> None:
    """Some other tool holds SQLite's own lock: a bounded wait, then the sentence."""
    store = SqliteStore(Databases(str(database.parent), busy_timeout=0.05))
    raw = apsw.Connection(str(database))
    raw.execute("BEGIN IMMEDIATE")
    try:
        refused = refusal_of(store)
        assert isinstance(refused, DatabaseBusy)
        assert count(store) == 1
    finally:
        raw.execute("ROLLBACK")
        raw.close()
    write(store)
    store.close()


def test_a_database_that_was_replaced_is_noticed(database: Path, sqlite_store: SharedStore) -> None:
    write(sqlite_store)  # an idle connection to the old file
    with sqlite_store.wakeup() as wakeup:
        for name in os.listdir(database.parent):
            if name.startswith("notifications.db"):
                os.unlink(database.parent / name)
        assert wakeup.wait(1)
        assert count(sqlite_store) == 0
        write(sqlite_store)
        assert wakeup.wait(1)
    assert count(sqlite_store) == 1


def test_constraints_hold_even_against_scripts(database: Path) -> None:
    with (
        pytest.raises(apsw.ConstraintError, match="CHECK"),
        get_db_connection("notifications", databases=Databases(str(database.parent))) as conn,
    ):
        conn.execute("UPDATE notifications SET status = 'whatever'")


def test_nobody_but_sqlite_opens_the_files(sqlite_databases: Databases) -> None:
    """Every open of a database file, its log or its index by Python code is caught, over the life of a store and its
    maintenance. (Closing such a descriptor drops the locks of the whole process: rows vanish, unseen.)"""
    program = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from datetime import UTC, datetime
from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.store.sqlite import SqliteStore
from coffee_maker.store.sqlite_maintenance import SqliteMaintenance
from coffee_maker.utils.connection import Databases
from coffee_maker.work import databases as db
where = Databases(sys.argv[1])
now = datetime.now(UTC)
store = SqliteStore(where)
with store.writing() as tx:
    tx.notifications.create(Draft(Source.DAEMON, Kind.INFO, "x"), now)
with store.wakeup() as wakeup:
    wakeup.wait(0)
shared = SqliteMaintenance(where, "notifications")
made = db.backup(shared, where.directory, now=now)
db.check([shared], store, roadmap_hash=None, directory=where.directory)
db.restore(shared, made.path, where.directory, now=now)
db.vacuum([shared])
with store.reading() as tx:
    assert len(tx.notifications.find()) == 1
store.close()
assert any("coffee-roadmap" in path or ".gate" in path for path in opened), "the hook saw nothing"
print([path for path in opened if ".db" in path])
"""
    done = subprocess.run(
        [sys.executable, "-c", program, sqlite_databases.directory], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "[]\n"


def test_modes_let_a_group_share(sqlite_databases: Databases) -> None:
    before = os.umask(0o007)
    try:
        store = SqliteStore(sqlite_databases)
        write(store)
        store.close()
    finally:
        os.umask(before)
    data = Path(sqlite_databases.directory)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in data.iterdir()}
    assert set(modes.values()) == {"0o660"}, modes


def test_a_store_is_closed_twice(sqlite_store: SharedStore) -> None:
    with contextlib.closing(sqlite_store):
        sqlite_store.close()
