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
from coffee_maker.core.cursor import Cursor
from coffee_maker.core.patterns import on_demand


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
_NUMBER = on_demand(r"([0-9]{1,9})[.)](?:( )|\t|\Z)")
_BLANK_LINE = on_demand(r"[ \t]*\Z")


# Lines that open no heading, fence, quote or HTML block and underline nothing, whatever is open: they can be jumped
# over. Those with something like a check box in front are left out: somebody asks for them.
_WORD = r"(?:[^\s#>~<=_*+`\-0-9\[✅❌🔄⏳]|\*\*[^\s#>~<=_*+`\-0-9]|`(?!``))"
_RUN = on_demand(rf"(?:(?:(?: {{0,3}}(?:(?:[-*+]|[0-9]{{1,9}}[.)]) )?{_WORD}|[0-9]++(?![.)])|\[)[^\n]*+|[ \t]*+)\n)*+")
_MAYBE_BOX = on_demand(r" {0,3}(?:[-*+]|[0-9]{1,9}[.)]) [\[✅❌🔄⏳]")


def scan(lines: list[str], flat: str | None = None) -> Blocks:
    """The block structure of a text, given as its lines without line ends; `flat` is those joined by ``\\n``."""
    scanner = _Scanner(lines, "\n".join(lines) if flat is None else flat)
    scanner.run()
    return scanner.blocks


def _is_text(line: str, start: int) -> bool:
    """Whether what stands at `start`, behind a list marker, is certainly text: it opens nothing itself."""
    char = line[start : start + 1]
    if char == "*":
        return line[start + 1 : start + 2] == "*" and line[start + 2 : start + 3] not in _OPENERS
    return not line.startswith("```", start) if char == "`" else char not in _OPENERS


