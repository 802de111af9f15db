"""`view`, `search`, `next`, `status` without an item: their data and their text."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from tests.cli.conftest import ROADMAP, Project, Result

from coffee_maker.utils import locks

Run = Callable[..., Result]


def test_view_gives_the_shape_that_scripts_rely_on(run: Run, project: Project) -> None:
    done = run("view", "--json")
    assert (done.code, done.err) == (0, "")
    assert set(done.data) == {"path", "revision", "items", "problems"}
    assert done.data["path"] == str(project.roadmap)
    assert [item["key"] for item in done.data["items"]] == ["PRIORITY-1", "PRIORITY-2", "PRIORITY-2.5", "PRIORITY-3"]
    walls = done.data["items"][1]
    assert walls == {
        "key": "PRIORITY-2",
        "title": "Raise the walls",
        "status": "planned",
        "status_text": walls["status_text"],
        "progress": None,
        "line": 7,
        "level": 3,
        "revision": walls["revision"],
        "fields": walls["fields"],
        "depends_on": ["PRIORITY-1"],
        "checklist": {"done": 1, "total": 2},
    }
    assert "2 days" in walls["fields"].values()
    assert done.data["items"][2]["progress"] == 40
    assert done.data["problems"] == []


def test_view_opens_no_database_and_leaves_nothing_behind(run: Run, project: Project) -> None:
    assert run("view").code == 0
    assert sorted(path.name for path in project.root.iterdir()) == ["docs"]


def test_view_of_an_item_is_the_item_and_its_text(run: Run) -> None:
    one = run("view", "2", "--json").data
    assert (one["key"], one["title"]) == ("PRIORITY-2", "Raise the walls")
    assert one["text"].startswith("### PRIORITY 2: Raise the walls")
    assert "Brick by brick." in one["text"]
    assert [check["done"] for check in one["checks"]] == [True, False]
    assert one["document_revision"] == run("view", "--json").data["revision"]


def test_references_are_forgiving(run: Run) -> None:
    for ref in ("2.5", "PRIORITY 2.5", "priority-2.5", "PRIORITY-2.5"):
        assert run("view", ref, "--json").data["key"] == "PRIORITY-2.5"


def test_view_can_be_limited_to_a_status_in_any_words(run: Run) -> None:
    for words in ("in_progress", "in-progress", "In Progress"):
        assert [item["key"] for item in run("view", "--status", words, "--json").data["items"]] == ["PRIORITY-2.5"]
    assert run("view", "--status", "cancelled").out.splitlines()[1].startswith("There are none.")


def test_the_list_as_text(run: Run) -> None:
    done = run("view")
    assert done.out.splitlines()[1:] == [
        "KEY           STATUS       DONE  CHECKS  TITLE",
        "PRIORITY-1    complete                   Lay the floor",
        "PRIORITY-2    planned               1/2  Raise the walls",
        "PRIORITY-2.5  in_progress   40%          Put in windows",
        "PRIORITY-3    planned                    Roof",
    ]


def test_problems_are_told_shortly_and_wholly_when_asked(run: Run, project: Project) -> None:
    extra = "".join(f"\n### PRIORITY {n}: Again\n" for n in range(10, 18))
    project.roadmap.write_text(ROADMAP + extra)
    short, whole = run("view").out, run("view", "--problems").out
    assert "8 problems in the text:" in short
    assert "and 3 more: `coffee-roadmap view --problems`" in short
    assert "more:" not in whole
    assert len(run("view", "--json").data["problems"]) == 8


def test_item_as_text(run: Run) -> None:
    out = run("view", "2.5").out
    assert out.startswith("PRIORITY-2.5: Put in windows\n")
    assert "Status:     in_progress, 40%" in out
    assert out.rstrip().endswith("**Status**: 🔄 In Progress (40%)")


def test_search_finds_items_with_the_line_that_matched(run: Run) -> None:
    data = run("search", "BRICK", "--json").data
    assert data["query"] == "BRICK"
    assert [(one["key"], one["match"]) for one in data["items"]] == [
        ("PRIORITY-2", {"line": 13, "text": "Brick by brick."})
    ]
    assert "Brick by brick." in run("search", "brick").out
    none = run("search", "concrete")
    assert (none.code, none.out) == (0, "No item contains 'concrete'.\n")


def test_next_says_what_is_next_and_why_the_others_wait(run: Run) -> None:
    data = run("next", "--json").data
    assert data["item"]["key"] == "PRIORITY-2"
    assert data["waiting"] == [{"key": "PRIORITY-3", "because": "depends on PRIORITY-2, which is planned"}]
    text = run("next").out
    assert text.startswith("Next: PRIORITY-2: Raise the walls\n")
    assert "PRIORITY-3  depends on PRIORITY-2" in text


@pytest.mark.parametrize("words", [("next",), ("status",), ("daemon", "status")])
def test_an_old_buffer_that_was_saved_is_merged_before_it_is_told_what_comes_next(
    words: tuple[str, ...], run: Run, project: Project
) -> None:
    buffer = project.roadmap.read_text()
    assert run("status", "2", "complete").code == 0
    assert run("add", "Chimney").code == 0
    project.roadmap.write_text(buffer.replace("Brick by brick.", "Stone by stone."))
    data = run(*words, "--json").data
    assert "PRIORITY-2" not in (data.get("next"), (data.get("item") or {}).get("key"))
    view = {one["key"]: one["status"] for one in run("view", "--json").data["items"]}
    assert (view["PRIORITY-2"], "PRIORITY-4" in view) == ("complete", True)
    assert "Stone by stone." in project.roadmap.read_text()


@pytest.mark.parametrize("words", [("next",), ("status",), ("history",), ("daemon", "status")])
def test_who_only_looks_needs_no_right_to_write_and_waits_for_nobody(
    words: tuple[str, ...], run: Run, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("status", "2", "complete").code == 0
    project.roadmap.write_text(project.roadmap.read_text().replace("Brick by brick.", "Stone by stone."))
    lock = str(project.root / "data" / "roadmap.lock")
    waits: list[float] = []
    really = locks._open

    def closed(path: str) -> int:
        if path == lock:
            raise PermissionError(13, "Permission denied")
        return really(path)

    with monkeypatch.context() as patch:
        patch.setattr(locks, "_open", closed)
        assert run(*words).code == 0
    with locks.hold(lock, what="it", timeout=1):
        queued = locks._queue
        monkeypatch.setattr(locks, "_queue", lambda fd, end: waits.append(end - time.monotonic()) or queued(fd, end))
        if words != ("history",):
            assert run(*words).code == 0
            assert all(wait < 1 for wait in waits)


def test_next_may_be_nothing(run: Run, project: Project) -> None:
    project.roadmap.write_text("# Nothing here\n")
    assert run("next", "--json").data == {"item": None, "waiting": []}
    assert run("next").out == "Nothing can be taken now.\n"
    assert "`coffee-roadmap add" in run("view").out


def test_the_overview_before_anything_was_recorded(run: Run, project: Project) -> None:
    data = run("status", "--json").data
    assert data["counts"] == {
        "planned": 2,
        "in_progress": 1,
        "blocked": 0,
        "manual_review": 0,
        "complete": 1,
        "cancelled": 0,
    }
    assert (data["daemons"], data["questions"], data["recent"], data["problems"]) == ([], [], [], 0)
    assert "No daemon is running." in run("status").out
    assert not project.data.exists()


def test_the_overview_says_that_nothing_new_is_taken_up(run: Run) -> None:
    assert run("daemon", "pause").code == 0
    assert run("status", "--json").data["paused_by"]
    for words in (("status",), ("daemon", "status")):
        out = run(*words).out
        assert "Paused by " in out
        assert "`coffee-roadmap daemon resume` lets it go on." in out
    assert run("daemon", "resume").code == 0
    assert run("status", "--json").data["paused_by"] is None
    assert "Paused" not in run("status").out


def test_the_overview_shows_questions_and_changes(run: Run, project: Project) -> None:
    project.roadmap.write_text(ROADMAP + "\n### PRIORITY 9: No status\n")
    run("status", "2", "complete")
    run("notify", "Which bricks?", "--option", "red", "--option", "yellow")
    text = run("status").out
    assert "1 question for you to answer:\n  1  Which bricks?  [red | yellow]\n" in text
    assert "planned -> complete" in text
    assert "no status" in text
    assert "1 problem in the text" in text


def test_the_project_is_found_from_any_folder_below(run: Run, project: Project) -> None:
    run("init")
    deep = project.root / "a/b"
    deep.mkdir(parents=True)
    done = project.real("view", "--json", cwd=deep)
    assert done.data["path"] == str(project.roadmap)


def test_the_roadmap_can_be_named_before_and_behind_the_command(run: Run, project: Project) -> None:
    other = project.root / "PLAN.md"
    other.write_text("## US-7: A story\n\n**Status**: blocked\n")
    for words in (("--roadmap", "PLAN.md", "view", "--json"), ("--json", "view", "--roadmap=PLAN.md")):
        assert [item["key"] for item in run(*words).data["items"]] == ["US-7"]


def test_behind_two_dashes_everything_is_an_argument(run: Run, project: Project) -> None:
    project.roadmap.write_text(ROADMAP + "\nIt takes -x and --json.\n")
    for words in (("search", "--", "-x"), ("search", "--", "--json"), ("--", "search", "-x"), ("search", "--", "tak")):
        found = run(*words)
        assert (found.code, "PRIORITY-3" in found.out, found.err) == (0, True, ""), words
    assert [item["key"] for item in run("search", "--json", "--", "--json").data["items"]] == ["PRIORITY-3"]
    assert run("notify", "--level", "high", "--", "-starts").code == 0
    assert run("notifications", "show", "--json", "--", "1").data["message"] == "-starts"
    assert run("view", "--", "--help").err.startswith("coffee-roadmap: There is no item --help")
    for words, says in ((("search", "--", "a", "-b"), "arguments: -b."), (("undo", "--", "-x"), "a whole number")):
        refused = run(*words)
        assert (refused.code, says in refused.err, "\0" in refused.err) == (2, True, False)
