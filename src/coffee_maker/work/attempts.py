"""The attempts at an item: build, test, and again with what went wrong, until it is done or a person must look."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from coffee_maker.core.attempts import Try, decide, doubled, fingerprint, in_words
from coffee_maker.core.errors import ClaimLost
from coffee_maker.core.items import Status
from coffee_maker.core.limits import Reached
from coffee_maker.core.questions import Draft, Kind, Level, Source
from coffee_maker.core.records import AgentResult, Task, Worktree
from coffee_maker.utils import observing
from coffee_maker.utils.durations import format_duration
from coffee_maker.utils.text import one_line, printable
from coffee_maker.work import accounts, ceilings, dependencies, space
from coffee_maker.work.asking import Unanswered, ask, said
from coffee_maker.work.job import Job, Result, Stopped
from coffee_maker.work.watching import Watching

GO_ON, STOP_HERE = "go on", "stop here"
_TAIL = 1500  # characters of an output in a message
_LONGEST_OUTAGE_WAIT = timedelta(minutes=15)
_OUTAGES_UNTOLD = 3  # a service that is away for longer than these waits is told to the person, once
_SHARE_OF_LEASE = 2  # an agent whose daemon is frozen is ended after this part of the lease
_NOTHING = "the {} agent ended well but changed nothing"


class NoMore(Exception):
    """A ceiling was reached and the person did not say to go on."""


def verdict(job: Job) -> Result:
    """Attempt by attempt; what becomes of the item: its status, the reason, whether there is something to commit."""
    accounts.settle(job)
    cut_off = accounts.cut_off_in_a_row(job)
    if cut_off >= job.desk.options.max_attempts:
        return _review(job, f"{cut_off} runs in a row were cut off: their daemons died")
    while True:
        tries = tries_of(job)
        options = job.desk.options
        if tries:
            decision = decide(tries, most=options.max_attempts, backoff=options.backoff)
            if decision.what == "done":
                return {"status": Status.COMPLETE.value, "changed": True}
            if decision.what == "review":
                return _review(job, decision.reason)
            failed = decision.reason.partition("\n")[0]
            job.tell(f"attempt {len(tries)} failed, again in {format_duration(decision.wait)}: {failed}", "warning")
            job.sleep(job.desk.clock.now() + decision.wait, "the next attempt")
        number = len(tries) + 1
        try:
            _attempt(job, number)
        except NoMore as limit:
            return _review(job, str(limit))


def _attempt(job: Job, number: int) -> None:
    """Build and test once, as one trace, whichever daemons it takes."""
    agent = job.desk.agent.name
    with observing.run(job.key, pipeline=job.pipeline, attempt=number, begun=job.begun, agent=agent) as seen:
        try:
            built = job.once(f"build:{number}", lambda job: build(job, number))
            new, may = built.get("new"), True
            if isinstance(new, dict) and new:
                may = bool(job.once(dependencies.step(number), lambda job: dependencies.decide(job, number, new))["ok"])
            if built["ok"] and built["changed"] and may and job.desk.tests is not None:
                job.once(f"test:{number}", lambda job: test(job, number))
        except (ClaimLost, Stopped):
            seen.leave()
            raise
        finally:
            job.leave_place()


def tries_of(job: Job) -> list[Try]:
    """The attempts that the journal has."""
    tries: list[Try] = []
    while built := job.results.get(f"build:{len(tries) + 1}"):
        number = len(tries) + 1
        judged = job.results.get(dependencies.step(number))
        tested = judged if judged and not judged["ok"] else job.results.get(f"test:{number}")
        passed = bool(tested["ok"]) if tested else job.desk.tests is None
        if (
            built["ok"]
            and built["changed"]
            and tested is None
            and (job.desk.tests or (built.get("new") and not judged))
        ):
            break  # its tests are still to be run, or its new dependencies to be judged
        failed = tested if built["ok"] and tested else built
        tries.append(
            Try(
                number,
                bool(built["ok"]),
                bool(built["changed"]),
                passed,
                str(failed.get("reason") or ""),
                str(failed.get("fingerprint") or ""),
            )
        )
    return tries


def _review(job: Job, reason: str) -> Result:
    tries = tries_of(job)
    tried = "\n".join(in_words(tries)) if len(tries) > 1 else ""
    changed = any(one.changed for one in tries)
    told = f"{reason}\n\nWhat was tried:\n{tried}" if tried else reason
    return {"status": Status.MANUAL_REVIEW.value, "reason": told, "changed": changed}


# --- building ----------------------------------------------------------------------------------------------------


def build(job: Job, number: int) -> Result:
    """The agent's work. That it has ended is journalled at once: what is left to do then can take long (setting aside
    what changed), and a daemon that dies meanwhile is no reason to do the work again."""
    step = _agent_step(number)
    if step not in job.results:
        result = _let_work(job, number)
        if step not in job.results:
            job.note(step, _ended(job, result))
    ended = job.results[step]
    return _set_aside(job, ended) if ended["ok"] else {**ended, "changed": False}


def _agent_step(number: int) -> str:
    return f"agent:{number}"


def _let_work(job: Job, number: int) -> AgentResult:
    """Let the agent work until it has ended by itself; an outage of its service and a ceiling are waited out. At a
    ceiling of the day the item is put back: the daemon asks, for all of its items, and goes on with it then."""
    granted, outages = dict[str, int](), 0
    while True:
        today = ceilings.today(job.desk)
        if today.over:
            raise Stopped(today.over)
        result, limit = _run(job, number, {**granted, **today.granted})
        if limit is not None and limit.name.startswith("day_"):
            raise Stopped(f"a limit of the day is reached: {limit.words}")
        if limit is not None:
            _ask_to_go_on(job, limit, granted.get(limit.name, 0))
            granted[limit.name] = granted.get(limit.name, 0) + 1
        elif result.outage:
            outages += 1
            _wait_out(job, result, outages)
        else:
            return result


def _run(job: Job, number: int, granted: Mapping[str, int]) -> tuple[AgentResult, Reached | None]:
    """One run of the agent in a place of its own, recorded."""
    agent, detail = job.desk.agent, ""
    outcome: str | None = "lost"
    job.take_place("agent")
    result: AgentResult | None = None
    limit, watch = None, None
    try:
        last = accounts.last_run(job)
        watch = Watching(job, number, granted)
        job.tell(f"the {agent.name} agent is at work (output in {accounts.log_path(job, watch.number, 'agent')})")
        task = _with_more(_task(job, watch.number, "agent"), granted)
        session = last[1].session if last and last[1].attempt == number else None
        with observing.turn(agent.name) as watch.turn:
            watch.turn.text(input=task.text)
            taken = accounts.taken_by(job, session)
            result = agent.run(task._replace(session=session, taken=taken), watch, watch)
            watch.turn.took(result.usage, model=result.model)
            watch.turn.note(ok=result.ok, exit_code=result.exit_code, outage=result.outage)
            watch.turn.text(output=result.output_tail)
        if not result.ok:
            space.check(job.desk.options)  # for want of it everything fails: that is no attempt
        detail = result.reason or ""
        limit = watch.limit or _own_limit(result)
        if result.ok and limit is None:  # before anything else: nobody is to do it again, whatever comes now
            job.note_late(_agent_step(number), _ended(job, result))
            outcome = None  # its tests will say
        job.go_on()
        outcome = None if result.ok else "lost" if result.outage or limit else "failed"
        return result, limit
    except Exception as stopped:
        detail = detail or str(stopped)
        raise
    finally:
        if result is None or not result.ok or limit is not None:
            job.leave_place()  # else its tests come at once: another's agent may be at work for an hour
        if watch is not None:
            watch.close(outcome, detail, result)


def _with_more(task: Task, granted: Mapping[str, int]) -> Task:
    """The run's own ceilings, as often as the person said to go on beyond them."""
    turns, cost = task.max_turns, task.max_cost
    return task._replace(
        max_turns=turns * (1 + granted.get("run_turns", 0)) if turns is not None else None,
        max_cost=cost * (1 + granted.get("run_cost", 0)) if cost is not None else None,
    )


