"""Texts of the set-up: what `init` made, what `doctor` and `sync` found, what the databases are like."""

from __future__ import annotations

from coffee_maker.cli.render import Column, Page
from coffee_maker.cli.texts.words import FORM_OF_AN_ITEM, ago, counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MARKS = {"ok": ("ok    ", ""), "notice": ("look  ", "warn"), "problem": ("MEND  ", "bad")}


def init(data: Any, page: Page) -> None:
    """What was made, what was there, and what to do next."""
    for part in data["parts"]:
        page.line(f"{'made ' if part['made'] else 'there'}  {part['name']:<9} {part['path']}")
    if data["restored"]:
        page.line(f"back   roadmap   its last recorded version, {data['restored']}")
    page.line()
    page.line(f"The roadmap has {counted(data['items'], 'item')}.{' Next:' if data['items'] else ''}")
    if not data["items"]:
        for line in FORM_OF_AN_ITEM:
            page.line(line)
        page.line("Next:")
    page.line("  coffee-roadmap view                    look at it")
    page.line('  coffee-roadmap add "TITLE"             add an item')
    page.line(
        "  coffee-roadmap.toml                    choose the agent there: [daemon] agent, [agent] command or preset"
    )
    page.line("  coffee-roadmap doctor                  check the whole set-up")
    if any(part["name"] == "docker" for part in data["parts"]):
        page.line("  cd deploy/coffee-roadmap               there, for the daemon in a container:")
        page.line("  pip wheel --no-deps --wheel-dir wheels PATH-OF-A-CLONE   what goes into its image")
        page.line("  docker compose up --build --detach")


def doctor(data: Any, page: Page) -> None:
    """Every finding with its cure, then the settings and where they come from."""
    findings(data["findings"], page)
    page.line()
    _settings(data["settings"], page, all_of_them=data["all"])
    page.line()
    failed = sum(one["level"] == "problem" for one in data["findings"])
    warned = sum(one["level"] == "notice" for one in data["findings"])
    if failed:
        page.line(f"{failed} to mend, {warned} to look at.", "bad")
    else:
        page.line("All is well." if not warned else f"It works; {warned} to look at.", "good")


def _settings(settings: Any, page: Page, *, all_of_them: bool) -> None:
    """Those that somebody has set, and how many are as they are by default."""
    shown = [one for one in settings if all_of_them or one["source"] != "default"]
    rows = [((one["name"], "key"), one["value"], (one["source"].rpartition("/")[2], "dim")) for one in shown]
    if rows:
        page.table((Column("Setting"), Column("Value", grow=True, wrap=True), Column("From")), rows)
    if len(shown) < len(settings):
        others = f"{len(settings) - len(shown)} settings are as they are by default"
        page.line(f"{others}: `coffee-roadmap doctor --all` shows them, too.", "dim")


def sync(data: Any, page: Page) -> None:
    """Who sees what, and what differs."""
    findings(data["findings"], page)
    for one in data["daemons"]:
        replied = "answered" if one["replied"] else "did not answer"
        page.line(f"      daemon {one['daemon']} on {one['host']}: {replied}, last seen {ago(one['at'])}", "dim")
    page.line()
    if data["agree"]:
        page.line(f"Everyone sees one file and one database, revision {data['revision']}.", "good")
    else:
        page.line("Not everyone sees the same; see above.", "bad")


def findings(found: Any, page: Page) -> None:
    for one in found:
        mark, style = _MARKS[one["level"]]
        page.line(f"{mark}{one['message']}", style)
        for line in one["hint"].splitlines():
            page.line(f"      {line}")
