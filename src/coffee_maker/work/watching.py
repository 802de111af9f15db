"""What the daemon hears of a run, and what it answers: progress, costs and their ceilings, permissions, tools."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from coffee_maker.core.errors import Refusal
from coffee_maker.core.limits import Reached, reached
from coffee_maker.core.questions import Draft, Kind, Level, Source
from coffee_maker.core.records import Action, AgentResult, Run, Usage
from coffee_maker.utils import observing
from coffee_maker.utils.text import one_line
from coffee_maker.work import accounts
from coffee_maker.work.agent_tools import AgentTools, Parts, Scope
from coffee_maker.work.asking import Unanswered, ask, is_moot, said

if TYPE_CHECKING:
    from coffee_maker.work.job import Job

_KEEP = 5.0  # seconds between two writes of what a run takes, and between two looks at what others take
_LOOK = 1.0  # seconds between two looks at the ceilings
_LINE = 200
ALLOW, DENY = "allow", "deny"


class Watching:
    """`Watch` and `Stop` of one run."""

    def __init__(self, job: Job, attempt: int, granted: Mapping[str, int]) -> None:
        self._job = job
        self._attempt = attempt
        self._granted = granted  # ceiling -> how often the person said to go on beyond it
        self.number, self._run = accounts.open_run(job, attempt)
        self._before = accounts.spent_before(job, self.number)
        self._pipeline = Usage()
        self._started = self._kept = self._looked = self._compared = time.monotonic()
        self._waited, self._waiters, self._waiting_since = 0.0, 0, 0.0
        self._outside: int | None = None  # the question that it waits for in a process of its own
        self._warned: set[str] = set()
        self._lock = threading.Lock()
        self._told_at: datetime | None = None
        self._closed = False
        self.limit: Reached | None = None
        self.turn = observing.NOTHING
        desk = job.desk
        self._tools = AgentTools(
            Parts(editing=desk.editing, messages=desk.messages, store=desk.store, clock=desk.clock),
            Scope(
                item=job.key,
                pipeline=job.pipeline,
                owner=desk.owner,
                guard=job.check,
                stop=self,
                progress=self._progress,
                publish=desk.publish,
                waits=self._waits_for,
            ),
        )

    # --- Stop

    def requested(self) -> str | None:
        """Why the run is to end: its job is to, or a ceiling is reached. What still waits when it has ended, as an
        answer that its agent did not wait for, ends too."""
        if self._closed:
            return "the run has ended"
        reason = self._job.requested()
        if reason is None and self.limit is None and time.monotonic() - self._looked > _LOOK:
            self._look()
            self._read_progress()
            if time.monotonic() - self._kept > _KEEP:
                self._keep()
            is_moot(self._job)  # its job says so then
        return reason or (f"it reached its limit: {self.limit.words}" if self.limit else None)

    # --- Watch

    def activity(self, words: str) -> None:
        self._job.heard(one_line(words, _LINE))

    def usage(self, usage: Usage) -> None:
        with self._lock:
            self._run = self._run._replace(usage=usage)
        self._job.used = usage
        self.turn.took(usage)
        self._look()
        if time.monotonic() - self._kept > _KEEP:
            self._keep()

    def session(self, session: str) -> None:
        """Kept at once: after a crash it is what the run is resumed by."""
        with self._lock:
            self._run = self._run._replace(session=session)
        self._keep()

    def permit(self, action: Action) -> str | None:
        """By the policy; a question is asked once, and its answer counts for the same action in this pipeline."""
        policy = self._job.desk.policy(action.kind)
        if policy == "allow":
            return None
        if policy == "deny":
            return f"the project's policy `{action.kind}` is deny"
        what = one_line(action.what, _LINE)
        mark = sha256(f"{action.kind}\0{action.what}".encode(errors="replace")).hexdigest()[:16]
        try:
            with self._waiting():
                answered = ask(
                    self._job,
                    f"permit:{mark}",
                    f"{self._job.key}: allow {action.kind.replace('_', ' ')}?",
                    f"The agent that works on {self._job.key} wants to: {what}\n{action.detail}".rstrip(),
                    options=(ALLOW, DENY),
                    run=self,
                )
        except Unanswered as unanswered:
            return f"the person was asked and did not answer: {unanswered}"
        except Exception as stopped:  # noqa: BLE001 - the run is being ended; the agent gets a no on the way
            return f"the run is being ended: {stopped}"
        return None if said(answered) == ALLOW else f"{answered.answered_by} said no to question {answered.id}"

    def call(self, tool: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        with self.turn.within(), observing.span("tool", tool=tool):  # maybe in another thread
            return self._tools.call(tool, arguments)

    def waits(self) -> bool:
        """What was last read of it, a second ago at most."""
        return self._outside is not None

    @contextmanager
    def _waits_for(self, question: int) -> Iterator[None]:
        """In the daemon's own process."""
        with self._waiting():
            self._show_wait(question)
            try:
                yield
            finally:
                self._show_wait(None)

    def _show_wait(self, question: int | None) -> None:
        self._job.waiting(f"an answer to question {question}" if question is not None else None, idle=False)

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Time in which the agent waits for a person, in whichever of its threads, is counted once."""
        self._begin_wait()
        try:
            yield
        finally:
            self._end_wait()

    def _begin_wait(self) -> None:
        with self._lock:
            if not self._waiters:
                self._waiting_since = time.monotonic()
            self._waiters += 1

    def _end_wait(self) -> None:
        with self._lock:
            self._waiters -= 1
            if not self._waiters:
                self._waited += time.monotonic() - self._waiting_since

    def _waited_so_far(self) -> float:
        with self._lock:
            return self._waited + (time.monotonic() - self._waiting_since if self._waiters else 0.0)

    def _progress(self, percent: int | None, words: str | None) -> None:
        if percent is not None:
            self._job.progress = percent
        if words:
            self.activity(words)

    def _read_progress(self) -> None:
        """What an agent told through a server or a command, which are processes of their own."""
        job = self._job
        with suppress(Refusal):
            with job.desk.store.reading() as tx:
                told = tx.progress.of(job.key)
            if told is None or told.pipeline != job.pipeline:
                return
            if told.at != self._told_at:
                self._told_at = told.at
                self._progress(told.percent, told.words)
            waits = told.waits_until is not None and told.waits_until > job.desk.clock.now()
            self._waits_outside(told.waits_for if waits else None)

    def _waits_outside(self, question: int | None) -> None:
        with self._lock:
            before, self._outside = self._outside, question
        if question == before:
            return
        if question is not None:
            self._job.tell(f"its agent waits for an answer to question {question}")
        if before is None:
            self._begin_wait()
        elif question is None:
            self._end_wait()
        self._show_wait(question)

    # --- records

    def close(self, outcome: str | None, detail: str, result: AgentResult | None) -> Run:
        """Write the run's end."""
        self._closed = True
        self._waits_no_more()
        run = accounts.ended(self._run, outcome, detail, result)
        run = run._replace(ended=run.started + self._length(), waited=self._waited_so_far())
        self._job.keep(lambda: self._end(run))
        self._run = run
        return run

    def _waits_no_more(self) -> None:
        """One that was ended in its wait could not say so."""
        question, job = self._outside, self._job
        if question is not None:
            with suppress(Refusal), job.desk.store.writing() as tx:
                tx.progress.waits(job.key, job.pipeline, question, until=job.desk.clock.now())
            self._waits_outside(None)

    def _length(self) -> timedelta:
        """By the clock that nobody sets and that stands still while the machine sleeps. Of a run whose claim was lost
        what lies behind the last lease is no work: its daemon was frozen."""
        took, hold = time.monotonic() - self._started, self._job.hold
        if hold.lost is not None:
            took = min(took, hold.renewed - self._started + self._job.desk.options.lease.total_seconds())
        return timedelta(seconds=max(took, 0.0))

    def _end(self, run: Run) -> None:
        with self._job.desk.store.runs() as runs:
            runs.keep(self.number, run)

    def _keep(self) -> None:
        """Write what is known so far; figures that cannot be written now are written with the next."""
        self._kept = time.monotonic()
        with suppress(Refusal):
            self._end(self._run._replace(waited=self._waited_so_far()))

    def _look(self) -> None:
        """Compare with the ceilings; the first one reached ends the run, one that is near is told once."""
        self._looked = time.monotonic()
        if self._looked - self._compared > _KEEP:
            self._compared = self._looked
            with suppress(Refusal):  # runs beside this one go on spending what the day has left
                self._before = accounts.spent_before(self._job, self.number)
        length = timedelta(seconds=max(0.0, self._looked - self._started - self._waited_so_far()))
        spent = self._before._replace(run=self._run.usage, run_time=length)
        for one in reached(self._job.desk.options.ceilings, spent, extra=self._granted):
            if one.share >= 1:
                self.limit = self.limit or one
            elif one.name not in self._warned:
                self._warned.add(one.name)
                self._warn(one)

    def _warn(self, near: Reached) -> None:
        job, words = self._job, f"{near.share:.0%} of a limit is used: {near.words}"
        job.tell(words, "warning")
        draft = Draft(
            source=Source.DAEMON,
            kind=Kind.ALERT,
            level=Level.NORMAL,
            title=f"{job.key} comes near a limit",
            message=words,
            item=job.key,
            idempotency_key=f"{job.pipeline}:warn:{near.name}:{self._granted.get(near.name, 0)}",
        )
        with suppress(Refusal):
            job.desk.messages.notify(draft)
