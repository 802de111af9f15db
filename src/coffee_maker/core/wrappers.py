"""Programs that start another one: `sudo`, `env`, `timeout`, `xargs`, `find -exec` and their like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

# Their options that take a value in the next word.
_WRAPPERS: Mapping[str, frozenset[str]] = {
    "sudo": frozenset(("-u", "-g", "-h", "-p", "-C", "-r", "-t", "-T", "-U", "-D", "-R")),
    "doas": frozenset(("-u", "-C")),
    "env": frozenset(("-u", "-C", "--unset", "--chdir")),
    "nice": frozenset(("-n",)),
    "ionice": frozenset(("-c", "-n", "-p")),
    "chrt": frozenset(),
    "nohup": frozenset(),
    "setsid": frozenset(),
    "stdbuf": frozenset(("-i", "-o", "-e")),
    "timeout": frozenset(("-s", "-k", "--signal", "--kill-after")),
    "time": frozenset(("-f", "-o")),
    "command": frozenset(),
    "builtin": frozenset(),
    "exec": frozenset(("-a",)),
    "unbuffer": frozenset(),
    "xargs": frozenset(("-I", "-n", "-P", "-L", "-d", "-a", "-s", "-E", "--max-args", "--max-procs", "--delimiter")),
    "parallel": frozenset(("-j", "--jobs")),
    "watch": frozenset(("-n", "-d", "--interval")),
    "strace": frozenset(("-e", "-o", "-p", "-s")),
    "busybox": frozenset(),
    "chroot": frozenset(),
    "flock": frozenset(("-w", "-E")),
    "unshare": frozenset(),
    "npx": frozenset(),
}
_LEADING = {"timeout": 1, "chroot": 1, "flock": 1, "chrt": 1}  # words of their own before the program's
_FOUND = ("-exec", "-execdir", "-ok", "-okdir")
# ``uv run pytest``: the words that lead to another program.
_RUNNERS: Mapping[str, tuple[str, ...]] = {"uv": ("run",), "poetry": ("run",), "pdm": ("run",), "pipenv": ("run",)}
_PYTHON = ("python", "pypy", "py")


def unwrapped(words: Sequence[str]) -> Iterator[int]:
    """Where the programs begin that these words start: the first one, and those that it starts in turn."""
    at = 0
    while at < len(words):
        while at < len(words) and (words[at].startswith("-") or _is_setting(words[at])):
            at += 1
        if at >= len(words):
            return
        yield at
        inner = _inner(words[at:])
        if inner is None:
            return
        at += inner


def _inner(words: Sequence[str]) -> int | None:
    """Where the words of the program begin that this one starts."""
    name = words[0].rpartition("/")[2]
    if name == "find":
        return next((index + 1 for index, word in enumerate(words) if word in _FOUND), None)
    if name.startswith(_PYTHON) and "-m" in words[1:4]:
        return words.index("-m") + 1
    if name in _RUNNERS and words[1:2] == _RUNNERS[name]:
        return 2
    if name not in _WRAPPERS:
        return None
    at = 1
    while at < len(words) and (words[at].startswith("-") or (name in ("env", "sudo") and _is_setting(words[at]))):
        if name == "env" and words[at] in ("-S", "--split-string"):
            return at + 1
        at += 2 if words[at] in _WRAPPERS[name] else 1
    return at + _LEADING.get(name, 0)


def _is_setting(word: str) -> bool:
    name, equals, _ = word.partition("=")
    return bool(equals) and name.isidentifier()
