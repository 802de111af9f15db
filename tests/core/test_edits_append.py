"""Appending text to an item: at its end, as a paragraph or list item of its own, and nothing else touched."""

from __future__ import annotations

import pytest

from coffee_maker.core.document import Document
from coffee_maker.core.edits import append_text
from coffee_maker.core.errors import EditRefused

ITEM = "## PRIORITY 1: One\n\n**Status**: 📝 Planned\n"
NEXT = "\n---\n\n## PRIORITY 2: Two\n"


def appended(text: str, words: str) -> str:
    document = Document.from_text(text)
    return document.apply(append_text(document, "1", words).splices).text


@pytest.mark.parametrize(
    ("before", "words", "after"),
    [
        (ITEM + NEXT, "A note.", ITEM + "\nA note.\n" + NEXT),
        (ITEM, "A note.", ITEM + "\nA note.\n"),
        (ITEM.rstrip(), "A note.", ITEM + "\nA note."),
        (ITEM + "\n- one\n" + NEXT, "- two", ITEM + "\n- one\n- two\n" + NEXT),
        (ITEM + "\n- [x] one\n" + NEXT, "- [ ] two", ITEM + "\n- [x] one\n- [ ] two\n" + NEXT),
        (ITEM + "\nText.\n" + NEXT, "\nTwo\n\nparagraphs\n\n", ITEM + "\nText.\n\nTwo\n\nparagraphs\n" + NEXT),
        (ITEM.replace("\n", "\r\n"), "a\nb", ITEM.replace("\n", "\r\n") + "\r\na\r\nb\r\n"),
        ("## PRIORITY 1: One", "A note.", "## PRIORITY 1: One\n\nA note."),
    ],
)
def test_text_goes_to_the_end_of_the_item(before: str, words: str, after: str) -> None:
    assert appended(before, words) == after


@pytest.mark.parametrize(
    "words", ["", " \n", "# Heading", "## PRIORITY 3: Item", "```\nopen", "**Status**: ✅ Complete", "<!-- open"]
)
def test_text_that_would_change_more_is_refused(words: str) -> None:
    with pytest.raises(EditRefused):
        appended(ITEM.replace("**Status**: 📝 Planned\n", "Text.\n") + NEXT, words)
