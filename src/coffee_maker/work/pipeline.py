"""One item from claim to report, in steps that stand for themselves.

Each step takes the desk (what the daemon works with) and the job (what is known so far) and hands back the job with
what it found out. Nothing else is kept between steps, so a journal can later record the job after each of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from coffee_maker.core.document import Document
from coffee_maker.core.errors import (
    AlreadyClaimed,
    ClaimLost,
    ItemNotFound,
    NoAnswerYet,
    NotAnswerable,
    Refusal,
    RevisionChanged,
    StillOpen,
    TryAgain,
)
from coffee_maker.core.items import Item, Status
from coffee_maker.core.ports import Agent, Clock, Repository, Store, Transaction
from coffee_maker.core.questions import Draft, Kind, Notification, Source, State, taken
from coffee_maker.core.records import AgentResult, Run, Task, Worktree
from coffee_maker.core.state import Claim
from coffee_maker.utils.text import one_line, printable
from coffee_maker.work import accounts
from coffee_maker.work.editing import Editing
from coffee_maker.work.messages import Messages
from coffee_maker.work.naming import branch_name, file_name
from coffee_maker.work.supervisor import Hold
from coffee_maker.work.watching import Watching

APPROVE, SKIP = "approve", "skip"
_TAIL = 1500  # characters of an output in a message
_TITLE = 120
_REASON = 500
_NOT_OURS = "its status had been changed meanwhile and was left as it is"
_PATIENCE = 6  # bounded waits for the roadmap's lock, and edits of the item in between, that a status write outlasts


class Options(NamedTuple):
    """What the project's settings say about the daemon."""

    scratch: str  # directory of our own for logs and item files
    worktrees: str  # directory for work trees, outside the person's
    ask_approval: bool = True
    approval_deadline: timedelta | None = None
    lease: timedelta = timedelta(seconds=60)
    max_attempts: int = 3
    agent_timeout: timedelta = timedelta(hours=1)
    test_timeout: timedelta = timedelta(hours=1)
    max_output: int = 10_000_000
    leave_out: tuple[str, ...] = ()  # relative to the project: the roadmap and the data directory
    environment: Mapping[str, str] = {}  # e.g. COFFEE_DATA_DIR: an agent's question reaches the person's project


class Desk(NamedTuple):
    """What the daemon works with."""

    editing: Editing
    messages: Messages
    store: Store
    clock: Clock
    repository: Repository
    agent: Agent
    tests: Agent | None  # runs the configured test command; None: no tests are configured
    owner: str  # this daemon's name, one per process
    started: datetime
    options: Options
    tell: Callable[[str], None]  # what is going on, a line at a time, for the person who looks on
    publish: Callable[[], None]  # bring recorded versions to git


class Job(NamedTuple):
    """What is known about the item in hand; every step adds to it."""

    key: str
    title: str
    text: str
    hold: Hold
    resumed: bool = False  # a dead daemon had begun it
    begun: bool = False  # it is in progress, by us
    run_id: int | None = None
    run: Run | None = None
    worktree: Worktree | None = None
    built: AgentResult | None = None
    tested: AgentResult | None = None
    commit: str | None = None
    verdict: Status | None = None
    reason: str | None = None


class Left(Exception):
    """The item is left alone: a person said so, or changed it meanwhile."""


class Stopped(Exception):
    """The daemon is to end."""


Step = Callable[[Desk, Job], Job]


# --- claim -----------------------------------------------------------------------------------------------------


def claim(desk: Desk, item: Item) -> Claim | None:
    """Claim the item; None when somebody else was faster, or has it done by now."""
    try:
        with desk.store.writing() as tx:
            held = tx.claims.take(item.key, desk.owner, lease=desk.options.lease, now=desk.clock.now())
    except AlreadyClaimed:
        return None
    now = find(desk.editing.read(), item.key)
    if now is None or now.status is not item.status:
        release(desk, held)
        return None
    return held


def release(desk: Desk, held: Claim) -> None:
    """Give the claim back."""
    with desk.store.writing() as tx:
        tx.claims.release(held)


def find(document: Document, key: str) -> Item | None:
    """The item of that very key."""
    return next((item for item in document.items if item.key == key), None)


# --- approve ---------------------------------------------------------------------------------------------------


def approve(desk: Desk, job: Job) -> Job:
    """Ask the person, unless they said that they need not be asked or had approved before the daemon was killed."""
    if not desk.options.ask_approval or job.resumed:
        return job
    question = _question(desk, job)
    if question.answered_at is None:
        desk.tell(f"{job.key}: waiting for an answer to question {question.id} ({APPROVE} or {SKIP})")
    try:
        answered = desk.messages.wait(question.id, stop=lambda: job.hold.requested() is not None)
    except StillOpen:
        raise _why_stopped(job) from None
    except (NotAnswerable, NoAnswerYet) as refusal:
        raise Left(refusal.message) from None
    if taken(answered) != APPROVE:
        raise Left(f"{answered.answered_by or 'nobody'} said {taken(answered)} to question {answered.id}")
    desk.tell(f"{job.key}: approved by {answered.answered_by} via {answered.answered_via}")
    return job


