"""The records that reading and changing the roadmap need; the others (`records`) are made only where they are used."""

from __future__ import annotations

from coffee_maker.core.typed import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

NAMED_BY = 16
"""How many digits of its content's sha256 the name of a staged file holds."""


class RoadmapState(NamedTuple):
    """The last recorded version, and the temporary file through which it goes (or went) into place.

    `pending` is written in the transaction that records a version; the file of that name exists exactly until the
    version is in place and what it replaced has been looked at, so its existence after a crash says what to finish.
    """

    hash: str  # sha256 hex of the recorded version's bytes
    pending: str | None  # file name in the roadmap's own directory
    before: str | None  # the hash of the version that `pending` is to replace


class Taken(NamedTuple):
    """A content that somebody saved between our reading and our placing."""

    content: bytes
    placed: bool  # True: it was taken out and our text is in place; False: it is still in place and ours is not


class Claim(NamedTuple):
    """The right to work on one item. `fence` grows with every claim ever made, so an old holder can be told apart."""

    item: str
    owner: str
    fence: int
    until: datetime
