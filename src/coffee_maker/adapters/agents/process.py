"""Running a program under a keeper: bounded in time and in what it says, and nothing of it left when `run` returns."""

from __future__ import annotations

import os
import select
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import IO, NamedTuple

from coffee_maker.adapters.agents.talk import Talk
from coffee_maker.core.ports import Stop, Watch
from coffee_maker.core.records import AgentResult
from coffee_maker.utils.durations import format_duration
from coffee_maker.utils.text import one_line, printable

# Nothing but the standard library, so it starts in 10 ms, whatever is installed.
KEEPER = (sys.executable, "-I", "-S", os.path.join(os.path.dirname(os.path.abspath(__file__)), "keeper.py"))
TAIL = 4000  # bytes of output that go into a report
_GRACE = 5.0  # seconds between asking to end and killing
_LOOK = 0.1  # seconds between looks at `stop` and the clock
_CHUNK = 65536
_KEEPER_PATIENCE = 10.0  # seconds beyond the grace in which the keeper must have ended everything
_TELL = 1.0  # seconds between two lines that are told as activity
_ACTIVITY = 160  # characters of one
_LONGEST_LINE = 4_000_000  # bytes
_DRAIN = 2.0  # seconds for reading what is left in the pipe
_WORDS = 3  # of the keeper's whole report
_FAREWELL = 2.0  # seconds that a program which was told to end gets before it is ended
# What any program needs to find its files and speak the person's language; secrets are passed by name only.
_ALLOWED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TERM")
_ALLOWED_PREFIXES = ("LC_", "XDG_")


inherited: list[int] = []
"""Descriptors that every keeper holds open, and no program that it keeps: see `adapters.liveness`."""


class Program(NamedTuple):
    """What to run and its bounds."""

    argv: Sequence[str]
    directory: str
    environment: Mapping[str, str]
    stdin: bytes
    log: str  # file that takes the output
    timeout: float  # seconds
    max_output: int  # bytes in the log; more is read and dropped
    grace: float = _GRACE
    stall: float | None = None  # seconds of silence after which it is ended
    watchdog: float | None = None  # seconds: see `keeper`
    talk: Talk | None = None  # keeps its standard input open after `stdin` was written


def environment(environ: Mapping[str, str], names: Sequence[str], extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of an agent: the allowed variables, those named in the settings, and our own.

    The directory of this very program is put at the end of PATH, so that the agent finds `coffee-roadmap` to ask the
    person with (``coffee-roadmap notify --type question --wait …``).
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name in _ALLOWED or name in names or name.startswith(_ALLOWED_PREFIXES)
    }
    path = kept.get("PATH", os.defpath)
    return {**kept, "PATH": f"{path}{os.pathsep}{os.path.dirname(sys.executable)}", **extra}


def missing(argv: Sequence[str], path: str | None = None) -> str | None:
    """Why the program cannot be started, or None."""
    if not argv or not argv[0]:
        return "no command is configured"
    if os.sep in argv[0]:
        return None if os.access(argv[0], os.X_OK) and os.path.isfile(argv[0]) else f"{argv[0]} cannot be executed"
    return None if shutil.which(argv[0], path=path) else f"the program {argv[0]} was not found on the PATH"


SILENT = "it said nothing for"  # the beginning of the reason when a program was ended because of its silence
# Takes a line that the program printed; gives what the log is to hold in its place, None for the line itself.
Reader = Callable[[str], str | None]


