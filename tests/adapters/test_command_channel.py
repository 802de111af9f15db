"""The `command` channel: real programs, hostile messages, and programs that hang, shout, leave and break."""

from __future__ import annotations

import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from tests.work.messages_kit import START

from coffee_maker.adapters.command_channel import CommandChannel, text_for
from coffee_maker.core.errors import BadSetting, ChannelFailed
from coffee_maker.core.questions import Kind, Level, Notification, Source, State
from coffee_maker.settings import ChannelSettings

NOTIFICATION = Notification(
    id=7,
    source=Source.DAEMON,
    kind=Kind.INFO,
    level=Level.HIGH,
    title="Build is green",
    message="All 12 checks passed.\nSecond line.",
    context={},
    item="PRIORITY-2",
    options=(),
    state=State.PENDING,
    answer=None,
    answered_by=None,
    answered_via=None,
    answered_at=None,
    deadline=None,
    default=None,
    idempotency_key=None,
    created=START,
    updated=START,
)
SHOW = "import sys, json, os; json.dump([sys.argv[2:], sys.stdin.read(), dict(os.environ)], open(sys.argv[1], 'w'))"


def channel(*argv: str, **more: object) -> CommandChannel:
    return CommandChannel("mine", ChannelSettings(argv=argv)._replace(**more))


def python(code: str, *arguments: str, **more: object) -> CommandChannel:
    return channel(sys.executable, "-c", code, *arguments, **more)


def shown(
    tmp_path: Path, notification: Notification, *arguments: str, **more: object
) -> tuple[list[str], str, dict[str, str]]:
    """What a program sees: its arguments, its standard input, its environment."""
    import json

    out = tmp_path / "out.json"
    assert python(SHOW, str(out), *arguments, **more).send(notification) is None
    argv, text, environment = json.loads(out.read_text())
    return argv, text, environment


# --- what the program is given ---


def test_placeholders_and_text(tmp_path: Path) -> None:
    argv, text, _ = shown(
        tmp_path, NOTIFICATION, "{type} {id}: {title}", "--level={level}", "{item}", "{{id}}", "plain"
    )
    assert argv == ["info 7: Build is green", "--level=high", "PRIORITY-2", "{id}", "plain"]
    assert text == "Build is green\n\nAll 12 checks passed.\nSecond line.\n"


def test_without_title_and_item(tmp_path: Path) -> None:
    argv, text, _ = shown(tmp_path, NOTIFICATION._replace(title="", item=None), "{title}", "{item}")
    assert argv == ["All 12 checks passed. Second line.", ""]
    assert text == "All 12 checks passed.\nSecond line.\n"


def test_a_question_says_how_to_answer() -> None:
    asked = NOTIFICATION._replace(kind=Kind.QUESTION, title="", message="Merge?", options=("Yes", "No"))
    how = "Answer: coffee-roadmap notifications respond 7 ANSWER\n"
    assert text_for(asked) == f"Merge?\n\n1. Yes\n2. No\n\n{how}"
    assert text_for(asked._replace(options=("2", "4"))) == f"Merge?\n\n- 2\n- 4\n\n{how}"
    assert text_for(asked._replace(options=())) == f"Merge?\n\n{how}"


def test_nothing_that_a_message_says_is_run_or_taken_for_an_option(tmp_path: Path) -> None:
    title = "--help; $(touch pwned) `id` {id} \0 \x1b]0;x\a \n'\"" + "x" * 200_000
    argv, text, _ = shown(
        tmp_path, NOTIFICATION._replace(title=title, message="\x1b[2J\0{id}$(id)"), "{title}", "-t{title}"
    )
    assert argv[0].startswith(" --help; $(touch pwned) `id` {id} '\"xxx")
    assert argv[1].startswith("-t--help")
    assert len(argv[0]) < 3000
    assert text.endswith("\n\n{id}$(id)\n")


def test_the_environment_is_an_allow_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s")
    monkeypatch.setenv("DISPLAY", ":1")
    monkeypatch.delenv("LANG", raising=False)
    monkeypatch.setenv("HOME", "/home/ann")
    _, _, environment = shown(tmp_path, NOTIFICATION, environment=("DISPLAY", "NOT_SET"))
    ours = {name: value for name, value in environment.items() if name != "LC_CTYPE"}  # Python sets that itself
    assert ours == {"PATH": os.environ["PATH"], "HOME": "/home/ann", "DISPLAY": ":1"}


def test_a_program_that_does_not_read_its_input_blocks_nobody() -> None:
    assert channel("true").send(NOTIFICATION._replace(message="x" * 5_000_000)) is None


def test_levels() -> None:
    assert channel("true", levels=("critical", "high")).levels == {Level.CRITICAL, Level.HIGH}
    assert channel("true").levels == frozenset()


