"""Which recorded version a saved text descends from: stale buffers and honest edits, simulated."""

from __future__ import annotations

import random
from collections.abc import Container, Sequence

import pytest
from tests.core.merging import SMALL, item_text, status_of, with_status

from coffee_maker.core.ancestry import bases_of
from coffee_maker.core.document import Document
from coffee_maker.core.items import Status
from coffee_maker.core.merge import merge


def best_base(candidates: Sequence[str], outside: str, saved: Container[int] = ()) -> int:
    return bases_of(candidates, outside, saved)[0]


ITEM = """\
## PRIORITY {0}: item number {0}

**Status**: 📝 Planned
**Effort**: {0} days

- [ ] first of {0}
- [ ] last

What {0} is about.

### Phase 1

Details.

"""
PLAN = "# Plan\n\nWords before.\n\n" + "".join(ITEM.format(number) for number in range(1, 13))
DONE, DOING, PLANNED = Status.COMPLETE, Status.IN_PROGRESS, Status.PLANNED


def history(*changes: tuple[str, Status], start: str = PLAN) -> list[str]:
    """Versions newest first: each change of a status makes one."""
    versions = [start]
    for key, status in changes:
        versions.insert(0, with_status(versions[0], key, status))
    return versions


FIVE = history(("1", DOING), ("1", DONE), ("2", DOING), ("2", DONE), ("3", DOING))


def note(text: str, number: int) -> str:
    return text.replace(f"What {number} is about.", f"What {number} is about. More of it.")


@pytest.mark.parametrize("index", range(len(FIVE)))
@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_a_buffer_opened_at_any_version_and_edited_anywhere(index: int, number: int) -> None:
    assert best_base(FIVE, note(FIVE[index], number)) == index
    assert best_base(FIVE, note(FIVE[index], number).replace("\n", "\r\n")) == index


def test_an_exact_old_version() -> None:
    assert [best_base(FIVE, text) for text in FIVE] == list(range(len(FIVE)))
    assert best_base([PLAN, FIVE[0], PLAN], PLAN) == 0, "the newest of equals"


def test_only_one_version_is_known() -> None:
    assert best_base([PLAN], "quite another text") == 0


OTHER = (
    "# Plan\n\n## PRIORITY 1: Bake some good bread\n\n**Status**: 📝 Planned\n\nFlour, water and salt.\n\n"
    "## PRIORITY 2: Sell it on the market\n\n**Status**: 📝 Planned\n\nEvery morning from six.\n"
)


def test_another_roadmap_in_the_place_of_this_one_descends_from_none() -> None:
    small = PLAN[: PLAN.index("## PRIORITY 3:")]  # the oldest version differs in the fewest parts
    assert best_base([*FIVE, small], OTHER) == 0
    assert best_base([*FIVE, small], note(small, 2)) == len(FIVE), "what a buffer of it saves is merged"
    assert best_base([*FIVE, OTHER], OTHER.replace("six", "seven")) == len(FIVE), "and so is what descends from it"


def test_a_status_put_back_by_hand_on_the_newest_version() -> None:
    outside = with_status(FIVE[0], "1", PLANNED)  # was set two versions before the newest
    assert best_base(FIVE, outside) == 0
    assert best_base(FIVE, note(outside, 9)) == 0


def test_an_item_deleted_by_hand_that_was_added_some_versions_ago() -> None:
    added = PLAN + "## PRIORITY 20: added\n\nlong\ntext\nof\nmany\nlines\n"
    versions = [*history(("4", DOING), start=added), PLAN]
    outside = versions[0].replace(item_text(versions[0], "20"), "")
    assert best_base(versions, outside) == 0
    assert best_base(versions, note(PLAN, 5)) == 2


def test_an_item_that_was_removed_meanwhile_comes_back_only_as_a_stale_save() -> None:
    versions = [PLAN.replace(item_text(PLAN, "6"), ""), PLAN]
    assert best_base(versions, note(PLAN, 2)) == 1
    assert best_base(versions, note(versions[0], 2)) == 0


