"""Which versions an old copy is held against when an agent has worked all night."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from tests.stores import open_store
from tests.work.editing_kit import Desk

from coffee_maker.core.items import Status
from coffee_maker.core.ports import Store
from coffee_maker.utils.connection import Databases
from coffee_maker.work.bases import load_bases
from coffee_maker.work.editing import ItemEdits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COUNT = 70


def roadmap(count: int, done: int = 0, note: str = "") -> str:
    statuses = ["✅ Complete" if number < done else "📝 Planned" for number in range(count)]
    items = (f"## PRIORITY {n + 1}: Thing {n + 1}\n\n**Status**: {one}\n\nWords.\n" for n, one in enumerate(statuses))
    return "# Plan\n\n" + "\n".join(items) + note


def test_an_old_copy_saved_after_a_long_night_undoes_nothing(store: Store, tmp_path: Path) -> None:
    desk = Desk(store, tmp_path, text=roadmap(COUNT))
    evening = desk.text
    desk.editing.reconcile()
    for number in range(1, COUNT):
        desk.editing.set_status(f"PRIORITY {number}", Status.COMPLETE, by="agent")
    assert desk.text != evening  # read, so that only the texts tell
    desk.save_outside(evening + "\nA thought before the first coffee.\n")
    document = desk.editing.reconcile()
    assert [item.status for item in document.items[:-1]] == [Status.COMPLETE] * (COUNT - 1)
    assert document.text.endswith("A thought before the first coffee.\n")
    desk.check_record()


def test_an_old_copy_is_found_where_the_newest_fifty_changes_are_of_one_item(tmp_path: Path) -> None:
    desk = Desk(open_store(Databases(str(tmp_path / "data"))), tmp_path, text=roadmap(5))
    evening = desk.text
    desk.editing.set_status("PRIORITY 1", Status.COMPLETE, by="agent")
    for number in range(60):
        desk.editing.edit("PRIORITY 2", ItemEdits(append=f"Step {number}."), by="agent")
    assert desk.text != evening
    desk.save_outside(evening.replace("Thing 5", "Thing five"))
    document = desk.editing.reconcile()
    assert document.item("PRIORITY 1").status is Status.COMPLETE
    assert "Step 0." in document.text
    assert "Thing five" in document.text
    desk.check_record()


@pytest.mark.parametrize("age", [0, 1, 49, 50, 51, 77, 160, 298, 299])
def test_the_version_that_was_read_is_among_the_bases(age: int, tmp_path: Path) -> None:
    store = open_store(Databases(str(tmp_path / "data")))
    versions = [roadmap(300, done) for done in range(300, 0, -1)]
    digests = [sha256(text.encode()).hexdigest() for text in versions]
    unread = b"\xff\xfe"
    with store.writing() as tx:
        for text, digest in zip(reversed(versions), reversed(digests), strict=True):
            tx.roadmap.save_version(digest, text.encode(), NOW)
        tx.roadmap.save_version(sha256(unread).hexdigest(), unread, NOW)
        outside = versions[age].replace("Thing 300\n", "Thing three hundred\n").replace("Thing 150\n", "Thing\n")
        bases = load_bases(tx.roadmap, digests[0], outside)
        assert versions[age] in [base.text for base in bases]
        assert bases[0].text == versions[0]
        assert len(bases) <= 101
        without = load_bases(tx.roadmap, digests[1], outside, without=digests[0])
        assert without[0].text == versions[1]
        assert versions[0] not in [base.text for base in without]
    store.close()
