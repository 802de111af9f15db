"""The actions of `daemon` beside `run`: each calls one operation and shows what came of it."""

from __future__ import annotations

import threading
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from coffee_maker.cli.values import key_even_if_gone
from coffee_maker.core.errors import DONE, INTERRUPTED, REFUSED, TRY_AGAIN, ItemNotFound, RoadmapMissing, WrongUsage
from coffee_maker.core.records import Control
from coffee_maker.work import shapes

if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.core.records import Heartbeat, Line
    from coffee_maker.wiring import Operations
    from coffee_maker.work.controlling import Asked

_PATIENCE = timedelta(seconds=60)
_EVERY = 1.0  # seconds between two looks of `status --watch`


def refuse_what_cannot_run(operations: Operations) -> None:
    """A roadmap and a git repository are needed: without them nothing is begun, and nothing made for it."""
    from coffee_maker.work.project import without_repository

    operations.document()
    if operations.repository is None:
        raise without_repository(operations.settings.root)


def start(args: Namespace, operations: Operations, output: Output) -> int:
    refuse_what_cannot_run(operations)
    words = ["daemon", "run", "--background", "--roadmap", operations.settings.roadmap.path]
    words += ["--data-dir", operations.settings.data.dir]
    words += ["--yes"] if args.yes else []
    words += ["--agent", args.agent] if args.agent else []
    started = operations.start_daemon(words)
    with operations.store.reading() as tx:
        paused = tx.controls.paused()
    data = {
        "pid": started.pid,
        "log": started.log,
        "asks": operations.settings.policy.start == "ask" and not args.yes,
        "paused_by": paused.asked_by if paused else None,
        "paused_reason": paused.reason if paused else None,
    }
    output.show("daemon_start", data)
    return DONE


def stop(args: Namespace, operations: Operations, output: Output) -> int:
    if args.force and args.after_item:
        raise WrongUsage(problem="--force and --after-item exclude each other.", hint="Choose one.")
    how = "force" if args.force else "after-item" if args.after_item else None
    control = Control("stop", operations.actor, how=how, reason=args.reason)
    patience = args.timeout or (timedelta(days=365) if args.after_item else _PATIENCE)

    asked, left = _until_gone(control, patience, operations, output)
    _show_asked(asked, output)
    if not left:
        return DONE
    output.say(
        f"{', '.join(left)} is still there: `coffee-roadmap daemon status` shows what it is at. `daemon stop --force` "
        "waits for no item; one that is frozen hears nothing until it is woken or killed (its process is in its name)."
    )
    return TRY_AGAIN


def _until_gone(
    control: Control, patience: timedelta, operations: Operations, output: Output
) -> tuple[Asked, Sequence[str]]:
    """Ask them to stop, and wait. Who waits for days wants to know what for: what they have in hand is told at first,
    and when it changes. With what came of it, and with those that are still there."""
    until = operations.clock.now() + patience
    there: Sequence[str] = ()

    def note(names: Sequence[str]) -> None:
        nonlocal there
        there = names

    asked = operations.controlling.stop(control, patience=0.0, tell=note)
    names, told = (*there, *asked.gone), None
    with operations.store.wakeup() as wakeup:
        while True:
            left = [beat for beat in operations.controlling.daemons() if beat.daemon in names]
            in_hand = [(beat.daemon, *((job["item"], job["waits_for"]) for job in beat.jobs)) for beat in left]
            if left and in_hand != told:  # each step of theirs would be a flood
                told = in_hand
                output.say("\n".join(_in_hand(beat) for beat in left))
            seconds = (until - operations.clock.now()).total_seconds()
            if not left or seconds <= 0:
                break
            wakeup.wait(min(seconds, _EVERY))
    there = [beat.daemon for beat in left]
    with operations.store.reading() as tx:
        replies = tx.controls.replies(asked.control.id)
    return asked._replace(replies=replies, gone=tuple(name for name in names if name not in there)), there


def _in_hand(beat: Heartbeat) -> str:
    """A daemon that is waited for, and what it is at."""
    lines = [f"waiting for {beat.daemon}" + (", which has in hand:" if beat.jobs else "")]
    for job in beat.jobs:
        waits = job["waits_for"]
        lines.append(f"  {job['item']} " + (f"waits for {waits}" if waits else f"is at {job['step']}"))
    return "\n".join(lines)


def pause(args: Namespace, operations: Operations, output: Output) -> int:
    return _ask(Control(args.action, operations.actor, reason=args.reason), operations, output)


