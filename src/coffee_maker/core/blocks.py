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
_WORD = r"(?:[A-Za-z]|\*\*[^\s*]|[^\s#>~<=_*+`\-0-9\[✅❌🔄⏳]|`(?!``)|[0-9]++(?![.)])|--*+[^\s\-]|__*+[^\s_])"
_MARKER = r"(?:[-*+]|[0-9]{1,9}[.)]) "
_RUN = rf"(?:\n|(?: {{0,3}}(?:{_MARKER})?{_WORD}|[\[✅❌🔄⏳])[^\n]*+\n|[ \t]++\n)*+"
_HEADING = r"(?P<heading>(?P<marks>#{1,6})(?:[ \t][^\n]*+)?)"
_FENCE = r"(?P<fence>(?P<ticks>`{3,})[^`\n]*+\n(?:(?! {0,3}(?P=ticks))[^\n]*+\n)*+ {0,3}(?P=ticks)`*+[ \t]*+)"
_RULE = r"(?P<rule>---+[ \t]*+)"
_BOX = rf"(?P<box> {{0,3}}{_MARKER}[\[✅❌🔄⏳][^\n]*+)"
_NEXT = on_demand(rf"(?P<run>{_RUN})(?:(?:{_HEADING}|{_FENCE}|{_RULE}|{_BOX})(?:\n|\Z)|)")


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
        text, blocks, following = self.text, self.blocks, _NEXT.match
        at, number, size = self.at, self.number, len(self.text)
        known = len(blocks.boxes)
        while at < size:
            found = following(text, at)
            assert found is not None  # it matches nothing too
            kind = found.lastgroup
            start = found.end("run")
            number += text.count("\n", at, start)
            at = found.end()
            if kind == "heading":
                level = found.end("marks") - start
                line = found["heading"]
                column, words = markup.atx_content(line, level)
                blocks.headings.append(Heading(number, number + 1, level, words, column, False, start, at))
            elif kind == "fence":
                first, number = number, number + text.count("\n", start, found.end("fence"))
                blocks.fences.append(Fence(first, number + 1, True))
                blocks.opaque.append((first, number + 1))
            elif kind == "box":
                blocks.boxes.append((number, found["box"]))
                number += 1
                continue
            elif kind != "rule" or (start > self.at and text[start - 2 : start] != "\n\n"):
                if start < size:
                    del blocks.boxes[known:]
                    return start
                number -= 1  # the text ends in a line that opens nothing
            number += 1
            self.at, self.number, known = at, number, len(blocks.boxes)
        self.at, self.number = size, number
        return size
