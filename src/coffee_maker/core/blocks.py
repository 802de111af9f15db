"""The block structure of a Markdown text, by CommonMark's rules, as far as it decides which lines are headings.

A heading inside a list item, a block quote, a fence, an HTML block or indented code is no heading of the document. The
exact rules are those of `LineScanner`; most of a roadmap never reaches them. Wherever nothing is open, one regular
expression jumps over all lines that open nothing of interest, to the next heading, fence, rule or check box. These
close everything again. Where anything else comes first, the exact rules go over the lines from the last such place.
"""

from __future__ import annotations

from collections.abc import Sequence

from coffee_maker.core import markup
from coffee_maker.core.patterns import on_demand
from coffee_maker.core.scanner import LineScanner
from coffee_maker.core.structure import Blocks, Fence, Heading

__all__ = ["Blocks", "Fence", "Heading", "scan"]

# Lines that open no heading, fence, quote or HTML block and underline nothing, whatever is open.
_MARKER = r"(?:[-*+]|[0-9]{1,9}[.)]) "
_TEXT = r"[^\s#>~<=_*+`\-0-9]"
_OTHER_TEXT = r"\*\*[^\s*]|`(?!``)|[0-9]++(?![.)])|--*+[^\s\-]|__*+[^\s_]"
_UNBOXED = rf"(?:(?![\[✅❌🔄⏳]){_TEXT}|{_OTHER_TEXT})"
_RUN = rf"(?:\n|{_TEXT}[^\n]*+\n| {{0,3}}(?:{_UNBOXED}|{_MARKER}{_UNBOXED})[^\n]*+\n|[ \t]++\n)*+"
_HEADING = r"(?P<heading>(?P<marks>#{1,6})(?:[ \t][^\n]*+)?)"
# Inside a fence, ticks that certainly do not close it: behind text, too far to the right, too few, or before text.
_TICKS_INSIDE = r"(?:(?<![\n ])|(?<=[^\n ] )|(?<=    )|(?!(?P=ticks))|(?=`++[ \t]*+[^\s`]))`++"
_CLOSING = r"(?:(?<=\n)|(?<=\n )|(?<=\n  )|(?<=\n   ))(?P=ticks)`*+[ \t]*+"
_FENCE = rf"(?P<fence>(?P<ticks>`{{3,}})[^`\n]*+\n(?:[^`]++|{_TICKS_INSIDE})*+{_CLOSING})"
# An indented fence is one whether a list item is open or none, if no line in it stands further to the left.
_INNER_LINE = r"(?!(?P=lead) *+(?P=marker))(?:(?P=lead)[^\n]*+|[ \t]*+)\n"
_INNER = rf"(?P<inner>(?P<lead> {{1,3}})(?P<marker>`{{3,}})[^`\n]*+\n(?:{_INNER_LINE})*+(?P=lead)(?P=marker)`*+[ \t]*+)"
_RULE = r"(?P<rule>---+[ \t]*+)"
_BOX = rf"(?P<box> {{0,3}}{_MARKER}[\[✅❌🔄⏳][^\n]*+)"
_NEXT = on_demand(rf"(?P<run>{_RUN})(?:(?:{_HEADING}|{_FENCE}|{_RULE}|{_BOX}|{_INNER})(?:\n|\Z)|)")
_AT_RUN, _AT_HEADING, _AT_MARKS, _AT_FENCE, _, _AT_RULE, _AT_BOX, _AT_INNER = range(1, 9)  # numbers are faster
_AT_FENCES = (_AT_FENCE, _AT_INNER)


def scan(text: Sequence[str]) -> Blocks:
    """The block structure of a text whose line ends are all ``\\n``, or of lines without ends."""
    scanner = _Scanner(text if isinstance(text, str) else "\n".join(text))
    scanner.run()
    return scanner.blocks


class _Scanner(LineScanner):
    def run(self) -> None:
        """Scan the whole text."""
        size, tried = len(self.text), -1
        while self.at < size:
            if self.at > tried and self.nothing_open:
                tried = self._jump()
            else:
                self.take_line()
        self.close_leaf(self.number)

    def _jump(self) -> int:
        """Go on over what opens nothing; where the line starts that stopped it, for which the exact rules are needed.

        The state is then that of the last place where everything was closed: they see what the line may continue.
        """
        text, blocks, at, number = self.text, self.blocks, self.at, self.number
        count, known = text.count, (len(blocks.boxes), len(blocks.fences), len(blocks.opaque))
        for found in _NEXT.finditer(text, at):  # one behind the other: each begins where the last one ends
            kind, start, end = found.lastindex, found.end(_AT_RUN), found.end()
            if start > at:
                number += count("\n", at, start)
            if kind == _AT_BOX:
                blocks.boxes.append((number, found[kind]))
                number, at = number + 1, end
                continue
            if kind == _AT_HEADING:
                level = found.end(_AT_MARKS) - start
                line, column = found[kind], level + 1
                words = line[column:]
                if not words or words[0] in " \t" or words[-1] in " \t#":
                    column, words = markup.atx_content(line, level)
                blocks.headings.append(Heading._make((number, number + 1, level, words, column, False, start, end)))
            elif kind in _AT_FENCES:
                first, number = number, number + count("\n", start, found.end(kind))
                blocks.fences.append(Fence._make((first, number + 1, True)))
                blocks.opaque.append((first, number + 1))
                if kind == _AT_INNER:  # what it may stand in goes on
                    number, at = number + 1, end
                    continue
            elif kind != _AT_RULE or (start > self.at and text[start - 2 : start] != "\n\n"):
                if start < len(text):
                    del blocks.boxes[known[0] :], blocks.fences[known[1] :], blocks.opaque[known[2] :]
                    return start
                number -= 1  # the text ends in a line that opens nothing
            number, at = number + 1, end
            self.at, self.number, known = at, number, (len(blocks.boxes), len(blocks.fences), len(blocks.opaque))
            if at >= len(text):
                break
        self.at, self.number = len(text), number
        return len(text)
