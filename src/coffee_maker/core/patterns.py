"""Regular expressions that are compiled at their first use, so that a command pays only for those its text needs."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def on_demand(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Like `re.compile`, which takes about as long for all patterns of this package as Python's whole start."""
    return _OnDemand(pattern, flags)  # type: ignore[return-value]


class _OnDemand:
    def __init__(self, pattern: str, flags: int) -> None:
        self._source = pattern, flags

    def __getattr__(self, name: str) -> Any:
        """Asked only for what is not there yet: from its first use on, a method stands in the object itself."""
        found = self.__dict__[name] = getattr(re.compile(*self._source), name)
        return found
