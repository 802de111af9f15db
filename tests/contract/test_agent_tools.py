"""What an agent's tools keep, on both databases: it reaches its own item and run, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.work.tools_kit import ROADMAP, Workplace, take_up

from coffee_maker.core import tools
from coffee_maker.core.document import Document
from coffee_maker.core.errors import (
    BadArguments,
    BadNotification,
    ClaimLost,
    EditRefused,
    ItemNotFound,
    NotYourQuestion,
    Refusal,
    RunOver,
    ToolLimit,
    UnknownTool,
)
from coffee_maker.core.questions import Draft, Kind, Source, State
from coffee_maker.core.records import Entry
from coffee_maker.store.common import SharedStore
from coffee_maker.work.agent_tools import AgentTools, under_way

OWN = "PRIORITY-2"


@pytest.fixture
def place(store: SharedStore, tmp_path: Path) -> Workplace:
    return Workplace(store, tmp_path)


@pytest.fixture
def agent(place: Workplace) -> AgentTools:
    return place.agent()


def others(text: str) -> list[str]:
    """The texts of all items but the agent's own, and what stands before the first."""
    document = Document.from_text(text)
    return [text[: document.items[0].start]] + [document.text_of(one) for one in document.items if one.key != OWN]


# --- looking ---------------------------------------------------------------------------------------------------


def test_it_sees_its_item_another_one_and_the_list(agent: AgentTools) -> None:
    own = agent.call("view", {})
    assert (own["key"], own["title"]) == (OWN, "Write the parser")
    assert "Text of two." in own["text"]
    assert agent.call("view", {"item": "1"})["key"] == "PRIORITY-1"
    assert agent.call("view", {"item": "PRIORITY-3#2"})["title"] == "The same number again"
    listed = agent.call("view", {"list": True})
    assert [one["key"] for one in listed["items"]] == ["PRIORITY-1", OWN, "PRIORITY-3", "PRIORITY-3#2"]
    assert "text" not in listed["items"][0]
    with pytest.raises(BadArguments):
        agent.call("view", {"list": True, "item": "1"})


def test_it_sees_what_is_next_and_claims_count(agent: AgentTools, place: Workplace) -> None:
    assert agent.call("next", {})["item"]["key"] == "PRIORITY-3"
    take_up(place.store, "PRIORITY-3", "another")
    found = agent.call("next", {})
    assert found["item"]["key"] == "PRIORITY-3#2"
    assert "claimed by another" in found["waiting"][0]["because"]


def test_an_item_that_is_gone_is_not_mistaken_for_a_neighbour(place: Workplace) -> None:
    agent = place.agent("PRIORITY-3")
    place.path.write_text(ROADMAP.partition("### PRIORITY 3")[0] + "### PRIORITY 03: Of like number\n")
    for tool, arguments in (("view", {}), ("note", {"text": "lost"})):
        with pytest.raises(ItemNotFound):
            agent.call(tool, arguments)
    assert "lost" not in place.text


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "docs/ROADMAP.md", "%2e%2e", "\x00", "\ud800"])
def test_a_reference_is_no_path(agent: AgentTools, path: str) -> None:
    with pytest.raises(Refusal) as refused:
        agent.call("view", {"item": path})
    assert refused.value.code in ("item_not_found", "bad_arguments")


# --- asking ----------------------------------------------------------------------------------------------------


def test_a_question_is_asked_once_and_its_answer_found(agent: AgentTools, place: Workplace) -> None:
    asked = agent.call("ask", {"question": "Which colour?", "options": ["green", "blue"]})
    assert (asked["state"], asked["answer"], asked["options"]) == ("open", None, ["green", "blue"])
    again = agent.call("ask", {"question": "  which COLOUR? "})
    assert again["id"] == asked["id"]
    (stored,) = place.messages.listing()
    assert (stored.item, stored.kind, stored.source) == (OWN, Kind.QUESTION, Source.DAEMON)
    assert agent.call("answer", {"id": asked["id"]})["state"] == "open"
    place.messages.respond(asked["id"], "2", by="ann", via="terminal")
    for found in (agent.call("answer", {"id": asked["id"]}), agent.call("ask", {"question": "Which colour?"})):
        assert (found["state"], found["answer"], found["answered_by"]) == ("answered", "blue", "ann")
        assert "advice" not in found


