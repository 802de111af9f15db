"""What every agent keeps: it tells how it went, stays within its bounds and leaves no process behind."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from tests.fake_messages_api import Api, text, use

from coffee_maker.adapters.agents import keeper, process
from coffee_maker.adapters.agents.claude import ClaudeAgent, Settings
from coffee_maker.adapters.agents.command import CommandAgent
from coffee_maker.adapters.agents.runbook import RunbookAgent
from coffee_maker.core.ports import Agent
from coffee_maker.core.records import Action, AgentResult, Task, Usage


class Flag:
    """A stop that a test sets."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def requested(self) -> str | None:
        return self.reason


NEVER = Flag()


class Heard:
    """A watch that keeps what it hears, and permits everything."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.used = Usage()
        self.sessions: list[str] = []
        self.actions: list[Action] = []
        self.calls: list[tuple[str, Mapping[str, object]]] = []
        self.refuse: str | None = None
        self.looks = 0
        self.waiting: Callable[[int], bool] | None = None  # whether it waits at that look

    def activity(self, words: str) -> None:
        self.words.append(words)

    def usage(self, usage: Usage) -> None:
        self.used = usage

    def session(self, session: str) -> None:
        self.sessions.append(session)

    def waits(self) -> bool:
        self.looks += 1
        return self.waiting is not None and self.waiting(self.looks)

    def permit(self, action: Action) -> str | None:
        self.actions.append(action)
        return self.refuse

    def call(self, tool: str, arguments: Mapping[str, object]) -> Mapping[str, object]:
        self.calls.append((tool, arguments))
        return {}


# With these the keeper, a process of its own, is measured like everything else.
MEASURED = tuple(name for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START") if name in os.environ)


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    if MEASURED:
        monkeypatch.setattr(process, "KEEPER", (sys.executable, "-m", keeper.__name__))


class Bench:
    """One kind of agent, given a shell script to do."""

    grace = 0.3

    def __init__(self, kind: str, tmp_path: Path) -> None:
        self.kind = kind
        self.home = tmp_path
        self.heard = Heard()
        self.work = tmp_path / "work tree"
        self.work.mkdir()

    def agent(self, script: str) -> Agent:
        if self.kind == "runbook":
            return RunbookAgent(names=MEASURED, grace=self.grace)
        if self.kind == "claude":
            (self.home / "script.sh").write_text(script)
            return ClaudeAgent(Settings(names=MEASURED, grace=self.grace))
        path = self.home / "script.sh"
        path.write_text(script)
        return CommandAgent(["sh", "-eu", str(path)], names=MEASURED, grace=self.grace)

    def task(self, script: str = "true", *, timeout: float = 60, max_output: int = 100_000, title: str = "T") -> Task:
        return Task(
            key="PRIORITY-1",
            title=title,
            text=f"## PRIORITY 1: {title}\n\n```sh run\n{script}\n```\n\nmore text\n",
            directory=str(self.work),
            branch="roadmap/PRIORITY-1-t",
            item_file=str(self.home / "scratch/item.md"),
            log=str(self.home / "scratch/run.log"),
            timeout=timedelta(seconds=timeout),
            max_output=max_output,
            answers={},
            environment={"COFFEE_DATA_DIR": "/data/here"},
        )

    def run(self, script: str, stop: Flag = NEVER, **bounds: object) -> AgentResult:
        return self.agent(script).run(self.task(script, **bounds), stop, self.heard)  # type: ignore[arg-type]

    @property
    def short(self) -> float:
        """Seconds that are enough for it to begin."""
        return 4 if self.kind == "claude" else 0.3

    @property
    def short_in_words(self) -> str:
        return "4s" if self.kind == "claude" else "300ms"

    @property
    def log(self) -> bytes:
        return (self.home / "scratch/run.log").read_bytes()


@pytest.fixture(params=["command", "runbook"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(request.param, tmp_path)


@pytest.fixture(params=["command", "runbook", "claude"])
def any_bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """For what holds for an agent that thinks, too: the real Claude Code, whose model wants to run the script."""
    found = Bench(request.param, tmp_path)
    if request.param != "claude":
        yield found
        return
    turns = use(("Bash", {"command": f"sh -eu {shlex.quote(str(tmp_path / 'script.sh'))}"})), text("done")
    with Api(turns).serving() as api:
        environment = {"HOME": tmp_path, "CLAUDE_CONFIG_DIR": tmp_path / "config", "ANTHROPIC_BASE_URL": api.url}
        for name, value in {**environment, "ANTHROPIC_API_KEY": "sk-ant-none"}.items():
            monkeypatch.setenv(name, str(value))
        yield found


@pytest.fixture
def mark(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], list[str]]]:
    """The processes that carry this test's mark in their environment; there are none left at its end."""
    word = f"LC_TEST_MARK={tmp_path}".encode()
    monkeypatch.setenv("LC_TEST_MARK", str(tmp_path))

    def marked() -> list[str]:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
                if alive and entry.name != str(os.getpid()) and word in (entry / "environ").read_bytes():
                    found.append(entry.name)
            except OSError:
                continue
        return found

    yield marked
    assert marked() == []


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_success(bench: Bench) -> None:
    result = bench.run("echo done > made.txt; echo said")
    assert result == AgentResult(True, 0, None, "said")
    assert (bench.work / "made.txt").read_text() == "done\n"
    assert bench.log == b"said\n"


