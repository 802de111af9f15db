"""Which recorded versions a text that an editor saved may descend from.

The newest fifty are looked at closely. An agent at work all night makes more: whether a version before those is nearer
is first looked at in samples, at distances that grow, since the nearer one comes to what the editor had read, the more
the texts are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from coffee_maker.core.ancestry import ruler
from coffee_maker.core.typed import NamedTuple
from coffee_maker.work.rows import PERSON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.core.ports import RoadmapLog

EDITED_OUTSIDE = "edited outside coffee-roadmap"
CAME_BACK = "the file is version"
_NEAR = 50
_MOST = 2000
_GROWTH = 1.25  # from one sample to the next: forty between the 50th version and the 2,000th
_ONE_EDIT = 2  # an edited part is one that was and one that is
_AROUND = 25


class Base(NamedTuple):
    """A version that a buffer may have been read from."""

    text: str
    saved: bool  # by an editor, which goes on from it; not recorded by a command, nor made by a merge
    settled: bool  # the file was left so; else it was merged at once, and only the editor had it


def load_bases(log: RoadmapLog, current: str, outside: str, *, without: str | None = None) -> list[Base]:
    """The versions that the text may descend from, newest first: `current`, then those before it, and where older ones
    are more like it those as well. Never the one that was not yet there."""
    digests = [current, *(one for one in log.versions(_MOST, in_file=True) if one not in (current, without))]
    bases = _load(log, digests[:_NEAR], log.makers(_NEAR))
    distance = ruler(outside)
    nearest = min((distance(base.text) for base in bases), default=0)
    if len(digests) > _NEAR and nearest > _ONE_EDIT:
        far = _nearest(len(digests), nearest, lambda at: distance(_text(log, digests[at]) or ""))
        if far is not None:
            first = max(_NEAR, far - _AROUND)
            older = _load(log, digests[first : far + _AROUND], log.makers(_MOST))
            if first > _NEAR:  # between them others may have changed something
                bases[-1] = bases[-1]._replace(saved=False)
            bases += older
    return bases


def _nearest(count: int, limit: int, distance: Callable[[int], int]) -> int | None:
    """The place of the version before the newest fifty that is nearest, unless one of those is nearer."""
    samples = [_NEAR]
    while samples[-1] * _GROWTH < count - 1:
        samples.append(int(samples[-1] * _GROWTH))
    samples.append(count - 1)
    found = {at: distance(at) for at in samples}
    best = min(samples, key=lambda at: (found[at], at))
    if found[best] > limit:
        return None
    at = samples.index(best)
    low, high = samples[max(at - 1, 0)], samples[min(at + 1, len(samples) - 1)]
    found.update({at: distance(at) for at in range(low, high + 1) if at not in found})
    return min(found, key=lambda at: (found[at], at))


def _load(log: RoadmapLog, digests: Sequence[str], makers: Mapping[str, tuple[str, str | None]]) -> list[Base]:
    found = []
    for digest in digests:
        text = _text(log, digest)
        if text is not None:
            settled = digest in makers or log.was_recorded(digest)
            found.append(Base(text, _by_editor(*makers[digest]) if digest in makers else not settled, settled))
    return found


def _by_editor(changed_by: str, reason: str | None) -> bool:
    """Whether an editor saved it, and nothing was merged into it."""
    return changed_by == PERSON and (reason == EDITED_OUTSIDE or (reason or "").startswith(CAME_BACK))


def _text(log: RoadmapLog, digest: str) -> str | None:
    """What is kept, but is no text, was never read as one (see `outside.unreadable_save`)."""
    content = log.version(digest)
    try:
        return content.decode() if content is not None else None
    except UnicodeDecodeError:
        return None
