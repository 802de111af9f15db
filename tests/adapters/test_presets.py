"""Known programs as agents: their command lines, what they print, and the programs themselves where there are any."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tests.adapters.claude_kit import Claude
from tests.contract.test_agents import NEVER, Heard
from tests.fake_messages_api import Fault, text, use

from coffee_maker.adapters.agents import claude as claude_module
from coffee_maker.adapters.agents.claude import ClaudeAgent
from coffee_maker.adapters.agents.command import CommandAgent
from coffee_maker.adapters.agents.other_streams import CodexStream, OpencodeStream
from coffee_maker.adapters.agents.presets import PRESETS, PresetAgent, Settings
from coffee_maker.adapters.agents.runbook import RunbookAgent
from coffee_maker.adapters.agents.streams import ClaudeStream
from coffee_maker.core.records import AgentResult, Usage
from coffee_maker.wiring import open_project


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Claude:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return Claude(tmp_path, monkeypatch)


def stand_in(place: Claude, name: str, script: str) -> None:
    """A program of that name which notes how it was called."""
    path = place.home / "bin" / name
    note = f"import sys; open({str(place.home / 'argv')!r}, 'w').write(repr(sys.argv[1:])); sys.stdout.flush()\n"
    path.write_text(f"#!{sys.executable}\n{note}given = sys.stdin.read()\n{script}\n")
    path.chmod(0o755)


def run(place: Claude, name: str, **more: object) -> AgentResult:
    return PresetAgent(name, Settings(model="some-model", grace=0.3)).run(place.task(**more), NEVER, place.heard)


@pytest.mark.parametrize("name", PRESETS)
def test_the_task_reaches_it_as_data_and_the_model_too(place: Claude, name: str) -> None:
    title = "$(touch pwned) `touch pwned` {session} {model}"
    stand_in(place, name, f"open({str(place.home / 'given')!r}, 'w').write(given)")
    result = run(place, name, title=title, answers={"Which?": "green"}, earlier=("it failed",))
    assert result.ok or name == "claude", result  # claude's own says at its end how it went
    argv = (place.home / "argv").read_text()
    assert "'--model', 'some-model'" in argv
    assert "pwned" not in argv
    given = (place.home / "given").read_text()
    item = Path(place.task().item_file).read_text()
    assert given == ("" if name == "aider" else item)
    for words in ("Text of the item.", "Which?\n  green", "it failed", "coffee-roadmap notify"):
        assert words in item
    assert list(place.work.iterdir()) == []
    if name == "aider":
        assert f"'--message-file', '{place.task().item_file}'" in argv


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.resume])
def test_a_session_is_resumed(place: Claude, name: str) -> None:
    stand_in(place, name, f"open({str(place.home / 'given')!r}, 'w').write(given)")
    run(place, name, session="the-session")
    assert "'the-session'" in (place.home / "argv").read_text()
    assert "You were interrupted" in (place.home / "given").read_text()


def test_one_that_is_not_there_says_so() -> None:
    agent = PresetAgent("opencode")
    if shutil.which("opencode") is None:
        assert agent.check() == "the program opencode was not found on the PATH"


# --- what they print -------------------------------------------------------------------------------------------

# Recorded from codex-cli 0.169.0 with a local server behind it.
CODEX = """\
{"type":"thread.started","thread_id":"01a2138d-87e1-7ac2-981a-334a9d6e7dd1"}
{"type":"turn.started"}
{"type":"item.started","item":{"id":"item_0","type":"command_execution","command":\
"/bin/bash -lc 'echo hi > made.txt'","aggregated_output":"","exit_code":null,"status":"in_progress"}}
{"type":"item.completed","item":{"id":"item_0","type":"command_execution","command":\
"/bin/bash -lc 'echo hi > made.txt'","aggregated_output":"","exit_code":0,"status":"completed"}}
{"type":"item.completed","item":{"id":"item_1","type":"agent_message","text":"all done"}}
{"type":"turn.completed","usage":{"input_tokens":200,"cached_input_tokens":80,"cache_write_input_tokens":0,\
"output_tokens":40,"reasoning_output_tokens":10}}
"""
# Recorded from opencode 1.18.33 with the server of tests/fake_messages_api.py behind it; times and ids left out.
OPENCODE = """\
{"type":"step_start","sessionID":"ses_dec726","part":{"type":"step-start"}}
{"type":"tool_use","sessionID":"ses_dec726","part":{"type":"tool","tool":"bash","state":{"status":"completed",\
"input":{"command":"echo hi","description":"x"},"output":"hi\\n","title":"echo hi"}}}
{"type":"step_finish","sessionID":"ses_dec726","part":{"reason":"tool-calls","type":"step-finish",\
"tokens":{"total":24,"input":12,"output":5,"reasoning":0,"cache":{"write":0,"read":7}},"cost":0.0001131}}
{"type":"text","sessionID":"ses_dec726","part":{"type":"text","text":"done"}}
{"type":"step_finish","sessionID":"ses_dec726","part":{"reason":"stop","type":"step-finish",\
"tokens":{"total":17,"input":12,"output":5,"reasoning":0,"cache":{"write":0,"read":0}},"cost":0.000111}}
"""


def test_codex_in_words(place: Claude) -> None:
    stand_in(place, "codex", f"print({CODEX!r})")
    result = run(place, "codex")
    assert result.ok
    assert result.session == "01a2138d-87e1-7ac2-981a-334a9d6e7dd1"
    assert result.usage == Usage(120, 40, 80, 0, turns=1) == place.heard.used
    assert place.heard.words == ["→ /bin/bash -lc 'echo hi > made.txt'", "all done"]
    assert "all done\n[240 tokens]\n" in place.log


def test_codex_counts_a_resumed_session_from_its_beginning(place: Claude) -> None:
    """Seen with codex-cli 0.169.0: three runs of 100, 200 and 300 tokens told 100, 300 and 600."""
    stand_in(place, "codex", f"print({CODEX!r})")
    result = run(place, "codex", session="s", taken=Usage(100, 15, 80, 0, turns=1))
    assert result.usage == Usage(20, 25, 0, 0, turns=1) == place.heard.used
    assert run(place, "codex", session="s", taken=Usage(1000, 1000, turns=9)).usage == Usage(0, 0, 80, turns=1)
    assert run(place, "codex", taken=Usage(100)).usage == Usage(120, 40, 80, turns=1)  # a session of its own


def test_opencode_in_words(place: Claude) -> None:
    stand_in(place, "opencode", f"print({OPENCODE!r})")
    result = run(place, "opencode")
    assert (result.ok, result.session) == (True, "ses_dec726")
    assert result.usage == Usage(24, 10, 7, 0, pytest.approx(0.0002241), 2)
    assert place.heard.words == ["→ bash: echo hi", "done"]
    assert "→ bash: echo hi\n← hi\n" in place.log


def test_a_failure_that_is_told_counts_whatever_the_exit_code(place: Claude) -> None:
    failed = {"type": "turn.failed", "error": {"message": "no such model, key sk-ant-not-a-real-key"}}
    stand_in(place, "codex", f"print({json.dumps(failed)!r})")
    result = run(place, "codex")
    assert (result.ok, result.exit_code) == (False, 0)
    assert "it failed: no such model" in (result.reason or "")


# Recorded from codex-cli 0.169.0 and opencode 1.18.33, with a local server that answers so (no address, no headers).
@pytest.mark.parametrize(
    ("name", "said", "away"),
    [
        ("codex", "exceeded retry limit, last status: 429 Too Many Requests", True),
        ("codex", "unexpected status 503 Service Unavailable: try later, url: http://x/v1/responses", True),
        ("codex", "We’re currently experiencing high demand, which may cause temporary errors.", True),
        ("codex", "unexpected status 401 Unauthorized: bad key, url: http://x/v1/responses", False),
        ("opencode", {"name": "APIError", "data": {"message": "x", "statusCode": 503, "isRetryable": True}}, True),
        ("opencode", {"name": "APIError", "data": {"message": "x", "statusCode": 401, "isRetryable": False}}, False),
    ],
)
def test_a_service_that_is_away_is_no_failure_of_the_agent(place: Claude, name: str, said: object, away: bool) -> None:
    failed = (
        {"type": "turn.failed", "error": {"message": said}} if name == "codex" else {"type": "error", "error": said}
    )
    stand_in(place, name, f"print({json.dumps(failed)!r}); sys.exit(1)")
    result = run(place, name)
    assert (result.ok, result.outage) == (False, away)


@pytest.mark.parametrize("went_on", [False, True])
def test_silence_is_an_outage_where_the_last_word_was_of_a_service_that_is_away(place: Claude, went_on: bool) -> None:
    lines = [
        {"type": "error", "message": "Reconnecting... waiting for network (Connection failed: error sending request)"}
    ]
    if went_on:
        lines.append({"type": "item.completed", "item": {"id": "i", "type": "agent_message", "text": "on it"}})
    printed = "\n".join(json.dumps(line) for line in lines)
    said = place.home / "said"
    stand_in(place, "codex", f"print({printed!r}, flush=True); open({str(said)!r}, 'w'); import time; time.sleep(600)")
    place.heard.waiting = lambda _look: not said.exists()  # its silence counts from then on
    result = run(place, "codex", stall=timedelta(seconds=0.3))
    assert (result.ok, result.outage) == (False, not went_on)


@pytest.mark.parametrize("kind", [ClaudeStream, CodexStream, OpencodeStream])
def test_what_is_not_known_stays_as_it_is_and_breaks_nothing(kind: type[ClaudeStream]) -> None:
    stream = kind(Heard())
    for line in (
        "plain words",
        "7",
        "[]",
        "{}",
        '{"type": 7}',
        '{"type": "assistant"}',
        '{"type": "result"}',
        '{"type": "user", "message": {"content": [7]}}',
        '{"type": "item.completed", "item": {"type": "new"}}',
        '{"type": "turn.completed", "usage": {"input_tokens": "many"}}',
        '{"type": "step_finish", "part": {"tokens": null}}',
        '{"type": "stream_event", "event": {"type": "message_start", "message": null}}',
        "[" * 100_000,
    ):
        words = stream.take(line)
        assert words is None or isinstance(words, str)
    assert stream.usage == Usage()


# --- the programs themselves -----------------------------------------------------------------------------------


@pytest.fixture
def claude(place: Claude) -> Claude:
    """The program `claude`, as the SDK's wheel carries it, on the PATH."""
    found = claude_module.program()
    assert found is not None
    (place.home / "bin/claude").symlink_to(found)
    return place


