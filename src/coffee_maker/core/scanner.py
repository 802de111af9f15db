"""CommonMark's block structure, line by line and exactly, as far as it decides which lines are headings.

One pass over the lines keeps the open containers (block quotes, list items) and the open leaf (paragraph, fence, HTML
block). Everything is linear in the length of the text, also for hostile ones: whitespace is looked at once per line, a
blank line passes any number of list items in one step, and a run of marks is tested as thematic break once per line.
"""

from __future__ import annotations

import re

from coffee_maker.core import markup
from coffee_maker.core.cursor import Cursor
from coffee_maker.core.patterns import on_demand
from coffee_maker.core.structure import Blocks, Fence, Heading

_TEXT, _BLANK, _HASH, _BULLET, _STAR, _SPACE, _DIGIT, _TICK, _OTHER = range(9)
_ITEM = 10
_PLAIN_ITEM = 2 * _ITEM + 1
_KINDS = {"": _BLANK, " ": _SPACE, "\t": _SPACE, "#": _HASH, "*": _STAR, "-": _BULLET, "+": _BULLET, "`": _TICK}
_KINDS |= dict.fromkeys("0123456789", _DIGIT) | dict.fromkeys(">~<=_", _OTHER)
_OPENERS = frozenset(["", *" \t\r\n>~<=_#*+`-0123456789"])  # what may open something behind a list marker
_STAR_OPENERS = frozenset(["", *" \t*"])  # what may make a thematic break of two stars
_NUMBER = on_demand(r"([0-9]{1,9})[.)](?:( )|\t|\Z)")
_BLANK_LINE = on_demand(r"[ \t]*\Z")
_MARKERS = " \t>-+*.)0123456789"
_BOX_SIGNS = frozenset("[✅❌🔄⏳")


def _is_text(line: str, start: int) -> bool:
    """Whether what stands at `start`, behind a list marker, is certainly text: it opens nothing itself."""
    char = line[start : start + 1]
    if char == "*":
        return line[start + 1 : start + 2] == "*" and line[start + 2 : start + 3] not in _STAR_OPENERS
    return not line.startswith("```", start) if char == "`" else char not in _OPENERS


