"""What the daemon hears of a run, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping

from coffee_maker.core.errors import WrongUsage
from coffee_maker.core.records import Action, Usage


class Watching:
    """See `coffee_maker.core.ports.Watch`."""

    def activity(self, words: str) -> None:
        pass

    def usage(self, usage: Usage) -> None:
        pass

    def session(self, session: str) -> None:
        pass

    def permit(self, action: Action) -> str | None:
        return f"{action.kind} is not allowed"

    def call(self, tool: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        raise WrongUsage(problem=f"There is no tool {tool}.")
