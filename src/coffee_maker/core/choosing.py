"""Which item is next, and why each of the other planned ones waits.

Order in the document is what counts, not numbers. An item is ready when it is planned, everything that it depends on
is complete, nobody holds a claim on it, and no one said to leave it for now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from coffee_maker.core.items import Item, Standing, Status
from coffee_maker.core.typed import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

    from coffee_maker.core.state import Claim


class Waiting(NamedTuple):
    """A planned item that is not next, and the reason in plain words."""

    key: str
    because: str


class Choice(NamedTuple):
    """The next item, if one is ready, and the planned ones that wait, in document order."""

    item: Item | None
    waiting: tuple[Waiting, ...]


def choose(items: Sequence[Item], claims: Iterable[Claim] = (), left: Mapping[str, str] | None = None) -> Choice:
    """Choose among `items` (in document order). `claims` are those whose lease runs; `left` says of items that are to
    be left alone for now why that is."""
    place, waiting = weigh(items, claims, left)
    return Choice(None if place is None else items[place], waiting)


def weigh(
    items: Sequence[Item | Standing], claims: Iterable[Claim] = (), left: Mapping[str, str] | None = None
) -> tuple[int | None, tuple[Waiting, ...]]:
    """The same for those who know no more of the items than how they stand: which of them is next, and who waits."""
    by_key = {item.key: item for item in items}
    held = {claim.item: claim for claim in claims}
    chosen: int | None = None
    waiting, planned, later = [], Status.PLANNED, ""
    for place, item in enumerate(items):
        if item.status is not planned:
            continue
        key = item.key
        reasons = list(_reasons(item, by_key, held.get(key))) if item.depends_on or key in held else []
        if left and key in left:
            reasons.append(left[key])
        if reasons:
            waiting.append(Waiting._make((key, "; ".join(reasons))))
        elif chosen is None:
            chosen, later = place, f"{key} comes first"
        else:
            waiting.append(Waiting._make((key, later)))
    return chosen, tuple(waiting)


def _reasons(item: Item | Standing, by_key: Mapping[str, Item | Standing], claim: Claim | None) -> Iterable[str]:
    """Why an item waits that depends on others or is claimed."""
    circle = _circle(item, by_key)
    if circle:
        yield f"depends on itself: {' -> '.join(circle)}"
    for name in item.depends_on:
        needed = by_key.get(name)
        if needed is None:
            yield f"depends on {name}, which is not in the roadmap"
        elif needed.status is None:
            yield f"depends on {name}, which has no status"
        elif needed.status is not Status.COMPLETE and name not in circle:
            yield f"depends on {name}, which is {needed.status.value}"
    if claim is not None:
        yield f"is claimed by {claim.owner} until {_shown(claim.until)}"


def _circle(item: Item | Standing, by_key: Mapping[str, Item | Standing]) -> list[str]:
    """The way along unfinished dependencies from the item back to itself, or nothing."""
    came_from: dict[str, str] = {}
    unseen = [item.key]
    while unseen:
        key = unseen.pop()
        for name in by_key[key].depends_on if key in by_key else ():
            if name == item.key:
                return _way(item.key, key, came_from)
            if name not in came_from and name in by_key and by_key[name].status is not Status.COMPLETE:
                came_from[name] = key
                unseen.append(name)
    return []


def _way(start: str, last: str, came_from: Mapping[str, str]) -> list[str]:
    way = [start]
    while last != start:
        way.append(last)
        last = came_from[last]
    return [*way, start][::-1]


def _shown(moment: datetime) -> str:
    """A moment for a person, in local time with its zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
