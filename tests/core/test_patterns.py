"""Patterns that are compiled at their first use, and the parts of words without which a status pattern cannot match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffee_maker.core import wording
from coffee_maker.core.patterns import atomic, on_demand
from coffee_maker.core.signs import shape

# Every word of the patterns, and what may stand between two of them.
_WORDS = sorted({word for _, _, words in wording._PATTERNS for word in re.findall(r"[a-z’']{2,}", words)})
_PHRASES = st.lists(st.sampled_from([*_WORDS, "to", "in", "50%", "100 %", "2", "planned", "complete"]), max_size=5)


def test_a_pattern_is_compiled_at_its_first_use_and_then_is_one_like_others() -> None:
    pattern = on_demand("(", 0)
    with pytest.raises(re.error):
        pattern.match("x")
    letters = on_demand("[a-z]+", re.IGNORECASE)
    assert letters.sub("-", "1Ab2c") == "1-2-"
    assert letters.pattern == "[a-z]+"
    assert "sub" in vars(letters)


@given(_PHRASES, st.sampled_from([" ", "", "-"]))
def test_a_status_pattern_matches_only_words_that_hold_one_of_its_parts(words: list[str], between: str) -> None:
    phrase = between.join(words)
    for _, stems, pattern in wording._STATUS_WORDS:
        if pattern.search(phrase):
            assert any(stem in phrase for stem in stems)


@pytest.mark.parametrize("label", wording._BY_LABEL)
def test_a_label_says_by_the_patterns_too_what_it_says_by_itself(label: str) -> None:
    first = next(status for status, _, pattern in wording._STATUS_WORDS if pattern.search(label))
    assert first is wording._BY_LABEL[label]


@given(st.text(alphabet="ab *#1★✅↔️🏻👩‍💻🗓⏸️™"))
def test_a_shape_keeps_every_place_and_says_the_same_of_itself(text: str) -> None:
    assert len(shape(text)) == len(text)
    assert shape(shape(text)) == shape(text)


@pytest.mark.parametrize(
    ("pattern", "plain"),
    [
        (r"a(?:b|[)]c)*+d", r"a(?>(?:b|[)]c)*)d"),
        (r"\)*+(?P<x>(e)f++){2,3}+g", r"\)*+(?>(?P<x>(e)f++){2,3})g"),
        (r"((a)*+b)?+[^]()]++", r"(?>((?>(a)*)b)?)[^]()]++"),
        (r"(a)+(b)*?[c]*+", r"(a)+(b)*?[c]*+"),
    ],
)
def test_possessive_groups_as_atomic_ones(pattern: str, plain: str) -> None:
    assert atomic(pattern) == plain
    assert re.compile(plain).groups == re.compile(pattern).groups


def test_atomic_groups_find_what_possessive_ones_find() -> None:
    found = re.search(atomic(r"(?:a|ab)*+c"), "abac")
    assert found is not None
    assert found.span() == (2, 4)
    assert re.search(atomic(r"(?:(?=b)|(?=[bc])|b)*+d"), "b" * 200) is None