def test_another_message_or_run_makes_another_question(agent: AgentTools, place: Workplace) -> None:
    first = agent.call("ask", {"question": "Which?", "message": "a or b"})["id"]
    assert agent.call("ask", {"question": "Which?", "message": "c or d"})["id"] != first
    later = place.agent()  # the item is taken up anew
    assert later.call("ask", {"question": "Which?", "message": "a or b"})["id"] != first
    assert later.call("answer", {"id": first})["id"] == first  # asked about the same item before


def test_a_run_that_goes_on_in_another_daemon_finds_its_question(place: Workplace) -> None:
    claim = take_up(place.store, OWN)
    first = place.agent(claim=claim).call("ask", {"question": "Which?"})["id"]
    with place.store.writing() as tx:
        tx.claims.release(claim)
        second = tx.claims.take(OWN, "daemon-2", lease=claim.until - place.clock.now(), now=place.clock.now())
    agent = place.agent(claim=second)
    agent._scope = agent._scope._replace(pipeline=claim.fence)  # the pipeline stays that of the first claim
    assert agent.call("ask", {"question": "Which?"})["id"] == first


def test_a_wait_ends_with_the_answer(agent: AgentTools, place: Workplace) -> None:
    number = agent.call("ask", {"question": "Which?"})["id"]
    place.store.waiting.clear()
    found: list[Mapping[str, Any]] = []
    waiter = threading.Thread(target=lambda: found.append(agent.call("answer", {"id": number, "wait": 50})))
    waiter.start()
    assert place.store.waiting.wait(10)
    place.messages.respond(number, "the red one", by="ann", via="slack")
    waiter.join(10)
    assert found[0]["answer"] == "the red one"


def test_a_wait_ends_when_the_run_is_to_stop(agent: AgentTools, place: Workplace) -> None:
    number = agent.call("ask", {"question": "Which?"})["id"]
    place.store.waiting.clear()
    found: list[Mapping[str, Any]] = []
    waiter = threading.Thread(target=lambda: found.append(agent.call("answer", {"id": number, "wait": 50})))
    waiter.start()
    assert place.store.waiting.wait(10)
    place.stop.reason = "it was asked to"
    waiter.join(10)
    assert found[0]["state"] == "open"


def test_no_answer_is_never_a_refusal(agent: AgentTools, place: Workplace) -> None:
    asked = agent.call("ask", {"question": "Soon?", "options": ["yes", "no"], "deadline": "200ms"})
    waited = agent.call("answer", {"id": asked["id"], "wait": 50})
    assert (waited["state"], waited["answer"]) == ("expired", None)
    assert "neither a yes nor a no" in waited["advice"]
    place.messages.respond(asked["id"], "no", by="ann", via="terminal")
    late = agent.call("answer", {"id": asked["id"]})
    assert (late["state"], late["answer"], late["late"]) == ("answered", "no", True)
    other = agent.call("ask", {"question": "Never?"})["id"]
    assert agent.call("answer", {"id": other, "wait": 1})["state"] == "open"
    place.messages.dismiss(other, by="ann")
    put_aside = agent.call("answer", {"id": other, "wait": 50})
    assert (put_aside["state"], put_aside["answer"], put_aside["answered_by"]) == ("dismissed", None, None)


def test_it_sees_no_other_question(agent: AgentTools, place: Workplace) -> None:
    theirs = place.agent("PRIORITY-3").call("ask", {"question": "The password is hunter2, right?"})["id"]
    plain = Draft(Source.DAEMON, Kind.QUESTION, "Shall the agent start?", item=OWN, options=("approve", "skip"))
    of_the_daemon = place.messages.notify(plain).id
    told = agent.call("notify", {"message": "hello"})["id"]
    for number in (theirs, of_the_daemon, told, 999_999, 2**63 - 1):
        with pytest.raises(NotYourQuestion) as refused:
            agent.call("answer", {"id": number})
        assert "hunter2" not in f"{refused.value.message} {refused.value.hint}"


