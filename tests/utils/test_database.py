"""`get_db_connection`: the guardrail, on both databases; and where it looks for them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from coffee_maker.core.errors import BadSetting, DatabaseUnusable, UnknownDatabase
from coffee_maker.utils.connection import Databases
from coffee_maker.utils.database import databases_from_environment, get_db_connection


@pytest.fixture
def table(databases: Databases) -> Databases:
    with get_db_connection("notifications", databases=databases) as conn:
        if databases.url is not None:
            conn.execute("CREATE SCHEMA notifications")
        conn.execute("CREATE TABLE things (id integer PRIMARY KEY, word text UNIQUE)")
    return databases


def test_what_a_block_wrote_is_there_and_rows_are_handy(table: Databases) -> None:
    with get_db_connection("notifications", databases=table) as conn:
        made = conn.execute("INSERT INTO things VALUES (?, ?), (?, ?) RETURNING id", (1, "50 % ?", 2, None))
        assert list(made) == [(1,), (2,)]
        assert len(conn.execute("UPDATE things SET word = word")) == 0
    with get_db_connection("notifications", databases=table, readonly=True) as conn:
        rows = conn.execute("SELECT id, word FROM things ORDER BY id")
        assert rows.columns == ("id", "word")
        assert rows.fetchone() == (1, "50 % ?")
        assert rows.fetchall() == [(2, None)]
        assert rows.fetchone() is None
        assert rows.dicts() == [{"id": 1, "word": "50 % ?"}, {"id": 2, "word": None}]
        assert conn.execute("SELECT '?', 10 % 3 WHERE 1 = ?", (1,)).fetchone() == ("?", 1)


def test_an_error_takes_everything_back_and_stays_itself(table: Databases) -> None:
    def twice() -> None:
        with get_db_connection("notifications", databases=table) as conn:
            conn.execute("INSERT INTO things VALUES (1, 'a')")
            conn.execute("INSERT INTO things VALUES (2, 'a')")

    with pytest.raises(Exception, match=r"(?i)unique"):
        twice()
    with get_db_connection("notifications", databases=table, readonly=True) as conn:
        assert conn.execute("SELECT count(*) FROM things").fetchone() == (0,)


@pytest.mark.parametrize("statement", ["COMMIT", "ROLLBACK"])
def test_a_block_that_ends_its_own_transaction_is_told(statement: str, table: Databases) -> None:
    with (
        pytest.raises(RuntimeError, match="leave COMMIT and ROLLBACK to the block"),
        get_db_connection("notifications", databases=table) as conn,
    ):
        conn.execute(statement)


def test_reading_only(table: Databases) -> None:
    with (
        pytest.raises(DatabaseUnusable, match="read"),
        get_db_connection("notifications", databases=table, readonly=True) as conn,
    ):
        conn.execute("INSERT INTO things VALUES (1, 'a')")


def test_an_unknown_name(databases: Databases) -> None:
    with pytest.raises(UnknownDatabase, match="notifications, analytics"), get_db_connection("x", databases=databases):
        pass


def test_missing_tables_are_told_with_the_cure(table: Databases) -> None:
    with (
        pytest.raises(DatabaseUnusable) as refused,
        get_db_connection("notifications", databases=table, readonly=True) as conn,
    ):
        conn.execute("SELECT * FROM roadmap_history")
    assert "db init" in refused.value.hint


def test_reading_what_is_not_there_makes_nothing(sqlite_databases: Databases) -> None:
    with (
        pytest.raises(DatabaseUnusable, match="does not exist yet"),
        get_db_connection("notifications", databases=sqlite_databases, readonly=True),
    ):
        pass
    assert not os.path.exists(sqlite_databases.directory)


def test_strange_directory_names(tmp_path: Path) -> None:
    databases = Databases(str(tmp_path / "a?b%20#c&d é"))
    with get_db_connection("analytics", databases=databases) as conn:
        conn.execute("CREATE TABLE t (x)")
    assert "analytics.db" in os.listdir(databases.directory)


def test_no_driver(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("coffee_maker.utils.postgres_link", "coffee_maker.utils.postgres_errors"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    elsewhere = databases._replace(url="postgresql://h/d")
    with pytest.raises(DatabaseUnusable) as refused, get_db_connection("analytics", databases=elsewhere):
        pass
    assert refused.value.hint == "Install coffee-roadmap with its extra `postgres`."


# --- where they are --------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("COFFEE_DATA_DIR", "COFFEE_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    deep = tmp_path / "project" / "src" / "deep"
    deep.mkdir(parents=True)
    (tmp_path / "project" / "coffee-roadmap.toml").write_text("")
    monkeypatch.chdir(deep)
    return tmp_path / "project"


def test_beside_the_project_file(project: Path) -> None:
    assert databases_from_environment() == Databases(str(project / "data"))


def test_as_the_project_file_says(project: Path) -> None:
    (project / "coffee-roadmap.toml").write_text('[data]\ndir = "../shared"\n[database]\nurl = "postgresql://h/d"\n')
    assert databases_from_environment() == Databases(str(project.parent / "shared"), url="postgresql://h/d")


def test_as_the_user_says(project: Path, tmp_path: Path) -> None:
    (tmp_path / "config" / "coffee-roadmap").mkdir(parents=True)
    (tmp_path / "config" / "coffee-roadmap" / "config.toml").write_text('[database]\nurl = "postgresql://u/d"\n')
    assert databases_from_environment() == Databases(str(project / "data"), url="postgresql://u/d")


def test_the_environment_comes_first(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "coffee-roadmap.toml").write_text('[data]\ndir = "x"\n')
    monkeypatch.setenv("COFFEE_DATA_DIR", "here")
    monkeypatch.setenv("COFFEE_DATABASE_URL", "postgresql://e/d")
    assert databases_from_environment() == Databases(f"{os.getcwd()}/here", url="postgresql://e/d")


def test_a_project_file_that_cannot_be_read(project: Path) -> None:
    (project / "coffee-roadmap.toml").write_text("[data\n")
    with pytest.raises(BadSetting, match=r"coffee-roadmap\.toml"):
        databases_from_environment()


def test_it_is_used_without_saying_where(project: Path) -> None:
    with get_db_connection("analytics") as conn:
        conn.execute("CREATE TABLE t (x)")
    assert (project / "data" / "analytics.db").exists()
