"""`get_db_connection`: the one safe way to the shared databases, for the store and for scripts beside a project.

    from coffee_maker.utils.database import get_db_connection

    with get_db_connection("notifications") as conn:
        conn.execute("UPDATE notifications SET level = ? WHERE id = ?", ("high", 7))

The block is one transaction: committed (durably) when it ends, rolled back when it raises, and closed in any case.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from coffee_maker.core.errors import BadSetting, DatabaseUnusable, UnknownDatabase
from coffee_maker.utils.connection import NAMES, Connection, Databases, Rows

if TYPE_CHECKING:
    from coffee_maker.utils.postgres_link import PostgresDatabase
    from coffee_maker.utils.sqlite_link import SqliteDatabase

__all__ = ["NAMES", "Connection", "Databases", "Rows", "databases_from_environment", "get_db_connection"]


@contextmanager
def get_db_connection(name: str, *, databases: Databases | None = None, readonly: bool = False) -> Iterator[Connection]:
    """A connection inside one transaction on the logical database `name`.

    A writer excludes other writers from the beginning of the block, so what it reads stays true until it commits; it
    waits its turn for a bounded time (raises `DatabaseBusy`). A reader (`readonly`) gets a consistent snapshot, waits
    for nobody and can write nothing. Parameters are ``?`` on both databases. Raises `UnknownDatabase`,
    `DatabaseUnusable` (with the cure), and lets constraint and syntax errors of the database through.
    Without `databases` they are found as the command finds them: see `databases_from_environment`.
    """
    known = databases if databases is not None else databases_from_environment()
    if name not in known.names:
        raise UnknownDatabase(name=name, known=", ".join(known.names))
    database = open_database(known, name)
    if not readonly:
        with database.writing() as link:
            yield link
        return
    with database.reading() as snapshot:
        if snapshot is None:
            raise DatabaseUnusable(
                name=name, problem="it does not exist yet", hint="`coffee-roadmap db init` makes it."
            )
        yield snapshot


def open_database(databases: Databases, name: str) -> SqliteDatabase | PostgresDatabase:
    """The logical database by its own kind; the driver is imported only now."""
    if databases.url is not None:
        from coffee_maker.utils.postgres_link import PostgresDatabase

        return PostgresDatabase(databases, name)
    from coffee_maker.utils.sqlite_link import SqliteDatabase

    return SqliteDatabase(databases, name)


def databases_from_environment() -> Databases:
    """Where the command finds them from here: COFFEE_DATABASE_URL and COFFEE_DATA_DIR, else what the nearest project
    file says, else the user's settings file, else `data/` in the project's root."""
    from coffee_maker.utils.places import find_project, user_file

    here = os.getcwd()
    found = find_project(here)
    url, directory = os.environ.get("COFFEE_DATABASE_URL"), os.environ.get("COFFEE_DATA_DIR")
    for path in (found.project_file, user_file(os.environ)):
        if path is not None and os.path.isfile(path) and not (url and directory):
            settings = _read_toml(path)
            url = url or settings.get("database", {}).get("url")
            written = settings.get("data", {}).get("dir")
            directory = directory or (written and os.path.join(found.root, os.path.expanduser(written)))
    directory = os.path.join(here, os.path.expanduser(directory)) if directory else os.path.join(found.root, "data")
    return Databases(directory=os.path.normpath(directory), url=url or None)


def _read_toml(path: str) -> dict[str, Any]:
    """The file's content; what is wrong in it the command tells, in detail: a script gets the plain refusal."""
    import tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError) as error:
        raise BadSetting(where=path, problem=str(error)) from error
