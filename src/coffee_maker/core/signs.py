"""What counts as a sign (an emoji or another pictograph), as a status sign, and as decoration."""

from __future__ import annotations

from collections.abc import Iterator

from coffee_maker.core.items import Status
from coffee_maker.core.patterns import on_demand

# One picture alone; some characters are one only with the variation selector behind them. Arrows are no signs.
_PICTURE = on_demand(
    "[\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2b04\u2b08-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001f3fa\U0001f400-\U0001faff]|[\u2194-\u21aa\u203c\u2049\u2122\u2139](?=\ufe0f)"
)
_MODIFIERS = "[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
_KEYCAP = "[0-9#*]\ufe0f?\u20e3"
_ONE = f"(?:★|[\U0001f3fb-\U0001f3ff]|{_KEYCAP}){_MODIFIERS}"
# In a shape, one sign with its variation selectors and skin tones, keycaps and joined sequences included.
SIGN = f"(?:{_ONE}(?:\u200d★?{_MODIFIERS})*)"


def shape(text: str) -> str:
    """The text with ★ for every picture, and everything else in its place: patterns with `SIGN` are matched on that.

    The class of all pictures takes longer to compile than the patterns around it, so it stands in one of them only.
    """
    return text if text.isascii() else _PICTURE.sub("★", text)


_STATUS_SIGNS = {
    Status.PLANNED: "📝📋🔜⏳⌛🗓📅",
    Status.IN_PROGRESS: "🔄🏗🔨🛠",
    Status.BLOCKED: "⏸🚫⛔🛑🔒",
    Status.MANUAL_REVIEW: "🚧👀",
    Status.COMPLETE: "✅✔☑",
    Status.CANCELLED: "❌🗑",
}
_BY_SIGN = {sign: status for status, signs in _STATUS_SIGNS.items() for sign in signs}
# Signs that carry a status in a heading by themselves; the others there are decoration unless words follow.
PLAIN_STATUS_SIGNS = frozenset("📝🔄⏸🚧✅❌")


def status_of(sign: str) -> Status | None:
    """The status that a sign stands for when no words say more."""
    return _BY_SIGN.get(sign[:1])


def status_signs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the status signs in a part of a text stand, each with its variation selector."""
    for at in range(start, end):
        if text[at] in _BY_SIGN:
            yield at, at + 1 + (text[at + 1 : min(at + 2, end)] == "\ufe0f")
