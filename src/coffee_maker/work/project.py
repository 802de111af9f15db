"""Sets up a project: settings, data directory, roadmap. Never overwrites; doing it again changes nothing."""

from __future__ import annotations

import os

from coffee_maker.core.errors import BareRepository, NotARepository, OutOfReach, SecondDatabase
from coffee_maker.core.typed import NamedTuple
from coffee_maker.utils import data_directory
from coffee_maker.utils.places import PROJECT_FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coffee_maker.core.ports import RoadmapFile
    from coffee_maker.settings import Settings

_SETTINGS = """\
# Settings of coffee-roadmap for this project. A line that begins with # shows a default or an example: take away
# the # and change it. `coffee-roadmap doctor` shows which settings count and where each comes from.

[roadmap]
{path}
# item_pattern = '(?P<id>TASK-\\d+): (?P<title>.+)'   # an example, for `## TASK-7: Title`: begin behind the #s

[data]
{dir}

[database]
# url = "postgresql://user@host/database"   # for a team; without it, SQLite files in the data directory

[git]
# log = true       # every version also goes to the ref refs/roadmap/log; your branch and index are never touched
# commit = false   # also commit the roadmap to the current branch, when nothing of yours is in the way

[history]
# keep_versions = 500
# keep_days = 90

[daemon]
# agent = "command"        # or "claude", or "runbook": runs the item's own ```sh run``` block
# test_command = "make test"
# lease = "60s"
# max_attempts = 3
# backoff = "30s"          # before the second attempt; twice as long before each further one
# parallel = 1             # agents at work at the same time
# waiting = 3              # items that may wait for you while it goes on with others
# ask_when_vague = false   # true: you are asked about an item that says too little
# approval_deadline = "12h"   # an example; without it, a question before an item waits for as long as it takes

[agent]
# command = ["my-agent", "--prompt-file", "{{item_file}}"]
# preset = "codex"         # a known program instead of `command`: claude, codex, gemini, opencode or aider
# model = "…"              # for claude and the presets; their own default without it
# stall = "10m"            # an example: an agent that says nothing for so long is ended; without it, none is
# timeout = "1h"
# max_output = "10MB"
# environment = ["MY_AGENT_TOKEN"]   # variables that are passed on to it
# sandbox = "bwrap"        # or "docker": a box that the agent cannot get out of
# network = ["api.example.com"]   # hosts that it can reach from there; without it, none

[traces]
# The daemon sends them where LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY, or OTEL_EXPORTER_OTLP_ENDPOINT, are set.
# content = false   # true sends texts too; secrets are never sent

[limits]
# run_turns = 200          # of one run of an agent
# run_cost = 10            # US dollars; also item_cost, day_cost, and tokens and time likewise

[policy]
# new_dependency = "ask"   # or "allow" or "deny"; also network, push and pull_request
# start = "ask"            # before each item; "allow" lets it begin without asking, as a night needs it

# [channels.desktop]
# kind = "command"
# argv = ["notify-send", "--", "{{title}}", "coffee-roadmap {{type}} {{id}}"]
# levels = ["critical", "high"]
"""

_ROADMAP = """\
# Roadmap

What is planned, in the order in which it is to be done. Edit this file as you like, or use `coffee-roadmap`:
whoever changes it, nobody's change is lost.

### PRIORITY 1: Plan the first items

**Status**: 🔄 In Progress
**Estimated Effort**: 10 minutes

An item is a heading with a number, a status, fields as you need them, a text and perhaps a check list.

- [ ] `coffee-roadmap view` shows this list
- [ ] `coffee-roadmap add "My first item"` adds an item
- [ ] `coffee-roadmap edit 1 --check 1` ticks the first box here
- [ ] `coffee-roadmap status 1 complete` ends this item
"""


class Part(NamedTuple):
    """One part of a project, and whether it was made now."""

    name: str  # settings | data | roadmap | docker
    path: str
    made: bool


def set_up(settings: Settings, file: RoadmapFile) -> list[Part]:
    """Make what is missing. What can be refused comes first: git's own directory, a roadmap that is none, the data
    directory."""
    if is_bare(settings.root):
        raise BareRepository(path=settings.root)
    if os.path.lexists(settings.roadmap.path):
        file.read()
    had_data = data_directory.is_ours(settings.data.dir)
    data_directory.ensure(settings.data.dir)
    return [
        Part("data", settings.data.dir, not had_data),
        Part("roadmap", settings.roadmap.path, _make_roadmap(settings.roadmap.path, file)),
        _make_settings(settings),
    ]


