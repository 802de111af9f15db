"""What a tool call of an agent is about to do, in the kinds of the project's policy.

It keeps an agent that means well to the rules and has it ask; the wall against one that does not is the sandbox, since
a program that the agent writes and runs is not looked into. What cannot be understood (a program's name that is made at
run time, a text piped into a shell, a tool nobody knows) counts as `network`, the widest of the kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from coffee_maker.core import programs, shell, wrappers
from coffee_maker.core.records import Action
from coffee_maker.core.shell_words import UNKNOWN, Command, Unreadable

Kind = Literal["new_dependency", "network", "push", "pull_request"]

_WRITING_TOOLS: Mapping[str, str] = {"Write": "file_path", "Edit": "file_path", "NotebookEdit": "notebook_path"}
_SHELL_TOOLS = frozenset(("Bash", "Monitor"))
_NETWORK_TOOLS: Mapping[str, str] = {"WebFetch": "url", "WebSearch": "query"}
_HARMLESS_TOOLS = frozenset(
    ("Read", "Glob", "Grep", "LS", "Task", "Agent", "TaskStop", "TaskOutput", "BashOutput", "KillShell", "TodoWrite")
) | {"NotebookRead", "ToolSearch", "TaskCreate", "TaskUpdate", "TaskList", "TaskGet", "StructuredOutput"}
# Places outside the work tree that hold nothing of anybody's.
_NOWHERE = frozenset(("/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty"))
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh", "ash", "fish"))
_APPENDING = frozenset(("xargs", "parallel"))  # they add words that only they know
_DEPTH = 8


class Ground(NamedTuple):
    """Where an agent may write. Paths are absolute, without links."""

    tree: str  # its work tree
    resolve: Callable[[str, str], str]  # a path as the agent wrote it, and the directory it is meant from
    scratch: Sequence[str] = ("/tmp",)  # noqa: S108 - directories for what is thrown away


class Judgement(NamedTuple):
    """What a tool call comes to: the actions that the policy speaks about, and why it is refused whatever that says."""

    actions: tuple[Action, ...] = ()
    refusal: str | None = None


def judge(tool: str, arguments: Mapping[str, object], ground: Ground) -> Judgement:
    """What the call would do. Without actions and refusal it may go ahead."""
    if tool in _HARMLESS_TOOLS:
        return Judgement()
    if tool in _SHELL_TOOLS:
        line = arguments.get("command")
        return _judge_line(line, ground) if isinstance(line, str) else _unclear(tool, "it names no command")
    if tool in _WRITING_TOOLS:
        path = arguments.get(_WRITING_TOOLS[tool])
        if not isinstance(path, str) or not path:
            return Judgement(refusal="it names no file")
        return Judgement(refusal=_why_not_written(path, ground.tree, ground))
    if tool in _NETWORK_TOOLS:
        what = arguments.get(_NETWORK_TOOLS[tool])
        return Judgement((Action("network", f"{tool} {what}", ""),))
    return _unclear(tool, "this tool is not known")


def _unclear(what: str, why: str) -> Judgement:
    return Judgement((Action("network", what, f"{why}, so it counts as one that may reach the network"),))


# --- command lines ---------------------------------------------------------------------------------------------


def _judge_line(line: str, ground: Ground) -> Judgement:
    looker = _Looker(ground)
    try:
        looker.look_at(line)
    except Unreadable as error:
        looker.add("network", line.strip(), f"it cannot be taken apart ({error}), so it counts as network")
    return Judgement(tuple(looker.actions(line)), looker.refusal)


class _Looker:
    """Goes through the commands of a line, in their order, and through the lines that these pass to other shells."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.base = ground.tree  # where relative paths are meant from
        self._found: dict[Kind, list[str]] = {}
        self._reasons: list[str] = []
        self.refusal: str | None = None
        self._depth = 0

    def add(self, kind: Kind, what: str, reason: str = "") -> None:
        """Note a command of that kind, and why it counts as such when that is not plain."""
        known = self._found.setdefault(kind, [])
        if what not in known:
            known.append(what)
        if reason and reason not in self._reasons:
            self._reasons.append(reason)

    def actions(self, line: str) -> Iterator[Action]:
        """One for each kind, with the whole line: the person is asked once."""
        for kind, commands in self._found.items():
            what = "; ".join(commands)
            whole = line if line.strip() != what else ""
            yield Action(kind, what, "\n".join((*self._reasons, *((whole,) if whole else ()))))

    def look_at(self, line: str) -> None:
        """Every command in the line."""
        if self._depth > _DEPTH:
            raise Unreadable("it is nested too deeply")
        self._depth += 1
        bases = [self.base]  # one for each group that is open: `cd` in ( … ) is forgotten behind it
        for command in shell.commands(line):
            bases[command.group + 1 :] = []
            bases += [bases[-1]] * (command.group + 1 - len(bases))
            self.base = bases[-1]
            self._look_at_command(command)
            bases[-1] = self.base
        self.base = bases[0]
        self._depth -= 1

    def _look_at_command(self, command: Command) -> None:
        for path in (*command.writes, *command.reads):
            if path.startswith(("/dev/tcp/", "/dev/udp/")):
                self.add("network", path)
        for path in command.writes:
            self._check_written(path)
        self._look_at_words(command.words, command.stdin)

    def _look_at_words(self, words: Sequence[str], stdin: str | None) -> None:
        for start in wrappers.unwrapped(words):
            self._look_at_program(words[start:], stdin)
            if words[start].rpartition("/")[2] in _APPENDING and words[-1] != UNKNOWN:
                words = (*words, UNKNOWN)

    def _look_at_program(self, words: Sequence[str], stdin: str | None) -> None:
        if not words:
            return
        shown = _shown(words)
        name = words[0].rpartition("/")[2]
        if UNKNOWN in words[0] or not name:
            self.add("network", shown, "which program it runs is made at run time, so it counts as network")
        elif name in _SHELLS:
            self._look_at_shell(words, stdin)
        elif name == "eval":
            self._look_at_script(" ".join(words[1:]), shown)
        elif name in ("cd", "pushd"):
            self._change_directory(words)
        else:
            for kind in programs.kinds(name, words[1:]):
                self.add(kind, shown)
            for path in programs.written(name, words[1:]):
                self._check_written(path)

    def _look_at_shell(self, words: Sequence[str], stdin: str | None) -> None:
        script, reads_stdin = _script_of(words)
        if script is not None:
            self._look_at_script(script, _shown(words))
        elif reads_stdin and stdin is not None:
            if stdin:
                self._look_at_script(stdin, _shown(words))
            else:
                self.add("network", _shown(words), "what it runs comes out of a pipe, so it counts as network")

    def _look_at_script(self, script: str, shown: str) -> None:
        if UNKNOWN in script and not shell.commands(script):
            self.add("network", shown, "what it runs is made at run time, so it counts as network")
        else:
            self.look_at(script)

    def _change_directory(self, words: Sequence[str]) -> None:
        target = next((word for word in words[1:] if not word.startswith("-")), "~")
        if UNKNOWN not in target:
            self.base = self.ground.resolve(target, self.base)

    def _check_written(self, path: str) -> None:
        if UNKNOWN not in path and self.refusal is None:
            self.refusal = _why_not_written(path, self.base, self.ground)


