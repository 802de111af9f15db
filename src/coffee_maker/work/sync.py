"""`sync` on one machine: proves that everyone sees one file and one database.

Every daemon with a fresh heartbeat is asked through the database what it sees; that its answer comes back shows the one
database, and what it says is compared with what this process sees.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from coffee_maker.core.ports import Clock, Store, System
from coffee_maker.core.records import Finding, Heartbeat
from coffee_maker.core.revisions import revision_of_hash
from coffee_maker.utils.mounts import Mount
from coffee_maker.work.editing import Editing
from coffee_maker.work.standing import alive

ANSWERS_WITHIN = timedelta(seconds=5)
_ROUNDS = 3  # an edit between two looks makes them differ; one that differs three times does differ

Seen = Mapping[str, object]


class Report(NamedTuple):
    """What `sync` found."""

    seen: Seen
    findings: Sequence[Finding]
    daemons: Sequence[tuple[Heartbeat, bool]]  # with whether it answered
    revision: str | None
    recorded: int  # outside changes that were taken into the history

    @property
    def agree(self) -> bool:
        return all(finding.level != "problem" for finding in self.findings)


class Sync:
    """The handshake. `uses_files` is whether the database is SQLite, whose locks end where the kernel ends."""

    def __init__(self, store: Store, clock: Clock, system: System, *, uses_files: bool) -> None:
        self._store = store
        self._clock = clock
        self._system = system
        self._uses_files = uses_files

    def run(self, editing: Editing, *, patience: timedelta = ANSWERS_WITHIN) -> Report:
        """Record what was changed outside, then ask everyone."""
        before = self._newest_change()
        editing.reconcile()
        recorded = self._newest_change() - before
        daemons = self._fresh()
        for _ in range(_ROUNDS):
            mine = self._system.seen()
            answers = self._ask(daemons, patience)
            differences = [found for one in answers.items() for found in self._compare(one[0], mine, one[1])]
            if not differences:
                break
        findings = [*self._own(mine), *differences, *self._silent(daemons, answers, patience)]
        if recorded:
            findings.append(Finding("recorded", "ok", f"Changes made outside that are now in the history: {recorded}."))
        asked = [(daemon, daemon.daemon in answers) for daemon in daemons]
        digest = mine["roadmap_hash"]
        revision = revision_of_hash(digest) if isinstance(digest, str) else None
        return Report(mine, findings, asked, revision, recorded)

    def _newest_change(self) -> int:
        with self._store.reading() as tx:
            return next((change.id for change in tx.roadmap.changes(limit=1)), 0)

    def _fresh(self) -> list[Heartbeat]:
        now = self._clock.now()
        with self._store.reading() as tx:
            return [heartbeat for heartbeat in tx.heartbeats.all() if alive(heartbeat, now)]

    def _ask(self, daemons: Sequence[Heartbeat], patience: timedelta) -> Mapping[str, Seen]:
        """What each daemon answers within the patience; woken by every answer."""
        if not daemons:
            return {}
        import secrets

        nonce = secrets.token_hex(8)
        deadline = time.monotonic() + patience.total_seconds()
        names = {daemon.daemon for daemon in daemons}
        with self._store.wakeup() as wakeup:
            with self._store.writing() as tx:
                tx.heartbeats.ask(nonce, self._clock.now())
            while True:
                with self._store.reading() as tx:
                    answers = tx.heartbeats.replies(nonce)
                left = deadline - time.monotonic()
                if names <= set(answers) or left <= 0:
                    return answers
                wakeup.wait(left)

    def _own(self, mine: Seen) -> list[Finding]:
        findings = [Finding("roadmap", "ok", f"The roadmap is {mine['roadmap']}, on {_kind(mine['roadmap_mount'])}.")]
        where = "PostgreSQL" if not self._uses_files else f"SQLite in {mine['data']}, on {_kind(mine['data_mount'])}"
        findings.append(Finding("database", "ok", f"The database is {where}."))
        if mine["roadmap_alone"]:
            message = "The roadmap is mounted as a single file, so other programs' saves go to another file."
            findings.append(Finding("single_file", "problem", message, _OTHER_TEXT_CURE))
        kind = mine["data_mount"]
        if self._uses_files and isinstance(kind, str) and Mount(0, "", kind).unsafe:
            findings.append(
                Finding("filesystem", "problem", f"Locks are not shared on a {kind} file system.", _OTHER_KERNEL_CURE)
            )
        return findings

    def _silent(self, daemons: Sequence[Heartbeat], answers: Mapping[str, Seen], patience: timedelta) -> list[Finding]:
        if not daemons:
            return [Finding("no_daemon", "ok", "No daemon is running on this database.")]
        seconds = f"{patience.total_seconds():g} s"
        return [
            Finding(
                "silent",
                "problem",
                f"Daemon {daemon.daemon} on {daemon.host} did not answer within {seconds}.",
                "It may have ended just now, or be stopped: look at it there, then run `coffee-roadmap sync` again.",
            )
            for daemon in daemons
            if daemon.daemon not in answers
        ]

    def _compare(self, name: str, mine: Seen, theirs: Seen) -> list[Finding]:
        """What a daemon sees differently; all paths may differ, for a container has its own."""
        findings = []
        one_kernel = mine["boot_id"] == theirs.get("boot_id")
        if not one_kernel and self._uses_files:
            message = f"Daemon {name} runs on another kernel ({theirs.get('host')}): SQLite's locks end there."
            findings.append(Finding("other_kernel", "problem", message, _OTHER_KERNEL_CURE))
        if one_kernel and self._uses_files and _differ(mine, theirs, "database"):
            message = f"Daemon {name} has another database file open, in {theirs.get('data')}."
            findings.append(
                Finding("other_database", "problem", message, "Restart it, on the same data directory as yours.")
            )
        if theirs.get("roadmap_alone"):
            message = f"Daemon {name} has the roadmap mounted as a single file, at {theirs.get('roadmap')}."
            findings.append(Finding("single_file", "problem", message, _OTHER_TEXT_CURE))
        if mine["roadmap_hash"] != theirs.get("roadmap_hash"):
            message = f"Daemon {name} sees another text of the roadmap, at {theirs.get('roadmap')}."
            findings.append(Finding("other_text", "problem", message, _OTHER_TEXT_CURE))
        elif one_kernel and _differ(mine, theirs, "roadmap"):
            message = f"Daemon {name} has a copy of the roadmap, at {theirs.get('roadmap')}: same text, another file."
            findings.append(Finding("other_file", "problem", message, _OTHER_TEXT_CURE))
        return findings


_OTHER_KERNEL_CURE = (
    "Use PostgreSQL ([database] url in coffee-roadmap.toml), or keep the data directory in a volume of the machine on\n"
    "which everything that uses it runs."
)
_OTHER_TEXT_CURE = (
    "Mount the roadmap's directory into the container, not the single file (a mounted file stays the old one after\n"
    "every save), and start the daemon on that same directory."
)


def _differ(mine: Seen, theirs: Seen, what: str) -> bool:
    return any(mine[f"{what}_{fact}"] != theirs.get(f"{what}_{fact}") for fact in ("device", "inode"))


def _kind(mount: object) -> str:
    return str(mount) if mount else "an unknown file system"
