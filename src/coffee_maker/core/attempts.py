"""What to do after an attempt at an item: it is done, try again, or let a person look. Bounded, never in circles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Literal, NamedTuple

_LONGEST_BACKOFF = timedelta(hours=1)
_DOUBLINGS = 30  # more would be longer than a timedelta can be
_VARYING = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{7,}\b|[0-9]+(?:[.,:][0-9]+)*")


class Try(NamedTuple):
    """One attempt of an agent, with its tests."""

    number: int  # from 1
    built: bool  # the agent ended well
    changed: bool  # there is something to commit
    passed: bool  # the tests passed, or there are none
    reason: str = ""  # why not, in the words for a person
    fingerprint: str = ""  # of the failure: equal when the same thing failed again


class Decision(NamedTuple):
    """What follows."""

    what: Literal["done", "again", "review"]
    reason: str = ""
    wait: timedelta = timedelta()  # before trying again


def decide(tries: Sequence[Try], *, most: int, backoff: timedelta) -> Decision:
    """What follows the newest of the attempts."""
    last = tries[-1]
    if last.built and last.changed and last.passed:
        return Decision("done")
    if last.built and not last.changed:
        return Decision("review", last.reason)
    if any(earlier.fingerprint == last.fingerprint for earlier in tries[:-1]):
        return Decision("review", f"No progress: attempt {last.number} failed as one before it did: {last.reason}")
    if len(tries) >= most:
        tried = f"{most} attempts failed; the last: " if most > 1 else ""
        return Decision("review", f"{tried}{last.reason}")
    return Decision("again", last.reason, doubled(backoff, len(tries), most=_LONGEST_BACKOFF))


def doubled(wait: timedelta, times: int, *, most: timedelta) -> timedelta:
    """The wait before the `times`th repetition: twice as long as the one before it, up to `most`."""
    return most if wait >= most else min(wait * 2 ** min(times - 1, _DOUBLINGS), most)


def fingerprint(*parts: object) -> str:
    """Equal for two outputs that differ in numbers, times and addresses only."""
    text = "\n".join(_VARYING.sub("#", " ".join(str(part).split())) for part in parts)
    return sha256(text.encode(errors="replace")).hexdigest()[:16]


def in_words(tries: Sequence[Try]) -> tuple[str, ...]:
    """What became of each attempt, for the next one and for a person."""
    return tuple(f"Attempt {one.number}: {one.reason or 'it passed'}" for one in tries)
