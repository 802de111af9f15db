"""The program sends traces from the daemon when variables name a server, and only then."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.otlp_collector import Collector

from coffee_maker import wiring
from coffee_maker.utils import observing
from coffee_maker.wiring import Operations

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.close()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in the current directory, and no server named."""
    (tmp_path / "ROADMAP.md").write_text("### PRIORITY 1: One\n\n**Status**: 📝 Planned\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def work(operations: Operations, told: list[str]) -> None:
    with operations:
        operations.prepare()
        operations.observe(told.append)
        operations.observe(told.append)  # once is enough
        with observing.run("PRIORITY-1", pipeline=1, attempt=1, begun=NOW) as run:
            run.text(input="WHAT IT READ")
            operations.editing.reconcile()


@pytest.mark.parametrize("content", [False, True])
def test_what_the_settings_say_counts(
    root: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch, content: bool
) -> None:
    (root / "coffee-roadmap.toml").write_text(f'[traces]\ncontent = {str(content).lower()}\nservice_name = "ours"\n')
    for name, value in collector.langfuse().items():
        monkeypatch.setenv(name, value)
    told: list[str] = []
    work(wiring.open_project(), told)
    spans = collector.wait_for(lambda spans: any(span.name == "run" for span in spans))
    assert told == []
    assert observing.current() is observing.NOTHING
    assert {span.resource["service.name"] for span in spans} == {"ours"}
    named = {span.name: span for span in spans}
    assert named["editing.reconcile"].parent == named["run"].span
    assert named["store.writing"].parent == named["editing.reconcile"].span
    assert any(b"WHAT IT READ" in body for body in collector.bodies) is content


def test_nothing_is_switched_on_where_no_server_is_named(root: Path) -> None:
    told: list[str] = []
    with wiring.open_project() as operations:
        operations.observe(told.append)
        assert observing.run("A", pipeline=1, attempt=1, begun=NOW) is observing.NOTHING
        assert operations.check_traces() == []
    assert told == []


def test_what_is_not_installed_is_told_and_stops_nobody(
    root: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
    with wiring.open_project() as operations:
        (finding,) = operations.check_traces()
        assert (finding.level, finding.message) == ("ok", f"The daemon's traces go to {collector.url}.")
    monkeypatch.setitem(sys.modules, "coffee_maker.adapters.traces", None)
    told: list[str] = []
    work(wiring.open_project(), told)
    assert told == [f"No traces go to {collector.url}: {wiring.NO_TRACES}"]
    with wiring.open_project() as operations:
        (finding,) = operations.check_traces()
        assert (finding.level, finding.hint) == ("notice", wiring.NO_TRACES)
