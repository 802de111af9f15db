"""The actions of `daemon` beside `run`: each calls one operation and shows what came of it."""

from __future__ import annotations

import threading
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from coffee_maker.cli.values import key_even_if_gone
from coffee_maker.core.errors import DONE, INTERRUPTED, REFUSED, TRY_AGAIN, WrongUsage
from coffee_maker.core.records import Control
from coffee_maker.work import shapes

if TYPE_CHECKING:
    from coffee_maker.cli.output import Output
    from coffee_maker.core.records import Line
    from coffee_maker.wiring import Operations
    from coffee_maker.work.controlling import Asked

_PATIENCE = timedelta(seconds=60)
_EVERY = 1.0  # seconds between two looks of `status --watch`


def start(args: Namespace, operations: Operations, output: Output) -> int:
    words = ["daemon", "run", "--background", "--roadmap", operations.settings.roadmap.path]
    words += ["--data-dir", operations.settings.data.dir]
    words += ["--yes"] if args.yes else []
    words += ["--agent", args.agent] if args.agent else []
    started = operations.start_daemon(words)
    output.show("daemon_start", {"pid": started.pid, "log": started.log})
    return DONE


def stop(args: Namespace, operations: Operations, output: Output) -> int:
    if args.force and args.after_item:
        raise WrongUsage(problem="--force and --after-item exclude each other.", hint="Choose one.")
    how = "force" if args.force else "after-item" if args.after_item else None
    control = Control("stop", operations.actor, how=how, reason=args.reason)
    patience = args.timeout or (timedelta(days=365) if args.after_item else _PATIENCE)

    left: Sequence[str] = ()

    def tell(still_there: Sequence[str]) -> None:
        nonlocal left
        left = still_there
        if left:
            output.say(f"waiting for {', '.join(left)}")

    asked = operations.controlling.stop(control, patience=patience.total_seconds(), tell=tell)
    _show_asked(asked, output)
    if not left:
        return DONE
    output.say(
        f"{', '.join(left)} is still there: `coffee-roadmap daemon status` shows what it is at. `daemon stop --force` "
        "waits for no item; one that is frozen hears nothing until it is woken or killed (its process is in its name)."
    )
    return TRY_AGAIN


def pause(args: Namespace, operations: Operations, output: Output) -> int:
    return _ask(Control(args.action, operations.actor, reason=args.reason), operations, output)


def skip(args: Namespace, operations: Operations, output: Output) -> int:
    operations.prepare()
    asked = operations.controlling.skip(_item(args), by=operations.actor, reason=args.reason)
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
            if _without_times(now) != before:
                before = _without_times(now)
                output.show_one_of_many("daemon_status", now)
            pause.wait(_EVERY)
    except KeyboardInterrupt:
        return INTERRUPTED


def logs(args: Namespace, operations: Operations, output: Output) -> int:
    item = key_even_if_gone(args.of_item, operations) if args.of_item else None
    if not args.follow:
        lines = operations.log_lines(since=args.since, level=args.level, item=item)
        output.show("daemon_logs", {"path": operations.log.path, "lines": [_line(one) for one in lines]})
        return DONE
    try:
        for one in operations.log_follow(since=args.since, level=args.level, item=item):
            output.show_one_of_many("daemon_log", _line(one))
    except KeyboardInterrupt:
        return INTERRUPTED
    return DONE


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
