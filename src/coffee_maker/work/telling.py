"""What is said about the saves of other programs: each names the items, what is in the file now, and the next step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coffee_maker.core.document import Document
from coffee_maker.core.errors import Refusal
from coffee_maker.core.lean import sha256
from coffee_maker.core.merge import MergeConflict
from coffee_maker.core.questions import Draft, Kind, Level, Source
from coffee_maker.work.between import RowsBetween
from coffee_maker.work.rows import KEEP, PERSON, TAKE, TAKE_BACK, TAKE_OTHER, TAKE_SAVED, Row

Tell = Callable[[int], Draft]
"""Makes a notification, given the history id of the change that it is about."""

_MANY_VANISHED = 3
_LONGEST_SHOWN = 200
_LONGEST_WORDS = 60
_MOST_NAMED = 20
_MOST_TOLD = 8
_RELOAD = "Load the file anew in the editor before you go on there (vim: `:e!`)."


def unreadable_save(digest: str, error: Refusal) -> Tell:
    """Somebody saved what is no text while a change was being written; it is kept, the roadmap stays."""
    return _alert(
        "An unreadable save of the roadmap was set aside",
        "While a change was written, another program saved something into ROADMAP.md that is no text "
        f"({error.message}). The roadmap was kept; what was saved is version {digest[:12]} in the database.",
        f"unreadable:{digest}",
    )


def save_set_aside(path: str) -> Tell:
    """A text beside the roadmap is in no version: somebody's save that a change took out before it was recorded."""
    return _alert(
        "A save of the roadmap was set aside",
        "A text was found beside ROADMAP.md that is in none of its recorded versions: what another program saved"
        f" while a change was written that was not finished. It is kept as {path}. Compare it with the roadmap,"
        " take over what is missing, then remove it.",
        f"aside:{path}",
    )


def vanished(rows: Sequence[Row]) -> tuple[Tell, ...]:
    """A warning when several items disappeared at once: that is how a bad merge looks."""
    gone = [row.item for row in rows if row.change_type == "delete" and row.item]
    if len(gone) < _MANY_VANISHED:
        return ()
    return (
        _alert(
            f"{len(gone)} items disappeared from the roadmap",
            f"{len(gone)} items disappeared from ROADMAP.md in one outside edit: {', '.join(gone[:_MOST_NAMED])}. Each"
            " is in `coffee-roadmap history`; `coffee-roadmap undo N` brings one back.",
            "vanished",
            each_time=True,
        ),
    )


def came_back(recorded: Document, result: Document, version: str, *, others: bool) -> Tell:
    """The file is an older version again. `others`: what that takes back was not only the editor's own."""

    def tell(change: int) -> Draft:
        return Draft(
            Source.DAEMON,
            Kind.INFO,
            f"ROADMAP.md was replaced by the older version {version} (before: {recorded.revision}). That changed:\n"
            f"{_changes(recorded, result)}\n"
            f"It was recorded as a restore. To take it back: coffee-roadmap undo {change}",
            title="The roadmap went back to an older version",
            level=Level.HIGH if others else Level.NORMAL,
            idempotency_key=f"restore:{change}",
        )

    return tell


def older(theirs: Document, merged: Document, *, again: bool) -> tuple[Tell, ...]:
    """What the person's text lacked. An editor that goes on without loading the file is told once, but `again` where
    it may have loaded it, and took something back."""
    rows = RowsBetween(theirs, merged, PERSON, None)
    if not rows:
        return ()
    lacked = set(merged.text.splitlines()) ^ set(theirs.text.splitlines())
    key = sha256("\n".join([*sorted(lacked), theirs.digest if again else ""]).encode()).hexdigest()
    draft = Draft(
        Source.DAEMON,
        Kind.INFO,
        "An editor saved ROADMAP.md from before other changes were recorded. Its edits are in the file, and what was"
        f" recorded meanwhile stays:\n{_changes(theirs, merged)}\n{_RELOAD} To take back what stayed, use the commands"
        " (`status`, `edit`, `remove`, or `history` and `undo N`).",
        title="An older copy of the roadmap was merged",
        item=rows[0].item,
        idempotency_key=f"older:{key}",
    )
    return (lambda _: draft,)


