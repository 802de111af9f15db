"""Spans as OpenTelemetry has them, with the attributes that Langfuse reads.

Names of attributes as of https://langfuse.com/integrations/native/opentelemetry (property mapping): for the trace
`langfuse.trace.name` and `langfuse.session.id`, on every span of it, as ingestion version 4 wants; for an observation
`langfuse.observation.type` (span, agent, generation), `.model.name`, `.usage_details` and `.cost_details` (JSON objects
of numbers; costs in US dollars), `.level`, `.input`, `.output`. Beside them stand OpenTelemetry's `gen_ai.*`
(https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/), in which `gen_ai.usage.input_tokens` counts cached
tokens too, while Langfuse adds up the parts and wants them apart. Our own attributes begin with `coffee.`.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from opentelemetry import trace as otel
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from coffee_maker import __version__
from coffee_maker.adapters import trace_sending
from coffee_maker.adapters.trace_targets import Target
from coffee_maker.core.records import Usage
from coffee_maker.utils.observing import NOTHING, Span
from coffee_maker.utils.redaction import Redaction

if TYPE_CHECKING:
    from coffee_maker.utils.observing import Value

_OBSERVATION = "langfuse.observation"

_open: ContextVar[OpenSpan | None] = ContextVar("open_span", default=None)
_root: ContextVar[tuple[int, int] | None] = ContextVar("root_of_a_run", default=None)


class Options(NamedTuple):
    """What the settings say."""

    service_name: str
    content: bool = False
    timeout: float = 5.0  # seconds that one sending may take, in its own thread


def start(targets: Sequence[Target], options: Options, redaction: Redaction, tell: Callable[[str], None]) -> Tracer:
    """A tracer that sends to these servers."""
    trace_sending.keep_quiet()
    resource = Resource.create({"service.name": options.service_name, "service.version": __version__})
    provider = TracerProvider(resource=resource, id_generator=_Ids(), shutdown_on_exit=False)
    senders = [
        trace_sending.Sender(trace_sending.exporter(target, options.timeout), target.where, tell) for target in targets
    ]
    for sender in senders:
        provider.add_span_processor(sender)
    return Tracer(provider, senders, redaction, content=options.content)


class _Turn(NamedTuple):
    """An agent at work."""

    agent: str
    model: str | None
    system: str
    before: Usage


class Tracer:
    """See `coffee_maker.utils.observing.Tracer`."""

    def __init__(
        self,
        provider: TracerProvider,
        senders: Sequence[trace_sending.Sender],
        redaction: Redaction,
        *,
        content: bool,
    ) -> None:
        self.otel = provider.get_tracer("coffee_maker", __version__)
        self.redaction = redaction
        self.content = content
        self._senders = senders

    def trace(self, about: tuple[str, str], identity: str, since: datetime | None, known: Mapping[str, Value]) -> Span:
        """The root span. Its ids come from the identity, and it begins when the trace did: parts that were sent by a
        process which died before it could send the root find it as their parent all the same."""
        digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).digest()
        clean = self.redaction.name
        name, session = " ".join(map(clean, about[0].split(" "))), clean(about[1])
        said = {"langfuse.trace.name": name, "langfuse.session.id": session, "session.id": session}
        token = _root.set((int.from_bytes(digest[:16]) or 1, int.from_bytes(digest[16:24]) or 1))
        try:
            opened = self._begin(name.partition(" ")[0], None, said, since=since)
        finally:
            _root.reset(token)
        opened.note(**known)
        return opened

    def span(self, name: str, known: Mapping[str, Value]) -> Span:
        parent = _open.get()
        if parent is None:
            return NOTHING
        opened = self._begin(name, parent, parent.about)
        opened.note(**known)
        return opened

    def turn(self, agent: str, model: str | None, system: str | None, before: Usage | None) -> Span:
        parent = _open.get()
        if parent is None:
            return NOTHING
        turn = _Turn(self.redaction.name(agent), model, system or agent, before or Usage())
        return self._begin(f"agent {turn.agent}", parent, parent.about, turn=turn)

    def current(self) -> Span:
        return _open.get() or NOTHING

    def close(self) -> None:
        deadline = time.monotonic() + trace_sending.LAST_WAIT
        for sender in self._senders:
            sender.close(deadline)

    def _begin(
        self,
        name: str,
        parent: OpenSpan | None,
        about: Mapping[str, str],
        *,
        since: datetime | None = None,
        turn: _Turn | None = None,
    ) -> OpenSpan:
        context = otel.set_span_in_context(parent.span) if parent else otel.set_span_in_context(otel.INVALID_SPAN)
        started = round(since.timestamp() * 1e6) * 1000 if since else None
        span = self.otel.start_span(
            name,
            context,
            attributes={**about, f"{_OBSERVATION}.type": "agent" if turn else "span"},
            start_time=started,
            record_exception=False,  # it would send texts
            set_status_on_exception=False,
        )
        return OpenTurn(self, span, about, turn) if turn else OpenSpan(self, span, about)


class OpenSpan(Span):
    """See `coffee_maker.utils.observing.Span`."""

    __slots__ = ("_before", "_left", "_tracer", "about", "span")

    def __init__(self, tracer: Tracer, span: otel.Span, about: Mapping[str, str]) -> None:
        self.span = span
        self.about = about  # what every span of its trace says
        self._tracer = tracer
        self._left = False
        self._before: OpenSpan | None = None

    def __enter__(self) -> Self:
        self._before = _open.get()
        _open.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _open.set(self._before)  # and not the token: a generator may be closed in another context
        if kind is not None:
            self.span.set_status(otel.StatusCode.ERROR)
            self.span.set_attributes({"error.type": kind.__name__, f"{_OBSERVATION}.level": "ERROR"})
            if self._tracer.content and error is not None:
                self.span.set_attribute(f"{_OBSERVATION}.status_message", self._tracer.redaction.text(str(error)))
        if not self._left:
            self.span.end()

    def note(self, **attributes: Value) -> None:
        for key, value in attributes.items():
            if value is not None:
                clean = self._tracer.redaction.name(value) if isinstance(value, str) else value
                self.span.set_attribute(f"coffee.{key}", clean)

    def text(self, **texts: str) -> None:
        if self._tracer.content:
            for name, value in texts.items():
                self.span.set_attribute(f"{_OBSERVATION}.{name}", self._tracer.redaction.text(value))

    def mark(self, name: str) -> None:
        self.span.add_event(name)

    def leave(self) -> None:
        self._left = True

    def within(self) -> AbstractContextManager[object]:
        return _within(self)


@contextmanager
def _within(span: OpenSpan) -> Iterator[OpenSpan]:
    before = _open.get()
    _open.set(span)
    try:
        yield span
    finally:
        _open.set(before)


class OpenTurn(OpenSpan):
    """An agent at work; each part of what it takes is a generation below it."""

    __slots__ = ("_lock", "_seen", "_since", "_turn")

    def __init__(self, tracer: Tracer, span: otel.Span, about: Mapping[str, str], turn: _Turn) -> None:
        super().__init__(tracer, span, about)
        self._turn = turn
        self._seen = turn.before
        self._since = time.time_ns()
        self._lock = threading.Lock()  # an agent is heard in another thread than it is ended in
        span.set_attributes({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": turn.agent})

    def took(self, total: Usage, *, model: str | None = None) -> None:
        with self._lock:
            more = Usage._make(max(new - old, 0) for new, old in zip(total, self._seen, strict=True))
            if not any(more):
                return
            self._seen = Usage._make(max(new, old) for new, old in zip(total, self._seen, strict=True))
            since, self._since = self._since, time.time_ns()
            until = self._since
        generation = self._tracer.otel.start_span(
            "generation",
            otel.set_span_in_context(self.span),
            attributes={**self.about, **self._model(model or self._turn.model), **_usage(more)},
            start_time=since,
        )
        generation.end(until)

    def _model(self, model: str | None) -> dict[str, str]:
        name = self._tracer.redaction.name
        said = {
            "gen_ai.system": self._turn.system,
            "gen_ai.provider.name": self._turn.system,
            "gen_ai.request.model": model,
            f"{_OBSERVATION}.model.name": model,
        }
        return {key: name(value) for key, value in said.items() if value}


def _usage(usage: Usage) -> dict[str, str | int | float]:
    details = {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "total": usage.tokens,
    }
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    return {
        f"{_OBSERVATION}.type": "generation",
        f"{_OBSERVATION}.usage_details": json.dumps(details),
        "gen_ai.operation.name": "chat",
        "gen_ai.usage.input_tokens": usage.input_tokens + cached,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "coffee.turns": usage.turns,
        **_cost(usage.cost),
    }


def _cost(cost: float) -> dict[str, str | int | float]:
    """Nothing when the agent does not count costs: Langfuse then reckons them from the model's prices."""
    return {f"{_OBSERVATION}.cost_details": json.dumps({"total": cost}), "gen_ai.usage.cost": cost} if cost else {}


class _Ids(RandomIdGenerator):
    """Random, but for the root of a run."""

    def generate_trace_id(self) -> int:
        root = _root.get()
        return root[0] if root else super().generate_trace_id()

    def generate_span_id(self) -> int:
        root = _root.get()
        return root[1] if root else super().generate_span_id()
