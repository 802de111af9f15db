"""The commands of `daemon`: shapes, texts and exit codes, without a daemon, with one, and on what is not there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from tests.adapters.git_states import PERSON, git, write
from tests.cli.conftest import Project, Result

from coffee_maker.adapters.daemon_log import DaemonLog
from coffee_maker.cli import render
from coffee_maker.core.records import Entry, Heartbeat
from coffee_maker.store.sqlite import SqliteStore
from coffee_maker.utils.connection import Databases

Run = Callable[..., Result]
RUNBOOK = """\
### PRIORITY 1: Say hello

**Status**: 📝 Planned

```sh run
echo hello > hello.txt
```

### PRIORITY 2: Say goodbye

**Status**: 📝 Planned
**Depends On**: PRIORITY 1
"""


@pytest.fixture
def store(project: Project) -> Iterator[SqliteStore]:
    """The project's own store, as a daemon has it."""
    opened = SqliteStore(Databases(str(project.data)))
    yield opened
    opened.close()


@pytest.fixture
def repository(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
        project.environ[name] = value
    project.roadmap.write_text(RUNBOOK)
    git(project.root, "init", "-q", "-b", "main")
    git(project.root, "add", "docs")
    git(project.root, "commit", "-qm", "one")
    return project


def beat(store: SqliteStore, *, ago: float = 1, state: str = "working", **job: object) -> None:
    now = datetime.now(UTC)
    shown = {
        "item": "PRIORITY-2", "title": "Raise the walls", "step": "build:1",
        "since": (now - timedelta(minutes=5)).isoformat(), "waits_for": None, "activity": "", "active_at": None,
        "progress": None, "branch": None, "tokens": 0, "cost": 0.0,
    } | job  # fmt: skip
    at = now - timedelta(seconds=ago)
    one = Heartbeat("box-1", "box", 1, "another kernel", state, "PRIORITY-2", "build:1", at, {}, (shown,), at)
    with store.writing() as tx:
        tx.heartbeats.beat(one)


def test_settings_that_have_changed_since_it_started_are_told(run: Run, project: Project, store: SqliteStore) -> None:
    path = write(project.root / "coffee-roadmap.toml", "[daemon]\nparallel = 1\n")
    before = sha256(path.read_bytes()).hexdigest()
    beat(store)

    def told(settings_hash: str | None) -> tuple[bool, bool]:
        with store.writing() as tx:
            [one] = tx.heartbeats.all()
            tx.heartbeats.beat(one._replace(seen={"settings_hash": settings_hash}))
        changed = run("daemon", "status", "--json").data["daemons"][0]["settings_changed"]
        return changed, "The settings have changed since it started" in run("daemon", "status").out

    assert told(before) == (False, False)
    write(path, "[daemon]\nparallel = 2\n")
    assert told(before) == (True, True)
    assert told(None) == (False, False)  # in a container it may have none


def test_why_it_does_nothing_is_shown(run: Run, store: SqliteStore) -> None:
    beat(store)
    assert run("daemon", "status", "--json").data["daemons"][0]["because"] is None
    with store.writing() as tx:
        [one] = tx.heartbeats.all()
        tx.heartbeats.beat(one._replace(state="idle", item=None, step=None, jobs=(), because="No \x1b[31mroom."))
    assert run("daemon", "status", "--json").data["daemons"][0]["because"] == "No \x1b[31mroom."
    for words in (("daemon", "status"), ("status",)):
        assert "seen" in (text := run(*words).out)
        assert "\n  No" in text
        assert "\x1b[31m" not in text


def asked(store: SqliteStore) -> list[tuple[str, str | None, str | None, str | None]]:
    with store.reading() as tx:
        return [(one.kind, one.item, one.how, one.reason) for one in tx.controls.since(0)]


# --- asking of daemons -------------------------------------------------------------------------------------------


def test_pause_and_resume_need_no_daemon(run: Run, store: SqliteStore) -> None:
    done = run("daemon", "pause", "--reason", "lunch", "--json")
    assert (done.code, done.data) == (
        0,
        {"id": 1, "kind": "pause", "how": None, "item": None, "reason": "lunch", "replies": {}, "gone": []},
    )
    assert run("daemon", "status", "--json").data["paused_by"] == "Tester"
    assert "Paused by Tester (lunch): nothing" in run("daemon", "status").out
    assert run("status", "--json").data["paused_reason"] == "lunch"
    assert "Paused by Tester" in run("daemon", "status").out
    done = run("daemon", "resume", "--json")
    assert (done.code, done.data["kind"]) == (0, "resume")
    assert run("daemon", "status", "--json").data["paused_by"] is None
    assert run("daemon", "pause").out == "Paused: nothing new is taken up; what is in hand goes on.\n"
    assert run("daemon", "resume").out == "Going on.\n"
    assert [kind for kind, *_rest in asked(store)] == ["pause", "resume", "pause", "resume"]


def test_why_it_is_paused_is_told_in_both_texts(run: Run) -> None:
    run("daemon", "pause")
    for form, words in (("overview", ("status",)), ("daemon_status", ("daemon", "status"))):
        data = run(*words, "--json").data | {"paused_reason": "lunch\n\x1b[31mbreak"}
        text = render.text(form, data, render.PlainPage())
        assert "Paused by Tester (lunch" in text
        assert "break): nothing new is taken up. `coffee-roadmap daemon resume` lets it go on.\n" in text
        assert "\x1b" not in text


@pytest.mark.parametrize("words", [[], ["--force"], ["--after-item"], ["--timeout", "1s"]])
def test_stop_without_a_daemon(run: Run, store: SqliteStore, words: list[str]) -> None:
    done = run("daemon", "stop", *words, "--json")
    assert (done.code, done.out, done.error["code"]) == (4, "", "no_daemon")
    assert "No daemon is running here." in run("daemon", "stop", *words).err
    assert asked(store) == []  # a daemon that comes later is not for it


@pytest.mark.parametrize(("words", "how"), [([], None), (["--force"], "force"), (["--after-item"], "after-item")])
def test_a_stop_that_nobody_heard_in_time_may_be_asked_again(
    run: Run, store: SqliteStore, words: list[str], how: str | None
) -> None:
    beat(store)
    done = run("daemon", "stop", *words, "--reason", "why", "--timeout", "1ms", "--json")
    assert (done.code, done.data) == (
        75,
        {"id": 1, "kind": "stop", "how": how, "item": None, "reason": "why", "replies": {}, "gone": []},
    )
    assert "waiting for box-1, which has in hand:\n  PRIORITY-2 is at build:1\n" in done.err
    assert "is still there: `coffee-roadmap daemon status`" in done.err
    assert "`daemon stop --force`" in done.err
    assert asked(store) == [("stop", None, how, "why")]


def test_a_stop_that_waits_tells_what_for_and_again_when_that_changes(
    run: Run, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat(store, state="waiting", waits_for="an answer to question 7")
    looks = [lambda: None, lambda: beat(store), lambda: beat(store, ago=2), lambda: beat(store, ago=3600)]

    def answered_meanwhile(_wakeup: object, _timeout: float) -> bool:
        looks.pop(0)()
        return True

    monkeypatch.setattr("coffee_maker.store.sqlite.SqliteWakeup.wait", answered_meanwhile)
    done = run("daemon", "stop", "--after-item")
    assert (done.code, done.out, looks) == (0, "Asked to stop.\n", [])
    head = "waiting for box-1, which has in hand:\n  PRIORITY-2 "
    assert done.err == f"{head}waits for an answer to question 7\n{head}is at build:1\n"


def test_stop_in_two_ways_at_once_is_refused(run: Run, store: SqliteStore) -> None:
    beat(store)
    assert run("daemon", "stop", "--force", "--after-item").code == 2
    assert asked(store) == []


def test_skip_and_retry(run: Run, project: Project, store: SqliteStore) -> None:
    done = run("daemon", "skip", "priority 2", "--reason", "keys", "--json")
    assert (done.code, done.data["item"], done.data["reason"]) == (0, "PRIORITY-2", "keys")
    status = run("daemon", "status", "--json").data
    assert (status["skipped"], status["next"]) == ({"PRIORITY-2": "skipped by Tester: keys"}, None)
    assert "PRIORITY-2 is skipped by Tester: keys; `daemon retry PRIORITY-2`" in run("daemon", "status").out
    because = next(one["because"] for one in run("next", "--json").data["waiting"] if one["key"] == "PRIORITY-2")
    assert because.endswith("skipped by Tester: keys")
    run("status", "2", "manual_review")
    done = run("daemon", "retry", "2", "--json")
    assert (done.code, done.data["kind"], done.data["item"]) == (0, "retry", "PRIORITY-2")
    assert run("view", "2", "--json").data["status"] == "planned"
    status = run("daemon", "status", "--json").data
    assert (status["skipped"], status["next"]) == ({}, "PRIORITY-2")
    assert run("daemon", "skip", "2").out == "PRIORITY-2 is left alone until `daemon retry PRIORITY-2`.\n"
    assert run("daemon", "retry", "2").out == "PRIORITY-2 is planned and will be tried from the beginning.\n"


@pytest.mark.parametrize("action", ["skip", "retry"])
def test_skip_and_retry_as_the_first_that_is_ever_written(run: Run, project: Project, action: str) -> None:
    assert not project.data.exists()
    assert (run("daemon", action, "2").code, project.data.is_dir()) == (0, True)


@pytest.mark.parametrize("action", ["skip", "retry"])
def test_skip_and_retry_of_what_is_not_there(run: Run, store: SqliteStore, action: str) -> None:
    done = run("daemon", action, "99", "--json")
    assert (done.code, done.error["code"]) == (4, "item_not_found")
    done = run("daemon", action, "--json")
    assert (done.code, done.error["code"]) == (2, "usage")
    assert f"daemon {action} 2.6" in run("daemon", action).err
    assert asked(store) == []


def test_retry_of_what_a_daemon_has_in_hand(run: Run, store: SqliteStore) -> None:
    with store.writing() as tx:
        tx.claims.take("PRIORITY-2", "box-1", lease=timedelta(minutes=5), now=datetime.now(UTC))
    done = run("daemon", "retry", "2", "--json")
    assert (done.code, done.error["code"]) == (5, "item_in_hand")
    assert "daemon skip PRIORITY-2" in done.error["hint"]


@pytest.mark.parametrize("action", ["run", "dry-run", "start", "stop", "pause", "resume", "status", "logs"])
def test_an_item_where_none_is_taken(run: Run, action: str) -> None:
    done = run("daemon", action, "2", "--json")
    assert (done.code, done.error["code"]) == (2, "usage")


# --- status ------------------------------------------------------------------------------------------------------


def test_status_without_a_daemon(run: Run, project: Project) -> None:
    done = run("daemon", "status", "--json")
    assert (done.code, done.data) == (
        0,
        {
            "daemons": [],
            "paused_by": None,
            "paused_reason": None,
            "next": "PRIORITY-2",
            "skipped": {},
            "interrupted": [],
        },
    )
    assert run("daemon", "status").out == (
        "No daemon is running. `coffee-roadmap daemon start` starts one.\nNext: PRIORITY-2\n"
    )
    run("status", "2", "blocked")
    assert "Next: nothing is ready" in run("daemon", "status").out


def test_status_of_one_at_work(run: Run, store: SqliteStore) -> None:
    now = datetime.now(UTC).isoformat()
    beat(store, activity="writes\nthe parser", active_at=now, progress=40, branch="roadmap/2", tokens=12345, cost=1.5)
    (one,) = run("daemon", "status", "--json").data["daemons"]
    assert (one["daemon"], one["state"], one["alive"]) == ("box-1", "working", True)
    assert (one["jobs"][0]["item"], one["jobs"][0]["cost"]) == ("PRIORITY-2", 1.5)
    text = run("daemon", "status").out
    assert "box-1 is working, running for" in text
    assert "  PRIORITY-2: Raise the walls\n    build:1 since 5" in text
    assert ", 40 %" in text
    assert "writes the parser" in text
    assert "    branch roadmap/2, $1.50, 12,345 tokens" in text


def test_status_of_one_that_waits_and_of_one_that_is_gone(run: Run, store: SqliteStore) -> None:
    beat(store, state="waiting", waits_for="an answer to question 7")
    assert "    waits for an answer to question 7 since 5" in run("daemon", "status").out
    beat(store, ago=3600)
    assert run("daemon", "status", "--json").data["daemons"][0]["alive"] is False
    assert "box-1 was last seen" in run("daemon", "status").out


def interrupted(store: SqliteStore, item: str = "PRIORITY-2") -> None:
    """What a killed daemon leaves."""
    now = datetime.now(UTC)
    with store.writing() as tx:
        claim = tx.claims.take(item, "dead", lease=timedelta(minutes=5), now=now)
        tx.journal.record(Entry(item, claim.fence, "claim", {}, claim.fence, now))
        tx.claims.release(claim)


def test_what_was_interrupted_is_told(run: Run, store: SqliteStore) -> None:
    interrupted(store)
    assert run("daemon", "status", "--json").data["interrupted"] == ["PRIORITY-2"]
    assert "PRIORITY-2 was interrupted and is gone on with" in run("daemon", "status").out


# --- logs --------------------------------------------------------------------------------------------------------


@pytest.fixture
def logged(run: Run, project: Project) -> Path:
    """A log with three lines, where the command says that it is."""
    path = run("daemon", "logs", "--json").data["path"]
    now = datetime.now(UTC)
    with DaemonLog(path) as log:
        log.write(now - timedelta(hours=3), "begun", item="PRIORITY-2")
        log.write(now - timedelta(minutes=5), "failed\nfor a reason", item="PRIORITY-2", level="warning")
        log.write(now, "idle")
    return Path(path)


def test_logs_before_there_is_any(run: Run) -> None:
    done = run("daemon", "logs", "--json")
    assert (done.code, done.data["lines"]) == (0, [])
    assert run("daemon", "logs").out == f"There is nothing to show in {done.data['path']}.\n"


def test_logs(run: Run, logged: Path) -> None:
    lines = run("daemon", "logs", "--json").data["lines"]
    assert [(one["level"], one["item"], one["words"]) for one in lines] == [
        ("info", "PRIORITY-2", "begun"),
        ("warning", "PRIORITY-2", "failed\nfor a reason"),
        ("info", None, "idle"),
    ]
    text = run("daemon", "logs").out.splitlines()
    assert [line[21:] for line in text] == ["begun", "failed", "for a reason", "idle"]
    for words, told in (
        (["--since", "2h"], ["failed\nfor a reason", "idle"]),
        (["--level", "warning"], ["failed\nfor a reason"]),
        (["--item", "2"], ["begun", "failed\nfor a reason"]),
        (["--item", "2", "--since", "1m"], []),
    ):
        assert [one["words"] for one in run("daemon", "logs", *words, "--json").data["lines"]] == told


def test_logs_of_an_unknown_level_or_time(run: Run, logged: Path) -> None:
    assert run("daemon", "logs", "--level", "loud").code == 2
    assert run("daemon", "logs", "--since", "yesterday").code == 2


def test_logs_of_an_item_that_was_never_there(run: Run, logged: Path) -> None:
    """What was removed since has its lines still, so a name is no mistake for not being in the roadmap."""
    for words in ((), ("--follow",)):
        done = run("daemon", "logs", "--item", "99", *words, "--json")
        assert (done.code, done.error["code"]) == (4, "item_not_found")
        assert "There is no item 99 in the roadmap." in run("daemon", "logs", "--item", "99", *words).err
    assert run("daemon", "logs", "--item", "3", "--json").data["lines"] == []
    run("remove", "3", "--yes")
    assert run("daemon", "logs", "--item", "3", "--json").data["lines"] == []
    with DaemonLog(str(logged)) as log:
        log.write(datetime.now(UTC), "told", item="PRIORITY-99")
    assert [one["words"] for one in run("daemon", "logs", "--item", "priority 99", "--json").data["lines"]] == ["told"]


def test_followed_lines_stand_under_each_other(run: Run, logged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended:
        def is_set(self) -> bool:
            return self.looked

        looked = False

        def wait(self, _seconds: float) -> None:
            self.looked = True

    monkeypatch.setattr("threading.Event", Ended)
    text = run("daemon", "logs", "--follow", "--since", "1d").out.splitlines()
    assert [line[21:] for line in text] == ["begun", "failed", "for a reason", "idle"]


# --- dry-run -----------------------------------------------------------------------------------------------------


def found(done: Result) -> dict[str, str]:
    return {one["code"]: one["level"] for one in done.data["findings"]}


def test_a_dry_run_says_what_would_be_taken_and_touches_nothing(run: Run, repository: Project) -> None:
    before = sorted(str(path) for path in repository.root.rglob("*"))
    done = run("daemon", "dry-run", "--agent", "runbook", "--json")
    assert (done.code, done.data["item"]["key"], done.data["resumed"]) == (0, "PRIORITY-1", [])
    assert done.data["waiting"] == [{"key": "PRIORITY-2", "because": "depends on PRIORITY-1, which is planned"}]
    assert found(done) == {"repository": "ok", "agent": "ok", "tests": "notice", "policy": "ok", "limits": "ok"}
    text = run("daemon", "dry-run", "--agent", "runbook").out
    assert "Next would be PRIORITY-1: Say hello\n1 item would wait:\n" in text
    assert (
        "Asks before: start, new_dependency. The runbook agent itself does not ask; [agent] sandbox bounds it." in text
    )
    assert "Asks before: new_dependency. The" in run("daemon", "dry-run", "--agent", "runbook", "--yes").out
    claude = run("daemon", "dry-run", "--agent", "claude").out
    assert "Asks before: start, new_dependency, network, push, pull_request.\n" in claude
    assert sorted(str(path) for path in repository.root.rglob("*")) == before


def test_a_dry_run_without_a_repository(run: Run, project: Project) -> None:
    done = run("daemon", "dry-run", "--agent", "runbook", "--json")
    assert (done.code, done.error["code"]) == (1, "not_a_repository")


def test_a_dry_run_finds_what_is_missing(run: Run, repository: Project) -> None:
    (repository.root / "coffee-roadmap.toml").write_text(
        '[daemon]\ntest_command = ["no-such-program"]\n[agent]\ncommand = ["no-such-agent"]\n'
        '[roadmap]\npath = "docs/ROADMAP.md"\n[limits]\nday_cost = 5.0\n'
    )
    done = run("daemon", "dry-run", "--agent", "command", "--json")
    assert (done.code, found(done)["agent"], found(done)["test_command"]) == (1, "problem", "problem")
    assert any("day_cost 5.0" in one["message"] for one in done.data["findings"])
    assert not {"day", "no_space"} & found(done).keys()
    text = run("daemon", "dry-run", "--agent", "command").out
    assert "The test command cannot run: " in text
    assert "The agent cannot run: " in text
    (repository.root / ".git/rebase-merge").mkdir()
    assert found(run("daemon", "dry-run", "--agent", "runbook", "--json"))["repository_busy"] == "problem"


def test_a_dry_run_tells_of_a_used_up_day_and_a_full_disk(
    run: Run, repository: Project, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(repository.root / "coffee-roadmap.toml", '[roadmap]\npath = "docs/ROADMAP.md"\n[limits]\nday_cost = 0.0\n')
    done = run("daemon", "dry-run", "--agent", "runbook", "--json")
    assert (done.code, found(done)["day"]) == (0, "notice")
    assert "A limit of the day is reached: $0.00 of $0.00 for today." in run("daemon", "dry-run").out
    with store.reading() as tx:
        assert tx.notifications.find() == []
    usage = shutil.disk_usage(repository.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=4096))
    done = run("daemon", "dry-run", "--agent", "runbook", "--json")
    assert (done.code, found(done)["no_space"]) == (1, "problem")


def test_a_dry_run_tells_of_a_pause_and_a_skip(run: Run, repository: Project) -> None:
    run("daemon", "pause")
    run("daemon", "skip", "1")
    done = run("daemon", "dry-run", "--agent", "runbook", "--json")
    assert (done.code, done.data["item"], found(done)["paused"]) == (0, None, "notice")
    assert {"key": "PRIORITY-1", "because": "skipped by Tester"} in done.data["waiting"]
    assert "Nothing is ready." in run("daemon", "dry-run", "--agent", "runbook").out


@pytest.mark.parametrize(
    ("status", "goes_on"),
    [("planned", True), ("taken up", True), ("in_progress", False), ("blocked", False), ("complete", False)],
)
def test_only_what_a_daemon_would_go_on_with_is_told_as_interrupted(
    run: Run, repository: Project, store: SqliteStore, monkeypatch: pytest.MonkeyPatch, status: str, goes_on: bool
) -> None:
    """An item that a person has taken to another status since, or to themselves, is theirs."""
    interrupted(store, "PRIORITY-1")
    if status == "taken up":
        with monkeypatch.context() as as_a_daemon:
            as_a_daemon.setenv("COFFEE_ACTOR", "dead")
            run("status", "1", "in_progress", "--reason", "taken up by dead")
    elif status != "planned":
        run("status", "1", status)
    told = ["PRIORITY-1"] if goes_on else []
    assert run("daemon", "dry-run", "--agent", "runbook", "--json").data["resumed"] == told
    assert run("daemon", "status", "--json").data["interrupted"] == told
    text = run("daemon", "dry-run", "--agent", "runbook").out
    assert ("PRIORITY-1 would be taken up again where it was left." in text) is goes_on


def test_what_is_reported_and_not_told_yet_is_gone_on_with(run: Run, repository: Project, store: SqliteStore) -> None:
    interrupted(store, "PRIORITY-1")
    with store.writing() as tx:
        number = tx.journal.unfinished()["PRIORITY-1"]
        tx.journal.record(Entry("PRIORITY-1", number, "report", {}, number, datetime.now(UTC)))
    run("status", "1", "complete")
    assert run("daemon", "status", "--json").data["interrupted"] == ["PRIORITY-1"]


def test_one_that_was_put_back_waits_for_what_it_depends_on(run: Run, repository: Project, store: SqliteStore) -> None:
    interrupted(store, "PRIORITY-2")
    assert run("daemon", "dry-run", "--agent", "runbook", "--json").data["resumed"] == []


# --- a real one in the background --------------------------------------------------------------------------------


@pytest.fixture
def background(repository: Project) -> Iterator[Project]:
    yield repository
    repository.real("daemon", "stop", "--force", "--timeout", "5s")  # when the test has not


def test_the_life_of_a_daemon_in_the_background(run: Run, background: Project) -> None:
    run("daemon", "pause", "--reason", "lunch")
    done = run("daemon", "start", "--yes", "--agent", "runbook", "--json")
    assert (done.code, set(done.data)) == (0, {"pid", "log", "asks", "paused_by", "paused_reason"}), done
    assert [done.data[name] for name in ("asks", "paused_by", "paused_reason")] == [False, "Tester", "lunch"]
    pid = done.data["pid"]
    (one,) = run("daemon", "status", "--json").data["daemons"]
    assert (one["alive"], one["state"]) == (True, "paused")
    second = run("daemon", "start", "--yes", "--json")
    assert (second.code, second.error["code"]) == (5, "daemon_running")
    assert str(pid) in second.error["message"]
    words = [line["words"] for line in run("daemon", "logs", "--json").data["lines"]]
    assert "paused by Tester" in words
    done = run("daemon", "stop", "--reason", "enough", "--json")
    assert (done.code, list(done.data["replies"].values()), len(done.data["gone"])) == (0, ["stopping"], 1)
    assert run("daemon", "status", "--json").data["daemons"] == []
    words = [line["words"] for line in run("daemon", "logs", "--json").data["lines"]]
    assert "asked to stop by Tester: enough" in words


def test_one_that_was_started_says_that_it_asks_and_that_it_is_paused(run: Run, background: Project) -> None:
    run("daemon", "pause", "--reason", "lunch")
    text = run("daemon", "start", "--agent", "runbook").out
    assert "It asks you before each item" in text
    assert '--yes, or `[policy] start` set to "allow"' in text
    end = "Paused by Tester (lunch): nothing new is taken up. `coffee-roadmap daemon resume` lets it go on.\n"
    assert text.endswith(end)
    run("daemon", "stop")
    run("daemon", "resume")
    write(background.root / "coffee-roadmap.toml", '[policy]\nstart = "allow"\n')
    text = run("daemon", "start", "--agent", "runbook").out
    assert "A daemon works in the background" in text
    assert "asks" not in text
    assert "Paused" not in text


@pytest.mark.parametrize("words", [("start", "--yes"), ("run", "--once", "--yes")])
def test_one_that_cannot_run_is_refused_before_anything_is_made(
    run: Run, project: Project, words: tuple[str, ...]
) -> None:
    done = run("daemon", *words, "--agent", "runbook", "--json")
    assert (done.code, done.error["code"]) == (1, "not_a_repository")
    project.roadmap.unlink()
    done = run("daemon", *words, "--agent", "runbook", "--json")
    assert (done.code, done.error["code"]) == (4, "roadmap_missing")
    assert not project.data.exists()


def test_one_that_dies_at_once_says_why(run: Run, repository: Project, store: SqliteStore) -> None:
    (repository.root / ".git/HEAD").write_text("ref: refs/heads/empty\n")
    done = run("daemon", "start", "--yes", "--agent", "runbook", "--json")
    assert (done.code, done.error["code"]) == (1, "daemon_failed")
    assert done.error["message"].startswith("The daemon ended at once: The git repository at ")
    assert "daemon dry-run" in done.error["hint"]


def test_a_roadmap_behind_a_link_to_elsewhere_is_worked_on_in_the_project(
    run: Run, project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """People keep their notes in one place: the project is a repository, the notes are none."""
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    notes = tmp_path / "notes"
    (project.root / "docs").rename(notes)
    write(notes / "ROADMAP.md", RUNBOOK)
    (project.root / "docs").symlink_to(notes)
    git(project.root, "init", "-q", "-b", "main")
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "one")
    assert run("daemon", "dry-run", "--agent", "runbook").code == 0
    done = run("daemon", "run", "--once", "--yes", "--agent", "runbook", "--json")
    assert done.data["items"][0]["outcome"] == "complete"
    assert "✅" in (notes / "ROADMAP.md").read_text()
    branch = "roadmap/PRIORITY-1-say-hello"
    assert git(project.root, "diff", "--name-only", "main", branch) == "hello.txt"
    [word] = [one for one in run("doctor", "--json").data["findings"] if one["message"].startswith("Versions go")]
    assert (word["level"], "lies behind a link" in word["message"]) == ("notice", True)
