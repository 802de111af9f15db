"""Edits: what is asked for changes, every other byte stays, and the result reads back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coffee_maker.core import edits
from coffee_maker.core.document import Document
from coffee_maker.core.edits import Edit, Place
from coffee_maker.core.errors import AmbiguousReference, EditRefused, ItemNotFound
from coffee_maker.core.items import Status

REAL = Path(__file__).parents[3] / "shared" / "data" / "roadmap-real.md"


def read(text: str) -> Document:
    return Document.from_text(text)


def after(text: str, edit: object, *values: object, **named: object) -> str:
    """The text after an edit of it."""
    document = read(text)
    made = edit(document, *values, **named)  # type: ignore[operator]
    assert isinstance(made, Edit)
    return document.apply(made.splices).text


@pytest.fixture(scope="module")
def real() -> Document:
    if not REAL.exists():
        pytest.skip(f"NOT CHECKED against a real roadmap: {REAL} is not there")
    return Document.from_bytes(REAL.read_bytes())


# --- status ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "status", "changed"),
    [
        ("📝 Planned", Status.COMPLETE, "✅ Complete"),
        ("✅ **COMPLETE** (Commit: 1064b13)", Status.BLOCKED, "⏸️ **BLOCKED** (Commit: 1064b13)"),
        ("✅ **COMPLETE** - Implemented in PRIORITY 2", Status.PLANNED, "📝 **PLANNED** - Implemented in PRIORITY 2"),
        ("📝 Planned - **START NOW**", Status.IN_PROGRESS, "🔄 In Progress - **START NOW**"),
        ("Planned", Status.COMPLETE, "Complete"),
        ("planned  ", Status.IN_PROGRESS, "in progress  "),
        ("⏸ Blocked", Status.COMPLETE, "✅ Complete"),
        ("⏸️ Blocked", Status.COMPLETE, "✅ Complete"),
        ("🔄 In Progress (50%)", Status.COMPLETE, "✅ Complete"),
        ("🔄 In Progress (50%) since May", Status.BLOCKED, "⏸️ Blocked (50%) since May"),
        ("🔄 In Progress (50%)", Status.IN_PROGRESS, "🔄 In Progress (50%)"),
        ("✅ Complete (100%)", Status.IN_PROGRESS, "🔄 In Progress"),
        ("**COMPLETE** ✅", Status.PLANNED, "**PLANNED** 📝"),
        ("🔄 🎉 Done", Status.PLANNED, "📝 🎉 Planned"),
        ("🎉", Status.PLANNED, "🎉 📝 Planned"),
        ("✅", Status.PLANNED, "📝"),
        ("✅ Assigned to bob", Status.COMPLETE, "✅ Complete"),
        ("🔄 **MOSTLY COMPLETE** (rest)", Status.COMPLETE, "✅ **COMPLETE** (rest)"),
        ("🔄 **MOSTLY COMPLETE** (rest)", Status.IN_PROGRESS, "🔄 **MOSTLY COMPLETE** (rest)"),
        ("🌍 Mars (far)", Status.PLANNED, "🌍 Planned (far)"),
        ("(no idea)", Status.PLANNED, "(planned)"),
        ("~~📝 Planned~~ ✅ Complete", Status.BLOCKED, "~~📝 Planned~~ ⏸️ Blocked"),
        ("`planned`", Status.COMPLETE, "`complete`"),
        ("[✅ Complete](x.md)", Status.PLANNED, "[📝 Planned](x.md)"),
        ("- x", Status.PLANNED, "- x"),
    ],
)
def test_the_status_words_change_and_nothing_else(line: str, status: Status, changed: str) -> None:
    text = "# R\r\n## US-1: T\r\n\r\n**Status**: {}\r\nafter"
    result = after(text.format(line), edits.set_status, "US-1", status)
    assert read(result).items[0].status is status
    if line != "- x":
        assert result == text.format(changed)


def test_the_heading_alone_or_both_when_they_agreed() -> None:
    alone = "### US-1: T 📝 Planned ← next\n\nx\n"
    assert after(alone, edits.set_status, "US-1", Status.COMPLETE) == "### US-1: T ✅ Complete ← next\n\nx\n"
    both = "### ✅ COMPLETED: US-1 - T **DONE**\n**Status:** Done\n"
    changed = "### 🔄 IN PROGRESS: US-1 - T **IN PROGRESS**\n**Status:** In Progress\n"
    assert after(both, edits.set_status, "US-1", Status.IN_PROGRESS) == changed
    apart = "### ✅ **PRIORITY 1: T**\n**Status**: 📝 Planned\n"
    changed = "### ✅ **PRIORITY 1: T**\n**Status**: 🔄 In Progress\n"
    assert after(apart, edits.set_status, "1", Status.IN_PROGRESS) == changed
    sign = "### ✅ **PRIORITY 1: T** 🔄 **SPEED**\n"
    assert after(sign, edits.set_status, "1", Status.BLOCKED) == "### ⏸️ **PRIORITY 1: T** 🔄 **SPEED**\n"


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("## US-1: T", "## US-1: T\n\n**Status**: 📝 Planned"),
        ("## US-1: T\n", "## US-1: T\n\n**Status**: 📝 Planned\n"),
        ("## US-1: T\n\n", "## US-1: T\n\n**Status**: 📝 Planned\n"),
        ("## US-1: T\n\ntext\n", "## US-1: T\n\n**Status**: 📝 Planned\n\ntext\n"),
        ("## US-1: T\ntext\n", "## US-1: T\n\n**Status**: 📝 Planned\n\ntext\n"),
        ("## US-1: T\n\n## US-2: U", "## US-1: T\n\n**Status**: 📝 Planned\n\n## US-2: U"),
        ("## US-1: T\n## US-2: U", "## US-1: T\n\n**Status**: 📝 Planned\n\n## US-2: U"),
        ("## US-1: T\r\n\r\n**Effort**: 1", "## US-1: T\r\n\r\n**Status**: 📝 Planned\r\n**Effort**: 1"),
        ("## US-1: T\n- **Effort:** 1", "## US-1: T\n- **Status:** 📝 Planned\n- **Effort:** 1"),
        ("## US-1: T\n\n**Status**:\n", "## US-1: T\n\n**Status**: 📝 Planned\n"),
        ("## US-1: T\n\n**Status**: \n- part", "## US-1: T\n\n**Status**: 📝 Planned\n- part"),
        ("US-1: T\n---\nx", "US-1: T\n---\n\n**Status**: 📝 Planned\n\nx"),
    ],
)
def test_an_item_without_a_status_gets_one(text: str, changed: str) -> None:
    assert after(text, edits.set_status, "US-1", Status.PLANNED) == changed


def test_before_and_after_are_status_names() -> None:
    edit = edits.set_status(read("## US-1: T\n**Status**: Planned\n"), "1", Status.COMPLETE)
    assert (edit.key, edit.before, edit.after) == ("US-1", "planned", "complete")
    edit = edits.set_status(read("## US-1: T\n**Status**: Mars\n"), "1", Status.COMPLETE)
    assert edit.before == "Mars"
    with pytest.raises(ItemNotFound):
        edits.set_status(read(""), "1", Status.COMPLETE)


_WORDS = st.sampled_from(
    [
        "planned",
        "Complete",
        "DONE",
        "not",
        "mostly",
        "in",
        "progress",
        "(50%)",
        "(100%)",
        "100%",
        "60%",
        "phase",
        "1",
        "2",
        "%",
        "🔄",
        "✅",
        "❌",
        "⏸️",
        "⏸",
        "🎉",
        "📝",
        "**",
        "*",
        "_",
        "`",
        "~~",
        "-",
        "—",
        ":",
        ",",
        ".",
        ";",
        "(",
        ")",
        "[",
        "]",
        "|",
        "←",
        "blocked",
        "review",
        "needed",
        "Assigned",
        "to",
        "Implemented",
        "2025-10-09",
        "Commit:",
        "abc",
        "<b>",
        "#",
        "/",
        "\\",
        "&",
        "'x",
    ]
)
_VALUE = st.one_of(
    st.lists(_WORDS, max_size=8).map(" ".join),
    st.lists(_WORDS, max_size=8).map("".join),
    st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=20),
)


@settings(max_examples=200, deadline=None)
@given(_VALUE, st.sampled_from(Status), st.sampled_from(["{}", "**Status**: {}", "**Status:**{}", "- **Status**: {}"]))
@example("✅❌", Status.PLANNED, "**Status**: {}")
@example("not", Status.COMPLETE, "**Status**: {}")
@example("(50%)", Status.COMPLETE, "**Status**: {}")
@example("~~Done", Status.PLANNED, "**Status**: {}")
@example("🔄 ", Status.PLANNED, "{}")
def test_a_status_reads_back_whatever_stood_there(value: str, status: Status, form: str) -> None:
    line = form.format(value)
    text = f"# R\n## US-1: T {value if form == '{}' else ''}\n\n{line}\n\n- [ ] x\n## US-2: U\n**Status**: Planned\n"
    document = read(text)
    if len(document.items) != 2 or document.items[0].line != 2:
        return
    try:
        edit = edits.set_status(document, "US-1", status)
    except EditRefused:
        assert form == "{}"  # only where the words stand in the middle of a heading's title
        return
    changed = document.apply(edit.splices)
    assert changed.items[0].status is status
    assert changed.items[0].title == document.items[0].title
    assert changed.items[1].revision == document.items[1].revision
    lines, old = changed.lines.texts, document.lines.texts
    if len(lines) == len(old):
        different = [number for number, pair in enumerate(zip(old, lines, strict=True)) if pair[0] != pair[1]]
        assert set(different) <= {1, 3}
    else:
        assert [one for one in lines if one] == [one for one in [*lines[:3], *old[3:]] if one] or "**Status" in "".join(
            lines
        )
    assert edits.set_status(changed, "US-1", status).splices == ()


def test_each_item_of_a_real_roadmap_in_turn(real: Document) -> None:
    for number, item in enumerate(real.items):
        for status in Status:
            changed = real.apply(edits.set_status(real, item.key, status).splices)
            assert changed.items[number].status is status
            pairs = zip(real.lines.texts, changed.lines.texts, strict=True)
            lines = [at + 1 for at, (old, new) in enumerate(pairs) if old != new]
            carrying = {item.line, real.entries[number].status_field.line + 1}  # type: ignore[union-attr]
            assert set(lines) <= carrying
            assert bool(lines) == (status is not item.status)
            old, new = item, changed.items[number]
            assert (old.title, old.fields, old.depends_on, old.checks) == (
                new.title,
                new.fields,
                new.depends_on,
                new.checks,
            )


# --- fields, title, boxes --------------------------------------------------------------------------------------


BODY = (
    "## US-1: T\n\n**Effort**: 1 day\n**Depends On**:\n- US-2\n- US-3\n\n"
    "text\n\n- [ ] one\n- [x] two more\n- ✅ three\n"
)


@pytest.mark.parametrize(
    ("name", "value", "old", "new"),
    [
        ("effort", "2 days", "1 day", "2 days"),
        ("Time Estimate", "2 days", "1 day", "2 days"),
        ("effort", None, "**Effort**: 1 day\n", ""),
        ("effort", "1 day", "", ""),
        ("impact", None, "", ""),
        ("depends_on", "US-9", "\n- US-2\n- US-3", " US-9"),
        ("depends_on", None, "**Depends On**:\n- US-2\n- US-3\n", ""),
        ("release_date", "May", "- US-3\n", "- US-3\n**Release Date**: May\n"),
        ("Why Not?", "x", "- US-3\n", "- US-3\n**Why Not?**: x\n"),
    ],
)
def test_fields(name: str, value: str | None, old: str, new: str) -> None:
    assert after(BODY, edits.set_field, "US-1", name, value) == BODY.replace(old, new, 1)


def test_a_field_for_an_item_that_has_none() -> None:
    assert (
        after("## US-1: T\ntext", edits.set_field, "1", "effort", "1d")
        == "## US-1: T\n\n**Estimated Effort**: 1d\n\ntext"
    )
    edit = edits.set_field(read(BODY), "1", "effort", "2")
    assert (edit.before, edit.after) == ("1 day", "2")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "Planned"),
        ("", "x"),
        ("***", "x"),
        ("effort", "a\nb"),
        ("effort", "a\x1b[0m"),
        ("effort", " "),
        ("a:b", "x"),
        ("a" * 80, "x"),
        ("x\ny", "z"),
    ],
)
def test_fields_that_cannot_be_set(name: str, value: str) -> None:
    with pytest.raises(EditRefused):
        edits.set_field(read(BODY), "US-1", name, value)


@pytest.mark.parametrize(
    ("heading", "changed"),
    [
        ("### 🔴 **PRIORITY 1: Old name** ⚡ NEW", "### 🔴 **PRIORITY 1: New** ⚡ NEW"),
        ("## PRIORITY 1: Old 📝 Planned ← x ##", "## PRIORITY 1: New 📝 Planned ← x ##"),
        ("## 🎯 [PRIORITY 1] Old", "## 🎯 [PRIORITY 1] New"),
        ("## [PRIORITY 1: Old](x.md)", "## [PRIORITY 1: New](x.md)"),
        ("PRIORITY 1: Old\n===", "PRIORITY 1: New\n==="),
    ],
)
def test_titles(heading: str, changed: str) -> None:
    assert after(heading + "\nx\n", edits.set_title, "1", " New ") == changed + "\nx\n"


def test_the_same_title_changes_nothing() -> None:
    assert after("## US-1: T\n", edits.set_title, "1", "T") == "## US-1: T\n"


@pytest.mark.parametrize("title", ["", "a\nb", "a\x00b", "Thing ✅ Complete", "a ** b", "# #", "x ←", "T [DONE]"])
def test_titles_that_would_not_stay(title: str) -> None:
    with pytest.raises(EditRefused):
        edits.set_title(read("## **US-1: T**\n" if "**" in title else "## US-1: T\n"), "1", title)


@pytest.mark.parametrize(
    ("which", "done", "old", "new"),
    [
        ("1", True, "[ ] one", "[x] one"),
        ("2", False, "[x] two", "[ ] two"),
        ("2", True, "", ""),
        ("3", False, "✅ three", "⏳ three"),
        ("ONE", True, "[ ] one", "[x] one"),
        ("more", False, "[x] two", "[ ] two"),
    ],
)
def test_boxes(which: str, done: bool, old: str, new: str) -> None:
    assert after(BODY, edits.tick, "US-1", which, done) == BODY.replace(old, new, 1)


def test_ticking_a_sign() -> None:
    assert after("## US-1: T\n1. ⏸ a\n- ❌ b\n", edits.tick, "1", "1", True) == "## US-1: T\n1. ⏸ a\n- ✅ b\n"


@pytest.mark.parametrize("which", ["0", "4", "e", "none of them", "", "99999999999999999999"])
def test_boxes_that_are_not_one(which: str) -> None:
    with pytest.raises(EditRefused):
        edits.tick(read(BODY), "US-1", which, True)


# --- bodies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "body", "changed"),
    [
        ("## US-1: T\n", "new", "## US-1: T\n\nnew\n"),
        ("## US-1: T", "new\n", "## US-1: T\n\nnew\n"),
        ("## US-1: T\n**E**: 1\n\nold\n\n---\n\n# E\n", "a\nb\n", "## US-1: T\n**E**: 1\n\na\nb\n\n---\n\n# E\n"),
        ("## US-1: T\r\nold\r\n## US-2: U", "a\nb", "## US-1: T\r\n\r\na\r\nb\r\n\r\n## US-2: U"),
        ("## US-1: T\n\nold\n\n## US-2: U", "", "## US-1: T\n\n## US-2: U"),
        ("## US-1: T\n\nold\n", "### deeper\n\n```\n# x\n```", "## US-1: T\n\n### deeper\n\n```\n# x\n```\n"),
        ("## US-1: T\n\nold\n", "old", "## US-1: T\n\nold\n"),
    ],
)  # fmt: skip
def test_bodies(text: str, body: str, changed: str) -> None:
    assert after(text, edits.replace_body, "US-1", body) == changed


@pytest.mark.parametrize(
    "body",
    ["## end", "# end", "a\n---", "### US-3: item", "```\nopen", "<!-- open", "**Status**: Done", "~~~", "<pre>"],
)
def test_bodies_that_would_not_stay(body: str) -> None:
    with pytest.raises(EditRefused):
        edits.replace_body(read("## US-1: T\n\nold\n\n## US-2: U\nx\n"), "US-1", body)


# --- add -------------------------------------------------------------------------------------------------------


DOTS = (
    "# R\n\n### 🔴 **PRIORITY 1: A** ⚡ NEW\n\n**Status**: 📝 Planned\n\n---\n\n"
    "### 🟢 **PRIORITY 2: B**\n\n**Status**: 📝 Planned\n"
)


def added(text: str, place: Place, **named: object) -> str:
    return after(text, edits.add_item, title="New", place=place, **named)


def test_add_in_the_form_of_the_neighbours() -> None:
    assert added(DOTS, Place("last")) == DOTS + "\n### 🟢 **PRIORITY 3: New**\n\n**Status**: 📝 Planned\n"
    head, tail = DOTS.split("### 🟢")
    new = "### 🔴 **PRIORITY 1.5: New**\n\n**Status**: ✅ Complete\n**Estimated Effort**: 1d\n\nbody\n\n---\n\n"
    fields = {"effort": "1d"}
    place = Place("after", "1")
    assert added(DOTS, place, status=Status.COMPLETE, fields=fields, body="body\n") == head + new + "### 🟢" + tail
    assert added(DOTS, Place("first")).startswith(
        "# R\n\n### 🔴 **PRIORITY 0.5: New**\n\n**Status**: 📝 Planned\n\n---\n\n### 🔴"
    )


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("", "## PRIORITY 1: New\n\n**Status**: 📝 Planned\n"),
        ("\ufeff", "\ufeff## PRIORITY 1: New\n\n**Status**: 📝 Planned\n"),
        ("# R", "# R\n\n## PRIORITY 1: New\n\n**Status**: 📝 Planned"),
        ("# R\r\n", "# R\r\n\r\n## PRIORITY 1: New\r\n\r\n**Status**: 📝 Planned\r\n"),
        (
            "## 📦 US-9: A\n\n**Status:** Done",
            "## 📦 US-9: A\n\n**Status:** Done\n\n## US-10: New\n\n**Status:** 📝 Planned",
        ),
        ("### US-009: A ✅\n", "### US-009: A ✅\n\n### US-010: New 📝 Planned\n"),
        ("## ✅ COMPLETED: US-9 - A\n", "## ✅ COMPLETED: US-9 - A\n\n## 📝 PLANNED: US-10 - New\n"),
        ("## 🎯 [US-9] A\n", "## 🎯 [US-9] A\n\n## [US-10] New\n\n**Status**: 📝 Planned\n"),
        ("## [US-9: A](a.md)\n", "## [US-9: A](a.md)\n\n## US-10: New\n\n**Status**: 📝 Planned\n"),
        ("## PRIORITY 1: A\n\n# End\n", "## PRIORITY 1: A\n\n## PRIORITY 2: New\n\n**Status**: 📝 Planned\n\n# End\n"),
        ("## PRIORITY 1: A\n# End\n", "## PRIORITY 1: A\n\n## PRIORITY 2: New\n\n**Status**: 📝 Planned\n\n# End\n"),
    ],
)
def test_add_at_the_end(text: str, changed: str) -> None:
    assert added(text, Place("last")) == changed


@pytest.mark.parametrize(
    ("numbers", "after_which", "taken", "number"),
    [
        ("2 3", "2", "", "2.5"),
        ("2 2.5 3", "2", "", "2.3"),
        ("2 2.5 3", "2.5", "", "2.8"),
        ("2.5 2.6", "2.5", "", "2.55"),
        ("2.5 2.55 2.6", "2.5", "", "2.53"),
        ("2 3", "2", "PRIORITY-2.5", "2.6"),
        ("1 3", "1", "", "1.5"),
        ("2.9 2.9.5 3", "2.9", "", "2.93"),
        ("2.9 2.9.5 3", "2.9.5", "", "2.98"),
        ("5 1 2", "5", "", "6"),
        ("1 4 2 5", "4", "", "4.5"),
        ("1 2", "2", "PRIORITY-7", "8"),
    ],
)
def test_numbers_in_between(numbers: str, after_which: str, taken: str, number: str) -> None:
    text = "".join(f"## PRIORITY {one}: A\n\n" for one in numbers.split())
    changed = read(added(text, Place("after", f"PRIORITY-{after_which}"), taken=[taken]))
    assert number in [item.id.partition("-")[2] for item in changed.items if item.title == "New"]
    kept = [item.id for item in changed.items if item.title != "New"]
    assert kept == [f"PRIORITY-{one}" for one in numbers.split()]


def test_numbers_that_are_only_mentioned_are_not_given_again() -> None:
    assert "PRIORITY 10: New" in added("## PRIORITY 1: A\n\nsee PRIORITY 9 (removed)\n", Place("last"))
    text = "## PRIORITY 1: A\nPRIORITY 1.5\n## PRIORITY 2: B\nPRIORITY 1.6\n"
    assert "PRIORITY 1.4: New" in added(text, Place("after", "1"))
    assert "US-8: New" in added("## US-5: A\n\n## US-7: B\n", Place("after", "US-5"))


def test_a_wanted_number() -> None:
    assert "PRIORITY 1.7: New" in added(DOTS, Place("after", "1"), number="1.7")
    assert "PRIORITY 40: New" in added(DOTS, Place("last"), number="PRIORITY 40")
    assert "\n### US-12: New" in added(DOTS, Place("last"), number="US-12")
    assert "## US-3: New" in added("", Place("last"), number="us-3")
    for number, taken in (("2", ()), ("7", ("PRIORITY-7",)), ("x", ()), ("", ())):
        with pytest.raises(EditRefused):
            added(DOTS, Place("last"), number=number, taken=taken)


def test_many_items_at_one_place_never_share_a_number() -> None:
    document = read("## PRIORITY 2: A\n\n## PRIORITY 3: B\n")
    for _ in range(40):
        document = document.apply(edits.add_item(document, title="New", place=Place("after", "PRIORITY-2")).splices)
    numbers = [item.id for item in document.items]
    assert len(set(numbers)) == 42
    assert numbers[0] == "PRIORITY-2"
    assert numbers[-1] == "PRIORITY-3"


@pytest.mark.parametrize(
    "named",
    [
        {"title": ""},
        {"title": "a\nb"},
        {"title": "a ** b"},
        {"body": "```"},
        {"body": "# x"},
        {"body": "### US-4: x"},
        {"fields": {"status": "x"}},
        {"fields": {"a": "b\nc"}},
        {"body": "<!--"},
        {"place": Place("after", "9")},
        {"place": Place("before")},
    ],
)
def test_what_cannot_be_added(named: dict[str, object]) -> None:
    values: dict[str, object] = {"title": "New", "place": Place("first"), **named}
    with pytest.raises((EditRefused, ItemNotFound)):
        after(DOTS, edits.add_item, **values)


def test_adding_with_an_own_pattern() -> None:
    document = Document.from_text("# T-1 First\n", item_pattern=r"(?P<id>T-\d+) (?P<title>.+)")
    changed = document.apply(edits.add_item(document, title="New", place=Place("last")).splices)
    assert changed.text == "# T-1 First\n\n# T-2 New\n\n**Status**: 📝 Planned\n"
    with pytest.raises(EditRefused):
        edits.add_item(
            Document.from_text("# T-1 First\n", item_pattern=r"(?P<id>T-1) (?P<title>.+)"),
            title="N",
            place=Place("last"),
        )


# --- move and remove -------------------------------------------------------------------------------------------


THREE = "# R\n\nintro\n\n## US-1: A\n\na\n\n---\n\n## US-2: B\nb\n## US-3: C\n\nc"


@pytest.mark.parametrize(
    ("ref", "place", "changed"),
    [
        ("1", Place("last"), "# R\n\nintro\n\n## US-2: B\nb\n## US-3: C\n\nc\n\n## US-1: A\n\na\n\n---"),
        ("1", Place("after", "2"), "# R\n\nintro\n\n## US-2: B\nb\n\n## US-1: A\n\na\n\n---\n\n## US-3: C\n\nc"),
        ("3", Place("first"), "# R\n\nintro\n\n## US-3: C\n\nc\n\n## US-1: A\n\na\n\n---\n\n## US-2: B\nb"),
        ("3", Place("before", "2"), "# R\n\nintro\n\n## US-1: A\n\na\n\n---\n\n## US-3: C\n\nc\n\n## US-2: B\nb"),
        ("1", Place("first"), THREE),
        ("1", Place("before", "2"), THREE),
        ("2", Place("after", "2"), THREE),
        ("3", Place("last"), THREE),
    ],
)
def test_move(ref: str, place: Place, changed: str) -> None:
    assert after(THREE, edits.move_item, ref, place) == changed


def test_move_tells_from_where_to_where() -> None:
    edit = edits.move_item(read(THREE), "3", Place("before", "2"))
    assert (edit.key, edit.before, edit.after) == ("US-3", "after US-2", "after US-1")
    edit = edits.move_item(read(THREE), "1", Place("last"))
    assert (edit.before, edit.after) == ("first", "after US-3")


def test_moving_does_not_swap_keys_or_swallow_prose() -> None:
    twice = read("## US-1: A\n\n## US-1: B\n\n## US-2: C\n")
    with pytest.raises(EditRefused, match="keys"):
        edits.move_item(twice, "US-1", Place("last"))
    with pytest.raises(EditRefused, match="keys"):
        edits.move_item(twice, "US-1#2", Place("first"))
    deeper = read("### US-1: A\n\n### Prose\n\nx\n\n## US-3: C\n\n## US-2: B\n")
    with pytest.raises(EditRefused, match="US-2"):
        edits.move_item(deeper, "US-2", Place("after", "US-1"))
    swallowing = read("## US-1: A\n\n## US-2: B\n\n```\nopen\n")
    with pytest.raises(EditRefused):
        edits.move_item(swallowing, "US-2", Place("first"))


def test_remove_takes_the_span_and_nothing_else() -> None:
    document = read(THREE)
    for item in document.items:
        edit = edits.remove_item(document, item.key)
        assert document.apply(edit.splices).text == THREE[: item.start] + THREE[item.end :]
        assert (edit.key, edit.before, edit.after) == (item.key, item.title, None)
    nested = read("## US-1: A\n#### US-2: B\n### prose of none\n")
    with pytest.raises(EditRefused, match="US-1"):
        edits.remove_item(nested, "US-2")


def test_every_item_of_a_real_roadmap_can_go_and_move(real: Document) -> None:
    for number, item in enumerate(real.items):
        assert (
            real.apply(edits.remove_item(real, item.key).splices).text
            == real.text[: item.start] + real.text[item.end :]
        )
        target = real.items[(number * 7 + 3) % len(real.items)]
        try:
            moved = real.apply(edits.move_item(real, item.key, Place("after", target.key)).splices)
        except EditRefused:
            continue
        assert sorted(one.revision for one in moved.items) == sorted(one.revision for one in real.items)
        assert sorted(re.split(r"\n+", moved.text)) == sorted(re.split(r"\n+", real.text))


# --- any edit on any text --------------------------------------------------------------------------------------


_PART = st.sampled_from(
    [
        "## US-1: A",
        "### US-1: B ✅",
        "## PRIORITY 2: C",
        "# R",
        "#### sub",
        "text",
        "",
        "",
        "**Status**: Planned",
        "**Effort**: 1",
        "- [ ] box",
        "- [x] b2",
        "```",
        "---",
        "===",
        "> q",
        "<!--",
        "-->",
        "    code",
        "1. x",
        "- **Status**: Done",
        "US-3: S",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_PART, max_size=14), st.sampled_from(["\n", "\r\n"]), st.integers(0, 9), st.integers(0, 9), st.data())
def test_an_edit_changes_its_item_and_no_other(
    parts: list[str], eol: str, one: int, two: int, data: st.DataObject
) -> None:
    document = read(eol.join(parts))
    if not document.items:
        return
    item = document.items[one % len(document.items)]
    target = document.items[two % len(document.items)]
    place = Place(data.draw(st.sampled_from(["first", "last", "before", "after"])), target.key)
    makers = {
        "status": lambda: edits.set_status(document, item.key, data.draw(st.sampled_from(Status))),
        "field": lambda: edits.set_field(document, item.key, "effort", data.draw(st.sampled_from([None, "9", "new"]))),
        "title": lambda: edits.set_title(document, item.key, "New title"),
        "tick": lambda: edits.tick(document, item.key, "1", True),
        "body": lambda: edits.replace_body(
            document, item.key, data.draw(st.sampled_from(["", "x", "- [ ] y\n\n#### z"]))
        ),
        "add": lambda: edits.add_item(document, title="New", place=place),
        "move": lambda: edits.move_item(document, item.key, place),
        "remove": lambda: edits.remove_item(document, item.key),
    }
    kind = data.draw(st.sampled_from(sorted(makers)))
    try:
        edit = makers[kind]()
    except EditRefused:
        return
    changed = document.apply(edit.splices)
    others = [other.revision for other in document.items if other is not item or kind in ("add", "move")]
    left = [other.revision for other in changed.items]
    assert all(others.count(revision) <= left.count(revision) for revision in set(others))
    assert len(changed.items) == len(document.items) + {"add": 1, "remove": -1}.get(kind, 0)
    assert ("\r\n" in changed.text or "\r\n" not in document.text) or kind == "remove"


def test_ambiguous_references_are_refused() -> None:
    with pytest.raises(AmbiguousReference):
        edits.remove_item(read("## US-1: A\n## US-1: B\n"), "1")


@pytest.mark.parametrize("end", ["```\ncode\n", "~~~ sh\ncode", "```"])
def test_what_an_open_fence_is_in_the_way_of_says_where_it_opens(end: str) -> None:
    document = Document.from_text(f"# R\n\n## US-1: A\n\n## US-2: B\n\n{end}")
    for change in (
        lambda: edits.add_item(document, title="x", place=Place("last")),
        lambda: edits.move_item(document, "1", Place("last")),
    ):
        with pytest.raises(EditRefused, match="code fence that opens in line 7 is not closed") as refused:
            change()
        assert "Close it" in refused.value.hint
    closed = Document.from_text(f"# R\n\n## US-1: A\n\n## US-2: B\n\n{end}\n{end[:3]}\n")
    edits.add_item(closed, title="x", place=Place("last"))
