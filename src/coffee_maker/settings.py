"""One frozen record of every setting, from flags, environment, project file and user file (in that order).

The project file is ``coffee-roadmap.toml`` in the project's root, the user file
``~/.config/coffee-roadmap/config.toml``. Each setting ``[section] key`` can also be given as ``COFFEE_SECTION_KEY``
(the roadmap and the data directory by the short `ENVIRONMENT_NAMES`). An unknown setting is refused: one that silently
does nothing costs hours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from coffee_maker.core.errors import BadSetting
from coffee_maker.core.lean import timedelta
from coffee_maker.core.typed import NamedTuple
from coffee_maker.utils import values as read
from coffee_maker.utils.durations import format_duration
from coffee_maker.utils.places import default_roadmap, find_project, user_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ENVIRONMENT_NAMES = {"roadmap.path": "COFFEE_ROADMAP", "data.dir": "COFFEE_DATA_DIR"}
FLAGS = {"roadmap.path": "--roadmap", "data.dir": "--data-dir"}


class RoadmapSettings(NamedTuple):
    """``[roadmap]``"""

    path: str = ""  # absolute once loaded
    item_pattern: str | None = None


class DataSettings(NamedTuple):
    """``[data]``"""

    dir: str = ""  # absolute once loaded


class DatabaseSettings(NamedTuple):
    """``[database]``; without a url, SQLite files in the data directory."""

    url: str | None = None

    def __repr__(self) -> str:
        return f"DatabaseSettings(url={self.url and read.without_password(self.url)!r})"


class GitSettings(NamedTuple):
    """``[git]``"""

    log: bool = True
    commit: bool = False


class HistorySettings(NamedTuple):
    """``[history]``: whole versions are kept while either bound holds; the changes themselves are kept for ever."""

    keep_versions: int = 500
    keep_days: int = 90


class DaemonSettings(NamedTuple):
    """``[daemon]``"""

    agent: str = "command"
    name: str | None = None
    test_command: tuple[str, ...] | None = None
    lease: timedelta = timedelta(seconds=60)
    poll: timedelta = timedelta(seconds=2)
    worktrees: str | None = None  # absolute once loaded
    max_attempts: int = 3
    backoff: timedelta = timedelta(seconds=30)  # before the second attempt; twice as long before each further one
    approval_deadline: timedelta | None = None
    parallel: int = 1  # agents that run at the same time
    waiting: int = 3  # items that may wait for a person while it goes on with others
    ask_when_vague: bool = False
    repository: str | None = None  # absolute once loaded; where branches are kept instead of the person's repository
    push: str | None = None  # the remote to which finished branches are pushed


class AgentSettings(NamedTuple):
    """``[agent]``: the program that does an item, and its box."""

    command: tuple[str, ...] = ()
    preset: str | None = None  # a known program's command line instead of `command`
    model: str | None = None
    timeout: timedelta = timedelta(hours=1)
    stall: timedelta | None = None  # an agent that says nothing for so long is ended
    max_output: int = 10_000_000
    environment: tuple[str, ...] = ()  # names of variables that are passed through
    sandbox: str = "none"
    network: tuple[str, ...] = ()  # hosts that a sandboxed agent may reach
    memory: int = 4_000_000_000  # bytes, of a sandboxed agent
    processes: int = 512  # of a sandboxed agent
    image: str | None = None  # of the docker sandbox
    hooks: bool = False  # whether the repository's hooks run for the agent's own commits
    readable: tuple[str, ...] = ()  # further paths that a sandboxed agent can read; absolute once loaded
    filters: tuple[str, ...] = ()  # git's filters (such as lfs) that may run on what agents leave


class LimitSettings(NamedTuple):
    """``[limits]``: ceilings for each run, each item and each day (UTC). Costs are in US dollars."""

    run_turns: int | None = 200
    run_tokens: int | None = None
    run_cost: float | None = 10.0
    item_time: timedelta | None = timedelta(hours=6)
    item_tokens: int | None = None
    item_cost: float | None = 25.0
    day_time: timedelta | None = None
    day_tokens: int | None = None
    day_cost: float | None = 100.0


class PolicySettings(NamedTuple):
    """``[policy]``: what is to be done about each kind of action: ask, allow or deny."""

    start: str = "ask"
    new_dependency: str = "ask"
    network: str = "ask"
    push: str = "ask"
    pull_request: str = "ask"


class TracesSettings(NamedTuple):
    """``[traces]``: what the daemon sends to Langfuse or an OpenTelemetry collector, where variables name one."""

    content: bool = False  # whether texts go along; secrets never do
    service_name: str = "coffee-roadmap"
    timeout: timedelta = timedelta(seconds=5)  # of one sending, which nothing waits for


class ChannelSettings(NamedTuple):
    """``[channels.NAME]``: one way in which notifications reach a person."""

    kind: str = "command"
    argv: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()  # empty: all
    timeout: timedelta = timedelta(seconds=30)
    environment: tuple[str, ...] = ()


class Settings(NamedTuple):
    """All settings; `sources` says for each ``section.key`` where its value came from."""

    root: str
    project_file: str | None
    roadmap: RoadmapSettings
    data: DataSettings
    database: DatabaseSettings
    git: GitSettings
    history: HistorySettings
    daemon: DaemonSettings
    agent: AgentSettings
    limits: LimitSettings
    policy: PolicySettings
    traces: TracesSettings
    channels: Mapping[str, ChannelSettings]
    sources: Mapping[str, str]


class Flags(NamedTuple):
    """The settings that every command takes on its command line."""

    roadmap: str | None = None
    data_dir: str | None = None


def load(flags: Flags, environ: Mapping[str, str], cwd: str) -> Settings:
    """Put the settings together; raises `BadSetting` with the file and line of what is wrong."""
    given = _given_on_the_way(flags, environ, cwd)
    named = given.get("roadmap.path")
    found = find_project(os.path.dirname(named.value) if named else cwd)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    channels: dict[str, ChannelSettings] = {}
    for path in (user_file(environ), found.project_file):
        if path is not None and os.path.exists(path):
            for key, value in _read_file(path, found.root, channels).items():
                values[key], sources[key] = value, path
    for key, (value, source) in given.items():
        values[key], sources[key] = value, source
    values.setdefault("data.dir", os.path.join(found.root, "data"))
    if "roadmap.path" not in values:
        values["roadmap.path"] = default_roadmap(found.root, lambda: _known(values["data.dir"]))
    sections = {name: _section(kind, name, values) for name, kind in _SECTIONS.items()}
    return Settings(root=found.root, project_file=found.project_file, channels=channels, sources=sources, **sections)


def _known(directory: str) -> list[str]:
    from coffee_maker.utils.data_directory import known_roadmaps  # only where there is no roadmap

    return known_roadmaps(directory)


# --- the tables ----------------------------------------------------------------------------------------------

_LEVELS = ("critical", "high", "normal", "low")


def _levels(value: Any, base: str) -> tuple[str, ...]:
    return tuple(read.one_of(*_LEVELS)(level, base) for level in read.words(value, base))


def _paths(value: Any, base: str) -> tuple[str, ...]:
    return tuple(read.path(one, base) for one in read.words(value, base))


_READERS: Mapping[str, read.Reader] = {
    "roadmap.path": read.path,
    "roadmap.item_pattern": read.pattern,
    "data.dir": read.path,
    "database.url": read.text,
    "git.log": read.flag,
    "git.commit": read.flag,
    "history.keep_versions": read.count,
    "history.keep_days": read.count,
    "daemon.agent": read.one_of("command", "runbook", "claude"),
    "daemon.name": read.text,
    "daemon.test_command": read.command,
    "daemon.lease": read.duration,
    "daemon.poll": read.duration,
    "daemon.worktrees": read.path,
    "daemon.max_attempts": read.count,
    "daemon.backoff": read.duration,
    "daemon.approval_deadline": read.duration,
    "daemon.parallel": read.count,
    "daemon.waiting": read.count,
    "daemon.ask_when_vague": read.flag,
    "daemon.repository": read.path,
    "daemon.push": read.text,
    "agent.command": read.command,
    "agent.preset": read.one_of("claude", "codex", "gemini", "opencode", "aider"),
    "agent.model": read.text,
    "agent.timeout": read.duration,
    "agent.stall": read.duration,
    "agent.max_output": read.size,
    "agent.environment": read.words,
    "agent.sandbox": read.one_of("none", "bwrap", "docker"),
    "agent.network": read.words,
    "agent.memory": read.size,
    "agent.processes": read.count,
    "agent.image": read.text,
    "agent.hooks": read.flag,
    "agent.readable": _paths,
    "agent.filters": read.words,
    "limits.run_turns": read.count,
    "limits.run_tokens": read.count,
    "limits.run_cost": read.money,
    "limits.item_time": read.duration,
    "limits.item_tokens": read.count,
    "limits.item_cost": read.money,
    "limits.day_time": read.duration,
    "limits.day_tokens": read.count,
    "limits.day_cost": read.money,
    "traces.content": read.flag,
    "traces.service_name": read.text,
    "traces.timeout": read.duration,
    **{f"policy.{kind}": read.one_of("ask", "allow", "deny") for kind in PolicySettings._fields},
}
_CHANNEL_READERS: Mapping[str, read.Reader] = {
    "kind": read.one_of("command"),
    "argv": read.argv,
    "levels": _levels,
    "timeout": read.duration,
    "environment": read.words,
}
_SECTIONS: Mapping[str, Any] = {
    "roadmap": RoadmapSettings,
    "data": DataSettings,
    "database": DatabaseSettings,
    "git": GitSettings,
    "history": HistorySettings,
    "daemon": DaemonSettings,
    "agent": AgentSettings,
    "limits": LimitSettings,
    "policy": PolicySettings,
    "traces": TracesSettings,
}
KEYS = tuple(_READERS)


def _section(kind: Any, name: str, values: Mapping[str, Any]) -> Any:
    return kind(**{key: values[f"{name}.{key}"] for key in kind._fields if f"{name}.{key}" in values})


# --- flags and environment -------------------------------------------------------------------------------------


def environment_name(key: str) -> str:
    """The variable that sets ``section.key``."""
    return ENVIRONMENT_NAMES.get(key) or f"COFFEE_{key.replace('.', '_').upper()}"


_YES_OR_NO = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(("false", "0", "no", "off"), False)


class _Given(NamedTuple):
    value: Any
    source: str


def _given_on_the_way(flags: Flags, environ: Mapping[str, str], cwd: str) -> dict[str, _Given]:
    given = {}
    for key in KEYS:
        name = environment_name(key)
        if environ.get(name):
            given[key] = _Given(_read_variable(key, environ[name], name, cwd), name)
    for key, text in (("roadmap.path", flags.roadmap), ("data.dir", flags.data_dir)):
        if text is not None:
            given[key] = _Given(_checked(read.path, text, cwd, FLAGS[key]), FLAGS[key])
    return given


def _read_variable(key: str, text: str, name: str, cwd: str) -> Any:
    reader = _READERS[key]
    value: Any = text
    if reader is read.flag:
        value = _YES_OR_NO.get(text.strip().lower())
    elif reader is read.count and text.strip().isdecimal():
        value = int(text)
    elif reader is read.money:
        value = read.number(text)
    elif reader in (read.words, _paths):
        value = text.replace(",", " ").split()
    return _checked(reader, value, cwd, name)


def _checked(reader: read.Reader, value: Any, base: str, where: str) -> Any:
    try:
        return reader(value, base)
    except ValueError as error:
        raise BadSetting(where=where, problem=str(error)) from None


# --- files -----------------------------------------------------------------------------------------------------


class _File(NamedTuple):
    """A settings file's text, so that a refusal can name the line."""

    path: str
    text: str

    def place(self, section: str | None, key: str | None) -> str:
        """File and line of a setting. A plain search is enough: it runs only for a message."""
        start = 0
        if section is not None:
            header = re.search(rf"^[ \t]*\[+\s*{re.escape(section)}\s*\]", self.text, re.MULTILINE)
            start = header.start() if header else 0
        wanted = re.compile(rf'^[ \t]*"?{re.escape(key)}"?\s*[=.]', re.MULTILINE) if key else None
        found = wanted.search(self.text, start) if wanted else None
        return f"{self.path}, line {self.text.count(chr(10), 0, found.start() if found else start) + 1}"

    def refuse_unknown(self, name: str, known: tuple[str, ...], *, section: str | None) -> None:
        what = f"setting in [{section}]" if section else "section"
        raise BadSetting(
            where=self.place(section or name, name if section else None),
            problem=f"there is no {what} named {name}{read.nearest(name, known)}",
            hint=f"Known are: {', '.join(known)}.",
        )


