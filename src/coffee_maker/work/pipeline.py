"""An item's way through the daemon: claimed, approved, built, tested, committed, reported; each step journalled.

A step's result goes into the journal in a transaction that checks the claim, so a daemon that lost it records nothing.
Whoever takes the item up after a crash reads the journal and goes on at the step that was reached.
Only two steps are seen to anew each time, because what they made may have changed since: that the item is in progress,
and that the work tree exists.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from coffee_maker.core.ancestry import titles_differ
from coffee_maker.core.errors import (
    DATABASE_AWAY,
    AlreadyClaimed,
    ClaimLost,
    NoSpace,
    Refusal,
)
from coffee_maker.core.items import Item, Status
from coffee_maker.core.records import Control, Entry
from coffee_maker.core.state import Claim
from coffee_maker.utils import observing
from coffee_maker.utils.text import one_line
from coffee_maker.work import accounts, attempts, space, steps
from coffee_maker.work.asking import take_back
from coffee_maker.work.job import END, REPORT, Desk, Job, Left, Result, Slots, Stopped
from coffee_maker.work.supervisor import Hold

if TYPE_CHECKING:
    from collections.abc import Callable

    from coffee_maker.core.ports import Transaction

_MEND = "When that is mended, `coffee-roadmap daemon retry` lets the item be tried again."
_OUTAGES = 5  # of a database that comes back each time, without a step being finished in between


class Done(NamedTuple):
    """One item that was taken up, and what became of it."""

    key: str
    outcome: str  # complete | manual_review | skipped | lost | stopped
    reason: str | None


class Taken(NamedTuple):
    """A claim on an item, and the journal of the pipeline that goes on under it."""

    claim: Claim
    pipeline: int
    results: dict[str, Result]
    begun: datetime


def claim(desk: Desk, item: Item) -> Taken | None:
    """Claim the item, with the pipeline that it has open or a new one; None when somebody else was faster, or when its
    status is no longer what it was when it was chosen."""
    try:
        with desk.store.writing() as tx:
            held = tx.claims.take(item.key, desk.owner, lease=desk.options.lease, now=desk.clock.now())
            entries = tx.journal.newest(item.key)
    except AlreadyClaimed:
        return None
    now = steps.find(desk.editing.read(), item.key)
    if now is None or now.status is not item.status:
        with desk.store.writing() as tx:
            tx.claims.release(held)
        return None
    results = {entry.step: entry.result for entry in entries}
    if entries and END not in results:
        title = results.get("claim", {}).get("title")
        # What is reported is only told: by whatever name, its person waits for the word.
        if REPORT in results or not isinstance(title, str) or not titles_differ(title, item.title):
            return Taken(held, entries[0].pipeline, results, entries[0].at)
        return _begun(desk, held, item, _Other(entries[0].pipeline, title, results))
    return _begun(desk, held, item)  # only now: one that was finished by others meanwhile is not begun again


class _Other(NamedTuple):
    """The open pipeline of another item that had the number, on another branch perhaps, and that item's title: what a
    person approved there they did not approve here."""

    pipeline: int
    title: str
    results: dict[str, Result]


def _begun(desk: Desk, held: Claim, item: Item, other: _Other | None = None) -> Taken | None:
    """A new pipeline; None when the claim was lost in between."""
    results: dict[str, Result] = {"claim": {"agent": desk.agent.name, "daemon": desk.owner, "title": item.title}}
    if other is not None and item.status is Status.IN_PROGRESS and "begin" in other.results:
        results["begin"] = other.results["begin"]  # it was given another title since: the status is a daemon's still
    now = desk.clock.now()
    try:
        with desk.store.writing() as tx:
            tx.claims.check(held, now)
            if other is not None:
                tx.journal.record(Entry(held.item, other.pipeline, END, {"outcome": "left"}, held.fence, now))
                take_back(tx, held.item, other.pipeline, by=desk.owner, at=now)
            for step, result in results.items():
                tx.journal.record(Entry(held.item, held.fence, step, result, held.fence, now))
    except ClaimLost:
        return None
    if other is not None:
        accounts.close_left_open(desk, held.item, lambda _run: False)
        words = f"{held.item} is another item now; what was begun for {one_line(other.title, 120)} is left as it is"
        desk.tell(words, item=held.item)
    return Taken(held, held.fence, results, now)


def set_by_a_daemon(tx: Transaction, item: str) -> bool:
    """Whether it was a daemon, and not a person, who set the item's status last."""
    changes = (one for one in tx.roadmap.changes(item=item) if one.change_type in ("status_change", "restore"))
    newest = next(changes, None)
    return newest is not None and newest.reason == steps.taken_up_by(newest.changed_by)


def job_of(desk: Desk, item: Item, text: str, taken: Taken, hold: Hold, slots: Slots) -> Job:
    job = Job(desk, hold, taken.pipeline, item.title, text, slots)
    job.results.update(taken.results)
    job.begun = taken.begun
    return job


def run(job: Job) -> Done:
    """Every step that the journal does not have, in order; what became of the item.

    Raises a refusal when it could not even be begun, and whatever is our own bug: then the claim stays and runs out,
    and the item is taken up again.
    """
    with observing.item(job.key, pipeline=job.pipeline, begun=job.begun, daemon=job.desk.owner) as seen:
        try:
            done = _run(job)
        except Left as left:
            done = _leave(job, str(left), left.skip)
        except ClaimLost as lost:
            trouble = job.hold.lost  # a database that was away for too long, or damaged: what is to be mended
            told = lost.message if trouble in (None, lost.message) else f"{lost.message.removesuffix('.')}: {trouble}"
            done = _lose(job, told)
        except Stopped as stopped:
            done = _put_back(job, str(stopped))
        seen.note(outcome=done.outcome)
        seen.text(output=done.reason or "")
        if done.outcome in ("lost", "stopped"):
            seen.leave()
        return done