# --- how it can fail ---


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit(3)", "the command ended with 3."),
        ("import sys; sys.exit('no such\\nuser \\x1b[31m')", "the command ended with 1: no such user."),
        ("import os; os.kill(os.getpid(), 15)", "the command was ended by signal 15."),
        ("print('x' * 10**7, 'the end', flush=True, end=' '); import sys; sys.exit(1)", "xxx the end."),
        ("import os; os.close(1); os.close(2); os._exit(4)", "the command ended with 4."),
    ],
)
def test_a_command_that_fails_says_so(code: str, said: str) -> None:
    with pytest.raises(ChannelFailed) as refused:
        python(code).send(NOTIFICATION)
    assert refused.value.message.startswith("Channel mine could not deliver: the command")
    assert refused.value.message.endswith(said)
    assert len(refused.value.message) < 500


def test_a_program_that_cannot_be_started(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o755)
    for argv, said in (
        (("no-such-program-at-all",), "there is no program no-such-program-at-all"),
        ((str(plain),), f"the program {plain} may not be run"),
        ((str(broken),), f"the program {broken} could not be started (Exec format error)"),
    ):
        with pytest.raises(ChannelFailed) as refused:
            channel(*argv).send(NOTIFICATION)
        assert refused.value.message == f"Channel mine could not deliver: {said}."


def test_a_path_that_may_not_be_looked_into_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory of the program's name stands for one that is closed to us, which there is none of for root."""
    (tmp_path / "bin/no-such-program").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(ChannelFailed, match="there is no program no-such-program"):
        channel("no-such-program").send(NOTIFICATION)


def gone(pid: int) -> bool:
    """Whether a process has ended; a killed orphan may linger as a zombie until its new parent looks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second when it goes while it is looked at
        return True


def ended(pid: int) -> bool:
    deadline = time.monotonic() + 30
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return gone(pid)


@pytest.mark.parametrize("output", ["", "exec >/dev/null 2>&1;"])
def test_at_the_time_limit_the_whole_group_is_killed(tmp_path: Path, output: str) -> None:
    """Also one that has closed its output, and with it the sign by which its end is usually noticed."""
    pids = tmp_path / "pids"
    script = f"{output} trap '' TERM; sleep 1000 & echo $$ $! > {pids}; wait"
    with pytest.raises(ChannelFailed, match="did not end within 5 s and was killed"):
        channel("sh", "-c", script, timeout=timedelta(seconds=5)).send(NOTIFICATION)
    assert all(ended(int(pid)) for pid in pids.read_text().split())


def test_a_command_that_shouts_for_ever_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ChannelFailed, match="did not end within"):
        channel("yes", timeout=timedelta(milliseconds=300)).send(NOTIFICATION)


def test_what_a_command_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    """It holds the output open, as a sound player in the background would."""
    pid = tmp_path / "pid"
    started = time.monotonic()
    assert (
        channel("sh", "-c", f"sleep 1000 & echo $! > {pid}", timeout=timedelta(seconds=60)).send(NOTIFICATION) is None
    )
    assert time.monotonic() - started < 50, "it was waited for until the time limit"
    left = int(pid.read_text())
    assert not gone(left)
    os.kill(left, 9)


def test_an_interrupted_wait_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    mine = channel("sh", "-c", f"echo $$ > {pid}; exec sleep 1000")

    def interrupt(*_: object) -> None:
        deadline = time.monotonic() + 30
        while not (pid.exists() and pid.read_text().strip()) and time.monotonic() < deadline:
            time.sleep(0.01)
        raise KeyboardInterrupt

    monkeypatch.setattr("coffee_maker.adapters.command_channel._run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        mine.send(NOTIFICATION)
    assert ended(int(pid.read_text()))


# --- what is refused before anything is sent ---


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "channel mine: it names no program"),
        (("",), "channel mine: it names no program"),
        (("{title}",), "the program itself cannot come from a message"),
        (("echo", "{titel}"), "unknown placeholder {titel} in '{titel}'; the known ones are {id}, {title}, {level}"),
        (("echo", "{id.real}"), "unknown placeholder {id.real}"),
        (("echo", "{id!r}"), "unknown placeholder {id}"),
        (("echo", "{id:>99999}"), "unknown placeholder {id}"),
        (("echo", "{}"), "unknown placeholder {}"),
        (("echo", "{"), "'{': "),
        (("echo", "a}b"), "'a}b': "),
        (("echo", "a\0b"), "holds a NUL character"),
        (("sh", "-c", "echo {title}"), "would let a message's words run in the shell"),
        (("env", "/bin/bash", "-euc", "echo {title}"), "would let a message's words run in the shell"),
    ],
)
def test_templates_that_could_never_work(argv: tuple[str, ...], said: str) -> None:
    with pytest.raises(BadSetting) as refused:
        channel(*argv)
    assert said in refused.value.message


def test_a_shell_line_takes_words_as_arguments(tmp_path: Path) -> None:
    log = tmp_path / "log"
    channel("sh", "-c", f'echo "$1" >> {log}', "sh", "{title}").send(NOTIFICATION._replace(title="$(id); `id`"))
    assert log.read_text() == "$(id); `id`\n"


@pytest.mark.parametrize("timeout", [timedelta(), timedelta(seconds=61)])
def test_a_time_limit_that_the_outbox_could_not_keep(timeout: timedelta) -> None:
    with pytest.raises(BadSetting, match="its timeout must be more than 0s and at most 60s"):
        channel("true", timeout=timeout)
