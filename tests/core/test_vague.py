"""Which items say too little to be built."""

from __future__ import annotations

import pytest

from coffee_maker.core.vague import is_vague

HEAD = "### PRIORITY 2: Write the parser\n\n**Status**: 📝 Planned\n**Estimated Effort**: 2 days\n"
ENOUGH = "The parser reads a file of ten thousand lines and returns the items in their order."


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\n\n",
        "Make it better.",
        "- **Expected result**: 2 days of work for one person of the team when somebody has the time",
        "one two three four five six seven eight nine ten eleven twelve",
        "It must work.",
        "Mustard and whenever, mustering: one two three four five six seven eight nine",
        "\x1b[31m\x00 \u202e",
    ],
)
def test_too_little(body: str) -> None:
    assert is_vague(HEAD + body)
    assert is_vague((HEAD + body).replace("\n", "\r\n"))


@pytest.mark.parametrize(
    "body",
    [
        ENOUGH,
        "- [ ] reads a file",
        "* a list",
        "1. first",
        "  2) second",
        "```sh run\ntrue\n```",
        "~~~\nx\n~~~",
        ENOUGH.upper(),
    ],
)
def test_enough(body: str) -> None:
    assert not is_vague(HEAD + body)
    assert not is_vague((HEAD + body).replace("\n", "\r\n"))


def test_the_heading_says_neither() -> None:
    assert is_vague("### PRIORITY 2: " + ENOUGH)
    assert is_vague("### PRIORITY 2: - [ ] x\n")
