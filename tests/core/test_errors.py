"""The sentence of a refusal."""

from __future__ import annotations

import pytest

from coffee_maker.core.errors import DatabaseUnusable, WrongUsage


@pytest.mark.parametrize("problem", ["is a server there?", "is a server there", "gone.", "gone!"])
def test_a_sentence_in_a_sentence_ends_once(problem: str) -> None:
    message = DatabaseUnusable(name="notifications", problem=problem).message
    assert message == f"The database notifications cannot be used: {problem.removesuffix('.')}" + (
        "" if problem[-1] in "?!" else "."
    )


def test_words_that_are_the_whole_sentence_stay_as_they_are() -> None:
    assert WrongUsage(problem="there is more ...").message == "there is more ..."