class _Scanner:
    """The state between two lines: open containers, and the open leaf if there is one."""

    def __init__(self, lines: list[str], flat: str) -> None:
        self.lines = lines
        self.flat = flat
        self.known = (0, 0)  # a line and where it starts in `flat`
        self.exact_until = -1  # up to this line jumping has been tried in vain
        self.blocks = Blocks([], [], [], [])
        self.stack: list[int] = []  # per open container: 0 for a block quote, else a list item's content offset
        self.quotes: list[int] = []  # positions of the block quotes in `stack`
        self.empty_item = False  # the innermost item has had nothing but its marker
        self.para = -1  # first line of the open paragraph; -1: none is open
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
            elif number > self.exact_until and self.para < 0 and not self.stack:
                number = self._jump(number)
            else:
                number = self._plain(number)
        # Behind the last line end there is no further line.
        self._close_leaf(total - 1 if lines and not lines[-1] else total)

    def _jump(self, number: int) -> int:
        """Go on from a line before which everything is closed, jumping over what opens nothing of interest.

        Headings, fences and rules without indentation close everything again. At any other line of interest the exact
        rules take over, from the last place where everything was closed: the number of that line.
        """
        flat, lines, total = self.flat, self.lines, len(self.lines)
        listed = self.blocks.list_lines
        at = self._offset(number)
        closed, closed_at, count = number, at, len(listed)
        while True:
            run = _RUN.match(flat, at)
            end = run.end() if run else at
            number += flat.count("\n", at, end)
            at = end
            line = lines[number] if number < total else ""
            box = line[:1] not in ("#", "`") and _MAYBE_BOX.match(line)
            if box:
                listed.append(number)
            elif number < total and self._closing(number, line, closed):
                closed, closed_at, count = number + 1, at + len(line) + 1, len(listed)
                if self.fence:
                    return closed
            if number + 1 < total and (box or closed > number):
                number += 1
                at += len(line) + 1
                continue
            self.known = (closed, closed_at)
            if closed == total:
                return total
            if number >= total - 1 and not line:
                return total
            del listed[count:]
            self.exact_until = number
            return closed

    def _closing(self, number: int, line: str, closed: int) -> bool:
        """Take a heading, a fence or a rule that closes everything; False: it is none, or perhaps an underline."""
        kind = _KINDS.get(line[:1], _TEXT)
        if kind == _HASH:
            return self._heading(number, line)
        if kind == _BULLET and number > closed and self.lines[number - 1].strip(" \t"):
            return False
        return kind in (_HASH, _TICK, _BULLET) and self._simple(number, line, kind)

    def _offset(self, number: int) -> int:
        """Where a line starts in `flat`; it never goes back."""
        known, at = self.known
        at += sum(map(len, self.lines[known:number])) + number - known
        self.known = (number, at)
        return at

    def _plain(self, number: int) -> int:
        """Take lines as long as nothing or one flat list item is open; the number of the first line not taken."""
        lines, total, kinds, stack, para = self.lines, len(self.lines), _KINDS, self.stack, self.para
        listed, plain = self.blocks.list_lines.append, [2]
        for number in range(number, total):  # noqa: B020
            line = lines[number]
            kind = kinds.get(line[:1], _TEXT)
            if kind > _HASH:
                # The two most frequent cases here, the others in a function: a plain item, and bold text.
                if kind <= _STAR and line[1:2] == " " and line[2:3] not in _OPENERS:
                    if stack != plain:
                        stack[:] = plain
                    para = number
                    listed(number)
                    continue
                if kind == _STAR and line[1:2] == "*" and line[2:3] not in _OPENERS:
                    kind = _TEXT
                else:
                    kind = self._look_closer(line, kind)
            if kind == _TEXT:
                if para < 0:  # else it goes on with the paragraph, or lazily with the list item's
                    stack.clear()
                    para = number
            elif kind == _BLANK:
                para = -1
                if not stack and number > self.exact_until:
                    break
            elif kind >= _ITEM and (kind & 1 or para < 0 or stack):
                stack[:] = (kind // _ITEM,)
                para = number
                listed(number)
            else:
                self.para = para
                if not self._simple(number, line, kind):
                    self.step(number, line)
                    return number + 1
                if self.fence or len(stack) > 1 or not stack:
                    return number + 1
                para = self.para
        self.para = para
        return number + 1

    def _simple(self, number: int, line: str, kind: int) -> bool:
        """Take a heading, a fence or a rule without indentation, or a line inside a list; False: it is none."""
        if kind == _HASH:
            return self._heading(number, line)
        if kind == _TICK and (length := markup.opens_fence(line, 0)):
            self._close_to(0)
            self.fence = (number, "`", length)
        elif line == "---" and self.para < 0:
            self._close_to(0)
        else:
            return kind == _SPACE and self._nested(number, line)
        return True

    def _heading(self, number: int, line: str) -> bool:
        """Take an ATX heading without indentation; it closes everything."""
        level = markup.atx_level(line, 0)
        if not level:
            return False
        if self.stack:
            self._close_to(0)
        self.para = -1
        column, text = markup.atx_content(line, level)
        self.blocks.headings.append(Heading(number, number + 1, level, text, column, False))
        return True

    def _nested(self, number: int, line: str) -> bool:
        """Take a line of nested lists that is blank, text or a plain list item; False: the exact rules decide."""
        text = line.lstrip(" ")
        kind = _KINDS.get(text[:1], _TEXT)
        if kind > _BLANK:
            kind = self._look_closer(text, kind)
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
            self.blocks.list_lines.append(number)
        self.para = number
        return True

    def _look_closer(self, line: str, kind: int) -> int:
        """What a line with a mark in front is: ordinary text after all, blank, a flat list item, or perhaps a block.

        For a list item the content offset times `_ITEM`, plus one when it may interrupt a paragraph.
        """
        if kind in (_STAR, _BULLET):
            following = line[1:2]
            if following == " ":
                if _is_text(line, 2):
                    return _PLAIN_ITEM
            elif following == "*" and kind == _STAR and line[2:3] not in _OPENERS:
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
        if number < total and not self.stack and markup.closes_flat_fence(lines[number], mark, length):
            self._close_leaf(number + 1, closed=True)
        elif number < total:
            self.step(number, lines[number])
        return number + 1

    def step(self, number: int, line: str) -> None:
        """One line by the exact rules."""
        at = Cursor(line)
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
        elif self.para < 0:  # else it goes on, also as a lazy line: the unmatched containers stay open
            self._close_to(max(matched, at.opened))
            self.para = number

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
                self._close_leaf(number + 1, closed=True)
        elif self.html:
            ends = self.html[1]
            if ends is None and at.blank:
                self._close_leaf(number)
            elif ends and ends.search(at.line, at.next):
                self._close_leaf(number + 1)

    def _open(self, number: int, at: Cursor, matched: int) -> bool:
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
            elif self._open_leaf(number, at, own):
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

    def _open_leaf(self, number: int, at: Cursor, own: bool) -> bool:
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
        if char == "<" and (kind := markup.html_start(line, start, interrupting=self.para >= 0)):
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
        skipped = markup.definition_lines(self.lines, self.para, number)
        line = self.para + skipped
        if line >= number:
            return False
        if not self.stack:
            text = "\n".join(part.strip(" \t") for part in self.lines[line:number])
            column = len(self.lines[line]) - len(self.lines[line].lstrip(" \t"))
            self.blocks.headings.append(Heading(line, number + 1, level, text, column, True))
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
        if self.blocks.list_lines[-1:] != [number]:
            self.blocks.list_lines.append(number)
        return True

    def _close_to(self, depth: int) -> None:
        """Close the paragraph and all containers deeper than `depth`."""
        self.para = -1
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