def doubt(document: Document, other: Document, about: str, *, back: bool) -> Tell:
    """The text that was saved can be read in two ways: an old copy, or one in which the person took something back.
    `back`: the file has the latter."""
    effects = _changes(document, other)
    if back:
        title, second = "Did an edit mean to take recorded changes back?", TAKE_BACK
        told = (
            "An editor saved ROADMAP.md without something that had been recorded before. It was taken as meant, and is"
            f" in the file. If the editor only had an older copy, “{second}” changes:\n{effects}"
        )
    else:
        title, second = "Did an edit mean to take recorded changes back, or was it an older copy?", TAKE_SAVED
        told = (
            "An editor saved ROADMAP.md with older content than was recorded. It was taken for an older copy: what was"
            f" recorded stays, and the edits are in. {_RELOAD} If the older content was meant, “{second}”"
            f" changes:\n{effects}"
        )
    return _question(title, told, (KEEP, second), document, other, f"doubt:{about}", _first_item(document, other))


def conflict(conflicts: Sequence[MergeConflict], merged: Document, alternative: Document) -> Tell:
    """Both sides changed the same thing."""
    lines = [f"- {one.key or 'text outside items'}, {one.what}: {_sides(one)}" for one in conflicts]
    ours_kept = any(one.ours_kept for one in conflicts)
    where = "The file has the editor's side; the other side is in the history."
    if ours_kept:
        where = "What the editor removed is still in the file; of anything else it has the editor's side."
    return _question(
        "Both sides changed the same thing",
        "An editor saved an older copy of ROADMAP.md. Both sides were merged; these changed on both:\n"
        + "\n".join(lines)
        + f"\n{where} {_RELOAD}",
        (KEEP, TAKE_OTHER if ours_kept else TAKE),
        merged,
        alternative,
        f"merge:{merged.digest}:{alternative.digest}",
        conflicts[0].key,
    )


def _alert(title: str, message: str, key: str, *, each_time: bool = False) -> Tell:
    def tell(change: int) -> Draft:
        about = f"{key}:{change}" if each_time else key
        return Draft(Source.DAEMON, Kind.ALERT, message, title=title, level=Level.HIGH, idempotency_key=about)

    return tell


def _question(
    title: str, told: str, options: tuple[str, ...], document: Document, other: Document, key: str, item: str | None
) -> Tell:
    draft = Draft(
        Source.DAEMON,
        Kind.QUESTION,
        told,
        title=title,
        level=Level.HIGH,
        item=item,
        options=options,
        context={"choice": {"merged": document.digest, "alternative": other.digest}},
        idempotency_key=key,
    )
    return lambda _: draft


def _first_item(one: Document, other: Document) -> str | None:
    return next((row.item for row in RowsBetween(one, other, PERSON, None) if row.item), None)


def _changes(before: Document, after: Document) -> str:
    """The way from one text to the other, a line for each step."""
    rows = RowsBetween(before, after, PERSON, None)
    lines = [_step(row) for row in rows[:_MOST_TOLD]]
    return "\n".join([*lines, f"- and {len(rows) - _MOST_TOLD} more"] if len(rows) > _MOST_TOLD else lines)


def _step(row: Row) -> str:
    name = row.item or "the text outside items"
    one, other = (_words(text) for text in (row.before, row.after))
    if row.change_type == "delete":
        return f"- {name} ({one}) is not there"
    if row.change_type == "add":
        return f"- {name} ({other}) is there"
    if row.change_type == "move":
        return f"- {name} stands {other}, not {one}"
    return f"- {name}: " + (f"{one} → {other}" if one and other else f"with {other}" if other else f"without {one}")


def _words(text: str | None) -> str:
    flat = " ".join((text or "").split())
    return f"{flat[:_LONGEST_WORDS]}{'…' if len(flat) > _LONGEST_WORDS else ''}"


def _sides(one: MergeConflict) -> str:
    if one.ours_kept:
        return f"the file has the recorded {_short(one.kept)}, the editor removed it"
    other = "removed it" if one.what == "removed" else f"was {_short(one.other)}"
    return f"the file has {_short(one.kept)}, the recorded change {other}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return f"“{flat[:_LONGEST_SHOWN]}{'…' if len(flat) > _LONGEST_SHOWN else ''}”"
