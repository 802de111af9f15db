"""Whether an item says enough to be built: what is to come out of it, and how one sees that it is done."""

from __future__ import annotations

import re

_FEWEST_WORDS = 12
_BOX = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s", re.MULTILINE)
_SPEAKS = re.compile(
    r"(?i)\b(?:deliverables?|acceptance|criteri(?:a|on)|definition of done|success|outcome|result|expected|output|"
    r"must|should|shall|so that|in order to|when|returns?|creates?|shows?|tests? pass(?:es)?)\b"
)
_FIELD = re.compile(r"^\s*(?:[-*+]\s+)?\*\*[^*\n]{1,40}\*\*.*$", re.MULTILINE)


def is_vague(text: str) -> bool:
    """Whether the item's own text has neither a deliverable nor a way to accept it. Its heading and fields (status,
    effort, ...) say neither; a list, a fenced block or a dozen words with a condition do."""
    body = _FIELD.sub("", text.partition("\n")[2])
    if _BOX.search(body) or "```" in body or "~~~" in body:
        return False
    words = body.split()
    return len(words) < _FEWEST_WORDS or not _SPEAKS.search(body)
