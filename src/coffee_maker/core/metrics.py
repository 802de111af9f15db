"""What the runs came to: figures per item, model and day, from records alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from coffee_maker.core.patterns import on_demand
from coffee_maker.core.questions import OPEN, Kind, Notification
from coffee_maker.core.records import Run, StepTime, Usage

ENDED = ("complete", "manual_review", "failed")
"""Outcomes that say something of the agent. A lost run says something of its daemon only: it is counted apart."""
_REASONS = 5
_LONGEST_REASON = 120
_DIGITS = on_demand(r"[0-9]+")


class Records(NamedTuple):
    """What the figures are made of; of one item only, where one is meant."""

    runs: Sequence[Run]  # all there are, oldest first: an item's first run may lie long before its last
    taken_up: Mapping[tuple[str, int], datetime]  # item and pipeline -> when its first step began
    waits: Sequence[StepTime]  # steps in which a person was waited for
    questions: Sequence[Notification]


class Spread(NamedTuple):
    """Several durations in seconds, or counts."""

    number: int = 0
    median: float | None = None
    p90: float | None = None
    most: float | None = None


class Group(NamedTuple):
    """The runs of one item, model or day."""

    name: str
    runs: int  # that began
    outcomes: Mapping[str, int]  # "running" are those without an end
    done: int  # items that became complete
    usage: Usage
    seconds: float  # that runs took
    waited: float  # seconds of it in which a person was waited for

    @property
    def success(self) -> float | None:
        """The share of runs that ended complete, of those that ended; None without any."""
        ended = sum(self.outcomes.get(name, 0) for name in ENDED)
        return self.outcomes.get("complete", 0) / ended if ended else None


class Waiting(NamedTuple):
    """How long a person was waited for."""

    steps: float  # seconds of whole steps, e.g. for an approval
    runs: float  # seconds within runs
    answered: Spread  # seconds from question to answer
    open: int  # questions that wait now
    longest: float | None  # seconds that the oldest of them has waited


class Reason(NamedTuple):
    """Why runs did not end complete."""

    reason: str
    runs: int
    items: tuple[str, ...]


class Metrics(NamedTuple):
    """All figures of a time; a run belongs to the time in which it began, an item done to that of its end."""

    since: datetime | None
    until: datetime
    total: Group
    cycle: Spread  # seconds from taken up up to complete
    attempts: Spread  # per item; one that was cut off, and went on as another run, is one attempt
    items: tuple[Group, ...]  # most expensive first
    models: tuple[Group, ...]
    days: tuple[Group, ...]  # UTC, oldest first
    waiting: Waiting
    reasons: tuple[Reason, ...]

    @property
    def empty(self) -> bool:
        return not self.total.runs and not self.total.done and not self.waiting.answered.number


def reckon(records: Records, now: datetime, since: datetime | None = None) -> Metrics:
    """All figures, in one pass over the runs."""
    total, items, models, days = _Sum("total"), _Sums(), _Sums(), _Sums()
    for run in records.runs:
        if since is None or run.started >= since:
            for one in (total, items[run.item], models[run.model or run.agent], days[_day(run.started)]):
                one.add(run)
    cycles = []
    for run, ended, cycle in _done(records):
        if since is None or ended >= since:
            cycles.append(cycle)
            for one in (total, items[run.item], models[run.model or run.agent], days[_day(ended)]):
                one.done += 1
    began = [run for run in records.runs if since is None or run.started >= since]
    return Metrics(
        since=since,
        until=now,
        total=total.group(),
        cycle=spread(cycles),
        attempts=spread(list(Counter(item for item, *_ in {_attempt(run) for run in began}).values())),
        items=tuple(sorted(items.groups(), key=lambda one: (-one.usage.cost, -one.usage.tokens, one.name))),
        models=tuple(sorted(models.groups(), key=lambda one: (-one.usage.cost, -one.usage.tokens, one.name))),
        days=tuple(sorted(days.groups(), key=lambda one: one.name)),
        waiting=_waiting(records, began, now, since),
        reasons=_reasons(began),
    )


def spread(values: Sequence[float]) -> Spread:
    """Median and ninetieth percentile as values that occur (nearest rank), so that few values give no invented ones."""
    if not values:
        return Spread()
    ordered = sorted(values)

    def rank(percent: int) -> float:
        return ordered[max(-(-percent * len(ordered) // 100), 1) - 1]

    return Spread(len(ordered), rank(50), rank(90), ordered[-1])


class _Sum:
    """Runs being added up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs = self.done = 0
        self.outcomes: Counter[str] = Counter()
        self.usage: list[float] = [0] * len(Usage._fields)
        self.seconds = self.waited = 0.0

    def add(self, run: Run) -> None:
        self.runs += 1
        self.outcomes[run.outcome or "running"] += 1
        for place, amount in enumerate(run.usage):
            self.usage[place] += amount
        if run.ended is not None:
            self.seconds += (run.ended - run.started).total_seconds()
        self.waited += run.waited

    def group(self) -> Group:
        usage = Usage._make(self.usage)
        return Group(self.name, self.runs, dict(self.outcomes), self.done, usage, self.seconds, self.waited)


class _Sums(dict[str, _Sum]):
    def __missing__(self, name: str) -> _Sum:
        self[name] = made = _Sum(name)
        return made

    def groups(self) -> Iterable[Group]:
        return (one.group() for one in self.values())


def _done(records: Records) -> Iterable[tuple[Run, datetime, float]]:
    """Each time that a run completed its item: the run, when, and seconds since the item was taken up first after the
    time before. Attempts that failed in between, and the time until somebody tried again, are part of it."""
    began: dict[str, datetime] = {}
    for run in records.runs:
        taken = run.started
        if run.pipeline is not None:
            taken = min(taken, records.taken_up.get((run.item, run.pipeline), taken))
        began.setdefault(run.item, taken)
        if run.outcome == "complete" and run.ended is not None:
            yield run, run.ended, (run.ended - began.pop(run.item)).total_seconds()


def _waiting(records: Records, began: Sequence[Run], now: datetime, since: datetime | None) -> Waiting:
    asked = [one for one in records.questions if one.kind is Kind.QUESTION]
    recent = [one for one in asked if since is None or one.created >= since]
    answered = [(one.answered_at - one.created).total_seconds() for one in recent if one.answered_at is not None]
    still = [(now - one.created).total_seconds() for one in asked if one.state in OPEN]
    steps = sum((step.ended - step.started for step in records.waits), timedelta())
    return Waiting(
        steps=steps.total_seconds(),
        runs=sum(run.waited for run in began),
        answered=spread(answered),
        open=len(still),
        longest=max(still, default=None),
    )


def _reasons(runs: Sequence[Run]) -> tuple[Reason, ...]:
    """The commonest first; reasons that differ in numbers only are one."""
    counts: Counter[str] = Counter()
    shown: dict[str, str] = {}
    items: dict[str, dict[str, None]] = {}
    for run in runs:
        if run.outcome in ("failed", "manual_review"):
            line = " ".join((run.detail or "no reason was recorded").partition("\n")[0].split())[:_LONGEST_REASON]
            kind = _DIGITS.sub("#", line)
            counts[kind] += 1
            shown.setdefault(kind, line)
            items.setdefault(kind, {})[run.item] = None
    return tuple(Reason(shown[kind], count, tuple(items[kind])) for kind, count in counts.most_common(_REASONS))


def _attempt(run: Run) -> tuple[str, int | None, int]:
    return run.item, run.pipeline, run.attempt


def _day(at: datetime) -> str:
    return at.isoformat()[:10]
