"""Sends spans from a thread of its own, so that no server can hold up the work: what it cannot take is dropped.

OpenTelemetry's own batch processor waits up to half a minute for a server at the end and writes its troubles to
standard error. This one waits a second at most, whatever the server does, and tells of its troubles once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from coffee_maker.utils.text import one_line
from coffee_maker.utils.values import without_password

if TYPE_CHECKING:
    from coffee_maker.adapters.trace_targets import Target

MOST_WAITING = 2048
"""Spans that wait to be sent; more are dropped."""
_BATCH = 256
_DELAY = 1.0  # seconds after which also a small batch is sent
LAST_WAIT = 0.8
"""Seconds that the end waits for a server; with what else is to be done, less than one."""


class Sender(SpanProcessor):
    """Brings ended spans to one server."""

    def __init__(self, exporter: SpanExporter, where: str, tell: Callable[[str], None]) -> None:
        self.dropped = 0
        self._exporter = exporter
        self._where = where
        self._tell = tell
        self._told = False
        self._complaint = ""
        self._waiting: deque[ReadableSpan] = deque()
        self._change = threading.Condition()
        self._closing = False
        self._sending = 0  # spans that are on their way just now
        self._thread = threading.Thread(target=self._work, name="traces", daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span; never waits."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._change:
            if self._closing or len(self._waiting) >= MOST_WAITING:
                self.dropped += 1
                return
            self._waiting.append(span)
            if len(self._waiting) >= _BATCH:
                self._change.notify()

    def close(self, deadline: float) -> None:
        """Send what is left until the deadline (of `time.monotonic`), then tell what was not sent."""
        with self._change:
            self._closing = True
            self._change.notify()
        self._thread.join(max(deadline - time.monotonic(), 0))
        with self._change:
            self.dropped += len(self._waiting) + self._sending
            self._waiting.clear()
            self._sending = 0
            self._complaint = self._complaint or _LOG.newest.get(self._thread.ident or 0, "")
        if self.dropped:
            self._tell(f"Spans of traces not sent to {self._where}: {self.dropped}{self._reason()}.")

    def shutdown(self) -> None:
        self.close(time.monotonic() + LAST_WAIT)

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True

    def _work(self) -> None:
        while True:
            with self._change:
                if not self._closing and len(self._waiting) < _BATCH:
                    self._change.wait(_DELAY)
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
                self._sending = len(batch)
                if not batch and self._closing:
                    return
            if batch:
                self._send(batch)
            self._tell_once()

    def _send(self, batch: list[ReadableSpan]) -> None:
        _LOG.newest.pop(threading.get_ident(), None)
        try:
            sent = self._exporter.export(batch) is SpanExportResult.SUCCESS
        except Exception:  # noqa: BLE001 - whatever goes wrong with a server, the daemon's work goes on
            sent = False
        with self._change:
            if not sent:
                self.dropped += self._sending
                self._complaint = _LOG.newest.get(threading.get_ident(), "")
            self._sending = 0

    def _reason(self) -> str:
        return f" ({self._complaint})" if self._complaint else ""

    def _tell_once(self) -> None:
        with self._change:
            if self._told or not self.dropped or self._closing:
                return
            self._told = True
        self._tell(f"Traces do not reach {self._where}{self._reason()}. The work goes on without them.")


def exporter(target: Target, timeout: float) -> SpanExporter:
    """OpenTelemetry's exporter with our headers, and no other program's."""
    session = requests.Session()
    session.auth = _Headers(target.headers)
    return OTLPSpanExporter(endpoint=target.url, timeout=timeout, session=session)


class _Headers(requests.auth.AuthBase):
    """Sets exactly our headers: the exporter would add those of the variables, requests those of a netrc."""

    _USUAL = frozenset(
        {"accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "user-agent"}
    )

    def __init__(self, headers: Any) -> None:
        self._headers = dict(headers)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        for name in [name for name in request.headers if name.lower() not in self._USUAL]:
            del request.headers[name]
        request.headers.update(self._headers)
        return request


class _Log(logging.Handler):
    """Keeps OpenTelemetry's newest complaint in each thread instead of printing it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.newest: dict[int, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.newest[threading.get_ident()] = one_line(without_password(record.getMessage()), 160)


_LOG = _Log()


def keep_quiet() -> None:
    """Let OpenTelemetry print nothing."""
    logger = logging.getLogger("opentelemetry")
    if _LOG not in logger.handlers:
        logger.addHandler(_LOG)
    logger.propagate = False
