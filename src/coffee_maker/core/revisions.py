"""Revisions: what people and JSON see of the sha256 of a text."""

from __future__ import annotations

from coffee_maker.core.errors import WrongUsage
from coffee_maker.core.lean import sha256, sha256_of_large

REVISION_LENGTH = 12
_SHORTEST = 7  # digits of a revision that somebody gives: fewer are met by chance
_LARGE = 4096  # bytes


def revision_of_hash(digest: str) -> str:
    """The revision that people and JSON see: the first 12 hexadecimal digits of the sha256."""
    return digest[:REVISION_LENGTH]


def revision_of_text(item_text: str) -> str:
    """An item's revision. Blank lines at its end do not count: they change when the next item moves."""
    data = item_text.encode("utf-8", "surrogatepass").rstrip(b" \t\r\n")  # bytes are copied faster than characters
    return (sha256(data).hexdigest() if len(data) < _LARGE else sha256_of_large(data))[:REVISION_LENGTH]


def checked_revision(given: str) -> str:
    """A revision that somebody gives as a condition; refuses what is none, such as the nothing of a failed look-up."""
    revision = given.lower()
    if len(revision) >= _SHORTEST and set(revision) <= set("0123456789abcdef"):
        return revision
    raise WrongUsage(
        problem=f"{given or 'Nothing'} is no revision: it has at least {_SHORTEST} hexadecimal digits.",
        hint="`coffee-roadmap view ITEM --json` shows an item's; leave --if-revision out where it does not matter.",
    )