def test_it_is_ready_to_run(any_bench: Bench) -> None:
    assert any_bench.agent("true").check() is None


def test_failure_is_a_result_with_the_exit_code_and_the_end_of_the_output(bench: Bench) -> None:
    result = bench.run("echo first; echo broken >&2; exit 7")
    assert result == AgentResult(False, 7, "it ended with exit code 7", "first\nbroken")


def test_the_first_failing_command_ends_it(bench: Bench) -> None:
    assert not bench.run("false; echo never").ok
    assert bench.log == b""


def test_a_signal_is_told_by_name(bench: Bench) -> None:
    assert bench.run("kill -SEGV $$").reason == "it was ended by signal SIGSEGV"


def test_the_time_limit(any_bench: Bench, mark: Callable[[], list[str]]) -> None:
    result = any_bench.run("sleep 600 & tail -f /dev/null", timeout=any_bench.short)
    assert result.reason == f"it did not end within its time limit of {any_bench.short_in_words}"
    assert not result.ok


def test_a_stop_request(any_bench: Bench, mark: Callable[[], list[str]]) -> None:
    stop = Flag()

    def ask() -> None:
        until(lambda: (any_bench.work / "started").exists())
        stop.reason = "the lease was lost"

    asking = threading.Thread(target=ask)
    asking.start()
    result = any_bench.run("touch started; sleep 600", stop)
    asking.join()
    assert (result.ok, result.reason) == (False, "the lease was lost")


def test_it_may_tidy_up_when_asked_to_end(bench: Bench) -> None:
    bench.grace = 20.0
    bench.heard.waiting = lambda _look: not (bench.work / "ready").exists()  # its time begins then
    bench.run("trap 'echo tidy > tidied; exit 0' TERM; touch ready; while :; do sleep 0.05; done", timeout=0.1)
    assert (bench.work / "tidied").read_text() == "tidy\n"


def test_one_that_ignores_being_asked_is_killed(bench: Bench, mark: Callable[[], list[str]]) -> None:
    result = bench.run("trap '' TERM INT HUP; while :; do sleep 0.05; done", timeout=0.3)
    assert not result.ok


@pytest.mark.parametrize(
    "leave",
    [
        "sleep 600 & true",
        "trap '' TERM HUP; (sleep 600) >/dev/null 2>&1 & true",
        "setsid sleep 600 & true",
        "setsid sh -c 'setsid sleep 600 & setsid sleep 600 & exit 0' >/dev/null 2>&1 </dev/null",
        "nohup setsid sh -c 'trap \"\" TERM; while :; do sleep 0.02; done' >/dev/null 2>&1 </dev/null &",
    ],
)
def test_nothing_that_it_started_is_left(bench: Bench, mark: Callable[[], list[str]], leave: str) -> None:
    result = bench.run(f"{leave}\nsleep 0.1; echo over")
    assert result == AgentResult(True, 0, None, "over")
    assert mark() == []
    assert b"still running and were ended" in bench.log


