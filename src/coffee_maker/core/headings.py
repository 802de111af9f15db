"""The headings that make an item: `PRIORITY 2.6: Title`, `US-110: Title`, `[US-002] Title`, with their decoration.

A rule, not a list of cases: in front of the id there may be only signs, marks and a status (`📝 PLANNED: US-113 - T`);
behind it there must be a separator (`:`, a dash between blanks, the closing bracket) and a title. So `Week 1: ...
PRIORITY 1`, `Post-PRIORITY 3`, `US-016 COMPLETION SUMMARY`, `PRIORITY X: ...` and ranges of ids are none.
"""

from __future__ import annotations

import re

from coffee_maker.core.errors import BadSetting
from coffee_maker.core.patterns import on_demand
from coffee_maker.core.signs import PLAIN_STATUS_SIGNS, SIGN, shape
from coffee_maker.core.typed import NamedTuple
from coffee_maker.core.wording import Reading, Span, read_status, words_status


class ItemHeading(NamedTuple):
    """An item's heading, taken apart; spans are offsets in the heading's text."""

    id: str
    title: str
    id_span: Span
    title_span: Span
    states: tuple[tuple[Span, Reading], ...]  # the parts that state a status; the first one counts


_item_heading = ItemHeading._make  # looked up once: it is called for each
_DECORATION = rf"(?:[ \t*_~`\[(<>|•]|{SIGN}|\\)*"
_NUMBER = r"[0-9]+(?:\.[0-9]+)*[a-zA-Z]?"
_ID = rf"(?P<id>PRIORITY[ \t_-]?[ \t]*(?P<number>{_NUMBER})|US-[0-9]+(?:\.[0-9]+)*[a-zA-Z]?)(?![\w.])"
_AHEAD = on_demand(
    rf"(?P<before>{_DECORATION}(?:(?P<words>[A-Za-z][A-Za-z ]{{1,30}})[*_]*:[ \t*_]*{_DECORATION})?){_ID}"
    r"(?P<close>[*_~`]*[\])]?[*_~`]*)(?P<separator>[ \t]*:[ \t]*|[ \t]+[-–—]+[ \t]+|[ \t]+)(?P<reopen>[*_]*)"
)
_RANGE = on_demand(r"(?:PRIORITY[ \t_-]?|US-)?[0-9]+(?:\.[0-9]+)*[a-z]?(?:[ \t]*[:(\]-]|[ \t]*\Z)")
_BOLD_END = on_demand(r"\*\*|__")
_SIGN = on_demand(SIGN)
_SIGNS_AHEAD = on_demand(rf"(?:{SIGN}[ \t]*)+")
# Where the title of a heading without bold might end: an arrow, a sign, a bracket, a dash, bold.
_TURN = on_demand(
    rf"[ \t]*(?:(?P<arrow>←|⬅|<-)|(?P<sign>{SIGN})|(?P<open>[(\[])|[ \t](?P<dash>[-–—]+)[ \t]|(?P<bold>\*\*|__))"
)
_LINK = on_demand(r"\]\([^)\s]*\)\Z")
_SHOUTED = on_demand(r"[^a-z←]*(?:\([^()]*\))?[ \t*_]*(?:[←⬅].*)?\Z")
_EXACT = on_demand(
    r"(?:\d{1,3} ?% )?(?:mostly |partially |almost |mvp |fully |not )?"
    r"(?:complete|completed|done|finished|planned|in progress|in[-_]progress|blocked|on hold|paused|deferred|cancelled|"
    r"canceled|manual review(?: required)?|todo|to do|started|pending|wip|fixed|implemented)(?: ?[:,]? ?\d{1,3} ?%)?",
    re.IGNORECASE,
)