def _own_limit(result: AgentResult) -> Reached | None:
    """A ceiling of the run that the agent's own program has noticed."""
    if result.limit is None:
        return None
    return Reached(f"run_{result.limit}", 1.0, f"all {result.limit} of this run")


def _ended(job: Job, result: AgentResult) -> Result:
    if result.ok:
        return {"ok": True, "exit_code": 0}
    reason = _failure(f"the {job.desk.agent.name} agent", result)
    mark = fingerprint("agent", result.exit_code, result.reason, result.output_tail)
    return {"ok": False, "reason": reason, "fingerprint": mark, "exit_code": result.exit_code}


def _set_aside(job: Job, ended: Result) -> Result:
    """What the agent changed is set aside before the tests, so that they add nothing to it."""
    job.heard("setting aside what changed")
    repository, options = job.desk.repository, job.desk.options
    changed = repository.stage(_tree(job), leave_out=options.leave_out, left=_left_by_tests(job), since=job.staged)
    reason = None if changed else _NOTHING.format(job.desk.agent.name)
    new, snapshot = dependencies.found(job, _tree(job)), repository.snapshot(_tree(job)) if changed else None
    return {**ended, "changed": changed, "reason": reason, "new": new, "staged": snapshot}


def _left_by_tests(job: Job) -> list[str]:
    """What earlier tests left in the work tree and nobody has touched since: no work of the agent's."""
    left = job.left_by_tests
    if not left:
        return []
    now = job.desk.repository.leftovers(_tree(job))
    return [path for path, content in left.items() if path in now and now[path] == content]