def _run(job: Job) -> Done:
    if REPORT not in job.results:
        _or_give_back(job, _begin)
        try:
            _outlasting(job, _work)
        except ClaimLost:
            raise
        except Refusal as refusal:  # no work tree, a moved branch, a database that stays away: a person must look
            _not_for_want_of_space(job)
            _give_up(job, f"{refusal.message} {refusal.hint}".strip())
        except OSError as problem:  # no room for its files, say: that is the item's trouble, and no bug of ours
            _not_for_want_of_space(job)
            where = problem.filename or "a file of the run"
            _give_up(job, f"{where} cannot be used: {problem.strerror or problem}. {_MEND}")
    elif "worktree" in job.results:
        job.worktree = accounts.read_worktree(job.results["worktree"])
    _or_give_back(job, lambda job: _outlasting(job, _finish))
    status, reason = steps.conclusion(job)
    job.desk.publish()
    return Done(job.key, status.value, reason)


def _or_give_back(job: Job, work: Callable[[Job], None]) -> None:
    """What cannot be done now (the roadmap is in the middle of a merge, say) is tried again later, by whoever is there:
    the claim is given back, and nobody has to wait until its lease is over."""
    try:
        work(job)
    except ClaimLost:
        raise
    except Refusal:
        steps.give_back(job)
        raise


def _begin(job: Job) -> None:
    job.once("approve", steps.approve)
    job.once("clarify", steps.clarify)
    job.begin("begin")
    steps.begin(job)


def _outlasting(job: Job, work: Callable[[Job], None]) -> None:
    """A database that is away for a moment (a server that is restarted) ends nothing: the work goes on, from the step
    that was reached, when it is back. One that is not while the claim may stand, or that takes no step however often
    it answers, is for a person to look at."""
    outages, reached = 0, len(job.results)
    while True:
        try:
            work(job)
            return
        except DATABASE_AWAY as away:
            outages = outages + 1 if len(job.results) == reached else 1
            if outages > _OUTAGES:
                raise
            job.tell(f"{away.message} It goes on when the database answers.", "warning")
            job.keep(lambda: _read_again(job))
            reached = len(job.results)


def _read_again(job: Job) -> None:
    """What the journal has: a step whose commit was cut off may be recorded all the same, and with the last of them
    the claim was given back. Raises what the databases refuse."""
    with job.desk.store.reading_runs() as runs:
        runs.list(item=job.key, limit=1)
    with job.desk.store.reading() as tx:
        recorded = {one.step: one.result for one in tx.journal.newest(job.key) if one.pipeline == job.pipeline}
        if END not in recorded:
            job.check(tx)
        for step, result in recorded.items():  # only what is new: that the item was given up is in no journal
            job.results.setdefault(step, result)


def _work(job: Job) -> None:
    job.begin("worktree")
    steps.open_worktree(job)
    job.once("verdict", attempts.verdict)
    job.once("commit", steps.commit)
    job.once("publish", steps.publish)


def _finish(job: Job) -> None:
    job.once(REPORT, steps.report)
    job.once("tell", steps.tell)
    if END not in job.results:
        steps.end(job, steps.conclusion(job)[0].value)


def _not_for_want_of_space(job: Job) -> None:
    """The disk has become full meanwhile: the item is put back, and goes on when there is space. Raises `Stopped`."""
    try:
        space.check(job.desk.options)
    except NoSpace as full:
        raise Stopped(full.message) from None


def _give_up(job: Job, reason: str) -> None:
    failed: Result = {"status": Status.MANUAL_REVIEW.value, "reason": reason, "changed": False}
    if "verdict" in job.results:
        job.results["verdict"] = failed  # the journal keeps what the attempts came to; this is what is reported
    else:
        job.once("verdict", lambda _job: failed)


def _leave(job: Job, why: str, skip: Control | None) -> Done:
    """It stays as it is. The pipeline is closed: when it is planned again, everything begins anew."""
    try:
        if "begin" in job.results:
            steps.set_status(job, Status.IN_PROGRESS, Status.PLANNED, f"left alone: {why}", "left")
        steps.end(job, "skipped", skip)
    except ClaimLost as lost:
        return _lose(job, lost.message)
    job.tell(f"left alone: {why}")
    return Done(job.key, "skipped", why)


def _lose(job: Job, why: str) -> Done:
    """The claim is somebody else's now, and so is the item: nothing is written any more, nothing thrown away."""
    where = f"; what was done is in {job.worktree.path}" if job.worktree and os.path.isdir(job.worktree.path) else ""
    job.tell(f"{why.removesuffix('.')}{where}" if where else why, "warning")
    return Done(job.key, "lost", why)


def _put_back(job: Job, why: str) -> Done:
    """The daemon ends in order: the item is planned again, and its pipeline goes on when it is taken up again."""
    try:
        with job.desk.store.reading() as tx:
            job.check(tx)
        if "begin" in job.results:
            steps.set_status(job, Status.IN_PROGRESS, Status.PLANNED, f"daemon stopped: {why}", "put-back")
    except ClaimLost as lost:
        return _lose(job, lost.message)
    steps.give_back(job)
    job.tell(f"put back, {why}")
    return Done(job.key, "stopped", why)