# The plainest form, taken apart at once: nothing in it can be decoration, a status or the end of the title.
_PLAIN = on_demand(
    r"(?:PRIORITY ([0-9]+(?:\.[0-9]+)*)|(US-[0-9]+)): (?=\S)"
    r"((?:[A-Za-z0-9,.&/'\"`+?!;%=@]++| (?![ -])|(?<=[^ ])-(?=[^ ]))++)\Z"
)


LONGEST = 500  # characters of a heading that can be an item's: every turn of a title is looked at to its end


def read_heading(text: str) -> ItemHeading | None:
    """Take a heading's text apart, if it is an item's by one of the built-in forms."""
    if ("PRIORITY" not in text and "US-" not in text) or len(text) > LONGEST:
        return None
    if plain := _PLAIN.match(text):
        name = plain[2] or f"PRIORITY-{plain[1]}"
        start, end = plain.span(3)
        return _item_heading((name, plain[3], (0, start - 2), (start, end), ()))
    shown = shape(text)
    ahead = _AHEAD.match(shown)
    if not ahead or not _separated(ahead, text) or (ahead["words"] and not words_status(ahead["words"])):
        return None
    number = ahead["number"]
    name = f"PRIORITY-{number}" if number else ahead["id"]
    start, end, rest = _title(text, shown, ahead)
    title = " ".join(text[start:end].replace("**", "").split())
    if not title:
        return None
    return ItemHeading(name, title, ahead.span("id"), (start, end), tuple(_states_in(text, shown, ahead, rest)))


def _separated(ahead: re.Match[str], text: str) -> bool:
    """A blank separates only behind a closing bracket; behind a dash another id makes a range."""
    separator = ahead["separator"].strip(" \t")
    if not separator:
        return "]" in ahead["close"]
    return separator == ":" or not _RANGE.match(text, ahead.end())


def _title(text: str, shown: str, ahead: re.Match[str]) -> tuple[int, int, int]:
    """Start and end of the title, and where the rest (status, decoration) begins."""
    start = ahead.end()
    if signs := _SIGNS_AHEAD.match(shown, start):
        start = signs.end()
    around = (ahead["before"].count("**") + ahead["close"].count("**")) % 2
    marks = around + ahead["reopen"].count("**")
    if marks % 2 or text.startswith("**", start):
        inside = start + 2 * text.startswith("**", start)
        closing = _BOLD_END.search(text, inside)
        if closing and (around or not _goes_on(shown[closing.end() :])):
            return _trimmed(text, inside, closing.start(), closing.end())
        start = ahead.start("reopen") if start == ahead.end() else start
    end = _tail_start(text, shown, start)
    if link := _LINK.search(text, start, end):
        return _trimmed(text, start, link.start(), end)
    return _trimmed(text, start, end, end)


def _goes_on(behind: str) -> bool:
    """Whether words that are bold are only the first of the title: it goes on in small letters, and not in a status."""
    words = behind.lstrip(" \t")
    return words != behind and words[:1].islower() and not _EXACT.match(words)


def _trimmed(text: str, start: int, end: int, rest: int) -> tuple[int, int, int]:
    while end > start and text[end - 1] in " \t:":
        end -= 1
    while start < end and text[start] in " \t":
        start += 1
    return start, end, rest


def _tail_start(text: str, shown: str, start: int) -> int:
    """Where the title ends and only decoration or status follows."""
    for turn in _TURN.finditer(shown, start):
        if turn.start() == start:
            continue
        if turn["arrow"] or _is_tail(text, shown, turn):
            return turn.start()
    return len(text)


