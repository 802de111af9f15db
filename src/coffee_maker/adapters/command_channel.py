"""The `command` channel: any program brings a notification to a person (`notify-send`, `mail`, a script of their own).

The program is an argument list and never a shell line: what a message says is put inside single arguments, so it can
name no program, open no second argument and expand nothing. It gets the text on standard input, an environment of a
few named variables, a time limit, and no terminal. The same notification may be sent twice (a worker that was killed
right after sending); its number, ``{id}``, tells a repetition.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import string
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from coffee_maker.core.errors import BadSetting, ChannelFailed
from coffee_maker.core.questions import SEND_LIMIT, Kind, Level, Notification, numbered
from coffee_maker.settings import ChannelSettings
from coffee_maker.utils.text import one_line, printable

PLACEHOLDERS = ("id", "title", "level", "type", "item")
PASSED_ON = ("PATH", "HOME", "LANG")
"""Environment variables that every command gets; others (a token, DISPLAY) are named in the settings, on purpose."""

_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "fish"})
_SHELL_LINE = re.compile("-[a-z]*c")
_LONGEST_ARGUMENT = 2000  # characters; the system's own limit is 128 KB for one argument
_OUTPUT_KEPT = 4096  # bytes, the last ones: enough for what went wrong
_OUTPUT_TOLD = 300  # characters of it, the last ones too: a traceback ends with its sentence
_CHUNK = 65536
_LOOK = 0.05  # seconds between looks at a command that has gone on holding its output open


class CommandChannel:
    """Runs one command for each notification."""

    def __init__(self, name: str, settings: ChannelSettings) -> None:
        """`argv` is a template: ``["notify-send", "--", "{title}", "{type} {id}"]`` (``{{`` is a brace). Raises
        `BadSetting` for what could never work, before anything is sent."""
        where = f"channel {name}"
        self.name = name
        self.levels = frozenset(Level(level) for level in settings.levels)
        self._template = _checked(settings.argv, where)
        if not timedelta() < settings.timeout <= SEND_LIMIT:
            limit = f"{SEND_LIMIT.total_seconds():g}s"
            raise BadSetting(where=where, problem=f"its timeout must be more than 0s and at most {limit}")
        self._timeout = settings.timeout
        self._environment = (*PASSED_ON, *settings.environment)

    def send(self, notification: Notification) -> str | None:
        """Run the command; it has delivered when it ends with 0. Raises `ChannelFailed`. No outside id."""
        argv = [_filled(element, _values(notification)) for element in self._template]
        environment = {name: os.environ[name] for name in self._environment if name in os.environ}
        with tempfile.TemporaryFile() as text:  # a file, not a pipe: a command that does not read blocks nobody
            text.write(text_for(notification).encode())
            text.seek(0)
            try:
                process = subprocess.Popen(
                    argv,
                    stdin=text,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise self._failed(_not_started(argv[0], error)) from None
        with process:
            code, output = self._watched(process)
        if code != 0:
            said = one_line(output.decode(errors="replace"))[-_OUTPUT_TOLD:].lstrip()
            how = f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
            raise self._failed(f"the command {how}" + (f": {said}" if said else ""))
        return None

    def _watched(self, process: subprocess.Popen[bytes]) -> tuple[int, bytes]:
        """Wait for the end; the exit code and the end of the output. On anything else than a normal end, the time
        limit above all, the whole process group is killed."""
        try:
            return _run(process, time.monotonic() + self._timeout.total_seconds())
        except TimeoutError:
            _kill_group(process)
            seconds = f"{self._timeout.total_seconds():g} s"
            raise self._failed(f"the command did not end within {seconds} and was killed") from None
        except BaseException:
            _kill_group(process)
            raise

    def _failed(self, problem: str) -> ChannelFailed:
        return ChannelFailed(channel=self.name, problem=problem)


def text_for(notification: Notification) -> str:
    """What the command reads: title and message, and for a question its options and how to answer; made safe to show,
    since a program that passes it on to a terminal or a page cannot know that others wrote it."""
    parts = [one_line(notification.title), printable(notification.message)]
    if notification.kind is Kind.QUESTION:
        signs = [f"{number}." for number, _ in enumerate(notification.options, 1)]
        if not numbered(notification.options):
            signs = ["-"] * len(signs)
        parts.append(
            "\n".join(f"{sign} {one_line(option)}" for sign, option in zip(signs, notification.options, strict=True))
        )
        parts.append(f"Answer: coffee-roadmap notifications respond {notification.id} ANSWER")
    return "\n\n".join(part for part in parts if part) + "\n"


def _values(notification: Notification) -> dict[str, str]:
    return {
        "id": str(notification.id),
        "title": notification.title or notification.message,
        "level": notification.level.value,
        "type": notification.kind.value,
        "item": notification.item or "",
    }


def _filled(element: str, values: dict[str, str]) -> str:
    """One argument. Only what a person can see is put in, so no NUL either. A title that begins with a dash gets a
    space in front where it would begin the argument: it is text, and the program must not take it for an option."""
    safe = {name: one_line(value, _LONGEST_ARGUMENT) for name, value in values.items()}
    filled = element.format_map(safe)
    return f" {filled}" if filled.startswith("-") and not element.startswith("-") else filled


def _checked(argv: Sequence[str], where: str) -> tuple[str, ...]:
    if not argv or not argv[0]:
        raise BadSetting(where=where, problem="it names no program")
    for place, element in enumerate(argv):
        names = _placeholders(element, where)
        if names and place == 0:
            raise BadSetting(where=where, problem="the program itself cannot come from a message")
        if (
            names
            and _SHELL_LINE.fullmatch(argv[place - 1])
            and any(os.path.basename(a) in _SHELLS for a in argv[:place])
        ):
            raise BadSetting(
                where=where,
                problem=f"{element!r} would let a message's words run in the shell",
                hint='Give them to it as arguments: ["sh", "-c", "echo \\"$1\\" >> log", "sh", "{title}"].',
            )
    return tuple(argv)


def _placeholders(element: str, where: str) -> list[str]:
    """The placeholders of one argument; only plain known names, no format or attribute."""
    if "\0" in element:
        raise BadSetting(where=where, problem=f"{element!r} holds a NUL character")
    try:
        parts = list(string.Formatter().parse(element))
    except ValueError as error:
        raise BadSetting(where=where, problem=f"{element!r}: {error}", hint="Write {{ and }} for braces.") from None
    names = [name for _, name, _, _ in parts if name is not None]
    for _, name, form, conversion in parts:
        if name is not None and (name not in PLACEHOLDERS or form or conversion):
            known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
            problem = f"unknown placeholder {{{name}}} in {element!r}; the known ones are {known}"
            raise BadSetting(where=where, problem=problem, hint="Write {{ and }} for braces.")
    return names


def _not_started(program: str, error: OSError) -> str:
    # The kernel says of a directory on the PATH that is closed to us what it says of a program that may not be run.
    found = os.sep in program or any(os.path.isfile(os.path.join(one, program)) for one in os.get_exec_path())
    if isinstance(error, FileNotFoundError) or not found:
        return f"there is no program {program}"
    if isinstance(error, PermissionError):
        return f"the program {program} may not be run"
    return f"the program {program} could not be started ({error.strerror})"


def _run(process: subprocess.Popen[bytes], deadline: float) -> tuple[int, bytes]:
    """Read and forget all output but its end, until the command has ended; TimeoutError at the deadline. What it left
    running in the background may hold the output open: that is not waited for."""
    assert process.stdout is not None
    kept = b""
    os.set_blocking(process.stdout.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            code = process.poll()
            left = deadline - time.monotonic()
            if code is None and left <= 0:
                raise TimeoutError
            ready = selector.select(0 if code is not None else min(left, _LOOK))
            chunk = os.read(process.stdout.fileno(), _CHUNK) if ready else None
            kept = (kept + (chunk or b""))[-_OUTPUT_KEPT:]
            if code is not None and (not chunk or left <= 0):
                return code, kept
            if chunk == b"":
                return _ended(process, left), kept


def _ended(process: subprocess.Popen[bytes], seconds: float) -> int:
    """The exit code of a command that has closed its output."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise TimeoutError from None


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the command and all it started; it is its own session's leader, so the group bears its number."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
