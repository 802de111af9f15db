"""How well a roadmap stands, from 0 to 100, and what every point that is missing was taken off for.

The score is 100 less the points of all findings, and never below 0. A finding's points are the weight of its rule
times how often it applies, up to the rule's most. `RULES` is the whole formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from coffee_maker.core.choosing import Choice
from coffee_maker.core.items import Item, Problem, Status
from coffee_maker.core.questions import OPEN, Kind, Notification
from coffee_maker.core.records import Run
from coffee_maker.core.state import Claim

BEST = 100
BLOCKED_FOR = timedelta(days=14)
STALE_AFTER = timedelta(days=7)
ASKED_FOR = timedelta(days=1)
LATELY = timedelta(days=7)
REVIEWS = 2  # items in manual review that are nothing to worry about
_FEW = 3  # runs of which too little can be said


class Facts(NamedTuple):
    """What is known of the roadmap and of the work on it."""

    items: Sequence[Item]
    problems: Sequence[Problem]
    choice: Choice
    claims: Sequence[Claim]  # every one that was not given back, also those whose lease ran out
    questions: Sequence[Notification]
    runs: Sequence[Run]  # that began within `LATELY`
    changed: Mapping[str, tuple[datetime, datetime | None]]  # item -> last change, last status
    recorded_since: datetime | None  # of the oldest recorded change; None: nothing is recorded yet
    now: datetime


class Rule(NamedTuple):
    """What takes points off."""

    code: str
    weight: int  # points for each
    most: int  # points in all
    counts: str  # what it counts
    hint: str


class Finding(NamedTuple):
    """A rule that applies."""

    code: str
    weight: int
    points: int
    message: str
    items: tuple[str, ...]
    hint: str


class Health(NamedTuple):
    """The score, and what it is made of."""

    score: int
    findings: tuple[Finding, ...]


RULES = (
    Rule("no_status", 2, 15, "items without a status that is known", "Set one: `coffee-roadmap status ITEM planned`."),
    Rule(
        "contradiction",
        1,
        10,
        "items whose heading and status field say different things",
        "The field counts; mend the heading: `coffee-roadmap view --problems` names the lines.",
    ),
    Rule(
        "text_problem",
        2,
        15,
        "other problems of the text: numbers that stand twice, open code fences, unknown dependencies",
        "`coffee-roadmap view --problems` names the lines.",
    ),
    Rule(
        "dependency_circle",
        10,
        20,
        "circles of items that depend on each other",
        "None of them can ever be taken: take one dependency away.",
    ),
    Rule(
        "blocked_long",
        3,
        15,
        "items that have been blocked for more than 14 days",
        "Resolve what blocks them, or set them to planned or cancelled.",
    ),
    Rule(
        "abandoned",
        5,
        15,
        "items in progress whose daemon is gone: its claim ran out",
        "`coffee-roadmap daemon run` takes them up again.",
    ),
    Rule(
        "stale",
        3,
        15,
        "items in progress without a claim that have not changed for more than 7 days",
        "If nobody works on them, set them to planned: `coffee-roadmap status ITEM planned`.",
    ),
    Rule(
        "question_waits",
        3,
        15,
        "questions that have waited for more than a day",
        "`coffee-roadmap notifications` shows them; `notifications respond ID ANSWER` answers.",
    ),
    Rule(
        "reviews_pile_up",
        3,
        15,
        "items in manual review, from the third on",
        "Look at their branches; then set them to complete, or to planned for another attempt.",
    ),
    Rule(
        "runs_fail",
        5,
        15,
        "each full quarter of the runs of the last 7 days that did not end complete, of three runs or more",
        "`coffee-roadmap metrics --since 7d` shows why.",
    ),
    Rule(
        "nothing_ready",
        10,
        10,
        "that no planned item can be taken, and there is work left or no item at all",
        "`coffee-roadmap next` says what each planned item waits for; `coffee-roadmap add` adds one.",
    ),
)


def judge(facts: Facts) -> Health:
    """The score with its findings, the heaviest first."""
    findings = [finding for rule in RULES if (finding := _apply(rule, facts)) is not None]
    findings.sort(key=lambda one: -one.points)
    return Health(max(BEST - sum(one.points for one in findings), 0), tuple(findings))


class _Found(NamedTuple):
    """How often a rule applies, in words, and to which items."""

    times: int
    message: str
    items: tuple[str, ...] = ()


def _apply(rule: Rule, facts: Facts) -> Finding | None:
    found = _FINDERS[rule.code](facts)
    if not found.times:
        return None
    points = min(rule.weight * found.times, rule.most)
    return Finding(rule.code, rule.weight, points, found.message, found.items, rule.hint)


def _items(keys: Iterable[str | None], one: str, several: str) -> _Found:
    """Of items; `several` has a place for their number."""
    known = tuple(key or "" for key in keys)
    return _Found(len(known), one if len(known) == 1 else several.format(len(known)), tuple(filter(None, known)))


def _problems(facts: Facts, *codes: str) -> Iterator[str | None]:
    return (problem.key for problem in facts.problems if problem.code in codes)


def _no_status(facts: Facts) -> _Found:
    keys = _problems(facts, "missing_status", "unknown_status")
    return _items(keys, "1 item has no status that is known.", "{} items have no status that is known.")


def _contradiction(facts: Facts) -> _Found:
    keys = _problems(facts, "status_contradiction")
    return _items(keys, "1 item states two statuses.", "{} items state two statuses.")


def _text_problem(facts: Facts) -> _Found:
    keys = _problems(facts, "duplicate_id", "unclosed_fence", "unknown_dependency", "heading_too_long")
    return _items(keys, "1 other problem stands in the text.", "{} other problems stand in the text.")


def _circle(facts: Facts) -> _Found:
    keys = _problems(facts, "dependency_circle")
    return _items(keys, "1 circle of items depends on itself.", "{} circles of items depend on themselves.")


def _blocked(facts: Facts) -> _Found:
    limit = facts.now - BLOCKED_FOR
    keys = [item.key for item in facts.items if item.status is Status.BLOCKED and _status_since(item, facts) < limit]
    return _items(keys, "1 item is blocked for long.", "{} items are blocked for long.")


def _abandoned(facts: Facts) -> _Found:
    dead = {claim.item for claim in facts.claims if claim.until <= facts.now}
    keys = [item.key for item in facts.items if item.status is Status.IN_PROGRESS and item.key in dead]
    return _items(keys, "1 item was left by its daemon.", "{} items were left by their daemons.")


def _stale(facts: Facts) -> _Found:
    claimed, limit = {claim.item for claim in facts.claims}, facts.now - STALE_AFTER
    working = [item for item in facts.items if item.status is Status.IN_PROGRESS and item.key not in claimed]
    keys = [item.key for item in working if _changed(item, facts) < limit]
    return _items(keys, "1 item in progress does not move.", "{} items in progress do not move.")


def _questions(facts: Facts) -> _Found:
    limit = facts.now - ASKED_FOR
    asked = [one for one in facts.questions if one.kind is Kind.QUESTION and one.state in OPEN and one.created < limit]
    message = "1 question has waited" if len(asked) == 1 else f"{len(asked)} questions have waited"
    items = dict.fromkeys(one.item for one in asked if one.item)
    return _Found(len(asked), f"{message} for more than a day.", tuple(items))


def _reviews(facts: Facts) -> _Found:
    keys = tuple(item.key for item in facts.items if item.status is Status.MANUAL_REVIEW)
    return _Found(max(len(keys) - REVIEWS, 0), f"{len(keys)} items wait for a person to look at them.", keys)


def _failing(facts: Facts) -> _Found:
    ended = [run for run in facts.runs if run.outcome in ("complete", "manual_review", "failed")]
    bad = [run for run in ended if run.outcome != "complete"]
    quarters = 4 * len(bad) // len(ended) if len(ended) >= _FEW else 0
    items = dict.fromkeys(run.item for run in bad)
    return _Found(quarters, f"{len(bad)} of {len(ended)} runs of the last 7 days did not end complete.", tuple(items))


def _nothing_ready(facts: Facts) -> _Found:
    left = any(item.status not in (Status.COMPLETE, Status.CANCELLED) for item in facts.items)
    nothing = facts.choice.item is None and (left or not facts.items)
    keys = tuple(waiting.key for waiting in facts.choice.waiting)
    return _Found(int(nothing), "No planned item can be taken now.", keys)


def _changed(item: Item, facts: Facts) -> datetime:
    """When it was last changed: what never was, stands so since the recording began at least."""
    known = facts.changed.get(item.key)
    return known[0] if known else facts.recorded_since or facts.now


def _status_since(item: Item, facts: Facts) -> datetime:
    known = facts.changed.get(item.key)
    return (known[1] if known else None) or facts.recorded_since or facts.now


_FINDERS: Mapping[str, Callable[[Facts], _Found]] = {
    "no_status": _no_status,
    "contradiction": _contradiction,
    "text_problem": _text_problem,
    "dependency_circle": _circle,
    "blocked_long": _blocked,
    "abandoned": _abandoned,
    "stale": _stale,
    "question_waits": _questions,
    "reviews_pile_up": _reviews,
    "runs_fail": _failing,
    "nothing_ready": _nothing_ready,
}
