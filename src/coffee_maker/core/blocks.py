"""The block structure of a Markdown text, by CommonMark's rules, as far as it decides which lines are headings.

A heading inside a list item, a block quote, a fence, an HTML block or indented code is no heading of the document. The
exact rules are those of `LineScanner`; most of a roadmap never reaches them. Wherever nothing is open, one regular
expression jumps over all lines that open nothing of interest, to the next heading, fence or rule. These
close everything again. Where anything else comes first, the exact rules go over the lines from the last such place.
"""

from __future__ import annotations

from collections.abc import Sequence

from coffee_maker.core import markup
from coffee_maker.core.patterns import on_demand
from coffee_maker.core.scanner import LineScanner
from coffee_maker.core.structure import Blocks, Fence, Heading

__all__ = ["Blocks", "Fence", "Heading", "scan"]

# Lines that open no heading, fence or HTML block and underline nothing, whatever is open; the commonest forms come
# first. Those of a block quote open nothing in it either; a rule is none but below a blank line.
_MARKER = r"(?:[-*+]|[0-9]{1,9}[.)]) "
_TEXT = r"[^\s#>~<=_*+`\-0-9]"
_OTHER_TEXT = r"\*\*[^\s*]|`(?!``)|[0-9]++(?![.)])|--*+[^\s\-]|__*+[^\s_]"
_SIGNS = "\\[✅❌🔄⏳"  # a check box begins with one of them
_UNBOXED = _TEXT.replace("^", f"^{_SIGNS}", 1)


def _lines(text: str) -> str:
    """Lines of which those of lists and quotes begin with `text`, or with what no check box begins with."""
    listed = rf"- {text}[^\n]*+\n++| {{0,3}}(?:> {{0,4}}+)?+(?:{_MARKER})?(?:{text}|{_OTHER_TEXT})[^\n]*+\n++"
    return rf"(?:{_TEXT}[^\n]*+\n++|{listed}|[ \t]*+\n|(?<=\n\n)---+[ \t]*+\n++| {{0,3}}> ?\n++)*+"


# From the first list item on that may have a check box, the run is kept, to be looked at when boxes are asked for. An
# expression of its own, since this one takes as long to compile as all the rest and many texts have no check box.
_BOXED = on_demand(rf" {{0,3}}{_MARKER}[{_SIGNS}][^\n]*+\n{_lines(_TEXT)}")
_HEADING = r"(?P<heading>(?P<marks>#{1,6})(?:[ \t]([^\n]*+))?)"
# Inside a fence, ticks that certainly do not close it: behind text, too far to the right, too few, or before text.
_TICKS_INSIDE = r"(?:(?<![\n ])|(?<=[^\n ] )|(?<=    )|(?!(?P=ticks))|(?=`++[ \t]*+[^\s`]))`++"
_CLOSING = r"(?:(?<=\n)|(?<=\n )|(?<=\n  )|(?<=\n   ))(?P=ticks)`*+[ \t]*+"
_FENCE = rf"(?P<fence>(?P<ticks>`{{3,}})[^`\n]*+\n(?:[^`]++|{_TICKS_INSIDE})*+{_CLOSING})"
# An indented fence is one whether a list item is open or none, if no line in it stands further to the left.
_INNER_LINE = r"(?!(?P=lead) *+(?P=marker))(?:(?P=lead)[^\n]*+|[ \t]*+)\n"
_INNER = rf"(?P<inner>(?P<lead> {{1,3}})(?P<marker>`{{3,}})[^`\n]*+\n(?:{_INNER_LINE})*+(?P=lead)(?P=marker)`*+[ \t]*+)"
_RULE = r"(?P<rule>---+[ \t]*+)"
_NEXT = on_demand(rf"(?P<run>{_lines(_UNBOXED)})(?:(?:{_HEADING}|{_FENCE}|{_RULE}|{_INNER})(?:\n|\Z)|)")
# Its groups; numbers are faster than names.
_AT_RUN, _AT_HEADING, _AT_MARKS, _AT_WORDS, _AT_FENCE, _, _AT_RULE, _AT_INNER = range(1, 9)

_heading, _fence = Heading._make, Fence._make  # looked up once: they are called for each


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
        size, count, closed, loose, stopped = len(text), text.count, (at, number), None, at
        heading, fence, opaque = blocks.headings.append, blocks.fences.append, blocks.opaque.append
        while at < size:
            for found in _NEXT.finditer(text, stopped):  # one behind the other: each begins where the last one ends
                kind, start, end = found.lastindex, found.end(_AT_RUN), found.end()
                if start > at:
                    number += count("\n", at, start)
                if kind == _AT_HEADING:
                    level, words = found.end(_AT_MARKS) - start, found[_AT_WORDS]
                    column = level + 1
                    if not words or words[0] in " \t" or words[-1] in " \t#":
                        column, words = markup.atx_content(found[kind], level)
                    heading(_heading((number, number + 1, level, words, column, False, start, end)))
                elif kind == _AT_FENCE:
                    first, number = number, number + count("\n", start, found.end(kind))
                    fence(_fence((first, number + 1, True)))
                    opaque((first, number + 1))
                elif kind == _AT_INNER:
                    loose = loose or self._lengths()
                    first, number, at = number, number + count("\n", start, found.end(kind)) + 1, end
                    fence(_fence((first, number, True)))
                    opaque((first, number))
                    continue
                elif kind != _AT_RULE or (start > closed[0] and text[start - 2 : start] != "\n\n"):
                    if start < size:
                        break
                    number -= 1  # the text ends in a line that opens nothing
                number, at, loose = number + 1, end, None
                if at >= size:
                    break
                closed = at, number
            if at < size:
                boxed = _BOXED.match(text, start)
                if not boxed:
                    self._forget(loose)
                    self.at, self.number = closed
                    return start
                loose = loose or self._lengths()  # what it may stand in goes on
                at, stopped = start, boxed.end()
                blocks.boxes.append((number, at, stopped))
        self.at, self.number = size, number
        return size

    def _lengths(self) -> tuple[int, int, int]:
        return len(self.blocks.boxes), len(self.blocks.fences), len(self.blocks.opaque)

    def _forget(self, loose: tuple[int, int, int] | None) -> None:
        """Forget what was found since the last place where everything was closed: the exact rules find it again."""
        if loose:
            boxes, fences, opaque = loose
            del self.blocks.boxes[boxes:], self.blocks.fences[fences:], self.blocks.opaque[opaque:]