WITHOUT_ITS_FIRST_THREAD = """
import ctypes, fcntl, os, threading, time

held = os.open("held", os.O_RDWR | os.O_CREAT)
pid = os.fork()
if pid == 0:
    os.setsid()
    for fd in (0, 1, 2):
        os.close(fd)
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Thread(target=time.sleep, args=(60,)).start()
    ctypes.CDLL(None).pthread_exit(None)
while open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0] != "Z":
    time.sleep(0.01)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the keeper is a subreaper on Linux alone")
def test_one_whose_first_thread_has_ended_is_no_dead_one(bench: Bench) -> None:
    """/proc shows it as a zombie; its other threads work on."""
    (bench.home / "threads.py").write_text(WITHOUT_ITS_FIRST_THREAD)
    result = bench.run(f"{sys.executable} {bench.home}/threads.py")
    assert result == AgentResult(True, 0, None, "")
    assert bench.log == b"\n[1 processes were still running and were ended]\n"
    with (bench.work / "held").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_process_that_no_reading_of_proc_shows_is_waited_for() -> None:
    """One that is being born, or whose parent is dying."""
    hidden = (
        "import os, time\n"
        "from coffee_maker.adapters.agents import keeper\n"
        "keeper._descendants = lambda agent: []\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os.setpgid(0, 0)\n"
        "    time.sleep(1)\n"
        "    os._exit(7)\n"
        "left, status = keeper._end_all(child, 20.0)\n"
        "assert os.waitstatus_to_exitcode(status) == 7, status\n"
    )
    subprocess.run([sys.executable, "-c", hidden], check=True, timeout=60)


def test_huge_output_is_bounded_and_its_end_is_kept(bench: Bench) -> None:
    result = bench.run("yes 0123456789 | head -c 20000000 || true; echo the end", max_output=1000)
    assert result.ok
    assert result.output_tail.endswith("the end")
    assert len(bench.log) < 1000 + process.TAIL + 100
    assert bench.log.startswith(b"0123456789\n")
    assert b"19999008 bytes more" in bench.log


def test_output_without_line_ends_is_read_as_fast_as_any() -> None:
    """One that is read slowly is waited for by the program: it had run into its time limit."""

    def taken(data: bytes) -> float:
        lines, began = process._Lines(), time.thread_time()
        for _ in range(400):
            lines.feed(data)
        return time.thread_time() - began

    lined = taken(b"0123456789abcde\n" * 4096)
    assert taken(bytes(65536)) < 5 * lined


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full is Linux's")
def test_a_log_for_which_there_is_no_room_does_not_end_the_run(bench: Bench) -> None:
    (bench.home / "scratch").mkdir()
    (bench.home / "scratch/run.log").symlink_to("/dev/full")
    result = bench.run("echo one; sleep 600 & echo two")
    assert result.ok, result.reason
    assert result.output_tail.endswith("two")


def test_output_without_end_is_ended_by_the_clock(bench: Bench, mark: Callable[[], list[str]]) -> None:
    result = bench.run("yes", timeout=0.3, max_output=1000)
    assert not result.ok


def test_binary_output_is_kept_as_it_is_and_shown_safely(bench: Bench) -> None:
    result = bench.run("printf '\\377\\376\\000\\033[31mred\\n'")
    assert bench.log == b"\xff\xfe\x00\x1b[31mred\n"
    assert "red" in result.output_tail
    assert "\x1b" not in result.output_tail


def test_the_item_comes_in_a_file_and_on_standard_input(bench: Bench) -> None:
    script = 'cmp - "$COFFEE_ITEM_FILE"; grep -q "more text" "$COFFEE_ITEM_FILE"; echo "$COFFEE_ITEM $COFFEE_DATA_DIR"'
    assert bench.run(script) == AgentResult(True, 0, None, "PRIORITY-1 /data/here")


def test_a_person_s_answers_are_in_it(bench: Bench) -> None:
    script = 'tail -n 2 "$COFFEE_ITEM_FILE"'
    task = bench.task(script)._replace(answers={"Which colour?": "green"})
    assert bench.agent(script).run(task, NEVER, bench.heard).output_tail == "- Which colour?\n  green"


def test_input_that_is_not_read_harms_nothing(bench: Bench) -> None:
    script = "exec <&-; sleep 0.1; echo fine"
    task = bench.task(script)
    task = task._replace(text=task.text + "x" * 5_000_000)
    assert bench.agent(script).run(task, NEVER, bench.heard) == AgentResult(True, 0, None, "fine")


def test_hostile_text_stays_text(any_bench: Bench) -> None:
    title = "$(touch pwned) `touch pwned` ; touch pwned \x1b[31m \u202e {item} \0"
    assert any_bench.run("echo quiet", title=title).ok, any_bench.log
    assert [path.name for path in any_bench.work.iterdir()] == []


def test_secrets_of_the_daemon_are_not_passed_on(any_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    assert any_bench.run("env").ok
    assert b"xoxb-1" not in any_bench.log
    assert b"GIT_DIR" not in any_bench.log


def test_it_finds_the_command_to_ask_the_person_with(bench: Bench) -> None:
    assert os.path.dirname(sys.executable).encode() in (bench.run("echo $PATH"), bench.log)[1]


def test_a_work_tree_that_is_gone_is_a_result(any_bench: Bench) -> None:
    task = any_bench.task()._replace(directory=str(any_bench.home / "gone"))
    result = any_bench.agent("true").run(task, NEVER, any_bench.heard)
    assert not result.ok
    assert "could not be started" in (result.reason or "")


def test_one_that_ends_its_keeper_is_told_and_ends_itself(bench: Bench, mark: Callable[[], list[str]]) -> None:
    result = bench.run("kill -9 $PPID; sleep 600")
    assert not result.ok
    assert "its own keeper" in (result.reason or "")
    until(lambda: not mark())


def test_one_that_stops_its_keeper_is_ended_all_the_same(
    bench: Bench, mark: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_KEEPER_PATIENCE", 0.1)
    bench.heard.waiting = lambda _look: not (bench.work / "stopped").exists()  # its time begins then
    assert not bench.run("kill -STOP $PPID; touch stopped; exec sleep 600", timeout=0.1).ok
    until(lambda: not mark())


def test_it_dies_with_the_daemon(any_bench: Bench, mark: Callable[[], list[str]]) -> None:
    """kill -9 of the daemon: the kernel closes the lifeline, and the keeper ends all."""
    script = f"setsid sleep 600 & touch '{any_bench.work}/started'; sleep 600"
    daemon = (
        "import sys\n"
        f"sys.path.insert(0, {os.getcwd()!r})\n"
        "from pathlib import Path\n"
        "from tests.contract.test_agents import Bench, Heard, NEVER\n"
        "bench = Bench.__new__(Bench); bench.heard = Heard()\n"
        f"bench.kind, bench.home = {any_bench.kind!r}, Path({str(any_bench.home)!r})\n"
        f"bench.work = Path({str(any_bench.work)!r})\n"
        f"bench.run({script!r})\n"
    )
    running = subprocess.Popen([sys.executable, "-c", daemon])
    until(lambda: (any_bench.work / "started").exists())
    running.kill()
    running.wait()
    until(lambda: not mark())


# --- what is each one's own ------------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path: Path) -> Bench:
    return Bench("command", tmp_path)


@pytest.fixture
def runbook(tmp_path: Path) -> Bench:
    return Bench("runbook", tmp_path)


def test_command_fills_in_its_placeholders_as_data(command: Bench) -> None:
    argv = ["printf", "%s\n", "{item}", "<{title}>", "{item_file}", "{worktree}", "{branch}", "{other} {}"]
    task = command.task(title="$(id) {item}")
    assert CommandAgent(argv).run(task, NEVER, Heard()).output_tail.splitlines() == [
        "PRIORITY-1",
        "<$(id) {item}>",
        task.item_file,
        task.directory,
        task.branch,
        "{other} {}",
    ]


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        ([], "no command is configured"),
        (["no-such-agent-program"], "the program no-such-agent-program was not found on the PATH"),
        (["/etc/passwd"], "/etc/passwd cannot be executed"),
    ],
)
def test_command_without_its_program_says_so(command: Bench, argv: list[str], problem: str) -> None:
    agent = CommandAgent(argv)
    assert agent.check() == problem
    assert agent.run(command.task(), NEVER, Heard()) == AgentResult(False, None, problem, "")


def test_a_program_that_cannot_be_run_after_all(command: Bench) -> None:
    broken = command.home / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    result = CommandAgent([str(broken)]).run(command.task(), NEVER, Heard())
    assert result.exit_code == 127
    assert "No such file" in result.output_tail


def test_command_passes_the_variables_that_are_named(command: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "passed")
    agent = CommandAgent(["sh", "-c", "echo $MY_KEY"], names=["MY_KEY"])
    assert agent.run(command.task(), NEVER, Heard()).output_tail == "passed"


NO_RUNBOOK = {
    "none": "text only",
    "another language": "```sh\ntouch ran\n```",
    "unclosed": "```sh run\ntouch ran",
    "in another fence": "````md\n```sh run\ntouch ran\n```\n````",
    "in a comment": "<!--\n```sh run\ntouch ran\n```\n-->",
    "indented code": "text\n\n    ```sh run\n    touch ran\n    ```",
    "quoted": "> ```sh run\n> touch ran\n> ```",
    "more words": "```sh run now\ntouch ran\n```",
}


@pytest.mark.parametrize("text", NO_RUNBOOK.values(), ids=NO_RUNBOOK)
def test_runbook_refuses_what_is_no_block_to_run(runbook: Bench, text: str) -> None:
    result = RunbookAgent().run(runbook.task()._replace(text=f"## PRIORITY 1: T\n\n{text}\n"), NEVER, Heard())
    assert result == AgentResult(False, None, "the item has no fenced block that begins with ```sh run", "")
    assert not list(runbook.work.iterdir())


def test_runbook_runs_all_blocks_of_the_item_in_their_order(runbook: Bench) -> None:
    text = "~~~sh run\nA=1\n~~~\n\n- a list:\n\n  ```sh run\n  if true; then\n    echo $A\n  fi\n  ```\n"
    result = RunbookAgent().run(runbook.task()._replace(text=text), NEVER, Heard())
    assert result == AgentResult(True, 0, None, "1")


def test_keeper_without_proc_knows_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_path: str) -> list[str]:
        raise FileNotFoundError

    monkeypatch.setattr(os, "listdir", none)
    child = subprocess.Popen(["sleep", "600"], start_new_session=True)
    assert keeper._descendants(child.pid) == [-child.pid]
    keeper._kill([-child.pid], child.pid)
    assert child.wait() == -9
    assert keeper._descendants(child.pid) == []


DIES_DURING_THE_READING = """
import builtins, os, signal, subprocess, sys
from coffee_maker.adapters.agents import keeper

