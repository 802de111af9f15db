"""Opening a store in a test or in a process of a test."""

from __future__ import annotations

from coffee_maker.store.common import SharedStore
from coffee_maker.utils.connection import Databases


def open_store(databases: Databases) -> SharedStore:
    """The store of that configuration."""
    if databases.url is None:
        from coffee_maker.store.sqlite import SqliteStore

        return SqliteStore(databases)
    from coffee_maker.store.postgres import PostgresStore

    return PostgresStore(databases)
