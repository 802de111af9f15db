"""The JSON lines of other agents' programs: `codex exec --json` and `opencode run --format json`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from coffee_maker.adapters.agents.streams import Reading, cut
from coffee_maker.core.records import Usage

# How codex tells that its service is away for now: from runs against one that answers 429, 500, 503 or not at all, and
# the words of a plan that is used up, which its users quote in its issues (openai/codex#3124).
_AWAY = re.compile(r"status:? (?:408|409|429|5\d\d)\b|experiencing high demand|Connection failed|usage limit")


class CodexStream(Reading):
    """``codex exec --json``, as codex-cli 0.169.0 prints it: one turn, whose usage is the whole session's so far."""

    def hear(self, message: Mapping[str, Any]) -> str | None:
        kind = message.get("type")
        if kind == "error" or kind == "turn.failed":
            self.away = _AWAY.search(str(message)) is not None
        elif kind != "turn.started":
            self.away = False
        if kind == "thread.started":
            self.begin(message["thread_id"])
            return f"[session {self.session}]"
        if kind in ("item.started", "item.completed"):
            return self._item(message["item"], done=kind == "item.completed")
        if kind == "turn.completed":
            return self._turn(message["usage"])
        if kind == "turn.failed":
            self.failure = str(message["error"]["message"])
            return f"[failed: {self.failure}]"
        return self.tell(f"[{message['message']}]") if kind == "error" else "" if kind == "turn.started" else None

    def _item(self, item: Mapping[str, Any], *, done: bool) -> str | None:
        kind = item["type"]
        if kind == "command_execution":
            return f"← {cut(item['aggregated_output'])}" if done else self.tell(f"→ {item['command']}")
        if not done:
            return ""
        if kind in ("agent_message", "reasoning"):
            return self.tell(str(item["text"]))
        if kind == "error":
            return self.tell(f"[{item['message']}]")
        if kind == "file_change":
            return self.tell("→ " + ", ".join(f"{one['kind']} {one['path']}" for one in item["changes"]))
        return None

    def _turn(self, usage: Mapping[str, Any]) -> str:
        """Its input tokens contain those that came out of the cache."""
        cached = int(usage.get("cached_input_tokens") or 0)
        written = int(usage.get("cache_write_input_tokens") or 0)
        told = int(usage["input_tokens"]) - cached
        session = Usage(told, int(usage["output_tokens"]), cached, written)
        self.use(session.minus(self.earlier)._replace(turns=self.usage.turns + 1))
        return f"[{self.usage.tokens} tokens]"


class OpencodeStream(Reading):
    """``opencode run --format json``, as opencode 1.18.33 prints it."""

    def hear(self, message: Mapping[str, Any]) -> str | None:
        self.begin(message.get("sessionID"))
        kind = message.get("type")
        if kind == "step_start":
            return ""
        if kind == "text":
            return self.tell(str(message["part"]["text"]))
        if kind == "tool_use":
            part = message["part"]
            state = part["state"]
            asked = self.tell(f"→ {part['tool']}: {state.get('title') or state.get('input')}")
            return f"{asked}\n← {cut(str(state.get('output') or state.get('error') or ''))}"
        if kind == "step_finish":
            return self._step(message["part"])
        if kind == "error":
            error = message.get("error")
            self.failure = str(error)
            data = error.get("data") if isinstance(error, dict) else None
            self.away = isinstance(data, dict) and data.get("isRetryable") is True
            return f"[failed: {self.failure}]"
        return None

    def _step(self, part: Mapping[str, Any]) -> str:
        tokens, cache = part["tokens"], part["tokens"].get("cache") or {}
        out = int(tokens["output"]) + int(tokens.get("reasoning") or 0)
        read, written = int(cache.get("read") or 0), int(cache.get("write") or 0)
        taken = Usage(int(tokens["input"]), out, read, written, cost=float(part.get("cost") or 0), turns=1)
        self.use(self.usage.plus(taken))
        return f"[{self.usage.tokens} tokens, ${self.usage.cost:.4f}]"
