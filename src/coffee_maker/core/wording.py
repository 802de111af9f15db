"""Reading a status from words as people write them, and writing another one over exactly those words.

A status value is read up to where something else begins (`- Implemented in ...`, `(Commit: ...)`, the next sign); that
part is the phrase. Its words decide, the sign only when there are no words: ✅ in front of `Assigned to` or `Partially
complete` does not mean done. A percentage in brackets right behind the phrase belongs to it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from coffee_maker.core.items import Status
from coffee_maker.core.patterns import on_demand
from coffee_maker.core.signs import SIGN, shape, status_of, status_signs
from coffee_maker.core.typed import NamedTuple

Span = tuple[int, int]
Change = tuple[int, int, str]  # start, end, new text


class Reading(NamedTuple):
    """A status as read from a value; spans are offsets in it. Without words and sign there is no status in it."""

    status: Status | None
    text: str  # the phrase without emphasis marks
    progress: int | None
    sign: Span | None  # of the signs in front of the words
    words: Span | None
    after: Span | None  # of a status sign right behind the words
    percent: Span | None  # of the bracketed percentage, with the blank before it


# The first pattern that is found decides, so what denies or restricts comes before what affirms. Each is only tried on
# words that hold one of the parts in front of it, without which it cannot match: so most are never compiled.
_DONE = r"(?:complet(?:e|ed|ion)|done|finished|implemented|fixed|resolved|shipped|released|delivered|merged|deployed)"
_DONE_STEMS = "complet, done, finished, implemented, fixed, resolved, shipped, released, delivered, merged, deployed"
_NOT_YET = r"(?:not|never|isn't|hasn't|hasn’t)\s+(?:yet\s+)?(?:been\s+)?"
_PIECE = r"(?:phases?|parts?|steps?|stages?|sprints?|milestones?|weeks?)"
_PATTERNS: tuple[tuple[Status, str, str], ...] = (
    (Status.PLANNED, "started, begun, scheduled", rf"{_NOT_YET}(?:started|begun|scheduled)|unstarted"),
    (
        Status.CANCELLED,
        "cancel, abandoned, dropped, rejected, obsolete, superseded, deprecated, discarded, removed",
        r"cancel(?:l?ed)?|abandoned|dropped|rejected|obsolete|superseded|deprecated|discarded|removed",
    ),
    (Status.CANCELLED, "won, will not, not planned, no longer", r"won['’]?t|will not|not planned|no longer needed"),
    (Status.MANUAL_REVIEW, "review, failed", r"(?:manual|human)\s+review|review\s+(?:required|needed|pending)|failed"),
    (
        Status.MANUAL_REVIEW,
        "review",
        r"(?:needs?|requires?|awaiting|pending|in|under|for|waiting for)\s+(?:\w+\s+)?review",
    ),
    (
        Status.BLOCKED,
        "block, hold, paused, waiting, stalled, suspended",
        r"blocked|blocker|on[\s-]?hold|paused|waiting|stalled|suspended",
    ),
    (Status.BLOCKED, "deferred, postponed, parked, delayed", r"deferred|postponed|parked|delayed"),
    (
        Status.IN_PROGRESS,
        "progress, wip, ongoing, under, in development, in work",
        r"in\s?progress|wip|ongoing|under\s?way|in (?:development|work)",
    ),
    (Status.IN_PROGRESS, "under", r"under (?:development|construction)"),
    (
        Status.IN_PROGRESS,
        "incomplete, unfinished, not, isn't",
        rf"incomplete|unfinished|(?:not|isn't)\s+(?:\w+\s+)?{_DONE}",
    ),
    (
        Status.IN_PROGRESS,
        "part, most, nearly, almost, largely, half",
        rf"(?:partial(?:ly)?|most(?:ly)?|nearly|almost|largely|half|partly|in part)\b.*\b{_DONE}",
    ),
    (Status.IN_PROGRESS, "part, mostly", rf"{_DONE}\s*[,:]?\s*(?:partial(?:ly)?|mostly|in part)"),
    (Status.IN_PROGRESS, "%", rf"(?<![\d.])\d?\d(?:\.\d+)?\s*%\s*{_DONE}"),
    (
        Status.IN_PROGRESS,
        "phase, part, step, stage, sprint, milestone, week",
        rf"{_PIECE}\s*\d[\d.,&+\s-]*\s*(?:is\s+)?{_DONE}",
    ),
    (
        Status.PLANNED,
        "to , todo, be, ready, unblocked",
        rf"(?:to be|will be|should be|must be|ready (?:to|for))\s+\w+|to\s?do|to {_DONE}|unblocked",
    ),
    (
        Status.COMPLETE,
        _DONE_STEMS + ", closed, achieved, verified, live, production, 100",
        rf"{_DONE}|closed|achieved|verified|live|production[\s-]ready|100\s*%",
    ),
    (
        Status.IN_PROGRESS,
        "started, working, implementing, underway, active, doing, begun, partial",
        r"started|working|implementing|underway|active|doing|begun|partial(?:ly)?",
    ),
    (
        Status.PLANNED,
        "plan, pending, propos, backlog, queued, upcoming, future, scheduled, draft",
        r"planned|planning|pending|proposed|proposal|backlog|queued|upcoming|future|scheduled|draft",
    ),
    (Status.PLANNED, "assigned, open, ready, next", r"assigned|open|ready|next"),
)
_STATUS_WORDS = tuple(
    (status, stems.split(", "), on_demand(rf"\b(?:{words})(?!\w)", re.IGNORECASE)) for status, stems, words in _PATTERNS
)
_BY_LABEL = {status.label.lower(): status for status in Status}

_MARKS = r"[*_`~\[ \t]*"
_END = r"(?:[(|;\[\]←→⬅➡<]|[ \t][-–—]+(?=[ \t])|[.,:](?=[ \t]|\Z)|\*\*|__|~~|`|//)"
_LEAD = on_demand(rf"[ \t]*(?:~~[^~]*~~[ \t]*)?{_MARKS}\(?{_MARKS}(?P<sign>(?:[ \t]*{SIGN})+)?{_MARKS}")
_WORDS_END = on_demand(rf"{_END}|{SIGN}|\)")
_AFTER = on_demand(rf"{_MARKS}(?P<sign>★\ufe0f?)")
_PERCENT = on_demand(r"[*_`]*(?P<all>[ \t]*[(\[]\s*~?(?P<number>\d{1,3})(?:\.\d+)?\s*%[^()\[\]0-9]{0,24}[)\]])")
_ANY_PERCENT = on_demand(r"(?<![\d.])(\d{1,3})(?:\.\d+)?\s*%")
_LETTERS = on_demand(r"[^\W\d_]{2}|100\s*%|[^\W\d_]")


def parse_status(words: str) -> Status | None:
    """The status that a person means by some words: `in-progress`, `✅ Completed`, `manual_review`; None: unknown."""
    plain = words.strip().lower().replace("-", "_").replace(" ", "_")
    for status in Status:
        if plain == status.value:
            return status
    return read_status(words).status


_NAMES = {
    **{status.value: status for status in Status},
    "todo": Status.PLANNED,
    "to_do": Status.PLANNED,
    "not_started": Status.PLANNED,
    "wip": Status.IN_PROGRESS,
    "started": Status.IN_PROGRESS,
    "on_hold": Status.BLOCKED,
    "paused": Status.BLOCKED,
    "in_review": Status.MANUAL_REVIEW,
    "needs_review": Status.MANUAL_REVIEW,
    "completed": Status.COMPLETE,
    "done": Status.COMPLETE,
    "finished": Status.COMPLETE,
    "canceled": Status.CANCELLED,
    "wont_do": Status.CANCELLED,
}
STATUS_NAMES = tuple(_NAMES)
_SEPARATORS = on_demand(r"[\s_-]+")


def named_status(words: str) -> Status | None:
    """The status of which the words are the name, another name or the sign, and nothing else: what a person orders is
    not guessed from a part of it, as what stands in a file is."""
    plain = words.strip()
    signed = status_of(plain)
    if signed:
        plain = plain[1:].removeprefix("\ufe0f")
    name = _SEPARATORS.sub("_", plain.lower()).strip("_").replace("'", "").replace("’", "")
    named = _NAMES.get(name)
    return signed if not name else named if signed in (None, named) else None


def words_status(words: str) -> Status | None:
    """The status that the words alone say."""
    plain = " ".join(words.replace("_", " ").split())
    lower = plain.lower()
    if lower in _BY_LABEL:
        return _BY_LABEL[lower]
    for status, stems, pattern in _STATUS_WORDS:
        if any(stem in lower for stem in stems) and pattern.search(plain):
            return status
    spaced = plain.replace("-", " ")
    return words_status(spaced) if spaced != plain else None


_LONGEST = 300  # characters of a value in which a phrase is looked for


def read_status(value: str) -> Reading:
    """Read the phrase at the beginning of a value."""
    return _read_status(value if len(value) <= _LONGEST else value[:_LONGEST])


@lru_cache(maxsize=512)
def _read_status(value: str) -> Reading:
    """Roadmaps repeat few phrases often, hence the cache."""
    if plain := _plain_reading(value):
        return plain
    shown = shape(value)
    lead = _LEAD.match(shown)
    assert lead is not None  # it matches nothing too
    sign = lead.span("sign") if lead["sign"] else None
    begin = lead.end()
    end = _phrase_end(shown, begin)
    words: Span | None = (begin, end)
    if not _LETTERS.search(value, begin, end):
        words, end = None, begin
    status = words_status(value[begin:end]) if words else _sign_status(value, sign)
    after = _sign_behind(value, shown, end) if words and not sign else None
    tail = after[1] if after else end
    percent = _PERCENT.match(value, tail) if words or sign else None
    inside = _ANY_PERCENT.search(value, begin, end) if words else None
    number = int(percent["number"]) if percent else int(inside[1]) if inside else None
    text = " ".join(part for part in (value[slice(*sign)] if sign else "", value[begin:end]) if part)
    if percent:
        text += " " + percent["all"].strip()
    return Reading(
        status,
        text,
        number if number is not None and number <= 100 else None,
        sign,
        words,
        after,
        percent.span("all") if percent else None,
    )


def _plain_reading(value: str) -> Reading | None:
    """The plainest form, which we write ourselves: a label, perhaps behind a status sign. No pattern is needed."""
    begin, sign = 0, None
    if status_of(value):
        sign = 0, 1 + value.startswith("\ufe0f", 1)
        begin = sign[1] + value.startswith(" ", sign[1])
    status = _BY_LABEL.get(value[begin:].lower())
    if status is None or (sign and begin == sign[1]):
        return None
    return Reading(status, value, None, sign, (begin, len(value)), None, None)


def _phrase_end(value: str, begin: int) -> int:
    """Where the words of a value's shape end; behind a comma they go on when what follows is about the status too."""
    position = begin
    while True:
        found = _WORDS_END.search(value, position)
        end = found.start() if found else len(value)
        if found and found[0] == ",":
            following = _WORDS_END.search(value, found.end())
            if words_status(value[found.end() : following.start() if following else len(value)]):
                position = found.end()
                continue
        return begin + len(value[begin:end].rstrip(" \t*_"))


