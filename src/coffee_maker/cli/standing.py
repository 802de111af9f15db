"""The overview's data: from the operations' records to JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coffee_maker.work import shapes

if TYPE_CHECKING:
    from coffee_maker.wiring import Operations


def overview(operations: Operations) -> shapes.Data:
    """What `status` without an item shows."""
    from coffee_maker.work.standing import take_stock

    document = operations.document()
    standing = take_stock(document, operations.store, operations.clock)
    return shapes.overview(operations.settings.roadmap.path, document, standing)
