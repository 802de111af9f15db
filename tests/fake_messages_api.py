"""A local server that speaks the Messages API with streaming: what it answers is scripted, turn by turn, faults too.

The real Claude Code program is pointed at it by ANTHROPIC_BASE_URL. Only requests of the main conversation (those that
offer tools) take a turn from the script; side requests, such as the one for a title, get a short answer.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

Blocks = Sequence[Mapping[str, Any]]


class Say(NamedTuple):
    """A turn of text and tool uses."""

    blocks: Blocks
    input_tokens: int = 12
    output_tokens: int = 5
    cache_write: int = 0
    cache_read: int = 0


class Fault(NamedTuple):
    """An error by its HTTP status."""

    status: int
    headers: Mapping[str, str] = {}


class Stall(NamedTuple):
    """The stream begins and then says nothing, until the test is over."""


class Garbage(NamedTuple):
    """A stream that is none."""


class Cut(NamedTuple):
    """The connection is reset in the middle of the stream."""


Turn = Say | Fault | Stall | Garbage | Cut


def text(words: str, **usage: int) -> Say:
    """A turn that says something and ends."""
    return Say([{"type": "text", "text": words}], **usage)


def use(*tools: tuple[str, Mapping[str, Any]], **usage: int) -> Say:
    """A turn that uses tools: name and input of each."""
    return Say([{"type": "tool_use", "name": name, "input": arguments} for name, arguments in tools], **usage)


_ERRORS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error", 529: "overloaded_error"}


class Api:
    """The server; `script` holds the turns that are still to come, the last one is repeated for ever."""

    def __init__(self, script: Sequence[Turn]) -> None:
        self.script = list(script)
        self.asked: list[Mapping[str, Any]] = []  # requests of the main conversation
        self.headers: list[Mapping[str, str]] = []
        self.over = threading.Event()
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def take(self, request: Mapping[str, Any], headers: Mapping[str, str]) -> Turn:
        """The turn that answers a request."""
        if not any(str(tool.get("name")).lower() == "bash" for tool in request.get("tools") or ()):
            return text('{"title": "x"}')
        with self._changed:
            self.asked.append(request)
            self.headers.append(headers)
            self._changed.notify_all()
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def wait(self, requests: int, seconds: float = 30) -> None:
        """Wait until so many requests of the main conversation have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= requests, seconds), "it was not asked"

    def results(self) -> list[str]:
        """What the tools answered, as the model saw it, oldest first."""
        found = []
        for message in self.asked[-1]["messages"]:
            blocks = message["content"] if isinstance(message["content"], list) else []
            found += [_shown(block.get("content")) for block in blocks if block.get("type") == "tool_result"]
        return found

    def words(self) -> str:
        """Everything that the newest request told the model."""
        return json.dumps(self.asked[-1]["messages"]) + json.dumps(self.asked[-1].get("system"))

    @contextmanager
    def serving(self) -> Iterator[Api]:
        serving = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        serving.start()
        try:
            yield self
        finally:
            self.over.set()
            self._server.shutdown()
            self._server.server_close()
            serving.join()

    def _handler(api: Api) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_HEAD(self) -> None:
                self._whole(200, b"")

            def do_GET(self) -> None:
                self._whole(200, b'{"data":[],"has_more":false}')

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                path = self.path.partition("?")[0]
                if path.endswith("/count_tokens"):
                    self._whole(200, b'{"input_tokens":10}')
                elif not path.endswith("/v1/messages"):
                    self._whole(200, b"{}")
                else:
                    with suppress(OSError):  # it went away, which is its right
                        self._answer(json.loads(raw))

            def _answer(self, request: Mapping[str, Any]) -> None:
                turn = api.take(request, dict(self.headers.items()))
                if isinstance(turn, Fault):
                    kind = _ERRORS.get(turn.status, "api_error")
                    body = {"type": "error", "error": {"type": kind, "message": f"scripted {turn.status}"}}
                    self._whole(turn.status, json.dumps(body).encode(), turn.headers)
                elif not request.get("stream") and isinstance(turn, Say):
                    self._whole(200, json.dumps(_message(request, turn)).encode())
                elif isinstance(turn, Cut) and not request.get("stream"):
                    self._cut()
                else:
                    self._stream(request, turn)

            def _whole(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in {"content-type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _stream(self, request: Mapping[str, Any], turn: Turn) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                self.close_connection = True
                if isinstance(turn, Garbage):
                    self.wfile.write(b"event: message_start\ndata: {this is no JSON\n\n\xff\xfe\x00 garbage\n\n")
                    return
                events = list(_events(request, turn))
                half = len(events) if isinstance(turn, Say) else 2
                for name, data in events[:half]:
                    self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())
                    self.wfile.flush()
                if isinstance(turn, Stall):
                    api.over.wait()
                elif isinstance(turn, Cut):
                    self._cut()

            def _cut(self) -> None:
                """RST and not FIN."""
                self.close_connection = True
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

        return Handler


def _shown(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(block.get("text", "")) for block in content)
    return str(content)


def _message(request: Mapping[str, Any], turn: Turn) -> dict[str, Any]:
    said = turn if isinstance(turn, Say) else text("about to be cut off")
    mark = f"{time.time_ns():x}"
    blocks = [
        {**block, "id": f"toolu_{mark}_{index}"} if block["type"] == "tool_use" else dict(block)
        for index, block in enumerate(said.blocks)
    ]
    return {
        "id": f"msg_{mark}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": blocks,
        "stop_reason": "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": said.input_tokens,
            "output_tokens": said.output_tokens,
            "cache_creation_input_tokens": said.cache_write,
            "cache_read_input_tokens": said.cache_read,
        },
    }


def _events(request: Mapping[str, Any], turn: Turn) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The message as the API streams it: its output tokens are known only at the end."""
    message = _message(request, turn)
    begun = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
    yield "message_start", {"type": "message_start", "message": begun}
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            empty, whole, kind, part = {"type": "text", "text": ""}, block["text"], "text_delta", "text"
        else:
            empty, whole = {**block, "input": {}}, json.dumps(block["input"])
            kind, part = "input_json_delta", "partial_json"
        yield "content_block_start", {"type": "content_block_start", "index": index, "content_block": empty}
        half = len(whole) // 2
        for piece in (whole[:half], whole[half:]):
            delta = {"type": "content_block_delta", "index": index, "delta": {"type": kind, part: piece}}
            yield "content_block_delta", delta
        yield "content_block_stop", {"type": "content_block_stop", "index": index}
    end = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    yield "message_delta", {"type": "message_delta", "delta": end, "usage": message["usage"]}
    yield "message_stop", {"type": "message_stop"}
