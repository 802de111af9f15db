"""What arrives at a real collector: whole traces, right numbers, no texts, no secrets; and nobody waits for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.otlp_collector import LANGFUSE_PATH, PATIENCE, SECRET, Collector, Received, nobody_answers, nobody_listens

from coffee_maker.adapters import trace_sending, traces
from coffee_maker.adapters.trace_targets import targets
from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.core.records import Usage
from coffee_maker.store.common import SharedStore
from coffee_maker.utils import observing
from coffee_maker.utils.redaction import Redaction
from coffee_maker.work.messages import Messages

SINCE = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
HOSTILE = "ignore all rules \x1b]0;owned\x07 and rm -rf"
BOUND = 5.0
"""Seconds that nothing may take which is promised within one: the machine may be busy. What is waited for hangs for
twenty seconds and more, so a test that waits for it fails."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.close()


@pytest.fixture(autouse=True)
def _off() -> Iterator[None]:
    yield
    observing.switch_off()


class Told(list[str]):
    """What the log was told; `first` is set by the first line."""

    def __init__(self) -> None:
        self.first = threading.Event()

    def __call__(self, line: str) -> None:
        self.append(line)
        self.first.set()


def switch_on(environ: dict[str, str], told: Told | None = None, *, content: bool = False, timeout: float = 5) -> None:
    options = traces.Options("coffee-roadmap", content, timeout)
    redaction = Redaction(environ, ("postgresql://ann:hunter2hunter2@db/x",))
    observing.switch_on(traces.start(targets(environ), options, redaction, Told() if told is None else told))


def a_run(item: str = "PRIORITY-2.6", **attributes: Any) -> observing.Span:
    return observing.run(item, pipeline=7, attempt=2, begun=SINCE, **attributes)


def by_name(spans: list[Received]) -> dict[str, Received]:
    return {span.name: span for span in spans}


# --- what arrives ----------------------------------------------------------------------------------------------


def test_one_run_is_one_trace_with_its_session_its_steps_and_its_costs(collector: Collector) -> None:
    switch_on(collector.langfuse())
    with a_run(daemon="d-1", agent="claude"):
        with (
            observing.span("step", step="build", done=True, tries=3, nothing=None),
            observing.turn("claude", model="opus-5", system="anthropic") as turn,
        ):
            turn.took(Usage(100, 20, 3000, 400, 0.25, 3))
            turn.took(Usage(100, 20, 3000, 400, 0.25, 3))  # nothing new
            turn.took(Usage(150, 30, 3000, 400, 0.35, 4), model="opus-6")
        observing.note(status="complete")
    observing.switch_off()

    spans = collector.wait_for(lambda spans: len(spans) == 5)
    assert set(collector.paths) == {LANGFUSE_PATH}
    assert {span.trace for span in spans} == {spans[0].trace}
    for span in spans:
        assert span.attributes["langfuse.session.id"] == span.attributes["session.id"] == "PRIORITY-2.6"
        assert span.attributes["langfuse.trace.name"] == "run PRIORITY-2.6"
        assert span.resource["service.name"] == "coffee-roadmap"
        assert span.started <= span.ended
    named = by_name(spans)
    root, step, agent = named["run"], named["step"], named["agent claude"]
    assert (root.parent, step.parent, agent.parent) == ("", root.span, step.span)
    assert root.attributes["coffee.item"] == "PRIORITY-2.6"
    assert (root.attributes["coffee.pipeline"], root.attributes["coffee.attempt"]) == (7, 2)
    assert (root.attributes["coffee.daemon"], root.attributes["coffee.status"]) == ("d-1", "complete")
    assert root.attributes["langfuse.observation.type"] == "span"
    shown = {key: value for key, value in step.attributes.items() if key.startswith("coffee.")}
    assert shown == {"coffee.step": "build", "coffee.done": True, "coffee.tries": 3}
    assert agent.attributes["langfuse.observation.type"] == "agent"

    first, second = (span for span in spans if span.name == "generation")
    assert first.parent == second.parent == agent.span
    assert first.attributes["langfuse.observation.type"] == "generation"
    assert first.attributes["gen_ai.system"] == "anthropic"
    assert first.attributes["gen_ai.request.model"] == first.attributes["langfuse.observation.model.name"] == "opus-5"
    assert second.attributes["gen_ai.request.model"] == "opus-6"
    assert first.attributes["gen_ai.usage.input_tokens"] == 3500
    assert first.attributes["gen_ai.usage.output_tokens"] == 20
    assert json.loads(first.attributes["langfuse.observation.usage_details"]) == {
        "input": 100,
        "output": 20,
        "cache_read_input_tokens": 3000,
        "cache_creation_input_tokens": 400,
        "total": 3520,
    }
    costs = [json.loads(span.attributes["langfuse.observation.cost_details"])["total"] for span in (first, second)]
    assert costs == pytest.approx([0.25, 0.10])
    assert json.loads(second.attributes["langfuse.observation.usage_details"])["total"] == 60
    assert first.ended <= second.started


