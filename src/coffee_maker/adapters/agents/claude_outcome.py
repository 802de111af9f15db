"""How a run of Claude came out: done, failed, at a ceiling, or sent away by its service for now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from coffee_maker.adapters.agents import process
from coffee_maker.adapters.agents.streams import ClaudeStream, Reading
from coffee_maker.core.records import AgentResult
from coffee_maker.utils.text import one_line

_REASON = 400  # characters
_REFUSED = frozenset((401, 403))
_AUTHENTICATION = frozenset(("authentication_failed", "oauth_org_not_allowed", "billing_error"))
_AWAY = frozenset((408, 409, 429))  # and everything from 500 on
_AWAY_ERRORS = frozenset(("rate_limit", "overloaded", "server_error"))
_LIMITS: Mapping[str, tuple[Literal["turns", "cost"], str]] = {
    "error_max_turns": ("turns", "it reached its limit of turns"),
    "error_max_budget_usd": ("cost", "it reached its limit of cost"),
}


def given_up(stream: ClaudeStream, patience: float, max_cost: float | None = None) -> str | None:
    """Why a run that still goes on is better ended: it has spent enough, its key was refused, or the service wants it
    to wait for long."""
    if max_cost is not None and stream.usage.cost >= max_cost:
        return _LIMITS["error_max_budget_usd"][1]
    retry = stream.retry
    if retry is None:
        return None
    status = retry.get("error_status")
    if status in _REFUSED:
        return _key_refused(status)
    seconds = float(retry.get("retry_delay_ms") or 0) / 1000
    if seconds > patience:
        return f"its service answered {status or 'nothing'} and wants it to wait for {seconds:.0f} s"
    return None


def judge(ended: AgentResult, stream: ClaudeStream, now: float, secrets: Sequence[str]) -> AgentResult:
    """The result of a run, from how its process ended and from what it said."""
    return known(_judge(ended, stream, now), stream, secrets)


def known(result: AgentResult, stream: Reading, secrets: Sequence[str]) -> AgentResult:
    """The result with what the stream knows, and without secrets."""
    return result._replace(
        reason=_without(result.reason, secrets) if result.reason else None,
        output_tail=_without(result.output_tail, secrets),
        usage=stream.usage,
        session=stream.session,
        model=stream.model,
    )


def secrets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Values that must not come up in a report."""
    names = [name for name in environment if name.endswith(("_KEY", "_TOKEN", "_SECRET", "_PASSWORD"))]
    return tuple(value for name in names if len(value := environment[name]) >= 8)


def _judge(ended: AgentResult, stream: ClaudeStream, now: float) -> AgentResult:
    if not ended.ok and not process.by_itself(ended):
        return _ended_by_us(ended, stream, now)
    if stream.result is None:
        said = f"it failed: {one_line(stream.failure, _REASON)}" if stream.failure else None
        return ended._replace(ok=False, reason=said or ended.reason or "it ended without a result")
    if stream.failure is None:
        return ended
    subtype = str(stream.result.get("subtype"))
    if subtype in _LIMITS:
        limit, reason = _LIMITS[subtype]
        return ended._replace(ok=False, reason=reason, limit=limit)
    return _api_failed(ended, stream, now)


def _ended_by_us(ended: AgentResult, stream: ClaudeStream, now: float) -> AgentResult:
    """At a limit or a stop. Silence of the model's service is no failure of the agent's."""
    if ended.reason == _LIMITS["error_max_budget_usd"][1]:
        return ended._replace(limit="cost")
    away = stream.retry is not None and stream.retry.get("error_status") not in _REFUSED
    silent = (ended.reason or "").startswith(process.SILENT) and stream.waits_for_model
    if silent or (away and ended.reason == given_up(stream, 0)):
        return ended._replace(outage=True, retry_after=stream.retry_after(now))
    return ended


def _api_failed(ended: AgentResult, stream: ClaudeStream, now: float) -> AgentResult:
    """Claude Code tells an error of the API as a result, also as one of subtype "success"."""
    result = stream.result or {}
    status = result.get("api_error_status") or (stream.retry or {}).get("error_status")
    if status in _REFUSED or stream.error in _AUTHENTICATION:
        return ended._replace(ok=False, reason=_key_refused(status))
    told = one_line(stream.failure or "", _REASON)
    away = isinstance(status, int) and (status in _AWAY or status >= 500)
    unreachable = status is None and (stream.error in _AWAY_ERRORS or stream.retry is not None)
    if away or unreachable:
        reason = f"its service is away or overloaded: {told}"
        return ended._replace(ok=False, reason=reason, outage=True, retry_after=stream.retry_after(now))
    return ended._replace(ok=False, reason=f"it failed: {told}")


def _key_refused(status: object) -> str:
    said = f"answered {status}" if status else "refused it"
    return f"its service {said}: look at ANTHROPIC_API_KEY, or log in again with Claude Code"


def _without(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "…")
    return text
