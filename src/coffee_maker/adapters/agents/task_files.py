"""What every agent gets of a task: the item's text in a file outside the work tree, and in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from coffee_maker.adapters.agents import process
from coffee_maker.core.records import Task

_LONGEST_EARLIER = 4_000  # characters of each attempt


def item_text(task: Task) -> str:
    """The item's own text; below it the person's answers and what became of earlier attempts, when there are any."""
    parts = [task.text]
    if task.answers:
        answers = "\n".join(f"- {question}\n  {answer}" for question, answer in task.answers.items())
        parts.append(f"## Answers\n\n{answers}\n")
    if task.earlier:
        told = "\n".join("- " + text[:_LONGEST_EARLIER].replace("\n", "\n  ") for text in task.earlier)
        parts.append(f"## Earlier attempts\n\n{told}\n")
    return "\n\n".join([*(part.rstrip() for part in parts[:-1]), parts[-1]])


def write_item(task: Task) -> bytes:
    """Write the item's file; its bytes."""
    return write(task, item_text(task))


def write(task: Task, text: str) -> bytes:
    """Write a text into the item's file; its bytes."""
    content = text.encode(errors="replace")
    os.makedirs(os.path.dirname(task.item_file), exist_ok=True)
    os.makedirs(os.path.dirname(task.log), exist_ok=True)
    with open(task.item_file, "wb") as file:
        file.write(content)
    return content


def environment(task: Task, names: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """See `process.environment`; COFFEE_ITEM and COFFEE_ITEM_FILE say what is to be done."""
    ours = {**task.environment, "COFFEE_ITEM": task.key, "COFFEE_ITEM_FILE": task.item_file}
    return process.environment(environ, names, ours)
