"""What every room's tests share: a store in a temporary directory (there is no in-memory fake of it)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from coffee_maker.store.common import SharedStore
from coffee_maker.store.sqlite import SqliteStore
from coffee_maker.utils.connection import Databases


@pytest.fixture
def data_directory(tmp_path: Path) -> Path:
    """Where the data directory goes; the first writer makes it."""
    return tmp_path / "data"


@pytest.fixture
def databases(data_directory: Path) -> Databases:
    return Databases(str(data_directory))


@pytest.fixture
def store(databases: Databases) -> Iterator[SharedStore]:
    """The shared databases, empty."""
    opened = SqliteStore(databases)
    yield opened
    opened.close()