def test_a_move_is_seen() -> None:
    last = item_text(PLAN, "12")
    moved = PLAN.replace(last, "").replace("## PRIORITY 1:", f"{last}## PRIORITY 1:")
    assert best_base([moved, PLAN], note(PLAN, 3)) == 1
    assert best_base([moved, PLAN], note(moved, 3)) == 0


def test_status_words_in_the_heading() -> None:
    done = with_status(SMALL, "2", DONE)
    assert best_base([done, SMALL], SMALL.replace("Find things.", "Find all.")) == 1
    assert best_base([done, SMALL], done.replace("Find things.", "Find all.")) == 0


def test_what_a_person_saved_before_a_merge_is_what_the_editor_goes_on_from() -> None:
    first = note(PLAN, 5)
    daemon = with_status(PLAN, "2", DONE)
    merged = merge(PLAN, daemon, first).text
    assert best_base([merged, first, daemon, PLAN], note(first, 8)) == 1


def test_of_equals_the_newest_version_is_a_plain_edit_and_else_the_oldest_asks() -> None:
    blocked = with_status(PLAN, "1", Status.BLOCKED)
    assert best_base(history(("1", DOING)), blocked) == 0, "may be an edit of either"
    assert best_base(history(("1", DOING), ("3", DONE)), blocked) == 2
    assert best_base(history(("3", DONE), ("1", DOING)), blocked) == 2
    assert best_base(history(("1", DOING), ("1", DONE), ("3", DONE)), blocked) == 3


def rewritten(text: str, *lines: str) -> str:
    return text.replace("What 1 is about.\n", "".join(f"{line}\n" for line in lines))


@pytest.mark.parametrize("recorded", [1, 5])
def test_how_long_a_text_is_says_nothing_of_its_age(recorded: int) -> None:
    paragraph = rewritten(PLAN, *(f"recorded {n}" for n in range(recorded)))
    versions = [with_status(paragraph, "3", DONE), paragraph, PLAN]
    assert best_base(versions, rewritten(PLAN, *(f"mine {n}" for n in range(3)))) == 2


def test_what_a_text_lacks_of_a_change_says_that_it_is_older_and_what_it_has_that_it_is_newer() -> None:
    noted = PLAN.replace("What 1 is about.\n", "What 1 is about.\n\nNoted since.\n")
    cut = PLAN.replace("- [ ] last\n\nWhat 1 is", "\nWhat 1 is")
    mine = rewritten(PLAN, "My words.")
    assert best_base([noted, PLAN], mine) == 1
    assert best_base([noted, PLAN], rewritten(noted, "My words.")) == 0
    assert best_base([with_status(cut, "3", DONE), cut, PLAN], rewritten(cut, "My words.")) == 1
    assert best_base([with_status(cut, "3", DONE), cut, PLAN], mine) == 2


def test_an_editor_goes_on_from_what_it_saved() -> None:
    first, second = (rewritten(PLAN, f"Draft {n}.") for n in (1, 2))
    assert best_base([with_status(first, "3", DONE), first, PLAN], second, {1}) == 1
    assert best_base([with_status(first, "3", DONE), first, PLAN], second) == 2, "what a command wrote is asked about"
    new, other = (f"{PLAN}## PRIORITY 13: {title}\n\n{title}.\n" for title in ("To do", "Bake bread"))
    assert best_base([new, PLAN], other, {0}) == 0


AGENTS = f"{PLAN}## PRIORITY 13: Agent's item\n\n**Status**: 📝 Planned\n\nLong text.\n"
MINE = f"{PLAN}## PRIORITY 13: Person item\n\n**Status**: 📝 Planned\n"


