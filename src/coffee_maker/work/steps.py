"""The steps of an item's pipeline. Each takes the job and gives back what it found out, as JSON for the journal.

A step that was cut off is done again from its beginning, so each is safe to repeat: questions and notifications carry
idempotency keys, branch and work tree are found again by their names, what is committed already is recognised.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from coffee_maker.core.ancestry import titles_differ
from coffee_maker.core.errors import GitFailed, ItemNotFound, RevisionChanged, TryAgain
from coffee_maker.core.items import Status
from coffee_maker.core.questions import late
from coffee_maker.core.records import Control
from coffee_maker.core.vague import is_vague
from coffee_maker.utils.text import one_line
from coffee_maker.work import accounts
from coffee_maker.work.asking import Unanswered, ask, put_alerts_aside, said, take_back, withdraw
from coffee_maker.work.job import ANOTHER, END, NO_LONGER_PLANNED, REPORT, Job, Left, Result
from coffee_maker.work.naming import branch_name, file_name

if TYPE_CHECKING:
    from coffee_maker.core.document import Document
    from coffee_maker.core.items import Item
    from coffee_maker.core.ports import Transaction
    from coffee_maker.core.questions import Notification

APPROVE, SKIP, CHANGE = "approve", "skip", "change: ..."
REVIEW = Status.MANUAL_REVIEW.value
_TITLE = 120
_REASON = 500
_PATIENCE = 6  # bounded waits for the roadmap's lock, and edits of the item in between, that a status write outlasts
_PUSHES = 3
_NOT_OURS = "its status had been changed meanwhile and was left as it is"


def find(document: Document, key: str) -> Item | None:
    """The item of that very key."""
    return next((item for item in document.items if item.key == key), None)


# --- before the work ---------------------------------------------------------------------------------------------


def approve(job: Job) -> Result:
    """By the policy: ask the person, or go ahead, or not at all."""
    policy = job.desk.policy("start")
    if policy == "allow":
        withdraw(job, "approve")
        return {"answer": APPROVE}
    if policy == "deny":
        raise Left("the policy `start` is deny")
    name = one_line(job.title, _TITLE)
    message = (
        f"Shall the {job.desk.agent.name} agent start {job.key}: {name}?\n"
        f"`{SKIP}` leaves it as it is; `change: WORDS` starts it with your words added to what is asked."
    )
    try:
        question = _late_approval(job) or ask(
            job,
            "approve",
            f"Start {job.key}?",
            message,
            options=(APPROVE, SKIP, CHANGE),
            deadline=job.desk.options.approval_deadline,
        )
    except Unanswered as unanswered:
        raise Left(str(unanswered), _skip(job, unanswered.question)) from None
    answer, who = said(question), question.answered_by or "nobody"
    if answer == APPROVE:
        job.tell(f"approved by {who} via {question.answered_via}")
        return {"answer": APPROVE, "by": who}
    beginning, _, words = answer.partition(": ")
    if beginning == "change" and words:
        job.tell(f"approved with a change by {who} via {question.answered_via}")
        return {"answer": APPROVE, "by": who, "words": words}
    raise Left(f"{who} said {answer} to question {question.id}", _skip(job, question.id))


def _late_approval(job: Job) -> Notification | None:
    """An approval that came after the deadline of the question before: it counts now, unless the item was changed, or
    begun, since it was given."""
    with job.desk.store.reading() as tx:
        asked = [one for one in tx.notifications.find(item=job.key) if (one.idempotency_key or "").endswith(":approve")]
        changes = [*tx.roadmap.changes(item=job.key, limit=1), *tx.roadmap.restores()[:1]]
    if not asked or not late(asked[-1]) or (asked[-1].answer or "").partition(": ")[0] not in (APPROVE, "change"):
        return None
    given = asked[-1].answered_at
    return asked[-1] if given is not None and not any(change.at >= given for change in changes) else None


def _skip(job: Job, number: int) -> Control | None:
    """What a person does not want begun is skipped like with `daemon skip`: no daemon takes it up, with `--yes` or
    without, and everyone sees it, until `daemon retry`. A question that nobody answered in time says nothing."""
    with job.desk.store.reading() as tx:
        question = tx.notifications.get(number)
    if question is None or question.answered_by is None:
        return None
    reason = f"{question.answer or question.state.value} to question {number}"
    return Control("skip", question.answered_by, item=job.key, reason=reason)


def clarify(job: Job) -> Result:
    """Ask what is to come out of an item that does not say it."""
    if not job.desk.options.ask_when_vague or job.results["approve"].get("words") or not is_vague(job.text):
        return {}
    title = f"What is {job.key} to deliver?"
    message = (
        f"{job.key} ({one_line(job.title, _TITLE)}) says little of what is to come out of it, or of how one sees that "
        "it is done. Please say it in your own words; it is given to the agent with the item."
    )
    try:
        return {"question": title, "answer": said(ask(job, "clarify", title, message))}
    except Unanswered as unanswered:
        raise Left(str(unanswered)) from None


def taken_up_by(daemon: str) -> str:
    """The reason with which a daemon sets an item in progress."""
    return f"taken up by {daemon}"


def begin(job: Job) -> None:
    """See to it that the item is in progress; it may be planned (taken up anew, or put back by a stop)."""
    item = find(job.desk.editing.read(), job.key)
    if item is not None and item.status is Status.IN_PROGRESS and "begin" in job.results:
        return
    if item is not None and titles_differ(job.title, item.title):  # by a checkout, say, while the person was asked
        raise Left(ANOTHER)
    if not set_status(job, Status.PLANNED, Status.IN_PROGRESS, taken_up_by(job.desk.owner), "begin"):
        raise Left(NO_LONGER_PLANNED)


def set_status(job: Job, expected: Status, status: Status, reason: str, step: str) -> bool:
    """Set the item's status, if it still is as expected and the claim stands at that very moment, and journal the step
    in the same transaction; tells whether."""
    desk = job.desk
    result = {"status": status.value, "reason": reason}

    def guard(tx: Transaction) -> None:
        job.record(step, result, tx)

    for attempt in range(_PATIENCE):
        try:
            item = find(desk.editing.read(), job.key)
            if item is None or item.status is not expected:  # an editor's old text, perhaps: it is merged first
                item = find(desk.editing.reconcile(), job.key)
            if item is None or item.status is not expected:
                return False
            told = one_line(reason, _REASON)
            desk.editing.set_status(
                item.key, status, by=desk.owner, reason=told, if_revision=item.revision, guard=guard
            )
        except (RevisionChanged, ItemNotFound):
            continue  # it was edited between our look and our lock: look again
        except TryAgain:
            if attempt + 1 == _PATIENCE:
                raise
            continue  # a result is worth more than one bounded wait
        job.results.setdefault(step, result)
        desk.publish()
        return True
    return False


def open_worktree(job: Job) -> None:
    """A work tree of its own, outside the person's; the one of before a crash as it is."""
    desk = job.desk
    known = job.results.get("worktree")
    path = os.path.join(desk.options.worktrees, file_name(job.key, job.title))
    if known and os.path.isdir(str(known["path"])) and not os.path.islink(str(known["path"])):
        job.worktree = accounts.read_worktree(known)
        return
    tree = desk.repository.open_worktree(path, branch_name(job.key, job.title))
    if known:  # it was taken away meanwhile: what this pipeline has committed before stays its work
        tree = tree._replace(tip=accounts.read_worktree(known).tip)
    job.worktree = tree
    job.tell(f"work tree on branch {tree.branch}")
    if tree.aside:
        job.tell(f"leftovers of an earlier attempt are kept in {tree.aside}")
    result = tree._asdict()
    with desk.store.writing() as tx:
        job.record("worktree", result, tx)
    job.results["worktree"] = result


