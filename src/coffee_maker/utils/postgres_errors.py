"""PostgreSQL's errors as refusals: what happened and the way out, and never a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors

from coffee_maker.core.errors import DatabaseBusy, DatabaseGone, DatabaseUnusable, Refusal

_CONTENTION = (errors.LockNotAvailable, errors.SerializationFailure, errors.DeadlockDetected, errors.TooManyConnections)
_LOST = (errors.AdminShutdown, errors.CrashShutdown, errors.CannotConnectNow, errors.IdleInTransactionSessionTimeout)
_USER = "The server's administrator can help: GRANT CREATE, TEMP ON DATABASE ... TO your user, or make the schemas."
_PROBLEMS: tuple[tuple[type[psycopg.Error], str, str], ...] = (
    (errors.InsufficientPrivilege, "its user may not do this", _USER),
    (errors.ReadOnlySqlTransaction, "this connection only reads", "Check that the url names the primary server."),
    (errors.DiskFull, "the server's disk is full", "Free some space there and repeat; this change was not made."),
    (errors.OutOfMemory, "the server is out of memory", "Try again later; this change was not made."),
    (errors.DataCorrupted, "its data is damaged", "Restore a backup of the server's database (pg_restore)."),
    (errors.IndexCorrupted, "an index is damaged", "REINDEX DATABASE on the server mends it."),
    (errors.QueryCanceled, "a statement took too long and was cancelled", "Try again when the server is less busy."),
    (errors.UndefinedTable, "its tables are missing", "`coffee-roadmap db init` makes them."),
    (errors.FeatureNotSupported, "the server is too old", "PostgreSQL 13 or newer is needed."),
)
_CONNECT_HINT = "Check database.url (COFFEE_DATABASE_URL), that the server runs, and that it lets this machine in."


@contextmanager
def refusals(name: str, url: str) -> Iterator[None]:
    """Turn the server's errors into refusals; constraint and syntax errors stay what they are."""
    try:
        yield
    except psycopg.Error as error:
        refusal = as_refusal(error, name, url)
        if refusal is None:
            raise
        raise refusal from None  # libpq may repeat the address in its own words


@contextmanager
def gone_at_commit(name: str) -> Iterator[None]:
    """A connection lost while committing leaves it open whether the server has committed: that must be said."""
    try:
        yield
    except psycopg.OperationalError as error:
        if error.sqlstate is not None and not isinstance(error, _LOST):
            raise
        raise DatabaseUnusable(
            name=name,
            problem="the connection was lost while committing, so the change may or may not be recorded",
            hint="Look whether it is there before you repeat it.",
        ) from None


def too_many_connections(error: psycopg.OperationalError) -> bool:
    """Whether the server only has no connection to spare just now."""
    text = str(error)
    return "too many clients" in text or "remaining connection slots" in text


def as_refusal(error: psycopg.Error, name: str, url: str) -> Refusal | None:
    """The refusal that says what `error` means to a person, or None for an error of the program itself."""
    if isinstance(error, _CONTENTION) or (isinstance(error, psycopg.OperationalError) and too_many_connections(error)):
        return DatabaseBusy(name=name, holder="other connections are in the way", waited="as long as it may")
    for kind, problem, hint in _PROBLEMS:
        if isinstance(error, kind):
            return DatabaseUnusable(name=name, problem=problem, hint=hint)
    if isinstance(error, _LOST):
        return DatabaseGone(name=name)
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        if error.pgconn is None or "connection failed" in str(error) or "connection is bad" in str(error):
            return DatabaseUnusable(name=name, problem=without_password(str(error), url), hint=_CONNECT_HINT)
        return DatabaseGone(name=name)
    if isinstance(error, psycopg.OperationalError):
        return DatabaseUnusable(name=name, problem=without_password(str(error), url), hint=_CONNECT_HINT)
    return None


def without_password(text: str, url: str) -> str:
    """The error's own words on one line, without the password of the url."""
    password = psycopg.conninfo.conninfo_to_dict(url).get("password")
    flat = " ".join(text.split())
    return flat.replace(str(password), "***") if password else flat