def run(program: Program, stop: Stop, watch: Watch, take: Reader | None = None) -> AgentResult:
    """Run to the end, to a limit or to the stop; all of its processes are gone afterwards (see `keeper`). Every line
    that it prints goes to `take`, for programs that speak of themselves; without it the last one is told as activity.
    """
    lifeline_end, lifeline = os.pipe()
    report, report_end = os.pipe()
    keeper = [*KEEPER, str(lifeline_end), str(report_end), str(program.grace), str(program.watchdog or 0)]
    with open(lifeline, "wb", 0) as alive, open(report, "rb", 0) as told, open(program.log, "wb", 0) as log:
        try:
            process = subprocess.Popen(
                [*keeper, *program.argv],
                cwd=program.directory,
                env=dict(program.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                pass_fds=(lifeline_end, report_end, *inherited),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return AgentResult(False, None, f"{program.argv[0]} could not be started: {error}", "")
        finally:
            os.close(lifeline_end)
            os.close(report_end)
        os.set_blocking(alive.fileno(), False)
        output = _Output(log, program.max_output, _Told(watch) if take is None else _Read(take))
        with process:
            loop = _Loop(process, output, program, alive, told, watch)
            try:
                loop.until_the_end(stop)
            finally:  # also when we are interrupted: the keeper ends everything
                alive.close()
        output.close(loop.left)
    return AgentResult(*_judge(loop), output_tail=printable(output.tail.decode(errors="replace")).strip())


class _Lines:
    """Whole lines out of pieces; of one that is too long, the end. What is no line yet grows in place: made anew with
    each piece, output without line ends (zeros, an archive) was read twenty times slower than other output."""

    def __init__(self) -> None:
        self.rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = bytes(self.rest) + lines[0]
            self.rest.clear()
        self.rest += rest
        del self.rest[:-_LONGEST_LINE]
        return lines


class _Told:
    """The output as it is; its newest line is told once in a while, as a sign of life."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._lines = _Lines()
        self._told = 0.0

    def feed(self, data: bytes) -> bytes:
        lines = self._lines.feed(data)
        if lines and time.monotonic() - self._told > _TELL:
            words = one_line(lines[-1].decode(errors="replace"), _ACTIVITY)
            if words:
                self._watch.activity(words)
                self._told = time.monotonic()
        return data

    def rest(self) -> bytes:
        return b""


class _Read:
    """The output line by line, in the words of who reads it."""

    def __init__(self, take: Reader) -> None:
        self._take = take
        self._lines = _Lines()

    def feed(self, data: bytes) -> bytes:
        return b"".join(map(self._shown, self._lines.feed(data)))

    def rest(self) -> bytes:
        """What the last line said, if it had no end."""
        return self._shown(bytes(self._lines.rest)) if self._lines.rest else b""

    def _shown(self, line: bytes) -> bytes:
        words = self._take(line.decode(errors="replace"))
        if words is None:
            return line + b"\n"
        return words.encode(errors="replace") + b"\n" if words else b""


class _Output:
    """The bounded log: what came first, a note of how much was left out, and what came last."""

    def __init__(self, log: IO[bytes], limit: int, lines: _Told | _Read) -> None:
        self._log = log
        self._limit = limit
        self._lines = lines
        self._size = 0
        self.tail = b""

    def _write(self, data: bytes) -> None:
        """A full disk must not end the work: what the log cannot take is left out."""
        with suppress(OSError):
            self._log.write(data)

    def take(self, data: bytes) -> None:
        self._keep(self._lines.feed(data))

    def _keep(self, data: bytes) -> None:
        self._write(data[: max(self._limit - self._size, 0)])
        self._size += len(data)
        self.tail = (self.tail + data)[-TAIL:]

    def close(self, left: int) -> None:
        self._keep(self._lines.rest())
        if self._size > self._limit:
            self._write(f"\n[{self._size - self._limit} bytes more; the end was:]\n".encode() + self.tail)
        if left:
            self._write(f"\n[{left} processes were still running and were ended]\n".encode())


class _Loop:
    """One run: feeds it, reads it, looks at the clock and at `stop`, and hears from the keeper that all is over."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        output: _Output,
        program: Program,
        alive: IO[bytes],
        told: IO[bytes],
        watch: Watch,
    ) -> None:
        self._process = process
        self._output = output
        self._program = program
        self._alive = alive
        self._told = told
        self._watch = watch
        self._pending = bytearray(program.stdin)
        self._report = b""
        self._over = False
        self.ended_because: str | None = None
        self.code: int | None = None
        self.left = 0
        self._heard = self._ticked = self._looked = time.monotonic()

    def until_the_end(self, stop: Stop) -> None:
        deadline = time.monotonic() + self._program.timeout
        with selectors.DefaultSelector() as selector:
            self._register(selector)
            while not self._over:
                for key, _events in selector.select(_LOOK):
                    key.data(selector)
                self._tick()
                if self.ended_because is None:
                    deadline = self._look(stop, deadline)
                elif time.monotonic() > deadline:
                    if self._alive.closed:  # the keeper itself does not answer any more
                        self._process.kill()
                        break
                    deadline = self._end()
            self._drain(selector)
        words = self._report.split()
        if len(words) == _WORDS:
            self.code, self.left = int(words[1]), int(words[2])
        elif len(words) == 1:  # the keeper is gone without a word: end the program's group in its place
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(int(words[0]), signal.SIGKILL)

    def _register(self, selector: selectors.BaseSelector) -> None:
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("the streams are pipes")
        os.set_blocking(self._process.stdin.fileno(), False)
        selector.register(self._process.stdin, selectors.EVENT_WRITE, self._feed)
        selector.register(self._process.stdout, selectors.EVENT_READ, self._read)
        selector.register(self._told, selectors.EVENT_READ, self._hear)
        if self._program.talk is not None:
            selector.register(self._program.talk.woken, selectors.EVENT_READ, self._listen)

    def _look(self, stop: Stop, deadline: float) -> float:
        """End the run when it is time or told so; the deadline that counts from now on."""
        reason, now, stall, talk = stop.requested(), time.monotonic(), self._program.stall, self._program.talk
        if self._watch.waits() or (talk is not None and talk.waits):
            deadline += now - self._looked
            self._heard = now
        self._looked = now
        if reason is None and now > deadline:
            limit = format_duration(timedelta(seconds=self._program.timeout))
            reason = f"it did not end within its time limit of {limit}"
        if reason is None and stall is not None and now - self._heard > stall:
            reason = f"{SILENT} {format_duration(timedelta(seconds=stall))}"
        if reason is None or self._over or self._has_report():
            return deadline
        self.ended_because = reason
        if talk is None or talk.farewell is None:
            return self._end()
        talk.say(talk.farewell())
        return now + min(self._program.grace, _FAREWELL)

    def _has_report(self) -> bool:
        """Whether the keeper has told something that is not read yet: of a program that has ended by itself, perhaps
        while this process was frozen, nobody has to say that it was ended."""
        look = select.poll()
        look.register(self._told, select.POLLIN)
        return bool(look.poll(0))

    def _end(self) -> float:
        """Have the keeper end it; until when it must have done so."""
        self._alive.close()
        return time.monotonic() + self._program.grace + _KEEPER_PATIENCE

    def _tick(self) -> None:
        """Tell the keeper that the daemon lives."""
        watchdog, now = self._program.watchdog, time.monotonic()
        if watchdog and self.ended_because is None and now - self._ticked > watchdog / 5:
            self._ticked = now
            with suppress(BlockingIOError, BrokenPipeError):
                os.write(self._alive.fileno(), b".")

    def _feed(self, selector: selectors.BaseSelector) -> None:
        stdin = self._process.stdin
        try:
            written = os.write(stdin.fileno(), self._pending[:_CHUNK]) if stdin and self._pending else 0
        except BlockingIOError:
            return
        except BrokenPipeError:  # it does not read its input, which is its right
            self._pending.clear()
            written = 0
        del self._pending[:written]
        if stdin and not self._pending:
            selector.unregister(stdin)
            if self._program.talk is None:
                stdin.close()

    def _listen(self, selector: selectors.BaseSelector) -> None:
        """Something is to be said to it."""
        stdin = self._process.stdin
        self._pending += self._program.talk.take() if self._program.talk else b""
        if stdin and self._pending and stdin not in selector.get_map():
            selector.register(stdin, selectors.EVENT_WRITE, self._feed)

    def _read(self, selector: selectors.BaseSelector) -> None:
        stdout = self._process.stdout
        data = os.read(stdout.fileno(), _CHUNK) if stdout else b""
        if data:
            self._heard = time.monotonic()
            self._output.take(data)
        elif stdout:
            selector.unregister(stdout)

    def _hear(self, selector: selectors.BaseSelector) -> None:
        data = os.read(self._told.fileno(), 100)
        self._report += data
        if not data or len(self._report.split()) == _WORDS:
            selector.unregister(self._told)
            self._over = True

    def _drain(self, selector: selectors.BaseSelector) -> None:
        """Take what is still in the pipe. One that got away may hold it open for ever, so silence ends it too."""
        until = time.monotonic() + _DRAIN
        while time.monotonic() < until:
            ready = [key for key, _events in selector.select(0) if key.fileobj is self._process.stdout]
            if not ready:
                return
            self._read(selector)


def _judge(watch: _Loop) -> tuple[bool, int | None, str | None]:
    """Whether it went well, the exit code, and why not."""
    if watch.ended_because is not None:
        return False, watch.code, watch.ended_because
    if watch.code == 0:
        return True, 0, None
    return False, watch.code, _own_end(watch.code)


def by_itself(result: AgentResult) -> bool:
    """Whether a program that failed ended by itself: nobody had it ended."""
    return result.reason == _own_end(result.exit_code)


def _own_end(code: int | None) -> str:
    if code is None:
        return "it ended its own keeper, so nothing is known about it"
    if code < 0:
        return f"it was ended by signal {_signal_name(-code)}"
    return f"it ended with exit code {code}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