@pytest.mark.parametrize(
    "arguments",
    [
        {"question": "Q?", "deadline": "soon"},
        {"question": "Q?", "deadline": "0s"},
        {"question": "Q?", "deadline": "91d"},
        {"question": "Q?", "options": "yes"},
        {"question": "Q?", "options": ["yes", 2]},
        {"question": "Q?", "options": ["x"] * 21},
        {"question": "Q?", "options": [" "]},
        {"question": "Q?", "item": "PRIORITY-3"},
        {"question": "Q?", "idempotency_key": "approve:PRIORITY-2"},
        {"question": ["Q?"]},
        {"question": "  \n"},
        {"question": "x" * 1_000_000},
        {},
        [],
        "Q?",
    ],
)
def test_a_question_of_another_form_is_refused(agent: AgentTools, place: Workplace, arguments: object) -> None:
    with pytest.raises(BadArguments) as refused:
        agent.call("ask", arguments)
    assert len(refused.value.message) < 500
    assert place.messages.listing() == []


def test_equal_options_are_refused_in_the_store_s_words(agent: AgentTools) -> None:
    with pytest.raises(BadNotification):
        agent.call("ask", {"question": "Q?", "options": ["a", "a "]})


def test_a_run_asks_and_tells_within_bounds(
    agent: AgentTools, place: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "QUESTIONS_PER_RUN", 2)
    monkeypatch.setattr(tools, "NOTICES_PER_RUN", 2)
    for tool, name in (("ask", "question"), ("notify", "message")):
        first = agent.call(tool, {name: "1"})["id"]
        agent.call(tool, {name: "2"})
        with pytest.raises(ToolLimit):
            agent.call(tool, {name: "3"})
        assert agent.call(tool, {name: "1"})["id"] == first
    assert len(place.messages.listing()) == 4
    place.agent().call("ask", {"question": "3"})  # the next run has its own


# --- telling ---------------------------------------------------------------------------------------------------


def test_it_notifies_about_its_item(agent: AgentTools, place: Workplace) -> None:
    hostile = "built \x1b]0;pwned\x07 \u202e"
    number = agent.call("notify", {"message": hostile, "title": "a\x1b[31m\nb", "type": "alert", "level": "high"})["id"]
    stored = place.messages.get(number)
    assert (stored.item, stored.kind.value, stored.level.value, stored.title) == (OWN, "alert", "high", "a b")
    assert stored.message == hostile  # kept as it is, made safe where it is shown
    for more in ({"type": "question"}, {"level": "critical"}, {"item": "PRIORITY-1"}, {"channels": ["x"]}):
        with pytest.raises(BadArguments):
            agent.call("notify", {"message": "m", **more})


def test_progress_changes_nothing_but_what_is_shown(agent: AgentTools, place: Workplace) -> None:
    agent.call("progress", {"percent": 40, "words": "parsing\x1b[2J\nnow"})
    agent.call("progress", {"words": "testing"})
    assert place.progress == [(40, "parsing now"), (None, "testing")]
    assert place.text == ROADMAP
    for wrong in ({}, {"percent": 101}, {"percent": -1}, {"percent": "40"}, {"percent": True}, {"percent": 1.5}):
        with pytest.raises(BadArguments):
            agent.call("progress", wrong)


# --- notes -----------------------------------------------------------------------------------------------------


def test_a_note_goes_to_the_end_of_its_item(agent: AgentTools, place: Workplace) -> None:
    done = agent.call("note", {"text": "Chose the **fast** way.\n\nSee `parser.py`."})
    expected = "- [ ] one box\n\n> Note by the agent:\n>\n> Chose the **fast** way.\n>\n> See `parser.py`.\n\n### PRIO"
    assert expected in place.text
    (change,) = place.editing.history()
    assert (change.id, change.item, change.changed_by) == (done["history_id"], OWN, "daemon-1")
    assert place.published == 1
    assert others(place.text) == others(ROADMAP)


