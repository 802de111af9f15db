"""The protocol's side of the server: standard input and output, threads, errors. What tools do is no business of it.

Nothing but the protocol goes to standard output: the SDK serves it from a private descriptor and turns the process's
own to standard error. It ends when standard input is closed.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import Any, NamedTuple, Protocol

import mcp_types as types
from anyio import BrokenResourceError, ClosedResourceError
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from coffee_maker import __version__
from coffee_maker.core.errors import Refusal
from coffee_maker.core.ports import Stop
from coffee_maker.core.tools import Tool
from coffee_maker.utils.text import printable

_AT_ONCE = 32  # calls; each may wait for an answer for the better part of a minute
_NAME = "coffee-roadmap"

Explain = Callable[[Exception], Refusal]


class Toolset(Protocol):
    """Tools and what they do; called from many threads."""

    @property
    def tools(self) -> Sequence[Tool]: ...
    def call(self, tool: str, arguments: object, stop: Stop) -> Mapping[str, Any]:
        """The result, JSON values; raises a `Refusal`."""


class Served(NamedTuple):
    """A server to be: its tools, what a model is told about them, and how an unforeseen error becomes a refusal."""

    toolset: Toolset
    instructions: str
    explain: Explain


class Afterwards:
    """What is done when the answer is out: git and channels may take their time and never fail a call."""

    def __init__(self, explain: Explain) -> None:
        self._explain = explain
        self._pool = ThreadPoolExecutor(max_workers=1)

    def do(self, task: Callable[[], object]) -> None:
        self._pool.submit(self._run, task)

    def finish(self) -> None:
        self._pool.shutdown(wait=True)

    def _run(self, task: Callable[[], object]) -> None:
        try:
            task()
        except Exception as error:  # noqa: BLE001 - nobody waits for it; what was left is done by the next one
            refusal = error if isinstance(error, Refusal) else self._explain(error)
            print(printable(f"{refusal.message} {refusal.hint}"), file=sys.stderr)


class _Ended:
    """A stop that is asked for when the caller is gone or has given up."""

    def __init__(self) -> None:
        self.event = Event()

    def requested(self) -> str | None:
        return "the caller is gone" if self.event.is_set() else None


class _Calls:
    """The calls under way, each in a thread of its own, so that one that waits holds up no other."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._pool = ThreadPoolExecutor(max_workers=_AT_ONCE)
        self._running: set[_Ended] = set()

    async def listed(self, _context: Any, _params: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_shown(tool) for tool in self._served.toolset.tools])

    async def call(self, _context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        ended = _Ended()
        self._running.add(ended)
        try:
            return await asyncio.wrap_future(self._pool.submit(self._do, params.name, params.arguments, ended))
        finally:
            ended.event.set()
            self._running.discard(ended)

    def _do(self, name: str, arguments: object, ended: _Ended) -> types.CallToolResult:
        try:
            return _result(dict(self._served.toolset.call(name, arguments, ended)))
        except Refusal as refusal:
            return _failure(refusal)
        except Exception as error:  # noqa: BLE001 - a tool's failure must not end the server
            return _failure(self._served.explain(error))

    def finish(self) -> None:
        """Let what writes come to its end, and nothing wait any longer."""
        for ended in tuple(self._running):
            ended.event.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


def serve(served: Served) -> None:
    """Serve until standard input is closed, or nobody reads the answers any more."""
    # Ctrl-C ends it at once: asyncio would wait for the next line of input first. What was acknowledged is durable.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    calls = _Calls(served)
    try:
        asyncio.run(_serve(served, calls))
    except BaseExceptionGroup as group:
        # The client is gone with an answer under way: the end of its input, said by the other stream.
        if (others := group.split(BrokenPipeError)[1]) is not None:
            raise others from None
    finally:
        calls.finish()


async def _serve(served: Served, calls: _Calls) -> None:
    server: Server[Any] = Server(
        _NAME,
        version=__version__,
        instructions=served.instructions,
        on_list_tools=calls.listed,
        on_call_tool=calls.call,
    )
    async with stdio_server() as (incoming, outgoing):
        await server.run(_Answered(incoming, outgoing), outgoing, server.create_initialization_options())


class _Answered:
    """What comes in, where a line that is no message is answered as the protocol wants it: the SDK drops it without a
    word, and its client waits for as long as it can."""

    def __init__(self, incoming: Any, outgoing: Any) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._incoming, name)

    async def __aenter__(self) -> _Answered:
        await self._incoming.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> Any:
        return await self._incoming.__aexit__(*error)

    def __aiter__(self) -> _Answered:
        return self

    async def __anext__(self) -> Any:
        while isinstance(item := await self._incoming.__anext__(), ValidationError):
            wrong = item.errors(include_url=False)[0]
            if str(wrong["input"]).strip():  # an empty line says nothing
                with suppress(BrokenResourceError, ClosedResourceError):  # nobody reads it any more
                    await self._outgoing.send(SessionMessage(_unread(wrong)))
        return item


def _unread(wrong: Mapping[str, Any]) -> types.JSONRPCError:
    """The answer to a line that could not be read; to its call, where `json` reads it (half of a surrogate pair)."""
    given, number = wrong["input"], None
    with suppress(ValueError, TypeError, KeyError, RecursionError):
        named = (json.loads(given) if isinstance(given, str) else given)["id"]
        if type(named) is int or (type(named) is str and named.encode()):  # half of a pair could not be sent back
            number = named
    told = types.ErrorData(
        code=types.PARSE_ERROR if wrong["type"] == "json_invalid" else types.INVALID_REQUEST,
        message=printable(f"The message could not be read: {wrong['msg']}. Nothing was done."),
    )
    return types.JSONRPCError(jsonrpc="2.0", id=number, error=told)


def _shown(tool: Tool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=dict(tool.schema),
        annotations=types.ToolAnnotations(
            read_only_hint=tool.reads, destructive_hint=tool.destroys, open_world_hint=False
        ),
    )


def _result(data: dict[str, Any], *, failed: bool = False) -> types.CallToolResult:
    words = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=words)], structured_content=data, is_error=failed
    )


def _failure(refusal: Refusal) -> types.CallToolResult:
    """The same document that a command prints with --json."""
    error = {
        "code": refusal.code,
        "message": printable(refusal.message),
        "hint": printable(refusal.hint),
        "retryable": refusal.retryable,
    }
    return _result({"error": error}, failed=True)
