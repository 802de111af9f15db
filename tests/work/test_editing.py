"""Editing on a real file and both stores: changes, outside edits, stale saves, restores, undo, refusals."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.work.editing_kit import ROADMAP, Desk

from coffee_maker.adapters import roadmap_file
from coffee_maker.adapters.roadmap_file import RoadmapFile
from coffee_maker.core.document import LARGEST
from coffee_maker.core.edits import Place
from coffee_maker.core.errors import (
    CannotTake,
    CannotUndo,
    ChangeNotFound,
    EditRefused,
    ItemNotFound,
    LockBusy,
    NothingToRestore,
    RevisionChanged,
    RoadmapUnusable,
    WrongUsage,
)
from coffee_maker.core.items import Status
from coffee_maker.core.ports import Store
from coffee_maker.core.questions import Kind, Notification, State
from coffee_maker.core.state import Taken
from coffee_maker.utils import locks
from coffee_maker.work.editing import ItemEdits
from coffee_maker.work.recording import Recorder
from coffee_maker.work.rows import KEEP, TAKE, TAKE_BACK, TAKE_OTHER, TAKE_SAVED


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    project = tmp_path / "project"
    project.mkdir()
    return Desk(store, project)


def complete(desk: Desk, ref: str = "2") -> int:
    outcome = desk.editing.set_status(ref, Status.COMPLETE, by="daemon")
    assert outcome.history_id is not None
    return outcome.history_id


def test_a_status_change_touches_its_words_only_and_is_recorded(desk: Desk) -> None:
    outcome = desk.editing.set_status("2", Status.IN_PROGRESS, by="ann", reason="because")
    assert outcome.key == "PRIORITY-2"
    assert (outcome.change_type, outcome.before, outcome.after) == ("status_change", "planned", "in_progress")
    assert desk.text == ROADMAP.replace("📝 Planned\n**Est", "🔄 In Progress\n**Est")
    (change,) = desk.editing.history()
    assert (change.id, change.changed_by, change.reason) == (outcome.history_id, "ann", "because")
    assert change.after_revision == outcome.document_revision == desk.editing.read().revision
    assert outcome.revision == desk.editing.read().item("2").revision
    assert "-**Status**: 📝 Planned" in change.diff
    desk.check_record()


def test_setting_what_is_so_already_records_nothing(desk: Desk) -> None:
    outcome = desk.editing.set_status("2", Status.PLANNED, by="ann")
    assert outcome.history_id is None
    assert not desk.editing.history()
    assert desk.text == ROADMAP


def test_a_dry_run_shows_the_diff_and_writes_nothing(desk: Desk, tmp_path: Path) -> None:
    outcome = desk.editing.set_status("2", Status.COMPLETE, by="ann", dry_run=True)
    assert outcome.history_id is None
    assert "+**Status**: ✅ Complete" in outcome.diff
    assert desk.text == ROADMAP
    assert not os.path.exists(desk.lock_path)


def test_add_edit_move_and_remove_are_changes_of_their_kind(desk: Desk) -> None:
    added = desk.editing.add("Fresh", by="ann", place=Place("after", "2"))
    assert added.key == "PRIORITY-2.25" or added.key
    key = added.key or ""
    wanted = ItemEdits(fields={"Effort": "1 day"}, body=None, title="Fresher")
    edited = desk.editing.edit(key, wanted, by="ann")
    assert (edited.change_type, edited.key) == ("update", key)
    assert desk.editing.read().item(key).title == "Fresher"
    ticked = desk.editing.edit("1", ItemEdits(check=("2",)), by="ann")
    assert ticked.change_type == "update"
    assert all(check.done for check in desk.editing.read().item("1").checks)
    moved = desk.editing.move(key, Place("first"), by="ann")
    assert moved.change_type == "move"
    assert desk.editing.read().items[0].key == key
    removed = desk.editing.remove(key, by="ann")
    assert (removed.change_type, removed.revision) == ("delete", None)
    kinds = [change.change_type for change in desk.editing.history(key)]
    assert kinds == ["delete", "move", "update", "add"]
    assert desk.editing.add("Again", by="ann", place=Place("after", "2")).key != key, "numbers are never given twice"
    desk.check_record()


@pytest.mark.parametrize("how", ["checkout", "editor", "undo"])
def test_the_number_of_an_item_that_went_without_a_command_is_not_given_again(how: str, desk: Desk) -> None:
    """What was approved, asked and begun for the first is known by that number."""
    desk.editing.reconcile()
    added = desk.editing.add("On a branch", by="ann")
    desk.editing.set_status("1", Status.BLOCKED, by="ann")
    if how == "checkout":
        desk.save_outside(ROADMAP)
    elif how == "editor":
        desk.save_outside(desk.text[: desk.text.index("## US-111")])
    else:
        desk.editing.undo(added.history_id, by="ann")
    assert added.key not in [item.key for item in desk.editing.reconcile().items]
    assert (added.key, desk.editing.add("On the main line", by="ann").key) == ("US-111", "US-112")
    desk.check_record()


def test_what_could_not_be_read_again_is_not_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.editing.edit("1", ItemEdits(append="x" * 1000), by="ann")
    large = desk.text
    desk.editing.undo(by="ann")
    monkeypatch.setattr("coffee_maker.work.editing.LARGEST", len(large.encode()) - 1)
    wanted = ItemEdits(append="x" * 1000)
    for change in (
        lambda: desk.editing.edit("1", wanted, by="ann"),
        lambda: desk.editing.edit("1", wanted, by="ann", dry_run=True),
        lambda: desk.editing.undo(2, by="ann"),  # it would bring the text back
    ):
        with pytest.raises(EditRefused, match="bytes, and more than"):
            change()
    assert desk.text == ROADMAP
    assert len(desk.editing.history()) == 2
    monkeypatch.setattr("coffee_maker.work.editing.LARGEST", len(large.encode()))
    desk.editing.edit("1", wanted, by="ann")
    assert desk.text == large


def test_a_revision_may_be_shortened_but_not_to_what_is_met_by_chance(desk: Desk) -> None:
    seen = desk.editing.read().item("2").revision
    assert desk.editing.set_status("2", Status.BLOCKED, by="ann", if_revision=seen[:7].upper()).history_id
    digests = desk.editing.read().digest, desk.editing.read().item("2").revision
    for digest in digests:
        for given in ("", digest[:1], digest[:6], f"{digest[:7]}g"):
            with pytest.raises(WrongUsage):
                desk.editing.set_status("2", Status.COMPLETE, by="ann", if_revision=given)


def test_a_revision_that_has_changed_is_refused(desk: Desk) -> None:
    seen = desk.editing.read().item("2").revision
    document = desk.editing.read().revision
    assert desk.editing.set_status("1", Status.BLOCKED, by="ann", if_revision=document).history_id
    with pytest.raises(RevisionChanged):
        desk.editing.set_status("2", Status.COMPLETE, by="ann", if_revision=document)
    assert desk.editing.set_status("2", Status.COMPLETE, by="ann", if_revision=seen).history_id
    with pytest.raises(RevisionChanged) as refused:
        desk.editing.set_status("2", Status.PLANNED, by="ann", if_revision=seen)
    assert refused.value.exit_code == 5
    assert desk.editing.read().item("2").status is Status.COMPLETE


def test_an_outside_edit_is_recorded_item_by_item_before_the_next_change(desk: Desk) -> None:
    desk.editing.reconcile()
    desk.replace_outside("Text of the second item.", "Other text.")
    desk.replace_outside("A story 📝 Planned", "A story ✅ Complete")
    complete(desk, "2.5")
    changes = list(reversed(desk.editing.history()))
    assert [(one.changed_by, one.item) for one in changes] == [
        ("person", "PRIORITY-2"),
        ("person", "US-110"),
        ("daemon", "PRIORITY-2.5"),
    ]
    assert (changes[1].before, changes[1].after) == ("planned", "complete")
    desk.check_record()


def test_a_refused_change_still_records_the_outside_edit(desk: Desk) -> None:
    desk.editing.reconcile()
    desk.replace_outside("Told at length.", "Told shortly.")
    with pytest.raises(ItemNotFound):
        desk.editing.set_status("99", Status.COMPLETE, by="ann")
    assert [change.item for change in desk.editing.history()] == ["US-110"]
    desk.check_record()


def test_a_stale_save_is_merged_with_what_was_recorded_since(desk: Desk) -> None:
    """P4: the person's editor still holds the text from before the daemon's change."""
    desk.editing.reconcile()
    complete(desk)
    desk.save_outside(ROADMAP.replace("Text of the second item.", "My own words."))
    document = desk.editing.reconcile()
    assert document.item("2").status is Status.COMPLETE
    assert "My own words." in desk.text
    assert questions(desk) == []
    desk.check_record()


def notes(desk: Desk):  # type: ignore[no-untyped-def]
    with desk.store.reading() as tx:
        return tx.notifications.find()


def conflict(desk: Desk) -> None:
    """The buffer is from before a change of two things: one that it still has as it was, one that it contradicts."""
    desk.editing.reconcile()
    wanted = ItemEdits(status=Status.COMPLETE, fields={"Estimated Effort": "5 days"})
    desk.editing.edit("2", wanted, by="daemon")
    stale = ROADMAP.replace("📝 Planned\n**Est", "⏸️ Blocked\n**Est").replace("Told at length.", "Told shortly.")
    desk.save_outside(stale)
    desk.editing.reconcile()


def test_a_real_conflict_keeps_the_persons_side_and_asks(desk: Desk) -> None:
    conflict(desk)
    assert desk.editing.read().item("2").status is Status.BLOCKED
    assert desk.editing.read().item("2").fields["effort"] == "5 days"
    (question,) = questions(desk)
    assert question.options == (KEEP, TAKE)
    assert "PRIORITY-2" in question.message
    assert "complete" in question.message.lower()
    desk.check_record()


def questions(desk: Desk):  # type: ignore[no-untyped-def]
    return [note for note in notes(desk) if note.kind is Kind.QUESTION]


def test_an_item_of_the_number_of_one_that_was_added_meanwhile_leaves_both(desk: Desk) -> None:
    desk.editing.reconcile()
    added = desk.editing.add("Agent's item", number="PRIORITY-9", body="Long agent text", by="daemon")
    complete(desk)
    desk.save_outside(f"{ROADMAP}\n### PRIORITY 9: Person item\n\n**Status**: 📝 Planned\n")
    document = desk.editing.reconcile()
    assert "Long agent text" in document.text_of(document.item(added.key or ""))
    assert document.item("PRIORITY-9#2").title == "Person item"
    assert any("PRIORITY-9" in str(problem) for problem in document.problems)
    desk.check_record()


@pytest.mark.parametrize("order", ["older", "newer"])
def test_a_stale_save_that_contradicts_an_older_of_several_changes_asks(desk: Desk, order: str) -> None:
    desk.editing.reconcile()
    if order == "older":
        desk.editing.set_status("2", Status.IN_PROGRESS, by="daemon")
    desk.editing.set_status("US-110", Status.COMPLETE, by="daemon")
    if order == "newer":
        desk.editing.set_status("2", Status.IN_PROGRESS, by="daemon")
    desk.save_outside(ROADMAP.replace("📝 Planned\n**Est", "⏸️ Blocked\n**Est"))
    document = desk.editing.reconcile()
    assert (document.item("2").status, document.item("US-110").status) == (Status.BLOCKED, Status.COMPLETE)
    (question,) = questions(desk)
    assert "In Progress" in question.message
    desk.check_record()


@pytest.mark.parametrize("first", ["plain", "merged"])
def test_an_editor_that_goes_on_from_what_it_saved_is_not_asked_about_its_own_words(desk: Desk, first: str) -> None:
    desk.editing.reconcile()
    if first == "merged":
        complete(desk)
    buffer = ROADMAP.replace("Told at length.", "First draft.")
    desk.save_outside(buffer)
    desk.editing.reconcile()
    desk.editing.set_status("2.5", Status.IN_PROGRESS, by="daemon")
    desk.save_outside(buffer.replace("First draft.", "Second draft."))
    document = desk.editing.reconcile()
    assert "Second draft." in desk.text
    assert document.item("2.5").status is Status.IN_PROGRESS
    assert questions(desk) == []
    desk.check_record()


def test_the_answer_to_a_conflict_takes_the_other_side_and_only_that(desk: Desk) -> None:
    conflict(desk)
    desk.editing.set_status("2.5", Status.IN_PROGRESS, by="ann")
    (question,) = questions(desk)
    assert desk.editing.choose(question._replace(answer=KEEP)) is None
    outcome = desk.editing.choose(question._replace(answer=TAKE, state=State.RESPONDED, answered_by="ann"))
    assert outcome is not None
    document = desk.editing.read()
    assert document.item("2").status is Status.COMPLETE
    assert document.item("2.5").status is Status.IN_PROGRESS
    assert "Told shortly." in desk.text
    desk.check_record()


def test_an_exact_return_is_a_restore_and_can_be_taken_back(desk: Desk) -> None:
    desk.editing.reconcile()
    complete(desk)
    after = desk.text
    desk.save_outside(ROADMAP)
    assert desk.editing.reconcile().text == ROADMAP
    (restore, _) = desk.editing.history()
    assert (restore.change_type, restore.changed_by) == ("restore", "person")
    (note,) = notes(desk)
    assert f"coffee-roadmap undo {restore.id}" in note.message
    desk.editing.undo(restore.id, by="ann")
    assert desk.text == after
    desk.check_record()


def test_the_history_of_an_item_has_the_restores_that_changed_it(desk: Desk) -> None:
    desk.editing.reconcile()
    complete(desk)
    desk.save_outside(ROADMAP)
    desk.editing.reconcile()
    desk.editing.edit("1", ItemEdits(append="Later."), by="ann")
    assert [one.change_type for one in desk.editing.history("PRIORITY-2")] == ["restore", "status_change"]
    assert [one.change_type for one in desk.editing.history("PRIORITY-2", limit=1)] == ["restore"]
    assert [one.change_type for one in desk.editing.history("PRIORITY-1")] == ["update"]
    restore, change = desk.editing.history("PRIORITY-2")
    assert desk.editing.history("PRIORITY-2", after_id=change.id) == [restore]
    with desk.store.writing() as tx:
        tx.roadmap.prune_versions(keep_last=1, keep_since=datetime(2100, 1, 1, tzinfo=UTC))
    assert [one.change_type for one in desk.editing.history("PRIORITY-1")] == ["update", "restore"]  # it may have


def test_the_history_of_an_item_looks_into_few_versions(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.editing.reconcile()
    complete(desk)
    after = desk.text
    for _ in range(15):
        desk.save_outside(ROADMAP)
        desk.editing.reconcile()
        desk.save_outside(after)
        desk.editing.reconcile()
    parsed: list[bytes] = []
    really = Recorder.parse
    monkeypatch.setattr(Recorder, "parse", lambda self, content: parsed.append(content) or really(self, content))
    assert len(desk.editing.history("PRIORITY-2")) == 21
    assert len(desk.editing.history("PRIORITY-1")) == 0
    assert len(parsed) == 4
    assert [one.change_type for one in desk.editing.history("PRIORITY-2", limit=1)] == ["restore"]


def test_what_was_set_aside_and_is_no_roadmap_any_more_is_kept_and_in_nobodys_way(desk: Desk) -> None:
    desk.editing.reconcile()
    held = desk.path.with_name(".ROADMAP.md.coffee-open-0123456789ab")
    held.touch()
    os.truncate(held, LARGEST + 1)
    complete(desk)
    assert not held.exists()
    (kept,) = desk.path.parent.glob("ROADMAP.md.saved-*")
    assert kept.stat().st_size == LARGEST + 1
    assert any(str(kept) in note.message for note in notes(desk))
    desk.check_record()


@pytest.mark.parametrize(("change", "asked"), [(ItemEdits(), 1), (ItemEdits(append="Built."), 0)], ids=["one", "two"])
def test_one_change_that_a_text_lacks_may_have_been_taken_back_by_hand(
    change: ItemEdits, asked: int, desk: Desk
) -> None:
    """A person who rejects an item adds a word why; nobody takes back two changes and adds words beside them."""
    desk.editing.reconcile()
    desk.editing.edit("2", change._replace(status=Status.COMPLETE), by="daemon")
    assert desk.text  # somebody may have loaded it
    desk.save_outside(ROADMAP.replace("Text of the second item.", "Text of the second item. Not yet done."))
    assert desk.editing.reconcile().item("2").status is Status.COMPLETE
    assert "Not yet done." in desk.text
    assert [note.kind for note in notes(desk)] == [Kind.QUESTION if asked else Kind.INFO]
    for question in questions(desk):
        desk.editing.choose(question._replace(answer=TAKE_SAVED, answered_by="ann"))
        assert desk.editing.read().item("2").status is Status.PLANNED
        assert "Not yet done." in desk.text
    desk.check_record()


BETWEEN = "### PRIORITY 2.5: Between\n\n**Status**: "


def both_complete_one(desk: Desk) -> None:
    """Two changes are recorded; an editor that has not seen them makes the second one as well."""
    desk.editing.reconcile()
    complete(desk)
    desk.editing.set_status("2.5", Status.COMPLETE, by="daemon")


def test_a_text_that_may_be_an_old_copy_or_take_something_back_is_asked_about(desk: Desk) -> None:
    both_complete_one(desk)
    outside = ROADMAP.replace(f"{BETWEEN}📝 Planned", f"{BETWEEN}✅ Complete")
    assert desk.text != outside  # this reads the file: from now on nothing tells that the editor had an old copy
    desk.save_outside(outside)
    assert desk.editing.reconcile().item("2").status is Status.PLANNED
    (question,) = questions(desk)
    assert question.options == (KEEP, TAKE_BACK)
    assert question.item == "PRIORITY-2"
    assert "- PRIORITY-2: planned → complete" in question.message
    assert desk.editing.choose(question._replace(answer=KEEP)) is None
    assert desk.editing.choose(question._replace(answer=TAKE_BACK, answered_by="ann")) is not None
    assert {desk.editing.read().item(key).status for key in ("2", "2.5")} == {Status.COMPLETE}
    desk.check_record()


def test_a_text_written_over_a_version_that_nobody_has_read_is_an_old_copy(desk: Desk) -> None:
    both_complete_one(desk)
    desk.save_outside(ROADMAP.replace(f"{BETWEEN}📝 Planned", f"{BETWEEN}✅ Complete"))
    assert desk.editing.reconcile().item("2").status is Status.COMPLETE
    assert questions(desk) == []
    desk.check_record()


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("changes", [(Status.IN_PROGRESS,), (Status.IN_PROGRESS, Status.COMPLETE)])
def test_a_contradiction_of_what_nobody_has_read_asks(changes: tuple[Status, ...], seen: bool, desk: Desk) -> None:
    desk.editing.reconcile()
    for status in changes:
        desk.editing.set_status("2", status, by="daemon")
    if seen:
        assert desk.text
    desk.save_outside(ROADMAP.replace("📝 Planned\n**Est", "⏸️ Blocked\n**Est"))
    assert desk.editing.reconcile().item("2").status is Status.BLOCKED
    assert len(questions(desk)) == (0 if seen else 1)
    assert [change.after for change in desk.editing.history()] == ["blocked", *(one.value for one in changes[::-1])]
    desk.check_record()


def test_what_an_editor_wrote_is_known_to_it(desk: Desk) -> None:
    """A version that an editor saved is not one that nobody has read, though only it has been there."""
    complete(desk)
    for words in ("First words.", "Second words."):
        desk.save_outside(desk.editing.read().text.replace("Text of the second item.", words))
        desk.editing.reconcile()
        assert words in desk.editing.read().text
        desk.save_outside(desk.editing.read().text.replace(words, "Text of the second item."))
        desk.editing.reconcile()
    assert questions(desk) == []
    desk.check_record()


FIRST = "Text of the second item.\n\nFoo is what I think.\n"


@pytest.mark.parametrize(
    "second", ["Text of the second item.\n\nBar is better to say.\n", "Words of the second item.\n"]
)
def test_who_writes_anew_what_they_saved_finds_only_that(second: str, desk: Desk) -> None:
    desk.editing.reconcile()
    for text in (FIRST, second):
        desk.save_outside(ROADMAP.replace("Text of the second item.\n", text))
        desk.editing.reconcile()
    assert desk.text == ROADMAP.replace("Text of the second item.\n", second)
    assert notes(desk) == []
    desk.check_record()


def test_a_save_without_what_was_saved_before_keeps_it_and_asks(desk: Desk) -> None:
    """A second editor had the older copy, or the first took its own words back: only they know."""
    desk.editing.reconcile()
    desk.save_outside(ROADMAP.replace("Text of the second item.\n", FIRST))
    desk.editing.reconcile()
    outside = ROADMAP.replace("Told at length.", "Told shortly.")
    desk.save_outside(outside)
    desk.editing.reconcile()
    assert "Foo" in desk.text
    assert "Told shortly." in desk.text
    (question,) = questions(desk)
    assert question.options == (KEEP, TAKE_SAVED)
    assert "older copy" in question.message
    assert "- PRIORITY-2: without Foo is what I think." in question.message
    assert desk.editing.choose(question._replace(answer=TAKE_SAVED, answered_by="ann")) is not None
    assert desk.text == outside
    desk.check_record()


def test_a_correction_of_what_was_just_appended_is_one(desk: Desk) -> None:
    desk.editing.reconcile()
    desk.editing.edit("2", ItemEdits(append="The customer wants blue walls."), by="daemon")
    desk.replace_outside("The customer wants blue walls.", "The customer wants green walls.")
    desk.editing.reconcile()
    assert "blue" not in desk.text
    assert desk.text.count("green") == 1
    desk.check_record()


def test_what_an_older_copy_lacked_is_told_once(desk: Desk) -> None:
    desk.editing.reconcile()
    complete(desk)
    stale = ROADMAP
    for words in ("Told shortly.", "Told in a word."):
        stale = stale.replace("Told at length.", words).replace("Told shortly.", words)
        desk.save_outside(stale)
        desk.editing.reconcile()
        assert words in desk.editing.read().text
        assert desk.editing.read().item("2").status is Status.COMPLETE
    (note,) = notes(desk)
    assert note.kind is Kind.INFO
    assert "- PRIORITY-2: planned → complete" in note.message
    assert desk.text  # somebody may have loaded the file now: what is kept once more is told once more
    desk.save_outside(stale.replace("Told in a word.", "Told again."))
    desk.editing.reconcile()
    assert len(notes(desk)) == 2
    desk.check_record()


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize("noticed", [True, False])
def test_an_old_copy_that_is_saved_again_changes_nothing(noticed: bool, seen: bool, desk: Desk) -> None:
    """Who presses `save` twice, or whose editor saves by itself, has not gone back to an older version. Only where the
    file may have been loaded meanwhile, the agent's work may have been taken back by hand: that is asked."""
    desk.editing.reconcile()
    complete(desk)
    stale = ROADMAP.replace("Told at length.", "Told shortly.")
    for _ in range(3):
        if seen:
            assert desk.text
        desk.save_outside(stale)
        if noticed:
            desk.editing.reconcile()
        else:
            desk.editing.edit("1", ItemEdits(append="Noted."), by="daemon")
        assert desk.editing.read().item("2").status is Status.COMPLETE
        assert "Told shortly." in desk.editing.read().text
    assert "restore" not in {change.change_type for change in desk.editing.history()}
    desk.check_record()
    if not seen:
        assert questions(desk) == []
        assert len(notes(desk)) == 1
    elif noticed:
        (question,) = questions(desk)
        desk.editing.choose(question._replace(answer=TAKE_SAVED, answered_by="ann"))
        assert desk.text == stale


