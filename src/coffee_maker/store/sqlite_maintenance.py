"""Looking after a SQLite database. Copies go through SQLite's backup API, in both directions: its files are never
copied, replaced or even opened by anything else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress

import apsw

from coffee_maker.core.errors import DatabaseDamaged, DatabaseUnusable, Refusal
from coffee_maker.core.records import Backup, DatabaseStatus, Finding
from coffee_maker.store import backup_file, common, contents
from coffee_maker.store.sqlite import SqliteBackend
from coffee_maker.utils import locks
from coffee_maker.utils.connection import Databases
from coffee_maker.utils.sqlite_link import FIXED_SQLITE, SqliteLink, gate_path, refusals, sqlite_version

_LAST_PLAUSIBLE = 2**53  # of a damaged file: a table that has given out the largest number takes no row any more
_DAMAGE = (apsw.CorruptError, apsw.NotADBError)


class SqliteMaintenance:
    """See `coffee_maker.core.ports.Maintenance`."""

    suffix = backup_file.SUFFIX

    def __init__(self, databases: Databases, name: str) -> None:
        self.name = name
        self._backend = SqliteBackend(databases, name, keep=False)
        self._path = self._backend.path
        self._gate = gate_path(databases, name)

    def init(self) -> bool:
        before = self.status().schema_version
        with common.writing(self._backend):
            pass
        return before != self._backend.schema.latest

    def exists(self) -> bool:
        return self._backend.exists()

    def status(self) -> DatabaseStatus:
        version, mode, rows = 0, None, dict[str, int]()
        with self._backend.reading() as link:
            if link is not None:
                version = self._backend.schema.version(link)
                mode = str(link.execute("PRAGMA journal_mode").rows[0][0])
                rows = dict(contents.row_counts(link, self.name, version)) if version else {}
        log_size = _size(f"{self._path}-wal")
        return DatabaseStatus(
            name=self.name,
            kind="sqlite",
            location=self._path,
            exists=self._backend.exists(),
            schema_version=version,
            known_version=self._backend.schema.latest,
            library=apsw.sqlite_lib_version(),
            journal_mode=mode,
            size=_size(self._path) + log_size,
            log_size=log_size,
            writer=locks.holder(self._gate),
            rows=rows,
        )

    def verify(self) -> Sequence[Finding]:
        findings = [_library()]
        if not self.exists():
            hint = "`coffee-roadmap db init` makes it; so does the first writer."
            return [*findings, Finding("missing", "notice", f"{self.name}: there is no database yet", hint)]
        problems = self._problems()
        if not problems:
            return [*findings, Finding("integrity", "ok", f"{self.name}: the database is whole")]
        findings += [Finding("damaged", "problem", f"{self.name}: {problem}") for problem in problems]
        restore = f"coffee-roadmap db restore FILE --database {self.name} --yes"
        hint = f"`{restore}` puts a backup in the place of {self._path}; what is there now is kept."
        return [*findings[:-1], findings[-1]._replace(hint=hint)]

    def _problems(self) -> list[str]:
        try:
            with self._backend.reading() as link:
                assert link is not None
                problems = backup_file.damages(link)
                if self._backend.schema.version(link):
                    altered = self._backend.schema.altered(link)
                    problems += [f"migration {name} is not as it was applied" for name in altered]
                return problems
        except DatabaseUnusable as refusal:
            if isinstance(refusal.__cause__, _DAMAGE):
                return [str(refusal.values["problem"])]
            raise

    def backup(self, path: str) -> Backup:
        """The snapshot of one read transaction: writers go on meanwhile."""
        with self._backend.reading() as link:
            if link is None:
                raise DatabaseUnusable(name=self.name, problem="there is nothing to back up yet", hint="")
            return self._copy(link, contents.row_counts(link, self.name, self._backend.schema.version(link)), path)

    def look_into(self, path: str) -> Backup:
        return backup_file.look_into(self.name, path)

    def restore(self, path: str, keep: str, *, yes: bool) -> str | None:
        """Page by page into the live file, in one transaction behind the gate: readers keep their snapshot."""
        found = self.look_into(path)
        with backup_file.opened_up_to_date(self.name, path) as source, refusals(self.name, self._path):
            while True:
                try:
                    with self._backend.exclusive("restoring") as link:
                        if not (problems := backup_file.damages(link)):
                            return self._replace_content(link, source, None if yes else found, keep)
                except _DAMAGE as error:
                    problems = [str(error)]
                if not yes:
                    raise DatabaseDamaged(path=self._path, problem=problems[0])
                if (aside := self._replace_file(source, keep)) is not None:
                    return aside

    def _replace_content(self, link: SqliteLink, source: SqliteLink, found: Backup | None, keep: str) -> str | None:
        rows = dict[str, int]()
        if version := self._backend.schema.version(link):
            if found is not None:
                backup_file.refuse_to_lose(link, found)
            rows = dict(contents.row_counts(link, self.name, version))
        kept = self._copy(link, rows, keep).path if any(rows.values()) else None
        _never_again(source, _numbers(link))  # before the copy: a crash after it would give them out again
        backup_file.copy_pages(source, link)
        return kept

    def _replace_file(self, source: SqliteLink, keep: str) -> str | None:
        """Into a new file, which takes the damaged one's name; None when a whole one has taken its place meanwhile.
        Whoever has that one open notices it when its turn at the gate comes, or it reads again."""
        directory, path = os.path.dirname(self._path), self._path
        new, aside = f"{path}.new", os.path.join(directory, f"damaged-{os.path.basename(keep)}")
        timeout = self._backend.databases.gate_timeout
        with locks.hold(self._gate, what=f"the database {self.name}", timeout=timeout, purpose="restoring"):
            if not self._problems():
                return None
            with suppress(Refusal, apsw.Error, ValueError), backup_file.opened(self.name, path) as damaged:
                numbers = _numbers(damaged)
                _never_again(source, {table: last for table, last in numbers.items() if last <= _LAST_PLAUSIBLE})
            backup_file.make_live(new, source, self._gate)
            for end in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    os.rename(path + end, aside + end)
            try:
                os.link(path, aside)  # so that there is a database at any moment: nobody makes an empty one
            except OSError:  # a file system without links
                os.rename(path, aside)
            os.replace(new, path)
            backup_file.sync_directory(directory)
        return aside

    def _copy(self, link: SqliteLink, rows: Mapping[str, int], path: str) -> Backup:
        return backup_file.make(self.name, path, rows, lambda target: backup_file.copy_pages(link, target), self._gate)

    def vacuum(self) -> None:
        with refusals(self.name, self._path), self._backend.exclusive("vacuum") as link:
            link.execute("VACUUM")
            link.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _library() -> Finding:
    words = f"SQLite {apsw.sqlite_lib_version()}"
    if sqlite_version() >= FIXED_SQLITE:
        return Finding("sqlite_version", "ok", words)
    hint = "Install the apsw wheel: `pip install --only-binary apsw 'apsw>=3.51.3.0'`."
    return Finding("sqlite_version", "problem", f"{words} can lose committed data when several processes write", hint)


def _numbers(link: SqliteLink) -> Mapping[str, int]:
    """The last number that each table gave out."""
    if not len(link.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'")):
        return {}
    return {table: int(number) for table, number in link.execute("SELECT name, seq FROM sqlite_sequence")}


def _never_again(link: SqliteLink, given_out: Mapping[str, int]) -> None:
    """Numbers that were given out before the restore are not given out again: a fence would let an old holder in."""
    now = _numbers(link)
    for table, number in given_out.items():
        if table not in now:
            link.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))
        elif now[table] < number:
            link.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (number, table))


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