keeper._prctl()(keeper._SUBREAPER, 1)
program = "sleep 600 >/dev/null 2>&1 & echo $!; read wait"
parent = subprocess.Popen(["sh", "-c", program], stdin=-1, stdout=-1, text=True)
child = parent.stdout.readline().strip()
listed, readings = os.listdir, []

def child_first(path):  # as they are listed when the numbers of processes have begun again
    return sorted(listed(path), key=lambda name: name != child)

def opened(path, mode):
    if path == f"/proc/{parent.pid}/stat" and not readings:
        os.kill(parent.pid, signal.SIGKILL)
        os.waitid(os.P_PID, parent.pid, os.WEXITED | os.WNOWAIT)
        readings.append(path)
    return builtins.open(path, mode)

os.listdir, keeper.open = child_first, opened
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the keeper is a subreaper on Linux alone")
def test_a_child_whose_parent_dies_while_the_keeper_looks_is_found() -> None:
    script = DIES_DURING_THE_READING + "print(keeper._descendants(parent.pid) == [int(child)]); os.kill(int(child), 9)"
    seen = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (seen.stdout, seen.stderr) == ("True\n", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the keeper is a subreaper on Linux alone")
def test_a_child_that_the_keeper_did_not_see_is_ended() -> None:
    """One that was born after the processes were listed, by a parent that died before it was looked at."""
    script = (
        DIES_DURING_THE_READING
        + """
def without_the_child(path):
    return [name for name in listed(path) if name != child or readings]

os.listdir = without_the_child
keeper._end_all(parent.pid, 0.0)
print(os.path.exists(f"/proc/{child}"))
"""
    )
    seen = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (seen.stdout, seen.stderr) == ("False\n", "")


def test_one_that_says_nothing_is_ended(any_bench: Bench, mark: Callable[[], list[str]]) -> None:
    script = "echo first; sleep 600"
    task = any_bench.task(script)._replace(stall=timedelta(seconds=any_bench.short))
    if any_bench.kind != "claude":
        any_bench.heard.waiting = lambda _look: not any_bench.heard.words  # its silence counts from its word on
    result = any_bench.agent(script).run(task, NEVER, any_bench.heard)
    assert (result.ok, result.reason) == (False, f"it said nothing for {any_bench.short_in_words}")
    assert any_bench.kind == "claude" or any_bench.heard.words == ["first"]
    assert mark() == []


def test_a_later_attempt_is_told_what_became_of_those_before(tmp_path: Path) -> None:
    bench = Bench("command", tmp_path)
    task = bench.task("cat > told.md")._replace(
        answers={"Which?": "blue"}, earlier=("Attempt 1: the tests failed\n\nE assert 1 == 2",)
    )
    assert bench.agent("cat > told.md").run(task, NEVER, bench.heard).ok
    told = (bench.work / "told.md").read_text()
    assert told == Path(task.item_file).read_text()
    assert told.endswith(
        "more text\n\n## Answers\n\n- Which?\n  blue\n\n## Earlier attempts\n\n"
        "- Attempt 1: the tests failed\n  \n  E assert 1 == 2\n"
    )


def test_the_time_of_one_that_waits_for_a_person_stands_still(any_bench: Bench, mark: Callable[[], list[str]]) -> None:
    """It waits for many times its limits, by the looks that are taken at it."""
    script = "echo first; while [ ! -e answer ]; do sleep 0.02; done; echo done > done.txt"
    answer, started = any_bench.work / "answer", time.monotonic()

    def waiting(_look: int) -> bool:
        if time.monotonic() - started > 4 * any_bench.short:
            answer.touch()
        return True

    any_bench.heard.waiting = waiting
    short = timedelta(seconds=any_bench.short)
    task = any_bench.task(script, timeout=any_bench.short)._replace(stall=short)
    result = any_bench.agent(script).run(task, NEVER, any_bench.heard)
    assert result.ok, result
    assert (any_bench.work / "done.txt").exists()
    assert mark() == []


def test_one_whose_daemon_is_frozen_is_ended(any_bench: Bench, mark: Callable[[], list[str]], tmp_path: Path) -> None:
    """SIGSTOP of the daemon: its lease will run out, and by then nothing of its agent may be at work any more."""
    script = "echo $$ > pid; sleep 600"
    program = (
        "from datetime import timedelta; from pathlib import Path\n"
        "from tests.contract.test_agents import NEVER, Bench, Heard\n"
        f"bench = Bench.__new__(Bench); bench.heard = Heard(); bench.kind = {any_bench.kind!r}\n"
        f"bench.home = Path({str(any_bench.home)!r}); bench.work = Path({str(any_bench.work)!r})\n"
        f"task = bench.task({script!r})._replace(watchdog=timedelta(seconds=5))\n"
        f"bench.agent({script!r}).run(task, NEVER, bench.heard)\n"
    )
    daemon = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2])
    try:
        until(lambda: (any_bench.work / "pid").exists() and (any_bench.work / "pid").read_text().strip())
        agent = Path("/proc") / (any_bench.work / "pid").read_text().strip()
        time.sleep(6)  # longer than the watchdog: as long as the daemon lives, so does its agent
        assert agent.exists()
        daemon.send_signal(signal.SIGSTOP)
        until(lambda: not agent.exists())
    finally:
        daemon.kill()
        daemon.wait()
    until(lambda: not mark())
