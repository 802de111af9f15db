"""Roadmaps to merge: a small one that is easy to read, and generated ones with everything that Markdown allows."""

from __future__ import annotations

from hypothesis import strategies as st

from coffee_maker.core.document import Document, Splice
from coffee_maker.core.edits import Edit, set_status
from coffee_maker.core.items import Status

SMALL = """\
# Roadmap

What we plan.

### PRIORITY 1: Login

**Status**: 📝 Planned
**Effort**: 2 days
**Owner**: nobody yet

- [ ] form
- [ ] session

People sign in.

### PRIORITY 2: Search 📝 Planned

Find things.

```sh
# PRIORITY 9: not an item
echo find
```

## Later

### PRIORITY 3: Export

**Status**: 📝 Planned

As a file.
"""

LINE_ENDS = ("\n", "\r\n", "\r")

_HEADINGS = st.builds(
    "{} {}PRIORITY {}: {}{}".format,
    st.sampled_from(["##", "###"]),
    st.sampled_from(["", "📦 "]),
    st.integers(1, 5),
    st.sampled_from(["Login", "Search", "Export", "Tidy up"]),
    st.sampled_from(["", " 📝 Planned", " ✅ Complete"]),
)
_LINES = st.one_of(
    _HEADINGS,
    _HEADINGS,
    st.sampled_from(
        [
            "",
            "",
            "",
            "# Roadmap",
            "## Later",
            "#### Notes",
            "```",
            "~~~~",
            "---",
            "===",
            "> quoted",
            "    code",
            "text",
            "more",
        ]
    ),
    st.sampled_from(
        ["**Status**: 📝 Planned", "**Status**: ✅ Complete", "**Effort**: 2 days", "**Note**: a", "**Note**: b"]
    ),
    st.sampled_from(
        ["- [ ] one", "- [x] one", "- [ ] two", "* ⏳ three", "<!-- hidden", "-->", "a\x00b", "\x0cfeed", "trailing  "]
    ),
)


@st.composite
def texts(draw: st.DrawFn, max_lines: int = 30) -> str:
    """A markdown-ish text with any line ends, perhaps a byte order mark, perhaps no line end at the end."""
    lines = draw(st.lists(_LINES, max_size=max_lines))
    ends = draw(st.sampled_from([("\n",), ("\n",), ("\r\n",), LINE_ENDS]))
    text = "".join(line + draw(st.sampled_from(ends)) for line in lines)
    if draw(st.booleans()):
        text = text.rstrip("\r\n")
    return draw(st.sampled_from(["", "", "\ufeff"])) + text


@st.composite
def edited(draw: st.DrawFn, text: str) -> str:
    """The text after a few edits of the kind that an editor makes: lines taken out, put in, changed, moved."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    lines = text.removeprefix(mark).splitlines(keepends=True)
    for _ in range(draw(st.integers(0, 4))):
        lines = [line if line[-1] in "\r\n" else f"{line}\n" for line in lines]
        at = draw(st.integers(0, len(lines)))
        until = min(len(lines), at + draw(st.integers(0, 3)))
        what = draw(st.sampled_from(["cut", "put", "change", "move"]))
        cut, new = lines[at:until], draw(_LINES) + draw(st.sampled_from(LINE_ENDS))
        if what in ("cut", "move", "change"):
            del lines[at:until]
        if what in ("put", "change"):
            lines.insert(at, new)
        if what == "move":
            to = draw(st.integers(0, len(lines)))
            lines[to:to] = cut
    changed = "".join(lines)
    if draw(st.booleans()):
        changed = changed.rstrip("\r\n")
    return draw(st.sampled_from([mark, mark, mark, ""])) + changed


def applied(text: str, edit: Edit | tuple[Splice, ...]) -> str:
    splices = edit.splices if isinstance(edit, Edit) else edit
    return Document.from_text(text).apply(splices).text


def with_status(text: str, key: str, status: Status) -> str:
    """The text after somebody set an item's status."""
    return applied(text, set_status(Document.from_text(text), key, status))


def item_text(text: str, key: str) -> str:
    document = Document.from_text(text)
    return document.text_of(document.item(key))


def keys(text: str) -> list[str]:
    return [item.key for item in Document.from_text(text).items]


def status_of(text: str, key: str) -> Status | None:
    return Document.from_text(text).item(key).status
