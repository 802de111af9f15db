"""The block structure of a Markdown text, by CommonMark's rules, as far as it decides which lines are headings.

A heading inside a list item, a block quote, a fence, an HTML block or indented code is no heading of the document. One
pass over the lines keeps the open containers (block quotes and list items) and the open leaf (paragraph, fence, HTML
block). Lines that start with an ordinary character, and flat lists, never reach the exact rules of `_Scanner.step`.

Everything is linear in the length of the text, also for hostile ones: whitespace is looked at once per line, a blank
line passes any number of list items in one step, and a run of markers is tested as thematic break once per line.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from coffee_maker.core import markup


class Heading(NamedTuple):
    """A heading outside of all containers."""

    line: int  # 0-based
    end: int  # line after its last one (a setext heading has at least two)
    level: int
    text: str  # content without marks, as it stands; the lines of a setext heading joined by "\n"
    column: int  # offset of `text` in its line
    setext: bool


class Fence(NamedTuple):
    """A fenced code block, wherever it stands."""

    line: int
    end: int  # line after its last one
    closed: bool  # by a closing fence, not by the end of its container or of the text


class Blocks(NamedTuple):
    """What `scan` found, each list in the order of the lines."""

    headings: list[Heading]
    fences: list[Fence]
    opaque: list[tuple[int, int]]  # line ranges whose text means nothing: fences, HTML blocks, indented code
    list_lines: list[int]  # lines on which a list item begins


_TEXT, _BLANK, _HASH, _BULLET, _STAR, _SPACE, _DIGIT, _TICK, _OTHER = range(9)
_ITEM = 10
_PLAIN_ITEM = 2 * _ITEM + 1
_KINDS = {"": _BLANK, " ": _SPACE, "\t": _SPACE, "#": _HASH, "*": _STAR, "-": _BULLET, "+": _BULLET, "`": _TICK}
_KINDS |= dict.fromkeys("0123456789", _DIGIT) | dict.fromkeys(">~<=_", _OTHER)
_OPENERS = frozenset(["", *" \t\r\n>~<=_#*+`-0123456789"])  # what may open something behind a list marker
_FLAT_ITEM = re.compile(r"(?=[^\s>~<=_#*+`\-0-9]|\*\*[^\s*_\-]|``?[^`])")  # text that certainly opens nothing
_NUMBER = re.compile(r"([0-9]{1,9})[.)](?:( )|\t|\Z)")
_BLANK_LINE = re.compile(r"[ \t]*\Z")


def scan(lines: list[str]) -> Blocks:
    """The block structure of a text, given as its lines without line ends."""
    scanner = _Scanner(lines)
    scanner.run()
    return scanner.blocks


class _Scanner:
    """The state between two lines: open containers, and the open leaf if there is one."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.blocks = Blocks([], [], [], [])
        self.stack: list[int] = []  # per open container: 0 for a block quote, else a list item's content offset
        self.quotes: list[int] = []  # positions of the block quotes in `stack`
        self.empty_item = False  # the innermost item has had nothing but its marker
        self.para: list[str] | None = None  # lines of the open paragraph
        self.para_line = 0
        self.fence: tuple[int, str, int] | None = None  # line, character, length
        self.html: tuple[int, re.Pattern[str] | None] | None = None  # line, what ends it (None: a blank line)

    def run(self) -> None:
        """All lines: the plain ones here, the others by the exact rules."""
        lines, total, number = self.lines, len(self.lines), 0
        while number < total:
            if self.fence:
                number = self._inside_fence(number)
            elif self.html or len(self.stack) > 1 or self.quotes or self.empty_item:
                if self.html or self.quotes or self.empty_item or not self._nested(number, lines[number]):
                    self.step(number, lines[number])
                number += 1
            else:
                number = self._plain(number)
        # Behind the last line end there is no further line.
        self._close_leaf(total - 1 if lines and not lines[-1] else total)

    def _plain(self, number: int) -> int:
        """Take lines as long as nothing or one flat list item is open; the number of the first line not taken."""
        lines, total, kinds, stack, para = self.lines, len(self.lines), _KINDS, self.stack, self.para
        listed = self.blocks.list_lines.append
        for number in range(number, total):  # noqa: B020
            line = lines[number]
            kind = kinds.get(line[:1], _TEXT)
            if kind > _HASH:
                # The two most frequent cases here, the others in a function: a plain item, and bold text.
                if kind <= _STAR and line[1:2] == " " and line[2:3] not in _OPENERS:
                    kind = _PLAIN_ITEM
                elif kind == _STAR and line[1:2] == "*" and line[2:3] not in _OPENERS:
                    kind = _TEXT
                else:
                    kind = self._look_closer(line, kind)
            if kind == _TEXT:
                if para is None:
                    stack.clear()
                    para, self.para_line = [line], number
                else:
                    para.append(line)  # of the paragraph, or lazily of the list item's
            elif kind == _BLANK:
                para = None
            elif kind >= _ITEM and (kind & 1 or para is None or stack):
                stack[:] = (kind // _ITEM,)
                para, self.para_line = [line[kind // _ITEM :]], number
                listed(number)
            else:
                self.para = para
                if not self._simple(number, line, kind):
                    self.step(number, line)
                    return number + 1
                if self.fence or len(stack) > 1:
                    return number + 1
                para = self.para
        self.para = para
        return total

    def _simple(self, number: int, line: str, kind: int) -> bool:
        """Take a heading, a fence or a rule without indentation, or a line inside a list; False: it is none."""
        if kind == _HASH and (level := markup.atx_level(line, 0)):
            self._close_to(0)
            column, text = markup.atx_content(line, level)
            self.blocks.headings.append(Heading(number, number + 1, level, text, column, False))
        elif kind == _TICK and (length := markup.opens_fence(line, 0)):
            self._close_to(0)
            self.fence = (number, "`", length)
        elif line == "---" and self.para is None:
            self._close_to(0)
        else:
            return kind == _SPACE and self._nested(number, line)
        return True

    def _nested(self, number: int, line: str) -> bool:
        """Take a line of nested lists that is blank, text or a plain list item; False: the exact rules decide."""
        text = line.lstrip(" ")
        kind = _KINDS.get(text[:1], _TEXT)
        if kind > _BLANK:
            kind = self._look_closer(text, kind)
        if kind == _BLANK:
            self.para = None
            return True
        if kind == _TEXT and self.para is not None:
            self.para.append(text)  # text goes on with an open paragraph wherever it stands
            return True
        if kind != _TEXT and kind < _ITEM:
            return False
        indent, matched = len(line) - len(text), 0
        for offset in self.stack:
            if indent < offset:
                break
            indent -= offset
            matched += 1
        if indent > 3 or (kind >= _ITEM and not kind & 1 and self.para is not None and matched == len(self.stack)):
            return False
        self._close_to(matched)
        if kind >= _ITEM:
            kind //= _ITEM
            self.stack.append(indent + kind)
            self.blocks.list_lines.append(number)
            text = text[kind:]
        self.para, self.para_line = [text], number
        return True

    def _look_closer(self, line: str, kind: int) -> int:
        """What a line with a mark in front is: ordinary text after all, blank, a flat list item, or perhaps a block.

        For a list item the content offset times `_ITEM`, plus one when it may interrupt a paragraph.
        """
        if kind in (_STAR, _BULLET):
            following = line[1:2]
            if following == " ":
                if line[2:3] not in _OPENERS or _FLAT_ITEM.match(line, 2):
                    return _PLAIN_ITEM
            elif following == "*" and kind == _STAR and line[2:3] not in _OPENERS:
                return _TEXT
        elif kind == _TICK:
            return kind if line.startswith("```") else _TEXT
        elif kind == _DIGIT:
            found = _NUMBER.match(line)
            if not found:
                return _TEXT
            if found[2] and _FLAT_ITEM.match(line, found.end()):
                return found.end() * _ITEM + (int(found[1]) == 1)
        elif kind == _SPACE and not line.strip(" \t"):
            return _BLANK
        return kind

    def _inside_fence(self, number: int) -> int:
        """Take the lines of an open fence; the number of the first line not taken.

        Without block quotes and tabs, whether a line is still in the list items is a matter of leading blanks alone.
        """
        lines, total = self.lines, len(self.lines)
        margin = " " * sum(self.stack)
        _, mark, length = self.fence or (0, "`", 3)
        closing = mark * length
        if not self.stack:
            while number < total and closing not in lines[number]:
                number += 1
        while number < total and not self.quotes:
            text = lines[number]
            if closing in text or not (text.startswith(margin) or not text):
                break
            number += 1
        if number < total and not margin and markup.closes_flat_fence(lines[number], mark, length):
            self._close_leaf(number + 1, closed=True)
        elif number < total:
            self.step(number, lines[number])
        return number + 1

    def step(self, number: int, line: str) -> None:
        """One line by the exact rules."""
        at = _Cursor(line)
        matched = self._match(at)
        whole = matched == len(self.stack)
        self.empty_item = False
        if (self.fence or self.html) and whole:
            self._continue_leaf(number, at)
            return
        if self.fence or self.html:
            self._close_leaf(number)
        if self._open(number, at, matched):
            return
        if at.blank:
            self._close_to(max(matched, at.opened))
        elif self.para is not None:
            self.para.append(line[at.next :])  # also a lazy one: the unmatched containers stay open
        else:
            self._close_to(max(matched, at.opened))
            self.para, self.para_line = [line[at.next :]], number

    def _match(self, at: _Cursor) -> int:
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

    def _continue_leaf(self, number: int, at: _Cursor) -> None:
        """A line inside the open fence or HTML block, perhaps its last."""
        if self.fence:
            _, mark, length = self.fence
            if at.indent <= 3 and markup.closes_fence(at.line, at.next, mark, length):
                self._close_leaf(number + 1, closed=True)
        elif self.html:
            ends = self.html[1]
            if ends is None and at.blank:
                self._close_leaf(number)
            elif ends and ends.search(at.line, at.next):
                self._close_leaf(number + 1)

    def _open(self, number: int, at: _Cursor, matched: int) -> bool:
        """Open the containers and the leaf that start in this line; True when nothing of it is left for a paragraph."""
        at.opened = matched
        while not at.blank:
            own = self.para is not None and at.opened == len(self.stack)  # the paragraph is here, not a lazy one's
            if at.indent > 3:
                return self.para is None and self._indented(number, at)
            char = at.char
            if char not in markup.SPECIAL:
                return False
            if char == ">":
                self._close_to(at.opened)
                self.quotes.append(len(self.stack))
                self.stack.append(0)
                at.pass_quote()
                at.opened += 1
            elif self._open_leaf(number, at, own):
                return True
            elif not self._open_item(number, at, own):
                return False
        return False

    def _indented(self, number: int, at: _Cursor) -> bool:
        self._close_to(at.opened)
        opaque = self.blocks.opaque
        if opaque and opaque[-1][1] == number:
            opaque[-1] = (opaque[-1][0], number + 1)
        else:
            opaque.append((number, number + 1))
        return True

    def _open_leaf(self, number: int, at: _Cursor, own: bool) -> bool:
        """A heading, fence, HTML block or thematic break, if one starts here."""
        line, start, char = at.line, at.next, at.char
        if char == "#" and (level := markup.atx_level(line, start)):
            self._close_to(at.opened)
            if not self.stack:
                column, text = markup.atx_content(line, start + level)
                self.blocks.headings.append(Heading(number, number + 1, level, text, column, False))
            return True
        if char in "`~" and (length := markup.opens_fence(line, start)):
            self._close_to(at.opened)
            self.fence = (number, char, length)
            return True
        if char == "<" and (kind := markup.html_start(line, start, interrupting=self.para is not None)):
            self._close_to(at.opened)
            self.html = (number, kind.ends)
            if kind.ends and kind.ends.search(line, start):
                self._close_leaf(number + 1)
            return True
        if char in "=-" and own and markup.is_underline(line, start) and self._setext(number, 1 if char == "=" else 2):
            return True
        if char in "*-_" and at.is_break():
            self._close_to(at.opened)
            return True
        return False

    def _setext(self, number: int, level: int) -> bool:
        """Make the open paragraph a heading, unless it holds nothing but link reference definitions."""
        para = self.para or []
        skipped = markup.definition_lines(para)
        if skipped >= len(para):
            return False
        if not self.stack:
            line = self.para_line + skipped
            text = "\n".join(part.strip(" \t") for part in para[skipped:])
            column = len(self.lines[line]) - len(self.lines[line].lstrip(" \t"))
            self.blocks.headings.append(Heading(line, number + 1, level, text, column, True))
        self.para = None
        return True

    def _open_item(self, number: int, at: _Cursor, own: bool) -> bool:
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
        if self.blocks.list_lines[-1:] != [number]:
            self.blocks.list_lines.append(number)
        return True

    def _close_to(self, depth: int) -> None:
        """Close the paragraph and all containers deeper than `depth`."""
        self.para = None
        del self.stack[depth:]
        while self.quotes and self.quotes[-1] >= depth:
            self.quotes.pop()

    def _close_leaf(self, end: int, *, closed: bool = False) -> None:
        """End the open fence or HTML block before line `end`."""
        if self.fence:
            self.blocks.fences.append(Fence(self.fence[0], end, closed))
            self.blocks.opaque.append((self.fence[0], end))
        elif self.html:
            self.blocks.opaque.append((self.html[0], end))
        self.fence = self.html = None


class _Cursor:
    """A place in a line, as column (tabs stop at every fourth) and as position of the next character that counts."""

    __slots__ = ("_breaks", "_tabs", "column", "line", "next", "next_column", "opened")

    def __init__(self, line: str) -> None:
        self.line = line
        self._tabs = "\t" in line
        self._breaks: dict[str, int] = {}
        self.column = 0
        self.opened = 0  # containers that are open at this place
        self._look(0, 0)

    def _look(self, position: int, column: int) -> None:
        """Find the next character that is no blank, from a position whose column is known."""
        line = self.line
        found = _SPACES.match(line, position)
        self.next = found.end() if found else position
        if not self._tabs:
            self.next_column = column + self.next - position
            return
        for char in line[position : self.next]:
            column += 4 - column % 4 if char == "\t" else 1
        self.next_column = column

    @property
    def blank(self) -> bool:
        return self.next == len(self.line)

    @property
    def char(self) -> str:
        return self.line[self.next]

    @property
    def indent(self) -> int:
        return self.next_column - self.column

    def pass_quote(self) -> None:
        """Behind a block quote's mark and the one blank that belongs to it."""
        self.column = self.next_column + 1
        self._look(self.next + 1, self.column)
        if self.next_column > self.column:
            self.column += 1

    def pass_marker(self, end: int, bare: bool) -> int:
        """Behind a list marker that ends at `end`; the width of the marker with the blanks that belong to it."""
        width = end - self.next
        self.column = self.next_column + width
        self._look(end, self.column)
        blanks = 1 if bare or self.indent > 4 else self.indent
        self.column = self.next_column if bare else self.column + blanks
        return width + blanks

    def is_break(self) -> bool:
        """Whether the rest is a thematic break; the end of the line is measured once for each kind of mark."""
        char = self.char
        if char not in self._breaks:
            self._breaks[char] = len(self.line.rstrip(char + " \t"))
        return self.next >= self._breaks[char] and self.line.count(char, self.next) >= 3


_SPACES = re.compile(r"[ \t]*")
