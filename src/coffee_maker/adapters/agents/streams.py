"""What agents' programs print about themselves, line by line in JSON: activity, usage, and how it ended.

A stream takes each line and gives what the log is to hold in its place (None: the line itself). What is no JSON, or not
of the form that is known, is kept as it is: a program's next version must not break a run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from coffee_maker.core.ports import Watch
from coffee_maker.core.records import Usage
from coffee_maker.utils.text import one_line, printable

_ACTIVITY = 160  # characters of a line that is told as activity
_RESULT = 4_000  # characters of a tool's output in the log


class Stream(Protocol):
    """What is known of a run from what its program said."""

    usage: Usage
    session: str | None
    model: str | None
    failure: str | None  # why it failed, in the program's words

    def take(self, line: str) -> str | None: ...


def _highest(one: Usage, other: Usage) -> Usage:
    """Counts of different origin about the same thing: the higher one is the newer."""
    values = {name: max(getattr(one, name), getattr(other, name)) for name in Usage._fields}
    return Usage(**values)


class Reading:
    """What all streams share."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.usage = Usage()
        self.earlier = Usage()  # of the runs before this one in the same session, for programs that count it again
        self.session: str | None = None
        self.model: str | None = None
        self.failure: str | None = None
        self.away = False  # the newest word of its service was to come back later, or there was none

    def take(self, line: str) -> str | None:
        """One line; what the log is to hold in its place."""
        try:
            message = json.loads(line)
            words = self.hear(message) if isinstance(message, dict) else None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        return words if words is None else printable(words)

    def hear(self, message: Mapping[str, Any]) -> str | None:
        raise NotImplementedError

    def tell(self, words: str) -> str:
        line = one_line(words, _ACTIVITY)
        if line:
            self._watch.activity(line)
        return words

    def use(self, usage: Usage) -> None:
        """The total so far."""
        highest = _highest(usage, self.usage)
        if highest != self.usage:
            self.usage = highest
            self._watch.usage(highest)

    def begin(self, session: object, model: object = None) -> None:
        if isinstance(session, str) and session and session != self.session:
            self.session = session
            self._watch.session(session)
        if isinstance(model, str) and model:
            self.model = model


