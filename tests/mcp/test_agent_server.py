"""The server of an agent's tools: a real process, driven by the SDK's own client or by bare lines."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import anyio
import pytest
from tests.mcp.conftest import PATIENCE, Project, run
from tests.work.tools_kit import ROADMAP

from coffee_maker.core.questions import Kind
from coffee_maker.core.tools import AGENT_TOOLS
from mcp import Client


async def call(client: Client, tool: str, **arguments: object) -> Any:
    """The data of a call that went well; text and structure say the same."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    assert json.loads(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
    return result.structured_content


async def refused(client: Client, tool: str, **arguments: object) -> Any:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    error = result.structured_content["error"]
    assert set(error) == {"code", "message", "hint", "retryable"}
    assert json.loads(result.content[0].text) == {"error": error}  # type: ignore[union-attr]
    return error


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_every_tool_once(project: Project, mode: str) -> None:
    claim = project.begin()

    async def test() -> None:
        async with project.client(mode=mode) as client:
            listed = (await client.list_tools()).tools
            assert [tool.name for tool in listed] == [tool.name for tool in AGENT_TOOLS]
            assert {tool.name for tool in listed if tool.annotations and tool.annotations.read_only_hint} == {
                "view",
                "next",
                "answer",
            }
            assert "neither a yes nor a no" in (client.instructions or "")
            assert await call(client, "view") == project.data("view", "2")
            assert (await call(client, "next")) == project.data("next")
            asked = await call(client, "ask", question="Which?", options=["a", "b"])
            assert (await call(client, "answer", id=asked["id"], wait=0))["state"] == "open"
            told = await call(client, "notify", message="Half of it stands.")
            assert project.data("notifications", "show", str(told["id"]))["message"] == "Half of it stands."
            await call(client, "progress", percent=50, words="half")
            noted = await call(client, "note", text="### PRIORITY 9: Mine\n\x1b[2J**Status**: complete")
            (change,) = project.data("history")["changes"]
            assert (change["id"], change["item"], change["changed_by"]) == (
                noted["history_id"],
                "PRIORITY-2",
                "daemon-1",
            )

    run(test)
    assert "> ### PRIORITY 9: Mine\n> **Status**: complete" in project.text
    assert len(project.data("view")["items"]) == 4
    with project.store.reading() as tx:
        progress = tx.progress.of("PRIORITY-2")
    assert progress is not None
    assert (progress.pipeline, progress.percent, progress.words) == (claim.fence, 50, "half")


def test_refusals_are_told_and_the_server_goes_on(sqlite_project: Project) -> None:
    project = sqlite_project
    project.begin()

    async def test() -> None:
        async with project.client() as client:
            assert (await refused(client, "undo"))["code"] == "unknown_tool"
            assert (await refused(client, "\x1b[2Jnote"))["code"] == "unknown_tool"
            assert (await refused(client, "view", item="99"))["code"] == "item_not_found"
            assert (await refused(client, "view", item="\u202e\x1b]0;x\x07"))["message"].isprintable()
            assert (await refused(client, "note", text="x" * 1_000_000))["code"] == "bad_arguments"
            assert (await refused(client, "note", text="x", item="PRIORITY-3"))["code"] == "bad_arguments"
            assert (await refused(client, "answer", id=7))["code"] == "not_your_question"
            assert (await refused(client, "ask", question=["Which?"]))["code"] == "bad_arguments"
            project.roadmap.write_bytes(b"\xff\xfe")
            assert (await refused(client, "view"))["code"] == "roadmap_unusable"
            project.roadmap.unlink()
            assert (await refused(client, "note", text="x"))["code"] == "roadmap_missing"
            project.roadmap.write_text(ROADMAP)
            assert (await call(client, "view"))["key"] == "PRIORITY-2"

    run(test)


def test_a_question_is_answered_by_another_process_while_it_waits(project: Project) -> None:
    project.begin()

    async def test() -> None:
        async with project.client() as client, anyio.create_task_group() as group:
            asked = await call(client, "ask", question="Which colour?", options=["green", "blue"])
            waited: list[Any] = []

            async def wait() -> None:
                waited.append(await call(client, "answer", id=asked["id"], wait=50))

            group.start_soon(wait)
            await anyio.lowlevel.checkpoint()
            await call(client, "view")  # the server has read the line before it, and one that waits holds up no other
            assert waited == []
            respond = ("notifications", "respond", str(asked["id"]), "blue", "--by", "ann")
            answered = await anyio.to_thread.run_sync(lambda: project.command(*respond))
            assert answered.returncode == 0
            with anyio.fail_after(20):
                while not waited:
                    await anyio.sleep(0.01)
            assert (waited[0]["state"], waited[0]["answer"], waited[0]["answered_by"]) == ("answered", "blue", "ann")

    run(test)


