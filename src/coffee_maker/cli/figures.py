"""The data of `metrics` and `health`: from figures to JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffee_maker.work import shapes

if TYPE_CHECKING:
    from coffee_maker.core.health import Health
    from coffee_maker.core.metrics import Group, Metrics, Spread
    from coffee_maker.core.records import Usage


def metrics(figures: Metrics) -> shapes.Data:
    """All figures; durations are seconds, costs US dollars, days UTC."""
    return {
        "since": shapes.moment(figures.since),
        "until": shapes.moment(figures.until),
        "empty": figures.empty,
        "total": _group(figures.total),
        "cycle": _spread(figures.cycle),
        "attempts": _spread(figures.attempts),
        "items": [{"key": one.name, **_group(one)} for one in figures.items],
        "models": [{"model": one.name, **_group(one)} for one in figures.models],
        "days": [{"day": one.name, **_group(one)} for one in figures.days],
        "waiting": {**figures.waiting._asdict(), "answered": _spread(figures.waiting.answered)},
        "reasons": [{**one._asdict(), "items": list(one.items)} for one in figures.reasons],
    }


def _group(one: Group) -> shapes.Data:
    return {
        "runs": one.runs,
        "outcomes": dict(one.outcomes),
        "success": one.success,
        "done": one.done,
        "seconds": one.seconds,
        "waited": one.waited,
        **_usage(one.usage),
    }


def _usage(usage: Usage) -> shapes.Data:
    return {**usage._asdict(), "tokens": usage.tokens, "cost": round(usage.cost, 6)}


def _spread(one: Spread) -> shapes.Data:
    return one._asdict()


def health(one: Health) -> shapes.Data:
    """The score, its findings, and the whole formula."""
    from coffee_maker.core.health import RULES

    return {
        "score": one.score,
        "findings": [{**finding._asdict(), "items": list(finding.items)} for finding in one.findings],
        "rules": [
            {"code": rule.code, "weight": rule.weight, "most": rule.most, "counts": rule.counts} for rule in RULES
        ],
    }
