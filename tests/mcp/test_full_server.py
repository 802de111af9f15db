"""`coffee-roadmap mcp --full`: what a person's own assistant can do, with the data that the commands print."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.mcp.conftest import Project, run
from tests.mcp.test_agent_server import call, refused

from coffee_maker.core.questions import Draft, Kind, Source
from coffee_maker.mcp.catalogue import PROJECT_TOOLS
from mcp import Client

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def served(project: Project, test: Callable[[Client], Awaitable[None]], *words: str) -> None:
    async def with_client() -> None:
        async with project.client("--full", *words) as client:
            await test(client)

    run(with_client)


def test_what_it_shows_is_what_the_commands_print(project: Project) -> None:
    async def test(client: Client) -> None:
        listed = (await client.list_tools()).tools
        assert [tool.name for tool in listed] == [tool.name for tool in PROJECT_TOOLS]
        await call(client, "set_status", item="PRIORITY-3#2", status="in progress", reason="begun")
        await call(
            client, "notify", message="Which?", options=["a", "b"], item="2", deadline="2h", default="a", key="k"
        )
        assert await call(client, "view") == project.data("view")
        assert await call(client, "view", status="complete") == project.data("view", "--status", "complete")
        assert await call(client, "view", item="priority 2") == project.data("view", "2")
        assert await call(client, "search", text="TEXT of") == project.data("search", "TEXT of")
        assert await call(client, "next") == project.data("next")
        assert await call(client, "status") == project.data("status")
        assert await call(client, "history") == project.data("history")
        assert await call(client, "history", item="2") == project.data("history", "2")
        assert await call(client, "notifications_list") == project.data("notifications")
        assert await call(client, "notifications_show", id=1) == project.data("notifications", "show", "1")

    served(project, test)


def test_every_change_once(project: Project) -> None:
    async def test(client: Client) -> None:
        added = await call(client, "add", title="Export", body="As CSV.", fields={"Effort": "2d"}, after="2")
        key = added["key"]
        await call(client, "set_status", item=key, status="in_progress", reason="begun")
        fields = {"Effort": None, "Owner": "ann"}
        await call(client, "edit", item=key, title="Export all", fields=fields, append="- [ ] x")
        await call(client, "edit", item=key, check=["1"])
        await call(client, "move", item=key, first=True)
        shown = await call(client, "view", item=key)
        assert (shown["title"], shown["status"], shown["fields"]["owner"]) == ("Export all", "in_progress", "ann")
        assert (shown["checklist"], "effort" in shown["fields"]) == ({"done": 1, "total": 1}, False)
        assert (await call(client, "view"))["items"][0]["key"] == key
        await call(client, "remove", item=key, yes=True)
        assert key not in [one["key"] for one in (await call(client, "view"))["items"]]
        await call(client, "undo")
        assert (await call(client, "view"))["items"][0]["key"] == key
        changes = (await call(client, "history"))["changes"]
        kinds = ["delete", "move", "update", "update", "status_change", "add"]
        assert [one["change_type"] for one in changes][1:] == kinds
        assert {one["changed_by"] for one in changes} == {"Ann's assistant"}

    served(project, test, "--by", "Ann's assistant")


def test_conditions_and_dry_runs_are_kept(sqlite_project: Project) -> None:
    project = sqlite_project
    before = project.text

    async def test(client: Client) -> None:
        old = (await call(client, "view", item="2"))["revision"]
        tried = await call(client, "set_status", item="2", status="complete", dry_run=True, if_revision=old)
        assert (tried["dry_run"], tried["history_id"], project.text) == (True, None, before)
        assert "+**Status**: ✅ Complete" in tried["diff"]
        assert (await refused(client, "remove", item="2"))["code"] == "needs_yes"
        assert (await call(client, "remove", item="2", dry_run=True))["dry_run"] is True
        assert project.text == before
        await call(client, "set_status", item="2", status="complete", if_revision=old)
        error = await refused(client, "set_status", item="2", status="planned", if_revision=old)
        assert error["code"] == "revision_changed"
        document = (await call(client, "view"))["revision"]
        await call(client, "undo", if_revision=document)
        assert project.text == before

    served(project, test)


def test_an_answer_is_recorded_with_its_way(project: Project) -> None:
    asked = Draft(Source.DAEMON, Kind.QUESTION, "Which?", options=("a", "b"))
    with project.store.writing() as tx:
        first, _ = tx.notifications.create(asked, NOW)
        second, _ = tx.notifications.create(asked, NOW)

    async def test(client: Client) -> None:
        assert (await refused(client, "notifications_respond", id=first.id, answer="c"))["code"] == "not_an_option"
        answered = await call(client, "notifications_respond", id=first.id, answer="2")
        assert (answered["answer"], answered["answered_by"], answered["answered_via"]) == ("b", "Tester", "mcp")
        again = await refused(client, "notifications_respond", id=first.id, answer="a")
        assert again["code"] == "already_answered"
        assert (await call(client, "notifications_dismiss", id=second.id))["status"] == "dismissed"
        assert (await refused(client, "notifications_respond", id=second.id, answer="a"))["code"] == "not_answerable"
        assert (await refused(client, "notifications_show", id=99))["code"] == "notification_not_found"
        assert (await call(client, "notifications_list"))["notifications"] == []
        listed = await call(client, "notifications_list", all=True, limit=1)
        assert [one["id"] for one in listed["notifications"]] == [second.id]

    served(project, test)


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("view", {"item": "99"}, "item_not_found"),
    ("view", {"item": "3"}, "ambiguous_reference"),
    ("view", {"status": "sideways"}, "unknown_status"),
    ("set_status", {"item": "2"}, "bad_arguments"),
    ("set_status", {"item": "2", "status": "complete", "by": "somebody"}, "bad_arguments"),
    ("add", {"title": "x", "first": True, "after": "2"}, "usage"),
    ("add", {"title": "two\nlines"}, "edit_refused"),
    ("add", {"title": "x", "body": "```\nopen"}, "edit_refused"),
    ("edit", {"item": "2"}, "usage"),
    ("edit", {"item": "2", "body": "# Heading"}, "edit_refused"),
    ("edit", {"item": "2", "fields": {"Effort": 3}}, "bad_arguments"),
    ("move", {"item": "2"}, "usage"),
    ("undo", {"change": 99}, "change_not_found"),
    ("history", {"item": "99"}, "item_not_found"),
    ("history", {"limit": 0}, "bad_arguments"),
    ("notify", {"message": "m", "deadline": "soon"}, "usage"),
    ("notify", {"message": "m", "type": "question", "deadline": "9999999w"}, "usage"),
    ("notify", {"message": "m", "channels": ["nowhere"]}, "unknown_channel"),
    ("notify", {"message": "m", "default": "x"}, "bad_notification"),
    ("notifications_respond", {"id": 1, "answer": " "}, "bad_arguments"),
    ("notifications_dismiss", {"id": 99}, "notification_not_found"),
    ("ask", {"question": "q"}, "unknown_tool"),
    ("search", {"text": "x" * 1_000_000}, "bad_arguments"),
]


def test_what_is_wrong_is_refused_and_nothing_changed(sqlite_project: Project) -> None:
    project = sqlite_project
    before = project.text

    async def test(client: Client) -> None:
        for tool, arguments, code in WRONG:
            assert (await refused(client, tool, **arguments))["code"] == code, (tool, arguments)

    served(project, test)
    assert project.text == before


def test_an_outside_edit_is_recorded_before_the_history_is_shown(sqlite_project: Project) -> None:
    project = sqlite_project

    async def test(client: Client) -> None:
        await call(client, "set_status", item="PRIORITY-3#2", status="blocked")
        project.roadmap.write_text(project.text.replace("Text of two.", "Another text."))
        changes = (await call(client, "history"))["changes"]
        assert [one["item"] for one in changes] == ["PRIORITY-2", "PRIORITY-3#2"]

    served(project, test)


@pytest.mark.parametrize("tool", PROJECT_TOOLS, ids=lambda tool: tool.name)
def test_every_tool_does_something(tool: Any) -> None:
    from coffee_maker.mcp.project import ProjectTools

    assert callable(getattr(ProjectTools, f"_{tool.name}"))