# --- after the work ----------------------------------------------------------------------------------------------


def commit(job: Job) -> Result:
    """Commit what the agent changed, also when the tests failed: the branch is what a person looks at then."""
    verdict = job.results["verdict"]
    if job.worktree is None or not verdict.get("changed"):
        return {"commit": None}
    reason = str(verdict.get("reason") or "").partition("\n")[0]
    note = f"\n\nNot finished: {one_line(reason, _REASON)}" if verdict["status"] == REVIEW else ""
    agent = one_line(job.desk.agent.name)
    message = f"{job.key}: {one_line(job.title, _TITLE)}{note}\n\nDone-By: {agent}\n"
    _ours(job)
    if job.staged is not None:
        job.desk.repository.restore(job.worktree, job.staged)
    made = job.desk.repository.commit(job.worktree, message)
    if made is not None:
        job.tell(f"commit {made[:12]} on {job.worktree.branch}")
    return {"commit": made}


def _ours(job: Job) -> None:
    """Raises `ClaimLost` when the item is somebody else's by now, and with it the branch and the work tree."""
    with job.desk.store.reading() as tx:
        job.check(tx)


def publish(job: Job) -> Result:
    """Push the branch, where the settings name a remote and the policy lets us: before anything is called done."""
    desk, remote = job.desk, job.desk.options.push
    if remote is None or job.worktree is None or not job.results["commit"].get("commit"):
        return {"pushed": None}
    if not _may_push(job, remote):
        return {"pushed": None, "reason": f"it was not pushed to {remote}: the policy or the person said no"}
    for attempt in range(1, _PUSHES + 1):
        _ours(job)
        try:
            desk.repository.push(job.worktree, remote, lambda: job.requested() is not None)
        except GitFailed as failed:
            job.go_on()  # who is told to end leaves it to the next one
            if attempt == _PUSHES:
                return {"pushed": None, "failed": failed.message}
            job.sleep(desk.clock.now() + desk.options.backoff * attempt, f"the remote {remote}")
        else:
            job.tell(f"pushed to {remote}")
            return {"pushed": remote}
    raise AssertionError("the last attempt returned")


