"""Both sides of a stale save: what either changed survives, what both changed is named."""

from __future__ import annotations

import re

import pytest
from tests.core.merging import SMALL, item_text, keys, status_of, with_status

from coffee_maker.core.document import Document
from coffee_maker.core.items import Status
from coffee_maker.core.merge import MergeConflict, merge

ADDED = "### PRIORITY 4: Added by us\n\n**Status**: 📝 Planned\n\nNew.\n"
DONE = with_status(SMALL, "1", Status.COMPLETE)


def without(text: str, key: str) -> str:
    return text.replace(item_text(text, key), "")


def test_both_sides_of_one_item_survive() -> None:
    theirs = (
        SMALL.replace("Login", "Sign in")
        .replace("2 days", "3 days")
        .replace("- [ ] session", "- [x] session")
        .replace("People sign in.", "People sign in.\n\nA note.")
    )
    merged = merge(SMALL, DONE, theirs)
    assert merged == (theirs.replace("📝 Planned", "✅ Complete", 1), ())


def test_status_words_and_title_of_one_heading_are_two_things() -> None:
    ours = with_status(SMALL, "2", Status.IN_PROGRESS)
    theirs = SMALL.replace("Search", "Find anything")
    assert merge(SMALL, ours, theirs) == (ours.replace("Search", "Find anything"), ())


def test_neighbouring_fields_are_two_things() -> None:
    ours = SMALL.replace("**Effort**: 2 days", "**Effort**: 5 days")
    theirs = SMALL.replace("nobody yet", "Ada").replace("📝 Planned\n**E", "⏸️ Blocked\n**E")
    assert merge(SMALL, ours, theirs) == (theirs.replace("2 days", "5 days"), ())


def test_boxes_are_merged_one_by_one() -> None:
    ours, theirs = SMALL.replace("[ ] form", "[x] form"), SMALL.replace("[ ] session", "[x] session")
    assert merge(SMALL, ours, theirs) == (ours.replace("[ ] session", "[x] session"), ())


def test_a_box_ticked_here_and_reworded_there() -> None:
    ours, theirs = SMALL.replace("[ ] form", "[x] form"), SMALL.replace("[ ] form", "[ ] form with a captcha")
    assert merge(SMALL, ours, theirs) == (SMALL.replace("[ ] form", "[x] form with a captcha"), ())


def test_boxes_reworded_by_one_side_and_ticked_by_the_other() -> None:
    reworded = SMALL.replace("[ ] form", "[ ] the form").replace("[ ] session", "[ ] the session")
    ticked = SMALL.replace("[ ] session", "[x] session")
    both = (reworded.replace("[ ] the session", "[x] the session"), ())
    assert merge(SMALL, reworded, ticked) == both
    assert merge(SMALL, ticked, reworded) == both


def test_what_is_written_behind_the_status_stays() -> None:
    theirs = SMALL.replace("📝 Planned\n**E", "📝 Planned (ask Ada first)\n**E")
    merged = merge(SMALL, DONE, theirs)
    assert "**Status**: ✅ Complete (ask Ada first)\n" in merged.text
    assert merged.conflicts == ()


def test_two_notes_at_one_place_are_both_kept() -> None:
    ours, theirs = (SMALL.replace("sign in.\n", f"sign in.\n\n{note}\n") for note in ("Our note.", "Their note."))
    merged = merge(SMALL, ours, theirs)
    assert merged.conflicts == ()
    assert "\n\nTheir note.\n\nOur note.\n\n###" in merged.text


def test_lists_that_both_sides_began_become_one() -> None:
    ours, theirs = (SMALL.replace("As a file.\n", f"As a file.\n\n#### Notes\n- {n}\n") for n in "ab")
    merged = merge(SMALL, ours, theirs)
    assert merged == (SMALL.replace("As a file.\n", "As a file.\n\n#### Notes\n- b\n- a\n"), ())


