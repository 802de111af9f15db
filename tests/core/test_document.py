"""Reading a roadmap: items, statuses, fields, dependencies, references, problems, and the bytes as they were."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffee_maker.core import edits
from coffee_maker.core.document import Document, Splice, parse_status
from coffee_maker.core.errors import AmbiguousReference, BadSetting, EditRefused, ItemNotFound, NotText
from coffee_maker.core.items import Item, Status
from coffee_maker.core.wording import named_status

DATA = Path(__file__).parents[3] / "shared" / "data"
REAL = DATA / "roadmap-real.md"


def read(text: str, pattern: str | None = None) -> Document:
    return Document.from_text(text, item_pattern=pattern)


def only(text: str) -> Item:
    [item] = read(text).items
    return item


def codes(document: Document) -> list[tuple[str, int, str | None]]:
    return [(problem.code, problem.line, problem.key) for problem in document.problems]


@pytest.fixture(scope="module")
def real() -> Document:
    if not REAL.exists():
        pytest.skip(f"NOT CHECKED against a real roadmap: {REAL} is not there")
    return Document.from_bytes(REAL.read_bytes())


# --- bytes -----------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_comes_back_as_its_bytes(text: str) -> None:
    data = text.encode()
    document = Document.from_bytes(data)
    assert document.data == data
    assert document.apply([]).data == data
    assert read(text).digest == document.digest


def test_line_ends_bom_and_odd_characters_stay() -> None:
    data = "\ufeff# R\r\n\r## PRIORITY 1: A\x0c\r\n**Status**: Planned\n\x00\u2028x\x85".encode()
    document = Document.from_bytes(data)
    assert document.data == data
    assert [(item.key, item.line, item.status) for item in document.items] == [("PRIORITY-1", 3, Status.PLANNED)]
    assert document.revision == document.digest[:12]


def test_a_heading_may_follow_the_bom() -> None:
    item = only("\ufeff## US-1: A\n")
    assert (item.line, item.start) == (1, 1)


def test_what_is_no_utf8_is_refused() -> None:
    with pytest.raises(NotText, match="byte 2 is 0xff"):
        Document.from_bytes(b"ab\xff")
    with pytest.raises(NotText, match="character 1"):
        _ = read("a\ud800").data
    assert read("## US-1: A\n\ud800").items


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="#:*US-1 PRIORITY2.\n\r\t`>[]x✅📝Status", max_size=80))
def test_reading_never_fails_and_spans_never_overlap(text: str) -> None:
    document = read("## PRIORITY 1: A\n" + text)
    end = 0
    for item in document.items:
        assert end <= item.start < item.end
        assert document.text_of(item) == document.text[item.start : item.end]
        end = item.end
    assert len({item.key for item in document.items}) == len(document.items)
    assert all(problem.line <= len(document.lines.texts) for problem in document.problems)


# --- headings --------------------------------------------------------------------------------------------------


FORMS = [
    ("### 🔴 **PRIORITY 2.6: Daemon Fix** ⚡ SUFFIX", "PRIORITY-2.6", "Daemon Fix", None),
    ("### 🟢 **PRIORITY 6: Projects** ✅ **COMPLETE** (Option A)", "PRIORITY-6", "Projects", Status.COMPLETE),
    ("### ✅ **PRIORITY 2.65: Done thing**", "PRIORITY-2.65", "Done thing", Status.COMPLETE),
    ("### 🔴 **PRIORITY 2.7: Recovery** 🔄 **RELIABILITY**", "PRIORITY-2.7", "Recovery", None),
    ("### 🟡 **PRIORITY 7: Refactoring** (if needed)", "PRIORITY-7", "Refactoring", None),
    ("### PRIORITY 3: Dashboard 📝 Planned ← Next", "PRIORITY-3", "Dashboard", Status.PLANNED),
    ("### PRIORITY 2.6: Testing 🔄 In Progress (50%)", "PRIORITY-2.6", "Testing", Status.IN_PROGRESS),
    ("### PRIORITY 2.5: Docs 🚧 Manual Review Required", "PRIORITY-2.5", "Docs", Status.MANUAL_REVIEW),
    ("## PRIORITY 2.9.5: Title", "PRIORITY-2.9.5", "Title", None),
    ("## 📦 PRIORITY 3: PyPI Package & Binaries", "PRIORITY-3", "PyPI Package & Binaries", None),
    ("## 👩🏽‍💻 ⚙️ PRIORITY 3: Faces 👩🏽‍💻", "PRIORITY-3", "Faces", None),
    ("## US-110: Title", "US-110", "Title", None),
    ("### US-062: Title 📝 Planned", "US-062", "Title", Status.PLANNED),
    ("## 📝 PLANNED: US-113 - Title", "US-113", "Title", Status.PLANNED),
    ("## 🔄 IN PROGRESS: US-113 – Title", "US-113", "Title", Status.IN_PROGRESS),
    ("### 🎯 [US-002] Title", "US-002", "Title", None),
    ("### **[US-002] Title** ✅ Complete", "US-002", "Title", Status.COMPLETE),
    ("### [US-002]: Title", "US-002", "Title", None),
    ("### [US-033: Title](docs/us.md)", "US-033", "Title", None),
    ("### **US-033**: Title ⚡ NEW", "US-033", "Title", None),
    ("### US-033: **Title** ⏸ Blocked", "US-033", "Title", Status.BLOCKED),
    ("### US-033 — Title ✅", "US-033", "Title", Status.COMPLETE),
    ("### US-033: Title [COMPLETE]", "US-033", "Title", Status.COMPLETE),
    ("### US-033: Title (✅ DONE)", "US-033", "Title", Status.COMPLETE),
    ("### US-033: Title - ✅ DONE", "US-033", "Title", Status.COMPLETE),
    ("### US-033: Title - In Progress ###", "US-033", "Title", Status.IN_PROGRESS),
    ("### US-033: Title ✅ **COMPLETE** (2025-10-20)", "US-033", "Title", Status.COMPLETE),
    ("### US-033: Title (50%)", "US-033", "Title", None),
    ("### US-033: Title 🎯 [CRITICAL]", "US-033", "Title", None),
    ("### US-033: Title ⭐⭐⭐ (HIGHEST)", "US-033", "Title", None),
    ("### 🎯 US-033: 🎯 Title", "US-033", "Title", None),
    # What belongs to a title stays in it.
    ("### US-033: Add 🎉 party mode", "US-033", "Add 🎉 party mode", None),
    ("### US-033: Optional (if needed)", "US-033", "Optional (if needed)", None),
    ("### US-033: From A → B", "US-033", "From A → B", None),
    ("### US-033: Make it complete", "US-033", "Make it complete", None),
    ("### US-033: Blocked users - show them", "US-033", "Blocked users - show them", None),
    ("### US-033: The `in_progress` flag", "US-033", "The `in_progress` flag", None),
    ("### US-033: C# and F#", "US-033", "C# and F#", None),
    ("### US-033: Why: because", "US-033", "Why: because", None),
    ("US-033: Underlined\n---", "US-033", "Underlined", None),
    ("## PRIORITY 1: **Payments** for customers", "PRIORITY-1", "Payments for customers", None),
    ("## PRIORITY 3: **Login** über alles", "PRIORITY-3", "Login über alles", None),
    ("## US-3: **A** and **b**", "US-3", "A and b", None),
    ("## PRIORITY 1: 🔥 **Pay** for it ✅ Complete", "PRIORITY-1", "Pay for it", Status.COMPLETE),
    ("## PRIORITY 1: **Pay** mostly done", "PRIORITY-1", "Pay", None),
    ("## PRIORITY 1: **Payments** ⚡ NEW", "PRIORITY-1", "Payments", None),
]


@pytest.mark.parametrize(("heading", "key", "title", "status"), FORMS)
def test_headings_of_items(heading: str, key: str, title: str, status: Status | None) -> None:
    item = only(heading + "\n")
    assert (item.key, item.title, item.status) == (key, title, status)


@pytest.mark.parametrize(
    "heading",
    [
        "#### Week 1-3: Analytics & Observability 🔴 PRIORITY 1",
        "### Future Enhancements (Post-PRIORITY 3)",
        "## US-090 through US-096: Many",
        "## US-090 - US-096: Many",
        "## PRIORITY 1 - 3: Many",
        "## PRIORITY 1-3: Many",
        "## US-016 COMPLETION SUMMARY",
        "## US-016 Phase 1: Part",
        "# PRIORITY X: [Name] - Completion Summary",
        "### **After PRIORITY 2: You Stop Coding** ✨",
        "## 🔴 TOP PRIORITY FOR code_developer (START HERE)",
        "## PRIORITY 3",
        "## PRIORITY 3:",
        "## **PRIORITY 3:**",
        "## Note: US-3 - no status in front",
        "## XUS-3: Title",
        "## US-3x9: Title",
        "    ## US-3: In code",
        "> ## US-3: In a quote",
        "- ## US-3: In a list",
        "```\n## US-3: In a fence\n```",
        "````\n```\n````\n~~~~\n## US-3: In an outer fence\n~~~\n## US-4: Still\n~~~~",
        "<!--\n## US-3: In a comment\n-->",
        "<div>\n## US-3: In HTML\n</div>",
        "#US-3: No blank",
    ],
)
def test_what_is_no_item(heading: str) -> None:
    assert read(heading + "\n").items == ()


def test_progress_stands_in_words_brackets_or_a_field() -> None:
    assert only("## US-1: T 🔄 In Progress (50%)\n").progress == 50
    assert only("## US-1: T\n**Status**: 60% complete\n").progress == 60
    assert only("## US-1: T\n**Status**: 🔄 In Progress (~75% done)\n").progress == 75
    assert only("## US-1: T\n**Status**: Planned\n**Progress**: 20 % or so\n").progress == 20
    assert only("## US-1: T\n**Status**: Planned (250%)\n").progress is None


def test_own_patterns() -> None:
    pattern = r"(?P<id>T-\d+) (?P<title>[^(]+)(?:\((?P<status>[^)]*)\))?"
    document = read("# T-1 First (done)\n# T-2  Second \n# US-3: Third\n# other\n", pattern)
    found = [(item.key, item.title, item.status) for item in document.items]
    assert found == [("T-1", "First", Status.COMPLETE), ("T-2", "Second", None), ("US-3", "Third", None)]
    assert document.apply([]).items == document.items


@pytest.mark.parametrize(
    ("heading", "title", "status"),
    [
        ("TASK-2: Zwei ✅", "Zwei", Status.COMPLETE),
        ("TASK-2: Zwei - In Progress", "Zwei", Status.IN_PROGRESS),
        ("TASK-2: Zwei (PLANNED)", "Zwei", Status.PLANNED),
        ("TASK-2: Zwei ⚡ NEW", "Zwei ⚡ NEW", None),
        ("TASK-2: Zwei - drei", "Zwei - drei", None),
        ("TASK-2: ✅", "✅", None),
        ("TASK-2: Zwei ✅ [old]", "Zwei", Status.COMPLETE),
    ],
)
def test_a_status_at_the_end_of_a_heading_of_ones_own_form(heading: str, title: str, status: Status | None) -> None:
    pattern = r"(?P<id>TASK-\d+): (?P<title>.+?)(?: \[old\])?$"
    document = read(f"## {heading}\n\ntext\n", pattern)
    [item] = document.items
    assert (item.title, item.status) == (title, status)
    changed = document.apply(edits.set_status(document, "TASK-2", Status.BLOCKED).splices)
    assert (changed.items[0].title, changed.items[0].status) == (title, Status.BLOCKED)
    if status:
        again = document.apply(edits.set_title(document, "TASK-2", "Drei").splices)
        assert again.text == document.text.replace("Zwei", "Drei")


@pytest.mark.parametrize(
    ("pattern", "problem"), [("(", "no regular expression"), (r"(?P<id>\d)", "title"), ("x", "id")]
)
def test_bad_patterns_are_refused(pattern: str, problem: str) -> None:
    with pytest.raises(BadSetting, match=problem):
        read("", pattern)


# --- spans -----------------------------------------------------------------------------------------------------


def test_an_item_ends_where_the_next_or_an_equal_heading_begins() -> None:
    document = read("# R\n## US-1: A\n### sub\n#### US-2: B\n### part of none\n## C\n### US-3: D\nx")
    assert [document.text_of(item) for item in document.items] == [
        "## US-1: A\n### sub\n",
        "#### US-2: B\n",
        "### US-3: D\nx",
    ]


def test_a_field_above_a_rule_is_no_heading() -> None:
    document = read("### US-1: A\n\n**Effort**: 1 day\n**Status**: Planned\n---\n\n- [ ] box\n")
    [item] = document.items
    assert (item.status, item.fields["effort"], len(item.checks)) == (Status.PLANNED, "1 day", 1)


def test_revisions_follow_the_text_of_the_item_alone() -> None:
    first = read("## US-1: A\nx\n\n## US-2: B\n")
    second = read("# new\n\n## US-1: A\nx\n\n\n## US-2: B changed\n")
    assert first.items[0].revision == second.items[0].revision
    assert first.items[1].revision != second.items[1].revision


# --- statuses --------------------------------------------------------------------------------------------------


STATUSES = [
    ("📝 Planned", Status.PLANNED),
    ("📝 Planned - **START NOW**", Status.PLANNED),
    ("📝 Planned (optional)", Status.PLANNED),
    ("📝 **PLANNED** (To be implemented in PRIORITY 2.6 or 2.7)", Status.PLANNED),
    ("Todo", Status.PLANNED),
    ("To do", Status.PLANNED),
    ("Not started", Status.PLANNED),
    ("⏳ Not yet started", Status.PLANNED),
    ("To be implemented", Status.PLANNED),
    ("Ready to start", Status.PLANNED),
    ("✅ Assigned to code_developer", Status.PLANNED),
    ("🔄 In Progress (50%)", Status.IN_PROGRESS),
    ("🔄 **MOSTLY COMPLETE** (Core analytics done)", Status.IN_PROGRESS),
    ("✅ Partially Complete", Status.IN_PROGRESS),
    ("✅ Complete (partially)", Status.COMPLETE),
    ("🔄 **MVP PHASE 1 IN PROGRESS** (Basic CLI)", Status.IN_PROGRESS),
    ("✅ Phase 1 Complete", Status.IN_PROGRESS),
    ("MVP complete, phase 2 in progress", Status.IN_PROGRESS),
    ("90% complete", Status.IN_PROGRESS),
    ("not complete", Status.IN_PROGRESS),
    ("Not yet done", Status.IN_PROGRESS),
    ("incomplete", Status.IN_PROGRESS),
    ("WIP", Status.IN_PROGRESS),
    ("in-progress", Status.IN_PROGRESS),
    ("in_progress", Status.IN_PROGRESS),
    ("✅ **MVP COMPLETE** (Implementation - 100%)", Status.COMPLETE),
    ("✅ **100% COMPLETE** - Option A", Status.COMPLETE),
    ("✅ **ALL SPRINTS COMPLETED** (7 sprints)", Status.COMPLETE),
    ("✅ **FULLY FIXED** (Commit: 1064b13)", Status.COMPLETE),
    ("**COMPLETE** ✅", Status.COMPLETE),
    ("Complete, tested", Status.COMPLETE),
    ("completed", Status.COMPLETE),
    ("Done", Status.COMPLETE),
    ("~~📝 Planned~~ ✅ Complete", Status.COMPLETE),
    ("`done`", Status.COMPLETE),
    ("🎉 Done", Status.COMPLETE),
    ("⏸️ Blocked", Status.BLOCKED),
    ("⏸ Blocked", Status.BLOCKED),
    ("On hold", Status.BLOCKED),
    ("Deferred", Status.BLOCKED),
    ("🚧 Manual Review Required", Status.MANUAL_REVIEW),
    ("manual_review", Status.MANUAL_REVIEW),
    ("Needs review", Status.MANUAL_REVIEW),
    ("❌ **FAILED** - stdin", Status.MANUAL_REVIEW),
    ("❌ Cancelled", Status.CANCELLED),
    ("Canceled", Status.CANCELLED),
    ("Won't do", Status.CANCELLED),
    # Signs alone.
    ("📝", Status.PLANNED),
    ("🔄", Status.IN_PROGRESS),
    ("⏸️", Status.BLOCKED),
    ("⏸", Status.BLOCKED),
    ("🚧", Status.MANUAL_REVIEW),
    ("✅ (2025-10-09)", Status.COMPLETE),
    ("❌", Status.CANCELLED),
    # Words that are not known: the sign does not decide.
    ("📝 **START THIS NOW** - It's #1", None),
    ("🟢 WORKS", None),
    ("🔄 RELIABILITY", None),
    ("uncompleted business", None),
    ("🎉", None),
]


@pytest.mark.parametrize(("words", "status"), STATUSES)
def test_statuses(words: str, status: Status | None) -> None:
    assert parse_status(words) is status
    document = read(f"## US-1: T\n\n**Status**: {words}\n")
    assert document.items[0].status is status
    assert [code for code, *_ in codes(document)] == ([] if status else ["unknown_status"])


def test_every_status_reads_as_written() -> None:
    for status in Status:
        for words in (status.value, status.label, status.sign, f"{status.sign} {status.label}", status.label.upper()):
            assert parse_status(words) is status
    assert parse_status("nonsense") is None
    assert parse_status("") is None


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("In-Progress", Status.IN_PROGRESS),
        (" MANUAL  review ", Status.MANUAL_REVIEW),
        ("⏸", Status.BLOCKED),
        ("⏸️ on hold", Status.BLOCKED),
        ("✅ Complete", Status.COMPLETE),
        ("Won't do", Status.CANCELLED),
        ("never done", None),
        ("planned complete", None),
        ("done now", None),
        ("✅ planned", None),
        ("✅✅", None),
        ("🎉 done", None),
        ("", None),
        ("-", None),
    ],
)
def test_a_status_that_is_ordered_is_named_exactly(words: str, status: Status | None) -> None:
    assert named_status(words) is status


def test_every_status_can_be_ordered_as_it_is_written() -> None:
    for status in Status:
        for words in (status.value, status.label, status.sign, f"{status.sign} {status.label}", status.label.upper()):
            assert named_status(words) is status


def test_the_words_it_was_read_from() -> None:
    assert only("## US-1: T\n**Status**: ✅ **COMPLETE** (Commit: 1064b13)\n").status_text == "✅ COMPLETE"
    assert only("## US-1: T\n**Status**: 🔄 In Progress (50%) now\n").status_text == "🔄 In Progress (50%)"
    assert only("## US-1: T\n**Status**: 🌍 Mars - soon\n").status_text == "🌍 Mars"
    assert only("## US-1: T\n").status_text is None


@pytest.mark.parametrize(
    "line",
    [
        "**Status**: Planned",
        "**Status:** Planned",
        "**Status** : Planned",
        "**Current Status**: Planned",
        "**📊 Status**: Planned",
        "__Status__: Planned",
        "**Status: Planned**",
        "Status: Planned",
        "- **Status**: Planned",
        "* **Status:** Planned  ",
        "- Status: Planned",
        "  **Status**: Planned",
        "text before\n**Status**: Planned",
        "- a list\n\n**Status**: Planned",
        "**Effort**: 1\n**Status**: Planned",
        "```\n**Status**: Complete\n```\n**Status**: Planned",
        "<!-- \n**Status**: Complete\n-->\n**Status**: Planned",
        "    **Status**: Complete\n\n**Status**: Planned",
        "Status: see below\n\n**Status**: Planned",
        "**Status**:\n\n**Status**: Planned",
        "**Status**: Planned\n**Status**: Complete",
        "### Overview\n**Status**: Planned",
        "### **Status**\n**Status**: Planned",
    ],
)
def test_where_a_status_stands(line: str) -> None:
    assert only(f"## US-1: T\n\n{line}\n").status is Status.PLANNED


@pytest.mark.parametrize(
    "line",
    [
        "### Known issue\n**Status**: Complete",
        "```\n**Status**: Complete\n```",
        "    **Status**: Complete",
        "<!-- \n**Status**: Complete\n-->",
        "> **Status**: Complete",
        "1. part\n   - **Status**: Complete",
        "- part\n  **Status**: Complete",
        "The **Status**: Complete",
        "Status: see below",
        "**Status**:",
        "# other\n**Status**: Complete",
        "## US-2: neighbour\n**Status**: Complete",
    ],
)
def test_where_no_status_of_the_item_stands(line: str) -> None:
    document = read(f"## US-1: T\n\n{line}\n")
    assert document.items[0].status is None
    assert ("missing_status", 1, "US-1") in codes(document)


def test_the_field_counts_and_a_contradiction_is_told() -> None:
    document = read("## ✅ PRIORITY 1: T\n\n**Status**: Planned\n\n## US-2: U 🔄 **SPEED**\n**Status**: Complete\n")
    assert [item.status for item in document.items] == [Status.PLANNED, Status.COMPLETE]
    assert codes(document) == [("status_contradiction", 3, "PRIORITY-1")]


# --- fields ----------------------------------------------------------------------------------------------------


def test_fields_by_their_synonyms() -> None:
    item = only(
        "## US-1: T\n\n**Estimated Duration**: 2 days\n**Why This is #1**: it is\n  going on\n- **Blocked By**: US-2\n"
        "**📊 Impact**: ⭐⭐⭐\n**Effort**: ignored, the first counts\n\n**Long**: a\n- no part of it\n"
    )
    assert item.fields == {
        "effort": "2 days",
        "why_this_is_1": "it is\ngoing on",
        "depends_on": "US-2",
        "impact": "⭐⭐⭐",
        "long": "a",
    }
    for name in ("Estimated Effort", "Duration", "Estimated Time", "Time Estimate", "ESTIMATED TIME"):
        assert only(f"## US-1: T\n**{name}:** 3h\n").fields == {"effort": "3h"}


@pytest.mark.parametrize(
    ("lines", "keys"),
    [
        ("**Dependencies**: PRIORITY 1 (Daemon core), PRIORITY 2 (PM CLI core)", ("PRIORITY-1", "PRIORITY-2")),
        ("**Dependency**: None (must be built BEFORE autonomous daemon)", ()),
        ("**Depends On**: none", ()),
        ("**Depends On**: -", ()),
        ("**Dependencies**: US-033, 2.6", ("US-033", "PRIORITY-2.6")),
        ("**Dependencies**: 2.6, 3", ("PRIORITY-2.6", "PRIORITY-3")),
        ("**Blocked By**: US-33", ("US-033",)),
        ("**Dependency**: Recommended after apps (Priorities 1 & 2)", ("PRIORITY-1", "PRIORITY-2")),
        ("**Dependencies**: priority-2.6, PRIORITY 2.6", ("PRIORITY-2.6",)),
        ("**Dependencies**: PRIORITY 3#2", ("PRIORITY-3#2",)),
        ("**Dependencies**: PRIORITY 1, 3 days of work", ("PRIORITY-1",)),
        ("**Dependencies**:\n- PRIORITY 1\n- US-033: the story\n", ("PRIORITY-1", "US-033")),
        ("**Dependencies:**\n\n* PRIORITY 1\n* PRIORITY 2\n\ntext US-033", ("PRIORITY-1", "PRIORITY-2")),
        ("**Dependencies**: PRIORITY 99", ("PRIORITY-99",)),
        ("**Dependencies**: the weather; US weather", ("the weather", "US weather")),
        ("**Effort**: PRIORITY 1", ()),
        ("**Depends On**: PRIORITY 2, PRIORTY 4", ("PRIORITY-2", "PRIORTY 4")),
        ("**Depends On**: PIORITY-4 (soon); PRIORITY 2", ("PIORITY-4 (soon)", "PRIORITY-2")),
        ("**Depends On**: PRIORITY 2 and PRIO 4", ("PRIORITY-2", "PRIO 4")),
        ("**Depends On**: PRIORITY 2, PRIORITY 4x", ("PRIORITY-2", "PRIORITY 4x")),
        ("**Depends On**: US-033, SU-34, USS-35", ("US-033", "SU-34", "USS-35")),
        ("**Depends On**: PRIORITY 2, US 33, US 34", ("PRIORITY-2", "US-033", "US 34")),
        ("**Depends On**:\n- PRIORITY 2\n- PRIORITIY 4\n", ("PRIORITY-2", "PRIORITIY 4")),
        ("**Dependencies**: PRIORITY 1, UTF-8, phase 2, Python 3.11 (minor 4)", ("PRIORITY-1",)),
        (
            "**Dependency**: Should be done after PRIORITY 2 (Project Manager CLI) MVP is complete, probably",
            ("PRIORITY-2",),
        ),
    ],
)
def test_dependencies(lines: str, keys: tuple[str, ...]) -> None:
    others = "".join(f"## {name}: x\n" for name in ("PRIORITY 1", "PRIORITY 2", "PRIORITY 2.6", "PRIORITY 3", "US-033"))
    document = read(f"## US-1: T\n{lines}\n\n{others}## PRIORITY 3: again\n")
    assert document.items[0].depends_on == keys


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        ("US-1 (UI-3 design)", ("US-1",)),
        ("PRIORITY 2, UX-12 mockups", ("PRIORITY-2",)),
        ("PRIORITY 2, ES-6 support", ("PRIORITY-2",)),
        ("PRIORITY 2 (prior 3 months of data)", ("PRIORITY-2",)),
        ("PRIORITY 2 (minority 3)", ("PRIORITY-2",)),
        ("PRIORITY 2 (Prioritized 2024)", ("PRIORITY-2",)),
        ("PRIORITY 2, USS-1", ("PRIORITY-2", "USS-1")),
        ("PRIORITY 2, Prio 4", ("PRIORITY-2", "Prio 4")),
        ("PRIORITY 2, 3#2", ("PRIORITY-2", "PRIORITY-3#2")),
        ("PRIORITIES 2 & 3#2", ("PRIORITY-2", "PRIORITY-3#2")),
        ("2, 3#2", ("PRIORITY-2", "PRIORITY-3#2")),
    ],
)
def test_what_a_dependency_names(words: str, needed: tuple[str, ...]) -> None:
    others = "## PRIORITY 2: Two\n## PRIORITY 3: Three\n## PRIORITY 3: Three again\n## US-1: One\n"
    assert read(f"## PRIORITY 9: It\n**Depends On**: {words}\n{others}").items[0].depends_on == needed


def test_dependencies_on_items_of_ones_own_form() -> None:
    text = "## TASK-1: One\n**Depends On**: PRIORITY 7, TASK-2, TSAK 3, task 4\n## TASK-2: Two\n## PRIORITY-7: Seven\n"
    document = Document.from_text(text, item_pattern=r"(?P<id>[A-Z]+-\d+): (?P<title>.*)")
    assert document.items[0].depends_on == ("PRIORITY-7", "TASK-2", "TSAK 3", "task 4")
    assert [problem.code for problem in document.problems if "TSAK" in problem.message] == ["unknown_dependency"]


def test_check_lists() -> None:
    item = only(
        "## US-1: T\n- [ ] open\n- [x] **done** \n* [X] Done\n1. [ ] first\n2) [x] second\n  - [ ] deep\n- [-] none\n"
        "- ✅ yes\n- ❌ no\n- 🔄 doing\n- ⏳ later\n- plain ✅\n- [x](link)\n- [ ]\n"
        "```\n- [ ] code\n```\n### sub\n+ [ ] below\n"
    )
    assert [(check.text, check.done) for check in item.checks] == [
        ("open", False),
        ("**done**", True),
        ("Done", True),
        ("first", False),
        ("second", True),
        ("deep", False),
        ("yes", True),
        ("no", False),
        ("doing", False),
        ("later", False),
        ("", False),
        ("below", False),
    ]
    assert item.checks[0].line == 2


# --- references ------------------------------------------------------------------------------------------------


ROADMAP = "## PRIORITY 3: A\n## PRIORITY 3: B\n## PRIORITY 2.6: C\n## US-110: D\n## US-007: E\n## PRIORITY 7: F\n"


@pytest.mark.parametrize(
    ("ref", "key"),
    [
        ("2.6", "PRIORITY-2.6"),
        ("PRIORITY 2.6", "PRIORITY-2.6"),
        ("priority-2.6", "PRIORITY-2.6"),
        ("Priority_2.6", "PRIORITY-2.6"),
        ("PRIORITY2.6", "PRIORITY-2.6"),
        (" US-110 ", "US-110"),
        ("us110", "US-110"),
        ("us-7", "US-007"),
        ("[US-110]", "US-110"),
        ("110", "US-110"),
        ("PRIORITY-3", "PRIORITY-3"),
        ("priority 3", "PRIORITY-3"),
        ("PRIORITY-3#2", "PRIORITY-3#2"),
        ("priority 3#2", "PRIORITY-3#2"),
        ("3#2", "PRIORITY-3#2"),
        ("PRIORITY 03#2", "PRIORITY-3#2"),
    ],
)
def test_forgiving_references(ref: str, key: str) -> None:
    assert read(ROADMAP).item(ref).key == key


def test_a_bare_number_that_could_mean_several_is_refused() -> None:
    with pytest.raises(AmbiguousReference) as refusal:
        read(ROADMAP).item("3")
    assert refusal.value.values["candidates"] == "PRIORITY-3 'A' (line 1); PRIORITY-3#2 'B' (line 2)"
    assert refusal.value.hint == "Name one of them by its full key, e.g. PRIORITY-3#2."
    with pytest.raises(AmbiguousReference, match="PRIORITY-7") as refusal:
        read(ROADMAP).item("7")
    assert refusal.value.hint.rpartition(" ")[2].rstrip(".") in refusal.value.values["candidates"]
    assert "PRIORITY-3" not in refusal.value.hint


@pytest.mark.parametrize("ref", ["9", "US-9", "PRIORITY-3#3", "3#3", "3#", "", "#2", "x", "PRIORITY", "US-110#2", "²"])
def test_references_to_nothing(ref: str) -> None:
    with pytest.raises(ItemNotFound):
        read(ROADMAP).item(ref)


def test_keys_are_unique_whatever_the_ids() -> None:
    pattern = r"(?P<id>\S+): (?P<title>.+)"
    document = read("# A: 1\n# A#2: 2\n# A: 3\n# a: 4\n", pattern)
    assert [item.key for item in document.items] == ["A", "A#2", "A#3", "a#4"]


# --- problems --------------------------------------------------------------------------------------------------


def test_problems() -> None:
    document = read(
        "## US-1: A\n**Status**: Planned\n**Dependencies**: US-2\n"
        "## US-2: B\n**Status**: Planned\n**Dependencies**: US-3, US-9\n"
        "## US-3: C ✅\n**Status**: Planned\n**Dependencies**: US-1\n"
        "## US-1: D\n**Status**: Mars\n"
        "## US-4: E\n**Status**: Done\n**Dependencies**: US-4\n\n```\nopen"
    )
    assert codes(document) == [
        ("dependency_circle", 1, "US-1"),
        ("unknown_dependency", 6, "US-2"),
        ("status_contradiction", 8, "US-3"),
        ("duplicate_id", 10, "US-1#2"),
        ("unknown_status", 11, "US-1#2"),
        ("dependency_circle", 12, "US-4"),
        ("unclosed_fence", 16, "US-4"),
    ]
    assert "US-1 -> US-2 -> US-3 -> US-1" in document.problems[0].message


def test_a_heading_that_is_too_long_to_be_an_items_is_a_problem() -> None:
    text = f"# {'word ' * 200}\n## US-1: A ✅\n\n### PRIORITY 2: {'word ' * 100}\n\n## US-3: B ✅\n"
    document = read(text)
    assert codes(document) == [("heading_too_long", 4, None)]
    assert "PRIORITY-2 has 511 characters" in document.problems[0].message
    own = read(text, r"(?P<id>PRIORITY \d+): (?P<title>.+)")
    assert ("heading_too_long", 4, None) not in codes(own)
    assert len(own.items) == 3


def test_long_chains_of_dependencies_are_no_circle() -> None:
    text = "".join(f"## US-{n}: A\n**Status**: Planned\n**Dependencies**: US-{n + 1}\n" for n in range(3000))
    assert codes(read(text + "## US-3000: Z\n**Status**: Planned\n")) == []


def test_thousands_of_items_with_one_number_stay_quick() -> None:
    started = time.process_time()
    document = read("## US-1: A\n**Status**: Planned\n" * 5000)
    assert len(document.items) == 5000
    assert len(document.problems) == 4999
    assert time.process_time() - started < 5


_HOSTILE = {
    "brackets in a title": "## US-1: a" + " (a" * 100_000,
    "signs in a title": "## US-1: a" + " 🔄 b" * 100_000,
    "bold in a title": "## US-1: a" + " **b" * 100_000,
    "dashes in a title": "## US-1: a" + " - b" * 100_000,
    "links in a title": "## [US-1: a" + "](" * 100_000,
    "many long titles": ("## US-1: " + " 🔄 b" * 120 + "\n") * 500,
    "signs before an id": "## " + "🔄 " * 100_000 + "US-1: a",
    "a long number": "## US-" + "1" * 100_000 + ": a",
    "signs in a status": "## US-1: T\n**Status**: " + "🔄 " * 100_000,
    "words of a status": "## US-1: T\n**Status**: " + "mostly " * 100_000,
    "commas in a status": "## US-1: T\n**Status**: done" + ", done" * 100_000,
    "indented fields": "## US-1: T\n" + " **a**: b\n" * 50_000,
    "fields without values": "## US-1: T\n" + "**a**:\n" * 50_000,
    "one field of many lines": "## US-1: T\n**a**: x\n" + "b\n" * 100_000,
    "dependencies": "## US-1: T\n**Dependencies**: 1" + ",1" * 100_000 + "x",
    "boxes": "## US-1: T\n" + "- [ ] a\n" * 30_000,
    "sub-headings": "## US-1: T\n" + "### a\n" * 100_000,
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_hostile_items_cost_no_more_than_their_length(name: str) -> None:
    """Quadratic behaviour would take minutes here."""
    started = time.process_time()
    document = read(_HOSTILE[name])
    assert all(problem.line for problem in document.problems)
    assert time.process_time() - started < 5


# --- splices ---------------------------------------------------------------------------------------------------


def test_splices_are_made_from_back_to_front() -> None:
    document = read("abcdef")
    changed = document.apply([Splice(0, 1, "xyz"), Splice(3, 3, "-"), Splice(4, 6, "")])
    assert changed.text == "xyzbc-d"
    assert document.text == "abcdef"


@pytest.mark.parametrize("splices", [[Splice(0, 2, ""), Splice(1, 3, "")], [Splice(5, 9, "")], [Splice(3, 2, "")]])
def test_splices_that_overlap_are_refused(splices: list[Splice]) -> None:
    with pytest.raises(EditRefused):
        read("abcdef").apply(splices)


# --- a real roadmap --------------------------------------------------------------------------------------------


def test_all_items_of_a_real_roadmap_and_no_decoy(real: Document) -> None:
    wanted = json.loads((DATA / "roadmap-real.items.json").read_text())
    assert [{"line": item.line, "id": item.id, "title": item.title} for item in real.items] == wanted


def test_statuses_of_a_real_roadmap_as_a_person_reads_them(real: Document) -> None:
    done = {"PRIORITY-1.5", "PRIORITY-3#2", "PRIORITY-4#2", "PRIORITY-5", "PRIORITY-6"}
    assert {item.key for item in real.items if item.status is Status.COMPLETE} == done
    assert {item.key for item in real.items if item.status is Status.IN_PROGRESS} == {"PRIORITY-1", "PRIORITY-2"}
    assert sum(item.status is Status.PLANNED for item in real.items) == 10
    assert {problem.code for problem in real.problems} == {"duplicate_id", "unknown_dependency"}
    assert real.item("2.7").depends_on == ("PRIORITY-2.6",)
    assert real.item("2.6").fields["effort"] == "2-4 hours"


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("Depends on: US-7, PRIORITY 42", ("US-7", "PRIORITY-42")),
        ("Depends On : PRIORITY 2.6 and US-7.", ("PRIORITY-2.6", "US-7")),
        ("- Dependencies: US-7", ("US-7",)),
        ("Blocked by: PRIORITY-1#2", ("PRIORITY-1#2",)),
        ("Depends on: the weather", ()),
        ("Depends on: US-7 and the weather", ()),
        ("Dependencies: 3 packages", ()),
        ("Blocked by US-7: we wait", ()),
        ("Depends on:", ()),
        ("What it depends on: US-7", ()),
        ("    Depends on: US-7", ()),
    ],
)
def test_a_plain_line_names_dependencies_when_it_names_nothing_else(line: str, needed: tuple[str, ...]) -> None:
    document = Document.from_text(f"### US-1: One\n\nStatus: Planned\n{line}\n\nText.\n")
    [item] = document.items
    assert item.depends_on == needed
    assert item.status is Status.PLANNED


def test_a_plain_dependency_on_nothing_is_a_problem() -> None:
    document = Document.from_text("### US-1: One\n\nStatus: Planned\nDepends on: US-7\n")
    assert [problem.code for problem in document.problems] == ["unknown_dependency"]