def test_an_old_copy_in_which_the_edit_is_taken_back_takes_only_that_back(desk: Desk) -> None:
    desk.editing.reconcile()
    complete(desk)
    desk.save_outside(ROADMAP.replace("Told at length.", "Told shortly."))
    desk.editing.reconcile()
    desk.save_outside(ROADMAP)  # exactly an older version, and yet no return to it
    document = desk.editing.reconcile()
    assert document.item("2").status is Status.COMPLETE
    assert "Told at length." in desk.text
    (question,) = questions(desk)
    desk.editing.choose(question._replace(answer=TAKE_SAVED, answered_by="ann"))
    assert desk.text == ROADMAP
    desk.check_record()


def test_the_marks_of_an_unfinished_git_merge_are_refused_until_it_is_settled(desk: Desk) -> None:
    """A status below both sides was the last one's: set to complete for one item, it was so for the other, too."""
    desk.editing.reconcile()
    status = "\n**Status**: 📝 Planned\n"
    ours, theirs = "### PRIORITY 4: Ours\n", "### PRIORITY 4: Theirs\n"
    sides = f"<<<<<<< HEAD\n{ours}=======\n{theirs}>>>>>>> branch\n{status}"
    desk.save_outside(f"{ROADMAP}\n{sides}")
    assert [item.key for item in desk.editing.read().items][-2:] == ["PRIORITY-4", "PRIORITY-4#2"]  # reading goes on
    with pytest.raises(RoadmapUnusable, match="unfinished git merge, from line 30 on") as refused:
        desk.editing.set_status("2", Status.COMPLETE, by="daemon")
    assert "git mergetool" in refused.value.hint
    assert desk.text == f"{ROADMAP}\n{sides}"
    assert desk.editing.history() == []
    desk.save_outside(f"{ROADMAP}\n{ours}{status}\n```\n{sides}```\n")
    complete(desk)
    assert desk.editing.read().item("4").title == "Ours"
    desk.check_record()


