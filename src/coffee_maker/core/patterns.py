"""Regular expressions that are compiled at their first use, so that a command pays only for those its text needs."""

from __future__ import annotations

import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


# Before 3.11.5, a possessive group that gives up leaves the place and the groups where it had got to (CPython issue
# 106052), and Debian 12 has 3.11.2. A plain group finds the same here; possessive characters are not concerned.
_LOSES_ITS_PLACE = sys.version_info < (3, 11, 5)
_POSSESSIVE_GROUP = r"(?<!\\)\)([*+?]|\{[0-9,]+\})\+"


def on_demand(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Like `re.compile`, which takes about as long for all patterns of this package as Python's whole start."""
    return _OnDemand(pattern, flags)  # type: ignore[return-value]


class _OnDemand:
    def __init__(self, pattern: str, flags: int) -> None:
        self._source = pattern, flags

    def __getattr__(self, name: str) -> Any:
        """Asked only for what is not there yet: from its first use on, a method stands in the object itself."""
        pattern, flags = self._source
        if _LOSES_ITS_PLACE:
            pattern = re.sub(_POSSESSIVE_GROUP, r")\1", pattern)
        found = self.__dict__[name] = getattr(re.compile(pattern, flags), name)
        return found
