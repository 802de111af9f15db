"""A text of unknown origin as a quotation in the roadmap: readable, and without any meaning there.

In a block quote no heading begins an item, no field is a field, and what is left open (a comment, HTML) ends with the
quote. Check boxes would count even there, so what marks them becomes code.
"""

from __future__ import annotations

import re

from coffee_maker.core.errors import EditRefused
from coffee_maker.utils.text import printable

_BOX = re.compile(r"\A([ \t>]*(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]+)+)(\[[ xX]\]|[✅❌🔄⏳]\ufe0f?)")


def quoted(text: str, *, head: str) -> str:
    """The text as a block quote below a line that says what it is; refused when nothing of it can be seen."""
    plain = printable(text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not plain:
        raise EditRefused(problem="The note holds nothing that can be seen.")
    lines = [head, "", *(_BOX.sub(r"\1`\2`", line.rstrip(), count=1) for line in plain.split("\n"))]
    return "\n".join(f"> {line}" if line else ">" for line in lines)
