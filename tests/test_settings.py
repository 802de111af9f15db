"""Settings: which source wins, where the project is found, and how wrong ones are refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from coffee_maker.core.errors import BadSetting
from coffee_maker.settings import KEYS, ChannelSettings, Flags, Settings, environment_name, load, shown
from coffee_maker.utils.places import find_project, state_directory, user_file
from coffee_maker.utils.values import without_password


def settings(root: Path, text: str | None = None, *, flags: Flags = Flags(), **environ: str) -> Settings:  # noqa: B008
    root.mkdir(exist_ok=True)
    if text is not None:
        (root / "coffee-roadmap.toml").write_text(text)
    return load(flags, {"HOME": str(root / "home"), **environ}, str(root))


def test_defaults_where_there_is_nothing(tmp_path: Path) -> None:
    found = settings(tmp_path)
    assert found.root == str(tmp_path)
    assert found.project_file is None
    assert found.roadmap.path == str(tmp_path / "docs/ROADMAP.md")
    assert found.data.dir == str(tmp_path / "data")
    assert (found.database.url, found.git.log, found.git.commit) == (None, True, False)
    assert (found.history.keep_versions, found.history.keep_days) == (500, 90)
    assert (found.daemon.agent, found.daemon.lease, found.daemon.max_attempts) == ("command", timedelta(seconds=60), 3)
    assert (found.agent.timeout, found.agent.max_output) == (timedelta(hours=1), 10_000_000)
    assert found.sources == {}


def test_every_setting_of_the_project_file_is_read(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        r"""
        [roadmap]
        path = "PLAN.md"
        item_pattern = '^(?P<id>T\d+) (?P<title>.+)'
        [data]
        dir = "../shared"
        [database]
        url = "postgresql://me:secret@db/team"
        [git]
        log = false
        commit = true
        [history]
        keep_versions = 7
        keep_days = 8
        [daemon]
        agent = "runbook"
        name = "night"
        test_command = "make test"
        lease = "2m"
        poll = "500ms"
        worktrees = "~/trees"
        max_attempts = 5
        approval_deadline = "3d"
        backoff = "1m"
        parallel = 2
        waiting = 4
        ask_when_vague = true
        push = "origin"
        repository = "own.git"
        [agent]
        command = ["agent", "--file", "{item_file}"]
        timeout = "90m"
        max_output = "2 MB"
        environment = ["TOKEN"]
        preset = "codex"
        model = "m-1"
        stall = "10m"
        sandbox = "bwrap"
        network = ["pypi.org"]
        memory = "2GB"
        processes = 99
        image = "agent:1"
        hooks = true
        readable = ["tools"]
        filters = ["lfs"]
        [limits]
        run_turns = 10
        run_tokens = 20
        run_cost = 1
        item_time = "1h"
        item_tokens = 30
        item_cost = 2.5
        day_time = "8h"
        day_tokens = 40
        day_cost = 0
        [policy]
        start = "allow"
        new_dependency = "deny"
        network = "allow"
        push = "deny"
        pull_request = "ask"
        [traces]
        content = true
        service_name = "ours"
        timeout = "9s"
        [channels.desktop]
        kind = "command"
        argv = ["notify-send", "{title}"]
        levels = ["high", "critical"]
        timeout = "5s"
        environment = ["DISPLAY"]
        """,
    )
    assert found.roadmap.path == str(tmp_path / "PLAN.md")
    assert found.roadmap.item_pattern == r"^(?P<id>T\d+) (?P<title>.+)"
    assert found.data.dir == str(tmp_path.parent / "shared")
    assert found.git == (False, True)
    assert found.history == (7, 8)
    assert found.daemon[:6] == (
        "runbook",
        "night",
        ("sh", "-c", "make test"),
        timedelta(minutes=2),
        timedelta(seconds=0.5),
        str(Path("~/trees").expanduser()),
    )
    assert found.daemon[6:] == (
        5,
        timedelta(minutes=1),
        timedelta(days=3),
        2,
        4,
        True,
        str(tmp_path / "own.git"),
        "origin",
    )
    assert found.agent == (
        ("agent", "--file", "{item_file}"),
        "codex",
        "m-1",
        timedelta(minutes=90),
        timedelta(minutes=10),
        2_000_000,
        ("TOKEN",),
        "bwrap",
        ("pypi.org",),
        2_000_000_000,
        99,
        "agent:1",
        True,
        (str(tmp_path / "tools"),),
        ("lfs",),
    )
    assert found.limits == (10, 20, 1.0, timedelta(hours=1), 30, 2.5, timedelta(hours=8), 40, 0.0)
    assert found.policy == ("allow", "deny", "allow", "deny", "ask")
    assert found.channels == {
        "desktop": ChannelSettings(
            "command", ("notify-send", "{title}"), ("high", "critical"), timedelta(seconds=5), ("DISPLAY",)
        )
    }
    assert set(found.sources) == set(KEYS)


def test_flags_beat_environment_beats_project_file_beats_user_file(tmp_path: Path) -> None:
    user = tmp_path / "xdg/coffee-roadmap/config.toml"
    user.parent.mkdir(parents=True)
    user.write_text('[data]\ndir = "u"\n[daemon]\nname = "u"\nlease = "1s"\npoll = "1s"\n')
    found = settings(
        tmp_path,
        '[data]\ndir = "p"\n[daemon]\nname = "p"\nlease = "2s"\n',
        flags=Flags(data_dir="f"),
        XDG_CONFIG_HOME=str(tmp_path / "xdg"),
        COFFEE_DATA_DIR="e",
        COFFEE_DAEMON_NAME="e",
    )
    assert (found.data.dir, found.sources["data.dir"]) == (str(tmp_path / "f"), "--data-dir")
    assert (found.daemon.name, found.sources["daemon.name"]) == ("e", "COFFEE_DAEMON_NAME")
    assert (found.daemon.lease.seconds, found.sources["daemon.lease"]) == (2, str(tmp_path / "coffee-roadmap.toml"))
    assert (found.daemon.poll.seconds, found.sources["daemon.poll"]) == (1, str(user))


def test_every_setting_can_come_from_the_environment(tmp_path: Path) -> None:
    given = {
        "roadmap.path": "R.md",
        "roadmap.item_pattern": "(?P<id>x)(?P<title>y)",
        "data.dir": "d",
        "database.url": "postgresql://h/d",
        "git.log": "off",
        "git.commit": "YES",
        "history.keep_versions": "3",
        "history.keep_days": "4",
        "daemon.agent": "runbook",
        "daemon.name": "n",
        "daemon.test_command": "make",
        "daemon.lease": "3s",
        "daemon.poll": "4s",
        "daemon.worktrees": "w",
        "daemon.max_attempts": "9",
        "daemon.approval_deadline": "1d",
        "agent.command": "run it",
        "agent.timeout": "5s",
        "agent.max_output": "1000",
        "agent.environment": "A, B C",
        "daemon.backoff": "1s",
        "daemon.parallel": "2",
        "daemon.waiting": "5",
        "daemon.ask_when_vague": "yes",
        "daemon.push": "origin",
        "daemon.repository": "own.git",
        "agent.preset": "aider",
        "agent.model": "m",
        "agent.stall": "5m",
        "agent.sandbox": "docker",
        "agent.network": "a b",
        "agent.memory": "1000",
        "agent.processes": "7",
        "agent.image": "i",
        "agent.hooks": "no",
        "agent.readable": "one two",
        "agent.filters": "lfs",
        "limits.run_turns": "1",
        "limits.run_tokens": "2",
        "limits.run_cost": "0.5",
        "limits.item_time": "1s",
        "limits.item_tokens": "3",
        "limits.item_cost": "1.5",
        "limits.day_time": "2s",
        "limits.day_tokens": "4",
        "limits.day_cost": "2",
        "policy.start": "deny",
        "policy.new_dependency": "allow",
        "policy.network": "deny",
        "policy.push": "allow",
        "policy.pull_request": "deny",
        "traces.content": "on",
        "traces.service_name": "ours",
        "traces.timeout": "9s",
    }
    assert set(given) == set(KEYS)
    found = settings(tmp_path, **{environment_name(key): value for key, value in given.items()})
    assert found.sources == {key: environment_name(key) for key in KEYS}
    assert found.roadmap.path == str(tmp_path / "R.md")
    assert found.git == (False, True)
    assert found.history == (3, 4)
    assert (found.agent.command, found.agent.timeout) == (("sh", "-c", "run it"), timedelta(seconds=5))
    assert (found.agent.max_output, found.agent.environment) == (1000, ("A", "B", "C"))
    assert found.agent.network == ("a", "b")
    assert (found.limits.run_cost, found.limits.day_time) == (0.5, timedelta(seconds=2))
    assert found.policy == ("deny", "allow", "deny", "allow", "deny")
    assert found.traces == (True, "ours", timedelta(seconds=9))


def test_an_empty_variable_counts_as_none(tmp_path: Path) -> None:
    assert settings(tmp_path, COFFEE_DATA_DIR="").data.dir == str(tmp_path / "data")


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("[roadmap\n", 1, "this is not TOML"),
        ("\n[dtaa]\n", 2, "no section named dtaa (did you mean data?)"),
        ("[data]\n\npath = 1\n", 3, "no setting in [data] named path"),
        ("[git]\nlog = true\n[data]\nlog = 1\n", 4, "no setting in [data] named log"),
        ("data = 1\n", 1, "data is a section"),
        ("[data]\ndir = 5\n", 2, "expected a text"),
        ('[data]\ndir = ""\n', 2, "expected a text"),
        ("[git]\nlog = 1\n", 2, "expected true or false"),
        ('[git]\ncommit = "true"\n', 2, "expected true or false"),
        ("[history]\nkeep_days = 0\n", 2, "expected a whole number of 1 or more"),
        ("[history]\nkeep_days = true\n", 2, "expected a whole number"),
        ("[daemon]\nlease = 60\n", 2, 'in quotes: "60s"'),
        ('[daemon]\nlease = "60"\n', 2, "expected a duration"),
        ('[daemon]\nlease = "0s"\n', 2, "longer than nothing"),
        ('[daemon]\nagent = "comand"\n', 2, "did you mean command?"),
        ("[daemon]\ntest_command = []\n", 2, "expected a command"),
        ("[daemon]\ntest_command = [1]\n", 2, "expected a list of texts"),
        ('[agent]\nmax_output = "10XB"\n', 2, "expected a size"),
        ("[agent]\nmax_output = true\n", 2, "expected a size"),
        ('[agent]\ncommand = [""]\n', 2, "expected a command"),
        ("[roadmap]\nitem_pattern = '('\n", 2, "no regular expression"),
        ("[roadmap]\nitem_pattern = 'x'\n", 2, "it lacks the named group (?P<id>...) and (?P<title>...)"),
        (f"[roadmap]\nitem_pattern = '{'(' * 3000}'\n", 2, "no regular expression"),
        ("[channels]\ndesktop = 1\n", 1, "a section of its own"),
        ("[channels.desktop]\n", 1, "needs argv"),
        ("[channels.desktop]\nargv = []\n", 2, "expected a program"),
        ('[channels.desktop]\nargv = "notify-send hi"\n', 2, "expected a list"),
        ('[channels.desktop]\nkind = "slack"\nargv = ["x"]\n', 2, "expected command"),
        ('[channels.desktop]\nargv = ["x"]\nlevels = ["hihg"]\n', 3, "did you mean high?"),
        ('[channels.desktop]\nargv = ["x"]\nlevel = ["high"]\n', 3, "did you mean levels?"),
    ],
)
def test_a_wrong_setting_is_refused_with_file_and_line(tmp_path: Path, text: str, line: int, problem: str) -> None:
    with pytest.raises(BadSetting) as refused:
        settings(tmp_path, text)
    assert f"coffee-roadmap.toml, line {line}" in refused.value.message
    assert problem in refused.value.message


def test_a_file_that_is_no_text_or_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "coffee-roadmap.toml").write_bytes(b"\xff\xfe[git]")
    with pytest.raises(BadSetting, match="not UTF-8"):
        settings(tmp_path)
    user = tmp_path / "xdg/coffee-roadmap/config.toml"
    user.mkdir(parents=True)
    (tmp_path / "coffee-roadmap.toml").unlink()
    with pytest.raises(BadSetting, match="cannot be read"):
        settings(tmp_path, XDG_CONFIG_HOME=str(tmp_path / "xdg"))


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("COFFEE_GIT_LOG", "perhaps", "expected true or false"),
        ("COFFEE_DAEMON_LEASE", "60", "expected a duration"),
        ("COFFEE_HISTORY_KEEP_DAYS", "many", "expected a whole number"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(tmp_path: Path, name: str, value: str, problem: str) -> None:
    with pytest.raises(BadSetting, match=f"{name}: {problem}"):
        settings(tmp_path, **{name: value})


# --- where the project is --------------------------------------------------------------------------------------


def make(root: Path, *places: str) -> None:
    for place in places:
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if place.endswith("/") else path.write_text("")


@pytest.mark.parametrize(
    ("places", "start", "root"),
    [
        (["coffee-roadmap.toml"], "a/b", "."),
        (["coffee-roadmap.toml", "a/coffee-roadmap.toml"], "a/b", "a"),
        (["coffee-roadmap.toml", "a/.git/", "a/ROADMAP.md"], "a/b", "."),
        ([".git/", "docs/ROADMAP.md"], "docs", "."),
        ([".git/", "ROADMAP.md"], "a/b", "."),
        ([".git/", "ROADMAP.md", "a/ROADMAP.md"], "a/b", "."),
        ([".git/", "a/ROADMAP.md"], "a/b", "a"),
        ([".git/"], "a/b", "."),
        ([".git"], "a/b", "."),
        (["ROADMAP.md", "a/.git/"], "a/b", "a"),
        (["docs/ROADMAP.md"], "docs", "."),
        (["docs/ROADMAP.md"], "a/b", "."),
        ([], "a/b", "a/b"),
        ([], "a/docs", "a"),
    ],
)
def test_the_project_is_found_from_below(tmp_path: Path, places: list[str], start: str, root: str) -> None:
    make(tmp_path, *places)
    (tmp_path / start).mkdir(parents=True, exist_ok=True)
    assert find_project(str(tmp_path / start)).root == str((tmp_path / root).resolve())


def test_a_roadmap_that_is_named_brings_its_own_project(tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/", "project/coffee-roadmap.toml", "project/docs/ROADMAP.md")
    found = load(Flags(roadmap="../project/docs/ROADMAP.md"), {}, str(tmp_path / "elsewhere"))
    assert found.root == str(tmp_path / "project")
    assert found.data.dir == str(tmp_path / "project/data")


def test_a_roadmap_at_the_root_is_used_where_docs_has_none(tmp_path: Path) -> None:
    make(tmp_path, "ROADMAP.md")
    assert settings(tmp_path).roadmap.path == str(tmp_path / "ROADMAP.md")


def test_user_and_state_places() -> None:
    assert user_file({"HOME": "/h"}) == "/h/.config/coffee-roadmap/config.toml"
    assert user_file({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}) == "/x/coffee-roadmap/config.toml"
    assert user_file({"HOME": "/h", "XDG_CONFIG_HOME": "relative"}) == "/h/.config/coffee-roadmap/config.toml"
    assert user_file({}) is None
    assert state_directory({"XDG_STATE_HOME": "/s"}) == "/s/coffee-roadmap"
    assert state_directory({"HOME": "/h"}) == "/h/.local/state/coffee-roadmap"


# --- secrets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("postgresql://me:secret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:se@cret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://host/db?user=me&password=secret&x=1", "postgresql://host/db?user=me&password=***&x=1"),
        ("host=h password='a b' dbname=d", "host=h password=*** dbname=d"),
        ("postgresql://me@host/db", "postgresql://me@host/db"),
    ],
)
def test_a_password_is_never_shown(tmp_path: Path, url: str, safe: str) -> None:
    assert without_password(url) == safe
    found = settings(tmp_path, COFFEE_DATABASE_URL=url)
    assert ("database.url", safe, "COFFEE_DATABASE_URL") in shown(found)
    assert "secret" not in repr(found).replace("se@cret", "secret") or safe == url


def test_all_settings_are_shown_as_they_are_written(tmp_path: Path) -> None:
    rows = {
        name: (value, source) for name, value, source in shown(settings(tmp_path, '[agent]\ncommand = ["a", "b"]\n'))
    }
    assert set(rows) == set(KEYS)
    assert rows["agent.command"] == ("a b", str(tmp_path / "coffee-roadmap.toml"))
    assert rows["daemon.lease"] == ("1m", "default")
    assert rows["git.log"] == ("true", "default")
    assert rows["database.url"] == ("", "default")


def test_a_file_of_empty_sections_is_read_like_any_other(tmp_path: Path) -> None:
    file = tmp_path / "coffee-roadmap.toml"
    file.write_text("# Settings\n[roadmap]\n\n[daemon]\n# agent = 'command'\n")
    assert load(Flags(), {}, str(tmp_path)).project_file == str(file)
    for wrong in ("[daemn]\n", "[channels.x]\n", "[[daemon]]\n"):
        file.write_text(wrong)
        with pytest.raises(BadSetting):
            load(Flags(), {}, str(tmp_path))