def _read_file(path: str, root: str, channels: dict[str, ChannelSettings]) -> dict[str, Any]:
    """The settings of one file by ``section.key``; its channels go into `channels`."""
    file = _File(path, _read_text(path))
    values: dict[str, Any] = {}
    for section, table in _parse(file).items():
        if section != "channels" and section not in _SECTIONS:
            file.refuse_unknown(section, (*_SECTIONS, "channels"), section=None)
        if not isinstance(table, dict):
            problem = f"{section} is a section: write [{section}] on a line of its own"
            raise BadSetting(where=file.place(None, section), problem=problem)
        if section == "channels":
            channels |= {name: _channel(f"channels.{name}", fields, file, root) for name, fields in table.items()}
        else:
            readers = {key: _READERS[f"{section}.{key}"] for key in _SECTIONS[section]._fields}
            values |= {f"{section}.{key}": value for key, value in _table(section, table, readers, file, root).items()}
    return values


def _channel(section: str, table: Any, file: _File, root: str) -> ChannelSettings:
    if not isinstance(table, dict):
        raise BadSetting(where=file.place("channels", None), problem=f"a channel is a section of its own: [{section}]")
    values = _table(section, table, _CHANNEL_READERS, file, root)
    if "argv" not in values:
        problem = f'[{section}] needs argv, the program to run: argv = ["notify-send", "coffee-roadmap"]'
        raise BadSetting(where=file.place(section, None), problem=problem)
    return ChannelSettings(**values)


