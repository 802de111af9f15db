"""Which lines of one text are which lines of another; fast for long texts that differ in a few places.

What both have at their beginning and end is cut off by comparing slices. Lines that occur just once in both are
anchors, as far as they are in the same order; only the short stretches between them are given to difflib, whose cost
grows with the product of the lengths.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

Pair = tuple[int, int]

_CHUNK = 10_000
_FEW = 3_000
"""Stretches with at most this many pairs of lines need no anchors."""
_MOST = 2_000_000
"""Stretches with more pairs than this that hold no anchor count as replaced: comparing them could take minutes."""


def common_ends(one: Sequence[object], other: Sequence[object]) -> Pair:
    """How much two texts, or two lists of lines, have in common at their beginning and then at their end."""
    limit = min(len(one), len(other))
    head = _search(limit, lambda low, high: one[low:high] == other[low:high])
    end, stop = len(one), len(other)
    tail = _search(limit - head, lambda low, high: one[end - high : end - low] == other[stop - high : stop - low])
    return head, tail


def _search(limit: int, equal: Callable[[int, int], bool]) -> int:
    """The largest n up to `limit` for which 0:n is equal: slices compare at the speed of memory.

    In chunks, then by halves: slices of half a roadmap each would be new memory from the system, which costs more.
    """
    low = 0
    while low + _CHUNK <= limit and equal(low, low + _CHUNK):
        low += _CHUNK
    high = min(low + _CHUNK, limit)
    step = high - low
    while low < high:
        if equal(low, low + step):
            low += step
        else:
            high = low + step - 1
        step = (high - low + 1) // 2
    return low


def match(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[Pair]:
    """Pairs of equal elements, rising on both sides."""
    head, tail = common_ends(old, new)
    ends = len(old) - tail, len(new) - tail
    pairs = [(i, i) for i in range(head)]
    pairs += _between(old, new, (head, head), ends)
    pairs += [(ends[0] + k, ends[1] + k) for k in range(tail)]
    return pairs


def _between(old: Sequence[Hashable], new: Sequence[Hashable], start: Pair, stop: Pair) -> list[Pair]:
    """The pairs between two places, with anchors when it is worth it."""
    size = (stop[0] - start[0]) * (stop[1] - start[1])
    if size <= 1:  # nothing on one side, or one line for another (equal ones were cut off): the most frequent change
        return []
    if size <= _FEW:
        return _compared(old, new, start, stop)
    pairs: list[Pair] = []
    for i, j in [*_anchors(old, new, start, stop), stop]:
        gap_old, gap_new = old[start[0] : i], new[start[1] : j]
        head, tail = common_ends(gap_old, gap_new)
        pairs += [(start[0] + k, start[1] + k) for k in range(head)]
        low, high = (start[0] + head, start[1] + head), (i - tail, j - tail)
        if 0 < (high[0] - low[0]) * (high[1] - low[1]) <= _MOST:
            pairs += _compared(old, new, low, high)
        pairs += [(i - k, j - k) for k in range(tail, 0, -1)]
        if (i, j) != stop:
            pairs.append((i, j))
        start = i + 1, j + 1
    return pairs


def _anchors(old: Sequence[Hashable], new: Sequence[Hashable], start: Pair, stop: Pair) -> list[Pair]:
    """Elements that occur once on either side, the longest run of them that rises on both."""
    counts = Counter(old[start[0] : stop[0]]), Counter(new[start[1] : stop[1]])
    there = {new[j]: j for j in range(start[1], stop[1]) if counts[1][new[j]] == 1}
    candidates = [(i, there[old[i]]) for i in range(start[0], stop[0]) if counts[0][old[i]] == 1 and old[i] in there]
    stays = rising([j for _, j in candidates], lambda _: 1)
    return [pair for pair in candidates if pair[1] in stays]


def _compared(old: Sequence[Hashable], new: Sequence[Hashable], start: Pair, stop: Pair) -> list[Pair]:
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(None, old[start[0] : stop[0]], new[start[1] : stop[1]], False)
    blocks = matcher.get_matching_blocks()
    return [(start[0] + i + k, start[1] + j + k) for i, j, size in blocks for k in range(size)]


def rising(numbers: Sequence[int], weight: Callable[[int], int]) -> set[int]:
    """The heaviest choice from different numbers that is in rising order."""
    ends: list[int] = []  # the last number of the heaviest rising runs found so far, rising ...
    bests: list[Pair] = []  # ... with their weight (rising too) and the position of that number
    before: list[int] = []
    for position, number in enumerate(numbers):
        at = bisect_left(ends, number)
        best, previous = bests[at - 1] if at else (0, -1)
        before.append(previous)
        best += weight(number)
        stop = at
        while stop < len(ends) and bests[stop][0] <= best:
            stop += 1
        ends[at:stop], bests[at:stop] = [number], [(best, position)]
    stays = set()
    position = bests[-1][1] if bests else -1
    while position >= 0:
        stays.add(numbers[position])
        position = before[position]
    return stays