def test_the_same_note_is_added_once(agent: AgentTools, place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "NOTES_PER_RUN", 2)
    first = agent.call("note", {"text": "one"})
    again = agent.call("note", {"text": "one\r\n"})
    assert (again["history_id"], again["again"], place.text.count("> one")) == (first["history_id"], True, 1)
    agent.call("note", {"text": "two"})
    with pytest.raises(ToolLimit):
        agent.call("note", {"text": "three"})
    assert "three" not in place.text


def test_two_calls_with_one_note_add_it_once(agent: AgentTools, place: Workplace) -> None:
    begin = threading.Barrier(4)
    done: list[Mapping[str, Any]] = []

    def note() -> None:
        begin.wait(10)
        done.append(agent.call("note", {"text": "the same"}))

    threads = [threading.Thread(target=note) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({one["history_id"] for one in done}) == 1
    assert len(done) == 4
    assert place.text.count("> the same") == 1


HOSTILE_NOTES = [
    "### PRIORITY 9: Mine\n\n**Status**: 📝 Planned",
    "# Roadmap\n\n## US-1: Another",
    "PRIORITY 9: Mine\n===============",
    "**Status**: ✅ Complete",
    "**Depends On**: PRIORITY 99",
    "Status: complete",
    "- [x] one box",
    "- ✅ all\n- ✅ ✅ done\n1. [x] - [ ] nested\n  > - [X]",
    "<!-- swallow",
    "<script>\n<style>\n<pre>",
    "<div>\n### PRIORITY 9: In HTML\n</div>",
    "> deeper\n>> and deeper\n> <!--",
    "    indented\n\n### PRIORITY 9: x",
    "text\r\r### PRIORITY 9: old line ends",
    "text\u2028### PRIORITY 9: separators\u2029### PRIORITY 8: x\x0b### PRIORITY 7: y\x0c\x85",
    "a\x1b[31mred\x07\x00\u202e\ufeff",
    "---\n***\n- - -",
    "\ud800 lone",
    "```python\nprint()\n```",
    "[ref]: http://example.com\n\n| a | b |\n|---|---|",
    "- [ ] " * 600,
    "✅" * 4000,
    "\n" * 3998 + "x",
]


@pytest.mark.parametrize("words", HOSTILE_NOTES, ids=range(len(HOSTILE_NOTES)))
@pytest.mark.parametrize("fenced", [False, True])
def test_a_note_means_nothing_in_the_roadmap(agent: AgentTools, place: Workplace, words: str, fenced: bool) -> None:
    if fenced:
        words = f"~~~sh run\n{words[:3900]}\n~~~"
    before = Document.from_text(ROADMAP)
    agent.call("note", {"text": words})
    after = place.editing.read()
    assert others(place.text) == others(ROADMAP)
    old, new = before.item(OWN), after.item(OWN)
    same = ("title", "status", "fields", "depends_on", "checks", "line")
    assert [getattr(new, name) for name in same] == [getattr(old, name) for name in same]
    added = after.text_of(new).removeprefix(before.text_of(old).rstrip("\n")).strip("\n")
    assert all(line.startswith(">") for line in added.splitlines())
    assert not set(added) & set("\x00\x07\x1b\r\x0b\x0c\u202e\u2028\u2029\x85")


@pytest.mark.parametrize(
    "words", ["```\nleft open", "\x1b\u200b", "\n \n", "x" * 4001, "x" * 1_000_000, 7, None, ["a"]]
)
def test_a_note_that_cannot_be_one_is_refused(agent: AgentTools, place: Workplace, words: object) -> None:
    with pytest.raises((EditRefused, BadArguments)):
        agent.call("note", {"text": words})
    assert place.text == ROADMAP
    assert place.editing.history() == []


@pytest.mark.parametrize("text", [ROADMAP.replace("Text of two.", "<!-- open"), ROADMAP.replace("\n", "\r\n")])
def test_a_note_respects_what_stands_there(store: SharedStore, tmp_path: Path, text: str) -> None:
    place = Workplace(store, tmp_path, text)
    try:
        place.agent().call("note", {"text": "a\nb"})
    except EditRefused:
        assert place.text == text
    else:
        assert others(place.text) == others(text)
        assert ("\n" in place.text.replace("\r\n", "")) == ("\r" not in text)


# --- the scope -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["respond", "dismiss", "edit", "undo", "set_status", "history", "call", "_note", "__init__", "", "view ", 7]
)
def test_there_is_no_other_tool(agent: AgentTools, name: str) -> None:
    with pytest.raises(UnknownTool):
        agent.call(name, {})


