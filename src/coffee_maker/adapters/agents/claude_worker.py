"""The worker that speaks with Claude Code through claude-agent-sdk; a process of its own between it and the daemon.

Run as a script that uses nothing of ours (``python -I claude_worker.py``), so that the daemon never imports asyncio or
the SDK. The first line on standard input is the job. What Claude Code says goes to standard output as JSON lines, in
the form of its own ``--output-format stream-json``. Two more kinds of lines are requests, each answered by a line on
standard input with the same number:

    {"type": "permit", "request": 1, "tool": …, "input": …}        {"request": 1, "refusal": null, or the reason}
    {"type": "call", "request": 2, "name": …, "arguments": …}      {"request": 2, "text": …, "error": false}

``{"stop": true}`` interrupts the run: its last line, the result, then still comes.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from claude_agent_sdk import (
    AssistantMessage,
    ClaudeAgentOptions,
    ClaudeSDKClient,
    HookMatcher,
    PermissionResultAllow,
    PermissionResultDeny,
    RateLimitEvent,
    ResultMessage,
    SdkMcpTool,
    StreamEvent,
    SystemMessage,
    TextBlock,
    ThinkingBlock,
    ToolAnnotations,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
    create_sdk_mcp_server,
)

_SERVER = "roadmap"  # our tools are called mcp__roadmap__ask and the like
_INTERRUPT_PATIENCE = 5.0  # seconds that Claude Code gets to say its result when it is interrupted
_USAGE_PATIENCE = 5.0
_PULSE = 1.0  # seconds
_LONGEST_MESSAGE = 64 * 1024 * 1024  # bytes of one; a tool's output can be large


class _Line:
    """The line to the daemon: requests out, answers in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, asyncio.Future[Mapping[str, Any]]] = {}
        self._number = 0
        self.stopped = asyncio.Event()

    def listen(self) -> None:
        """Read the answers in a thread; the end of the input means that the daemon is gone."""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            with suppress(RuntimeError):  # the loop is closed: it is all over
                self._loop.call_soon_threadsafe(self._take, json.loads(line))
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.stopped.set)

    def _take(self, answer: Mapping[str, Any]) -> None:
        if answer.get("stop"):
            self.stopped.set()
            return
        waiting = self._open.pop(answer["request"], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def ask(self, kind: str, **what: Any) -> Mapping[str, Any]:
        """Put a request to the daemon; its answer, however long that takes."""
        self._number += 1
        number = self._number
        waiting: asyncio.Future[Mapping[str, Any]] = self._loop.create_future()
        self._open[number] = waiting
        tell({"type": kind, "request": number, **what})
        try:
            return await waiting
        finally:
            if self._open.pop(number, None) is not None:
                tell({"type": "withdrawn", "request": number})


def tell(message: Mapping[str, Any]) -> None:
    """One line to the daemon."""
    sys.stdout.write(json.dumps(message, default=str) + "\n")
    sys.stdout.flush()


# --- the run ---------------------------------------------------------------------------------------------------


async def run(job: Mapping[str, Any]) -> None:
    """Do the job; what went wrong outside of Claude Code's own words is told as `failed`."""
    line = _Line()
    line.listen()
    async with ClaudeSDKClient(_options(job, line)) as client:
        if job["session"] is not None:
            await _tell_usage(client, "earlier_usage")  # a session that goes on counts from its beginning
        await client.query(job["prompt"])
        stopping = asyncio.create_task(_stop(client, line))
        try:
            told = 0.0
            async for message in client.receive_response():
                shown = _shown(message)
                if shown is None and time.monotonic() - told > _PULSE:
                    shown = {"type": "alive"}  # a long thought is no silence
                if shown is not None:
                    tell(shown)
                    told = time.monotonic()
                if isinstance(message, UserMessage):  # a tool has answered: between two turns
                    await _tell_usage(client)
        finally:
            stopping.cancel()


async def _stop(client: ClaudeSDKClient, line: _Line) -> None:
    await line.stopped.wait()
    with suppress(Exception):  # the daemon ends what does not end by itself
        await asyncio.wait_for(client.interrupt(), _INTERRUPT_PATIENCE)


async def _tell_usage(client: ClaudeSDKClient, kind: str = "session_usage") -> None:
    """What the run has taken so far, by Claude Code's own count. The SDK has no public call for it: without an answer
    the costs are known at the end only."""
    query: Any = getattr(client, "_query", None)
    with suppress(Exception):
        said = await query._send_control_request({"subtype": "get_usage"}, timeout=_USAGE_PATIENCE)
        tell({"type": kind, **said["session"]})


def _options(job: Mapping[str, Any], line: _Line) -> ClaudeAgentOptions:
    tools = [_tool(one, line) for one in job["tools"]]

    async def permit(name: str, arguments: dict[str, Any], _context: Any) -> Any:
        if name.startswith(f"mcp__{_SERVER}__"):
            return PermissionResultAllow()
        answer = await line.ask("permit", tool=name, input=arguments)
        refusal = answer.get("refusal")
        return PermissionResultAllow() if refusal is None else PermissionResultDeny(message=refusal)

    return ClaudeAgentOptions(
        cwd=job["directory"],
        cli_path=job["program"],
        system_prompt={"type": "preset", "preset": "claude_code", "append": job["system"]},
        tools=job["builtin"],
        mcp_servers={_SERVER: create_sdk_mcp_server(_SERVER, tools=tools)},
        strict_mcp_config=True,
        setting_sources=[],
        settings='{"includeCoAuthoredBy": false}',
        skills=[],
        can_use_tool=permit,
        # Claude Code lets harmless calls pass without asking, fetches from well-known hosts too: here all are asked.
        hooks={"PreToolUse": [HookMatcher(hooks=[_ask_always], on_failure="block")]},
        # What stands in an item is not to be read as a command or as a file to be put in (@/etc/…).
        verbatim_prompts=True,
        include_partial_messages=True,
        max_buffer_size=_LONGEST_MESSAGE,
        stderr=lambda words: tell({"type": "stderr", "text": words}),
        resume=job["session"],
        model=job["model"],
        max_turns=job["max_turns"],
        max_budget_usd=job["max_cost"],
    )


async def _ask_always(_input: Any, _tool_use_id: str | None, _context: Any) -> Any:
    return {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": "ask"}}


def _tool(definition: Mapping[str, Any], line: _Line) -> SdkMcpTool[Any]:
    """One of our tools: a call of it is a request to the daemon."""

    async def call(arguments: dict[str, Any]) -> dict[str, Any]:
        answer = await line.ask("call", name=definition["name"], arguments=arguments)
        return {"content": [{"type": "text", "text": answer["text"]}], "is_error": answer["error"]}

    hints = ToolAnnotations(readOnlyHint=definition["reads"], destructiveHint=definition["destroys"])
    return SdkMcpTool(definition["name"], definition["description"], definition["schema"], call, hints)


# --- what Claude Code says -------------------------------------------------------------------------------------


def _shown(message: object) -> Mapping[str, Any] | None:
    """A message in the form of Claude Code's own stream; None for what nobody needs."""
    if isinstance(message, SystemMessage):
        return {"type": "system", "subtype": message.subtype, **message.data}
    if isinstance(message, AssistantMessage):
        inner = {"id": message.message_id, "model": message.model, "usage": message.usage}
        whole = {**inner, "content": _blocks(message.content)}
        return {"type": "assistant", "message": whole, "error": message.error, "parent": message.parent_tool_use_id}
    if isinstance(message, UserMessage) and isinstance(message.content, list):
        return {"type": "user", "message": {"content": _blocks(message.content)}}
    if isinstance(message, StreamEvent):
        counts = message.event.get("type") in ("message_start", "message_delta")
        shown = {"type": "stream_event", "event": message.event, "parent_tool_use_id": message.parent_tool_use_id}
        return shown if counts else None
    if isinstance(message, RateLimitEvent):
        info = message.rate_limit_info
        return {"type": "rate_limit_event", "rate_limit_info": {"status": info.status, "resetsAt": info.resets_at}}
    if isinstance(message, ResultMessage):
        shown = {name: getattr(message, name) for name in ("subtype", "is_error", "result", "errors", "session_id")}
        more = {name: getattr(message, name) for name in ("total_cost_usd", "api_error_status", "terminal_reason")}
        return {"type": "result", **shown, **more, "modelUsage": message.model_usage}
    return None


def _blocks(blocks: list[Any]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for block in blocks:
        if isinstance(block, TextBlock):
            found.append({"type": "text", "text": block.text})
        elif isinstance(block, ThinkingBlock):
            found.append({"type": "thinking", "thinking": block.thinking})
        elif isinstance(block, ToolUseBlock):
            found.append({"type": "tool_use", "name": block.name, "input": block.input})
        elif isinstance(block, ToolResultBlock):
            found.append({"type": "tool_result", "content": block.content, "is_error": block.is_error})
    return found


def main() -> None:
    job = json.loads(sys.stdin.buffer.readline())
    code = 0
    try:
        asyncio.run(run(job))
    except Exception as error:  # noqa: BLE001 - whatever it was, the daemon is to hear it in words
        tell({"type": "failed", "text": f"{type(error).__name__}: {error}"})
        code = 1
    os._exit(code)  # at once: a thread still reads the input


if __name__ == "__main__":
    main()
