"""Every recorded version goes to git afterwards: an outbox whose cursor is the log's own newest commit.

It runs after the roadmap's lock is released and never fails an operation. Whoever holds the publishing lock writes the
versions of all others along, in the order of the history, so that nobody waits and no version is out of order.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress

from coffee_maker.core.errors import LockBusy, Refusal
from coffee_maker.core.patterns import on_demand
from coffee_maker.utils import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from coffee_maker.core.history import Change
    from coffee_maker.core.ports import Repository, Store, Transaction
    from coffee_maker.core.questions import Draft

_CURSOR = on_demand(r"^Roadmap-Change: (\d+)$", re.MULTILINE)
_ROUNDS = 5


class Publishing:
    """Brings ``refs/roadmap/log`` (and, when wanted, the current branch) up to the recorded history."""

    def __init__(
        self,
        store: Store,
        repository: Repository,
        *,
        directory: str,
        log: bool,
        commit: bool,
        tell: Callable[[Draft], object] = lambda _draft: None,
    ) -> None:
        self._store = store
        self._repository = repository
        self._tell = tell
        self._lock = os.path.join(directory, "publishing.lock")
        self._note = os.path.join(directory, "publishing.problem")
        self._log = log
        self._commit = commit

    def catch_up(self) -> None:
        """Write what is not in git yet. A failure is noted for `problem` and tried again after the next change."""
        if not (self._log or self._commit):
            return
        try:
            logged = -1
            for _ in range(_ROUNDS):
                with locks.hold(self._lock, what="publishing", timeout=0.0, purpose="publish"):
                    logged = self._write_new()
                if self._newest_change() <= logged:  # nobody came while the lock was held and went away again
                    break
        except LockBusy:
            return  # the holder writes ours too
        except (Refusal, OSError) as error:
            self._remember(str(error))
        else:
            with suppress(FileNotFoundError):
                os.unlink(self._note)

    def problem(self) -> str | None:
        """Why the newest versions are not in git, for `doctor`."""
        try:
            with open(self._note, encoding="utf-8", errors="replace") as note:
                return note.read().strip() or None
        except FileNotFoundError:
            return None

    def _remember(self, problem: str) -> None:
        with suppress(OSError), open(self._note, "w", encoding="utf-8") as note:
            note.write(problem + "\n")

    def _newest_change(self) -> int:
        with self._store.reading() as tx:
            return next((change.id for change in tx.roadmap.changes(limit=1)), 0)

    def _write_new(self) -> int:
        """Write the changes after the cursor; the id of the newest change that was seen."""
        with self._store.reading() as tx:
            state = tx.roadmap.state()
            newest = next(iter(tx.roadmap.changes(limit=1)), None)
            content = tx.roadmap.version(state.hash) if state else None
            if content is None:
                return 0
            if self._log:
                self._write_log(tx, content, newest.id if newest else 0)
        if (
            self._commit and newest is not None
        ):  # also when it is in the log already: the branch may have been busy then
            self._repository.publish(content, _message([newest]))
        return newest.id if newest else 0

    def _write_log(self, tx: Transaction, content: bytes, newest: int) -> None:
        """Every version after the cursor, which is in the log's own newest message."""
        found = _CURSOR.findall(self._repository.newest_logged() or "")
        cursor = int(found[-1]) if found else None
        if cursor is not None and cursor > newest:  # the database is an older one again: the log goes on from there
            self._tell(_went_back(cursor, newest, self._repository.log_ref()))
            self._repository.log_version(content, f"The database went back\n\nRoadmap-Change: {newest}\n")
            return
        changes = list(reversed(tx.roadmap.changes(after_id=cursor or 0)))
        if cursor is None and not changes:
            self._repository.log_version(content, "Take up the roadmap\n\nRoadmap-Change: 0\n")
        self._log_each(tx, changes)

    def _log_each(self, tx: Transaction, changes: list[Change]) -> None:
        told: list[Change] = []
        for change in changes:
            told.append(change)
            version = tx.roadmap.version(change.after_hash)
            if version is not None:  # a step within one outside edit was never a version of its own
                self._repository.log_version(version, _message(told))
                told = []


def _went_back(logged: int, newest: int, ref: str) -> Draft:
    """Whoever restored a backup knows it; the others, and who has lost the files by accident, do not."""
    from coffee_maker.core.questions import Draft, Kind, Level, Source

    return Draft(
        Source.DAEMON,
        Kind.ALERT,
        f"Its newest change is {newest}; git has versions up to change {logged} in {ref}. A backup was put in its "
        "place, or its files were removed or emptied and a new one was made. Every version of the roadmap until then "
        "is in git; questions, answers, runs and what the daemons noted since are not in the database. An item that "
        "was in hand may be in progress with nobody at work on it: `coffee-roadmap status ITEM planned` has it taken "
        "up again. `coffee-roadmap db restore FILE` brings a backup back.",
        title="The database is an older one, or a new one",
        level=Level.HIGH,
        idempotency_key=f"went-back:{logged}:{newest}",
    )


def _message(changes: list[Change]) -> str:
    """What a version changed, one line a change, and the cursor."""
    lines = [_line(change) for change in changes]
    subject = lines[0] if len(lines) == 1 else f"{lines[0]} and {len(lines) - 1} more"
    body = "\n".join(lines) if len(lines) > 1 else (changes[0].reason or "")
    by = changes[-1].changed_by
    return f"{subject}\n\n{body}\n\nChanged-By: {' '.join(by.split())}\nRoadmap-Change: {changes[-1].id}\n"


def _line(change: Change) -> str:
    what = change.item or "roadmap"
    if change.change_type == "status_change":
        return f"{what}: {change.before or 'no status'} -> {change.after}"
    return f"{what}: {change.change_type}"
