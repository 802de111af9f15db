"""What outlasts a database that is away for a moment, and when it is for others, or for a person, to go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.git_states import PERSON
from tests.work.daemon_kit import Doing, Project, works

from coffee_maker.core.errors import ClaimLost, DatabaseGone
from coffee_maker.core.ports import Store
from coffee_maker.work import pipeline, steps
from coffee_maker.work.job import END, Job, Slots
from coffee_maker.work.supervisor import Hold, StopSign

TWO = "PRIORITY-2"


@pytest.fixture
def project(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    return Project(tmp_path, store)


@pytest.fixture
def job(project: Project) -> Job:
    desk = project.desk(Doing(works))
    item = desk.editing.read().item(TWO)
    taken = pipeline.claim(desk, item)
    assert taken is not None
    return pipeline.job_of(desk, item, "text", taken, Hold(taken.claim, StopSign(), timedelta(minutes=1)), Slots(1))


class Away:
    """Work that is cut off each time, after it did something."""

    def __init__(self, do: Callable[[Job], object], times: int) -> None:
        self.do = do
        self.times = times
        self.count = 0

    def __call__(self, job: Job) -> None:
        self.count += 1
        if self.count <= self.times:
            self.do(job)
            raise DatabaseGone(name="notifications")


@pytest.mark.parametrize(("finished", "tried"), [(0, pipeline._OUTAGES + 1), (2, pipeline._OUTAGES + 2)])
def test_outages_without_a_step_in_between_are_for_a_person(job: Job, finished: int, tried: int) -> None:
    away = Away(lambda job: away.count <= finished and job.note(f"step {away.count}", {}), 50)
    with pytest.raises(DatabaseGone):
        pipeline._outlasting(job, away)
    assert away.count == tried


def test_outages_with_a_step_in_between_are_outlasted_however_many_there_are(job: Job) -> None:
    away = Away(lambda job: job.note(f"step {len(job.results)}", {}), 3 * pipeline._OUTAGES)
    pipeline._outlasting(job, away)
    assert away.count == 3 * pipeline._OUTAGES + 1


def test_a_step_that_was_recorded_when_it_was_cut_off_is_not_done_again(job: Job) -> None:
    away = Away(lambda job: job._journal("built", {"ok": True}), 1)
    pipeline._outlasting(job, away)
    assert job.results["built"] == {"ok": True}


def test_an_end_that_was_recorded_when_it_was_cut_off_is_one(job: Job) -> None:
    """The claim was given back with it: it is not lost."""
    pipeline._outlasting(job, Away(lambda job: steps.end(job, "complete"), 1))
    assert END in job.results


def test_who_has_lost_the_item_meanwhile_does_not_go_on(project: Project, job: Job) -> None:
    def lose(_job: Job) -> None:
        with project.store.writing() as tx:
            tx.claims.release(job.hold.claim)
            tx.claims.take(TWO, "second", lease=timedelta(minutes=1), now=project.clock.now())

    away = Away(lose, 1)
    with pytest.raises(ClaimLost):
        pipeline._outlasting(job, away)
    assert away.count == 1


def test_a_claim_that_is_lost_is_told_with_what_is_to_be_mended(project: Project, job: Job) -> None:
    job.hold.lose("The lease was not renewed in time: the database is damaged")
    done = pipeline.run(job)
    assert done.outcome == "lost"
    assert done.reason is not None
    assert "is no longer held by daemon-1: The lease was not renewed in time: the database is damaged" in done.reason
    assert any(done.reason in words for words in project.told)


def test_the_database_of_runs_is_waited_for_too(project: Project, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not counted as one outage after the other while it is the only one that is away."""
    looks: list[None] = []
    real = project.store.reading_runs

    @contextmanager
    def away_at_first() -> Iterator[Any]:
        looks.append(None)
        if len(looks) < 3:
            raise DatabaseGone(name="analytics")
        with real() as runs:
            yield runs

    monkeypatch.setattr(project.store, "reading_runs", away_at_first)
    away = Away(lambda _job: None, 1)
    pipeline._outlasting(job, away)
    assert (away.count, len(looks)) == (2, 3)