def _is_tail(text: str, shown: str, turn: re.Match[str]) -> bool:
    """Whether what follows is no more part of the title: a status, or shouted words behind a sign."""
    if turn["sign"]:
        reading = read_status(text[turn.start("sign") :])
        if reading.words is None or (reading.status and text[turn.start("sign")] in PLAIN_STATUS_SIGNS):
            return (
                not text[turn.end() :].strip()
                or reading.words is not None
                or _SHOUTED.match(shown, turn.end()) is not None
            )
        return _SHOUTED.match(shown, turn.end()) is not None
    if turn["open"]:
        close = text.find(")" if turn["open"] == "(" else "]", turn.end())
        inner = shown[turn.end() : close] if close >= 0 else ""
        bare = _SIGNS_AHEAD.sub("", inner).strip(" \t*_")
        return bool(_EXACT.fullmatch(bare) or re.fullmatch(r"~?\d{1,3} ?%", bare))
    following = _SIGNS_AHEAD.sub("", shown[turn.end() :]).strip(" \t*_")
    return bool(_EXACT.match(following) and _EXACT.fullmatch(re.split(r"[(←*\[]", following)[0].strip(" \t*_")))


def _states_in(text: str, shown: str, ahead: re.Match[str], rest: int) -> list[tuple[Span, Reading]]:
    """The parts of a heading that state a status: behind the title, a status word before the id, a sign before it.

    A sign with unknown words behind it (`🔄 **RELIABILITY**`) is decoration, not a status.
    """
    states = _states_behind(text, shown, rest)
    if ahead["words"]:
        span = (0, ahead.start("id"))
        states.append((span, read_status(text[slice(*span)])))
        return states
    for sign in _SIGN.finditer(ahead["before"]):
        if text[sign.start()] in PLAIN_STATUS_SIGNS:
            states.append((sign.span(), read_status(text[slice(*sign.span())])))
            break
    return states


def _states_behind(text: str, shown: str, rest: int) -> list[tuple[Span, Reading]]:
    """The status behind the title, if there is one."""
    for turn in _TURN.finditer(shown, rest):
        if turn["arrow"]:
            break
        start = turn.start("sign") if turn["sign"] else turn.start("open") if turn["open"] else turn.end()
        reading = read_status(text[start:])
        if reading.status and _states(text[start:], reading):
            return [((start, len(text)), reading)]
    return []


def _states(tail: str, reading: Reading) -> bool:
    """Whether a reading counts in a heading: a status sign alone, a status sign with words, or an exact phrase."""
    signed = reading.sign is not None and tail[reading.sign[0]] in PLAIN_STATUS_SIGNS
    if not reading.words:
        return signed
    return signed or _EXACT.fullmatch(tail[slice(*reading.words)].strip()) is not None


def compile_item_pattern(pattern: str) -> re.Pattern[str]:
    """A person's own form of item headings, matched at the beginning of a heading's text."""
    where = "[roadmap] item_pattern"
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadSetting(where=where, problem=f"no regular expression: {error}") from None
    if missing := {"id", "title"} - compiled.groupindex.keys():
        names = " and ".join(f"(?P<{name}>...)" for name in sorted(missing))
        raise BadSetting(where=where, problem=f"it lacks the named group {names}")
    return compiled


def read_own_heading(text: str, pattern: re.Pattern[str]) -> ItemHeading | None:
    """Take a heading's text apart by a person's own pattern (groups `id`, `title`, optional `status`)."""
    found = pattern.match(text)
    if not found or not found["id"] or not (found["title"] or "").strip():
        return None
    span = found.span("status") if "status" in pattern.groupindex and found["status"] else None
    start, end = found.span("title")
    if span:
        states = [(span, read_status(text[slice(*span)]))]
    elif len(text) <= LONGEST:
        end, states = _own_tail(text[:end], start)
    else:
        states = []
    return ItemHeading(
        "-".join(found["id"].split()),
        " ".join(text[start:end].split()),
        found.span("id"),
        (start, end),
        tuple(states),
    )


def _own_tail(text: str, start: int) -> tuple[int, list[tuple[Span, Reading]]]:
    """Where a title that a person's own pattern found ends, and the status behind it, as in the built-in forms."""
    shown = shape(text)
    rest = _tail_start(text, shown, start)
    states = _states_behind(text, shown, rest)
    return (_trimmed(text, start, rest, rest)[1] if states else len(text)), states
