"""The commands that change the roadmap: their data, their text, their conditions."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import ROADMAP, Project, Result

from coffee_maker.cli import values
from coffee_maker.cli.roadmap_cli import main

Run = Callable[..., Result]


def test_a_change_of_status_gives_the_shape_that_scripts_rely_on(run: Run, project: Project) -> None:
    data = run("status", "PRIORITY-2", "completed", "--json").data
    assert data == {
        "key": "PRIORITY-2",
        "change_type": "status_change",
        "before": "planned",
        "after": "complete",
        "revision": data["revision"],
        "document_revision": data["document_revision"],
        "history_id": 1,
    }
    view = run("view", "--json").data
    assert view["revision"] == data["document_revision"]
    assert view["items"][1]["revision"] == data["revision"]
    changed = [line for line in project.roadmap.read_text().splitlines() if line not in ROADMAP.splitlines()]
    assert len(changed) <= 1


@pytest.mark.parametrize("words", [["in", "progress"], ["in-progress"], ["in_progress"], ["In Progress"]])
def test_statuses_as_people_write_them(run: Run, words: list[str]) -> None:
    assert run("status", "2", *words, "--json").data["after"] == "in_progress"


def test_options_may_stand_between_the_words(run: Run) -> None:
    done = run("status", "2", "--reason", "no bricks", "on", "--json", "hold")
    assert (done.code, done.data["after"]) == (0, "blocked")
    assert run("history", "--json").data["changes"][0]["reason"] == "no bricks"


def test_what_is_so_already_is_no_change(run: Run) -> None:
    done = run("status", "2", "planned")
    assert (done.code, done.out) == (0, "PRIORITY-2: nothing to change, it is so already.\n")
    assert run("history", "--json").data["changes"] == []


def test_a_dry_run_shows_the_diff_and_changes_nothing(run: Run, project: Project) -> None:
    done = run("status", "2", "complete", "--dry-run")
    assert "+**Status**: ✅ Complete" in done.out
    assert run("status", "2", "planned", "--dry-run").out == "Nothing would change.\n"
    data = run("status", "2", "complete", "--dry-run", "--json").data
    assert (data["history_id"], data["dry_run"]) == (None, True)
    assert data["diff"].startswith("--- ")
    assert project.roadmap.read_text() == ROADMAP
    assert not project.data.exists()


def test_a_revision_is_a_condition(run: Run) -> None:
    revision = run("view", "2", "--json").data["revision"]
    assert run("status", "2", "blocked", "--if-revision", revision).code == 0
    refused = run("status", "2", "planned", "--if-revision", revision, "--json")
    assert (refused.code, refused.error["code"], refused.error["retryable"]) == (5, "revision_changed", False)
    whole = run("view", "--json").data["revision"]
    assert run("edit", "3", "--title", "Tiles", "--if-revision", whole).code == 0


def test_add_in_every_place(run: Run) -> None:
    assert run("add", "Cellar", "--first", "--json").data["change_type"] == "add"
    run("add", "Balcony", "--after", "2.5", "--status", "blocked", "--field", "Effort=1d", "--body", "With a view.")
    run("add", "Door", "--before", "3", "--number", "2.9")
    run("add", "Garden")
    titles = [item["title"] for item in run("view", "--json").data["items"]]
    assert titles == [
        "Cellar",
        "Lay the floor",
        "Raise the walls",
        "Put in windows",
        "Balcony",
        "Door",
        "Roof",
        "Garden",
    ]
    balcony = run("search", "With a view", "--json").data["items"][0]
    assert (balcony["status"], balcony["title"]) == ("blocked", "Balcony")
    assert "1d" in balcony["fields"].values()


def test_add_reads_its_text_from_standard_input(project: Project) -> None:
    done = project.real("add", "Garden", "--body", "-", "--json", stdin="Roses,\nand peas.\n")
    assert "Roses,\nand peas." in project.real("view", done.data["key"], "--json").data["text"]


def test_edit_several_things_as_one_change(run: Run) -> None:
    done = run(
        "edit",
        "2",
        "--title",
        "Walls",
        "--field",
        "Owner=Ann",
        "--field",
        "Estimated Effort=",
        "--check",
        "2",
        "--json",
    )
    assert (done.code, done.data["change_type"]) == (0, "update")
    item = run("view", "2", "--json").data
    assert item["title"] == "Walls"
    assert item["checklist"] == {"done": 2, "total": 2}
    assert "Ann" in item["fields"].values()
    assert "2 days" not in item["fields"].values()
    assert len(run("history", "--json").data["changes"]) == 1
    assert run("edit", "2", "--uncheck", "build").code == 0
    assert run("edit", "2", "--status", "in-progress", "--json").data["after"] == "in_progress"
    assert run("edit", "2", "--body", "New text.").out.startswith("PRIORITY-2: updated")


def test_move_keeps_the_text(run: Run) -> None:
    text = run("view", "3", "--json").data["text"].strip()
    for words in (["--first"], ["--after", "1"], ["--before", "2.5"], ["--last"]):
        assert run("move", "3", *words, "--json").data["change_type"] == "move"
    assert run("view", "3", "--json").data["text"].strip() == text
    assert [item["key"] for item in run("view", "--json").data["items"]][-1] == "PRIORITY-3"


def test_remove_and_undo(run: Run, project: Project) -> None:
    removed = run("remove", "2", "--yes", "--json").data
    assert (removed["key"], removed["change_type"], removed["revision"]) == ("PRIORITY-2", "delete", None)
    assert run("view", "2").code == 4
    history = run("history", "2", "--json").data["changes"]  # the history knows what is gone
    assert [change["change_type"] for change in history] == ["delete"]
    assert run("undo", "--json").code == 0
    assert project.roadmap.read_text() == ROADMAP


def test_the_history_shows_the_lines_of_each_change_when_asked(run: Run) -> None:
    run("edit", "2", "--field", "Owner=ada", "--reason", "hers now")
    run("status", "2", "blocked")
    told = run("history", "2", "--diff").out
    assert told.index("+**Status**: ⏸️ Blocked") < told.index("+**Owner**: ada")
    assert "hers now" in told
    assert "+**Owner**: ada" not in run("history", "2", "--diff", "--limit", "1").out
    assert "diffs" not in run("history", "--diff", "--json").data


def test_dependencies_are_items_and_removing_one_tells_who_needs_it(run: Run, project: Project) -> None:
    added = run("add", "Later", "--depends-on", "2", "--depends-on", "priority 1", "--depends-on", "2", "--json").data
    assert run("view", added["key"], "--json").data["depends_on"] == ["PRIORITY-2", "PRIORITY-1"]
    assert run("edit", added["key"], "--depends-on", "2").code == 0
    assert run("view", added["key"], "--json").data["fields"]["depends_on"] == "PRIORITY-2"
    assert f"PRIORITY-3, {added['key']} depend on it." in run("remove", "2", "--dry-run").err
    removed = run("remove", "2", "--yes")
    assert (removed.code, removed.err) == (0, f"PRIORITY-3, {added['key']} depend on it.\n")
    assert "depend" not in run("remove", added["key"], "--yes").err


def test_remove_asks_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def __init__(self, answer: str) -> None:
            self.answer = answer

        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return self.answer

    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(values.sys, "stdin", Terminal("\n"))
    assert main(["remove", "2"]) == 1
    assert run("view", "2").code == 0
    monkeypatch.setattr(values.sys, "stdin", Terminal("Y\n"))


def test_undo_says_what_it_took_back(run: Run) -> None:
    run("remove", "2.5", "--yes", "--by", "Ann")
    run("status", "2", "blocked")
    dry = run("undo", "1", "--dry-run").out
    assert dry.startswith("Would take back change 1 by Ann, PRIORITY-2.5 removed: Put in windows\n--- ")
    assert run("undo", "1").out.startswith(
        "Took back change 1 by Ann, PRIORITY-2.5 removed: Put in windows\nPRIORITY-2.5"
    )
    data = run("undo", "--json").data
    assert (data["undone"]["id"], data["undone"]["before"], data["undone"]["after"]) == (2, "planned", "blocked")
    assert "undone" not in run("status", "2", "complete", "--json").data


def test_undo_of_one_change_leaves_the_later_ones(run: Run) -> None:
    run("status", "2", "blocked")
    run("status", "3", "blocked")
    undone = run("undo", "1", "--json").data
    assert (undone["key"], undone["history_id"]) == ("PRIORITY-2", 3)
    statuses = {item["key"]: item["status"] for item in run("view", "--json").data["items"]}
    assert (statuses["PRIORITY-2"], statuses["PRIORITY-3"]) == ("planned", "blocked")
    assert run("history", "--json").data["changes"][0]["undoes"] == 1


def test_history_gives_the_shape_that_scripts_rely_on(run: Run) -> None:
    assert run("history").out == "No changes are recorded.\n"
    run("status", "2", "blocked", "--reason", "no bricks", "--by", "Ann")
    run("status", "3", "blocked")
    changes = run("history", "--json").data["changes"]
    assert [change["id"] for change in changes] == [2, 1]
    first = changes[1]
    assert first == {
        "id": 1,
        "at": first["at"],
        "changed_by": "Ann",
        "change_type": "status_change",
        "item": "PRIORITY-2",
        "before": "planned",
        "after": "blocked",
        "reason": "no bricks",
        "before_revision": first["before_revision"],
        "after_revision": changes[0]["before_revision"],
        "undoes": None,
        "diff": first["diff"],
    }
    assert "-**Status**: 📝 Planned\n+**Status**: ⏸️ Blocked\n" in first["diff"]
    assert changes[0]["changed_by"] == "Tester"
    assert [change["id"] for change in run("history", "--limit", "1", "--json").data["changes"]] == [2]
    assert [change["id"] for change in run("history", "--after", "1", "--json").data["changes"]] == [2]
    assert [change["id"] for change in run("history", "2", "--json").data["changes"]] == [1]
    assert "planned -> blocked (no bricks)" in run("history").out


def test_the_history_says_what_was_changed_in_a_text(run: Run) -> None:
    run("edit", "2", "--field", "Owner=Ann")
    run("edit", "2", "--field", "Owner=Bob", "--title", "Raise all walls")
    run("edit", "2", "--field", "Owner=")
    run("edit", "2", "--check", "2")
    run("remove", "3", "--yes")
    shown = [line.split(maxsplit=5)[5] for line in run("history").out.splitlines()[1:]]
    assert shown == [
        "removed: Roof",
        "updated: - [ ] build them -> - [x] build them",
        "updated: removed Owner: Bob",
        "updated: PRIORITY 2: Raise the walls -> PRIORITY 2: Raise all walls, and 1 more line",
        "updated: added Owner: Ann",
    ]


def test_the_history_records_an_outside_edit_first_and_tells_when_it_cannot(run: Run, project: Project) -> None:
    run("status", "2", "blocked")
    project.roadmap.write_text(project.roadmap.read_text().replace("Roof", "Roof and chimney"))
    data = run("history", "--json").data
    assert data["unrecorded"] is False
    assert (data["changes"][0]["item"], data["changes"][0]["changed_by"]) == ("PRIORITY-3", "person")
    project.roadmap.write_text("")
    assert run("history", "--json").data["unrecorded"] is True
    assert run("history").out.startswith("ROADMAP.md was edited outside since; the next change records that, too.\n")
    project.roadmap.unlink()
    assert run("history").code == 0


def test_the_history_of_an_item_that_never_was_is_not_found(run: Run) -> None:
    assert run("history", "77").code == 4
    assert run("history", "2").code == 0
    run("remove", "3", "--yes")
    assert run("history", "3").code == 0


def test_an_empty_standard_input_does_not_empty_an_item(project: Project) -> None:
    refused = project.real("edit", "2", "--body", "-", stdin="")
    assert (refused.code, refused.out) == (1, "")
    assert "Standard input gives no text: it is empty." in refused.err
    assert "Brick by brick." in project.roadmap.read_text()
    assert project.real("edit", "2", "--body", "").code == 0
    assert "Brick by brick." not in project.roadmap.read_text()


def test_an_outside_edit_is_recorded_as_the_persons(run: Run, project: Project) -> None:
    run("init")
    project.roadmap.write_text(project.roadmap.read_text().replace("Roof", "Roof and chimney"))
    assert run("sync", "--json").data["recorded"] == 1
    assert run("history", "--json").data["changes"][0]["item"] == "PRIORITY-3"


def test_every_version_goes_to_git_and_nothing_of_the_persons_is_touched(project: Project) -> None:
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True, env=project.environ)
    project.real("status", "2", "blocked")
    project.real("status", "3", "blocked")
    log = subprocess.run(
        ["git", "log", "--format=%s", "refs/roadmap/log"], cwd=project.root, capture_output=True, text=True, check=True
    )
    assert log.stdout.splitlines()[:2] == ["PRIORITY-3: planned -> blocked", "PRIORITY-2: planned -> blocked"]


def test_who_acts_is_told_by_option_variable_or_login(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("COFFEE_ACTOR")
    monkeypatch.setattr("pwd.getpwuid", lambda _: (_ for _ in ()).throw(KeyError()))
    run("status", "2", "blocked")
    assert run("history", "--json").data["changes"][0]["changed_by"] == "person"
