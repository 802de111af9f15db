"""`doctor`: looks at the whole set-up and says of each thing how it is, and what to do about it.

Every check is a function that yields findings; a refusal that it meets is its finding, so the cure that the refusal
carries is the cure that is told.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from coffee_maker.core.document import Document
from coffee_maker.core.errors import BareRepository, NotARepository, Refusal, RoadmapMissing
from coffee_maker.core.ports import Agent, Clock, Repository, RoadmapFile, Store, System
from coffee_maker.core.questions import OPEN
from coffee_maker.core.records import Finding
from coffee_maker.settings import KEYS, Settings, environment_name
from coffee_maker.utils import data_directory
from coffee_maker.utils.mounts import mount_of
from coffee_maker.utils.places import ROADMAP_PLACES
from coffee_maker.work import belonging
from coffee_maker.work.editing import Editing
from coffee_maker.work.project import is_bare

Findings = Iterator[Finding]
_OLDEST_PYTHON = (3, 11)


class Subject(NamedTuple):
    """What is looked at. Parts that may not be there, or may refuse to be made, are asked for by calling."""

    settings: Settings
    environ: Mapping[str, str]
    file: RoadmapFile
    store: Store
    clock: Clock
    system: System
    editing: Callable[[], Editing]
    repository: Callable[[], Repository | None]
    agent: Callable[[], Agent]
    unpublished: Callable[[], str | None]  # why the newest versions are not in git
    databases: Callable[[], Sequence[Finding]]
    traces: Callable[[], Sequence[Finding]] = lambda: ()
    channels: Callable[[], object] = lambda: None  # makes them, or refuses


def examine(subject: Subject) -> list[Finding]:
    """Every finding once, in the order in which things depend on one another: several checks may meet one refusal."""
    return list(dict.fromkeys(finding for check in _CHECKS for finding in _run(check, subject)))


def mend(subject: Subject) -> list[Finding]:
    """Do what is safe to do without asking: make and mark the data directory, finish an unfinished write."""
    done = []
    if not data_directory.is_ours(subject.settings.data.dir):
        data_directory.ensure(subject.settings.data.dir)
        done.append(_fixed(f"Made the data directory {subject.settings.data.dir}."))
    ignore = os.path.join(subject.settings.data.dir, ".gitignore")
    if not os.path.lexists(ignore):
        with open(ignore, "x", encoding="utf-8") as file:
            file.write("*\n")
        done.append(_fixed(f"Keeps the databases out of git by {ignore}."))
    if os.path.exists(subject.settings.roadmap.path):
        before = _newest_change(subject)
        subject.editing().reconcile()
        if _newest_change(subject) != before:
            done.append(_fixed("Took what was changed outside into the history."))
    return done


def _run(check: Callable[[Subject], Findings], subject: Subject) -> Findings:
    """The findings of one check; those without a code of their own get its name."""
    name = check.__name__.strip("_")
    try:
        for finding in check(subject):
            yield finding if finding.code else finding._replace(code=name)
    except Refusal as refusal:
        yield Finding(refusal.code, "problem", refusal.message, refusal.hint)


def _fixed(message: str) -> Finding:
    return Finding("fixed", "ok", message)


def _ok(message: str) -> Finding:
    return Finding("", "ok", message)


def _notice(message: str, hint: str) -> Finding:
    return Finding("", "notice", message, hint)


def _problem(message: str, hint: str) -> Finding:
    return Finding("", "problem", message, hint)


# --- the checks ------------------------------------------------------------------------------------------------


def _python(subject: Subject) -> Findings:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < _OLDEST_PYTHON:
        yield _problem(f"Python {version} is too old.", "Install Python 3.11 or newer.")
    else:
        yield _ok(f"Python {version}.")


def _settings(subject: Subject) -> Findings:
    settings = subject.settings
    yield _ok(f"The project's root is {settings.root}.")
    if settings.project_file is None:
        yield _notice("There is no coffee-roadmap.toml; the defaults count.", "`coffee-roadmap init` makes one.")
    elif os.stat(settings.project_file).st_uid not in (os.getuid(), 0):
        message = f"{settings.project_file} belongs to another user, and it names programs that are run."
        yield _notice(message, "Look at its [agent] and [channels] before you run the daemon.")
    known = {environment_name(key) for key in KEYS} | _OTHER_VARIABLES
    for name in sorted(subject.environ):
        if name.startswith("COFFEE_") and name not in known:
            message = f"The variable {name} means nothing here."
            yield _notice(message, "`coffee-roadmap doctor` lists the settings; COFFEE_SECTION_KEY sets one.")
    both = [place for place in ROADMAP_PLACES if os.path.exists(os.path.join(settings.root, place))]
    if len(both) > 1 and "roadmap.path" not in settings.sources:
        cure = "Keep one of them, or name it in coffee-roadmap.toml: [roadmap] path."
        yield _notice(f"There are two roadmaps, {' and '.join(both)}; {both[0]} counts.", cure)
    if os.path.isfile(os.path.join(settings.root, ".git")):
        message = "This is a linked git work tree: its roadmap is a copy on its own branch."
        yield _notice(message, "Work in the main one, or name its files by COFFEE_ROADMAP and COFFEE_DATA_DIR.")


_OTHER_VARIABLES = {"COFFEE_ACTOR", "COFFEE_ANY_FILESYSTEM", "COFFEE_ITEM", "COFFEE_ITEM_FILE", "COFFEE_BRANCH"}


def _roadmap(subject: Subject) -> Findings:
    path = subject.settings.roadmap.path
    try:
        content = subject.file.read()
    except RoadmapMissing as missing:
        yield _problem(missing.message, missing.hint)
        return
    document = Document.from_bytes(content, item_pattern=subject.settings.roadmap.item_pattern)
    count = len(document.items)
    yield _ok(f"The roadmap is {path}: {count} {'item' if count == 1 else 'items'}, revision {document.revision}.")
    if document.problems:
        count = len(document.problems)
        cure = "`coffee-roadmap view --problems` lists them; nothing stops because of them."
        yield _notice(f"{count} {'problem' if count == 1 else 'problems'} in the roadmap's text.", cure)
    if os.stat(path).st_nlink > 1:
        message = "The roadmap has other hard links; they will stay on the old text when it is written."
        yield _notice(message, "Use a symbolic link in the other place instead.")


def _can_write(subject: Subject) -> Findings:
    """Try it: staging a text and throwing it away meets whatever a real write would meet."""
    if os.path.exists(subject.settings.roadmap.path):
        subject.file.discard(subject.file.stage(subject.file.read()))
        yield _ok("The roadmap can be written: its directory, owner and mount allow it.")


def _data(subject: Subject) -> Findings:
    directory = subject.settings.data.dir
    if not os.path.isdir(directory):
        yield _notice(f"There is no data directory {directory} yet.", "`coffee-roadmap init` or doctor --fix.")
        return
    if not data_directory.is_ours(directory) and os.listdir(directory):
        data_directory.ensure(directory)  # refuses with the cure: it holds files that are not ours
    belonging.look(directory, subject.settings.roadmap.path)  # refuses as every change does
    if not os.access(directory, os.W_OK | os.X_OK):
        cure = "Run as its owner (in a container: `--user $(id -u):$(id -g)`), or share a group with it."
        yield _problem(f"The data directory {directory} cannot be written by user {os.getuid()}.", cure)
        return
    foreign = sorted((entry for entry in os.scandir(directory) if _is_foreign(entry)), key=lambda entry: entry.name)
    if foreign and os.getuid() != 0:
        names = ", ".join(entry.name for entry in foreign[:3])
        message = f"Files in {directory} belong to another user: {names}."
        shut_out = not all(os.access(entry.path, os.R_OK | os.W_OK) for entry in foreign)
        yield (_problem if shut_out else _notice)(message, _ONE_USER.format(uid=foreign[0].stat().st_uid))
    closed = sorted(one.name for one in os.scandir(directory) if not os.access(one.path, os.R_OK | os.W_OK))
    if closed and not foreign:
        cure = f"chmod -R u+rwX {directory}"
        yield _problem(f"Files in {directory} cannot be read and written: {', '.join(closed[:3])}.", cure)
    yield _ok(f"The data directory is {directory}.")


_ONE_USER = (
    "Run everything that shares it as one user, else one locks the other out: a mere read leaves files behind.\n"
    "In a container: `--user {uid}:GROUP`, or `user:` in docker-compose.yml."
)


def _is_foreign(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.stat(follow_symlinks=False).st_uid != os.getuid()
    except FileNotFoundError:  # a file of a transaction that is over
        return False


def _mounts(subject: Subject) -> Findings:
    for name, path in (("roadmap", subject.settings.roadmap.path), ("data directory", subject.settings.data.dir)):
        mount = mount_of(os.path.dirname(os.path.realpath(path)) if name == "roadmap" else path)
        if mount is None:
            continue
        uses_files = name == "roadmap" or subject.settings.database.url is None
        if mount.unsafe and uses_files:
            cure = (
                "Only one machine may use it there. Else: PostgreSQL ([database] url), and the roadmap on a local disk."
            )
            yield _problem(f"The {name} is on {mount.kind} ({mount.point}): locks are not shared there.", cure)
        else:
            yield _ok(f"The {name} is on {mount.kind}.")


def _databases(subject: Subject) -> Findings:
    told = set()
    for finding in subject.databases():
        if finding.code != "filesystem" and finding.message not in told:  # the mounts are told by their own check
            told.add(finding.message)
            yield finding


def _unfinished(subject: Subject) -> Findings:
    if not os.path.exists(subject.settings.roadmap.path):
        return
    strays = subject.file.strays()
    if strays:
        message = f"A write was not finished: {', '.join(strays)} lies beside the roadmap."
        yield _notice(message, "Nothing is lost: the next change finishes it, and so does doctor --fix.")
    if held := subject.file.held():
        message = f"Another program had the roadmap open while it was changed: {', '.join(held)} lies beside it."
        yield _notice(message, "What it writes there is merged by the next change after it has closed the file.")


_LATEST = 100
"""Open notifications that are asked for their deliveries: enough to see a channel that does not work."""


def _channels(subject: Subject) -> Findings:
    """A channel that fails says so nowhere else: notifications wait in its outbox, and are on the terminal anyway."""
    subject.channels()
    troubles: dict[str, str] = {}
    with subject.store.reading() as tx:
        for one in list(tx.notifications.find(states=OPEN))[-_LATEST:]:
            for delivery in tx.deliveries.of(one.id):
                if delivery.error and delivery.state != "delivered":
                    troubles[delivery.channel] = f"{one.kind.value} {one.id}: {delivery.error}"
    for name in sorted({*subject.settings.channels, *troubles}):
        if name in troubles:
            cure = f"Look at [channels.{name}] in coffee-roadmap.toml; what is not delivered is tried again."
            yield _notice(f"The channel {name} could not deliver {troubles[name]}", cure)
        else:
            yield _ok(f"The channel {name} is set up.")


def _git(subject: Subject) -> Findings:
    repository = subject.repository()
    if repository is None and is_bare(subject.settings.root):
        raise BareRepository(path=subject.settings.root)
    if repository is None:
        cure = "`git init` there, if agents are to work here: each gets a git work tree of its own."
        yield _notice("The project is not in a git repository.", cure)
        return
    problem = subject.unpublished()
    if problem:
        cure = "Versions are safe in the database; the next change tries again."
        yield _notice(f"The newest versions are not in git: {problem}", cure)
    elif subject.settings.git.log:
        try:
            newest = repository.newest_logged()
        except NotARepository as elsewhere:
            cure = "They are in the database; `git init` where the roadmap lies lets them go to git, too."
            yield _notice(f"Versions go to no git, for the roadmap lies behind a link: {elsewhere.message}", cure)
            return
        logged = (newest or "").strip().splitlines()
        yield _ok(f"Versions go to {repository.log_ref()}{f' (newest: {logged[0]})' if logged else ''}.")


def _daemon(subject: Subject) -> Findings:
    """What `daemon run` needs. Who never runs it is not told off: these are things to look at."""
    try:
        repository = subject.repository()
        if repository is not None:
            repository.check()
        missing = subject.agent().check()
    except Refusal as refusal:
        yield _notice(f"The daemon cannot run here now. {refusal.message}", refusal.hint)
        return
    if missing:
        yield _notice(f"The daemon's agent cannot run: {missing}", "See [agent] in coffee-roadmap.toml.")
    else:
        yield _ok(f"The daemon's agent ({subject.settings.daemon.agent}) is there. {_box(subject.settings)}")
    if _cut_off(subject.settings):
        cure = 'Name its host in coffee-roadmap.toml: [agent] network = ["api.anthropic.com"] for Claude Code.'
        yield _notice("The agent's box has no network, so it cannot reach the service that it thinks with.", cure)
    if subject.settings.daemon.test_command is None:
        cure = 'Name one in coffee-roadmap.toml: [daemon] test_command = "make test".'
        yield _notice("No test command is set: what agents build is not tested before it counts.", cure)


def _box(settings: Settings) -> str:
    kind, hosts = settings.agent.sandbox, settings.agent.network
    if kind == "none":
        return "It runs with your rights, in no box ([agent] sandbox)."
    return f"It runs in a {kind} box, {'with ' + ' '.join(hosts) if hosts else 'without'} network."


def _cut_off(settings: Settings) -> bool:
    """Whether an agent that certainly needs a service is kept from it; what a program of one's own needs, who knows."""
    kind, agent = settings.daemon.agent, settings.agent
    thinks = kind == "claude" or (kind == "command" and agent.preset is not None)
    return thinks and agent.sandbox != "none" and not agent.network


def _traces(subject: Subject) -> Findings:
    yield from subject.traces()


_CHECKS = (
    _python, _settings, _roadmap, _can_write, _data, _mounts, _databases, _unfinished, _channels, _git, _daemon,
    _traces,
)  # fmt: skip


def _newest_change(subject: Subject) -> int:
    with subject.store.reading() as tx:
        return next((change.id for change in tx.roadmap.changes(limit=1)), 0)
