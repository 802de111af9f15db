"""What is recorded and told of a job: the runs in the analytics database, word to the person, the files of a run."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping

from coffee_maker.core.items import Status
from coffee_maker.core.lean import timedelta
from coffee_maker.core.limits import Spent
from coffee_maker.core.questions import Draft, Kind, Level, Source
from coffee_maker.core.records import AgentResult, Run, Usage, Worktree
from coffee_maker.work.naming import file_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.work.job import Desk, Job

GONE = "its daemon was gone"  # the detail of a run whose end nobody recorded


def runs_of(desk: Desk, key: str) -> list[tuple[int, Run]]:
    """The item's runs, newest first."""
    with desk.store.reading_runs() as runs:
        return list(runs.list(item=key))


def cut_off_in_a_row(job: Job) -> int:
    """Newest runs of this pipeline that were cut off because their daemons died: what kills daemons is bounded."""
    count = 0
    for _number, run in runs_of(job.desk, job.key):
        if run.pipeline != job.pipeline or run.detail != GONE:
            break
        count += 1
    return count


def open_run(job: Job, attempt: int) -> tuple[int, Run]:
    """Begin a record of a run, after closing what a dead daemon left open; its number."""
    branch = job.worktree.branch if job.worktree else ""
    desk = job.desk
    run = Run(
        job.key, desk.owner, desk.agent.name, branch, desk.clock.now(), None, None, None, None, None,
        job.pipeline, attempt,
    )  # fmt: skip
    settle(job)
    with desk.store.runs() as runs:
        return runs.start(run), run


def settle(job: Job) -> None:
    """Close the runs that a dead daemon left open on this item."""

    def noted(run: Run) -> bool:
        return run.pipeline == job.pipeline and f"agent:{run.attempt}" in job.results

    close_left_open(job.desk, job.key, noted)


def close_left_open(desk: Desk, key: str, noted: Callable[[Run], bool]) -> None:
    """One that has ended well waits for its tests to say how it came out, unless its daemon died before it could note
    that it has ended: then the work is done again. The time from a death to now, a night perhaps, is nobody's work: the
    run ends with its daemon's last lease."""
    left = [
        (number, run)
        for number, run in runs_of(desk, key)
        if run.ended is None or (run.outcome is None and not noted(run))
    ]
    if not left:
        return
    now = desk.clock.now()
    with desk.store.reading() as tx:
        until = tx.claims.held_until(key)
    with desk.store.runs() as runs:
        for number, run in left:
            ended = run.ended or max(run.started, min(now, until.get(run.daemon, now)))
            if noted(run):
                runs.amend(number, run._replace(ended=ended))
            else:
                runs.amend(number, run._replace(ended=ended, outcome="lost", detail=GONE))


def spent_before(job: Job, number: int) -> Spent:
    """What other runs of the item and of this day (UTC) took, without run `number`."""
    item, item_time = Usage(), timedelta()
    for other, run in runs_of(job.desk, job.key):
        if other != number:
            item, item_time = item.plus(run.usage), item_time + run.worked
    day, day_time = _today(job.desk, number)
    return Spent(item=item, item_time=item_time, day=day, day_time=day_time)


def spent_today(desk: Desk) -> Spent:
    used, length = _today(desk)
    return Spent(day=used, day_time=length)


def _today(desk: Desk, but: int | None = None) -> tuple[Usage, timedelta]:
    """What the runs of this day took; those that go on, until the last sign of life of their daemons."""
    midnight = desk.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    with desk.store.reading_runs() as log:
        runs = [run for number, run in log.list(since=midnight) if number != but]
    seen = {}
    if any(run.ended is None for run in runs):
        with desk.store.reading() as tx:
            seen = {beat.daemon: beat.at for beat in tx.heartbeats.all()}
    used, length = Usage(), timedelta()
    for run in runs:
        used = used.plus(run.usage)
        length += run.worked_until(run.ended or seen.get(run.daemon, run.started))
    return used, length


def ended(run: Run, outcome: str | None, detail: str, result: AgentResult | None) -> Run:
    """The run's record at its end."""
    run = run._replace(outcome=outcome, detail=detail)
    if result is None:
        return run
    return run._replace(
        exit_code=result.exit_code,
        model=result.model or run.model,
        session=result.session or run.session,
        usage=result.usage if any(result.usage) else run.usage,
    )


def taken_by(job: Job, session: str | None) -> Usage:
    """What the earlier runs of a session took."""
    used = (run.usage for _number, run in runs_of(job.desk, job.key) if session and run.session == session)
    return functools.reduce(Usage.plus, used, Usage())


def last_run(job: Job) -> tuple[int, Run] | None:
    """The newest run of this pipeline."""
    found = next(iter(runs_of(job.desk, job.key)), None)
    return found if found and found[1].pipeline == job.pipeline else None


def amend(job: Job, outcome: str, detail: str, commit: str | None = None) -> None:
    """What is known of the newest run only after it: how its tests went, its commit, what became of the item."""
    last = last_run(job)
    if last is None:
        return
    number, run = last
    changed = run._replace(outcome=outcome, detail=detail, commit=commit or run.commit)
    with job.desk.store.runs() as runs:
        runs.amend(number, changed)


def notify(job: Job, status: Status, reason: str) -> int:
    """Word to the person, once, with what they need to look at it; the notification's number."""
    from coffee_maker.work.job import REPORT

    desk, good = job.desk, status is Status.COMPLETE
    last = last_run(job)
    commit = job.results.get("commit", {}).get("commit")
    branch = job.worktree.branch if job.worktree else None
    details = [reason]
    if commit and branch:
        details.append(f"Look at it with: git diff HEAD...{branch}")
    if not good and job.worktree:
        details.append(f"Work tree: {job.worktree.path}")
    if not good and last:
        what = "tests" if f"test:{last[1].attempt}" in job.results else "agent"
        details.append(f"Output: {log_path(job, last[0], what)}")
    if not good and "daemon retry" not in reason:
        details.append(f"When you have mended what it takes: coffee-roadmap daemon retry {job.key}")
    title = f"{job.key} is complete" if good else f"{job.key} needs you"
    if job.results.get(REPORT, {}).get("not_ours"):
        title = f"{job.key} was worked on, and its status is yours"
        details.append(
            f"It was changed or removed while it was worked on. `coffee-roadmap status {job.key} complete` accepts the"
            " work; as planned it is built again."
        )
    made = desk.messages.notify(
        Draft(
            source=Source.DAEMON,
            kind=Kind.STATUS if good else Kind.ALERT,
            level=Level.NORMAL if good else Level.HIGH,
            title=title,
            message="\n".join(details),
            item=job.key,
            context={"run": last[0] if last else None, "branch": branch, "commit": commit, "pipeline": job.pipeline},
            idempotency_key=f"{job.pipeline}:report",
        )
    )
    return made.id


def read_worktree(known: Mapping[str, object]) -> Worktree:
    """A work tree as the journal has it."""
    aside, tip = known.get("aside"), known.get("tip")
    return Worktree(
        path=str(known["path"]),
        branch=str(known["branch"]),
        base=str(known["base"]),
        project=str(known["project"]),
        aside=str(aside) if aside else None,
        tip=str(tip) if tip else None,
    )


def log_path(job: Job, run: int, what: str) -> str:
    """The file that takes an output."""
    return scratch_path(job, run, f"{what}.log")


def scratch_path(job: Job, run: int, ending: str) -> str:
    """A file of this very run."""
    return os.path.join(job.desk.options.scratch, "runs", f"{file_name(job.key, job.title)}-{run}.{ending}")
