"""Revisions: what people and JSON see of the sha256 of a text."""

from __future__ import annotations

from coffee_maker.core.lean import sha256, sha256_of_large

REVISION_LENGTH = 12
_LARGE = 4096  # bytes


def revision_of_hash(digest: str) -> str:
    """The revision that people and JSON see: the first 12 hexadecimal digits of the sha256."""
    return digest[:REVISION_LENGTH]


def revision_of_text(item_text: str) -> str:
    """An item's revision. Blank lines at its end do not count: they change when the next item moves."""
    data = item_text.encode("utf-8", "surrogatepass").rstrip(b" \t\r\n")  # bytes are copied faster than characters
    return (sha256(data).hexdigest() if len(data) < _LARGE else sha256_of_large(data))[:REVISION_LENGTH]
