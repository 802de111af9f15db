"""A project for a daemon, with a person whom git knows. Files that need another one have their own `project`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.adapters.git_states import PERSON
from tests.work.daemon_kit import Project

from coffee_maker.core.ports import Store


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def project(tmp_path: Path, sqlite_store: Store, person: None) -> Project:
    return Project(tmp_path, sqlite_store)


@pytest.fixture
def shared(tmp_path: Path, store: Store, person: None) -> Project:
    """For the tests that the database has a part in: on both of them."""
    return Project(tmp_path, store)