class LineScanner:
    """The state between two lines of a text whose line ends are all ``\\n``: open containers, and the open leaf."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.number = 0  # of the next line
        self.at = 0  # where it starts
        self.blocks = Blocks([], [], [], [])
        self.stack: list[int] = []  # per open container: 0 for a block quote, else a list item's content offset
        self.quotes: list[int] = []  # positions of the block quotes in `stack`
        self.empty_item = False  # the innermost item has had nothing but its marker
        self.listed = -1  # the last line on which a list item began
        self.para = -1  # first line of the open paragraph; -1: none is open
        self.para_at = 0  # where that line starts
        self.fence: tuple[int, str, int] | None = None  # line, character, length
        self.html: tuple[int, re.Pattern[str] | None] | None = None  # line, what ends it (None: a blank line)

    @property
    def nothing_open(self) -> bool:
        return not (self.stack or self.para >= 0 or self.fence or self.html)

    def take_line(self) -> None:
        """Take the next line."""
        if self.fence and not self.quotes and self._skip_code():
            return
        number, at = self.number, self.at
        line = self._line(at)
        self.number, self.at = number + 1, at + len(line) + 1
        if self.html or self.fence or self.quotes or self.empty_item or not self._nested(number, line, at):
            self._step(number, line, at)

    def _line(self, at: int) -> str:
        end = self.text.find("\n", at)
        return self.text[at:] if end < 0 else self.text[at:end]

    def _skip_code(self) -> bool:
        """Pass lines that certainly are inside of the open fence; True when they were the last ones.

        Without block quotes, whether a line is still in the list items is a matter of leading blanks alone.
        """
        size = len(self.text)
        _, mark, length = self.fence or (0, "`", 3)
        margin, closing = " " * sum(self.stack), mark * length
        while self.at < size:
            line = self._line(self.at)
            if closing in line or not (line.startswith(margin) or not line):
                return False
            self.at += len(line) + 1
            self.number += 1
        return True

    def _nested(self, number: int, line: str, at: int) -> bool:
        """Take a line of nested lists that is blank, text or a plain list item; False: the exact rules decide."""
        text = line.lstrip(" ")
        kind = _KINDS.get(text[:1], _TEXT)
        if kind > _BLANK:
            kind = _look_closer(text, kind)
        if kind == _BLANK:
            self.para = -1
            return True
        if kind == _TEXT and self.para >= 0:
            return True  # text goes on with an open paragraph wherever it stands
        if kind != _TEXT and kind < _ITEM:
            return False
        indent, matched = len(line) - len(text), 0
        for offset in self.stack:
            if indent < offset:
                break
            indent -= offset
            matched += 1
        if indent > 3 or (kind >= _ITEM and not kind & 1 and self.para >= 0 and matched == len(self.stack)):
            return False
        self._close_to(matched)
        if kind >= _ITEM:
            self.stack.append(indent + kind // _ITEM)
            self._note_box(number, line)
        self.para, self.para_at = number, at
        return True

    def _step(self, number: int, line: str, start: int) -> None:
        """One line by the exact rules."""
        at = Cursor(line)
        matched = self._match(at)
        whole = matched == len(self.stack)
        self.empty_item = False
        if (self.fence or self.html) and whole:
            self._continue_leaf(number, at)
            return
        if self.fence or self.html:
            self.close_leaf(number)
        if self._open(number, at, matched, start):
            return
        if at.blank:
            self._close_to(max(matched, at.opened))
        elif self.para < 0:  # else it goes on, also as a lazy line: the unmatched containers stay open
            self._close_to(max(matched, at.opened))
            self.para, self.para_at = number, start

    def _match(self, at: Cursor) -> int:
        """How many of the open containers go on in this line; the cursor moves behind their marks."""
        stack, matched, quotes = self.stack, 0, 0
        while matched < len(stack):
            offset = stack[matched]
            if at.blank:  # a blank line belongs to every list item, up to the next block quote
                matched = self.quotes[quotes] if quotes < len(self.quotes) else len(stack)
                return matched - 1 if self.empty_item and matched == len(stack) else matched
            if offset:
                if at.indent < offset:
                    break
                at.column += offset
            else:
                if at.indent > 3 or at.char != ">":
                    break
                at.pass_quote()
                quotes += 1
            matched += 1
        return matched

    def _continue_leaf(self, number: int, at: Cursor) -> None:
        """A line inside the open fence or HTML block, perhaps its last."""
        if self.fence:
            _, mark, length = self.fence
            if at.indent <= 3 and markup.closes_fence(at.line, at.next, mark, length):
                self.close_leaf(number + 1, closed=True)
        elif self.html:
            ends = self.html[1]
            if ends is None and at.blank:
                self.close_leaf(number)
            elif ends and ends.search(at.line, at.next):
                self.close_leaf(number + 1)

    def _open(self, number: int, at: Cursor, matched: int, start: int) -> bool:
        """Open the containers and the leaf that start in this line; True when nothing of it is left for a paragraph."""
        at.opened = matched
        while not at.blank:
            own = self.para >= 0 and at.opened == len(self.stack)  # the paragraph is here, not a lazy one's
            if at.indent > 3:
                return self.para < 0 and self._indented(number, at)
            char = at.char
            if char not in markup.SPECIAL:
                return False
            if char == ">":
                self._close_to(at.opened)
                self.quotes.append(len(self.stack))
                self.stack.append(0)
                at.pass_quote()
                at.opened += 1
            elif self._open_leaf(number, at, own, start):
                return True
            elif not self._open_item(number, at, own):
                return False
        return False

    def _indented(self, number: int, at: Cursor) -> bool:
        self._close_to(at.opened)
        opaque = self.blocks.opaque
        if opaque and opaque[-1][1] == number:
            opaque[-1] = (opaque[-1][0], number + 1)
        else:
            opaque.append((number, number + 1))
        return True

    def _open_leaf(self, number: int, at: Cursor, own: bool, line_at: int) -> bool:
        """A heading, fence, HTML block or thematic break, if one starts here."""
        line, start, char = at.line, at.next, at.char
        if char == "#" and (level := markup.atx_level(line, start)):
            self._close_to(at.opened)
            if not self.stack:
                column, text = markup.atx_content(line, start + level)
                end = min(self.at, len(self.text))
                heading = Heading(number, number + 1, level, text, column, False, line_at, end)
                self.blocks.headings.append(heading)
            return True
        if char in "`~" and (length := markup.opens_fence(line, start)):
            self._close_to(at.opened)
            self.fence = (number, char, length)
            return True
        if char == "<" and (kind := markup.html_start(line, start, interrupting=self.para >= 0)):
            self._close_to(at.opened)
            self.html = (number, kind.ends)
            if kind.ends and kind.ends.search(line, start):
                self.close_leaf(number + 1)
            return True
        if (
            char in "=-"
            and own
            and markup.is_underline(line, start)
            and self._setext(number, 1 if char == "=" else 2, line_at)
        ):
            return True
        if char in "*-_" and at.is_break():
            self._close_to(at.opened)
            return True
        return False

    def _setext(self, number: int, level: int, line_at: int) -> bool:
        """Make the open paragraph a heading, unless it holds nothing but link reference definitions."""
        lines = self.text[self.para_at : line_at - 1].split("\n")
        skipped = markup.definition_lines(lines)
        if skipped >= len(lines):
            return False
        if not self.stack:
            text = "\n".join(part.strip(" \t") for part in lines[skipped:])
            column = len(lines[skipped]) - len(lines[skipped].lstrip(" \t"))
            start = self.para_at + sum(len(part) + 1 for part in lines[:skipped])
            end = min(self.at, len(self.text))
            line = self.para + skipped
            self.blocks.headings.append(Heading(line, number + 1, level, text, column, True, start, end))
        self.para = -1
        return True

    def _open_item(self, number: int, at: Cursor, own: bool) -> bool:
        """A list item, if one starts here; an empty one, or one not counted from 1, does not interrupt a paragraph."""
        found = markup.LIST_MARKER.match(at.line, at.next)
        if not found:
            return False
        bare = found.end() == len(at.line) or _BLANK_LINE.match(at.line, found.end()) is not None
        if own and (bare or (found[1] and int(found[1]) != 1)):
            return False
        self._close_to(at.opened)
        indent = at.indent
        offset = indent + at.pass_marker(found.end(), bare)
        self.stack.append(offset)
        at.opened += 1
        self.empty_item = bare
        self._note_box(number, at.line)
        return True

    def _close_to(self, depth: int) -> None:
        """Close the paragraph and all containers deeper than `depth`."""
        self.para = -1
        del self.stack[depth:]
        while self.quotes and self.quotes[-1] >= depth:
            self.quotes.pop()

    def close_leaf(self, end: int, *, closed: bool = False) -> None:
        """End the open fence or HTML block before line `end`."""
        if self.fence:
            self.blocks.fences.append(Fence(self.fence[0], end, closed))
            self.blocks.opaque.append((self.fence[0], end))
        elif self.html:
            self.blocks.opaque.append((self.html[0], end))
        self.fence = self.html = None

    def _note_box(self, number: int, line: str) -> None:
        """Keep a list item's line if what stands behind its markers (looked at once) may be a check box."""
        if self.listed != number and line.lstrip(_MARKERS)[:1] in _BOX_SIGNS:
            self.blocks.boxes.append((number, self.at - len(line) - 1, self.at - 1))
        self.listed = number


def _look_closer(line: str, kind: int) -> int:
    """What a line with a mark in front is: ordinary text after all, blank, a flat list item, or perhaps a block.

    For a list item the content offset times `_ITEM`, plus one when it may interrupt a paragraph.
    """
    if kind in (_STAR, _BULLET):
        following = line[1:2]
        if following == " ":
            if _is_text(line, 2):
                return _PLAIN_ITEM
        elif following == "*" and kind == _STAR and line[2:3] not in _STAR_OPENERS:
            return _TEXT
    elif kind == _TICK:
        return kind if line.startswith("```") else _TEXT
    elif kind == _DIGIT:
        found = _NUMBER.match(line)
        if not found:
            return _TEXT
        if found[2] and _is_text(line, found.end()):
            return found.end() * _ITEM + (int(found[1]) == 1)
    elif kind == _SPACE and not line.strip(" \t"):
        return _BLANK
    return kind
