"""That an agent waits in a process of its own is said anew as long as it does, and no longer."""

from __future__ import annotations

from datetime import datetime

import pytest
from tests.work.daemon_kit import RealClock, until

from coffee_maker.core.errors import DatabaseBusy
from coffee_maker.core.ports import Store
from coffee_maker.work import waits
from coffee_maker.work.waits import waits_for


def told(store: Store) -> tuple[int | None, datetime | None]:
    with store.reading() as tx:
        found = tx.progress.of("A")
    assert found is not None
    return found.waits_for, found.waits_until


def test_it_is_said_again_and_again_and_ends_with_the_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "EVERY", 0.01)
    clock = RealClock()
    with waits_for(store, clock, "A", 7, 3):
        question, first = told(store)
        assert question == 3
        assert first is not None
        assert first > clock.now()
        until(lambda: told(store)[1] != first)
    _question, last = told(store)
    assert last is not None
    assert last <= clock.now()


def test_a_database_that_is_busy_does_not_end_the_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy:
        def writing(self) -> object:
            raise DatabaseBusy(name="notifications", holder="another", waited="5 s")

    with waits_for(Busy(), RealClock(), "A", 7, 3):  # type: ignore[arg-type]
        pass