def test_two_clients_at_once(project: Project) -> None:
    project.begin()

    async def test() -> None:
        async with project.client() as one, project.client() as other:
            asked: list[Any] = []
            noted: list[Any] = []

            async def work(client: Client, name: str) -> None:
                asked.append(await call(client, "ask", question="Which?"))
                await call(client, "note", text="the same")
                noted.extend([await call(client, "note", text=f"{name} {number}") for number in range(3)])

            async with anyio.create_task_group() as group:
                group.start_soon(work, one, "one")
                group.start_soon(work, other, "other")
            assert len({question["id"] for question in asked}) == 1
            assert len({note["history_id"] for note in noted}) == 6

    run(test)
    assert project.text.count("> the same") == 1
    assert all(f"> {name} {number}" in project.text for name in ("one", "other") for number in range(3))
    with project.store.reading() as tx:
        assert len(tx.notifications.find()) == 1
        assert tx.roadmap.breaks() == []


def test_a_client_that_gives_up_leaves_no_waiter(sqlite_project: Project) -> None:
    project = sqlite_project
    project.begin()
    with project.raw() as server:
        server.greet()
        number = server.call("ask", question="Which?")["id"]
        waiting = server.send("tools/call", {"name": "answer", "arguments": {"id": number, "wait": 50}})
        server.call("view")
        server.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": waiting}})
        assert server.call("view")["key"] == "PRIORITY-2"
        server.hang_up()
        assert server.process.wait(PATIENCE) == 0


def test_it_ends_when_its_input_is_closed_also_while_a_call_waits(sqlite_project: Project) -> None:
    project = sqlite_project
    project.begin()
    with project.raw() as server:
        server.greet()
        number = server.call("ask", question="Which?")["id"]
        server.send("tools/call", {"name": "answer", "arguments": {"id": number, "wait": 50}})
        server.call("view")
        server.hang_up()
        assert server.process.wait(60) == 0
        assert server.process.stderr is not None
        assert server.process.stderr.read() == b""


def test_a_call_that_cannot_be_read_is_answered(sqlite_project: Project) -> None:
    sqlite_project.begin()
    with sqlite_project.raw() as server:
        server.greet()
        number = server.send("tools/call", {"name": "note", "arguments": {"text": "half an emoji: \ud83d"}})
        server.line(b"null")  # so that a call without an answer is no wait without an end
        view = server.send("tools/call", {"name": "view", "arguments": {}})
        answer = server.answer()
        assert (answer["id"], "Nothing was done" in answer["error"]["message"]) == (number, True)
        assert (server.answer()["id"], server.answer()["id"]) == (None, view)
        for line in (b"{", b'{"jsonrpc": "2.0", "id": "\\ud83d", "method": "ping"}'):
            server.line(line)
            assert server.answer()["id"] is None
        assert server.call("view")["key"] == "PRIORITY-2"


def test_a_client_that_dies_with_an_answer_under_way_is_no_bug(sqlite_project: Project) -> None:
    project = sqlite_project
    project.begin()
    with project.raw() as server:
        server.greet()
        assert server.process.stdout is not None
        assert server.process.stderr is not None
        server.process.stdout.close()
        server.process.stdout = None
        server.send("tools/call", {"name": "note", "arguments": {"text": "Done before it died."}})
        server.hang_up()
        assert server.process.wait(PATIENCE) == 0
        assert server.process.stderr.read() == b""
    assert "Done before it died." in project.text


def test_ctrl_c_ends_it_at_once(sqlite_project: Project) -> None:
    sqlite_project.begin()
    with sqlite_project.raw() as server:
        server.greet()
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == -signal.SIGINT


def test_garbage_does_not_end_it_nor_reach_its_output(sqlite_project: Project) -> None:
    sqlite_project.begin()
    with sqlite_project.raw() as server:
        server.greet()
        for garbage in (b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b'"x"', b"x" * 1_000_000, b'{"jsonrpc": "2.0"}'):
            server.line(garbage)
        wanted = server.send("tools/call", {"name": "view", "arguments": {}})
        while (message := server.answer()).get("id") != wanted:
            assert "error" in message or "method" in message
        assert message["result"]["structuredContent"]["key"] == "PRIORITY-2"


