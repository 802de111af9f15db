"""A quotation of any text means nothing in a roadmap, and says all that can be seen of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffee_maker.core.document import Document
from coffee_maker.core.edits import append_text
from coffee_maker.core.errors import EditRefused
from coffee_maker.work.quoting import quoted

BEFORE = "# Roadmap\n\n### PRIORITY 1: One\n\n**Status**: 📝 Planned\n\n- [ ] box\n"
AFTER = "\n### PRIORITY 2: Two\n\n**Status**: 📝 Planned\n"
WORDS = """# ## ### PRIORITY US-7 9: **Status** __Status__: ✅ Complete - [ ] [x] * + 1. > >> ``` ~~~ <!-- --> <div>
</div> <pre> === --- | \\ ` ⏳ ❌ **Depends On**: text"""
PIECES = st.sampled_from(WORDS.split())
GAPS = st.sampled_from(["", " ", "  ", "    ", "\t", "\n", "\n\n", "\r", "\r\n", "\u2028", "\x0b", "\x1b[2J", "\u00a0"])
TEXTS = st.lists(st.tuples(PIECES, GAPS), max_size=40).map(lambda pairs: "".join(a + b for a, b in pairs))


@given(TEXTS | st.text(max_size=200))
def test_a_quotation_changes_nothing_around_it(text: str) -> None:
    before = Document.from_text(BEFORE + AFTER)
    try:
        after = before.apply(append_text(before, "1", quoted(text, head="Note:")).splices)
    except EditRefused:
        return
    assert after.text.startswith(BEFORE)
    assert after.text.endswith(AFTER)
    assert [one._replace(end=0, revision="", line=0, start=0) for one in after.items] == [
        one._replace(end=0, revision="", line=0, start=0) for one in before.items
    ]
    added = after.text[len(BEFORE) : -len(AFTER)].strip("\n")
    assert all(line.startswith(">") for line in added.split("\n"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "> plain"),
        ("a\n\n\tb  ", "> a\n>\n> \tb"),
        ("- [x] done\n- ✅ too\n  1. [ ] open", "> - `[x]` done\n> - `✅` too\n>   1. `[ ]` open"),
        ("- [a link](to) it", "> - [a link](to) it"),
        ("✅ said", "> ✅ said"),
        ("a\rb\u2028c\x1b[31md", "> a\n> b\n> cd"),
    ],
)
def test_what_it_says(text: str, shown: str) -> None:
    assert quoted(text, head="Note:") == f"> Note:\n>\n{shown}"


@pytest.mark.parametrize("text", ["", " \n\t", "\x1b[31m", "\u200b\u202e"])
def test_what_cannot_be_seen_is_refused(text: str) -> None:
    with pytest.raises(EditRefused):
        quoted(text, head="Note:")
