"""Texts of `daemon`."""

from __future__ import annotations

from typing import Any

from coffee_maker.cli.render import Column, Page
from coffee_maker.cli.texts.checks import findings
from coffee_maker.cli.texts.words import ago, counted, paused
from coffee_maker.utils.text import one_line

_LEVELS = {"info": "", "warning": "warn", "error": "bad"}
_LINE = 120
_WHY = 300


def daemon(data: Any, page: Page) -> None:
    """What the daemon took up, at its end."""
    for one in data["items"]:
        style = "good" if one["outcome"] == "complete" else "warn"
        page.line(f"{one['key']}: {one['outcome']}{': ' + one['reason'] if one['reason'] else ''}", style)
    if not data["items"]:
        page.line("Nothing was taken up.")


def daemon_start(data: Any, page: Page) -> None:
    page.line(f"A daemon works in the background (process {data['pid']}).", "good")
    page.line(f"  coffee-roadmap daemon status    what it does; its log is {data['log']}", "dim")
    page.line("  coffee-roadmap daemon stop      ends it", "dim")
    if data["asks"]:
        page.line(
            "It asks you before each item (`coffee-roadmap notifications`); with --yes, or `[policy] start` set to "
            '"allow", it begins without asking.'
        )
    if data["paused_by"]:
        page.line(paused(data["paused_by"], data["paused_reason"]), "warn")


def daemon_status(data: Any, page: Page) -> None:
    """Each daemon with the items in hand; what comes next, and what does not."""
    if not data["daemons"]:
        page.line("No daemon is running. `coffee-roadmap daemon start` starts one.")
    for one in data["daemons"]:
        if not one["alive"]:
            page.line(f"{one['daemon']} was last seen {ago(one['at'])}: it is not running.", "warn")
            continue
        since = f", running for {ago(one['started']).removesuffix(' ago')}" if one["started"] else ""
        page.line(f"{one['daemon']} is {one['state']}{since} (seen {ago(one['at'])}).", "good")
        if one["because"]:
            page.line(f"  {one_line(one['because'], _WHY)}", "dim")
        if one["settings_changed"]:
            page.line("  The settings have changed since it started; it goes by those of before.", "warn")
            page.line("  `coffee-roadmap daemon stop --after-item` and `start` let it take the new ones.", "dim")
        for job in one["jobs"]:
            _job(job, page)
    if data["paused_by"]:
        page.line(paused(data["paused_by"], data["paused_reason"]), "warn")
    for key, why in data["skipped"].items():
        page.line(f"{key} is {why}; `daemon retry {key}` lets it be taken up.", "dim")
    interrupted = [key for key in data["interrupted"] if key not in data["skipped"]]
    for key in interrupted:
        page.line(f"{key} was interrupted and is gone on with when a daemon takes it up.", "warn")
    following = next(iter(interrupted), data["next"])
    page.line(f"Next: {following}" if following else "Next: nothing is ready; `coffee-roadmap next` says why.", "dim")


def _job(job: Any, page: Page) -> None:
    what = f"waits for {job['waits_for']}" if job["waits_for"] else job["step"]
    percent = f", {job['progress']} %" if job["progress"] is not None else ""
    page.line(f"  {job['item']}: {one_line(job['title'], _LINE)}", "key")
    page.line(f"    {what} since {ago(job['since']).removesuffix(' ago')}{percent}")
    if job["activity"] and job["active_at"]:
        page.line(f"    {ago(job['active_at'])}: {one_line(job['activity'], _LINE)}", "dim")
    cost = f"${job['cost']:.2f}, " if job["cost"] else ""
    tokens = f"{cost}{job['tokens']:,} tokens" if job["tokens"] else ""
    parts = [part for part in (f"branch {job['branch']}" if job["branch"] else "", tokens) if part]
    if parts:
        page.line(f"    {', '.join(parts)}", "dim")


def daemon_control(data: Any, page: Page) -> None:
    """What was asked, and what came of it."""
    asked = {
        "stop": "Asked to stop.",
        "pause": "Paused: nothing new is taken up; what is in hand goes on.",
        "resume": "Going on.",
        "skip": f"{data['item']} is left alone until `daemon retry {data['item']}`.",
        "retry": f"{data['item']} is planned and will be tried from the beginning.",
    }
    page.line(asked[data["kind"]], "good")
    for daemon_name, outcome in data["replies"].items():
        gone = ", gone" if daemon_name in data["gone"] else ""
        page.line(f"  {daemon_name}: {outcome}{gone}")


def daemon_logs(data: Any, page: Page) -> None:
    if not data["lines"]:
        page.line(f"There is nothing to show in {data['path']}.")
    for line in data["lines"]:
        daemon_log(line, page)


def daemon_log(line: Any, page: Page) -> None:
    """One line: the time on this machine's clock, and what was told."""
    from datetime import datetime

    at = datetime.fromisoformat(line["at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    first, *more = line["words"].splitlines() or [""]
    page.line(f"{at}  {first}", _LEVELS.get(line["level"], ""))
    for rest in more:
        page.line(f"                     {rest}", "dim")


def daemon_dry_run(data: Any, page: Page) -> None:
    """What would be taken, what waits, and what is missing."""
    for key in data["resumed"]:
        page.line(f"{key} would be taken up again where it was left.", "busy")
    if data["item"]:
        page.line(f"Next would be {data['item']['key']}: {one_line(data['item']['title'], _LINE)}", "good")
    elif not data["resumed"]:
        page.line("Nothing is ready.", "warn")
    if data["waiting"]:
        page.line(f"{counted(len(data['waiting']), 'item')} would wait:")
        page.table(
            (Column("Key"), Column("Because", grow=True, wrap=True)),
            [((one["key"], "key"), one["because"]) for one in data["waiting"]],
        )
    page.line()
    findings(data["findings"], page)
