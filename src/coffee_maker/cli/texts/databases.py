"""Texts of `db`."""

from __future__ import annotations

from coffee_maker.cli.render import Column, Page
from coffee_maker.cli.texts.checks import findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def db_init(data: Any, page: Page) -> None:
    for one in data["databases"]:
        done = "is ready" if one["changed"] else "was ready"
        page.line(f"{one['name']} {done}, schema version {one['schema_version']}: {one['location']}", "good")


def db_status(data: Any, page: Page) -> None:
    """Each database with what it holds, and who writes just now."""
    columns = (
        Column("Database"),
        Column("Kind"),
        Column("Schema", right=True),
        Column("Size", right=True),
        Column("Writer"),
        Column("Place", grow=True),
    )
    rows = [
        (
            (one["name"], "key"),
            f"{one['kind']} {one['library']}",
            _schema(one),
            size(one["size"]),
            one["writer"] or "nobody",
            one["location"],
        )
        for one in data["databases"]
    ]
    page.table(columns, rows)
    for one in data["databases"]:
        held = ", ".join(f"{count} {table}" for table, count in one["rows"].items() if count)
        if held:
            page.line(f"{one['name']} holds {held}.", "dim")


def db_check(data: Any, page: Page) -> None:
    if not data["findings"]:
        page.line("There is no database yet. `coffee-roadmap db init` makes it; so does the first change.")
    findings(data["findings"], page)


def db_backup(data: Any, page: Page) -> None:
    if not data["backups"]:
        page.line("There is no database yet, so there is nothing to back up.")
    for one in data["backups"]:
        page.line(f"{one['name']} is backed up, verified, {size(one['size'])}: {one['path']}", "good")


def db_restore(data: Any, page: Page) -> None:
    page.line(f"{data['backup']['name']} is as it was in {data['backup']['path']}.", "good")
    if data["kept"]:
        page.line(f"What was there before is kept: {data['kept']}")
    page.line("`coffee-roadmap sync` compares it with the roadmap as it is now.", "dim")


def db_vacuum(data: Any, page: Page) -> None:
    for one in data["databases"]:
        page.line(f"{one['name']}: {size(one['before'])}, now {size(one['after'])}", "good")


def _schema(one: Any) -> str:
    if not one["exists"]:
        return "none yet"
    version, known = one["schema_version"], one["known_version"]
    return str(version) if version == known else f"{version} of {known}"


def size(count: int) -> str:
    """Bytes for a person."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
