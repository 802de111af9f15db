"""`metrics` and `health` on real databases of both kinds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.work.messages_kit import HOUR, START, SetClock, question

from coffee_maker.adapters.roadmap_file import RoadmapFile
from coffee_maker.core.items import Status
from coffee_maker.core.records import Run, StepTime, Usage
from coffee_maker.store.common import SharedStore
from coffee_maker.utils import data_directory as data_directory_of_ours
from coffee_maker.work import health, metrics
from coffee_maker.work.editing import Editing
from coffee_maker.work.messages import Messages
from coffee_maker.work.recording import Options

DAY = timedelta(days=1)
ROADMAP = """\
# R

## PRIORITY 1: One

**Status**: 📝 Planned

## PRIORITY 2: Two

**Status**: 📝 Planned

## PRIORITY 3: Three

**Status**: 📝 Planned
"""


def test_what_was_never_written_is_empty_and_stays_so(store: SharedStore, data_directory: Path) -> None:
    assert metrics.measure(store, SetClock()).empty
    assert not (data_directory / "analytics.db").exists()


def test_the_figures_of_what_was_recorded(store: SharedStore) -> None:
    clock = SetClock()
    run = Run("A", "d", "claude", "b", START, START + HOUR, "complete", None, 0, None, pipeline=7, model="m")
    with store.runs() as log:
        log.add_step(StepTime("A", 7, "approve", START - 2 * HOUR, START - HOUR, "waited"))
        log.add_step(StepTime("A", 7, "build", START, START + HOUR, "done"))
        log.start(run._replace(usage=Usage(1, 2, 3, 4, 0.5, 6)))
        log.start(run._replace(item="B", pipeline=8, outcome="failed", detail="it broke"))
    messages = Messages(store, clock, {})
    asked = messages.notify(question(item="A"))
    clock.time += HOUR
    messages.respond(asked.id, "yes", by="ann", via="terminal")
    messages.notify(question(item="B"))
    clock.time += HOUR

    both = metrics.measure(store, clock)
    assert (both.total.runs, both.total.done, both.total.success) == (2, 1, 0.5)
    assert (both.cycle.median, both.waiting.steps) == (3 * 3600, 3600)
    assert (both.waiting.answered.median, both.waiting.open, both.waiting.longest) == (3600, 1, 3600)
    assert [one.reason for one in both.reasons] == ["it broke"]
    one = metrics.measure(store, clock, item="A")
    assert (one.total.runs, one.total.usage, one.waiting.open) == (1, Usage(1, 2, 3, 4, 0.5, 6), 0)
    late = metrics.measure(store, clock, since=START + HOUR)
    assert (late.total.runs, late.total.done, late.waiting.steps) == (0, 1, 0)


def test_the_health_of_what_was_recorded(store: SharedStore, tmp_path: Path, data_directory: Path) -> None:
    clock = SetClock()
    data_directory_of_ours.ensure(str(data_directory))
    (tmp_path / "ROADMAP.md").write_text(ROADMAP)
    file = RoadmapFile(str(tmp_path / "ROADMAP.md"))
    editing = Editing(store, file, clock, Options(str(data_directory / "roadmap.lock")))
    assert health.examine(editing.read(), store, clock).score == 100
    editing.set_status("1", Status.BLOCKED, by="ann")
    editing.set_status("2", Status.IN_PROGRESS, by="ann")
    Messages(store, clock, {}).notify(question(item="PRIORITY-1"))
    assert health.examine(editing.read(), store, clock).score == 100

    clock.time += 15 * DAY
    with store.runs() as log:
        for day, outcome in ((0, "complete"), (13, "failed"), (13, "failed"), (13, "failed")):
            began = START + day * DAY
            log.start(Run("PRIORITY-3", "d", "a", "b", began, began, outcome, None, 1, None))
    found = {one.code: (one.points, one.items) for one in health.examine(editing.read(), store, clock).findings}
    assert found == {
        "blocked_long": (3, ("PRIORITY-1",)),
        "stale": (3, ("PRIORITY-2",)),
        "question_waits": (3, ("PRIORITY-1",)),
        "runs_fail": (15, ("PRIORITY-3",)),
    }
    with store.writing() as tx:
        tx.claims.take("PRIORITY-2", "d", lease=HOUR, now=clock.now())
        tx.claims.take("PRIORITY-3", "d", lease=HOUR, now=clock.now())
    found = {one.code: (one.points, one.items) for one in health.examine(editing.read(), store, clock).findings}
    assert "stale" not in found
    assert found["nothing_ready"] == (10, ("PRIORITY-3",))
    clock.time += 2 * HOUR
    codes = [one.code for one in health.examine(editing.read(), store, clock).findings]
    assert "abandoned" in codes
    assert "nothing_ready" not in codes