def _may_push(job: Job, remote: str) -> bool:
    policy = job.desk.policy("push")
    if policy != "ask":
        return policy == "allow"
    branch = job.worktree.branch if job.worktree else ""
    try:
        question = ask(
            job,
            "push",
            f"Push {job.key} to {remote}?",
            f"{job.key} is built and committed on {branch}. Shall the branch be pushed to {remote}?",
            options=("push", "do not push"),
        )
    except Unanswered:
        return False
    return said(question) == "push"


def report(job: Job) -> Result:
    """The status. One that the person changed meanwhile stays theirs."""
    status, reason = conclusion(job)
    in_short = reason.partition("\n")[0]
    if set_status(job, Status.IN_PROGRESS, status, in_short, REPORT):
        job.tell(status.value + (f" ({in_short})" if status is not Status.COMPLETE else ""))
        return job.results[REPORT]
    job.tell(_NOT_OURS)
    return {"status": status.value, "reason": in_short, "not_ours": True}


def conclusion(job: Job) -> tuple[Status, str]:
    """What becomes of the item, and why."""
    verdict, published = job.results["verdict"], job.results.get("publish", {})
    status, reason = Status(str(verdict["status"])), str(verdict.get("reason") or "")
    if status is Status.COMPLETE:
        branch = job.worktree.branch if job.worktree else ""
        reason = f"done by {job.desk.agent.name} on branch {branch}"
        if published.get("failed"):
            status, reason = Status.MANUAL_REVIEW, f"{reason}, but it could not be pushed: {published['failed']}"
        elif published.get("reason"):
            reason = f"{reason}; {published['reason']}"
    reported = job.results.get(REPORT)
    if reported is not None and reported["status"] != status.value:  # it was given up after its tests, before a crash
        return Status(str(reported["status"])), str(reported["reason"])
    return status, reason


def tell(job: Job) -> Result:
    """Word to the person, and the work tree of what is complete removed."""
    status, reason = conclusion(job)
    if job.results[REPORT].get("not_ours"):
        reason = f"{_NOT_OURS}\n{reason}"
    last = accounts.last_run(job)
    failed = last is not None and last[1].outcome == "failed"
    outcome = status.value if status is Status.COMPLETE or not failed else "failed"
    commit_id = job.results.get("commit", {}).get("commit")
    accounts.amend(job, outcome, reason, str(commit_id) if commit_id else None)
    number = accounts.notify(job, status, reason)
    if status is Status.COMPLETE and job.worktree is not None:
        try:
            why = job.desk.repository.close_worktree(job.worktree, job.left_by_tests, lambda: _ours(job))
        except GitFailed as failed:  # no reason to leave the item without an end
            why = failed.message
        if why is not None:
            job.tell(f"the work tree {job.worktree.path} stays: {why}", "warning")
    return {"notification": number}


def end(job: Job, outcome: str, skip: Control | None = None) -> None:
    """Close the pipeline and give the claim back, in one transaction."""
    result = {"outcome": outcome}
    with job.desk.store.writing() as tx:
        job.record(END, result, tx)
        if skip is not None:
            tx.controls.ask(skip, job.desk.clock.now())
        take_back(tx, job.key, job.pipeline, by=job.desk.owner, at=job.desk.clock.now())
        if outcome == Status.COMPLETE.value:
            put_alerts_aside(tx, job.key, by=job.desk.owner, at=job.desk.clock.now())
        tx.claims.release(job.hold.claim)
    job.results[END] = result


def give_back(job: Job, *, at_most: float = 10.0) -> None:
    """Give the claim back and leave the pipeline open, for who takes the item up again."""
    until = time.monotonic() + at_most
    while True:
        try:
            with job.desk.store.writing() as tx:
                tx.claims.release(job.hold.claim)
            return
        except TryAgain:
            if time.monotonic() > until:
                return  # the lease runs out by itself
