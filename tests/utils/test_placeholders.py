"""Question marks become numbers where they are parameters, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffee_maker.utils.placeholders import numbered

KEPT = [
    "'what?'",
    "'it''s ?'",
    '"a ? name"',
    '"a "" ? name"',
    "-- why?\n",
    "/* why? */",
    "/* a /* nested ? */ ? */",
    "$$ ? $$",
    "$tag$ ? $x$ ? $tag$",
    r"E'\'?'",
    r"e'a\\?'",
    "'100 % %s %%'",
]


@pytest.mark.parametrize("text", KEPT)
def test_left_alone(text: str) -> None:
    assert numbered(f"SELECT ?, {text} , ?") == f"SELECT $1, {text} , $2"


@given(st.lists(st.sampled_from([*KEPT, "?", " ", "a", "%"]), max_size=12))
def test_only_parameters_change(parts: list[str]) -> None:
    parts = [f" {part} " for part in parts]
    count = iter(range(1, 99))
    wanted = "".join(part.replace("?", f"${next(count)}") if part.strip() == "?" else part for part in parts)
    assert numbered("".join(parts)) == wanted


@pytest.mark.parametrize("text", ["'open ?", "/* open ?", '"open ?', "$$ open", "", "no parameter"])
def test_what_is_not_closed_does_not_hang(text: str) -> None:
    assert numbered(f"SELECT ? {text}").startswith("SELECT $1 ")
