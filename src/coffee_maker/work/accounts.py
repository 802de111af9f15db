"""What is recorded and told of a job: the runs in the analytics database, word to the person, the files of a run."""

from __future__ import annotations

import os

from coffee_maker.core.items import Status
from coffee_maker.core.questions import Draft, Kind, Level, Source
from coffee_maker.core.records import Run
from coffee_maker.work.naming import file_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.work.pipeline import Desk, Job

STOPPED = "daemon stopped"  # how the detail of a run begins that a person's stop ended: it is no failed attempt


def runs_of(desk: Desk, key: str) -> list[tuple[int, Run]]:
    """The item's runs, newest first."""
    with desk.store.runs() as runs:
        return list(runs.list(item=key))


def failed_in_a_row(runs: list[tuple[int, Run]]) -> int:
    """Newest attempts that came to no end: their daemons were killed or lost their claims."""
    count = 0
    for _number, run in runs:
        if run.outcome not in (None, "lost"):
            break
        if not (run.detail or "").startswith(STOPPED):
            count += 1
    return count


def outcome(job: Job) -> str:
    """How a run that a person must look at ended."""
    return "failed" if job.built is not None and not job.built.ok else "manual_review"


def end_run(desk: Desk, job: Job, result: str, detail: str) -> None:
    """Close the run's record, if the item came as far as to have one."""
    if job.run is None or job.run_id is None:
        return
    exit_code = job.built.exit_code if job.built else None
    ended = job.run._replace(
        ended=desk.clock.now(), outcome=result, detail=detail, exit_code=exit_code, commit=job.commit
    )
    with desk.store.runs() as runs:
        runs.end(job.run_id, ended)


def notify(desk: Desk, job: Job, status: Status, reason: str) -> None:
    """Word to the person, with what they need to look at it."""
    good = status is Status.COMPLETE
    details = [reason]
    if job.commit and job.run:
        details.append(f"Look at it with: git show {job.run.branch}")
    if not good and job.worktree:
        details.append(f"Work tree: {job.worktree.path}")
    if not good and job.run_id:
        details.append(f"Output: {log_path(desk, job, 'tests' if job.tested else 'agent')}")
    desk.messages.notify(
        Draft(
            source=Source.DAEMON,
            kind=Kind.STATUS if good else Kind.ALERT,
            level=Level.NORMAL if good else Level.HIGH,
            title=f"{job.key} is complete" if good else f"{job.key} needs you",
            message="\n".join(details),
            item=job.key,
            context={"run": job.run_id, "branch": job.run.branch if job.run else None, "commit": job.commit},
        )
    )


def log_path(desk: Desk, job: Job, what: str) -> str:
    """The file that takes an output."""
    return scratch_path(desk, job, f"{what}.log")


def scratch_path(desk: Desk, job: Job, ending: str) -> str:
    """A file of this very run."""
    return os.path.join(desk.options.scratch, "runs", f"{file_name(job.key, job.title)}-{job.run_id}.{ending}")
