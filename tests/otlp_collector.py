"""A server that takes traces over OTLP/HTTP: decodes the real protocol, checks Langfuse's proof, and misbehaves when
told to. What arrives is waited for, never slept for."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

PUBLIC, SECRET = "pk-lf-public", "sk-lf-very-secret-thing"
LANGFUSE_PATH = "/api/public/otel/v1/traces"
PATIENCE = 20.0
"""Seconds after which a test gives up; none should come near."""


class Received(NamedTuple):
    """A span as it arrived."""

    name: str
    trace: str
    span: str
    parent: str
    attributes: Mapping[str, Any]
    events: tuple[str, ...]
    error: bool
    started: int  # nanoseconds
    ended: int
    resource: Mapping[str, Any]


class Collector:
    """The server. `behaviour` is asked once a request is read: an HTTP status to answer with, or None to hang until
    the test is over."""

    def __init__(self) -> None:
        self.spans: list[Received] = []
        self.bodies: list[bytes] = []  # decompressed
        self.headers: list[Mapping[str, str]] = []
        self.paths: list[str] = []
        self.behaviour: Callable[[], int | None] = lambda: 200
        self.asked = threading.Event()  # a request is there
        self.over = threading.Event()
        self._change = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.asked.set()
                status = collector.behaviour()
                if status is None:
                    collector.over.wait(PATIENCE)
                    self.close_connection = True
                    return
                if status == 200:
                    status = collector.take(self.path, dict(self.headers), body)
                answer = ExportTraceServiceResponse().SerializeToString() if status == 200 else b""
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # a client that did not wait for the answer

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def langfuse(self) -> dict[str, str]:
        """The variables by which a program finds it as Langfuse."""
        return {"LANGFUSE_PUBLIC_KEY": PUBLIC, "LANGFUSE_SECRET_KEY": SECRET, "LANGFUSE_HOST": self.url}

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        low = {name.lower(): value for name, value in headers.items()}
        if path == LANGFUSE_PATH:
            proof = b64encode(f"{PUBLIC}:{SECRET}".encode()).decode()
            if low.get("authorization") != f"Basic {proof}":
                return 401
        packed = {"gzip": gzip.decompress, "deflate": zlib.decompress}.get(low.get("content-encoding", ""))
        plain = packed(body) if packed else body
        request = ExportTraceServiceRequest.FromString(plain)
        with self._change:
            self.paths.append(path)
            self.headers.append(low)
            self.bodies.append(plain)
            self.spans += _spans(request)
            self._change.notify_all()
        return 200

    def wait_for(self, condition: Callable[[list[Received]], object]) -> list[Received]:
        """The spans, as soon as they are as wanted."""
        with self._change:
            assert self._change.wait_for(lambda: condition(self.spans), PATIENCE), [one.name for one in self.spans]
            return list(self.spans)

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _spans(request: ExportTraceServiceRequest) -> Iterator[Received]:
    for resource in request.resource_spans:
        about = {pair.key: _value(pair.value) for pair in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Received(
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    {pair.key: _value(pair.value) for pair in span.attributes},
                    tuple(event.name for event in span.events),
                    span.status.code == span.status.STATUS_CODE_ERROR,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    about,
                )


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


@contextmanager
def nobody_listens() -> Iterator[str]:
    """The address of a port on which every connection is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def nobody_answers() -> Iterator[str]:
    """The address of a port on which connections are made and nothing is ever read."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
