"""Looking after one schema of a PostgreSQL database. Its backups are files like those of SQLite: they need no client
programs of a fitting version, hold exactly one schema, and are verified in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from coffee_maker.core.errors import DatabaseUnusable
from coffee_maker.core.records import Backup, DatabaseStatus, Finding
from coffee_maker.store import backup_file, common, contents
from coffee_maker.store.migrate import Schema
from coffee_maker.store.postgres import PostgresBackend
from coffee_maker.store.sqlite import SQLITE
from coffee_maker.utils.connection import Connection, Databases
from coffee_maker.utils.data_directory import marker_path
from coffee_maker.utils.postgres_errors import refusals
from coffee_maker.utils.sqlite_link import SqliteLink


class PostgresMaintenance:
    """See `coffee_maker.core.ports.Maintenance`."""

    suffix = backup_file.SUFFIX

    def __init__(self, databases: Databases, name: str) -> None:
        assert databases.url is not None
        self.name = name
        self._url = databases.url
        self._marker = marker_path(databases.directory)
        self._backend = PostgresBackend(databases, name, keep=False)

    def init(self) -> bool:
        before = self.status().schema_version
        with common.writing(self._backend):
            pass
        return before != self._backend.schema.latest

    def exists(self) -> bool:
        return self.status().exists

    def status(self) -> DatabaseStatus:
        with self._backend.reading() as link:
            assert link is not None
            version = self._backend.schema.version(link)
            size = link.execute(
                "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c"
                " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relkind = 'r'",
                (self.name,),
            )
            return DatabaseStatus(
                name=self.name,
                kind="postgresql",
                location=self._location(),
                exists=version > 0,
                schema_version=version,
                known_version=self._backend.schema.latest,
                library=str(link.execute("SHOW server_version").rows[0][0]),
                journal_mode=None,
                size=int(size.rows[0][0]),
                log_size=0,
                writer=self._backend.writer(link),
                rows=contents.row_counts(link, self.name, version) if version else {},
            )

    def verify(self) -> Sequence[Finding]:
        """The server looks after pages and foreign keys itself; what is looked at is what it cannot know."""
        with self._backend.reading() as link:
            assert link is not None
            if not self._backend.schema.version(link):
                hint = "`coffee-roadmap db init` makes it; so does the first writer."
                return [Finding("missing", "notice", f"{self.name}: there is no schema yet", hint)]
            altered = self._backend.schema.altered(link)
            unproven = link.execute(
                "SELECT conname FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace"
                " WHERE n.nspname = ? AND NOT c.convalidated",
                (self.name,),
            )
        problems = [f"migration {name} is not as it was applied" for name in altered]
        problems += [f"the constraint {constraint} was never proven" for (constraint,) in unproven]
        hint = "Compare with another installation, or restore a backup."
        findings = [Finding("damaged", "problem", f"{self.name}: {problem}", hint) for problem in problems]
        return findings or [Finding("integrity", "ok", f"{self.name}: the schema is whole")]

    def backup(self, path: str) -> Backup:
        """The snapshot of one read transaction: writers go on meanwhile."""
        with self._backend.reading() as link:
            assert link is not None
            version = self._backend.schema.version(link)
            if not version:
                raise DatabaseUnusable(name=self.name, problem="there is nothing to back up yet", hint="")
            return self._copy(link, contents.row_counts(link, self.name, version), path)

    def look_into(self, path: str) -> Backup:
        return backup_file.look_into(self.name, path)

    def restore(self, path: str, keep: str, *, yes: bool) -> str | None:
        """In one transaction behind the writers' lock: readers keep their snapshot. The numbers' generators stay where
        they are, or move on to what the backup holds."""
        found = self.look_into(path)
        with backup_file.opened_up_to_date(self.name, path) as source, common.writing(self._backend) as link:
            if not yes:
                backup_file.refuse_to_lose(link, found)
            rows = contents.row_counts(link, self.name, self._backend.schema.latest)
            kept = self._copy(link, rows, keep).path if any(rows.values()) else None
            contents.clear(link, self.name)
            contents.copy(source, link, self.name)
            for table in contents.TABLES[self.name]:
                if table in contents.NUMBERED:
                    _move_on(link, table, contents.NUMBERED[table])
            return kept

    def _copy(self, link: Connection, rows: Mapping[str, int], path: str) -> Backup:
        def fill(target: SqliteLink) -> None:
            schema = Schema(self.name, SQLITE)
            with target.transaction("BEGIN IMMEDIATE"):
                while not schema.up_to_date(target):
                    schema.apply_next(target, target.script)
                contents.copy(link, target, self.name)

        return backup_file.make(self.name, path, rows, fill, self._marker)

    def vacuum(self) -> None:
        with refusals(self.name, self._url):
            link = self._backend.connect()
            try:
                for table in contents.TABLES[self.name]:
                    link.execute(f'VACUUM (ANALYZE) "{self.name}"."{table}"')
            finally:
                link.close()

    def _location(self) -> str:
        parts = {key: value for key, value in conninfo_to_dict(self._url).items() if key != "password"}
        return make_conninfo("", **parts)


def _move_on(link: Connection, table: str, column: str) -> None:
    """Let the table's next number be above every number given out before and every number in it."""
    sequence = link.execute("SELECT pg_get_serial_sequence(?, ?)", (table, column)).rows[0][0]
    highest = link.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").rows[0][0]
    link.execute("SELECT setval(?, greatest(nextval(?), ?))", (sequence, sequence, highest))