def _question(desk: Desk, job: Job) -> Notification:
    """The approval question. A daemon that was killed finds its question again by the key; one that a person answered
    with skip, before this daemon started, is asked anew."""
    ended = sum(run.outcome not in (None, "lost") for _id, run in accounts.runs_of(desk, job.key))
    again = 0
    while True:
        deadline = desk.options.approval_deadline
        question = desk.messages.notify(
            Draft(
                source=Source.DAEMON,
                kind=Kind.QUESTION,
                title=f"Start {job.key}?",
                message=f"Shall the {desk.agent.name} agent start {job.key}: {one_line(job.title, _TITLE)}?",
                item=job.key,
                options=(APPROVE, SKIP),
                deadline=desk.clock.now() + deadline if deadline else None,
                idempotency_key=f"approve:{file_name(job.key, '')}:{ended}:{again}",
            )
        )
        given_up = question.state in (State.DISMISSED, State.EXPIRED) and question.answer is None
        if not (given_up or question.answer == SKIP) or question.updated >= desk.started:
            return question
        again += 1


# --- begin -----------------------------------------------------------------------------------------------------


def count(desk: Desk, job: Job) -> Job:
    """Open a record of this attempt, after closing what a dead daemon left open."""
    earlier = accounts.runs_of(desk, job.key)
    branch = branch_name(job.key, job.title)
    run = Run(job.key, desk.owner, desk.agent.name, branch, desk.clock.now(), None, None, None, None, None)
    with desk.store.runs() as runs:
        for number, lost in earlier:
            if lost.ended is None:
                runs.end(number, lost._replace(ended=run.started, outcome="lost", detail="its daemon was gone"))
        job = job._replace(run_id=runs.start(run), run=run)
    failed = accounts.failed_in_a_row(earlier)
    if failed >= desk.options.max_attempts:
        reason = f"{failed} attempts in a row ended without a result"
        return job._replace(verdict=Status.MANUAL_REVIEW, reason=reason)
    return job


def begin(desk: Desk, job: Job) -> Job:
    """Set the item in progress; one that is taken up again is so already."""
    if not job.begun and not set_status(desk, job, Status.PLANNED, Status.IN_PROGRESS, f"taken up by {desk.owner}"):
        raise Left("it is no longer planned")
    return job._replace(begun=True)


def set_status(desk: Desk, job: Job, expected: Status, status: Status, reason: str) -> bool:
    """Set the item's status, if it still is as expected and the claim stands at that very moment; tells whether."""

    def guard(tx: Transaction) -> None:
        tx.claims.check(job.hold.claim, desk.clock.now())

    for attempt in range(_PATIENCE):
        item = find(desk.editing.read(), job.key)
        if item is None or item.status is not expected:
            return False
        told = one_line(reason, _REASON)
        try:
            desk.editing.set_status(
                item.key, status, by=desk.owner, reason=told, if_revision=item.revision, guard=guard
            )
        except (RevisionChanged, ItemNotFound):
            continue  # it was edited between our look and our lock: look again
        except TryAgain:
            if attempt + 1 == _PATIENCE:
                raise
            continue  # a result is worth more than one bounded wait
        desk.publish()
        return True
    return False


# --- work ------------------------------------------------------------------------------------------------------


def open_worktree(desk: Desk, job: Job) -> Job:
    """A work tree of its own, outside the person's."""
    name = file_name(job.key, job.title)
    path = os.path.join(desk.options.worktrees, name)
    worktree = desk.repository.open_worktree(path, branch_name(job.key, job.title))
    desk.tell(f"{job.key}: work tree on branch {worktree.branch}")
    if worktree.aside:
        desk.tell(f"{job.key}: leftovers of an earlier attempt are kept in {worktree.aside}")
    return job._replace(worktree=worktree)


def build(desk: Desk, job: Job) -> Job:
    """Let the agent do it. What it changed is set aside at once, so that tests add nothing to it."""
    desk.tell(f"{job.key}: the {desk.agent.name} agent is at work (output in {accounts.log_path(desk, job, 'agent')})")
    result = desk.agent.run(_task(desk, job, "agent"), job.hold, Watching())
    _go_on(job)
    job = job._replace(built=result)
    if not result.ok:
        return job._replace(verdict=Status.MANUAL_REVIEW, reason=_failure(f"the {desk.agent.name} agent", result))
    if not desk.repository.stage(_tree(job), leave_out=desk.options.leave_out):
        return job._replace(verdict=Status.MANUAL_REVIEW, reason=_NOTHING.format(desk.agent.name))
    return job