def _sign_behind(value: str, shown: str, end: int) -> Span | None:
    """Where a status sign right behind the words stands."""
    found = _AFTER.match(shown, end)
    return found.span("sign") if found and status_of(value[found.start("sign")]) else None


def _sign_status(value: str, sign: Span | None) -> Status | None:
    """The status of the first status sign among the leading ones."""
    found = next(status_signs(value, *sign), None) if sign else None
    return status_of(value[found[0]]) if found else None


def rewrite_status(value: str, new: Status) -> list[Change]:
    """What to change in a value so that it reads as the new status; nothing when it does already.

    Sign and words are replaced where they stand, in the letter case of the old words; emphasis marks and everything
    behind the phrase stay. A bracketed percentage stays only where it does not contradict: under 100 % with a status
    that is neither planned nor complete, 100 % with complete.
    """
    old = read_status(value)
    if old.status is new:
        return []
    if not old.words and not old.sign:
        return _insert(value, new)
    changes = _sign_changes(value, old, new)
    if old.words:
        changes.append((*old.words, _in_case(new.label, value[slice(*old.words)])))
    if old.percent and not _fits(old.progress, new):
        changes.append((*old.percent, ""))
    if read_status(spliced(value, changes)).status is new:
        return changes
    end = max(span[1] for span in (old.sign, old.words, old.after, old.percent) if span)
    begin = min(span[0] for span in (old.sign, old.words) if span)
    whole = [(begin, end, f"{new.sign} {new.label}")]
    return whole if read_status(spliced(value, whole)).status is new else [(0, len(value), f" {new.sign} {new.label}")]


