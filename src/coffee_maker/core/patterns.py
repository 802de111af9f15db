"""Regular expressions that are compiled at their first use, so that a command pays only for those its text needs."""

from __future__ import annotations

import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


# Before 3.11.5, a possessive group that gives up leaves the place and the groups where it had got to (CPython issue
# 106052), and Debian 12 has 3.11.2. An atomic group around a plain one does not; possessive characters are not
# concerned. A plain group alone would find the same, but try again and again: for ever in some texts.
_LOSES_ITS_PLACE = sys.version_info < (3, 11, 5)
_PARTS = r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?:[*+?]|\{[0-9,]+\})\+|."


def on_demand(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Like `re.compile`, which takes about as long for all patterns of this package as Python's whole start."""
    return _OnDemand(pattern, flags)  # type: ignore[return-value]


def atomic(pattern: str) -> str:
    """The pattern with ``(?>(…)*)`` for each possessive group ``(…)*+``."""
    parts: list[str] = []  # of the pattern: escapes, sets and single characters
    begun: list[int] = []  # where the groups begin that are open
    ended = -1  # where the group began that has just ended
    for part in re.findall(_PARTS, pattern, re.DOTALL):
        if ended >= 0 and len(part) > 1 and part[-1] == "+" and part[0] in "*+?{":
            parts[ended] = "(?>" + parts[ended]
            parts.append(part[:-1] + ")")
            ended = -1
            continue
        ended = begun.pop() if part == ")" else -1
        if part == "(":
            begun.append(len(parts))
        parts.append(part)
    return "".join(parts)


class _OnDemand:
    def __init__(self, pattern: str, flags: int) -> None:
        self._source = pattern, flags

    def __getattr__(self, name: str) -> Any:
        """Asked only for what is not there yet: from its first use on, a method stands in the object itself."""
        pattern, flags = self._source
        if _LOSES_ITS_PLACE:
            pattern = atomic(pattern)
        found = self.__dict__[name] = getattr(re.compile(pattern, flags), name)
        return found
