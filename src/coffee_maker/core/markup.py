"""The marks of CommonMark on one line: headings, fences, HTML blocks, list markers, link reference definitions.

Section numbers are those of the CommonMark specification 0.31.
"""

from __future__ import annotations

import re

from coffee_maker.core.patterns import on_demand
from coffee_maker.core.typed import NamedTuple

SPECIAL = frozenset("#>`~<=-*_+0123456789")
LIST_MARKER = on_demand(r"(?:[-+*]|([0-9]{1,9})[.)])(?=[ \t]|\Z)")
_FENCE = on_demand(r"`{3,}|~{3,}")
_UNDERLINE = on_demand(r"(?:=+|-+)[ \t]*\Z")


def atx_level(line: str, start: int) -> int:
    """The level of the ATX heading whose marks stand at `start`, else 0 (section 4.2)."""
    level = 0
    while line[start + level : start + level + 1] == "#" and level < 7:
        level += 1
    return level if 0 < level < 7 and line[start + level : start + level + 1] in ("", " ", "\t") else 0


def atx_content(line: str, start: int) -> tuple[int, str]:
    """Offset and text of an ATX heading's content, without the closing marks."""
    text = line[start:].lstrip(" \t")
    column = len(line) - len(text)
    text = text.rstrip(" \t")
    if text.endswith("#"):
        bare = text.rstrip("#")
        if not bare or bare[-1] in " \t":
            text = bare.rstrip(" \t")
    return column, text


def opens_fence(line: str, start: int) -> int:
    """The length of the fence that opens at `start`, else 0 (section 4.5): no backtick after a backtick fence."""
    found = _FENCE.match(line, start)
    if not found or (line[start] == "`" and "`" in line[found.end() :]):
        return 0
    return found.end() - start


def closes_fence(line: str, start: int, mark: str, length: int) -> bool:
    """Whether the rest of the line closes a fence of that mark and length."""
    rest = line[start:].rstrip(" \t")
    return len(rest) >= length and not rest.strip(mark)


def is_underline(line: str, start: int) -> bool:
    """Whether the rest of the line can underline a setext heading (section 4.3)."""
    return _UNDERLINE.match(line, start) is not None


def is_rule(line: str) -> bool:
    """Whether a line that continues nothing is a thematic break (section 4.1)."""
    marks = line.replace(" ", "").replace("\t", "")
    return len(marks) >= 3 and marks[0] in "-*_" and not marks.strip(marks[0]) and not line.startswith(("    ", "\t"))


class HtmlKind(NamedTuple):
    """One of the seven kinds of HTML block; `ends` is what ends it, None means a blank line (section 4.6)."""

    starts: re.Pattern[str]
    ends: re.Pattern[str] | None
    interrupts: bool = True


_BLOCK_TAGS = (
    "address|article|aside|base|basefont|blockquote|body|caption|center|col|colgroup|dd|details|dialog|dir|div|dl|dt|"
    "fieldset|figcaption|figure|footer|form|frame|frameset|h1|h2|h3|h4|h5|h6|head|header|hr|html|iframe|legend|li|"
    "link|main|menu|menuitem|nav|noframes|ol|optgroup|option|p|param|search|section|summary|table|tbody|td|tfoot|th|"
    "thead|title|tr|track|ul"
)
_ATTRIBUTE = r"[ \t]++[a-zA-Z_:][a-zA-Z0-9_.:-]*+(?:[ \t]*+=[ \t]*+(?:[^\"'=<>`\x00-\x20]++|'[^']*+'|\"[^\"]*+\"))?+"
_TAG = rf"<(?:[A-Za-z][A-Za-z0-9-]*+(?:{_ATTRIBUTE})*+[ \t]*+/?>|/[A-Za-z][A-Za-z0-9-]*+[ \t]*+>)[ \t]*+\Z"
_ANY_CASE = re.IGNORECASE | re.ASCII
_HTML_KINDS = (
    HtmlKind(
        on_demand(r"<(?:script|pre|style|textarea)(?=[ \t>]|\Z)", _ANY_CASE),
        on_demand(r"</(?:script|pre|style|textarea)>", _ANY_CASE),
    ),
    HtmlKind(on_demand("<!--"), on_demand("-->")),
    HtmlKind(on_demand(r"<\?"), on_demand(r"\?>")),
    HtmlKind(on_demand(r"<!\[CDATA\["), on_demand(r"\]\]>")),
    HtmlKind(on_demand("<![A-Za-z]"), on_demand(">")),
    HtmlKind(on_demand(rf"</?(?:{_BLOCK_TAGS})(?=[ \t]|/?>|\Z)", _ANY_CASE), None),
    HtmlKind(on_demand(_TAG), None, interrupts=False),
)


def html_start(line: str, start: int, *, interrupting: bool) -> HtmlKind | None:
    """The kind of HTML block that starts at `start`; the last kind cannot interrupt a paragraph."""
    for kind in _HTML_KINDS:
        if kind.starts.match(line, start):
            return kind if kind.interrupts or not interrupting else None
    return None


# A link reference definition (section 4.7): label, destination, and perhaps a title on the same or the next line.
_LABEL = on_demand(r"[ \t]*\[((?:[^\\\[\]]|\\.){1,999}+)\]:[ \t]*(?:\n[ \t]*)?", re.DOTALL)
_TARGET = on_demand(r"<(?:[^<>\n\\]|\\.)*+>|(?!<)[^\x00-\x20\x7f]+")
_TITLE = on_demand(
    r"(?:[ \t]+|[ \t]*\n[ \t]*)(?:\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.)*+'|\((?:[^()\\]|\\.)*+\))[ \t]*(?:\n|\Z)",
    re.DOTALL,
)
_CONTAINERS = on_demand(r"\A(?:[ \t]*(?:>|(?:[-*+]|[0-9]{1,9}[.)])(?=[ \t])))*[ \t]*")
_REST_OF_LINE = on_demand(r"[ \t]*(?:\n|\Z)")


def definition_lines(lines: list[str]) -> int:
    """How many leading lines of a paragraph define links, and so are no text of it."""
    if "[" not in lines[0]:
        return 0
    # Containers in front of the lines do not matter to definitions.
    head = _CONTAINERS.sub("", lines[0], count=1)
    text = "\n".join([head, *(line.lstrip(" \t>") for line in lines[1:])])
    position = 0
    while end := _definition_end(text, position):
        position = end
    return text.count("\n", 0, position) + (position == len(text) and position > 0)


def _definition_end(text: str, start: int) -> int:
    """Where the definition at `start` ends, line end included; 0 when there is none."""
    label = _LABEL.match(text, start)
    if not label or not label[1].strip():
        return 0
    target = _TARGET.match(text, label.end())
    if not target or not _balanced(target[0]):
        return 0
    end = _TITLE.match(text, target.end()) or _REST_OF_LINE.match(text, target.end())
    return end.end() if end else 0


def _balanced(target: str) -> bool:
    """Whether a bare destination's round brackets come in pairs."""
    depth = 0
    for char in re.sub(r"\\.", "", target) if not target.startswith("<") else "":
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0
