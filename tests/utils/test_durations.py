"""Durations read as people write them, and written so that they read back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffee_maker.utils.durations import format_duration, parse_duration, roughly


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20s", 20),
        ("5m", 300),
        ("2h", 7200),
        ("3d", 259_200),
        ("1h30m", 5400),
        (" 1.5 H ", 5400),
        ("500ms", 0.5),
        ("1w", 604_800),
        ("0s", 0),
    ],
)
def test_reads(text: str, seconds: float) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "  ", "20", "20x", "s", "-5s", "5 minutes", "1h-3m", "२s", "999999999w", "1e3s"])
def test_refuses_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected a duration|longer than time"):
        parse_duration(text)


@given(st.timedeltas(min_value=timedelta(), max_value=timedelta(days=10_000)))
def test_what_is_written_reads_back_to_the_millisecond(duration: timedelta) -> None:
    written = format_duration(duration)
    assert abs(parse_duration(written) - duration) <= timedelta(milliseconds=1)
    assert format_duration(parse_duration(written)) == written


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (-4, "0s"), (59, "59s"), (61, "1m"), (7300, "2h"), (200_000, "2d")]
)
def test_roughly_names_the_largest_unit(seconds: int, text: str) -> None:
    assert roughly(timedelta(seconds=seconds)) == text