def test_code_that_both_sides_put_at_one_place_is_not_mixed() -> None:
    ours, theirs = (SMALL + f"```sh\nset -e\nmake {goal}\n```\n" for goal in ("test", "docs"))
    merged = merge(SMALL, ours, theirs)
    assert merged == (theirs + "```sh\nset -e\nmake test\n```\n", ())


@pytest.mark.parametrize(
    ("ours", "theirs", "key", "what"),
    [
        (DONE, with_status(SMALL, "1", Status.BLOCKED), "PRIORITY-1", "status"),
        (SMALL.replace("2 days", "1 day"), SMALL.replace("2 days", "9 days"), "PRIORITY-1", "field Effort"),
        (SMALL.replace("Login", "Sign in"), SMALL.replace("Login", "Log in"), "PRIORITY-1", "title"),
        (
            with_status(SMALL, "2", Status.COMPLETE),
            with_status(SMALL, "2", Status.BLOCKED),
            "PRIORITY-2",
            "status",
        ),
        (SMALL.replace("Find things.", "Find it."), SMALL.replace("Find things.", "Find all."), "PRIORITY-2", "text"),
        (SMALL.replace("What we plan.", "Plans."), SMALL.replace("What we plan.", "Our plan."), None, "text"),
        (
            SMALL.replace("[ ] form", "[ ] login form"),
            SMALL.replace("[ ] form", "[ ] simple form"),
            "PRIORITY-1",
            "check list",
        ),
    ],
    ids=["status", "field", "title", "heading status", "text", "prose", "box"],
)
def test_the_same_thing_changed_twice(ours: str, theirs: str, key: str | None, what: str) -> None:
    merged = merge(SMALL, ours, theirs)
    assert merged.text == theirs
    (conflict,) = merged.conflicts
    assert (conflict.key, conflict.what) == (key, what)
    assert conflict.kept in theirs
    assert conflict.other in ours
    assert conflict.kept != conflict.other


def test_a_conflict_leaves_the_other_changes_alone() -> None:
    ours = DONE.replace("2 days", "1 day").replace("As a file.", "As two files.")
    merged = merge(SMALL, ours, SMALL.replace("2 days", "9 days"))
    assert merged.text == ours.replace("1 day", "9 days")
    assert [conflict.what for conflict in merged.conflicts] == ["field Effort"]


def test_numbers_of_one_field_are_never_mixed() -> None:
    ours, theirs = SMALL.replace("2 days", "5 days"), SMALL.replace("2 days", "2 weeks")
    merged = merge(SMALL, ours, theirs)
    assert merged.text == theirs
    assert merged.conflicts == (
        MergeConflict("PRIORITY-1", "field Effort", "**Effort**: 2 weeks\n", "**Effort**: 5 days\n"),
    )


def test_the_same_change_twice_is_none() -> None:
    theirs = DONE.replace("2 days", "3 days")
    assert merge(SMALL, DONE, theirs) == (theirs, ())


def test_the_same_new_field_with_two_values() -> None:
    ours, theirs = (SMALL.replace("**Owner**", f"**Branch**: {name}\n**Owner**") for name in ("a", "b"))
    merged = merge(SMALL, ours, theirs)
    assert merged.text == theirs
    assert merged.conflicts == (MergeConflict("PRIORITY-1", "field Branch", "**Branch**: b\n", "**Branch**: a\n"),)


def test_the_same_new_field_twice_and_another() -> None:
    theirs = SMALL.replace("**Owner**", "**Branch**: a\n**Owner**")
    ours = SMALL.replace("**Owner**", "**Branch**: a\n**Cost**: 3\n**Owner**")
    assert merge(SMALL, ours, theirs) == (ours, ())


def test_notes_of_one_name_may_stand_there_many_times() -> None:
    base = SMALL + "\n**Note**: first\n"
    merged = merge(base, base + "**Note**: ours\n", base + "**Note**: theirs\n")
    assert merged == (base + "**Note**: theirs\n**Note**: ours\n", ())


