"""The tools of an agent at work, scoped to its item and its run.

The agent is not trusted: what it gives is checked against the tools' schemas, what it changes is its own item's end and
nothing else, and it sees the answers to its own item's questions only. A call is one operation of `Editing` or
`Messages`, so what was acknowledged is durable; a call that is repeated, because its answer was lost on the way, finds
what it did before.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from coffee_maker.core import tools
from coffee_maker.core.arguments import called
from coffee_maker.core.choosing import choose
from coffee_maker.core.document import Document
from coffee_maker.core.errors import (
    BadArguments,
    ItemNotFound,
    NoAnswerYet,
    NotAnswerable,
    NotYourQuestion,
    RunOver,
    ToolLimit,
)
from coffee_maker.core.items import Item
from coffee_maker.core.questions import Draft, Kind, Level, Notification, Source, State
from coffee_maker.utils.durations import parse_duration
from coffee_maker.utils.text import one_line
from coffee_maker.work import shapes
from coffee_maker.work.naming import file_name
from coffee_maker.work.quoting import quoted

if TYPE_CHECKING:
    from coffee_maker.core.ports import Clock, Stop, Store, Transaction
    from coffee_maker.core.state import Claim
    from coffee_maker.work.editing import Editing
    from coffee_maker.work.messages import Messages

Data = dict[str, Any]

_LONGEST_DEADLINE = timedelta(days=90)
_HISTORY = 500  # newest changes of the item among which a run's notes are looked for
_ENDED = "end"  # the step that closes a pipeline in the journal
_STATES = {State.RESPONDED: "answered", State.EXPIRED: "expired", State.DISMISSED: "dismissed"}
_ADVICE = {
    "open": "Nobody has answered yet, which is neither a yes nor a no. Call `answer` again to wait, or go on with what "
    "does not depend on it.",
    "expired": "Its deadline has passed without an answer, which is neither a yes nor a no. Do what is safe without "
    "the answer and say what you left open. A late answer still counts.",
    "dismissed": "The person has put the question aside: no answer will come. Do what is safe without it and say what "
    "you left open.",
}


class Parts(NamedTuple):
    """What the tools work with."""

    editing: Editing
    messages: Messages
    store: Store
    clock: Clock


class Scope(NamedTuple):
    """Whose tools they are. `guard` raises when the run may write no more (its claim is lost); for a note it is called
    in the very transaction that records it."""

    item: str  # key
    pipeline: int  # the same for all runs of one taking up of the item, in whichever daemon
    owner: str  # who is named in the history: the daemon
    guard: Callable[[Transaction], None]
    stop: Stop
    progress: Callable[[int | None, str | None], None]  # percent, words
    publish: Callable[[], None] = lambda: None  # bring recorded versions to git
    waits: Callable[[int], AbstractContextManager[None]] = lambda _question: nullcontext()  # for a question's answer


class _NotedBefore(Exception):
    """The same note was recorded already."""

    def __init__(self, history_id: int) -> None:
        super().__init__(history_id)
        self.history_id = history_id


class AgentTools:
    """See `coffee_maker.core.tools`. May be called from any thread."""

    tools = tools.AGENT_TOOLS

    def __init__(self, parts: Parts, scope: Scope) -> None:
        self._editing, self._messages, self._store, self._clock = parts
        self._scope = scope

    def call(self, tool: str, arguments: object, stop: Stop | None = None) -> Data:
        """Do what the tool does; JSON values. Raises `UnknownTool`, `BadArguments`, `RunOver` or `ClaimLost`, and the
        refusals of the operation. A wait ends when `stop` (default: the scope's) asks for it."""
        found, given = called(self.tools, tool, arguments)
        if not found.reads:
            with self._store.reading() as tx:
                self._scope.guard(tx)
        do: Callable[[Data, Stop], Data] = getattr(self, f"_{tool}")
        return do(given, stop or self._scope.stop)

    # --- looking ---

    def _view(self, given: Data, _stop: Stop) -> Data:
        document = self._editing.read()
        if given.get("list"):
            if "item" in given:
                raise BadArguments(tool="view", problem="`item` and `list` go not together", takes="Give one of them.")
            return {"revision": document.revision, "items": [shapes.item(one) for one in document.items]}
        one = document.item(given["item"]) if "item" in given else self._own(document)
        return shapes.whole_item(document, one)

    def _next(self, _given: Data, _stop: Stop) -> Data:
        with self._store.reading() as tx:
            claims = tx.claims.held(self._clock.now())
            left = {key: one.words for key, one in tx.controls.skipped().items()}
        return shapes.choice(choose(self._editing.read().items, claims, left))

    def _own(self, document: Document) -> Item:
        """The item of that very key: a forgiving reference could mean a neighbour when it was removed."""
        for one in document.items:
            if one.key == self._scope.item:
                return one
        raise ItemNotFound(ref=self._scope.item, hint="Somebody has removed it since you began; end your work.")

    # --- asking ---

    def _ask(self, given: Data, stop: Stop) -> Data:
        question, message = given["question"], given.get("message", "")
        key = self._key("ask", f"{question}\n{message}")
        asked = self._said("ask")
        known = next((one for one in asked if one.idempotency_key == key), None)
        if known is None:
            if len(asked) >= tools.QUESTIONS_PER_RUN:
                raise ToolLimit(what="asked", most=tools.QUESTIONS_PER_RUN)
            draft = self._draft("ask", f"{question}\n\n{message}" if message else question, key)
            known = self._messages.notify(
                draft._replace(
                    kind=Kind.QUESTION,
                    title=one_line(question, tools.MAX_WORDS),
                    options=tuple(given.get("options", ())),
                    deadline=self._clock.now() + _deadline(given["deadline"]) if "deadline" in given else None,
                )
            )
        return _told(self._settled(known.id, 0, stop))

    def _answer(self, given: Data, stop: Stop) -> Data:
        number = given["id"]
        if not any(one.id == number for one in self._messages.listing(item=self._scope.item) if _is(one, "ask")):
            raise NotYourQuestion(id=number, item=self._scope.item)
        return _told(self._settled(number, given.get("wait", 0), stop))

    def _settled(self, number: int, seconds: int, stop: Stop) -> Notification:
        """The question, when it is no longer open or the seconds are over."""
        waits = self._scope.waits(number) if seconds else nullcontext()
        try:
            with waits:
                return self._messages.wait(
                    number, timeout=timedelta(seconds=seconds), stop=lambda: stop.requested() is not None
                )
        except (NoAnswerYet, NotAnswerable):
            return self._messages.get(number)

    # --- telling ---

    def _notify(self, given: Data, _stop: Stop) -> Data:
        key = self._key("notify", given["message"])
        said = self._said("notify")
        known = next((one for one in said if one.idempotency_key == key), None)
        if known is None:
            if len(said) >= tools.NOTICES_PER_RUN:
                raise ToolLimit(what="notified", most=tools.NOTICES_PER_RUN)
            draft = self._draft("notify", given["message"], key)
            known = self._messages.notify(
                draft._replace(
                    kind=Kind(given.get("type", "info")),
                    title=one_line(given.get("title", "")),
                    level=Level(given.get("level", "normal")),
                )
            )
        return {"id": known.id}

    def _progress(self, given: Data, _stop: Stop) -> Data:
        words = one_line(given["words"]) if "words" in given else None
        percent = given.get("percent")
        if percent is None and not words:
            raise BadArguments(tool="progress", problem="nothing was told", takes="Give `percent`, `words` or both.")
        self._scope.progress(percent, words)
        return {"percent": percent, "words": words}

    def _note(self, given: Data, _stop: Stop) -> Data:
        from coffee_maker.work.editing import ItemEdits

        words = quoted(given["text"], head="Note by the agent:")
        item = self._own(self._editing.read()).key
        mark = f"agent's note in pipeline {self._scope.pipeline}"
        reason = f"{mark} ({sha256(words.encode()).hexdigest()[:16]})"

        def guard(tx: Transaction) -> None:
            self._scope.guard(tx)
            changes = tx.roadmap.changes(item=item, limit=_HISTORY)
            noted = {one.reason: one.id for one in changes if (one.reason or "").startswith(f"{mark} ")}
            if reason in noted:
                raise _NotedBefore(noted[reason])
            if len(noted) >= tools.NOTES_PER_RUN:
                raise ToolLimit(what="added notes", most=tools.NOTES_PER_RUN)

        try:
            with self._store.reading() as tx:
                guard(tx)  # the usual refusals write nothing
            edits = ItemEdits(append=words)
            outcome = self._editing.edit(item, edits, by=self._scope.owner, reason=reason, guard=guard)
        except _NotedBefore as before:
            return {"key": item, "history_id": before.history_id, "again": True}
        self._scope.publish()
        return {"key": item, "history_id": outcome.history_id, "again": False}

    # --- helpers ---

    def _draft(self, tool: str, message: str, key: str) -> Draft:
        context = {"tool": tool, "pipeline": self._scope.pipeline, "by": self._scope.owner}
        return Draft(Source.DAEMON, Kind.INFO, message, item=self._scope.item, context=context, idempotency_key=key)

    def _said(self, tool: str) -> list[Notification]:
        """What this run has asked or told already, whichever process it did so through."""
        everything = self._messages.listing(item=self._scope.item)
        return [one for one in everything if _is(one, tool) and one.context.get("pipeline") == self._scope.pipeline]

    def _key(self, tool: str, words: str) -> str:
        """The same for the same words in the same run, whatever their capitals and white space."""
        return f"{tool}:{file_name(self._scope.item, '')}:{self._scope.pipeline}:{_digest(words)}"


def under_way(tx: Transaction, item: str, pipeline: int, clock: Clock) -> Claim:
    """The claim under which that pipeline of the item goes on now; raises `RunOver` when it does not."""
    steps = tx.journal.newest(item)
    claim = next((one for one in tx.claims.held(clock.now()) if one.item == item), None)
    if claim is None or not steps or steps[-1].pipeline != pipeline or steps[-1].step == _ENDED:
        raise RunOver(item=item)
    return claim


def _is(one: Notification, tool: str) -> bool:
    return one.context.get("tool") == tool and (one.kind is Kind.QUESTION) == (tool == "ask")


def _digest(words: str) -> str:
    import unicodedata  # not at the top: a shared library that most commands never need

    plain = " ".join(unicodedata.normalize("NFKC", words).casefold().split())
    return sha256(plain.encode(errors="surrogatepass")).hexdigest()[:16]


def _deadline(words: str) -> timedelta:
    try:
        duration = parse_duration(words)
    except ValueError as error:
        raise BadArguments(tool="ask", problem=f"`deadline`: {error}", takes="") from None
    if not timedelta() < duration <= _LONGEST_DEADLINE:
        raise BadArguments(tool="ask", problem="`deadline` must be more than nothing and at most 90d", takes="")
    return duration


def _told(question: Notification) -> Data:
    """A question as the agent sees it."""
    data = shapes.notification(question)
    state = _STATES.get(question.state, "open")
    shown = ("id", "message", "options", "deadline", "answer", "answered_by", "answered_at", "late")
    told = {"state": state, **{name: data[name] for name in shown}}
    if state != "answered":  # who dismissed it has not answered it
        told["answered_by"] = None
        told["advice"] = _ADVICE[state]
    return told
