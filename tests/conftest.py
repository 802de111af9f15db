"""What every room's tests share: a store, on each of both databases (there is no in-memory fake of it)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.engines import Engine
from tests.postgres_server import NoServer, Server
from tests.stores import open_store

from coffee_maker.store.common import SharedStore
from coffee_maker.store.sqlite import SqliteStore
from coffee_maker.utils.connection import Databases

# What runs in the processes that tests start is not measured: coverage would take a tenth of a second of each, which is
# minutes in all. So its figures are lower bounds.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.pop("COVERAGE_PROCESS_CONFIG", None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """One real server for the whole session. In CI a server that cannot be started is a failure, else a skip."""
    try:
        server = Server()
    except NoServer as problem:
        if os.environ.get("CI"):
            pytest.fail(f"{problem}; in CI nothing may be skipped")
        pytest.skip(f"NOT TESTED on PostgreSQL: {problem}")
    yield server
    server.remove()


@pytest.fixture
def data_directory(tmp_path: Path) -> Path:
    """Where the data directory goes; the first writer makes it."""
    return tmp_path / "data"


@pytest.fixture(params=["sqlite", "postgres"])
def databases(request: pytest.FixtureRequest, data_directory: Path) -> Iterator[Databases]:
    """Where the shared databases are: nowhere yet."""
    if request.param == "sqlite":
        yield Databases(str(data_directory))
        return
    server: Server = request.getfixturevalue("postgres_server")
    url = server.new_database()
    yield Databases(str(data_directory), url=url)
    server.give_back(url)


@pytest.fixture
def store(databases: Databases) -> Iterator[SharedStore]:
    """The shared databases, empty, on SQLite and on PostgreSQL in turn."""
    opened = open_store(databases)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_databases(data_directory: Path) -> Databases:
    return Databases(str(data_directory))


@pytest.fixture
def sqlite_store(sqlite_databases: Databases) -> Iterator[SharedStore]:
    """For tests in which the kind of database plays no part."""
    opened = SqliteStore(sqlite_databases)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def docker_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One real Docker Engine for the whole session."""
    engine = Engine(tmp_path_factory.mktemp("engine"))
    yield engine
    engine.close()
