"""`claims`: who may work on which item. One row per claim ever made; its number is the fence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coffee_maker.core.errors import AlreadyClaimed, ClaimLost
from coffee_maker.core.state import Claim
from coffee_maker.store import values
from coffee_maker.utils.connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime, timedelta


class Claims:
    """See `coffee_maker.core.ports.ClaimTable`. At most one row per item is `held` (a unique index sees to it)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, item: str, owner: str, *, lease: timedelta, now: datetime) -> Claim:
        held = self._connection.execute(
            "SELECT owner, until FROM claims WHERE item = ? AND state = 'held'", (item,)
        ).fetchone()
        if held is not None and held[0] != owner and held[1] > values.time(now):
            raise AlreadyClaimed(item=item, owner=held[0], until=held[1])
        self._connection.execute("UPDATE claims SET state = 'lost' WHERE item = ? AND state = 'held'", (item,))
        until = now + lease
        row = self._connection.execute(
            "INSERT INTO claims (item, owner, until, taken_at, state) VALUES (?, ?, ?, ?, 'held') RETURNING fence",
            (item, owner, values.time(until), values.time(now)),
        )
        return Claim(item, owner, int(row.rows[0][0]), until)

    def renew(self, claim: Claim, *, lease: timedelta, now: datetime) -> Claim:
        """A lease that ran out may still be prolonged as long as nobody else has taken the item since."""
        until = now + lease
        renewed = self._connection.execute(
            "UPDATE claims SET until = ? WHERE fence = ? AND item = ? AND owner = ? AND state = 'held' RETURNING fence",
            (values.time(until), claim.fence, claim.item, claim.owner),
        )
        if not len(renewed):
            raise ClaimLost(item=claim.item, fence=claim.fence, owner=claim.owner)
        return claim._replace(until=until)

    def check(self, claim: Claim, now: datetime) -> None:
        standing = self._connection.execute(
            "SELECT 1 FROM claims WHERE fence = ? AND item = ? AND owner = ? AND state = 'held' AND until > ?",
            (claim.fence, claim.item, claim.owner, values.time(now)),
        )
        if not len(standing):
            raise ClaimLost(item=claim.item, fence=claim.fence, owner=claim.owner)

    def release(self, claim: Claim) -> None:
        self._connection.execute(
            "UPDATE claims SET state = 'released' WHERE fence = ? AND owner = ? AND state = 'held'",
            (claim.fence, claim.owner),
        )

    def held(self, now: datetime) -> Sequence[Claim]:
        rows = self._connection.execute(
            "SELECT item, owner, fence, until FROM claims WHERE state = 'held' AND until > ? ORDER BY fence",
            (values.time(now),),
        )
        return [Claim(item, owner, fence, values.read_time(until)) for item, owner, fence, until in rows]

    def held_until(self, item: str) -> Mapping[str, datetime]:
        rows = self._connection.execute("SELECT owner, max(until) FROM claims WHERE item = ? GROUP BY owner", (item,))
        return {owner: values.read_time(until) for owner, until in rows}
