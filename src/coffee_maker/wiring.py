"""Settings in, ready operations out: the only module that names concrete classes.

Each part is made when it is first asked for, with its imports, so that `view` opens no database and imports none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from coffee_maker.core.errors import WrongUsage
from coffee_maker.core.lean import UTC, datetime
from coffee_maker.settings import Flags, Settings, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import timedelta
    from typing import Self

    from coffee_maker.adapters.background import Started
    from coffee_maker.adapters.daemon_log import DaemonLog
    from coffee_maker.adapters.liveness import Liveness
    from coffee_maker.core.document import Document
    from coffee_maker.core.ports import (
        Agent,
        Channel,
        Clock,
        Maintenance,
        Repository,
        RoadmapFile,
        Sandbox,
        Store,
        System,
    )
    from coffee_maker.core.records import Finding, Heartbeat, Line
    from coffee_maker.core.state import Claim
    from coffee_maker.utils.connection import Databases
    from coffee_maker.work.controlling import Controlling
    from coffee_maker.work.daemon import Daemon
    from coffee_maker.work.doctor import Subject
    from coffee_maker.work.editing import Editing
    from coffee_maker.work.job import Desk, Tell
    from coffee_maker.work.job import Options as DaemonOptions
    from coffee_maker.work.messages import Messages
    from coffee_maker.work.publishing import Publishing
    from coffee_maker.work.rehearsal import Rehearsal
    from coffee_maker.work.sync import Sync


NO_TRACES = "OpenTelemetry is not installed here: install coffee-roadmap with its extra `traces`."


_LOOKING_SECONDS = 0.3  # a command that only looks does not wait long for the roadmap's lock


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def _silent(words: str, *, item: str | None = None, level: str = "info") -> None:
    """Nobody is told."""


class Operations:
    """Everything that a face can ask for, on one project. Use it as a context manager: it closes what was opened."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock()
        self._observed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if "store" in self.__dict__ and hasattr(self.store, "close"):
            self.store.close()
        if self._observed:
            from coffee_maker.utils import observing

            observing.switch_off()

    @cached_property
    def actor(self) -> str:
        """Who acts, for the history: COFFEE_ACTOR, else the login name."""
        if given := os.environ.get("COFFEE_ACTOR", "").strip():
            return given
        import pwd

        try:
            return pwd.getpwuid(os.getuid()).pw_name
        except KeyError:  # a container's user without an entry
            return "person"

    @cached_property
    def file(self) -> RoadmapFile:
        from coffee_maker.adapters.roadmap_file import RoadmapFile

        return RoadmapFile(self.settings.roadmap.path)

    @cached_property
    def databases(self) -> Databases:
        from coffee_maker.utils.connection import Databases

        return Databases(self.settings.data.dir, url=self.settings.database.url)

    @cached_property
    def store(self) -> Store:
        if self.databases.url is not None:
            from coffee_maker.store.postgres import PostgresStore

            return PostgresStore(self.databases)
        from coffee_maker.store.sqlite import SqliteStore

        return SqliteStore(self.databases)

    @property
    def _untouched(self) -> bool:
        """Whether nothing was ever written, so that there is no database to look into."""
        return self.settings.database.url is None and not os.path.isdir(self.settings.data.dir)

    def settled_document(self) -> Document:
        """The roadmap, after what was edited outside since the last operation was recorded, an old buffer merged: what
        is done would look like what comes next. Where that cannot be done now it is the roadmap as it stands."""
        document = self.document()
        if self._untouched:
            return document
        with self.store.reading() as tx:
            state = tx.roadmap.state()
        if state is None or state.hash == document.digest:
            return document
        from coffee_maker.work.looking import record_outside_edits

        if record_outside_edits(self.editing, patience=_LOOKING_SECONDS) == "recorded":
            self.publish()
        return self.document()

    def held_back(self) -> tuple[Sequence[Claim], Mapping[str, str]]:
        """The claims that hold now, and the items that are to be left alone with the reason; where nothing was ever
        written there are none, and no driver is imported."""
        if self._untouched:
            return (), {}
        with self.store.reading() as tx:
            left = {key: one.words for key, one in tx.controls.skipped().items()}
            held = tx.claims.held(self.clock.now())
            if held:
                from coffee_maker.work.standing import claims_of_the_living

                held = claims_of_the_living(tx, self.clock.now(), self.is_gone)
            return held, left

    def prepare(self) -> None:
        """Make the data directory for the first change, or refuse with the reason; its lock is the first file in it."""
        from coffee_maker.utils import data_directory

        if data_directory.is_ours(self.settings.data.dir):
            return
        from coffee_maker.work.project import refuse_second_database

        refuse_second_database(self.settings)
        data_directory.ensure(self.settings.data.dir)

    @cached_property
    def editing(self) -> Editing:
        from coffee_maker.utils.data_directory import lock_path
        from coffee_maker.work.editing import Editing
        from coffee_maker.work.recording import Options

        settings = self.settings
        options = Options(
            lock_path=lock_path(settings.data.dir),
            item_pattern=settings.roadmap.item_pattern,
            channels=tuple((name, channel.levels) for name, channel in settings.channels.items()),
            keep_versions=settings.history.keep_versions,
            keep_days=settings.history.keep_days,
            name=os.path.relpath(settings.roadmap.path, settings.root),
        )
        return Editing(self.store, self.file, self.clock, options)

    @cached_property
    def channels(self) -> Mapping[str, Channel]:
        if not self.settings.channels:
            return {}
        from coffee_maker.adapters.command_channel import CommandChannel

        return {name: CommandChannel(name, channel) for name, channel in self.settings.channels.items()}

    @cached_property
    def messages(self) -> Messages:
        from coffee_maker.work.messages import Messages

        return Messages(self.store, self.clock, self.channels)

    @cached_property
    def system(self) -> System:
        from coffee_maker.adapters.system import SystemFacts

        settings = self.settings
        return SystemFacts(settings.roadmap.path, settings.data.dir, self._database_file, settings.project_file)

    def settings_hash(self) -> str | None:
        """Of the project's settings file, as daemons tell it of theirs."""
        from coffee_maker.adapters.system import content_hash

        return content_hash(self.settings.project_file)

    @property
    def _database_file(self) -> str | None:
        from coffee_maker.store.common import SHARED
        from coffee_maker.utils.sqlite_link import database_path

        return database_path(self.databases, SHARED) if self.databases.url is None else None

    @cached_property
    def sync(self) -> Sync:
        from coffee_maker.work.sync import Sync

        return Sync(self.store, self.clock, self.system, uses_files=self.databases.url is None)

    @cached_property
    def subject(self) -> Subject:
        """The whole set-up, for `doctor` to look at."""
        from coffee_maker.work.doctor import Subject

        return Subject(
            settings=self.settings,
            environ=os.environ,
            file=self.file,
            store=self.store,
            clock=self.clock,
            system=self.system,
            editing=lambda: self.editing,
            repository=lambda: self.repository,
            agent=lambda: self.agent,
            unpublished=lambda: self.publishing.problem() if self.publishing is not None else None,
            databases=self.check_databases,
            traces=self.check_traces,
            channels=lambda: self.channels,
        )

    @cached_property
    def maintenance(self) -> tuple[Maintenance, ...]:
        """The one who looks after each logical database."""
        if self.databases.url is not None:
            from coffee_maker.store.postgres_maintenance import PostgresMaintenance

            return tuple(PostgresMaintenance(self.databases, name) for name in self.databases.names)
        from coffee_maker.store.sqlite_maintenance import SqliteMaintenance

        return tuple(SqliteMaintenance(self.databases, name) for name in self.databases.names)

    def check_databases(self) -> Sequence[Finding]:
        """Everything that can be wrong with the databases; nothing, where there are none yet."""
        from coffee_maker.core.errors import RoadmapMissing, RoadmapUnusable
        from coffee_maker.core.lean import sha256
        from coffee_maker.core.records import Finding
        from coffee_maker.work import databases

        if not any(one.exists() for one in self.maintenance):
            return ()
        directory = self.settings.data.dir if self.databases.url is None else None
        roadmap_hash: str | None = None
        unusable: tuple[Finding, ...] = ()
        try:
            roadmap_hash = sha256(self.file.read()).hexdigest()
        except RoadmapMissing:
            pass
        except RoadmapUnusable as refused:  # it is there, so it is not gone
            unusable = (Finding(refused.code, "problem", refused.message, refused.hint),)
        found = databases.check(self.maintenance, self.store, roadmap_hash=roadmap_hash, directory=directory)
        return [*(one for one in found if not unusable or one.code != "file_missing"), *unusable]

    def observe(self, tell: Callable[[str], None]) -> None:
        """Send traces from now on, where variables name a server for them (`adapters.trace_targets`). For what runs
        long and works by itself; a command of a person's is never observed."""
        from coffee_maker.adapters.trace_targets import targets

        found = targets(os.environ)
        if not found or self._observed:
            return
        self._observed = True
        try:
            from coffee_maker.adapters.traces import Options, start
        except ImportError:
            tell(f"No traces go to {found[0].where}: {NO_TRACES}")
            return
        from coffee_maker.utils import observing
        from coffee_maker.utils.redaction import Redaction

        traces = self.settings.traces
        options = Options(traces.service_name, traces.content, traces.timeout.total_seconds())
        redaction = Redaction(os.environ, (self.settings.database.url,))
        observing.switch_on(start(found, options, redaction, tell))

    def check_traces(self) -> Sequence[Finding]:
        """Where the daemon's traces go, and what is missing for that; nothing, where they go nowhere."""
        from coffee_maker.adapters.trace_targets import targets
        from coffee_maker.core.records import Finding

        found = targets(os.environ)
        try:
            if found:
                import coffee_maker.adapters.traces  # noqa: F401 - whether it can be
        except ImportError:
            return [Finding("traces", "notice", f"No traces go to {one.where}.", NO_TRACES) for one in found]
        return [Finding("traces", "ok", f"The daemon's traces go to {one.where}.") for one in found]

    def daemon(self, *, agent: str | None, ask: bool, tell: Tell) -> Daemon:
        """A daemon on this project. `agent` names another one than the settings do."""
        from coffee_maker.work.daemon import Daemon

        self.prepare()
        self.observe(lambda words: tell(words, level="warning"))
        return Daemon(self.desk(agent=agent, ask=ask, tell=tell), self.system, poll=self.settings.daemon.poll)

    def desk(self, *, agent: str | None, ask: bool, tell: Tell) -> Desk:
        """What a daemon works with."""
        from coffee_maker.adapters.agents.command import CommandAgent
        from coffee_maker.work.job import Desk

        settings = self.settings
        if agent is not None:
            self.settings = settings = settings._replace(daemon=settings.daemon._replace(agent=agent))
        if self.repository is None:
            from coffee_maker.work.project import without_repository

            raise without_repository(settings.root)
        command = settings.daemon.test_command
        return Desk(
            editing=self.editing,
            messages=self.messages,
            store=self.store,
            clock=self.clock,
            repository=self.repository,
            agent=self.agent,
            tests=CommandAgent(command, name="tests", names=settings.agent.environment, sandbox=self.sandbox)
            if command
            else None,
            # Two containers can share host name and process number.
            owner=f"{settings.daemon.name or os.uname().nodename}-{os.getpid()}-{os.urandom(2).hex()}",
            started=self.clock.now(),
            options=self._daemon_options(ask=ask),
            tell=tell,
            publish=self.publish,
            presence=self.liveness,
        )

    @cached_property
    def scratch(self) -> str:
        """The daemon's own directory on this machine for this project: logs, item files, work trees."""
        from coffee_maker.utils.places import state_directory
        from coffee_maker.work.naming import project_name

        root = self.settings.root
        return os.path.join(state_directory(os.environ), "projects", project_name(os.path.basename(root), root))

    @property
    def _worktrees(self) -> str:
        return self.settings.daemon.worktrees or os.path.join(self.scratch, "worktrees")

    @cached_property
    def log(self) -> DaemonLog:
        """What the daemons on this machine told."""
        from coffee_maker.adapters.daemon_log import DaemonLog

        return DaemonLog(os.path.join(self.scratch, "daemon.log"))

    def log_lines(self, *, since: timedelta | None, level: str | None, item: str | None) -> Sequence[Line]:
        """What is in the log, oldest first."""
        from coffee_maker.adapters import daemon_log

        start = self.clock.now() - since if since is not None else None
        wanted = daemon_log.wanted(level=level, item=item)
        return [one for one in daemon_log.read(self.log.path, wanted) if start is None or one.at >= start]

    def log_follow(self, *, since: timedelta | None, level: str | None, item: str | None) -> Iterator[Line]:
        """What comes into the log from now on; with `since`, what is there since then first."""
        from threading import Event

        from coffee_maker.adapters import daemon_log

        start = self.clock.now() - since if since is not None else None
        wanted = daemon_log.wanted(level=level, item=item)
        lines = daemon_log.follow(self.log.path, wanted, Event(), before=start is not None)
        return (one for one in lines if start is None or one.at >= start)

    def rehearse(self, *, agent: str | None, ask: bool) -> Rehearsal:
        """What a daemon would do now."""
        from coffee_maker.work.rehearsal import rehearse

        return rehearse(self.desk(agent=agent, ask=ask, tell=_silent), self.is_gone)

    def background_lock(self, wanted: bool) -> AbstractContextManager[None]:
        """Held by the one daemon in the background, as long as it lives; raises `DaemonRunning`."""
        from contextlib import nullcontext

        from coffee_maker.adapters import background

        if not wanted:
            return nullcontext()
        self.prepare()
        return background.lock(self._background_lock)

    def start_daemon(self, words: Sequence[str]) -> Started:
        """Start `daemon run` in the background with these words; raises `DaemonRunning` and `DaemonFailed`."""
        from coffee_maker.adapters import background

        self.prepare()
        background.refuse_second(self._background_lock)
        started = background.start(words, self.settings.root, self.log.path)
        background.wait(started, lambda: any(beat.pid == started.pid for beat in self.controlling.daemons()))
        return started

    @property
    def _background_lock(self) -> str:
        return os.path.join(self.settings.data.dir, "daemon.lock")

    @cached_property
    def liveness(self) -> Liveness:
        from coffee_maker.adapters.agents import process
        from coffee_maker.adapters.liveness import Liveness

        return Liveness(self.settings.data.dir, process.inherited)

    def is_gone(self, beat: Heartbeat) -> bool:
        """Whether a daemon is certainly gone: it ran on this kernel, and nobody holds its lock."""
        from coffee_maker.adapters.liveness import Liveness
        from coffee_maker.adapters.system import boot_id

        return beat.boot_id == boot_id() and Liveness(self.settings.data.dir, []).gone(beat.daemon)

    @cached_property
    def controlling(self) -> Controlling:
        from coffee_maker.work.controlling import Controlling

        return Controlling(self.store, self.clock, self.editing, self.is_gone)

    def _daemon_options(self, *, ask: bool) -> DaemonOptions:
        from coffee_maker.core.limits import Ceilings
        from coffee_maker.work.job import Options

        settings, daemon, agent = self.settings, self.settings.daemon, self.settings.agent
        shared = (settings.roadmap.path, settings.data.dir)
        inside = (os.path.relpath(path, settings.root) for path in shared)
        policy = settings.policy._asdict()
        return Options(
            scratch=self.scratch,
            worktrees=self._worktrees,
            policy=policy if ask else {**policy, "start": "allow"},
            approval_deadline=daemon.approval_deadline,
            lease=daemon.lease,
            max_attempts=daemon.max_attempts,
            backoff=daemon.backoff,
            parallel=daemon.parallel,
            waiting=daemon.waiting,
            ask_when_vague=daemon.ask_when_vague,
            push=daemon.push,
            agent_timeout=agent.timeout,
            test_timeout=agent.timeout,
            stall=agent.stall,
            max_output=agent.max_output,
            ceilings=Ceilings(**settings.limits._asdict()),
            leave_out=tuple(path for path in inside if not path.startswith("..")),
            environment=self._agents_environment,
        )

    @property
    def _agents_environment(self) -> Mapping[str, str]:
        """Where the agent asks the person, unless it is in a box, which the data directory is not in; and none of the
        person's hooks for its commits, unless they are wanted (in a box, the repository sees to that)."""
        settings = self.settings
        if settings.agent.sandbox != "none":
            return {}
        shared = {"COFFEE_ROADMAP": settings.roadmap.path, "COFFEE_DATA_DIR": settings.data.dir}
        if settings.agent.hooks:
            return shared
        no_hooks = {"COUNT": "1", "KEY_0": "core.hooksPath", "VALUE_0": os.devnull}
        return {**shared, **{f"GIT_CONFIG_{name}": value for name, value in no_hooks.items()}}

    @cached_property
    def sandbox(self) -> Sandbox | None:
        """The box for agents and tests; None when they run without."""
        agent = self.settings.agent
        if agent.sandbox == "none":
            return None
        from coffee_maker.adapters.sandbox.box import Bounds

        # Files that the settings themselves name as part of a command are to be read there.
        commands = (*agent.command, *(self.settings.daemon.test_command or ()))
        named = [part for part in commands if os.path.isabs(part) and os.path.isfile(part)]
        bounds = Bounds(
            worktrees=self._worktrees,
            network=agent.network,
            memory=agent.memory,
            processes=agent.processes,
            readable=(*agent.readable, *named),
            image=agent.image,
        )
        if agent.sandbox == "docker":
            from coffee_maker.adapters.sandbox.docker import DockerSandbox

            return DockerSandbox(bounds)
        from coffee_maker.adapters.sandbox.bwrap import BwrapSandbox

        return BwrapSandbox(bounds)

    @cached_property
    def agent(self) -> Agent:
        """The agent that the settings name."""
        settings = self.settings.agent
        if self.settings.daemon.agent == "runbook":
            from coffee_maker.adapters.agents.runbook import RunbookAgent

            return RunbookAgent(names=settings.environment, sandbox=self.sandbox)
        if self.settings.daemon.agent == "claude":
            from coffee_maker.adapters.agents import claude
            from coffee_maker.core.tools import AGENT_TOOLS

            return claude.ClaudeAgent(claude.Settings(AGENT_TOOLS, settings.model, settings.environment, self.sandbox))
        if settings.preset is not None:
            from coffee_maker.adapters.agents import presets

            chosen = presets.Settings(settings.model, settings.environment, self.sandbox)
            return presets.PresetAgent(settings.preset, chosen)
        from coffee_maker.adapters.agents.command import CommandAgent

        return CommandAgent(settings.command, names=settings.environment, sandbox=self.sandbox)

    @cached_property
    def repository(self) -> Repository | None:
        """The git repository around the project, or around the roadmap, which may lie elsewhere behind a link; None
        when there is neither."""
        from coffee_maker.work.project import inside_git

        if not (inside_git(os.path.realpath(self.settings.root)) or self._roadmap_in_git):
            return None
        from coffee_maker.adapters.git import GitRepository, Rules, is_read_only

        agent, root, roadmap = self.settings.agent, self.settings.root, self.settings.roadmap.path
        own = self.settings.daemon.repository
        if own is None and is_read_only(root):
            own = os.path.join(self.scratch, "repository.git")
        rules = Rules(filters=agent.filters, hooks=agent.hooks, own=own)
        if agent.sandbox != "none":
            from coffee_maker.adapters.git_boxed import BoxedRepository

            return BoxedRepository(root, roadmap, rules)
        return GitRepository(root, roadmap, rules)

    @cached_property
    def _roadmap_in_git(self) -> bool:
        from coffee_maker.work.project import inside_git

        return inside_git(os.path.dirname(os.path.realpath(self.settings.roadmap.path)))

    @cached_property
    def publishing(self) -> Publishing | None:
        """What brings recorded versions to git; None when nothing is to be brought there."""
        git = self.settings.git
        if not (git.log or git.commit) or not self._roadmap_in_git or self.repository is None:
            return None
        from coffee_maker.work.publishing import Publishing

        return Publishing(
            self.store,
            self.repository,
            directory=self.settings.data.dir,
            log=git.log,
            commit=git.commit,
            tell=lambda draft: self.messages.notify(draft),
        )

    def publish(self) -> None:
        """Bring what was recorded to git; never fails, `doctor` tells what went wrong."""
        if self.publishing is not None:
            self.publishing.catch_up()

    def document(self) -> Document:
        """The roadmap as it stands in the file: no lock, no database."""
        from coffee_maker.core.document import Document
        from coffee_maker.core.errors import NotText, RoadmapUnusable

        try:
            return Document.from_bytes(self.file.read(), item_pattern=self.settings.roadmap.item_pattern)
        except NotText as error:
            raise RoadmapUnusable(path=self.settings.roadmap.path, problem=error.message, hint=error.hint) from error


def open_project(*, roadmap: str | None = None, data_dir: str | None = None) -> Operations:
    """The operations on the project that these flags, the environment and the current directory name."""
    return open_operations(load_settings(roadmap=roadmap, data_dir=data_dir))


def load_settings(*, roadmap: str | None = None, data_dir: str | None = None) -> Settings:
    try:
        cwd = os.getcwd()
    except FileNotFoundError:
        raise WrongUsage(problem="The current directory no longer exists.", hint="Change to another one.") from None
    return load(Flags(roadmap=roadmap, data_dir=data_dir), os.environ, cwd)


def open_operations(settings: Settings) -> Operations:
    """The operations on the project of these settings; nothing is opened yet."""
    return Operations(settings)