def refuse_second_database(settings: Settings) -> None:
    """Raise `SecondDatabase` where the first change in a linked git work tree would begin a database of its own without
    a word: agents in two work trees of one project would not see each other, and work twice on one item."""
    if data_directory.is_ours(settings.data.dir):
        return
    top = _top_of_linked(settings.root)
    main = top and _main_work_tree(top)
    if not top or not main:
        return
    directory, roadmap = (
        os.path.join(main, os.path.relpath(path, top)) for path in (settings.data.dir, settings.roadmap.path)
    )
    if data_directory.is_ours(directory):
        raise SecondDatabase(root=settings.root, main=main, directory=directory, roadmap=roadmap)


def _top_of_linked(folder: str) -> str | None:
    """The top of the work tree that a folder lies in, if its ``.git`` is a file."""
    top = _top(folder)
    return top if top and os.path.isfile(os.path.join(top, ".git")) else None


def _main_work_tree(top: str) -> str | None:
    """Where the repository of a linked work tree has its own; None where it has none (bare), or this is a submodule's.
    Found without running git (gitrepository-layout(5): ``commondir``)."""
    try:
        with open(os.path.join(top, ".git"), encoding="utf-8", errors="surrogateescape") as file:
            git_dir = os.path.join(top, file.read().strip().removeprefix("gitdir: "))
        with open(os.path.join(git_dir, "commondir"), encoding="utf-8", errors="surrogateescape") as file:
            common = os.path.realpath(os.path.join(git_dir, file.read().strip()))
    except (OSError, ValueError):
        return None
    return os.path.dirname(common) if os.path.basename(common) == ".git" else None


def is_lost(settings: Settings, file: RoadmapFile) -> bool:
    """Whether a project that was set up before has no roadmap any more, or an empty one."""
    if not (data_directory.is_ours(settings.data.dir) or settings.database.url):
        return False
    return not os.path.lexists(settings.roadmap.path) or not file.read().strip()


def _make_roadmap(path: str, file: RoadmapFile) -> bool:
    if os.path.lexists(path):
        return False
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except OSError as error:
        raise OutOfReach(path=path, problem=f"its directory cannot be made ({error.strerror})") from None
    try:
        file.create(_ROADMAP.encode())
    except FileExistsError:
        return False
    return True


def _make_settings(settings: Settings) -> Part:
    """The project's settings file. What was named on the way (--roadmap, --data-dir) is written down in it."""
    path = settings.project_file or os.path.join(settings.root, PROJECT_FILE)
    if settings.project_file is not None:
        return Part("settings", path, False)
    text = _SETTINGS.format(
        path=_line("path", settings.roadmap.path, settings, "roadmap.path"),
        dir=_line("dir", settings.data.dir, settings, "data.dir"),
    )
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return Part("settings", path, False)
    except OSError as error:
        raise OutOfReach(path=path, problem=error.strerror or str(error)) from None
    with open(fd, "w", encoding="utf-8") as target:
        target.write(text)
    return Part("settings", path, True)


def _line(name: str, path: str, settings: Settings, key: str) -> str:
    """``name = "path"``, relative to the root where it lies below; a comment when it is the default."""
    relative = os.path.relpath(path, settings.root)
    written = path if relative.startswith("..") else relative
    quoted = '"' + written.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{name} = {quoted}" if key in settings.sources else f"# {name} = {quoted}"


def is_bare(folder: str) -> bool:
    """Whether a folder is a git repository without a work tree: what lies in it is git's own."""
    parts = [os.path.join(folder, part) for part in ("objects", "refs")]
    return os.path.isfile(os.path.join(folder, "HEAD")) and all(os.path.isdir(part) for part in parts)


def without_repository(folder: str) -> BareRepository | NotARepository:
    """Why agents cannot work in a folder that is in no git work tree."""
    return BareRepository(path=folder) if is_bare(folder) else NotARepository(path=folder)


def inside_git(folder: str) -> bool:
    """Whether a folder lies in a git work tree, found without running git."""
    return _top(folder) is not None


def _top(folder: str) -> str | None:
    while not os.path.lexists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return folder
