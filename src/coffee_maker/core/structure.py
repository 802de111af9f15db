"""What a scan of the block structure finds. Lines are counted from 0, places are offsets in the text."""

from __future__ import annotations

from coffee_maker.core.typed import NamedTuple


class Heading(NamedTuple):
    """A heading outside of all containers."""

    line: int
    end: int  # line after its last one (a setext heading has at least two)
    level: int
    text: str  # content without marks, as it stands; the lines of a setext heading joined by "\n"
    column: int  # offset of `text` in its line
    setext: bool
    at: int  # where its line starts
    end_at: int  # where the line after it starts


class Fence(NamedTuple):
    """A fenced code block, wherever it stands."""

    line: int
    end: int  # line after its last one
    closed: bool  # by a closing fence, not by the end of its container or of the text


class Blocks(NamedTuple):
    """What was found, each list in the order of the lines."""

    headings: list[Heading]
    fences: list[Fence]
    opaque: list[tuple[int, int]]  # line ranges whose text means nothing: fences, HTML blocks, indented code
    boxes: list[tuple[int, int, int]]  # where list items with something like a check box may be: first line, and span