def test_a_field_taken_out_here_and_changed_there() -> None:
    ours, theirs = SMALL.replace("2 days", "3 days"), SMALL.replace("**Effort**: 2 days\n", "")
    merged = merge(SMALL, ours, theirs)
    assert merged.text == theirs
    assert merged.conflicts == (MergeConflict("PRIORITY-1", "field Effort", "", "**Effort**: 3 days\n"),)


# --- items come and go -----------------------------------------------------------------------------------------


def test_items_added_on_both_sides() -> None:
    theirs = ADDED.replace("4", "5").replace("us", "them")
    merged = merge(SMALL, f"{SMALL}\n{ADDED}", f"{SMALL}\n{theirs}")
    assert keys(merged.text) == ["PRIORITY-1", "PRIORITY-2", "PRIORITY-3", "PRIORITY-4", "PRIORITY-5"]
    assert ADDED in merged.text
    assert theirs in merged.text
    assert "New.\n\n### PRIORITY 5" in merged.text
    assert merged.conflicts == ()


def test_one_number_for_two_new_items_keeps_theirs() -> None:
    theirs = ADDED.replace("us", "them")
    merged = merge(SMALL, f"{SMALL}\n{ADDED}", f"{SMALL}\n{theirs}")
    assert merged == (f"{SMALL}\n{theirs}", (MergeConflict("PRIORITY-4", "added", theirs, ADDED),))


def test_two_new_items_with_nothing_but_the_number_in_common_are_both_kept() -> None:
    theirs = ADDED.replace("Added by us", "Theirs").replace("New.", "Other.")
    merged = merge(SMALL, f"{SMALL}\n{ADDED}", f"{SMALL}\n{theirs}")
    assert merged == (f"{SMALL}\n{ADDED}\n{theirs}", ())
    assert keys(merged.text)[-2:] == ["PRIORITY-4", "PRIORITY-4#2"]


def test_one_new_item_on_both_sides() -> None:
    theirs = f"{SMALL}\n{ADDED}".replace("What we plan.", "Plans.")
    assert merge(SMALL, f"{SMALL}\n{ADDED}\n", theirs) == (theirs, ())


def test_removed_here_and_untouched_there_is_removed() -> None:
    theirs = SMALL.replace("As a file.", "As two files.")
    assert merge(SMALL, without(SMALL, "2"), theirs) == (without(theirs, "2"), ())
    assert merge(SMALL, theirs, without(SMALL, "2")) == (without(theirs, "2"), ())
    assert merge(SMALL, without(SMALL, "1"), without(SMALL, "2")) == (without(without(SMALL, "1"), "2"), ())


def test_removed_on_one_side_and_changed_on_the_other_is_kept() -> None:
    for ours, theirs in ((without(SMALL, "1"), DONE), (DONE, without(SMALL, "1"))):
        merged = merge(SMALL, ours, theirs)
        assert merged.text == DONE
        assert merged.conflicts == (MergeConflict("PRIORITY-1", "removed", item_text(DONE, "1"), "", ours == DONE),)
        assert merge(SMALL, ours, theirs, drop=True) == (without(SMALL, "1"), merged.conflicts)


def test_the_last_item_without_a_line_end_gets_one_when_another_follows() -> None:
    base = SMALL.rstrip("\n")
    merged = merge(base, base + "\n\n" + ADDED, base.replace("As a file.", "As a sheet."))
    assert merged == (base.replace("As a file.", "As a sheet.") + "\n\n" + ADDED, ())
    merged = merge(base, ADDED + "\n" + base, base + " Soon.")
    assert merged == (ADDED + "\n" + base + " Soon.", ())


# --- order -----------------------------------------------------------------------------------------------------


def moved_up(text: str, key: str) -> str:
    """The item in front of all others."""
    moving = item_text(text, key).rstrip("\n") + "\n\n"
    rest = without(text, key)
    return rest.replace("### PRIORITY", moving + "### PRIORITY", 1)


