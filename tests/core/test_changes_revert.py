"""Taking back one change and only that one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.core.merging import SMALL, item_text, keys, status_of, with_status

from coffee_maker.core.changes import describe, diff
from coffee_maker.core.document import Document
from coffee_maker.core.history import NewChange
from coffee_maker.core.items import Status
from coffee_maker.core.revert import Reverted, revert

DONE = with_status(SMALL, "1", Status.COMPLETE)
MORE = SMALL.replace("As a file.", "As two files.").replace("What we plan.", "Our plans.")


def changes(before: str, after: str) -> list[NewChange]:
    """What the history records of the step from one text to another."""
    at, made, digest, text = datetime(2026, 1, 2, tzinfo=UTC), [], Document.from_text(before).digest, before
    for one in describe(Document.from_text(before), Document.from_text(after)):
        now = Document.from_text(one.text).digest
        made.append(
            NewChange(
                at, "person", one.change_type, one.key, *one[2:6], diff(text, one.text, path="r"), None, digest, now
            )
        )
        digest, text = now, one.text
    return made


def back(current: str, before: str, after: str, *, versions: bool = False) -> Reverted:
    """Take the one change from `before` to `after` out of `current`, with or without the whole versions."""
    (change,) = changes(before, after)
    if not versions:
        return revert(Document.from_text(current), change)
    return revert(
        Document.from_text(current), change, before=Document.from_text(before), after=Document.from_text(after)
    )


@pytest.mark.parametrize("versions", [False, True])
def test_a_status_is_taken_back_and_later_changes_stay(versions: bool) -> None:
    later = DONE.replace("As a file.", "As two files.").replace("Find things.", "Find all.").replace("2 days", "3 days")
    undone = back(later, SMALL, DONE, versions=versions)
    assert undone == (later.replace("✅ Complete", "📝 Planned"), "PRIORITY-1", ())


def test_the_undo_of_an_undo() -> None:
    undone = back(DONE, SMALL, DONE).text
    assert undone == SMALL
    assert back(undone, DONE, undone).text == DONE


def test_a_status_after_the_body_was_rewritten() -> None:
    later = DONE.replace("People sign in.", "Quite another text.\n\nOf two paragraphs.").replace("- [ ] form\n", "")
    assert back(later, SMALL, DONE).text == later.replace("✅ Complete", "📝 Planned")


def test_what_was_changed_again_is_refused_with_the_reason() -> None:
    later = with_status(DONE, "1", Status.BLOCKED)
    undone = back(later, SMALL, DONE)
    assert undone.text is None
    assert undone.problems == ("PRIORITY-1: its status was changed again later, to “**Status**: ⏸️ Blocked”",)
    assert back(SMALL, SMALL, DONE).problems == ("PRIORITY-1 is already as it was before that change",)
    longer = DONE.replace("People sign in.", "word " * 99)
    problem = back(longer, DONE, DONE.replace("People sign in.", "All sign in.")).problems[0]
    assert problem.endswith("…”")
    assert len(problem) < 200


def test_a_change_of_an_item_that_is_gone_is_refused() -> None:
    gone = DONE.replace(item_text(DONE, "1"), "")
    assert back(gone, SMALL, DONE).problems == ("PRIORITY-1 is no longer in the roadmap",)


def test_an_addition() -> None:
    added = f"{SMALL}\n## PRIORITY 4: New\n\ntext\n"
    later = added.replace("As a file.", "As two files.")
    assert back(later, SMALL, added) == (SMALL.replace("As a file.", "As two files.") + "\n", "PRIORITY-4", ())
    changed = back(later.replace("text", "other text"), SMALL, added)
    assert changed.problems == ("PRIORITY-4 was changed since it was added; remove it if that is what you want",)
    assert back(SMALL, SMALL, added).problems == ("PRIORITY-4 is no longer in the roadmap",)


def test_a_deletion_is_put_back_behind_what_it_followed() -> None:
    gone = MORE.replace(item_text(MORE, "2"), "")
    (change,) = changes(SMALL, SMALL.replace(item_text(SMALL, "2"), ""))
    undone = revert(Document.from_text(gone), change, before=Document.from_text(SMALL))
    assert undone == (MORE, "PRIORITY-2", ())
    again = revert(Document.from_text(MORE), change, before=Document.from_text(SMALL))
    assert again.problems == ("PRIORITY-2 is in the roadmap again",)


def test_a_deletion_whose_neighbours_are_gone_too() -> None:
    (change,) = changes(SMALL, SMALL.replace(item_text(SMALL, "2"), ""))
    rest = item_text(SMALL, "3")
    undone = revert(Document.from_text(rest), change, before=Document.from_text(SMALL))
    assert undone.text == item_text(SMALL, "2") + rest
    assert keys(undone.text) == ["PRIORITY-2", "PRIORITY-3"]


def test_a_deletion_without_an_older_version_goes_to_the_end() -> None:
    before = SMALL.rstrip("\n")
    (change,) = changes(before, before.replace(item_text(before, "2"), ""))
    undone = revert(Document.from_text(before.replace(item_text(before, "2"), "")), change)
    assert undone.text is not None
    assert keys(undone.text) == ["PRIORITY-1", "PRIORITY-3", "PRIORITY-2"]
    assert "As a file.\n\n### PRIORITY 2" in undone.text
    other = revert(Document.from_text("# Plan\n"), change, before=Document.from_text("# Plan\n"))
    assert other.problems or other.text


def test_one_of_two_items_with_one_number() -> None:
    twice = "## PRIORITY 3: Search\n\nold\n\n## PRIORITY 3: Billing\n\nStatus: planned\n"
    changed = with_status(twice, "PRIORITY-3#2", Status.COMPLETE)
    alone = changed[changed.index("## PRIORITY 3: B") :]
    assert back(alone, twice, changed).key == "PRIORITY-3"
    gone = twice[twice.index("## PRIORITY 3: B") :]
    (change,) = changes(twice, gone)
    undone = revert(Document.from_text(gone), change, before=Document.from_text(twice))
    assert undone == (twice, "PRIORITY-3", ())
    both = changed.replace("old", "older")
    assert back(both, twice, changed) == (twice.replace("old", "older"), "PRIORITY-3#2", ())


@pytest.mark.parametrize("versions", [False, True])
def test_a_move(versions: bool) -> None:
    last = item_text(SMALL, "3")
    moved = SMALL.replace(f"\n{last}", "").replace("### PRIORITY 1", f"{last}\n### PRIORITY 1")
    assert moved.endswith("## Later\n")
    later = with_status(moved, "2", Status.COMPLETE)
    undone = back(later, SMALL, moved, versions=versions)
    assert undone.text is not None
    assert keys(undone.text) == ["PRIORITY-1", "PRIORITY-2", "PRIORITY-3"]
    assert status_of(undone.text, "2") is Status.COMPLETE
    assert undone.text.rstrip().endswith("As a file.")
    assert undone.problems == ()
    assert undone.key == "PRIORITY-3"


def test_a_move_that_cannot_be_taken_back() -> None:
    parts = [f"## PRIORITY {n}: item {n}\n\ntext {n}\n\n" for n in range(1, 6)]
    before, after = "".join(parts), "".join(parts[n] for n in (4, 0, 1, 2, 3))
    again = "".join(parts[n] for n in (0, 1, 4, 2, 3))
    assert back(again, before, after).problems == ("PRIORITY-5 was moved again later",)
    (problem,) = back(again, before, after, versions=True).problems
    assert problem.startswith("PRIORITY-5: its place was changed again later")
    assert back("".join(parts[:3]), before, after).problems == ("PRIORITY-5 is no longer in the roadmap",)
    lost = back("".join(parts[n] for n in (4, 0, 1)), before, after)
    assert lost.problems == (
        "what PRIORITY-5 stood behind is no longer in the roadmap, and the older version is not kept",
    )


GONE = ("what it changed is not there any more as it was left, and its versions are not kept",)


@pytest.mark.parametrize("versions", [False, True])
def test_prose_by_the_versions_or_by_the_diff(versions: bool) -> None:
    after = SMALL.replace("What we plan.", "Our plans.").replace("## Later\n", "")
    later = after.replace("As a file.", "As two files.")
    undone = back(later, SMALL, after, versions=versions)
    assert undone == (SMALL.replace("As a file.", "As two files."), None, ())


def test_prose_that_was_changed_again() -> None:
    after = SMALL.replace("What we plan.", "Our plans.")
    assert back(after.replace("Our", "Their"), SMALL, after).problems == GONE
    assert back(after + after, SMALL, after).problems == GONE, "two places"
    (change,) = changes(SMALL, after)
    assert revert(Document.from_text(after), change._replace(diff="")).problems == GONE
    again = back(after.replace("Our", "Their"), SMALL, after, versions=True)
    assert again.problems == ("the text outside the items: its text was changed again later, to “Their plans.”",)
    assert back(SMALL, SMALL, after, versions=True).problems == ("the roadmap is already as it was before that change",)


def test_a_restore_is_taken_back_as_a_whole() -> None:
    (change, *_) = changes(DONE, SMALL)
    restore = change._replace(change_type="restore", item=None, before_text=None, after_text=None)
    assert change.after_hash == Document.from_text(SMALL).digest
    later = SMALL.replace("As a file.", "As two files.")
    undone = revert(
        Document.from_text(later), restore, before=Document.from_text(DONE), after=Document.from_text(SMALL)
    )
    assert undone.text == DONE.replace("As a file.", "As two files.")
    removed = SMALL.replace(item_text(SMALL, "1"), "")
    undone = revert(
        Document.from_text(removed), restore, before=Document.from_text(DONE), after=Document.from_text(SMALL)
    )
    assert undone.problems == ("PRIORITY-1: changed on one side and removed on the other",)


def test_what_would_not_read_as_the_same_items_is_refused() -> None:
    before = SMALL.replace("People sign in.", "```\ncode")
    fenced = before.replace("```\ncode", "People sign in.")
    text = item_text(SMALL, "1").replace("People sign in.", "```\ncode")
    (change,) = changes(SMALL, SMALL.replace("People sign in.", "All."))
    broken = change._replace(before_text=text)
    undone = revert(Document.from_text(fenced.replace("People sign in.", "All.")), broken)
    assert undone.problems == ("the roadmap would not read as the same items afterwards (an unclosed code block?)",)


def test_a_text_in_the_history_that_reads_as_no_item() -> None:
    (change,) = changes(SMALL, SMALL.replace(item_text(SMALL, "2"), ""))
    undone = revert(Document.from_text(DONE), change._replace(before_text="no item"))
    assert undone.problems == ("the recorded text of PRIORITY-2 does not read as an item",)
    (change,) = changes(SMALL, DONE)
    undone = revert(Document.from_text(DONE), change._replace(after_text="no item", before_text="neither"))
    assert undone.problems != ()
    undone = revert(Document.from_text("# nothing\n"), change._replace(after_text="no item"))
    assert undone.problems == ("PRIORITY-1 is no longer in the roadmap",)


def test_a_byte_order_mark_stays_alone() -> None:
    text = "\ufeff## PRIORITY 1: A\n\n## PRIORITY 2: B\n"
    (change,) = changes(text, text.replace(": B", ": C"))
    assert revert(Document.from_text(text.replace(": B", ": C")), change).text == text


def test_versions_that_are_not_those_of_the_change_are_not_merged() -> None:
    """An older version would take back what happened in between, too."""
    after = SMALL.replace("What we plan.", "Our plans.")
    (change,) = changes(SMALL, after)
    older = Document.from_text(SMALL.replace("As a file.", "As a fax."))
    undone = revert(Document.from_text(after), change, before=older, after=Document.from_text(after))
    assert undone.text == SMALL
    parts = [f"## PRIORITY {n}: item {n}\n\ntext {n}\n\n" for n in range(1, 6)]
    before, moved = "".join(parts), "".join(parts[n] for n in (4, 0, 1, 2, 3))
    (change,) = changes(before, moved)
    older = Document.from_text(before.replace("text 1", "old text"))
    undone = revert(Document.from_text(moved), change, before=older, after=Document.from_text(moved))
    assert undone == (before, "PRIORITY-5", ())


def test_a_diff_without_line_ends_at_the_end() -> None:
    for before, after in (("# a\nb", "# a\nc"), ("# a\nb\n", "# a\nb"), ("# a\nb", "# a\nb\nc"), ("# a\nb", "# c\nb")):
        assert back(after, before, after).text == before
    assert back("", "# a\n", "").problems == GONE
