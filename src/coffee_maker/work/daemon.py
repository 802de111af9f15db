"""The daemon's loop: take what a dead daemon left, else the next planned item; do it; look again."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from coffee_maker.core.choosing import Choice, choose
from coffee_maker.core.document import Document
from coffee_maker.core.errors import AgentUnusable, ClaimLost, Refusal, RepositoryBusy
from coffee_maker.core.items import Item, Status
from coffee_maker.core.ports import System
from coffee_maker.core.state import Claim
from coffee_maker.work import accounts, pipeline
from coffee_maker.work.pipeline import Desk, Job, Left, Stopped
from coffee_maker.work.supervisor import Supervisor

_EVER = datetime(2000, 1, 1, tzinfo=UTC)  # before any claim: "held at that time or later" is every unreleased one
_WAITING_STEPS = frozenset({"approve"})


class Done(NamedTuple):
    """One item that was taken up, and what became of it."""

    key: str
    outcome: str  # complete | manual_review | skipped | lost | stopped
    reason: str | None


class _Next(NamedTuple):
    """The item to take up now."""

    item: Item
    text: str
    resumed: bool


class Daemon:
    """One daemon process on one project."""

    def __init__(self, desk: Desk, system: System, *, poll: timedelta = timedelta(seconds=2)) -> None:
        self._desk = desk
        self._poll = poll.total_seconds()
        self._supervisor = Supervisor(
            desk.store, desk.messages, desk.clock, owner=desk.owner, system=system, lease=desk.options.lease
        )
        self._left: dict[str, str] = {}
        self._digest: str | None = None
        self._told: str | None = None

    def stop(self, reason: str) -> None:
        """Ask the daemon to end; may be called from a signal handler. The agent is ended, its item planned again."""
        self._supervisor.sign.set(reason)

    def run(self, *, once: bool = False) -> list[Done]:
        """Work until stopped, or on one item; what was taken up. Raises a refusal when it cannot work here at all."""
        self._check()
        done: list[Done] = []
        with self._supervisor, self._desk.store.wakeup() as wakeup:
            while self._supervisor.sign.requested() is None:
                one = self._round(once=once)
                if one is not None:
                    done.append(one)
                    self._told = None
                if once:
                    break
                if one is None:
                    self._supervisor.pause(wakeup, self._poll)
            self._supervisor.doing("stopping")
        return done

    def _check(self) -> None:
        desk = self._desk
        for agent in filter(None, (desk.agent, desk.tests)):
            problem = agent.check()
            if problem:
                raise AgentUnusable(agent=agent.name, problem=problem)
        with suppress(RepositoryBusy):  # that passes; it is looked at again before each item
            desk.repository.check()

    def _round(self, *, once: bool) -> Done | None:
        """Take up one item if there is one. A refusal that may pass is told, and looked at again later."""
        try:
            return self._take_up()
        except Refusal as refusal:
            if once:
                raise
            self._say(f"{refusal.message} {refusal.hint}".strip())
            return None

    def _take_up(self) -> Done | None:
        while self._supervisor.sign.requested() is None:
            document = self._document()
            following = self._abandoned(document) or self._chosen(document)
            if following is None:
                return None
            self._desk.repository.check()
            held = pipeline.claim(self._desk, following.item)
            if held is not None:
                return self._work_on(following, held)
        return None

    def _document(self) -> Document:
        """The roadmap; when it has changed since the last look, what was changed outside is recorded first."""
        document = self._desk.editing.read()
        if document.digest != self._digest:
            document = self._desk.editing.reconcile()
            self._digest = document.digest
            self._desk.publish()
        return document

    def _abandoned(self, document: Document) -> _Next | None:
        """An item in progress whose claim ran out without being given back: its daemon is dead. What is in progress
        without any claim is a person's own."""
        now = self._desk.clock.now()
        claims = self._claims(_EVER)
        dead = {claim.item for claim in claims if claim.until <= now}
        for item in document.items:
            if item.status is Status.IN_PROGRESS and item.key in dead:
                return _Next(item, document.text_of(item), resumed=True)
        return None

    def _chosen(self, document: Document) -> _Next | None:
        choice = choose(document.items, self._claims(self._desk.clock.now()), self._left)
        if choice.item is None:
            self._say(_nothing(choice))
            return None
        return _Next(choice.item, document.text_of(choice.item), resumed=False)

    def _claims(self, since: datetime) -> Iterable[Claim]:
        with self._desk.store.reading() as tx:
            return tx.claims.held(since)

    def _say(self, words: str) -> None:
        """Tell, unless it was the last thing told."""
        if words != self._told:
            self._told = words
            self._desk.tell(words)

    # --- one item

    def _work_on(self, following: _Next, held: Claim) -> Done:
        item = following.item
        again = ", taken up again after its daemon was gone" if following.resumed else ""
        self._desk.tell(f"{item.key}: {item.title}{again}")
        with self._supervisor.holding(held) as hold:
            job = Job(item.key, item.title, following.text, hold, following.resumed, begun=following.resumed)
            done = self._steps(job)
        # Not in a `finally`: when something unforeseen ends the steps, the claim must run out and not be given back,
        # or the item would stay in progress and nobody would take it up again.
        pipeline.release(self._desk, hold.claim)
        self._supervisor.doing("idle")
        self._desk.publish()
        return done

    def _steps(self, job: Job) -> Done:
        desk = self._desk
        try:
            for name, step in pipeline.STEPS:
                if job.verdict is not None and name not in pipeline.ALWAYS:
                    continue
                self._supervisor.doing("waiting" if name in _WAITING_STEPS else "working", job.key, name)
                job = step(desk, job)
        except Left as left:
            return self._leave(job, str(left))
        except ClaimLost as lost:
            return self._lose(job, lost.message)
        except Stopped as stopped:
            return self._put_back(job, str(stopped))
        except Refusal as refusal:
            if job.begun:
                return self._give_up(job, refusal)
            accounts.end_run(desk, job, "lost", f"{accounts.STOPPED}: {refusal.message}")
            pipeline.release(desk, job.hold.claim)
            raise
        return Done(job.key, job.verdict.value if job.verdict else Status.COMPLETE.value, job.reason)

    def _give_up(self, job: Job, refusal: Refusal) -> Done:
        """A step was refused; a person must look. When even that cannot be written, the lease runs out by itself."""
        try:
            job = pipeline.finish(self._desk, job, refusal)
        except ClaimLost as lost:
            return self._lose(job, lost.message)
        return Done(job.key, Status.MANUAL_REVIEW.value, job.reason)

    def _leave(self, job: Job, why: str) -> Done:
        self._left[job.key] = f"left alone: {why}"
        accounts.end_run(self._desk, job, "lost", f"{accounts.STOPPED}: {why}")
        self._desk.tell(f"{job.key}: left alone: {why}")
        return Done(job.key, "skipped", why)

    def _lose(self, job: Job, why: str) -> Done:
        """The claim is somebody else's now, and so is the item: nothing is written any more, nothing thrown away."""
        accounts.end_run(self._desk, job, "lost", why)
        where = f"; what was done is in {job.worktree.path}" if job.worktree else ""
        self._desk.tell(f"{job.key}: {why}{where}")
        return Done(job.key, "lost", why)

    def _put_back(self, job: Job, why: str) -> Done:
        """The daemon ends in order: the item is planned again, its work tree stays for the next attempt."""
        reason = f"{accounts.STOPPED}: {why}"
        if job.begun:
            try:
                pipeline.set_status(self._desk, job, Status.IN_PROGRESS, Status.PLANNED, reason)
            except ClaimLost as lost:
                return self._lose(job, lost.message)
        accounts.end_run(self._desk, job, "lost", reason)
        self._desk.tell(f"{job.key}: put back, {why}")
        return Done(job.key, "stopped", why)


def _nothing(choice: Choice) -> str:
    """Why there is nothing to do."""
    if not choice.waiting:
        return "Nothing to do: no item is planned."
    lines = [f"  {waiting.key}: {waiting.because}" for waiting in choice.waiting[:10]]
    more = len(choice.waiting) - len(lines)
    return "\n".join(["Nothing to do: every planned item waits.", *lines, *([f"  and {more} more"] if more else [])])
