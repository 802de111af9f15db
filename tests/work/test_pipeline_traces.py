"""A real daemon's work as a real collector sees it: one session per item, one trace per attempt, costs, no texts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from tests.otlp_collector import Collector, Received
from tests.work.daemon_kit import OK, Doing, Project, in_thread, works

from coffee_maker.adapters import traces
from coffee_maker.adapters.trace_targets import targets
from coffee_maker.core.ports import Stop
from coffee_maker.core.records import AgentResult, Task, Usage
from coffee_maker.utils import observing
from coffee_maker.utils.redaction import Redaction


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    environ = one.langfuse()
    options = traces.Options("coffee-roadmap")
    observing.switch_on(traces.start(targets(environ), options, Redaction(environ), lambda _: None))
    yield one
    observing.switch_off()
    one.close()


def steps(spans: list[Received], trace: str) -> list[str]:
    mine = sorted((span for span in spans if span.trace == trace), key=lambda span: span.started)
    return [span.attributes["coffee.step"] for span in mine if span.name == "step"]


def costs(spans: list[Received]) -> list[float]:
    told = (span.attributes.get("langfuse.observation.cost_details") for span in spans)
    return [json.loads(one)["total"] for one in told if one]


def test_an_item_that_needs_two_attempts(project: Project, collector: Collector) -> None:
    def do(task: Task, _stop: Stop) -> AgentResult:
        agent.watch.usage(Usage(100, 10, cost=0.5))
        helper = threading.Thread(target=agent.watch.call, args=("progress", {"words": "A NOTE OF THE AGENT"}))
        helper.start()
        helper.join()
        works(task, _stop)
        return OK._replace(usage=Usage(200, 20, cost=0.75), model="opus")

    def check(task: Task, _stop: Stop) -> AgentResult:
        return OK if len(tests.tasks) > 1 else AgentResult(False, 1, "it failed", "SECRET OUTPUT OF TESTS")

    agent, tests = Doing(do), Doing(check)
    project.daemon(agent, tests=tests).run(once=True)
    observing.switch_off()
    spans = collector.wait_for(lambda spans: any(span.name == "item" for span in spans))
    (item,) = (span for span in spans if span.name == "item")
    runs = sorted((span for span in spans if span.name == "run"), key=lambda span: span.started)
    assert {span.attributes["session.id"] for span in spans} == {"PRIORITY-2"}
    assert {span.trace for span in spans} == {item.trace, *(run.trace for run in runs)}
    assert [steps(spans, run.trace) for run in runs] == [["build:1", "test:1"], ["build:2", "test:2"]]
    assert steps(spans, item.trace)[-4:] == ["commit", "publish", "report", "tell"]
    assert item.attributes["coffee.outcome"] == "complete"
    ids = {span.span for span in spans}
    assert all(span.parent in ids for span in spans if span.parent)
    tools = [span for span in spans if span.name == "tool"]
    turns = {span.span for span in spans if span.name == "agent doing"}
    assert [span.attributes["coffee.tool"] for span in tools] == ["progress", "progress"]
    assert {span.parent for span in tools} == turns
    assert sum(costs(spans)) == pytest.approx(1.5)
    assert [sum(costs([span for span in spans if span.trace == run.trace])) for run in runs] == [0.75, 0.75]
    assert not any(b"Text of two" in body or b"SECRET OUTPUT" in body or b"A NOTE" in body for body in collector.bodies)


def test_a_daemon_that_is_stopped_leaves_its_trace_to_the_next(project: Project, collector: Collector) -> None:
    at_work = threading.Event()

    def hang(_task: Task, stop: Stop) -> AgentResult:
        agent.watch.usage(Usage(100, 10, cost=0.5))
        at_work.set()
        while stop.requested() is None:
            threading.Event().wait(0.01)
        return AgentResult(False, None, "it was stopped", "")

    agent = Doing(hang)
    daemon = project.daemon(agent)
    thread = in_thread(daemon)
    assert at_work.wait(60)
    daemon.stop("enough")
    thread.join(60)
    spans = collector.wait_for(lambda spans: costs(spans) and any(span.name.startswith("agent") for span in spans))
    assert not [span for span in spans if span.name in ("item", "run")]

    project.daemon(Doing(works), owner="daemon-2").run(once=True)
    observing.switch_off()
    spans = collector.wait_for(lambda spans: any(span.name == "item" for span in spans))
    (run,) = (span for span in spans if span.name == "run")
    builds = [span for span in spans if span.attributes.get("coffee.step") == "build:1"]
    assert len(builds) == 2
    assert {(span.trace, span.parent) for span in builds} == {(run.trace, run.span)}
    assert sorted(span.error for span in builds) == [False, True]
