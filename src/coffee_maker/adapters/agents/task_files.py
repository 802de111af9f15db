"""What every agent gets of a task: the item's text in a file outside the work tree, and in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from coffee_maker.adapters.agents import process
from coffee_maker.core.records import Task


def item_text(task: Task) -> str:
    """The item's own text, with the person's answers below it when there are any."""
    if not task.answers:
        return task.text
    answers = "\n".join(f"- {question}\n  {answer}" for question, answer in task.answers.items())
    return f"{task.text.rstrip()}\n\n## Answers\n\n{answers}\n"


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
