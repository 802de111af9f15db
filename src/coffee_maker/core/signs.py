"""What counts as a sign (an emoji or another pictograph), as a status sign, and as decoration."""

from __future__ import annotations

import re

from coffee_maker.core.items import Status

# One sign with its variation selectors and skin tones, keycaps and joined sequences included. Arrows are no signs.
_PICTURE = (
    "[\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2b04\u2b08-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001faff]"
)
_MODIFIERS = "[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
_KEYCAP = "[0-9#*]\ufe0f?\u20e3"
_SHOWN_AS_PICTURE = "[\u2194-\u21aa\u203c\u2049\u2122\u2139]\ufe0f"
_ONE = f"(?:{_PICTURE}|{_KEYCAP}|{_SHOWN_AS_PICTURE}){_MODIFIERS}"
SIGN = f"(?:{_ONE}(?:\u200d{_PICTURE}?{_MODIFIERS})*)"

_STATUS_SIGNS = {
    Status.PLANNED: "📝📋🔜⏳⌛🗓📅",
    Status.IN_PROGRESS: "🔄🏗🔨🛠",
    Status.BLOCKED: "⏸🚫⛔🛑🔒",
    Status.MANUAL_REVIEW: "🚧👀",
    Status.COMPLETE: "✅✔☑",
    Status.CANCELLED: "❌🗑",
}
_BY_SIGN = {sign: status for status, signs in _STATUS_SIGNS.items() for sign in signs}
STATUS_SIGN = re.compile(f"[{''.join(_BY_SIGN)}]\ufe0f?")
# Signs that carry a status in a heading by themselves; the others there are decoration unless words follow.
PLAIN_STATUS_SIGNS = frozenset("📝🔄⏸🚧✅❌")


def status_of(sign: str) -> Status | None:
    """The status that a sign stands for when no words say more."""
    return _BY_SIGN.get(sign[:1])