def test_claude_itself(claude: Claude) -> None:
    bash = ("Bash", {"command": "echo hi > made.txt"})
    with claude.api(use(bash, input_tokens=100), text("all done", output_tokens=9)) as api:
        result = run(claude, "claude")
        assert result.ok, result
        assert api.asked[0]["model"] == "some-model"
        resumed = run(claude, "claude", session=result.session, taken=result.usage)
        assert "You were interrupted" in api.words()
    assert (claude.work / "made.txt").read_text() == "hi\n"
    assert (result.usage[:2], result.usage.turns, result.usage.cost > 0) == ((112, 14), 2, True)
    assert resumed.session == result.session
    assert (resumed.usage.turns, resumed.usage.tokens) == (1, 21)  # it counts the session again from its beginning
    assert 0 < resumed.usage.cost < result.usage.cost
    assert claude.heard.words[:2] == ["→ Bash: echo hi > made.txt", "all done"]


def test_claude_itself_in_trouble(claude: Claude) -> None:
    with claude.api(Fault(529)):
        result = run(claude, "claude")
    assert (result.ok, result.outage) == (False, True)


@pytest.mark.parametrize("name", PRESETS)
def test_its_own_help_knows_every_option_that_is_used(name: str) -> None:
    program = claude_module.program() if name == "claude" else shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    preset = PRESETS[name]
    command = [program, *(preset.argv[1:2] if preset.argv[1][0] != "-" else ()), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    known = set(re.findall(r"--?[a-z][a-zA-Z-]*", done.stdout + done.stderr))
    used = {word for part in (preset.argv, preset.model, preset.resume or (), preset.last) for word in part}
    assert {word for word in used if word.startswith("-") and word != "-"} <= known


def test_opencode_itself(place: Claude, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("opencode") is None:
        pytest.skip("opencode is not installed")
    with place.api(use(("bash", {"command": "echo hi > made.txt", "description": "x"})), text("done")) as api:
        options = {"provider": {"anthropic": {"options": {"baseURL": f"{api.url}/v1", "apiKey": "x"}}}}
        monkeypatch.setenv("OPENCODE_CONFIG_CONTENT", json.dumps(options))
        agent = PresetAgent("opencode", Settings("anthropic/claude-sonnet-4-5", ["OPENCODE_CONFIG_CONTENT"]))
        result = agent.run(place.task(), NEVER, place.heard)
    assert result.ok, result
    assert (place.work / "made.txt").read_text() == "hi\n"
    assert (result.usage.turns, result.usage.cost > 0) == (2, True)


# --- what the settings choose ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "kind", "name"),
    [
        ('[daemon]\nagent = "claude"\n[agent]\nmodel = "m"\n', ClaudeAgent, "claude"),
        ('[agent]\npreset = "codex"\nmodel = "m"\n', PresetAgent, "codex"),
        ('[agent]\ncommand = ["true"]\n', CommandAgent, "command"),
        ('[daemon]\nagent = "runbook"\n', RunbookAgent, "runbook"),
    ],
)
def test_the_settings_choose_the_agent(tmp_path: Path, chosen: str, kind: type, name: str) -> None:
    (tmp_path / "coffee-roadmap.toml").write_text(chosen)
    (tmp_path / "ROADMAP.md").write_text("# Roadmap\n")
    with open_project(roadmap=str(tmp_path / "ROADMAP.md")) as operations:
        assert type(operations.agent) is kind
        assert operations.agent.name == name