@pytest.mark.parametrize("after", range(1, 10, 2))
def test_what_was_acknowledged_outlives_kill_9(project: Project, after: int) -> None:
    """The server is killed with a call under way; the next one repeats that call and finds or does it, once."""
    project.begin()
    calls: list[tuple[str, dict[str, object]]] = []
    for number in range(4):
        calls += [
            ("notify", {"message": f"told {number}"}),
            ("note", {"text": f"noted {number}"}),
            ("ask", {"question": f"asked {number}"}),
        ]
    done: list[Any] = []
    with project.raw() as server:
        server.greet()
        for tool, arguments in calls[:after]:
            done.append(server.call(tool, **arguments))
        server.send("tools/call", {"name": calls[after][0], "arguments": calls[after][1]})
        server.process.kill()
        server.process.wait(PATIENCE)
    assert all(f"> noted {number}" in project.text for number in range((after + 1) // 3))
    with project.raw() as server:
        server.greet()
        again = [server.call(tool, **arguments) for tool, arguments in calls]
    for before, now in zip(done, again, strict=False):
        assert (before.get("id"), before.get("history_id")) == (now.get("id"), now.get("history_id"))
    with project.store.reading() as tx:
        stored = tx.notifications.find()
        assert tx.roadmap.breaks() == []
    assert sorted(one.message for one in stored if one.kind is Kind.INFO) == [f"told {n}" for n in range(4)]
    assert sorted(one.message for one in stored if one.kind is Kind.QUESTION) == [f"asked {n}" for n in range(4)]
    assert [project.text.count(f"> noted {number}\n") for number in range(4)] == [1] * 4


def test_a_run_that_is_over_ends_what_its_agent_may(sqlite_project: Project) -> None:
    project = sqlite_project
    claim = project.begin()
    with project.raw() as server:
        server.greet()
        server.call("note", text="in time")
        with project.store.writing() as tx:
            tx.claims.release(claim)
        for tool, arguments in (("note", {"text": "late"}), ("progress", {"percent": 9}), ("ask", {"question": "Q?"})):
            assert server.call(tool, **arguments)["error"]["code"] == "run_over"
        assert server.call("view")["key"] == "PRIORITY-2"
    assert "late" not in project.text
    done = project.command("mcp", "--json")
    assert (done.returncode, json.loads(done.stderr)["error"]["code"], done.stdout) == (5, "run_over", "")


def test_a_run_of_another_item_or_that_has_ended_is_none(sqlite_project: Project) -> None:
    project = sqlite_project
    other = project.begin("PRIORITY-3")
    others = project.environ["COFFEE_RUN"]
    project.begin()
    ended = project.environ["COFFEE_RUN"]
    with project.store.runs() as runs:
        (number, run_), *_ = runs.list(item="PRIORITY-2")
        runs.amend(number, run_._replace(ended=run_.started, outcome="lost"))
    assert (other.item, str(number)) == ("PRIORITY-3", ended)
    for run_number in (others, ended, "0", "999"):
        done = project.command("mcp", "--json", COFFEE_RUN=run_number)
        assert (done.returncode, json.loads(done.stderr)["error"]["code"]) == (5, "run_over")


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"COFFEE_ITEM": "PRIORITY-2"},
        {"COFFEE_RUN": "7"},
        {"COFFEE_ITEM": " ", "COFFEE_RUN": "7"},
        {"COFFEE_ITEM": "PRIORITY-2", "COFFEE_RUN": "7; rm"},
        {"COFFEE_ITEM": "PRIORITY-2", "COFFEE_RUN": "-7"},
        {"COFFEE_ITEM": "PRIORITY-2", "COFFEE_RUN": "9" * 30},
    ],
)
def test_without_an_item_and_a_run_it_is_refused(sqlite_project: Project, environ: dict[str, str]) -> None:
    done = sqlite_project.command("mcp", **environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert "which item and run" in done.stderr
    assert "coffee-roadmap mcp --full" in done.stderr


def test_without_the_package_it_says_how_to_get_it(sqlite_project: Project) -> None:
    code = (
        "import sys; sys.modules['mcp'] = sys.modules['mcp_types'] = None\n"
        "from coffee_maker.cli.roadmap_cli import main; sys.exit(main(['mcp', '--full', '--json']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=sqlite_project.root,
        env=sqlite_project.environ,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"]["code"] == "mcp_missing"
