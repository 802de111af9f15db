"""The `db` operations: make, look at, check, back up, restore and tidy the shared databases."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from coffee_maker.core.errors import BackupUnusable
from coffee_maker.core.ports import Maintenance, Store
from coffee_maker.core.records import Backup, DatabaseStatus, Finding
from coffee_maker.core.revisions import revision_of_hash
from coffee_maker.utils import data_directory, locks
from coffee_maker.utils.mounts import mount_of

BACKUPS = "backups"
LOCK_SECONDS = 10.0
_MOST_BACKUPS = 5
_ALL = 1_000_000
SHARED = "notifications"
_EMPTY = sha256(b"").hexdigest()


class Made(NamedTuple):
    """What `init` found or made."""

    changed: bool
    status: DatabaseStatus


class Restored(NamedTuple):
    """What `restore` did: the backup that is in place now, and where the content before it was kept."""

    backup: Backup
    kept: str | None  # None when there was nothing


class Vacuumed(NamedTuple):
    """Bytes before and after."""

    name: str
    before: int
    after: int


def init(databases: Sequence[Maintenance]) -> Sequence[Made]:
    """Make what is missing and bring every schema up."""
    return [Made(database.init(), database.status()) for database in databases]


def status(databases: Sequence[Maintenance]) -> Sequence[DatabaseStatus]:
    """What each database is like now."""
    return [database.status() for database in databases]


def check(
    databases: Sequence[Maintenance], store: Store, *, roadmap_hash: str | None, directory: str | None
) -> Sequence[Finding]:
    """Everything that can be wrong with the databases. `roadmap_hash` is the sha256 of the file as it is now (None: no
    file), `directory` the data directory when the databases are files in it (None: PostgreSQL)."""
    findings = [] if directory is None else [check_filesystem(directory)]
    for database in databases:
        for finding in database.verify():
            hint = f"{finding.hint} {_backups_there(database.name, directory)}" if directory else finding.hint
            findings.append(finding._replace(hint=hint) if finding.code == "damaged" and finding.hint else finding)
    if not any(finding.level == "problem" for finding in findings):  # a damaged history would only fail to be read
        findings += check_history(store, roadmap_hash)
    return findings


def check_filesystem(directory: str) -> Finding:
    """Whether locks and shared memory reach everybody who can see the data directory."""
    mount = mount_of(directory if os.path.isdir(directory) else os.path.dirname(directory))
    if mount is None:
        return Finding("filesystem", "notice", f"what {directory} is mounted from could not be found out")
    if not mount.unsafe:
        return Finding("filesystem", "ok", f"{directory} is on {mount.kind}")
    return Finding(
        "filesystem",
        "problem",
        f"{directory} is on {mount.kind} ({mount.point}): other machines' locks do not reach there",
        "Move the data directory to a local disk or a named volume, or set database.url to PostgreSQL.",
    )


def check_history(store: Store, roadmap_hash: str | None) -> Sequence[Finding]:
    """The chain of hashes in the history, the versions that it leads through, and whether it ends where the file is."""
    with store.reading() as tx:
        breaks = tx.roadmap.breaks()
        newest = tx.roadmap.changes(limit=1)
        state = tx.roadmap.state()
        damaged = [digest for digest in tx.roadmap.versions(_ALL) if not _is_whole(tx.roadmap.version(digest), digest)]
    findings = [
        Finding("history_gap", "problem", f"change {number} does not begin where the change before it ended")
        for number in breaks
    ] or [Finding("history", "ok", "every change begins where the one before it ended")]
    findings += [
        Finding("version_damaged", "problem", f"the kept version {revision_of_hash(digest)} of the roadmap is damaged")
        for digest in damaged
    ]
    if state is not None and newest and state.hash != newest[0].after_hash:
        ends = revision_of_hash(newest[0].after_hash)
        words = f"the history ends at {ends}, the recorded version is {revision_of_hash(state.hash)}"
        findings.append(Finding("history_end", "problem", words, "`coffee-roadmap history` shows the last changes."))
    if state is not None and roadmap_hash == _EMPTY:
        hint = "`coffee-roadmap init` puts the last recorded version back."
        findings.append(Finding("file_empty", "problem", "the roadmap's file is empty", hint))
    elif state is not None and roadmap_hash is not None and roadmap_hash != state.hash:
        words = f"the file is at {revision_of_hash(roadmap_hash)}, recorded is {revision_of_hash(state.hash)}"
        hint = "Somebody edited it since; the next operation records that (`coffee-roadmap sync` does it now)."
        findings.append(Finding("file_ahead", "notice", words, hint))
    if state is not None and roadmap_hash is None:
        hint = "`coffee-roadmap init` puts the last recorded version back."
        findings.append(Finding("file_missing", "problem", "the roadmap's file is gone", hint))
    return findings


def _is_whole(content: bytes | None, digest: str) -> bool:
    return content is not None and sha256(content).hexdigest() == digest


def backup(database: Maintenance, directory: str, *, now: datetime, path: str | None = None) -> Backup:
    """Back up to `path`, or to a dated file among the data directory's backups."""
    return database.backup(path or _backup_path(database, directory, now))


def restore(database: Maintenance, path: str, directory: str, *, now: datetime, yes: bool = False) -> Restored:
    """Bring a backup back. Without `yes` it refuses to lose anything that was written after the backup was made; what
    it replaces is kept as a backup in any case."""
    if not os.path.exists(path):
        hint = f"Backups are made by `coffee-roadmap db backup`; by default in {os.path.join(directory, BACKUPS)}."
        raise BackupUnusable(path=path, name=database.name, problem="there is no such file", hint=hint)
    found = database.look_into(path)
    keep = _backup_path(database, directory, now, "-before-restore")
    with _no_change_of_the_roadmap(directory) if database.name == SHARED else nullcontext():
        return Restored(found, database.restore(path, keep, yes=yes))


def _no_change_of_the_roadmap(directory: str) -> AbstractContextManager[None]:
    """A change of ROADMAP.md is two transactions with the file's replacement around them: none may be in progress."""
    path = data_directory.lock_path(directory)
    return locks.hold(path, what="ROADMAP.md", timeout=LOCK_SECONDS, purpose="restoring the database")


def vacuum(databases: Sequence[Maintenance]) -> Sequence[Vacuumed]:
    """Give back unused space, one database after the other."""
    done = []
    for database in databases:
        before = database.status()
        if before.exists:
            database.vacuum()
            done.append(Vacuumed(database.name, before.size, database.status().size))
    return done


def _backups_there(name: str, directory: str) -> str:
    folder = os.path.join(directory, BACKUPS)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = sorted((one for one in names if one.startswith(f"{name}-") and one.endswith(".db")), reverse=True)
    if not found:
        return f"There is no backup of it in {folder}."
    return f"Backups in {folder}, newest first: {', '.join(found[:_MOST_BACKUPS])}."


def _backup_path(database: Maintenance, directory: str, now: datetime, words: str = "") -> str:
    data_directory.ensure(directory)
    folder = os.path.join(directory, BACKUPS)
    os.makedirs(folder, 0o770, exist_ok=True)
    return os.path.join(folder, f"{database.name}-{now:%Y%m%dT%H%M%S}.{now.microsecond:06d}Z{words}{database.suffix}")