@pytest.mark.parametrize(
    "versions",
    [[AGENTS], [with_status(AGENTS, "2", DONE), AGENTS], [AGENTS.replace("Words before", "Before")]],
    ids=["added", "and another change after it", "and one with it"],
)
def test_an_added_item_does_not_turn_into_another_of_its_number(versions: list[str]) -> None:
    assert best_base([*versions, PLAN], MINE) == len(versions)
    retitled = versions[0].replace("Agent's item", "Quite other words")
    assert best_base([*versions, PLAN], retitled) == 0
    assert best_base([*versions, PLAN], versions[0].replace("Long text.", "Short.")) == 0


def test_equals_of_the_base_are_told_unless_an_editor_only_goes_on_from_its_own() -> None:
    both = history(("2", DONE), ("1", DONE))
    assert bases_of(both, with_status(PLAN, "1", DONE)) == [0, 2], "which of the two did it have?"
    assert bases_of(both, note(PLAN, 7)) == [2]
    assert bases_of(both, note(both[0], 7)) == [0]
    draft, second = rewritten(PLAN, "What 1 is about.", "Foo is what I think."), rewritten(PLAN, "Bar is better.")
    assert bases_of([draft, PLAN], second, {0}) == [0]
    assert bases_of([draft, PLAN], note(PLAN, 7), {0}) == [1, 0], "a second editor, or a draft thrown away"
    assert bases_of([draft, PLAN], note(PLAN, 7)) == [1]


def test_a_version_that_nobody_has_read_is_no_base() -> None:
    blocked = with_status(PLAN, "1", Status.BLOCKED)
    versions = history(("1", DOING), ("1", DONE))
    assert bases_of(versions, blocked)[0] == 0
    assert bases_of(versions, blocked, unread=True)[0] == 2
    assert bases_of([versions[0]], blocked, unread=True) == [0]
    assert bases_of(versions, versions[0].replace("12 days", "13 days"), {1}, unread=True)[0] == 1


def test_a_status_or_a_tick_is_no_proof_that_a_newer_version_was_read() -> None:
    ticked = tick(PLAN, 3)
    assert set(bases_of([with_status(ticked, "2", DONE), with_status(PLAN, "2", DONE), PLAN], ticked)) == {0, 2}


def test_who_has_what_only_an_older_version_says_read_that() -> None:
    without = PLAN.replace(item_text(PLAN, "12"), "")
    first = item_text(PLAN, "12").replace("12 days", "9 days")
    moved = without.replace("## PRIORITY 11:", f"{first}## PRIORITY 11:")
    assert set(bases_of([without, PLAN], moved)) == {0, 1}
    body = rewritten(PLAN, "The agent's words.")
    assert bases_of([body, PLAN], PLAN.replace("- [ ] first of 1\n", "- [ ] first of 1\n- [ ] second\n")) == [1]


def test_many_simulated_histories() -> None:
    """The daemon sets statuses; a person saves edits of an older or the newest version: nobody's work is undone."""
    chance = random.Random(20)
    for _ in range(60):
        changes = [(str(chance.randint(1, 12)), chance.choice(list(Status))) for _ in range(chance.randint(2, 10))]
        versions = history(*changes)
        opened = chance.randrange(len(versions))
        outside = versions[opened]
        for number in chance.sample(range(1, 13), 3):
            outside = chance.choice([note, tick, longer])(outside, number)
        base = versions[best_base(versions, outside)]
        merged = merge(base, versions[0], outside)
        assert merged.conflicts == ()
        for item in Document.from_text(versions[0]).items:
            assert status_of(merged.text, item.key) is item.status
        for line in set(outside.splitlines()) - set(versions[opened].splitlines()):
            assert line in merged.text


def tick(text: str, number: int) -> str:
    return text.replace(f"[ ] first of {number}\n", f"[x] first of {number}\n")


def longer(text: str, number: int) -> str:
    return text.replace(f"**Effort**: {number} days", f"**Effort**: {number + 1} weeks")