@pytest.mark.parametrize("before", ["```in a line```\n", "````\n```\n````\n", "Text\n", "```\nnever closed\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_merge_is_unfinished_also_below_what_only_looks_like_an_open_fence(desk: Desk, before: str, end: str) -> None:
    desk.editing.reconcile()
    desk.save_outside(f"{ROADMAP}\n{before}\n<<<<<<< HEAD\none\n=======\ntwo\n>>>>>>> branch\n".replace("\n", end))
    with pytest.raises(RoadmapUnusable, match="unfinished git merge"):
        complete(desk)


@pytest.mark.parametrize(
    "text", ["<<<<<<< HEAD\n>>>>>>> branch\n", "~~~\n<<<<<<< HEAD\n=======\n>>>>>>> branch\n~~~\n"]
)
def test_marks_that_are_no_unfinished_merge_hinder_nobody(desk: Desk, text: str) -> None:
    desk.editing.reconcile()
    desk.save_outside(f"{ROADMAP}\n{text}")
    complete(desk)
    assert text in desk.text


def test_a_roadmap_that_was_taken_up_with_the_marks_of_a_merge_can_be_changed(desk: Desk) -> None:
    desk.save_outside(f"{ROADMAP}\n<<<<<<< HEAD\none\n=======\ntwo\n>>>>>>> branch\n")
    desk.editing.reconcile()
    desk.save_outside(desk.text.replace("Told at length.", "Told shortly."))
    complete(desk)
    assert "Told shortly." in desk.text


def test_a_checkout_after_an_old_copy_was_merged_is_a_return(desk: Desk) -> None:
    """An editor that once saved an old copy never had what was recorded after that."""
    desk.editing.reconcile()
    complete(desk)
    desk.save_outside(ROADMAP.replace("Told at length.", "Told shortly."))
    desk.editing.reconcile()
    desk.editing.edit("1", ItemEdits(append="Noted."), by="daemon")
    on_main = desk.text
    desk.editing.add("On a branch", by="ann")
    desk.save_outside(on_main)
    desk.editing.reconcile()
    assert desk.text == on_main
    assert desk.editing.history()[0].change_type == "restore"
    assert questions(desk) == []
    assert "went back" in notes(desk)[-1].title
    desk.check_record()


def test_an_editor_at_work_finds_what_it_saved_and_is_not_told_anything(desk: Desk) -> None:
    """Typing, and taking back what was typed, while every save is noticed."""
    desk.editing.reconcile()
    one, two = "Text of the second item.", "Told at length."
    for edits in (
        [(one, "First words.")],
        [(one, "First words."), (two, "Told shortly.")],
        [(one, "Second words.")],
        [],
        [(one, "First words."), (two, "Told shortly.")],
        [(two, "Told in a word.")],
    ):
        text = ROADMAP
        for old, new in edits:
            text = text.replace(old, new)
        desk.save_outside(text)
        desk.editing.reconcile()
        assert desk.text == text
    assert "restore" in {change.change_type for change in desk.editing.history()}
    assert [note.title for note in notes(desk)] == []
    desk.check_record()


@pytest.mark.parametrize("by", ["agent", "editor"])
def test_a_new_item_with_another_number_is_the_same_item(by: str, desk: Desk) -> None:
    desk.editing.reconcile()
    if by == "agent":
        desk.editing.add("Something new", number="PRIORITY-9", body="What it is about.", by="daemon")
    else:
        desk.save_outside(f"{ROADMAP}\n### PRIORITY 9: Something new\n\n**Status**: 📝 Planned\n\nWhat it is about.\n")
        desk.editing.reconcile()
    desk.save_outside(desk.text.replace("PRIORITY 9:", "PRIORITY 4:").replace("PRIORITY-9:", "PRIORITY-4:"))
    document = desk.editing.reconcile()
    assert [item.key for item in document.items if "new" in item.title] == ["PRIORITY-4"]
    assert questions(desk) == []
    desk.check_record()


def test_a_return_after_the_file_was_loaded_anew_is_a_return(desk: Desk) -> None:
    desk.editing.reconcile()
    complete(desk)
    desk.save_outside(ROADMAP.replace("Told at length.", "Told shortly."))
    desk.editing.reconcile()
    desk.replace_outside("Told shortly.", "Told in a word.")
    desk.editing.reconcile()
    desk.save_outside(ROADMAP)
    assert desk.editing.reconcile().text == ROADMAP
    assert desk.editing.history()[0].change_type == "restore"
    assert questions(desk) == []


def test_what_is_only_offered_as_an_answer_is_no_version_that_an_editor_had(desk: Desk) -> None:
    conflict(desk)
    (question,) = questions(desk)
    with desk.store.reading() as tx:
        offered = question.context["choice"]["alternative"]  # type: ignore[index]
        assert offered in tx.roadmap.versions(99)
        assert offered not in tx.roadmap.versions(99, in_file=True)
    desk.editing.choose(question._replace(answer=TAKE, answered_by="ann"))
    with desk.store.reading() as tx:
        assert offered in tx.roadmap.versions(99, in_file=True)


def test_a_return_but_for_blanks_is_a_return(desk: Desk) -> None:
    """An editor that cuts blanks off, or ends the file with a line of its own, has not edited anything."""
    desk.editing.reconcile()
    complete(desk)
    outside = ROADMAP.replace("Told at length.\n", "Told at length.  \n\n")
    desk.save_outside(outside)
    assert desk.editing.reconcile().text == outside
    (restore, _) = desk.editing.history()
    assert restore.change_type == "restore"
    (note,) = notes(desk)
    assert f"coffee-roadmap undo {restore.id}" in note.message
    desk.editing.undo(restore.id, by="ann")
    assert desk.editing.read().item("2").status is Status.COMPLETE
    desk.check_record()


def test_moves_of_one_save_are_taken_back_one_by_one(desk: Desk) -> None:
    desk.editing.reconcile()
    blocks = [f"## PRIORITY {number}: Thing {number}\n\nWords.\n\n" for number in range(5, 10)]
    desk.save_outside(ROADMAP + "\n" + "".join(blocks))
    order = [item.key for item in desk.editing.reconcile().items]
    desk.save_outside(ROADMAP + "\n" + "".join([blocks[2], blocks[3], blocks[0], blocks[1], blocks[4]]))
    assert [item.key for item in desk.editing.reconcile().items] != order
    moves = [change for change in desk.editing.history() if change.change_type == "move"]
    assert len(moves) == 2
    for change in moves:
        before = desk.text
        desk.editing.undo(change.id, by="ann")
        assert desk.text != before
    assert [item.key for item in desk.editing.read().items] == order
    with pytest.raises(CannotUndo):
        desk.editing.undo(moves[0].id, by="ann")
    desk.check_record()


@pytest.mark.parametrize("saved", [("Text of the second", "Text of item two"), ("**Status**: ✅", "**Status**: 🔄")])
def test_an_edit_of_the_newest_version_tells_nothing(saved: tuple[str, str], desk: Desk) -> None:
    desk.editing.reconcile()
    desk.editing.edit("2", ItemEdits(append="The customer wants blue."), by="daemon")
    for _ in range(2):  # there and back: what the editor itself saved is its own
        desk.save_outside(desk.text.replace(saved[0], saved[1], 1))
        desk.editing.reconcile()
        saved = saved[1], saved[0]
    assert not [note for note in notes(desk) if note.kind is Kind.ALERT]


def test_items_that_vanish_together_raise_an_alert(desk: Desk) -> None:
    desk.editing.reconcile()
    desk.save_outside(ROADMAP[: ROADMAP.index("### 🔴 **PRIORITY 2:")])
    desk.editing.reconcile()
    (alert,) = notes(desk)
    assert alert.kind is Kind.ALERT
    assert "PRIORITY-2.5" in alert.message
    assert [change.change_type for change in desk.editing.history()] == ["delete"] * 3


def test_another_roadmap_in_the_place_of_this_one_is_taken_as_it_is_and_told(desk: Desk) -> None:
    def roadmap(what: str, count: int) -> str:
        item = "## PRIORITY {0}: {1} number {0}\n\n**Status**: 📝 Planned\n\nHow {1} number {0} is made.\n\n"
        return "# Roadmap\n\n" + "".join(item.format(number, what) for number in range(1, count + 1))

    for count in (2, 6):
        desk.save_outside(roadmap("house", count))
        desk.editing.reconcile()
    complete(desk)
    other = roadmap("bread", 2)
    desk.save_outside(other)
    desk.editing.reconcile()
    assert desk.text == other
    (alert,) = notes(desk)
    assert "4 items disappeared" in alert.title
    desk.check_record()


def test_an_emptied_file_is_an_accident_and_comes_back(desk: Desk) -> None:
    complete(desk)
    good = desk.text
    desk.save_outside("\n")
    with pytest.raises(RoadmapUnusable, match="empty"):
        desk.editing.set_status("1", Status.BLOCKED, by="ann")
    assert desk.editing.restore_recorded().text == good
    desk.path.unlink()
    assert desk.editing.restore_recorded().text == good
    desk.check_record()


def test_nothing_to_restore_is_said(store: Store, tmp_path: Path) -> None:
    desk = Desk(store, tmp_path)
    desk.path.unlink()
    with store.writing():
        pass
    with pytest.raises(NothingToRestore):
        desk.editing.restore_recorded()


class BusyEditor(RoadmapFile):
    """A file into which somebody saves right before our text is placed, each of the first `times`."""

    def __init__(self, path: str, saves: list[Callable[[str], str]]) -> None:
        super().__init__(path, patience=0.2, gap=0.0)
        self.saves = saves

    def place(self, staged: str, expected: str) -> Taken | None:
        if self.saves:
            save = self.saves.pop(0)
            path = Path(self.path)
            path.write_bytes(save(path.read_bytes().decode()).encode())
        return super().place(staged, expected)


@pytest.mark.parametrize("way", ["exchange", "rename"])
def test_saves_between_reading_and_placing_survive(
    store: Store, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "rename":
        monkeypatch.setattr(roadmap_file, "_exchange", lambda *_: False)
    Desk(store, tmp_path).editing.reconcile()
    saves: list[Callable[[str], str]] = [
        lambda text: text.replace("Told at length.", "Saved while placing."),
        lambda text: text.replace("Some words before", "Saved again before"),
    ]
    desk = Desk(store, tmp_path, file=BusyEditor(str(tmp_path / "ROADMAP.md"), saves))
    complete(desk)
    assert not saves
    assert desk.editing.read().item("2").status is Status.COMPLETE
    assert "Saved while placing." in desk.text
    assert "Saved again before" in desk.text
    desk.check_record()
    assert {change.changed_by for change in desk.editing.history()} == {"daemon", "person"}


@pytest.mark.parametrize("way", ["exchange", "rename"])
def test_a_stale_save_right_before_placing_is_merged_from_its_own_base(
    store: Store, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "rename":
        monkeypatch.setattr(roadmap_file, "_exchange", lambda *_: False)
    first = Desk(store, tmp_path)
    stale = first.text
    first.editing.edit("2.5", ItemEdits(append="Noted since."), by="daemon")
    first.editing.add("Added since", by="daemon")
    saves: list[Callable[[str], str]] = [lambda _: stale.replace("Told at length.", "Typed meanwhile.")]
    desk = Desk(store, tmp_path, file=BusyEditor(str(tmp_path / "ROADMAP.md"), saves))
    complete(desk)
    for kept in ("Noted since.", "Added since", "Typed meanwhile."):
        assert kept in desk.text
    assert desk.editing.read().item("2").status is Status.COMPLETE
    desk.check_record()


def test_a_return_to_an_older_version_right_before_placing_is_told_and_can_be_taken_back(
    store: Store, tmp_path: Path
) -> None:
    first = Desk(store, tmp_path)
    old = first.text
    first.editing.edit("2.5", ItemEdits(append="Noted since."), by="daemon")
    desk = Desk(store, tmp_path, file=BusyEditor(str(tmp_path / "ROADMAP.md"), [lambda _: old]))
    complete(desk)
    assert "Noted since." not in desk.text
    assert desk.editing.read().item("2").status is Status.COMPLETE
    (note,) = notes(desk)
    desk.editing.undo(int(note.message.rpartition(" ")[2]), by="ann")
    assert "Noted since." in desk.text
    assert desk.editing.read().item("2").status is Status.COMPLETE
    desk.check_record()


def test_an_unreadable_save_in_between_is_set_aside(store: Store, tmp_path: Path) -> None:
    Desk(store, tmp_path).editing.reconcile()
    file = BusyEditor(str(tmp_path / "ROADMAP.md"), [])
    desk = Desk(store, tmp_path, file=file)

    class Garbage(BusyEditor):
        def place(self, staged: str, expected: str) -> Taken | None:
            if not self.saves:
                return super().place(staged, expected)
            self.saves.clear()
            Path(self.path).write_bytes(b"\xff\xfe\x00")
            return RoadmapFile.place(self, staged, expected)

    desk = Desk(store, tmp_path, file=Garbage(str(tmp_path / "ROADMAP.md"), [str]))
    complete(desk)
    assert desk.editing.read().item("2").status is Status.COMPLETE
    (alert,) = notes(desk)
    assert alert.kind is Kind.ALERT
    with store.reading() as tx:
        assert tx.roadmap.version(alert.message.rpartition("version ")[2].split(" ")[0]) == b"\xff\xfe\x00"
    desk.check_record()


@pytest.mark.parametrize("way", ["exchange", "rename"])
def test_what_is_written_through_a_handle_that_stays_open_is_merged_when_it_is_closed(
    desk: Desk, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "rename":
        monkeypatch.setattr(roadmap_file, "_exchange", lambda *_: False)
    desk.editing.reconcile()
    with desk.path.open("r+b") as handle:
        complete(desk)
        complete(desk, "2.5")
        desk.editing.reconcile()
        handle.write(ROADMAP.replace("Told at length.", "Written late.").encode())
        handle.truncate()
    document = desk.editing.reconcile()
    assert "Written late." in desk.text
    assert (document.item("2").status, document.item("2.5").status) == (Status.COMPLETE, Status.COMPLETE)
    assert desk.editing.history()[0].changed_by == "person"
    assert questions(desk) == []
    desk.check_record()


@pytest.mark.parametrize("written", [ROADMAP, " \n"])
def test_a_handle_through_which_nothing_new_was_written_leaves_nothing(desk: Desk, written: str) -> None:
    desk.editing.reconcile()
    with desk.path.open("r+b") as handle:
        complete(desk)
        handle.write(written.encode())
        handle.truncate()
    text = desk.text
    desk.editing.reconcile()
    assert desk.text == text
    desk.check_record()


def test_no_text_through_a_handle_that_stayed_open_is_set_aside_and_told(desk: Desk) -> None:
    desk.editing.reconcile()
    with desk.path.open("r+b") as handle:
        complete(desk)
        handle.write(b"\xff\xfe")
    text = desk.text
    desk.editing.reconcile()
    (alert,) = notes(desk)
    assert alert.kind is Kind.ALERT
    assert desk.text == text
    desk.check_record()


def test_a_file_that_cannot_be_replaced_is_not_recorded_as_changed(store: Store, tmp_path: Path) -> None:
    class Stuck(RoadmapFile):
        def place(self, staged: str, expected: str) -> Taken | None:
            raise RoadmapUnusable(path=self.path, problem="not permitted")

    desk = Desk(store, tmp_path, file=Stuck(str(tmp_path / "ROADMAP.md"), gap=0.0))
    with pytest.raises(RoadmapUnusable):
        complete(desk)
    assert desk.text == ROADMAP
    assert [change.change_type for change in desk.editing.history()] == ["restore", "status_change"]
    desk.check_record()


def test_a_guard_that_raises_stops_the_change(desk: Desk) -> None:
    def guard(_tx: object) -> None:
        raise ItemNotFound(ref="lost")

    with pytest.raises(ItemNotFound):
        desk.editing.set_status("2", Status.COMPLETE, by="daemon", guard=guard)
    assert desk.text == ROADMAP
    assert not desk.editing.history()
    desk.check_record()


def test_an_interrupt_right_behind_the_commit_leaves_the_change_to_be_finished(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.editing.reconcile()
    really = Recorder._write

    def interrupted(*args: Any, **kwargs: Any) -> int:
        really(*args, **kwargs)
        raise KeyboardInterrupt

    monkeypatch.setattr(Recorder, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        complete(desk)
    monkeypatch.undo()
    assert desk.editing.reconcile().item("2").status is Status.COMPLETE
    assert [change.change_type for change in desk.editing.history()] == ["status_change"]
    assert not notes(desk)
    desk.check_record()


def test_undo_takes_back_one_change_and_leaves_the_later_ones(desk: Desk) -> None:
    first = complete(desk)
    desk.editing.set_status("2.5", Status.BLOCKED, by="ann")
    desk.editing.edit("2", ItemEdits(fields={"Effort": "9 days"}), by="ann")
    outcome = desk.editing.undo(first, by="ann")
    assert (outcome.key, outcome.before, outcome.after) == ("PRIORITY-2", "complete", "planned")
    document = desk.editing.read()
    assert document.item("2").status is Status.PLANNED
    assert "9 days" in document.item("2").fields.values()
    assert document.item("2.5").status is Status.BLOCKED
    with pytest.raises(CannotUndo, match="undone"):
        desk.editing.undo(first, by="ann")
    desk.check_record()


def test_undo_without_a_number_takes_the_newest_and_then_the_one_before(desk: Desk) -> None:
    complete(desk)
    desk.editing.set_status("2.5", Status.BLOCKED, by="ann")
    assert desk.editing.undo(by="ann").key == "PRIORITY-2.5"
    assert desk.editing.undo(by="ann").key == "PRIORITY-2"
    assert desk.text == ROADMAP
    with pytest.raises(ChangeNotFound):
        desk.editing.undo(by="ann")


def test_an_undo_can_be_undone(desk: Desk) -> None:
    complete(desk)
    after = desk.text
    undone = desk.editing.undo(by="ann")
    desk.editing.undo(undone.history_id, by="ann")
    assert desk.text == after
    desk.check_record()


def test_undo_of_every_kind_gives_the_text_back(desk: Desk) -> None:
    editing = desk.editing
    for change in (
        lambda: editing.add("Fresh", by="ann", place=Place("after", "1")),
        lambda: editing.edit("2", ItemEdits(body="New body.\n"), by="ann"),
        lambda: editing.edit("1", ItemEdits(title="Another title"), by="ann"),
        lambda: editing.move("US-110", Place("first"), by="ann"),
        lambda: editing.remove("2.5", by="ann"),
    ):
        before = desk.text
        outcome = change()
        assert desk.text != before
        editing.undo(outcome.history_id, by="ann")
        assert desk.text == before, outcome.change_type
    desk.check_record()


def test_undo_that_later_changes_made_impossible_is_refused_with_the_reason(desk: Desk) -> None:
    first = complete(desk)
    desk.editing.set_status("2", Status.BLOCKED, by="ann")
    text = desk.text
    with pytest.raises(CannotUndo) as refused:
        desk.editing.undo(first, by="ann")
    assert "PRIORITY-2" in refused.value.message
    desk.editing.remove("2", by="ann")
    with pytest.raises(CannotUndo):
        desk.editing.undo(first, by="ann")
    with pytest.raises(ChangeNotFound):
        desk.editing.undo(999, by="ann")
    assert "Second thing" in text
    desk.check_record()


def test_one_step_of_an_outside_edit_can_be_undone(desk: Desk) -> None:
    desk.editing.reconcile()
    desk.replace_outside("Text of the second item.", "Other text.")
    desk.replace_outside("Told at length.", "Told shortly.")
    desk.editing.reconcile()
    (step,) = desk.editing.history("PRIORITY-2")
    desk.editing.undo(step.id, by="ann")
    assert "Text of the second item." in desk.text
    assert "Told shortly." in desk.text
    desk.check_record()


def test_who_holds_the_lock_is_said(desk: Desk) -> None:
    with (
        locks.hold(desk.lock_path, what="ROADMAP.md", timeout=1, purpose="a long import"),
        pytest.raises(LockBusy, match="a long import"),
    ):
        complete(desk)
    assert desk.text == ROADMAP


def test_reconcile_removes_what_a_crash_before_the_record_left(desk: Desk) -> None:
    desk.editing.reconcile()
    desk.file.stage(b"never recorded")
    desk.editing.reconcile()
    desk.check_record()
    assert desk.text == ROADMAP


def test_what_is_told_goes_to_the_channels_that_take_its_level(store: Store, tmp_path: Path) -> None:
    channels = (("all", ()), ("loud", ("critical",)), ("both", ("normal", "high")))
    desk = Desk(store, tmp_path, channels=channels)
    desk.editing.reconcile()
    complete(desk)
    desk.save_outside(ROADMAP)
    desk.editing.reconcile()
    (note,) = notes(desk)
    with store.reading() as tx:
        assert {one.channel for one in tx.deliveries.of(note.id)} == {"all", "both"}


def forget_versions(desk: Desk) -> None:
    """As when the stated policy has pruned everything but the current version."""
    with desk.store.writing() as tx:
        tx.roadmap.prune_versions(keep_last=1, keep_since=datetime(2100, 1, 1, tzinfo=UTC))


def test_an_items_change_can_be_undone_when_its_versions_are_no_longer_kept(desk: Desk) -> None:
    changed = complete(desk)
    removed = desk.editing.remove("2.5", by="ann").history_id
    desk.editing.set_status("1", Status.BLOCKED, by="ann")
    forget_versions(desk)
    desk.editing.undo(changed, by="ann")
    desk.editing.undo(removed, by="ann")
    document = desk.editing.read()
    assert document.item("2").status is Status.PLANNED
    assert "Text of the one between." in document.text_of(document.item("2.5"))
    desk.check_record()


def test_a_deleted_item_finds_its_place_through_any_version_that_has_it(desk: Desk) -> None:
    desk.editing.reconcile()
    text = desk.text
    cut = text.replace("Told at length.", "Told shortly.")
    start, end = cut.index("### PRIORITY 2.5:"), cut.index("## US-110")
    desk.save_outside(cut[:start] + cut[end:])
    desk.editing.reconcile()
    (removed,) = (change for change in desk.editing.history() if change.change_type == "delete")
    desk.editing.undo(removed.id, by="ann")
    assert [item.key for item in desk.editing.read().items][2] == "PRIORITY-2.5"
    desk.check_record()


def removing(desk: Desk, *, recorded: bool) -> Notification:
    """Item 2.5 removed by one side and changed by the other; the question."""
    desk.editing.reconcile()
    start, end = ROADMAP.index("### PRIORITY 2.5:"), ROADMAP.index("## US-110")
    if recorded:
        desk.editing.set_status("1", Status.IN_PROGRESS, by="daemon")
        desk.editing.remove("2.5", by="daemon")
        desk.save_outside(ROADMAP.replace("Text of the one between.", "My own words."))
    else:
        complete(desk)
        desk.editing.set_status("2.5", Status.COMPLETE, by="daemon")
        desk.save_outside((ROADMAP[:start] + ROADMAP[end:]).replace("Told at length.", "Told shortly."))
    desk.editing.reconcile()
    (question,) = questions(desk)
    return question


def test_a_recorded_removal_of_what_the_person_changed_can_be_chosen(desk: Desk) -> None:
    question = removing(desk, recorded=True)
    assert "My own words." in desk.text
    assert re.search(r"PRIORITY-2.5, removed: the file has .*, the recorded change removed it\n", question.message)
    assert question.options == (KEEP, TAKE)
    outcome = desk.editing.choose(question._replace(answer=TAKE, answered_by="ann"))
    assert outcome is not None
    assert (outcome.key, outcome.change_type) == ("PRIORITY-2.5", "delete")
    assert "PRIORITY 2.5:" not in desk.text
    assert desk.editing.history()[0].reason == f"chosen in question {question.id}"
    desk.check_record()


def test_a_removal_by_the_person_of_what_was_changed_meanwhile_can_be_chosen(desk: Desk) -> None:
    question = removing(desk, recorded=False)
    assert desk.editing.read().item("2.5").status is Status.COMPLETE
    assert re.search(r"PRIORITY-2.5, removed: the file has the recorded .*, the editor removed it\n", question.message)
    assert "What the editor removed is still in the file" in question.message
    assert question.options == (KEEP, TAKE_OTHER)
    assert desk.editing.choose(question._replace(answer=KEEP)) is None
    assert desk.editing.choose(question._replace(answer=TAKE_OTHER, answered_by="ann")) is not None
    assert "PRIORITY 2.5:" not in desk.text
    assert "Told shortly." in desk.text
    assert desk.editing.read().item("2").status is Status.COMPLETE
    desk.check_record()


def test_a_late_choice_does_not_overwrite_what_was_changed_since(desk: Desk) -> None:
    conflict(desk)
    (question,) = questions(desk)
    desk.editing.set_status("2", Status.IN_PROGRESS, by="ann")
    text = desk.text
    with pytest.raises(
        CannotTake, match=r"PRIORITY-2: its status was changed again later, to .*In Progress"
    ) as refused:
        desk.editing.choose(question._replace(answer=TAKE))
    assert refused.value.exit_code == 5
    assert "answer is recorded" in refused.value.hint
    assert desk.text == text
    desk.check_record()


def test_a_late_choice_does_not_remove_what_was_changed_since(desk: Desk) -> None:
    question = removing(desk, recorded=True)
    desk.editing.edit("2.5", ItemEdits(append="Noted since."), by="ann")
    with pytest.raises(CannotTake, match="changed on one side and removed on the other"):
        desk.editing.choose(question._replace(answer=TAKE))
    assert "Noted since." in desk.text
    desk.check_record()


def test_a_choice_whose_other_side_is_gone_is_refused(desk: Desk) -> None:
    conflict(desk)
    (question,) = questions(desk)
    desk.editing.set_status("1", Status.BLOCKED, by="ann")
    forget_versions(desk)
    with pytest.raises(CannotTake, match="no longer kept"):
        desk.editing.choose(question._replace(answer=TAKE))
    desk.check_record()


def test_a_choice_that_is_taken_already_changes_nothing(desk: Desk) -> None:
    conflict(desk)
    (question,) = questions(desk)
    answered = question._replace(answer=TAKE)
    assert desk.editing.choose(answered) is not None
    assert desk.editing.choose(answered) is None
    desk.check_record()


def test_an_editor_that_saves_again_and_again_is_given_up_on_and_nothing_is_lost(store: Store, tmp_path: Path) -> None:
    Desk(store, tmp_path).editing.reconcile()

    def save(number: int) -> Callable[[str], str]:
        return lambda text: re.sub("Told .*", f"Told {number} times.", text)

    desk = Desk(store, tmp_path, file=BusyEditor(str(tmp_path / "ROADMAP.md"), [save(n) for n in range(25)]))
    with pytest.raises(RoadmapUnusable, match="again and again") as refused:
        complete(desk)
    quiet = Desk(store, tmp_path)
    assert [one.item for one in quiet.editing.history() if one.change_type == "status_change"] == ["PRIORITY-2"]
    assert "What `coffee-roadmap history` shows is recorded" in str(refused.value.hint)  # else one asks for it twice
    document = quiet.editing.reconcile()
    assert document.item("2").status is Status.COMPLETE
    assert "Told 19 times." in quiet.text
    quiet.check_record()


def test_a_save_that_a_restored_database_does_not_know_is_kept_and_told(desk: Desk) -> None:
    document = desk.editing.reconcile()
    theirs = desk.path.with_name(desk.file.stage(b"ours, never recorded"))
    theirs.write_bytes(b"a save that was taken out")  # what the exchange leaves under the staged name
    before = desk.path.with_name(desk.file.stage(b"ours too"))
    before.write_bytes(document.data)  # a recorded version
    desk.file.stage(b"never recorded")
    desk.editing.reconcile()
    assert desk.file.strays() == ()
    (kept,) = (path for path in desk.path.parent.iterdir() if ".saved-" in path.name)
    assert kept.read_bytes() == b"a save that was taken out"
    (told,) = notes(desk)
    assert str(kept) in told.message


def test_what_cannot_be_read_beside_the_roadmap_is_set_aside(desk: Desk) -> None:
    desk.editing.reconcile()
    planted = desk.path.with_name(f".{desk.path.name}.coffee-planted")
    planted.symlink_to("/etc/passwd")
    desk.editing.reconcile()
    assert desk.file.strays() == ()
    assert len(notes(desk)) == 1
