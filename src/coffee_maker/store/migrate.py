"""Numbered migrations, ``migrations/<kind>/<database>/0001_words.sql``, each applied and recorded in one transaction.

A migration that was released is never edited: its content's sha256 is recorded and compared (`altered`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from coffee_maker.core.errors import DatabaseTooNew
from coffee_maker.core.lean import UTC, datetime, sha256
from coffee_maker.core.patterns import on_demand
from coffee_maker.core.typed import NamedTuple
from coffee_maker.store import values
from coffee_maker.utils.connection import Connection

_FOLDER = os.path.join(os.path.dirname(__file__), "migrations")
_NAME = on_demand(r"(\d{4})_\w+\.sql")
_RECORDS = """
CREATE TABLE schema_migrations (
    version    {integer} PRIMARY KEY,
    name       {text} NOT NULL,
    sha256     {text} NOT NULL,
    applied_at {text} NOT NULL
)"""

Script = Callable[[str], None]
"""Runs several statements without parameters, inside the transaction that is open."""


class Migration(NamedTuple):
    """One file of SQL."""

    version: int
    name: str
    path: str

    def sql(self) -> str:
        with open(self.path, encoding="utf-8") as file:
            return file.read()


class Dialect(NamedTuple):
    """What differs between the two databases when they are migrated."""

    kind: str  # the folder of its migrations
    integer: str
    text: str
    version: Callable[[Connection], int]  # the schema's version, 0 without any; one cheap query
    mark: Callable[[Connection, int], None]  # note the version where `version` reads it


class Schema:
    """The schema of one logical database in one dialect."""

    def __init__(self, name: str, dialect: Dialect, *, folder: str = _FOLDER) -> None:
        self.name = name
        self._dialect = dialect
        self._migrations = _read_folder(os.path.join(folder, dialect.kind, name))

    @property
    def latest(self) -> int:
        """The version that this program knows."""
        return len(self._migrations)

    def version(self, connection: Connection) -> int:
        """The version that is there; refuses one from the future."""
        found = self._dialect.version(connection)
        if found > self.latest:
            raise DatabaseTooNew(name=self.name, found=found, known=self.latest)
        return found

    def up_to_date(self, connection: Connection) -> bool:
        return self.version(connection) == self.latest

    def apply_next(self, connection: Connection, script: Script) -> None:
        """Apply the next migration and its record in the writer's transaction that is open."""
        migration = self._migrations[self.version(connection)]
        if migration.version == 1:
            script(_RECORDS.format(integer=self._dialect.integer, text=self._dialect.text))
        sql = migration.sql()
        script(sql)
        connection.execute(
            "INSERT INTO schema_migrations (version, name, sha256, applied_at) VALUES (?, ?, ?, ?)",
            (migration.version, migration.name, _sha256(sql), values.time(datetime.now(UTC))),
        )
        self._dialect.mark(connection, migration.version)

    def altered(self, connection: Connection) -> Sequence[str]:
        """Names of the applied migrations whose content here is not what was applied there."""
        applied = connection.execute("SELECT version, name, sha256 FROM schema_migrations ORDER BY version")
        known = {migration.version: migration for migration in self._migrations}
        return [
            name
            for version, name, sha256 in applied
            if version not in known or known[version].name != name or _sha256(known[version].sql()) != sha256
        ]


def _read_folder(folder: str) -> Sequence[Migration]:
    found = []
    for name in sorted(os.listdir(folder)):
        match = _NAME.fullmatch(name)
        if match is not None:
            found.append(Migration(int(match[1]), name, os.path.join(folder, name)))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations in {folder} are not numbered 1, 2, 3 ...")
    return found


def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()