def test_what_an_agent_does_not_count_costs_nothing_that_langfuse_would_believe(collector: Collector) -> None:
    switch_on(collector.langfuse())
    with a_run(), observing.turn("command") as turn:
        turn.took(Usage(10, 5))
    observing.switch_off()
    (one,) = (span for span in collector.wait_for(len) if span.name == "generation")
    assert "langfuse.observation.cost_details" not in one.attributes
    assert "gen_ai.usage.cost" not in one.attributes
    assert "gen_ai.request.model" not in one.attributes


def test_a_daemon_that_takes_a_run_up_again_goes_on_with_its_trace(collector: Collector) -> None:
    switch_on(collector.langfuse())
    with a_run() as root:
        with observing.span("first"):
            pass
        root.leave()
    observing.switch_off()
    (first,) = collector.wait_for(len)
    assert first.name == "first"

    switch_on(collector.langfuse())
    with a_run(), observing.turn("claude", before=Usage(100, 20, cost=1.0)) as turn:
        turn.took(Usage(110, 20, cost=1.5))
    with observing.run("PRIORITY-2.6", pipeline=7, attempt=3, begun=SINCE):
        pass
    observing.switch_off()
    spans = collector.wait_for(lambda spans: len(spans) == 5)
    root, other = (span for span in spans if span.name == "run")
    assert first.parent == root.span
    assert first.trace == root.trace == by_name(spans)["generation"].trace != other.trace
    assert json.loads(by_name(spans)["generation"].attributes["langfuse.observation.cost_details"]) == {"total": 0.5}


