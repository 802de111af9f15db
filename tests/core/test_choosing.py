"""The next item, and why the others wait."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from coffee_maker.core.choosing import Choice, Waiting, choose, weigh
from coffee_maker.core.document import Document
from coffee_maker.core.items import Item, Status
from coffee_maker.core.state import Claim


def item(key: str, status: Status | None = Status.PLANNED, *needs: str) -> Item:
    return Item(key, key, key, status, None, None, 2, 1, 0, 1, "r", {}, needs, ())


DONE, DOING = Status.COMPLETE, Status.IN_PROGRESS


def because(items: list[Item], key: str, **rest: object) -> str:
    return dict(choose(items, **rest).waiting)[key]  # type: ignore[arg-type]


def test_the_first_planned_item_in_the_order_of_the_document() -> None:
    choice = choose([item("P-9", DONE), item("P-3", DOING), item("P-7"), item("P-1")])
    assert choice.item is not None
    assert choice.item.key == "P-7"
    assert choice.waiting == (Waiting("P-1", "P-7 comes first"),)


def test_nothing_to_do() -> None:
    assert choose([]) == (None, ())
    assert choose([item("A", DONE), item("B", None), item("C", Status.BLOCKED)]) == (None, ())


def test_dependencies_must_be_complete() -> None:
    items = [item("A", DOING), item("B", Status.PLANNED, "A"), item("C", Status.PLANNED, "D"), item("D", DONE)]
    choice = choose(items)
    assert choice.item == items[2]
    assert choice.waiting == (Waiting("B", "depends on A, which is in_progress"),)


def test_each_reason_in_plain_words() -> None:
    items = [
        item("A", Status.CANCELLED),
        item("N", None),
        item("B", Status.PLANNED, "A", "the new server", "N"),
    ]
    assert because(items, "B") == (
        "depends on A, which is cancelled; depends on the new server, which is not in the roadmap; "
        "depends on N, which has no status"
    )


def test_claimed_items_wait_and_say_for_whom() -> None:
    claim = Claim("A", "host-1", 3, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    choice = choose([item("A"), item("B")], [claim])
    assert choice.item == item("B")
    assert choice.waiting[0].because.startswith("is claimed by host-1 until 2026-01-0")


def test_left_alone_for_now() -> None:
    assert because([item("A")], "A", left={"A": "you said to skip it"}) == "you said to skip it"


def test_circles_are_told_and_end() -> None:
    assert because([item("A", Status.PLANNED, "A")], "A") == "depends on itself: A -> A"
    ring = [item("A", Status.PLANNED, "B"), item("B", Status.PLANNED, "C"), item("C", Status.PLANNED, "A")]
    assert because(ring, "A") == "depends on itself: A -> B -> C -> A"
    behind = [*ring, item("D", Status.PLANNED, "A")]
    assert because(behind, "D") == "depends on A, which is planned"


def test_a_circle_through_something_complete_is_none() -> None:
    items = [item("A", Status.PLANNED, "B"), item("B", DONE, "A")]
    assert choose(items).item == items[0]


KEYS = st.sampled_from(["A", "B", "C", "D", "E", "nowhere"])


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from([*Status, None]), st.lists(KEYS, max_size=3)), max_size=5))
def test_every_planned_item_is_chosen_or_waits_with_a_reason(rows: list[tuple[Status | None, list[str]]]) -> None:
    items = [item(key, status, *needs) for key, (status, needs) in zip("ABCDE", rows, strict=False)]
    choice = choose(items)
    told = [waiting.key for waiting in choice.waiting] + ([choice.item.key] if choice.item else [])
    assert sorted(told) == sorted(one.key for one in items if one.status is Status.PLANNED)
    assert all(waiting.because for waiting in choice.waiting)
    if choice.item:
        complete = {one.key for one in items if one.status is DONE}
        assert set(choice.item.depends_on) <= complete


def test_how_items_stand_is_enough_to_choose() -> None:
    text = (
        "## US-1: a\n**Status**: Planned\n**Dependencies**: US-2, US-9\n## US-2: b\n**Status**: Planned\n"
        "## US-3: c ✅\n## US-4: d\n**Status**: planned\n**Depends on**: US-4\n## US-2: again\n**Status**: Planned\n"
    )
    for document in (Document.from_text(text), Document.from_text(text.replace("\n", "\r\n"))):
        assert document.standings == tuple((one.key, one.status, one.depends_on) for one in document.items)
        place, waiting = weigh(document.standings)
        assert place is not None
        assert Choice(document.item_at(place), waiting) == choose(document.items)