def test_the_persons_order_and_our_status() -> None:
    merged = merge(SMALL, with_status(SMALL, "3", Status.COMPLETE), moved_up(SMALL, "3"))
    assert keys(merged.text) == ["PRIORITY-3", "PRIORITY-1", "PRIORITY-2"]
    assert status_of(merged.text, "3") is Status.COMPLETE
    assert merged.conflicts == ()


def test_our_order_and_the_persons_text() -> None:
    merged = merge(SMALL, moved_up(SMALL, "2"), SMALL.replace("Find things.", "Find all."))
    assert merged == (moved_up(SMALL, "2").replace("Find things.", "Find all."), ())


def test_different_items_moved_by_both() -> None:
    base = "".join(f"## PRIORITY {n}: item {n}\n\ntext {n}\n\n" for n in range(1, 7))
    parts = re.split(r"(?m)^(?=## )", base)[1:]
    ours = "".join([parts[5], *parts[:5]])
    theirs = "".join([parts[0], parts[2], parts[3], parts[1], *parts[4:]])
    merged = merge(base, ours, theirs)
    assert merged == ("".join(parts[n] for n in (5, 0, 2, 3, 1, 4)), ())


def test_one_item_moved_to_two_places_goes_where_the_person_put_it() -> None:
    base = "".join(f"## PRIORITY {n}: item {n}\n\ntext {n}\n\n" for n in range(1, 5))
    parts = re.split(r"(?m)^(?=## )", base)[1:]
    ours = "".join(parts[n] for n in (3, 0, 1, 2))
    theirs = "".join(parts[n] for n in (0, 3, 1, 2))
    merged = merge(base, ours, theirs)
    assert merged == (theirs, (MergeConflict("PRIORITY-4", "place", "after PRIORITY-1", "first"),))


# --- duplicates and numbers ------------------------------------------------------------------------------------

TWICE = """\
## PRIORITY 3: Search

**Status**: ✅ Complete

The old search.

## PRIORITY 3: Billing

**Status**: 📝 Planned

Send invoices.
"""


def test_taking_out_the_first_of_two_items_with_one_number() -> None:
    ours = with_status(TWICE, "PRIORITY-3#2", Status.IN_PROGRESS)
    merged = merge(TWICE, ours, without(TWICE, "PRIORITY-3"))
    assert merged == (item_text(ours, "PRIORITY-3#2"), ())


def test_a_conflict_names_the_item_as_the_merged_text_does() -> None:
    ours = with_status(TWICE, "PRIORITY-3#2", Status.IN_PROGRESS)
    theirs = without(with_status(TWICE, "PRIORITY-3#2", Status.COMPLETE), "PRIORITY-3")
    assert [conflict.key for conflict in merge(TWICE, ours, theirs).conflicts] == ["PRIORITY-3"]


def test_two_items_of_one_number_and_title_are_told_apart_by_their_text() -> None:
    twice = TWICE.replace("Billing", "Search")
    ours = with_status(twice, "PRIORITY-3#2", Status.IN_PROGRESS)
    theirs = without(twice, "PRIORITY-3").replace("invoices", "reminders")
    merged = merge(twice, ours, theirs)
    assert merged == (theirs.replace("📝 Planned", "🔄 In Progress"), ())


def test_a_renumbered_item_keeps_our_status() -> None:
    theirs = SMALL.replace("PRIORITY 2: Search", "PRIORITY 2.5: Search").replace(
        "### PRIORITY 1", "### PRIORITY 2: New\n\n### PRIORITY 1"
    )
    merged = merge(SMALL, with_status(SMALL, "2", Status.COMPLETE), theirs)
    assert merged == (theirs.replace("Search 📝 Planned", "Search ✅ Complete"), ())


# --- prose -----------------------------------------------------------------------------------------------------