class ClaudeStream(Reading):
    """``claude -p --output-format stream-json``, and what our own worker says (see `claude_worker`)."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(watch)
        self.result: Mapping[str, Any] | None = None
        self.retry: Mapping[str, Any] | None = None  # the newest failed request that is tried again
        self.error: str | None = None  # the newest kind of error of the API
        self.resets_at: float | None = None  # when a rate limit ends, seconds since the epoch
        self.complaint = ""  # what its program said last on its standard error
        self.began = False  # its session stands
        self.waits_for_model = True  # and not for a tool
        self.ending = False  # what it says from now on is the answer to our interruption
        self._messages: dict[str, Usage] = {}
        self._turns: set[str] = set()
        self._current: dict[object, str] = {}  # the message that is being streamed, by who speaks

    def hear(self, message: Mapping[str, Any]) -> str | None:
        kind = message.get("type")
        hear = getattr(self, f"_hear_{kind}", None) if kind in _CLAUDE else None
        return hear(message) if hear is not None else None

    def _hear_system(self, message: Mapping[str, Any]) -> str:
        if message["subtype"] == "init":
            self.began = True
            self.begin(message.get("session_id"), message.get("model"))
            return f"[session {self.session}, model {self.model}]"
        if message["subtype"] == "api_retry":
            self.retry = message
            status, seconds = message.get("error_status"), float(message.get("retry_delay_ms") or 0) / 1000
            answer = f"answered {status}" if status else "could not be reached"
            return self.tell(f"[the API {answer}, trying again in {seconds:.1f} s]")
        return ""

    def _hear_stream_event(self, message: Mapping[str, Any]) -> str:
        event, speaker = message["event"], message.get("parent_tool_use_id")
        if event["type"] == "message_start":
            inner = event["message"]
            self.retry = None  # it answers again
            self._wait_for_model(True)
            self._current[speaker] = inner["id"]
            self._count(inner["id"], inner.get("usage"), speaker)
        elif event["type"] == "message_delta" and speaker in self._current:
            self._count(self._current[speaker], event.get("usage"), speaker)
        return ""

    def _hear_assistant(self, message: Mapping[str, Any]) -> str:
        inner = message["message"]
        if message.get("error"):
            self.error = str(message["error"])
        elif inner.get("model") != "<synthetic>":
            self._count(inner["id"], inner.get("usage"), message.get("parent_tool_use_id") or message.get("parent"))
        self._wait_for_model(not any(block["type"] == "tool_use" for block in inner["content"]))
        return _lines(self.tell(_claude_block(block)) for block in inner["content"] if block["type"] != "thinking")

    def _hear_user(self, message: Mapping[str, Any]) -> str:
        self._wait_for_model(True)
        content = message["message"]["content"]
        return _lines(_claude_block(block) for block in content) if isinstance(content, list) else ""

    def _hear_earlier_usage(self, message: Mapping[str, Any]) -> str:
        self.earlier = _of_models(message.get("model_usage"), message.get("total_cost_usd"))
        return ""

    def _hear_session_usage(self, message: Mapping[str, Any]) -> str:
        self._use_models(message.get("model_usage"), message.get("total_cost_usd"))
        return ""

    def _hear_rate_limit_event(self, message: Mapping[str, Any]) -> str:
        info = message["rate_limit_info"]
        if info.get("status") == "rejected" and info.get("resetsAt"):
            self.resets_at = float(info["resetsAt"])
        return f"[rate limit: {info.get('status')}]"

    def _hear_result(self, message: Mapping[str, Any]) -> str:
        self.result = message
        self.begin(message.get("session_id"))
        self._use_models(message.get("modelUsage"), message.get("total_cost_usd"))
        if message.get("is_error") or message.get("subtype") != "success":
            errors = message.get("errors") or ()
            self.failure = "; ".join(map(str, errors)) or message.get("result") or str(message.get("subtype"))
        turns, cost = self.usage.turns, self.usage.cost
        return f"[ended: {self.failure or 'well'}; {turns} turns, {self.usage.tokens} tokens, ${cost:.4f}]"

    def _hear_stderr(self, message: Mapping[str, Any]) -> str:
        self.complaint = str(message["text"]).strip() or self.complaint
        return str(message["text"])

    def _hear_alive(self, _message: Mapping[str, Any]) -> str:
        return ""

    def _hear_failed(self, message: Mapping[str, Any]) -> str:
        self.failure = f"{self.complaint}: {message['text']}" if self.complaint else str(message["text"])
        return str(message["text"])

    def _wait_for_model(self, waits: bool) -> None:
        if not self.ending:
            self.waits_for_model = waits

    def _count(self, message_id: str, usage: Mapping[str, Any] | None, speaker: object) -> None:
        """Take a message's usage; it is told several times, and the later the fuller."""
        if not usage:
            return
        if speaker is None:
            self._turns.add(message_id)
        names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
        told = Usage(*(int(usage.get(name) or 0) for name in names))
        known = self._messages.get(message_id, Usage())
        self._messages[message_id] = _highest(told, known)
        total = Usage()
        for one in self._messages.values():
            total = total.plus(one)
        self.use(total._replace(turns=len(self._turns)))

    def _use_models(self, models: Mapping[str, Any] | None, cost: object) -> None:
        """What the program counted itself, side requests included."""
        told, earlier = _of_models(models, cost), self.earlier
        own = {name: getattr(told, name) - getattr(earlier, name) for name in Usage._fields if name != "turns"}
        self.use(Usage(**own, turns=len(self._turns)))

    def retry_after(self, now: float) -> timedelta | None:
        """What the service said about when to come again; short waits are the program's own."""
        seconds = float((self.retry or {}).get("retry_delay_ms") or 0) / 1000
        if self.resets_at is not None:
            seconds = max(seconds, self.resets_at - now)
        return timedelta(seconds=seconds) if seconds >= _OWN_DELAY else None


def _of_models(models: Mapping[str, Any] | None, cost: object) -> Usage:
    total = Usage(cost=float(cost) if isinstance(cost, (int, float)) else 0.0)
    names = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    for one in (models or {}).values():
        total = total.plus(Usage(*(int(one.get(name) or 0) for name in names)))
    return total


_OWN_DELAY = 2.0  # seconds up to which a wait is taken for the program's own idea
_CLAUDE = frozenset(
    ("system", "stream_event", "assistant", "user", "session_usage", "earlier_usage", "rate_limit_event", "result")
) | {"stderr", "failed", "alive"}


def _claude_block(block: Mapping[str, Any]) -> str:
    kind = block["type"]
    if kind == "text":
        return str(block["text"])
    if kind == "tool_use":
        return f"→ {block['name']}: {_arguments(block['input'])}"
    if kind == "tool_result":
        content = block.get("content")
        if isinstance(content, list):
            content = "\n".join(str(part.get("text", f"[{part.get('type')}]")) for part in content)
        sign = "✗" if block.get("is_error") else "←"
        return f"{sign} {cut(str(content or ''))}"
    return ""


def _arguments(arguments: Mapping[str, Any]) -> str:
    """What a tool is called with, shortest first: a command, a path, a question."""
    for name in ("command", "file_path", "notebook_path", "url", "query", "pattern", "question", "message", "prompt"):
        if isinstance(arguments.get(name), str):
            return str(arguments[name])
    return json.dumps(arguments, ensure_ascii=False)


def cut(text: str) -> str:
    return text if len(text) <= _RESULT else f"{text[:_RESULT]}\n[{len(text) - _RESULT} characters more]"


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(part for part in parts if part)
