"""Numbers for new items: in between, a decimal; else the next one. No number is ever given twice or changed."""

from __future__ import annotations

import re
from collections.abc import Iterable

from coffee_maker.core.patterns import on_demand

_TAIL = on_demand(r"(?P<family>.*?)(?P<number>[0-9]+(?:\.[0-9]+)*)[a-zA-Z]?\Z", re.DOTALL)

Number = tuple[int, str]  # whole part and decimals; decimals compare as text: "6" < "65" < "7"


def split_id(name: str) -> tuple[str, str] | None:
    """An id as family and number: `PRIORITY-2.6` -> (`PRIORITY-`, `2.6`); None when it does not end in a number."""
    found = _TAIL.match(name)
    return (found["family"], found["number"]) if found else None


def parse(number: str) -> Number:
    """`2.9.5` comes between 2.9 and 3, as if it were 2.95."""
    whole, _, rest = number.partition(".")
    return int(whole), rest.replace(".", "").rstrip("0")


def used_numbers(text: str, family: str, taken: Iterable[str]) -> set[Number]:
    """The numbers of a family that must not be given again: those in the text, wherever they stand, and the taken."""
    name = re.escape(family.rstrip("-_ "))
    mention = re.compile(rf"{name}[-_ ]?([0-9]{{1,9}}(?:\.[0-9]{{1,9}})*)(?![0-9%])", re.IGNORECASE)
    found = {parse(number) for number in mention.findall(text)}
    return found | {parse(number) for one in taken for number in mention.findall(one)}


def next_number(used: Iterable[Number]) -> str:
    """The whole number behind all used ones."""
    return str(max((whole for whole, _ in used), default=0) + 1)


def number_between(before: Number | None, after: Number | None, used: set[Number]) -> str:
    """A free decimal between two neighbours; where they are out of order, behind the first of them."""
    low = before if before is not None else max((one for one in used if after and one < after), default=(0, ""))
    if after is None or after <= low:
        after = min((one for one in used if one > low), default=None)
    if after is None:
        return next_number({*used, low})
    whole, decimals = low
    bound = after[1] if after[0] == whole else ""
    for length in range(1, max(len(decimals), len(bound)) + 12):
        free = [
            digits
            for digits in _decimals(decimals, bound, length)
            if digits.strip("0") and (whole, digits.rstrip("0")) not in used
        ]
        if free:
            return f"{whole}.{free[len(free) // 2]}"
    return next_number(used)  # a dozen digits below are all taken: no such roadmap


def _decimals(low: str, high: str, length: int) -> list[str]:
    """Decimals of a length between two bounds, both excluded; an empty upper bound is the next whole number."""
    first = int(low.ljust(length, "0")[:length]) + 1
    last = int(high.ljust(length, "0")[:length]) if high else 10**length
    if high and len(high) > length:
        last += 1
    wide = range(first, last) if last - first < 1000 else range(first, first + 1000)
    return [
        digits for digits in (str(one).zfill(length) for one in wide) if low < digits and (not high or digits < high)
    ]
