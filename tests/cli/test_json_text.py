"""Our compact JSON is `json`'s own, letter for letter, and records are written as their data would be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffee_maker.cli import json_text
from coffee_maker.cli.json_text import Records, compact
from coffee_maker.core.choosing import Waiting
from coffee_maker.core.items import Check, Item, Status
from coffee_maker.work import shapes

# Surrogates too: `json` writes them, whatever the stream then makes of them.
words = st.text(st.characters(), max_size=20)
few_words = st.lists(words, max_size=3)
items = st.builds(
    Item,
    key=words,
    id=words,
    title=words,
    status=st.none() | st.sampled_from(Status),
    status_text=st.none() | words,
    progress=st.none() | st.integers(0, 100),
    level=st.integers(1, 6),
    line=st.integers(1, 10**6),
    start=st.just(0),
    end=st.just(0),
    revision=st.text("0123456789abcdef", min_size=12, max_size=12),
    fields=st.dictionaries(words, words, max_size=3),
    depends_on=few_words.map(tuple),
    checks=st.lists(st.builds(Check, text=words, done=st.booleans(), line=st.just(1)), max_size=3).map(tuple),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


def by_json(value: Any, *, ascii: bool) -> str:
    return json.dumps(value, ensure_ascii=ascii, separators=(",", ":"), default=list)


@given(values, st.booleans())
def test_any_document(value: Any, ascii: bool) -> None:
    assert "".join(compact(value, ascii=ascii)) == by_json(value, ascii=ascii)


@given(st.lists(items, max_size=3), st.integers(0, 40), st.booleans())
def test_items_are_written_as_their_data(few: list[Item], times: int, ascii: bool) -> None:
    records = Records(few * times, shapes.item, json_text.items)
    document = {"kind": "view", "data": {"items": records, "problems": []}}
    assert "".join(compact(document, ascii=ascii)) == by_json(document, ascii=ascii)
    assert list(records) == [shapes.item(one) for one in few * times]
    assert len(records) == len(few) * times


@given(words, words, st.booleans())
def test_what_waits_is_written_as_its_data(key: str, because: str, ascii: bool) -> None:
    records = Records((Waiting(key, because),), shapes.waiting, json_text.waiting)
    data = {"item": None, "waiting": records}
    assert "".join(compact(data, ascii=ascii)) == by_json(data, ascii=ascii)
    assert records[0] == {"key": key, "because": because}


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="no JSON"):
        list(compact({"at": [object()]}, ascii=False))
