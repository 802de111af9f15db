"""What a person should mend in the roadmap. Problems never stop reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from coffee_maker.core.blocks import Blocks
from coffee_maker.core.headings import LONGEST, read_heading
from coffee_maker.core.items import Item, Problem
from coffee_maker.core.reading import Entry


def find_problems(items: Sequence[Item], entries: Sequence[Entry], blocks: Blocks) -> tuple[Problem, ...]:
    """All problems, in the order of the lines."""
    found = [*_duplicates(items), *_statuses(items, entries), *_fences(items, blocks), *_headings(entries, blocks)]
    dependent = [(item, entry) for item, entry in zip(items, entries, strict=True) if item.depends_on]
    if dependent:
        found += [*_dependencies(dependent, {item.key for item in items}), *_circles([item for item, _ in dependent])]
    return tuple(sorted(found, key=lambda problem: (problem.line, problem.code)))


def _duplicates(items: Sequence[Item]) -> Iterator[Problem]:
    if not [item for item in items if item.key != item.id]:
        return  # a key is the id alone where no other item has it
    first: dict[str, Item] = {}
    for item in items:
        known = first.setdefault(item.id.upper(), item)
        if known is not item:
            message = f"{item.id} stands already in line {known.line} ({known.title}); this one is {item.key}."
            yield Problem("duplicate_id", message, item.line, item.key)


def _statuses(items: Sequence[Item], entries: Sequence[Entry]) -> Iterator[Problem]:
    pairs = zip(items, entries, strict=True)
    for item, entry in [(item, entry) for item, entry in pairs if entry.parts.states or not item.status]:  # few
        field = entry.status_field
        line = field.line + 1 if field else item.line
        if field and item.status is None:
            message = f"The words {field.value[:80]!r} are no status that is known."
            yield Problem("unknown_status", message, line, item.key)
        elif item.status is None:
            yield Problem("missing_status", "The item states no status.", item.line, item.key)
        stated = entry.heading_reading
        if item.status and stated.status and stated.status is not item.status:
            message = f"The heading says {stated.text}, the field {item.status_text}; the field counts."
            yield Problem("status_contradiction", message, line, item.key)


def _fences(items: Sequence[Item], blocks: Blocks) -> Iterator[Problem]:
    for fence in blocks.fences:
        if not fence.closed:
            key = next((item.key for item in reversed(items) if item.line <= fence.line), None)
            message = f"The code fence is never closed; everything up to line {fence.end} counts as code."
            yield Problem("unclosed_fence", message, fence.line + 1, key)


def _headings(entries: Sequence[Entry], blocks: Blocks) -> Iterator[Problem]:
    """Those that would be an item's, were they shorter; but for a person's own pattern, which takes any length."""
    long = [heading for heading in blocks.headings if len(heading.text) > LONGEST]
    taken = {entry.heading.line for entry in entries} if long else set()
    for heading in long:
        if heading.line not in taken and (cut := read_heading(heading.text[:LONGEST])):
            message = f"The heading of {cut.id} has {len(heading.text):,} characters; with over {LONGEST} it is none."
            yield Problem("heading_too_long", message, heading.line + 1, None)


def _dependencies(dependent: Sequence[tuple[Item, Entry]], keys: set[str]) -> Iterator[Problem]:
    for item, entry in dependent:
        line = next((field.line + 1 for field in entry.fields if field.name == "depends_on"), item.line)
        for name in item.depends_on:
            if name not in keys:
                message = f"It depends on {name[:80]!r}, which is no item of this roadmap."
                yield Problem("unknown_dependency", message, line, item.key)


def _circles(dependent: Sequence[Item]) -> Iterator[Problem]:
    """One problem for each circle, at the first item of it that is met; a walk without recursion."""
    by_key = {item.key: item for item in dependent}
    edges = {key: item.depends_on for key, item in by_key.items()}
    done: set[str] = set()
    for item in by_key.values():
        path: dict[str, Iterator[str]] = {} if item.key in done else {item.key: iter(item.depends_on)}
        while path:
            key = next(reversed(path))
            following = next(path[key], None)
            if following is None:
                done.add(key)
                del path[key]
            elif following in path:
                ring = list(path)[list(path).index(following) :]
                message = f"The items depend on each other: {' -> '.join([*ring, following])}."
                yield Problem("dependency_circle", message, by_key[following].line, following)
            elif following in edges and following not in done:
                path[following] = iter(edges[following])
