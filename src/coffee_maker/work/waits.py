"""An agent that waits for a person's answer in a process of its own says so, and its time stands still meanwhile.

It is said anew every few seconds and counts for a little longer, so a process that is killed waits no more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from coffee_maker.core.errors import Refusal
from coffee_maker.core.ports import Clock, Store

EVERY = 10.0  # seconds
_COUNTS_FOR = timedelta(seconds=30)


@contextmanager
def waits_for(store: Store, clock: Clock, item: str, pipeline: int, question: int) -> Iterator[None]:
    """For the block, the agent of that pipeline waits for the answer to the question."""
    over = threading.Event()

    def tell(time: timedelta) -> None:
        with suppress(Refusal), store.writing() as tx:  # a database that is busy hears it the next time
            tx.progress.waits(item, pipeline, question, until=clock.now() + time)

    def go_on() -> None:
        while not over.wait(EVERY):
            tell(_COUNTS_FOR)

    tell(_COUNTS_FOR)
    thread = threading.Thread(target=go_on, name="waits", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        tell(timedelta())
