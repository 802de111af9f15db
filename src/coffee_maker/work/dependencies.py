"""What an agent has added to the project's dependencies, and whether it may: the policy `new_dependency`.

An agent that asks is heard while it works. Whatever the agent, what it leaves in the manifests is looked at before its
tests run. A no is a failed attempt, and the next one is told why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from coffee_maker.core.attempts import fingerprint
from coffee_maker.core.manifests import LARGEST, UNREADABLE, added, decoded, is_manifest, normal
from coffee_maker.core.patterns import on_demand
from coffee_maker.core.questions import State
from coffee_maker.utils.text import one_line
from coffee_maker.work import accounts
from coffee_maker.work.asking import Unanswered, ask, said

if TYPE_CHECKING:
    from coffee_maker.core.records import Worktree
    from coffee_maker.work.job import Job, Result

POLICY = "new_dependency"
ALLOW, DENY = "allow", "deny"
_STEP = "dependencies:"
_MOST = 1000  # names of one change
_MORE = f"more than {_MOST} names"
_NEVER_KNOWN = {_MORE, UNREADABLE}  # what is behind these may be something else the next time
_SHOWN = 30  # names in a question
_LONGEST = 120  # characters of a name
_WORD = on_demand(r"[\w@][\w@./+-]*")


def found(job: Job, tree: Worktree) -> dict[str, str]:
    """What the staged work asks for and the project did not: name -> the manifest that names it first."""
    if job.desk.policy(POLICY) == "allow":
        return {}
    changed = job.desk.repository.staged(tree, is_manifest, LARGEST)
    texts = {path: (_text(before), _text(after)) for path, (before, after) in changed.items()}
    names = {one_line(name, _LONGEST) or "?": one_line(path, _LONGEST) for name, path in added(texts).items()}
    if len(names) <= _MOST:
        return names
    return {**dict(list(names.items())[:_MOST]), _MORE: "see the branch"}


def _text(content: bytes | None) -> str | None:
    return None if content is None else decoded(content)


def step(number: int) -> str:
    """The name in the journal of the decision on what an attempt has added."""
    return f"{_STEP}{number}"


def decide(job: Job, number: int, new: Mapping[str, str]) -> Result:
    """Whether the attempt may have added them: by the policy, by what was said before, by the person."""
    asked_for = {name: path for name, path in new.items() if name not in _allowed(job)}
    if not asked_for:
        return {"ok": True, "allowed": sorted(new.keys() - _NEVER_KNOWN)}
    names = one_line(", ".join(asked_for), _LONGEST)
    refused = ", ".join(sorted(asked_for.keys() & _earlier(job, "denied")))
    why = "the project's policy `new_dependency` is deny"
    if job.desk.policy(POLICY) == "ask" and refused:
        why = f"{refused} was not allowed before"
    elif job.desk.policy(POLICY) == "ask":
        job.leave_place()
        try:
            question = ask(
                job,
                step(number),
                f"{job.key}: allow new dependencies?",
                f"The work on {job.key} adds to what the project depends on:\n{_listed(asked_for)}\n"
                f"`{DENY}` lets the agent try again without.",
                options=(ALLOW, DENY),
            )
            if said(question) == ALLOW:
                job.tell(f"new dependencies allowed by {question.answered_by}: {names}")
                return {"ok": True, "allowed": sorted(new.keys() - _NEVER_KNOWN)}
            why = f"{question.answered_by or 'nobody'} said no to question {question.id}"
        except Unanswered as unanswered:
            why = f"question {unanswered.question} was put aside"
    reason = f"it may not add dependencies ({why}): {names}\n{_listed(asked_for)}"
    accounts.amend(job, "failed", reason)
    mark = fingerprint(POLICY, *sorted(asked_for))
    return {"ok": False, "denied": sorted(asked_for), "reason": reason, "fingerprint": mark}


def _listed(names: Mapping[str, str]) -> str:
    lines = [f"- {name} ({path})" for name, path in names.items()]
    more = [f"- and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([*lines[:_SHOWN], *more])


def _earlier(job: Job, key: str) -> set[str]:
    steps = (result for name, result in job.results.items() if name.startswith(_STEP))
    names = (names for result in steps if isinstance(names := result.get(key), Sequence))
    return {str(name) for one in names for name in one}


def _allowed(job: Job) -> set[str]:
    """What the person has allowed in this pipeline: here, or as a command that the agent asked for."""
    with job.desk.store.reading() as tx:
        answered = tx.notifications.find(states=(State.RESPONDED,), item=job.key)
    begins, title = f"{job.pipeline}:permit:", f"{job.key}: allow {POLICY.replace('_', ' ')}?"
    asked = [one for one in answered if (one.idempotency_key or "").startswith(begins) and one.title == title]
    commands = [one.message.partition("wants to: ")[2].partition("\n")[0] for one in asked if said(one) == ALLOW]
    words = {word for command in commands for word in _WORD.findall(command)}
    return _earlier(job, "allowed") | words | {normal(word) for word in words}