def _ask_to_go_on(job: Job, limit: Reached, granted: int) -> None:
    """A ceiling is reached: the person says whether it goes on with as much again. Raises `NoMore` when not."""
    job.tell(f"stopped at a limit: {limit.words}", "warning")
    try:
        question = ask(
            job,
            f"limit:{limit.name}:{granted}",
            f"{job.key} reached a limit: go on?",
            f"The agent was stopped: {limit.words}. `{GO_ON}` lets it take as much again; `{STOP_HERE}` leaves the "
            "item to you as it is.",
            options=(GO_ON, STOP_HERE),
        )
    except Unanswered as unanswered:
        raise NoMore(f"it reached its limit: {limit.words}. {unanswered}") from None
    if said(question) != GO_ON:
        raise NoMore(f"it reached its limit: {limit.words}. {question.answered_by} said {said(question)}")


def _wait_out(job: Job, result: AgentResult, outages: int) -> None:
    """The agent's service is away: that is no attempt. Wait, longer every time, or as long as it said itself."""
    backoff = doubled(job.desk.options.backoff, outages, most=_LONGEST_OUTAGE_WAIT)
    wait = max(result.retry_after or backoff, timedelta(seconds=1))
    reason = one_line(result.reason or "its service is away", 300)
    job.tell(f"the agent's service is away ({reason}); trying again later", "warning")
    if outages == _OUTAGES_UNTOLD:
        job.desk.messages.notify(
            Draft(
                source=Source.DAEMON,
                kind=Kind.ALERT,
                level=Level.HIGH,
                title=f"{job.key}: the agent's service is away",
                message=f"{reason}\nIt is tried again by itself; nothing is lost.",
                item=job.key,
                idempotency_key=f"{job.pipeline}:outage",
            )
        )
    job.sleep(job.desk.clock.now() + wait, "the agent's service")


# --- testing -----------------------------------------------------------------------------------------------------


def test(job: Job, number: int) -> Result:
    """Run the configured tests."""
    tests = job.desk.tests
    if tests is None:
        raise AssertionError("tests are configured")
    last = accounts.last_run(job)
    job.take_place("tests")
    job.tell("testing")
    result = tests.run(_task(job, last[0] if last else 0, "tests"), job, Quiet(job))
    job.leave_place()
    job.go_on()
    if job.staged is not None:
        job.desk.repository.restore(_tree(job), job.staged)
    left = dict(job.desk.repository.leftovers(_tree(job)))
    if result.ok:
        return {"ok": True, "left": left}
    space.check(job.desk.options)
    reason = _failure("the test command", result)
    accounts.amend(job, "failed", reason)
    mark = fingerprint("tests", result.exit_code, result.output_tail)
    return {"ok": False, "reason": reason, "fingerprint": mark, "left": left}


class Quiet:
    """`Watch` of a program that is no agent: its tests."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def activity(self, words: str) -> None:
        self._job.heard(words)

    def usage(self, usage: object) -> None:
        """It takes nothing."""

    def session(self, session: str) -> None:
        """It has none."""

    def permit(self, action: object) -> str | None:
        return "tests ask for nothing"

    def waits(self) -> bool:
        return False

    def call(self, tool: str, arguments: object) -> dict[str, object]:
        raise AssertionError("tests call no tools")


def _task(job: Job, run: int, what: str) -> Task:
    tree, options, approved = _tree(job), job.desk.options, job.results.get("approve", {})
    answers = {}
    if approved.get("words"):
        answers["What the person wants changed"] = str(approved["words"])
    clarified = job.results.get("clarify", {})
    if clarified.get("answer"):
        answers[str(clarified["question"])] = str(clarified["answer"])
    return Task(
        key=job.key,
        title=job.title,
        text=job.text,
        directory=tree.project,
        branch=tree.branch,
        item_file=accounts.scratch_path(job, run, f"{what}.item.md"),
        log=accounts.log_path(job, run, what),
        timeout=options.agent_timeout if what == "agent" else options.test_timeout,
        max_output=options.max_output,
        answers=answers,
        environment={
            **options.environment,
            "COFFEE_ACTOR": f"agent of {job.key}",
            "COFFEE_RUN": str(run),
            "COFFEE_PIPELINE": str(job.pipeline),
        },
        earlier=in_words(tries_of(job)),
        stall=options.stall if what == "agent" else None,
        max_turns=options.ceilings.run_turns,
        max_cost=options.ceilings.run_cost,
        watchdog=options.lease / _SHARE_OF_LEASE,
    )


def _tree(job: Job) -> Worktree:
    if job.worktree is None:
        raise AssertionError("the work tree comes before the work")
    return job.worktree


def _failure(who: str, result: AgentResult) -> str:
    """Reasons that an agent gives for its own end begin with "it"; others are told as they are."""
    tail = printable(result.output_tail)[-_TAIL:]
    told = result.reason or "it failed"
    words = f"{who} {told[3:]}" if told.startswith("it ") else f"{who}: {told}"
    return words + (f"\n\n{tail}" if tail else "")