def test_prose_between_items_is_merged_by_its_headings() -> None:
    ours = SMALL.replace("## Later\n", "## Later\n\nNot before autumn.\n")
    theirs = SMALL.replace("## Later", "## Ideas\n\nWild ones.\n\n## Later").replace("# Roadmap", "# Our roadmap")
    merged = merge(SMALL, ours, theirs)
    assert merged == (theirs.replace("## Later\n", "## Later\n\nNot before autumn.\n"), ())


def test_the_same_new_section_on_both_sides() -> None:
    ours, theirs = (f"{SMALL}\n## Done\n\n{line}\n" for line in ("ours", "theirs"))
    merged = merge(SMALL, ours, theirs)
    assert merged.text.startswith(SMALL)
    assert merged.text.count("## Done") == 1
    assert "ours" in merged.text
    assert "theirs" in merged.text
    assert merged.conflicts == ()


# --- line ends and odd texts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("eol", ["\r\n", "\r"])
def test_an_editor_that_converts_all_line_ends(eol: str) -> None:
    theirs = SMALL.replace("As a file.", "As two files.").replace("\n", eol)
    merged = merge(SMALL, DONE, theirs)
    assert merged == (DONE.replace("As a file.", "As two files.").replace("\n", eol), ())
    assert merge(SMALL, theirs, DONE) == merged
    assert merge(SMALL, DONE, SMALL.replace("\n", eol)) == (DONE.replace("\n", eol), ())


def test_mixed_line_ends_made_equal() -> None:
    base = SMALL.replace("nobody yet\n", "nobody yet\r\n")
    merged = merge(base, with_status(base, "1", Status.COMPLETE), SMALL.replace("As a file.", "As two files."))
    assert merged == (DONE.replace("As a file.", "As two files."), ())


def test_one_line_with_another_end_is_no_conversion() -> None:
    base = SMALL.replace("nobody yet\n", "nobody yet\r\n")
    ours = base.replace("What we plan.\n", "What we plan.\r\n")
    theirs = base.replace("**Owner**: nobody yet\r\n", "")
    assert merge(base, ours, theirs) == (ours.replace("**Owner**: nobody yet\r\n", ""), ())


def test_a_byte_order_mark_of_either_side() -> None:
    theirs = SMALL.replace("As a file.", "As two files.")
    both = DONE.replace("As a file.", "As two files.")
    assert merge(SMALL, DONE, "\ufeff" + theirs) == ("\ufeff" + both, ())
    assert merge(SMALL, "\ufeff" + DONE, theirs) == ("\ufeff" + both, ())
    assert merge("\ufeff" + SMALL, "\ufeff" + DONE, theirs) == (both, ())
    assert merge("\ufeff" + SMALL, "\ufeff" + DONE, SMALL) == (DONE, ())


def test_an_unclosed_fence_that_swallows_items_keeps_theirs_and_names_ours() -> None:
    theirs = SMALL.replace("echo find\n```\n", "echo find\n")
    assert keys(theirs) == ["PRIORITY-1", "PRIORITY-2"]
    ours = with_status(DONE, "3", Status.COMPLETE)
    merged = merge(SMALL, ours, theirs)
    assert merged.text == theirs
    assert {conflict.key for conflict in merged.conflicts} == {"PRIORITY-1", "PRIORITY-3"}
    assert all(conflict.other in ours for conflict in merged.conflicts)


def test_an_unclosed_fence_away_from_our_change_is_merged() -> None:
    theirs = SMALL + "\n```\nnever closed\n"
    assert merge(SMALL, DONE, theirs) == (DONE + "\n```\nnever closed\n", ())


def test_items_by_a_pattern_of_the_projects_own() -> None:
    base = "# Plan\n\n## Task 1 - Login\n\nStatus: planned\n\n## Task 2 - Search\n\nStatus: planned\n"
    pattern = r"Task (?P<id>\d+) - (?P<title>.+)"
    ours, theirs = base.replace("planned", "complete", 1), base.replace("Search", "Find")
    assert Document.from_text(base, item_pattern=pattern).items
    assert merge(base, ours, theirs, item_pattern=pattern) == (ours.replace("Search", "Find"), ())
