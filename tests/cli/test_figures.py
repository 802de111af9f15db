"""`metrics` and `health` as commands: their data, their text, their exit codes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.cli.conftest import Project, Result
from tests.cli.test_terminal import on_a_terminal, plain

from coffee_maker.core.records import Run, StepTime, Usage
from coffee_maker.store.sqlite import SqliteStore
from coffee_maker.utils.connection import Databases

RunIt = Callable[..., Result]
HOSTILE = "\x1b]0;owned\x07the \u202etest command failed\nand more"


def record(project: Project) -> None:
    """Two days of work."""
    now = datetime.now(UTC)
    plain_run = Run("PRIORITY-2", "d", "claude", "b", now, now, "complete", None, 0, None, pipeline=1, model="opus")
    store = SqliteStore(Databases(str(project.data)))
    with store.runs() as log:
        for hours, outcome, item in ((30, "failed", "PRIORITY-2"), (29, "complete", "PRIORITY-2"), (2, None, "US-9")):
            began = now - timedelta(hours=hours)
            run = plain_run._replace(item=item, started=began, outcome=outcome, detail=HOSTILE, waited=60.0)
            ended = began + timedelta(minutes=90) if outcome else None
            log.start(run._replace(ended=ended, usage=Usage(1000, 200, 30000, 400, 1.25, 7)))
        log.add_step(
            StepTime("PRIORITY-2", 1, "approve", now - timedelta(hours=31), now - timedelta(hours=30), "waited")
        )
    store.close()


def test_metrics_without_any_says_so_and_makes_nothing(run: RunIt, project: Project) -> None:
    done = run("metrics")
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "Runs of agents of all time\n"
        "Nothing has been run yet.\n"
        "`coffee-roadmap daemon run` takes the next planned item.\n"
    )
    data = run("metrics", "--json", "--since", "7d").data
    assert (data["empty"], data["total"]["runs"], data["cycle"]["median"], data["items"]) == (True, 0, None, [])
    assert not project.data.exists()


def test_metrics_of_questions_alone_speak_of_no_runs(run: RunIt) -> None:
    run("notify", "Go?", "--option", "yes")
    run("notifications", "respond", "1", "yes")
    text = run("metrics").out
    assert "Nothing has been run yet.\n" in text
    assert "1 question answered: median" in text
    assert "()" not in text


def test_the_shape_that_scripts_rely_on(run: RunIt, project: Project) -> None:
    record(project)
    data = run("metrics", "--json").data
    figures = {
        "runs", "outcomes", "success", "done", "seconds", "waited", "input_tokens", "output_tokens",
        "cache_read_tokens", "cache_write_tokens", "cost", "turns", "tokens",
    }  # fmt: skip
    assert set(data) == {
        "since", "until", "empty", "total", "cycle", "attempts", "items", "models", "days", "waiting", "reasons",
    }  # fmt: skip
    assert set(data["total"]) == figures
    assert set(data["items"][0]) == figures | {"key"}
    assert set(data["models"][0]) == figures | {"model"}
    assert set(data["days"][0]) == figures | {"day"}
    assert set(data["cycle"]) == set(data["waiting"]["answered"]) == {"number", "median", "p90", "most"}
    assert set(data["waiting"]) == {"steps", "runs", "answered", "open", "longest"}
    assert (data["total"]["cost"], data["total"]["tokens"], data["total"]["success"]) == (3.75, 94800, 0.5)
    assert data["total"]["outcomes"] == {"failed": 1, "complete": 1, "running": 1}
    assert data["waiting"]["steps"] == 3600
    (reason,) = data["reasons"]
    assert (reason["runs"], reason["items"]) == (1, ["PRIORITY-2"])
    assert run("metrics", "--since", "12h", "--json").data["total"]["runs"] == 1
    assert run("metrics", "--item", "2", "--json").data["total"]["runs"] == 2
    assert run("metrics", "--item", "us-9", "--json").data["total"]["runs"] == 1  # no longer in the roadmap


def test_the_tables_as_text(run: RunIt, project: Project) -> None:
    record(project)
    out = run("metrics", "--item", "2").out
    for line in (
        "Runs                  2 (1 complete, 1 failed)",
        "Success               50%",
        "Taken up to complete  median 3h30m, nine of ten in 3h30m",
        "Cost                  $2.50, 63,200 tokens, 14 turns",
        "Waited for a person: 1h between steps, 2m within runs.",
        "ITEM        RUNS  DONE  SUCCESS  TIME  TOKENS   COST",
        "PRIORITY-2     2     1      50%    3h  63,200  $2.50",
    ):
        assert line in out.splitlines()
    assert "AGENT OR MODEL  RUNS" in out  # of a run without a known model, its agent
    assert "the test command failed" in out
    assert "\x1b" not in out
    assert "\u202e" not in out
    seen = on_a_terminal(project, "metrics", columns=60)
    assert "owned" not in seen
    assert max(map(len, plain(seen).splitlines())) <= 60


def test_a_question_that_was_answered_is_told_of(run: RunIt, project: Project) -> None:
    """Whether anything has been run or not."""
    assert run("notify", "Which colour?", "--type", "question").code == 0
    assert run("notifications", "respond", "1", "green").code == 0
    assert "1 question answered: median " in run("metrics").out
    record(project)
    assert "1 question answered: median " in run("metrics").out


def test_a_wrong_time_is_refused(run: RunIt) -> None:
    done = run("metrics", "--since", "last week")
    assert done.code == 2
    assert "a duration such as" in done.err


def test_health_explains_itself(run: RunIt, project: Project) -> None:
    assert run("health").out == "100 of 100\nNothing takes points off.\n"
    project.roadmap.write_text(project.roadmap.read_text() + "\n### PRIORITY 8: \x1b[31mRed\n\nText.\n")
    done = run("health")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "98 of 100",
        "",
        "-2  1 item has no status that is known.",
        "     PRIORITY-8",
        "     Set one: `coffee-roadmap status ITEM planned`.",
    ]
    data = run("health", "--json").data
    assert set(data) == {"score", "findings", "rules"}
    (finding,) = data["findings"]
    assert set(finding) == {"code", "weight", "points", "message", "items", "hint"}
    assert (data["score"], finding["code"], finding["items"]) == (98, "no_status", ["PRIORITY-8"])
    assert all(set(rule) == {"code", "weight", "most", "counts"} for rule in data["rules"])
    assert finding["code"] in {rule["code"] for rule in data["rules"]}
    assert not project.data.exists()


def test_health_fails_a_check_only_when_asked_to(run: RunIt, project: Project) -> None:
    project.roadmap.write_text("# Nothing\n")
    assert run("health").code == 0
    assert run("health", "--fail-under", "90").code == 0
    assert run("health", "--fail-under", "91").code == 1
    project.roadmap.unlink()
    assert run("health").code == 4
