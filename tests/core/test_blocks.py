"""The block scanner against markdown-it-py, on generated nasty texts and on a real roadmap."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from coffee_maker.core.blocks import Blocks, scan
from coffee_maker.core.fields import read_boxes, read_checks
from coffee_maker.core.lines import Lines
from coffee_maker.core.scanner import LineScanner

REAL = Path(__file__).parents[3] / "shared" / "data" / "roadmap-real.md"
# The preset stops at 20 nested blocks; the specification knows no such limit.
ORACLE = MarkdownIt("commonmark", {"maxNesting": 100_000})


def blocks_of(text: str) -> Blocks:
    return scan(Lines(text).flat)


def seen(text: str) -> tuple[list[tuple[int, int, bool]], list[tuple[int, int]]]:
    """Top-level headings (line, level, setext) and the lines of all fences, as we see them."""
    blocks = blocks_of(text)
    return [(h.line, h.level, h.setext) for h in blocks.headings], [(f.line, f.end) for f in blocks.fences]


def expected(text: str) -> tuple[list[tuple[int, int, bool]], list[tuple[int, int]]]:
    """The same, as markdown-it-py sees them; it counts lines after making all line ends \\n, as we do."""
    headings, fences = [], []
    for token in ORACLE.parse(text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = token.map or [0, 0]
        if token.type == "heading_open" and token.level == 0:
            headings.append((lines[0], int(token.tag[1]), token.markup in "=-"))
        elif token.type == "fence":
            fences.append((lines[0], lines[1]))
    return headings, fences


# Pieces that meet in all orders: every construct that opens, continues or ends a block, in front of each other.
_LEADS = [
    "",
    " ",
    "  ",
    "   ",
    "    ",
    "     ",
    "\t",
    " \t",
    "> ",
    ">",
    "- ",
    "-\t",
    "* ",
    "+   ",
    "1. ",
    "2) ",
    "-",
    "1.",
]
_BODIES = [
    "# a",
    "## b ##",
    "###",
    "#no",
    "####### x",
    "# c \\#",
    "a",
    "**Status**: x",
    "",
    " ",
    "===",
    "---",
    "--",
    "- - -",
    "***",
    "* * *",
    "___",
    "```",
    "````",
    "``` py",
    "``` a`b",
    "~~~",
    "~~~~ `",
    "~~~ x",
    "<div>",
    "</div>",
    "<b>",
    "<b c='d'>",
    "<!-- x",
    "-->",
    "<!-- y -->",
    "<?x",
    "?>",
    "<![CDATA[",
    "]]>",
    "<!DOCTYPE",
    "<pre>",
    "</pre>",
    "<script",
    "</script>",
    "a\\",
    "\tcode",
    "    code",
    "\x0c# d",
    "\u2028# e",
    "# f\x85",
    "\xa0# g",
    "> # h",
    "- # i",
    "1. ```",
    "10. x",
]
_LINE = st.tuples(st.lists(st.sampled_from(_LEADS), max_size=3), st.sampled_from(_BODIES)).map(
    lambda p: "".join(p[0]) + p[1]
)
_TEXT = st.lists(st.tuples(_LINE, st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"])), max_size=12).map(
    lambda lines: "".join(line + end for line, end in lines)
)


_ONLY_OWN_END = re.compile(r"<(!|\?|pre|script)")
_LIST = re.compile(r"(?m)^[ \t>]*([-*+]|\d+[.)])([ \t]|$)")
_FAR_QUOTE = re.compile(r"( {4}|\t)[ \t]*>")


def _oracle_is_off(text: str) -> bool:
    """Where markdown-it-py is known to leave the specification.

    An HTML block in a list item ends there at the first blank line, even one of the kinds (comment, script, ...) that
    only their own end mark or the end of the item ends; and a block quote goes on with a mark that is indented by four
    columns, which is indented code.
    """
    return bool((_ONLY_OWN_END.search(text) and _LIST.search(text)) or _FAR_QUOTE.search(text))


@settings(max_examples=200, deadline=None)
@given(_TEXT)
@example("- ```\n  a\n\n# no\n  # in\n# out\n")
@example("> ```\n# out\n")
@example("1. a\n   ```\n   # in\n   ```\n# out\n")
@example("para\n    # lazy\n# out\n")
@example("- a\n\n  b\n\n# out\n")
@example("-\n\n  # out of the empty item\n")
@example("a\nb\n---\n- x\n---\n")
@example("> a\nb\n===\n")
@example("- a\n===\n")
@example("2. x\ny\n2. z\n# out")
@example("```` \n```\n# in\n`````\n# out")
@example("<!-- a\n\n# in\n-->\n# out")
@example("<div>\n# in\n\n# out")
@example("*\t# a\n \t# b\n")
def test_same_headings_and_fences_as_the_oracle(text: str) -> None:
    if not _oracle_is_off(text):
        assert seen(text) == expected(text)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="#`~>-*+=_<!?/ab1.) \t\n\r\x00\x0c\u2028\x85[]:", max_size=60))
def test_same_on_any_mixture_of_marks(text: str) -> None:
    if "]:" not in text and not _oracle_is_off(text):
        assert seen(text) == expected(text)


@pytest.mark.parametrize(
    "text",
    [
        "[a]: /u\n===\n",
        "[a]: /u\nb\n===\n",
        "[a]:\n/u\n'title'\nb\n===\n",
        "[a]: <u v> (t)\n[b]: /u\nx\n---\n",
        "[a]: /u 'no title' x\n===\n",
        "[a]: /u\n'no title' x\n===\n",
        "[ ]: /u\n===\n",
        "[a]: /u(v(w))\nb\n===\n",
        "[a]: /u(v\n===\n",
        "[a]: /u)\n===\n",
        "[a\\]]: /u\nb\n===\n",
        "[a]: <u\n===\n",
        "[a]: /u\n---\n",
        "[a] b\n===\n",
        "> [a]: /u\n> ===\n> b\nc\n===\n",
    ],
)
def test_link_definitions_are_no_heading(text: str) -> None:
    assert seen(text)[0] == expected(text)[0]


def test_an_underline_ends_an_unfinished_definition() -> None:
    """As in the specification's reference implementation; the oracle takes the underline for the link's target."""
    assert seen("[a]:\n===\n")[0] == [(0, 1, True)]


def test_comments_in_list_items_end_with_the_item() -> None:
    """Section 4.6 of the specification: end condition 2 or the end of the container; the oracle differs here."""
    assert seen("- <!-- a\n\n  # in -->\n# out\n")[0] == [(3, 1, False)]
    assert seen("- <!-- a\n# out\n")[0] == [(1, 1, False)]
    assert seen("> <!-- a\n# out\n")[0] == [(1, 1, False)]


def test_real_roadmap_as_the_oracle_sees_it() -> None:
    if not REAL.exists():
        pytest.skip(f"NOT CHECKED against a real roadmap: {REAL} is not there")
    text = REAL.read_bytes().decode()
    assert seen(text) == expected(text)
    assert len(blocks_of(text).fences) == 294


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 60))
def test_slices_of_the_real_roadmap(seed: int, length: int) -> None:
    """A slice starts and ends in the middle of anything."""
    if not REAL.exists():
        pytest.skip(f"NOT CHECKED against a real roadmap: {REAL} is not there")
    lines = REAL.read_bytes().decode().split("\n")
    text = "\n".join(lines[seed % len(lines) :][:length])
    if not _oracle_is_off(text) and not re.search(r"(?m)^ {0,3}\[.*\]:", text):
        assert seen(text) == expected(text)


def test_positions_of_headings() -> None:
    [atx, closed, setext] = blocks_of("#  Title one \n ## two ## \nthree\nmore\n  ---\n").headings
    assert (atx.text, atx.column, atx.end, atx.setext) == ("Title one", 3, 1, False)
    assert (closed.text, closed.column, closed.level) == ("two", 4, 2)
    assert (setext.text, setext.column, setext.line, setext.end, setext.setext) == ("three\nmore", 0, 2, 5, True)


def test_fences_tell_whether_they_were_closed() -> None:
    fences = blocks_of("- ```\n  a\nb\n\n~~~\nc\n~~~\n```\nd").fences
    assert [(fence.line, fence.end, fence.closed) for fence in fences] == [(0, 2, False), (4, 7, True), (7, 9, False)]


def test_opaque_lines_and_list_lines() -> None:
    text = "a\n\n    code\n    code\n\n<div>\nx\n\n```\ny\n```\n- [ ] a\n  - b\n1. ✅ c\n- d\n"
    blocks = blocks_of(text)
    assert blocks.opaque == [(2, 4), (5, 7), (8, 11)]
    assert [(box.line, box.text, box.done) for box in read_checks(text, blocks.boxes)] == [
        (12, "a", False),
        (14, "c", True),
    ]


_BOXED_LINE = st.tuples(
    st.lists(st.sampled_from(["", "", "> ", ">", "- ", "* ", "1. ", "  ", "   ", "    "]), max_size=3),
    st.sampled_from(
        [
            "",
            "a",
            "[ ] b",
            "[x] c  ",
            "[X]",
            "[x](d)",
            "✅ e",
            "⏳",
            "**f**: g",
            "# h",
            "---",
            "***",
            "```",
            "``` i",
            "| j |",
            "[k]: l",
            "===",
            "<!-- m -->",
            "2.5",
            "2. n",
        ]
    ),
).map(lambda parts: "".join(parts[0]) + parts[1])


@settings(max_examples=300, deadline=None)
@given(st.lists(_BOXED_LINE, max_size=14).map("\n".join), st.sampled_from(["", "\n"]))
@example("- [ ] a\n  b\n  ```\n  c\n  ```\n  - [x] d\n\n---\n- [ ] e\n    f", "\n")
@example("> a\n> - [ ] b\nc\n\n> d\n---\n- ✅ e", "\n")
@example("a\n\n---\n\n- [ ] b\n\n---\n    - [ ] c", "\n")
@example(text=">     a\n", end="")
def test_jumping_finds_what_the_exact_rules_find(text: str, end: str) -> None:
    flat = text + end
    exact = LineScanner(flat)
    while exact.at < len(flat):
        exact.take_line()
    exact.close_leaf(exact.number)
    jumped, wanted = scan(flat), exact.blocks
    assert jumped[:3] == wanted[:3]
    assert read_checks(flat, jumped.boxes) == read_checks(flat, wanted.boxes)
    assert read_boxes(flat, jumped.boxes) == read_boxes(flat, wanted.boxes)


_HOSTILE = {
    "one line of a megabyte": "a" * 1_000_000,
    "hashes": "#" * 1_000_000,
    "stars": "* " * 200_000 + "x",
    "dashes": "- " * 200_000,
    "quotes": ">" * 200_000 + "\na\n" * 1000,
    "quote lines": "> x\n" * 100_000,
    "bare quote lines": ">\n" * 100_000,
    "bullets": "- \n" * 100_000,
    "fences": "```\n" * 100_000,
    "backtick fences that are none": "```a`\n" * 100_000,
    "deep lists, then blank lines": "- " * 20_000 + "a\n" + "\n" * 100_000,
    "deep lists, then lazy lines": "- " * 20_000 + "a\n" + "b\n" * 100_000,
    "deep lists and quotes, then blank lines": "> - " * 5_000 + "a\n" + ">\n" * 20_000,
    "ever deeper": "".join(" " * (2 * depth) + "- a\n" for depth in range(1_000)),
    "blanks": (" " * 1000 + "\n") * 1000,
    "tabs": "\t" * 500_000 + "a\n",
    "attributes": "<a" + " b" * 300_000 + "\n",
    "blanks in a tag": "<a" + " " * 500_000 + "!\n",
    "brackets": "[" * 300_000 + "\n===\n",
    "definitions": "[a]: b 'c\n" * 20_000 + "===\n",
    "comments": "<!--\n" * 100_000,
    "underlines": "a\n=\n" * 100_000,
    "closing marks": "# a " + "#" * 500_000 + "x\n",
    "backslashes": "[" + "\\" * 500_000 + "\n=\n",
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_hostile_texts_cost_no_more_than_their_length(name: str) -> None:
    """Quadratic behaviour would take minutes here; a second per 100 KB is far beyond what any of them needs, on a
    machine that counts to a million in 50 ms, and as much more where that takes longer."""
    text = _HOSTILE[name]
    slowness = max(_seconds(lambda: sum(1 for _ in range(1_000_000))) / 0.05, 1.0)
    assert _seconds(lambda: blocks_of(text)) < (1 + len(text) / 100_000) * slowness


def _seconds(work: Callable[[], object]) -> float:
    """Of the processor."""
    started = time.process_time()
    work()
    return time.process_time() - started