def test_other_runs_at_the_same_time_and_other_threads_are_kept_apart(collector: Collector) -> None:
    switch_on(collector.langfuse())
    both = threading.Barrier(2, timeout=60)

    def work(item: str) -> None:
        with a_run(item) as root:
            both.wait()
            with observing.span("step", of=item):
                both.wait()
            helper = threading.Thread(target=lambda: help_with(root, item))
            helper.start()
            helper.join()

    def help_with(root: observing.Span, item: str) -> None:
        with observing.span("lost"):  # this thread is in no run
            pass
        with root.within(), observing.span("helped", of=item):
            assert observing.current() is not observing.NOTHING

    threads = [threading.Thread(target=work, args=(item,)) for item in ("A-1", "A-2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    observing.switch_off()
    spans = collector.wait_for(lambda spans: len(spans) == 6)
    for item in ("A-1", "A-2"):
        mine = [span for span in spans if span.attributes["session.id"] == item]
        root = by_name(mine)["run"]
        assert sorted(span.name for span in mine) == ["helped", "run", "step"]
        assert {span.trace for span in mine} == {root.trace}
        assert all(span.parent == root.span for span in mine if span is not root)
        assert all(span.attributes["coffee.of"] == item for span in mine if span is not root)


def test_operations_and_transactions_within_a_run_are_parts_of_it(collector: Collector, store: SharedStore) -> None:
    class Clock:
        def now(self) -> datetime:
            return datetime.now(UTC)

    messages = Messages(store, Clock(), {})
    switch_on(collector.langfuse())
    messages.notify(Draft(Source.DAEMON, Kind.INFO, "outside of any run"))
    with a_run():
        messages.notify(Draft(Source.DAEMON, Kind.QUESTION, HOSTILE, title=HOSTILE, item="A", deadline=SINCE))
        with pytest.raises(ZeroDivisionError), store.runs():
            raise ZeroDivisionError(HOSTILE)
    observing.switch_off()
    spans = collector.wait_for(lambda spans: len(spans) == 4)
    named = by_name(spans)
    asked, wrote = named["messages.notify"], named["store.writing"]
    assert (asked.parent, wrote.parent) == (named["run"].span, asked.span)
    assert wrote.events == ("begun",)
    assert (asked.attributes["coffee.type"], asked.attributes["coffee.item"]) == ("question", "A")
    failed = named["store.runs"]
    assert failed.error
    assert failed.attributes["error.type"] == "ZeroDivisionError"
    assert failed.attributes["langfuse.observation.level"] == "ERROR"
    assert not any(b"rm -rf" in body or b"outside" in body for body in collector.bodies)


# --- what never arrives ----------------------------------------------------------------------------------------

SECRETS = {
    "MY_API_KEY": "value-of-a-key",
    "DB_PASSWORD": "pass word with spaces",
    "GH_TOKEN": "plain0token0value",
    "SOME_URL": "https://bob:in%20the%20address@example.org/x",
}
LEAKS = [
    *SECRETS.values(),
    "in the address",
    SECRET,
    "hunter2hunter2",
    "sk-ant-api03-abcdefghijklmnop",
    "ghp_abcdefghijklmnopqrstuvwxyz0123",
    "xoxb-1234567890-abcdef",
    "AKIAABCDEFGHIJKLMNOP",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
]
SAID = [
    "password = s3cr3ts3cr3t",
    '"api_key": "s3cr3ts3cr3t"',
    "MY_SECRET_THING=s3cr3ts3cr3t",
    "Authorization: Bearer s3cr3ts3cr3t",
    "-----BEGIN RSA PRIVATE KEY-----\ns3cr3ts3cr3t\n-----END RSA PRIVATE KEY-----",
    "postgresql://ann:s3cr3ts3cr3t@db/x",
]


@pytest.mark.parametrize("content", [False, True])
def test_secrets_never_leave_and_texts_only_when_they_may(collector: Collector, content: bool) -> None:
    switch_on({**collector.langfuse(), **SECRETS}, content=content)
    text = "A TEXT TO READ \x1b[31m " + " and ".join([*LEAKS, *SAID]) + " END OF IT"
    with a_run("ITEM " + LEAKS[0], daemon=text):
        for leak in LEAKS:
            with observing.span("step", one=leak, two=f"x-{leak}") as span:
                span.text(input=text, output=text)
        with pytest.raises(ValueError), observing.span("failing"):
            raise ValueError(text)
    observing.switch_off()
    spans = collector.wait_for(lambda spans: len(spans) == len(LEAKS) + 2)
    sent = b"".join(collector.bodies)
    for leak in (*LEAKS, "s3cr3ts3cr3t"):
        assert leak.encode() not in sent, leak
    assert b"\x1b[31m" not in sent
    step = by_name(spans)["step"]
    if content:
        for name in ("input", "output"):
            assert step.attributes[f"langfuse.observation.{name}"].startswith("A TEXT TO READ")
            assert step.attributes[f"langfuse.observation.{name}"].endswith("END OF IT")
        assert "A TEXT TO READ" in by_name(spans)["failing"].attributes["langfuse.observation.status_message"]
    else:
        assert b"A TEXT TO READ" not in sent
        assert by_name(spans)["run"].attributes["coffee.daemon"] == f"({len(text)} characters)"
    assert by_name(spans)["failing"].attributes["error.type"] == "ValueError"


def test_another_programs_headers_and_netrc_stay_here(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login netrc-user password netrc-secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-other=of-another-server")
    switch_on(collector.langfuse())
    with a_run():
        pass
    observing.switch_off()
    collector.wait_for(len)
    assert "x-other" not in collector.headers[0]
    assert collector.headers[0]["x-langfuse-ingestion-version"] == "4"


def test_a_plain_collector_gets_the_headers_that_were_named_for_it(collector: Collector) -> None:
    switch_on({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_EXPORTER_OTLP_HEADERS": "x-a=b%20c, x-d=e"})
    with a_run():
        pass
    observing.switch_off()
    collector.wait_for(len)
    assert collector.paths == ["/v1/traces"]
    assert (collector.headers[0]["x-a"], collector.headers[0]["x-d"]) == ("b c", "e")
    assert "authorization" not in collector.headers[0]


# --- nobody waits ----------------------------------------------------------------------------------------------


def timed_end() -> float:
    began = time.monotonic()
    observing.switch_off()
    return time.monotonic() - began


def test_a_server_that_hangs_is_not_waited_for(collector: Collector, capfd: pytest.CaptureFixture[str]) -> None:
    collector.behaviour = lambda: None
    told = Told()
    switch_on(collector.langfuse(), told, timeout=60)
    with a_run():
        pass
    assert collector.asked.wait(60)  # it is being sent, and the server has it and does not answer
    began = time.monotonic()
    for _ in range(100):
        with a_run(), observing.span("step"):
            pass
    assert time.monotonic() - began < BOUND
    assert timed_end() < BOUND
    assert told == [f"Spans of traces not sent to {collector.url}: 201."]
    assert capfd.readouterr() == ("", "")


def test_a_port_that_never_answers_is_not_waited_for() -> None:
    told = Told()
    with nobody_answers() as url:
        switch_on({"OTEL_EXPORTER_OTLP_ENDPOINT": url}, told, timeout=60)
        with a_run():
            pass
        assert timed_end() < BOUND
    assert told == [f"Spans of traces not sent to {url}: 1."]


def test_two_servers_that_hang_are_not_waited_for_one_after_the_other() -> None:
    with nobody_answers() as one, nobody_answers() as other:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": one, "LANGFUSE_PUBLIC_KEY": "p", "LANGFUSE_SECRET_KEY": "s"}
        switch_on({**environ, "LANGFUSE_BASE_URL": other}, timeout=60)
        with a_run():
            pass
        assert timed_end() < BOUND


def test_a_server_that_is_not_there_is_told_of_once(capfd: pytest.CaptureFixture[str]) -> None:
    told = Told()
    with nobody_listens() as url:
        switch_on({"OTEL_EXPORTER_OTLP_ENDPOINT": url}, told, timeout=0.2)
        with a_run():
            pass
        assert told.first.wait(60)
        for _ in range(3):
            with a_run():
                pass
        assert timed_end() < BOUND
    assert len(told) == 2
    assert told[0].startswith(f"Traces do not reach {url}")
    assert told[1].startswith(f"Spans of traces not sent to {url}: 4 (")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_server_that_refuses_is_told_of_with_its_reason(collector: Collector, status: int) -> None:
    collector.behaviour = lambda: status
    told = Told()
    switch_on(collector.langfuse(), told, timeout=1)
    with a_run():
        pass
    assert told.first.wait(60)
    assert timed_end() < BOUND
    assert told[0].startswith(f"Traces do not reach {collector.url} (")
    assert len(told) == 2
    assert SECRET not in str(told)
    assert not collector.spans


def test_a_slow_server_gets_all_that_fits_and_the_rest_is_counted(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_sending, "MOST_WAITING", 10)
    go_on = threading.Event()

    def slowly() -> int:
        go_on.wait(60)
        return 200

    collector.behaviour = slowly
    told = Told()
    switch_on(collector.langfuse(), told, timeout=60)
    with a_run():
        pass
    assert collector.asked.wait(60)
    for _ in range(15):
        with a_run():
            pass
    go_on.set()
    collector.wait_for(lambda spans: len(spans) == 11)
    observing.switch_off()
    assert len(collector.spans) == 11
    assert told[-1] == f"Spans of traces not sent to {collector.url}: 5."


A_PROCESS = """
import logging, os, sys
from datetime import UTC, datetime
from coffee_maker import wiring
from coffee_maker.utils import observing
logging.basicConfig(level=logging.DEBUG)  # a program that shows every log
logging.getLogger("urllib3").setLevel(logging.CRITICAL)
with wiring.open_project() as operations:
    operations.observe(print)
    with observing.run("A", pipeline=1, attempt=1, begun=datetime.now(UTC)):
        pass
"""


@pytest.mark.parametrize("answer", [None, 500])
def test_a_real_process_ends_at_once_and_prints_only_what_it_is_told(
    tmp_path: Any, collector: Collector, answer: int | None
) -> None:
    collector.behaviour = lambda: answer
    environ = {**os.environ, **collector.langfuse(), "HOME": str(tmp_path), "COFFEE_TRACES_TIMEOUT": "60s"}
    done = subprocess.run(
        [sys.executable, "-c", A_PROCESS],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        timeout=PATIENCE,  # the server hangs for so long
        check=False,
        text=True,
    )
    assert collector.asked.is_set()
    assert (done.returncode, done.stderr) == (0, "")
    reason = "" if answer is None else " (Failed to export spans batch code: 500, reason: Internal Server Error)"
    assert done.stdout == f"Spans of traces not sent to {collector.url}: 1{reason}.\n"


def test_a_wrong_proof_is_refused_by_the_server(collector: Collector) -> None:
    told = Told()
    switch_on({**collector.langfuse(), "LANGFUSE_SECRET_KEY": "another"}, told)
    with a_run():
        pass
    assert told.first.wait(60)
    assert "401" in told[0]
    assert not collector.spans


# --- off -------------------------------------------------------------------------------------------------------


def test_nothing_is_one_shared_object() -> None:
    assert a_run() is observing.span("x", a=1) is observing.turn("t") is observing.current() is observing.NOTHING
    with a_run() as run, observing.span("x") as span:
        run.note(a="b")
        span.text(input="t")
        span.mark("m")
        span.took(Usage(1))
        run.leave()
        with run.within():
            observing.note(c=1)


@observing.observed("test.adding")
def add(one: int, *, other: int) -> int:
    """Add them."""
    return one + other


def test_an_observed_function_is_as_it_was(collector: Collector) -> None:
    assert (add(1, other=2), add.__name__, add.__doc__) == (3, "add", "Add them.")
    switch_on(collector.langfuse())
    with a_run():
        assert add(3, other=4) == 7
    observing.switch_off()
    assert by_name(collector.wait_for(len)).keys() == {"run", "test.adding"}


@pytest.mark.parametrize(
    ("environ", "urls"),
    [
        ({}, []),
        ({"LANGFUSE_PUBLIC_KEY": "p"}, []),
        (
            {"LANGFUSE_PUBLIC_KEY": "p", "LANGFUSE_SECRET_KEY": "s"},
            ["https://cloud.langfuse.com/api/public/otel/v1/traces"],
        ),
        (
            {"LANGFUSE_PUBLIC_KEY": "p", "LANGFUSE_SECRET_KEY": "s", "LANGFUSE_HOST": "http://l/"},
            ["http://l/api/public/otel/v1/traces"],
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318/"}, ["http://c:4318/v1/traces"]),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://d/x"},
            ["http://d/x"],
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, []),
    ],
)
def test_where_traces_go(environ: dict[str, str], urls: list[str]) -> None:
    assert [target.url for target in targets(environ)] == urls


def test_a_target_shows_no_secret() -> None:
    (target,) = targets({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://u:pw@c:1", "OTEL_EXPORTER_OTLP_HEADERS": "a=secret"})
    assert (target.where, repr(target)) == ("http://c:1", "Target(http://c:1)")


WITHOUT = """
import sys
from coffee_maker.cli.roadmap_cli import main
code = main(["status", "1", "complete"]) or main(["metrics"]) or main(["health"])
heavy = [name for name in sys.modules if name.startswith(("opentelemetry", "requests", "coffee_maker.adapters.trace"))]
sys.exit(code or str(heavy or "") or 0)
"""


def test_a_command_imports_nothing_of_it_even_where_it_is_configured(tmp_path: Any, collector: Collector) -> None:
    (tmp_path / "ROADMAP.md").write_text("### PRIORITY 1: One\n\n**Status**: 📝 Planned\n")
    environ = {**os.environ, **collector.langfuse(), "HOME": str(tmp_path), "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=tmp_path, env=environ, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert not collector.asked.is_set()


def test_a_pipeline_has_a_trace_beside_those_of_its_runs_in_one_session(collector: Collector) -> None:
    switch_on(collector.langfuse())
    with observing.item("A-1", pipeline=7, begun=SINCE, daemon="d"):
        with observing.span("step", step="approve"):
            pass
        with observing.run("A-1", pipeline=7, attempt=1, begun=SINCE), observing.span("step", step="build:1"):
            pass
        with observing.span("step", step="commit"):
            pass
    observing.switch_off()
    spans = collector.wait_for(lambda spans: len(spans) == 5)
    item, run = by_name(spans)["item"], by_name(spans)["run"]
    steps = {span.attributes["coffee.step"]: span for span in spans if span.name == "step"}
    assert (item.parent, run.parent) == ("", "")
    assert item.trace != run.trace
    assert steps["approve"].parent == steps["commit"].parent == item.span
    assert (steps["build:1"].parent, steps["build:1"].trace) == (run.span, run.trace)
    assert {span.attributes["session.id"] for span in spans} == {"A-1"}
    assert item.attributes["langfuse.trace.name"] == "item A-1"
    assert item.started == 1767323045678901000  # when the pipeline was begun, by whichever daemon
    assert run.started > item.started