@pytest.mark.parametrize("item", ["PRIORITY-3", "PRIORITY-3#2", "PRIORITY-2#2", "../ROADMAP.md"])
@pytest.mark.parametrize("tool", tools.AGENT_TOOLS[2:], ids=lambda tool: tool.name)
def test_what_changes_names_no_item(agent: AgentTools, place: Workplace, tool: tools.Tool, item: str) -> None:
    names = tool.schema["properties"]
    assert isinstance(names, dict)
    assert not {"item", "key", "run", "owner", "by", "context", "answer"} & set(names)
    with pytest.raises(BadArguments):
        agent.call(tool.name, {"item": item, "text": "x", "question": "x", "message": "x", "words": "x", "id": 1})
    assert place.text == ROADMAP


def test_an_agent_whose_run_is_lost_changes_nothing(agent: AgentTools, place: Workplace) -> None:
    asked = agent.call("ask", {"question": "Before?"})["id"]
    take_up(place.store, OWN)
    calls = {"ask": "question", "notify": "message", "note": "text", "progress": "words"}
    for tool, name in calls.items():
        with pytest.raises(ClaimLost):
            agent.call(tool, {name: "after"})
    assert (place.text, place.progress) == (ROADMAP, [])
    assert [one.id for one in place.messages.listing()] == [asked]
    assert agent.call("answer", {"id": asked})["state"] == "open"


def test_a_claim_that_is_lost_between_look_and_record_keeps_the_note_out(place: Workplace) -> None:
    looks: list[int] = []
    agent = place.agent()
    check = agent._scope.guard

    def guard(tx: Any) -> None:
        looks.append(1)
        if len(looks) == 3:  # in the recording transaction
            raise ClaimLost(item=OWN, fence=1, owner="daemon-1")
        check(tx)

    agent._scope = agent._scope._replace(guard=guard)
    with pytest.raises(ClaimLost):
        agent.call("note", {"text": "too late"})
    assert (len(looks), place.text) == (3, ROADMAP)


def test_whether_a_run_is_under_way(place: Workplace) -> None:
    claim = take_up(place.store, OWN)
    with place.store.reading() as tx:
        assert under_way(tx, OWN, claim.fence, place.clock) == claim
        for item, run in ((OWN, claim.fence + 1), (OWN, 0), ("PRIORITY-3", claim.fence)):
            with pytest.raises(RunOver):
                under_way(tx, item, run, place.clock)
    with place.store.writing() as tx:
        tx.journal.record(Entry(OWN, claim.fence, "end", {}, claim.fence, place.clock.now()))
        with pytest.raises(RunOver):
            under_way(tx, OWN, claim.fence, place.clock)
    with place.store.writing() as tx:
        later = tx.claims.take("PRIORITY-3", "d", lease=claim.until - place.clock.now(), now=place.clock.now())
        tx.journal.record(Entry("PRIORITY-3", later.fence, "claim", {}, later.fence, place.clock.now()))
        tx.claims.release(later)
        with pytest.raises(RunOver):
            under_way(tx, "PRIORITY-3", later.fence, place.clock)


def test_a_question_of_the_person_is_left_alone(agent: AgentTools, place: Workplace) -> None:
    """The states of everything that others asked stay as they were, whatever an agent calls."""
    theirs = place.messages.notify(Draft(Source.DAEMON, Kind.QUESTION, "Theirs?", item="PRIORITY-3"))
    for tool in agent.tools:
        for arguments in ({}, {"id": theirs.id}, {"id": theirs.id, "wait": 0, "answer": "yes"}):
            try:
                agent.call(tool.name, arguments)
            except Refusal:
                continue
    assert place.messages.get(theirs.id) == theirs
    assert theirs.state is State.PENDING