def _script_of(words: Sequence[str]) -> tuple[str | None, bool]:
    """What ``sh -c`` runs, and whether a shell reads its commands from standard input."""
    at = 1
    while at < len(words) and words[at][:1] in "-+" and words[at] not in ("-", "--"):
        if not words[at].startswith("--") and "c" in words[at]:
            following = next((word for word in words[at + 1 :] if word[:1] not in "-+"), "")
            return following, False
        at += 2 if words[at] in ("-o", "+o", "-O", "+O", "--rcfile", "--init-file") else 1
    rest = words[at:]
    return None, not rest or rest[0] in ("-", "/dev/stdin") or any(word.startswith("-s") for word in words[1:at])


def _shown(words: Sequence[str]) -> str:
    return " ".join(word.replace(UNKNOWN, "…") or "''" for word in words)


# --- paths -----------------------------------------------------------------------------------------------------


def _why_not_written(path: str, base: str, ground: Ground) -> str | None:
    """Why this path must not be written, or None."""
    if path in _NOWHERE or path.startswith("/dev/fd/"):
        return None
    real = ground.resolve(path, base)
    if any(_lies_in(real, scratch) for scratch in ground.scratch) and not _lies_in(ground.tree, real):
        return None if not _lies_in(real, ground.tree) else _why_not_inside(path, real, ground)
    if not _lies_in(real, ground.tree):
        return f"{path} lies outside your work tree, and nothing outside is to be written"
    return _why_not_inside(path, real, ground)


def _why_not_inside(path: str, real: str, ground: Ground) -> str | None:
    if ".git" in _parts(real[len(ground.tree) :]):
        return f"{path} belongs to git itself; the commits are made for you"
    return None


def _lies_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def _parts(path: str) -> Iterator[str]:
    yield from (part.lower() for part in path.split("/"))
