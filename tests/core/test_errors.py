"""The sentence of a refusal."""

from __future__ import annotations

import pytest

from coffee_maker.core.errors import DatabaseUnusable


@pytest.mark.parametrize("problem", ["is a server there?", "is a server there", "gone.", "gone!"])
def test_a_sentence_in_a_sentence_ends_once(problem: str) -> None:
    message = DatabaseUnusable(name="notifications", problem=problem).message
    assert message == f"The database notifications cannot be used: {problem.removesuffix('.')}" + (
        "" if problem[-1] in "?!" else "."
    )