def skip(args: Namespace, operations: Operations, output: Output) -> int:
    operations.prepare()
    asked = operations.controlling.skip(_item(args), by=operations.actor, reason=args.reason)
    operations.publish()
    _show_asked(asked, output)
    return DONE


def retry(args: Namespace, operations: Operations, output: Output) -> int:
    operations.prepare()
    asked = operations.controlling.retry(_item(args), by=operations.actor, reason=args.reason)
    operations.publish()
    _show_asked(asked, output)
    return DONE


def status(args: Namespace, operations: Operations, output: Output) -> int:
    if not args.watch:
        output.show("daemon_status", _status(operations))
        return DONE
    pause = threading.Event()
    before: shapes.Data = {}
    try:
        while True:
            now = _status(operations)
            if output.redraws:
                output.redraw("daemon_status", now)
            elif _without_times(now) != before:
                before = _without_times(now)
                output.show_one_of_many("daemon_status", now)
            pause.wait(_EVERY)
    except KeyboardInterrupt:
        return INTERRUPTED


def logs(args: Namespace, operations: Operations, output: Output) -> int:
    item = key_even_if_gone(args.of_item, operations) if args.of_item else None
    if item is not None:
        _refuse_what_never_was(item, args.of_item, operations)
    if not args.follow:
        lines = operations.log_lines(since=args.since, level=args.level, item=item)
        output.show("daemon_logs", {"path": operations.log.path, "lines": [_line(one) for one in lines]})
        return DONE
    try:
        for one in operations.log_follow(since=args.since, level=args.level, item=item):
            output.show_one_of_many("daemon_log", _line(one), apart=False)
    except KeyboardInterrupt:
        return INTERRUPTED
    return DONE


def _refuse_what_never_was(item: str, ref: str, operations: Operations) -> None:
    """What was removed since has its lines still; a name that neither the roadmap, the history nor the log knows is a
    mistake."""
    with suppress(ItemNotFound, RoadmapMissing):
        operations.document().item(item)
        return
    if not operations.editing.history(item, limit=1) and not operations.log_lines(since=None, level=None, item=item):
        raise ItemNotFound(ref=ref)


def _line(one: Line) -> shapes.Data:
    return {"at": shapes.moment(one.at), "level": one.level, "item": one.item, "words": one.words}


def dry_run(args: Namespace, operations: Operations, output: Output) -> int:
    found = operations.rehearse(agent=args.agent, ask=not args.yes)
    chosen = found.choice.item
    data = {
        "item": shapes.item(chosen) if chosen else None,
        "resumed": [item.key for item in found.resumed],
        "waiting": [one._asdict() for one in found.choice.waiting],
        "findings": [one._asdict() for one in found.findings],
    }
    output.show("daemon_dry_run", data)
    return DONE if all(one.level != "problem" for one in found.findings) else REFUSED


def _ask(control: Control, operations: Operations, output: Output) -> int:
    from coffee_maker.work.controlling import Asked

    operations.prepare()
    number = operations.controlling.ask(control)
    _show_asked(Asked(control._replace(id=number), {}), output)
    return DONE


def _item(args: Namespace) -> str:
    if args.item is None:
        raise WrongUsage(problem="Which item?", hint=f"`coffee-roadmap daemon {args.action} 2.6`")
    return str(args.item)


def _show_asked(asked: Asked, output: Output) -> None:
    control = asked.control
    output.show(
        "daemon_control",
        {
            "id": control.id,
            "kind": control.kind,
            "how": control.how,
            "item": control.item,
            "reason": control.reason,
            "replies": dict(asked.replies),
            "gone": list(asked.gone),
        },
    )


def _status(operations: Operations) -> shapes.Data:
    from coffee_maker.cli.standing import daemons

    return daemons(operations)


def _without_times(data: shapes.Data) -> shapes.Data:
    """What is worth showing again when it has changed."""
    shown = [
        {**one, "at": None, "jobs": [{**job, "active_at": None} for job in one["jobs"]]} for one in data["daemons"]
    ]
    return {**data, "daemons": shown}


ACTIONS: Mapping[str, Callable[[Namespace, Operations, Output], int]] = {
    "dry-run": dry_run,
    "start": start,
    "stop": stop,
    "pause": pause,
    "resume": pause,
    "status": status,
    "logs": logs,
    "retry": retry,
    "skip": skip,
}