def _table(
    section: str, table: Mapping[str, Any], readers: Mapping[str, read.Reader], file: _File, root: str
) -> dict[str, Any]:
    values = {}
    for key, value in table.items():
        if key not in readers:
            file.refuse_unknown(key, tuple(readers), section=section)
        try:
            values[key] = readers[key](value, root)
        except ValueError as error:
            raise BadSetting(where=f"{file.place(section, key)}, {key}", problem=str(error)) from None
    return values


def _read_text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode()
    except OSError as error:
        raise BadSetting(where=path, problem=f"it cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise BadSetting(where=path, problem="it is not UTF-8 text") from None


def _parse(file: _File) -> dict[str, Any]:
    empty = {f"[{name}]" for name in _SECTIONS}
    if all(line.lstrip(" \t")[:1] in ("#", "") or line in empty for line in file.text.split("\n")):
        return {}  # comments and empty sections, as `init` leaves it: importing the parser would take longer than all
    import tomllib

    try:
        return tomllib.loads(file.text)
    except RecursionError:
        raise BadSetting(where=file.path, problem="its values are nested too deeply") from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        where = f"{file.path}, line {line[1]}" if line else file.path
        problem = str(error).partition(" (at ")[0]
        raise BadSetting(where=where, problem=f"this is not TOML: {problem}") from None


# --- showing ---------------------------------------------------------------------------------------------------


def shown(settings: Settings) -> list[tuple[str, str, str]]:
    """Name, value and source of every setting, for `doctor`; without secrets."""
    rows = []
    for key in KEYS:
        section, name = key.split(".")
        value = getattr(getattr(settings, section), name)
        written = _as_written(read.without_password(value) if key == "database.url" and value else value)
        rows.append((key, written, settings.sources.get(key, "default")))
    return rows


def _as_written(value: Any) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