def _sign_changes(value: str, old: Reading, new: Status) -> list[Change]:
    """The first status sign becomes the new one, further ones go; signs that mean no status stay."""
    changes: list[Change] = []
    for span in (old.sign, old.after):
        for start, end in status_signs(value, *span) if span else ():
            changes.append((start, end, "" if changes else new.sign))
    if not changes and not old.words and old.sign:
        changes.append((old.sign[1], old.sign[1], f" {new.sign} {new.label}"))
    return changes


def _insert(value: str, new: Status) -> list[Change]:
    """Put a status in front of a value that begins with none."""
    start = len(value) - len(value.lstrip(" \t"))
    gap = " " if value.strip(" \t") else ""
    return [(start, start, f"{'' if start else ' '}{new.sign} {new.label}{gap}")]


def _fits(progress: int | None, new: Status) -> bool:
    if new is Status.PLANNED:
        return False
    return (progress == 100) == (new is Status.COMPLETE)


def _in_case(label: str, words: str) -> str:
    letters = [char for char in words if char.isalpha()]
    if letters and all(char.isupper() for char in letters):
        return label.upper()
    return label.lower() if letters and all(char.islower() for char in letters) else label


def spliced(value: str, changes: list[Change]) -> str:
    """The value with the changes made."""
    for start, end, text in sorted(changes, reverse=True):
        value = value[:start] + text + value[end:]
    return value
