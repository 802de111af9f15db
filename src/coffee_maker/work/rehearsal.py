"""A dry run of the daemon: what it would take now, and whether everything that it needs is there. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from coffee_maker.core.choosing import Choice, choose
from coffee_maker.core.errors import Refusal
from coffee_maker.core.items import Status
from coffee_maker.core.records import Finding
from coffee_maker.utils.durations import format_duration
from coffee_maker.work import ceilings, dependencies, space
from coffee_maker.work.standing import claims_of_the_living, interrupted

if TYPE_CHECKING:
    from coffee_maker.core.items import Item
    from coffee_maker.work.job import Desk
    from coffee_maker.work.standing import Gone


class Rehearsal(NamedTuple):
    """What a daemon would do now."""

    choice: Choice
    resumed: tuple[Item, ...]  # items that would be taken up again first
    findings: tuple[Finding, ...]


def rehearse(desk: Desk, gone: Gone = lambda _beat: False) -> Rehearsal:
    """Look at everything once."""
    document = desk.editing.read()
    with desk.store.reading() as tx:
        claims = claims_of_the_living(tx, desk.clock.now(), gone)
        begun = interrupted(tx, document.items, claims)
        skipped, paused = tx.controls.skipped(), tx.controls.paused()
    left = {key: one.words for key, one in skipped.items()}
    choice = choose(document.items, claims, left)
    resumed = tuple(  # one that was put back waits for its turn as others do
        item
        for item in document.items
        if item.key in begun and item.key not in skipped and (item.status is not Status.PLANNED or item == choice.item)
    )
    findings = list(_findings(desk))
    if paused is not None:
        hint = "`coffee-roadmap daemon resume` lets it go on."
        why = f": {paused.reason}" if paused.reason else ""
        findings.append(Finding("paused", "notice", f"Daemons are paused by {paused.asked_by}{why}.", hint))
    return Rehearsal(choice, resumed, tuple(findings))


def _findings(desk: Desk) -> Iterator[Finding]:
    try:
        desk.editing.check_ours()
    except Refusal as refusal:
        yield Finding(refusal.code, "problem", refusal.message, refusal.hint)
    try:
        desk.repository.check()
        yield Finding("repository", "ok", "Work trees can be made from the repository.")
    except Refusal as refusal:
        yield Finding(refusal.code, "problem", refusal.message, refusal.hint)
    for agent, what in ((desk.agent, "agent"), (desk.tests, "test command")):
        if agent is None:
            hint = "[daemon] test_command in coffee-roadmap.toml names one."
            yield Finding("tests", "notice", "No tests are run: no test command is set.", hint)
            continue
        problem = agent.check()
        if problem:
            hint = "Set it in coffee-roadmap.toml, or choose another agent with --agent."
            yield Finding(what.replace(" ", "_"), "problem", f"The {what} cannot run: {problem}.", hint)
        else:
            yield Finding(what.replace(" ", "_"), "ok", f"The {what} ({agent.name}) can run.")
    try:
        space.check(desk.options)
    except Refusal as refusal:
        yield Finding(refusal.code, "problem", refusal.message, refusal.hint)
    yield from _policies(desk)
    limits = {name: value for name, value in desk.options.ceilings._asdict().items() if value is not None}
    shown = {key: format_duration(one) if isinstance(one, timedelta) else one for key, one in limits.items()}
    words = ", ".join(f"{name} {value}" for name, value in shown.items())
    yield Finding("limits", "ok", f"Limits: {words or 'none'}.")
    over = ceilings.looked_at(desk).over
    if over is not None:
        yield Finding("day", "notice", over, "Nothing new is taken up until tomorrow (UTC).")


def _policies(desk: Desk) -> Iterator[Finding]:
    """Before what the person is asked: by the daemon, and by the agent, if it is one that asks."""
    ours = ("start", dependencies.POLICY, "push") if desk.options.push else ("start", dependencies.POLICY)
    kinds = ("start", "new_dependency", "network", "push", "pull_request") if desk.agent.asks else ours
    asked = ", ".join(kind for kind in kinds if desk.policy(kind) == "ask") or "nothing"
    refused = ", ".join(kind for kind in kinds if desk.policy(kind) == "deny")
    denied = f" Refused: {refused}." if refused else ""
    more = "" if desk.agent.asks else f" The {desk.agent.name} agent itself does not ask; [agent] sandbox bounds it."
    yield Finding("policy", "ok", f"Asks before: {asked}.{denied}{more}")