def test(desk: Desk, job: Job) -> Job:
    """Run the configured tests."""
    if desk.tests is None:
        return job
    desk.tell(f"{job.key}: testing")
    result = desk.tests.run(_task(desk, job, "tests"), job.hold, Watching())
    _go_on(job)
    job = job._replace(tested=result)
    if not result.ok:
        return job._replace(verdict=Status.MANUAL_REVIEW, reason=_failure("the test command", result))
    return job


def commit(desk: Desk, job: Job) -> Job:
    """Commit what the agent changed, also when the tests failed: the branch is what a person looks at then."""
    if job.built is None or not job.built.ok or job.worktree is None:
        return job
    with desk.store.reading() as tx:
        tx.claims.check(job.hold.claim, desk.clock.now())
    note = f"\n\nNot finished: {one_line(job.reason or '', _REASON)}" if job.verdict is not None else ""
    message = f"{job.key}: {one_line(job.title, _TITLE)}{note}\n\nDone-By: {one_line(desk.agent.name)}\n"
    made = desk.repository.commit(job.worktree, message)
    if made is None:
        return job
    desk.tell(f"{job.key}: commit {made[:12]} on {job.worktree.branch}")
    return job._replace(commit=made)


def report(desk: Desk, job: Job) -> Job:
    """The status, the run's record, and word to the person. A status that the person changed meanwhile stays theirs."""
    status = job.verdict or Status.COMPLETE
    reason = job.reason or f"done by {desk.agent.name} on branch {job.run.branch if job.run else ''}"
    in_short = reason.partition("\n")[0]
    if set_status(desk, job, Status.IN_PROGRESS, status, in_short):
        desk.tell(f"{job.key}: {status.value}" + (f" ({in_short})" if job.verdict else ""))
    else:
        reason = f"{_NOT_OURS}\n{reason}"
        desk.tell(f"{job.key}: {_NOT_OURS}")
    accounts.end_run(desk, job, "complete" if status is Status.COMPLETE else accounts.outcome(job), reason)
    accounts.notify(desk, job, status, reason)
    if status is Status.COMPLETE and job.worktree is not None:
        desk.repository.close_worktree(job.worktree)
    return job._replace(verdict=status, reason=reason)


STEPS: tuple[tuple[str, Step], ...] = (
    ("approve", approve),
    ("count", count),
    ("begin", begin),
    ("worktree", open_worktree),
    ("build", build),
    ("test", test),
    ("commit", commit),
    ("report", report),
)
ALWAYS = frozenset({"begin", "commit", "report"})  # also when a person must look already


# --- helpers ---------------------------------------------------------------------------------------------------


def _task(desk: Desk, job: Job, what: str) -> Task:
    tree = _tree(job)
    return Task(
        key=job.key,
        title=job.title,
        text=job.text,
        directory=tree.project,
        branch=tree.branch,
        item_file=accounts.scratch_path(desk, job, f"{what}.item.md"),
        log=accounts.log_path(desk, job, what),
        timeout=desk.options.agent_timeout if what == "agent" else desk.options.test_timeout,
        max_output=desk.options.max_output,
        answers={},
        environment=desk.options.environment,
    )


def _tree(job: Job) -> Worktree:
    if job.worktree is None:
        raise AssertionError("the work tree comes before the work")
    return job.worktree


_NOTHING = "the {} agent ended well but changed nothing"


def _failure(who: str, result: AgentResult) -> str:
    """Reasons that an agent gives for its own end begin with "it"; others are told as they are."""
    tail = printable(result.output_tail)[-_TAIL:]
    said = result.reason or "it failed"
    told = f"{who} {said[3:]}" if said.startswith("it ") else f"{who}: {said}"
    return told + (f"\n\n{tail}" if tail else "")


def _go_on(job: Job) -> None:
    """Raises when the work was ended by us and its result is none."""
    if job.hold.requested() is not None:
        raise _why_stopped(job)


def _why_stopped(job: Job) -> Exception:
    if job.hold.lost is not None:
        held = job.hold.claim
        return ClaimLost(item=held.item, fence=held.fence, owner=held.owner)
    return Stopped(job.hold.requested() or accounts.STOPPED)


def finish(desk: Desk, job: Job, refusal: Refusal) -> Job:
    """A step was refused (no work tree, a moved branch, …): a person must look."""
    hint = f" {refusal.hint}" if refusal.hint else ""
    return report(desk, job._replace(verdict=Status.MANUAL_REVIEW, reason=f"{refusal.message}{hint}"))
