"""The difference of two versions, told item by item."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.core.merging import SMALL, edited, item_text, texts, with_status

from coffee_maker.core.changes import describe, diff
from coffee_maker.core.document import Document
from coffee_maker.core.items import Status

DONE = with_status(SMALL, "1", Status.COMPLETE)
modest = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def told(before: str, after: str) -> list[tuple[str, str | None, str | None, str | None]]:
    steps = describe(Document.from_text(before), Document.from_text(after))
    if steps:
        assert steps[-1].text == after
    assert [step.text for step in steps] == [steps[at].text for at in range(len(steps))]
    return [step[:4] for step in steps]


def test_nothing_happened() -> None:
    assert told(SMALL, SMALL) == []


def test_a_status() -> None:
    assert told(SMALL, DONE) == [("status_change", "PRIORITY-1", "planned", "complete")]
    step = describe(Document.from_text(SMALL), Document.from_text(DONE))[0]
    assert (step.before_text, step.after_text) == (item_text(SMALL, "1"), item_text(DONE, "1"))
    done = with_status(SMALL, "2", Status.COMPLETE)
    assert told(SMALL, done) == [("status_change", "PRIORITY-2", "planned", "complete")]


def test_a_status_that_was_not_there() -> None:
    bare = "## PRIORITY 1: A\n\ntext\n"
    given_one = with_status(bare, "1", Status.PLANNED)
    assert told(bare, given_one) == [("status_change", "PRIORITY-1", None, "planned")]
    assert told(given_one, bare) == [("status_change", "PRIORITY-1", "planned", None)]


def test_a_status_and_more_are_two_steps() -> None:
    assert told(SMALL, DONE.replace("2 days", "3 days")) == [
        ("status_change", "PRIORITY-1", "planned", "complete"),
        ("update", "PRIORITY-1", "**Effort**: 2 days", "**Effort**: 3 days"),
    ]
    steps = describe(Document.from_text(SMALL), Document.from_text(DONE.replace("2 days", "3 days")))
    assert steps[0].text == DONE
    assert steps[0].after_text == steps[1].before_text
    assert [step.change_type for step in steps[1:]] == ["update"]


def test_title_number_and_text() -> None:
    assert told(SMALL, SMALL.replace("Login", "Sign in")) == [("update", "PRIORITY-1", "Login", "Sign in")]
    assert told(SMALL, SMALL.replace("PRIORITY 1", "PRIORITY 7")) == [
        ("update", "PRIORITY-7", "PRIORITY-1: Login", "PRIORITY-7: Login")
    ]
    assert told(SMALL, SMALL.replace("[ ] form", "[x] form")) == [("update", "PRIORITY-1", "- [ ] form", "- [x] form")]
    (step,) = told(SMALL, SMALL.replace("As a file.", "word " * 1000))
    assert step[3] is not None
    assert len(step[3]) < 2100


def test_items_come_and_go_and_move() -> None:
    gone = SMALL.replace(item_text(SMALL, "2"), "")
    assert told(SMALL, gone) == [("delete", "PRIORITY-2", "Search", None)]
    assert told(gone, SMALL) == [("add", "PRIORITY-2", None, "Search")]
    last = item_text(SMALL, "3")
    moved = SMALL.replace(last, "").replace("### PRIORITY 1", f"{last}\n### PRIORITY 1")
    assert told(SMALL, moved) == [("move", "PRIORITY-3", "after ## Later", "after # Roadmap")]
    swapped = SMALL.replace(item_text(SMALL, "1"), "").replace("## Later", f"{item_text(SMALL, '1')}## Later")
    assert [step[:2] for step in told(SMALL, swapped)] in ([("move", "PRIORITY-1")], [("move", "PRIORITY-2")])


def test_to_the_very_beginning() -> None:
    text = "## PRIORITY 1: A\n\n## PRIORITY 2: B\n\n## PRIORITY 3: C\n\n"
    parts = re.split(r"(?m)^(?=## )", text)[1:]
    assert told(text, parts[2] + parts[0] + parts[1]) == [("move", "PRIORITY-3", "after PRIORITY-2", "first")]
    assert told(text, "## PRIORITY 9: N\n\n" + text) == [("add", "PRIORITY-9", None, "N")]


def test_an_item_moves_over_a_section_heading_and_not_the_heading_over_the_item() -> None:
    board = "# Board\n\n## Doing\n\n### US-1: a\n\n## Done\n\n### US-2: b\n"
    after = "# Board\n\n## Doing\n\n## Done\n\n### US-1: a\n\n### US-2: b\n"
    assert told(board, after) == [("move", "US-1", "after ## Doing", "after ## Done")]


def test_prose_is_told_last_without_a_key() -> None:
    after = DONE.replace("What we plan.", "Our plans.").replace("## Later\n", "## Later\n\nSoon.\n")
    assert told(SMALL, after) == [
        ("status_change", "PRIORITY-1", "planned", "complete"),
        ("update", None, "What we plan.", "Our plans.\nSoon."),
    ]
    assert told(SMALL, SMALL + "\n## New section\n") == [("update", None, None, "## New section")]
    assert told(SMALL, SMALL.replace("## Later\n", "")) == [("update", None, "## Later", None)]


def test_a_section_that_moved_is_prose() -> None:
    text = "# Plan\n\n## A\n\na\n\n## B\n\nb\n\n## US-1: x\n\n**Status**: 📝 Planned\n"
    moved = text.replace("## A\n\na\n\n## B\n\nb\n\n", "## B\n\nb\n\n## A\n\na\n\n")
    assert told(text, moved) == [("update", None, None, None)]
    assert [step[:2] for step in told(text, with_status(moved, "US-1", Status.COMPLETE))] == [
        ("status_change", "US-1"),
        ("update", None),
    ]


def test_blanks_between_items_are_no_step_of_their_own() -> None:
    assert told(SMALL, DONE + "\n\n") == [("status_change", "PRIORITY-1", "planned", "complete")]
    assert told(SMALL, SMALL + "\n") == [("update", None, None, None)]


def test_one_of_two_items_with_one_number() -> None:
    text = "## PRIORITY 3: Search\n\nold\n\n## PRIORITY 3: Billing\n\nmoney\n"
    assert told(text, text[text.index("## PRIORITY 3: B") :]) == [("delete", "PRIORITY-3", "Search", None)]
    assert told(text, text.replace("money", "invoices")) == [("update", "PRIORITY-3#2", "money", "invoices")]


def test_another_branch_with_more_changes_than_are_told() -> None:
    def plan(word: str) -> str:
        return "".join(f"## PRIORITY {n}: {n}\n\n**Status**: 📝 Planned\n\n{word} {n}\n\n" for n in range(260))

    steps = told(plan("old"), plan("new"))
    assert len(steps) == 200
    assert steps[-1] == ("update", None, None, "more changes than are told one by one")
    assert [key for _, key, *_ in steps[:3]] == ["PRIORITY-0", "PRIORITY-1", "PRIORITY-2"]


def test_steps_are_a_sequence() -> None:
    steps = describe(Document.from_text(SMALL), Document.from_text(DONE.replace("2 days", "3 days")))
    assert len(steps[:1]) == 1
    assert [step.change_type for step in steps[1:]] == ["update"]


@modest
@given(st.data())
def test_the_chain_ends_exactly_in_the_new_text(data: st.DataObject) -> None:
    before = data.draw(texts())
    after = data.draw(st.one_of(edited(before), texts()))
    steps = describe(Document.from_text(before), Document.from_text(after))
    assert bool(steps) == (before != after)
    if steps:
        assert steps[-1].text == after


# --- the diff --------------------------------------------------------------------------------------------------


def patched(before: str, shown: str) -> str:
    """The text after applying a unified diff by its line numbers."""
    lines = [line + "\n" for line in before.split("\n")]
    lines[-1] = lines[-1][:-1]
    made: list[str] = []
    at = 0
    for hunk in re.split(r"(?m)^(?=@@ )", shown)[1:]:
        head, _, body = hunk.partition("\n")
        match = re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", head)
        assert match
        start, count = int(match[1]), int(match[2] or 1)
        start = start - 1 if count else start
        made += lines[at:start]
        new: list[str] = []
        for line in body.split("\n")[:-1]:
            if line.startswith("\\"):
                new[-1] = new[-1].removesuffix("\n")
            else:
                new.append(f"{line}\n")
        assert [line[1:] for line in new if line[0] != "+"] == [line for line in lines[start : start + count] if line]
        made += [line[1:] for line in new if line[0] != "-"]
        assert len([line for line in new if line[0] != "-"]) == int(match[4] or 1)
        at = start + count
    return "".join(made + lines[at:])


def test_a_diff_as_everybody_knows_it() -> None:
    assert diff(SMALL, SMALL, path="ROADMAP.md") == ""
    assert diff(SMALL, DONE, path="docs/ROADMAP.md") == (
        "--- a/docs/ROADMAP.md\n+++ b/docs/ROADMAP.md\n@@ -4,7 +4,7 @@\n \n ### PRIORITY 1: Login\n \n"
        "-**Status**: 📝 Planned\n+**Status**: ✅ Complete\n **Effort**: 2 days\n **Owner**: nobody yet\n \n"
    )
    assert diff("a", "a\n", path="r") == "--- a/r\n+++ b/r\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"
    assert diff("", "a\n", path="r") == "--- a/r\n+++ b/r\n@@ -0,0 +1 @@\n+a\n"
    assert diff("a\r\n", "a\n", path="r") == "--- a/r\n+++ b/r\n@@ -1 +1 @@\n-a\r\n+a\n"


def test_changes_far_apart_are_hunks_of_their_own() -> None:
    text = "".join(f"line {n}\n" for n in range(3000))
    shown = diff(text, text.replace("line 5\n", "five\n").replace("line 2900\n", ""), path="r")
    assert shown.count("@@ -") == 2
    assert shown.count("\n") == 2 + 9 + 8


@modest
@given(st.data())
def test_a_diff_leads_from_one_text_to_the_other(data: st.DataObject) -> None:
    before = data.draw(texts()).replace("\r", "")
    after = data.draw(edited(before)).replace("\r", "")
    assert patched(before, diff(before, after, path="r")) == after


@pytest.mark.parametrize("size", [3, 700, 3000])
def test_long_texts_without_a_line_in_common(size: int) -> None:
    before, after = "".join(f"a{n}\n" for n in range(size)), "".join(f"b{n}\n" for n in range(size))
    assert patched(before, diff(before, after, path="r")) == after
    repeated = "x\n" * size
    assert patched(repeated, diff(repeated, "y\n" + repeated + "y\n", path="r")) == "y\n" + repeated + "y\n"
