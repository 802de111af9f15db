"""Asking the person in the middle of a job: a durable question, found again after a crash."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from coffee_maker.core.ancestry import titles_differ
from coffee_maker.core.errors import NoAnswerYet, NotAnswerable, Refusal, StillOpen
from coffee_maker.core.items import Status
from coffee_maker.core.questions import OPEN, Draft, Kind, Level, Notification, Source, taken
from coffee_maker.utils.text import one_line
from coffee_maker.work.job import ANOTHER, NO_LONGER_PLANNED, SET_MEANWHILE, Left

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from coffee_maker.core.document import Document
    from coffee_maker.core.ports import Stop, Transaction
    from coffee_maker.work.job import Job

_TITLE = 120


class Unanswered(Exception):
    """The question came to its end without an answer: dismissed, or its deadline passed."""

    def __init__(self, question: int, why: str) -> None:
        super().__init__(why)
        self.question = question


def ask(
    job: Job,
    name: str,
    title: str,
    message: str,
    *,
    options: tuple[str, ...] = (),
    deadline: timedelta | None = None,
    run: Stop | None = None,
) -> Notification:
    """Ask once per pipeline and name, and wait as long as it takes; the answered question. In the middle of a `run` the
    agent keeps its place meanwhile, and the wait ends with the run.

    Raises `Unanswered`, and what `Job.go_on` raises when the work is to end first (the question stays open then).
    """
    desk = job.desk
    question = desk.messages.notify(
        Draft(
            source=Source.DAEMON,
            kind=Kind.QUESTION,
            level=Level.HIGH,
            title=one_line(title, _TITLE),
            message=message,
            item=job.key,
            options=options,
            deadline=desk.clock.now() + deadline if deadline else None,
            idempotency_key=f"{job.pipeline}:{name}",
            context={"pipeline": job.pipeline, "step": job.step},
        )
    )
    if question.answered_at is None:
        choices = f" ({', '.join(options)})" if options else ""
        job.tell(
            f"waiting for an answer to question {question.id}{choices}: "
            f"`coffee-roadmap notifications respond {question.id} ANSWER`"
        )
        job.waiting(f"an answer to question {question.id}", idle=run is None)
    stop = run or job
    try:
        answered = desk.messages.wait(question.id, stop=lambda: stop.requested() is not None or is_moot(job))
    except StillOpen:
        _end_wait(job, question.id)
        raise Unanswered(question.id, "the run has ended") from None
    except (NotAnswerable, NoAnswerYet) as refusal:
        raise Unanswered(question.id, refusal.message) from None
    finally:
        job.waiting(None)
    return answered


def withdraw(job: Job, name: str) -> None:
    """Put a question aside that a daemon asked before and that nobody needs an answer to any more."""
    with job.desk.store.reading() as tx:
        asked = tx.notifications.keyed(f"{job.pipeline}:{name}")
    if asked is not None and asked.state in OPEN:
        with suppress(Refusal):  # it has just been answered, which changes nothing
            job.desk.messages.dismiss(asked.id, by=job.desk.owner)


def is_moot(job: Job) -> bool:
    """Whether a person has taken the item to another status: it is left then. One that was begun goes on while it is
    away or planned, for that may be an older text for a moment: one of another branch, or an editor's."""
    editing = job.desk.editing
    stamp = editing.stamp()
    if stamp == job.looked_at:
        return False
    try:
        why = _why_moot(job, editing.read())
        if why is not None:  # an editor's old text, perhaps: it is merged first
            why = _why_moot(job, editing.reconcile())
    except Refusal:  # the roadmap is away, and may come back, or somebody is about to change it
        return False
    job.looked_at = stamp
    if why is not None:
        job.skip.set(why)
    return job.skip.requested() is not None


def _why_moot(job: Job, document: Document) -> str | None:
    item = next((item for item in document.items if item.key == job.key), None)
    status = item.status if item else None
    if "begin" not in job.results:
        if item is None or status is not Status.PLANNED:
            return NO_LONGER_PLANNED
        return ANOTHER if titles_differ(job.title, item.title) else None
    if status is None or status in (Status.PLANNED, Status.IN_PROGRESS):
        return None
    return SET_MEANWHILE[status]


def _end_wait(job: Job, question: int) -> None:
    """Raises when the work is to end. The question stays open for who takes the item up again; when the item is left,
    nobody needs the answer any more."""
    try:
        job.go_on()
    except Left:
        with suppress(Refusal):  # it has just been answered, which changes nothing
            job.desk.messages.dismiss(question, by=job.desk.owner)
        raise


def take_back(tx: Transaction, item: str, pipeline: int, *, by: str, at: datetime) -> None:
    """Put the pipeline's own open questions aside: with its end there is nobody to hear an answer. What its agent has
    asked stays."""
    for one in tx.notifications.find(states=OPEN, item=item):
        if one.kind is Kind.QUESTION and (one.idempotency_key or "").startswith(f"{pipeline}:"):
            tx.notifications.dismiss(one.id, by=by, at=at)


def put_alerts_aside(tx: Transaction, item: str, *, by: str, at: datetime) -> None:
    """What daemons told of the item's trouble: it is tried again, or done, so nobody has to look at that any more."""
    for one in tx.notifications.find(states=OPEN, item=item):
        if one.kind is Kind.ALERT and one.source is Source.DAEMON:
            tx.notifications.dismiss(one.id, by=by, at=at)


def said(question: Notification) -> str:
    """The answer, or the default that counts at its deadline."""
    return taken(question) or ""
