"""`init`, `doctor`, `sync`, `db`, `daemon run`: the whole set-up, as a person meets it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cli.conftest import ROADMAP, Project, Result

from coffee_maker.core.records import Heartbeat
from coffee_maker.store.sqlite import SqliteStore
from coffee_maker.utils.connection import Databases

Run = Callable[..., Result]


def git(project: Project, *words: str) -> None:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *words], cwd=project.root, check=True, capture_output=True, env=project.environ)


def levels(data: object) -> dict[str, str]:
    """Level by code."""
    assert isinstance(data, dict)
    return {finding["code"]: finding["level"] for finding in data["findings"]}


# --- init ------------------------------------------------------------------------------------------------------


def test_every_line_of_the_new_settings_can_be_switched_on_by_itself(run: Run, project: Project) -> None:
    run("init")
    file = project.root / "coffee-roadmap.toml"
    fresh = file.read_text()
    settings = [line for line in fresh.splitlines() if re.match(r"# \w+ = ", line)]
    assert len(settings) > 10
    for line in settings:
        if line[2:].partition(" ")[0] not in ("kind", "argv", "levels", "url"):  # a channel is switched on as a whole
            file.write_text(fresh.replace(line, line[2:]))
            assert run("doctor", "--json").err == "", line
    head, channel, rest = fresh.partition("# [channels.desktop]")
    file.write_text(head + "\n".join(line[2:] for line in (channel + rest).splitlines()))
    assert run("notify", "Hello", "--channel", "nobody").err.startswith(
        "coffee-roadmap: There is no channel nobody; the configured ones are: terminal, desktop."
    )


def test_a_linked_work_tree_gets_no_second_database_without_a_word(project: Project) -> None:
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "first")
    git(project, "worktree", "add", "-q", "../linked", "-b", "side")
    linked = project.root.parent / "linked"
    assert project.real("add", "Before there is any", cwd=linked).code == 0  # nothing to meet yet
    shutil.rmtree(linked / "data")
    project.real("init")
    for words in (["add", "Second"], ["status", "1", "complete"], ["notify", "Hello"], ["daemon", "run", "--once"]):
        refused = project.real(*words, cwd=linked)
        assert refused.code == 1, words
        assert f"is a linked git work tree of {project.root}, whose database" in refused.err
        assert f"COFFEE_ROADMAP={project.root}/docs/ROADMAP.md COFFEE_DATA_DIR={project.root}/data" in refused.err
    below = linked / "below"  # a project that is no top of its work tree
    below.mkdir()
    (below / "coffee-roadmap.toml").write_text('[data]\ndir = "../data"\n[roadmap]\npath = "../docs/ROADMAP.md"\n')
    assert "is a linked git work tree of" in project.real("add", "Second", cwd=below).err
    assert not (linked / "data").exists()
    assert project.real("view", cwd=linked).code == 0
    shared = {"COFFEE_ROADMAP": str(project.roadmap), "COFFEE_DATA_DIR": str(project.root / "data")}
    assert project.real("add", "Shared", cwd=linked, environ=shared).code == 0
    assert "Shared" in project.roadmap.read_text()
    assert project.real("init", cwd=linked).code == 0
    assert project.real("add", "Its own", cwd=linked).code == 0
    assert "Its own" not in project.roadmap.read_text()
    assert "Versions go to refs/roadmap/worktrees/linked" in project.real("doctor", cwd=linked).out
    assert "Versions go to refs/roadmap/log" in project.real("doctor").out
    logs = [
        subprocess.run(
            ["git", "log", "--format=%s", name], cwd=where, capture_output=True, text=True, check=True
        ).stdout
        for name, where in (("refs/roadmap/log", project.root), ("refs/roadmap/worktrees/linked", linked))
    ]
    assert not any("went back" in log for log in logs)


@pytest.mark.parametrize("how", ["removed", "emptied"])
def test_a_database_that_was_lost_is_told(project: Project, how: str) -> None:
    """A new one is made by the next change; that the history and the answers are gone was said nowhere."""
    git(project, "init", "-q", "-b", "main")
    for status in ("blocked", "planned", "blocked"):
        project.real("status", "3", status)
    if how == "removed":
        shutil.rmtree(project.data)
    else:
        for suffix in ("", "-wal", "-shm"):
            (project.data / f"notifications.db{suffix}").write_bytes(b"")
    for _ in range(2):
        assert project.real("status", "2", "in_progress").code == 0
    (told,) = project.real("notifications", "--json").data["notifications"]
    assert (told["type"], told["title"]) == ("alert", "The database is an older one, or a new one")
    assert "git has versions up to change 3 in refs/roadmap/log" in told["message"]


def test_init_makes_what_is_missing_and_nothing_twice(run: Run, project: Project) -> None:
    project.roadmap.unlink()
    first = run("init", "--json").data
    assert {part["name"]: part["made"] for part in first["parts"]} == {"data": True, "roadmap": True, "settings": True}
    assert (first["items"], first["problems"]) == (1, 0)
    assert (project.data / ".gitignore").read_text() == "*\n"
    roadmap, settings = project.roadmap.read_bytes(), (project.root / "coffee-roadmap.toml").read_bytes()
    second = run("init", "--json").data
    assert not any(part["made"] for part in second["parts"])
    assert (project.roadmap.read_bytes(), (project.root / "coffee-roadmap.toml").read_bytes()) == (roadmap, settings)
    text = run("init").out
    assert "there  roadmap" in text
    assert "coffee-roadmap view" in text
    assert "choose the agent there" in text


@pytest.mark.parametrize("place", ["docs/ROADMAP.md", "ROADMAP.md"])
@pytest.mark.parametrize("lost", ["gone", "empty", "blank"])
def test_init_puts_a_lost_roadmap_back_where_it_was(run: Run, project: Project, place: str, lost: str) -> None:
    roadmap = project.root / place
    project.roadmap.rename(roadmap)
    assert run("add", "One more").code == 0
    good, history = roadmap.read_bytes(), run("history", "--json").data["changes"]
    if lost == "gone":
        roadmap.unlink()
        assert str(roadmap) in run("view").err
    else:
        roadmap.write_text("" if lost == "empty" else "\n \n")
        assert "init` puts the last recorded version back" in run("add", "Another").err
    assert run("db", "check").code == (1 if lost != "blank" else 0)
    done = run("init")
    assert done.code == 0, done.err
    assert "back   roadmap   its last recorded version" in done.out
    assert roadmap.read_bytes() == good
    assert [one for one in (project.root / "docs/ROADMAP.md", project.root / "ROADMAP.md") if one.exists()] == [roadmap]
    assert run("history", "--json").data["changes"] == history
    assert run("init", "--json").data["restored"] is None
    assert run("db", "check").code == 0


def test_the_first_roadmap_is_no_work_for_the_daemon_and_its_steps_are_true(run: Run, project: Project) -> None:
    project.roadmap.unlink()
    run("init")
    assert run("next", "--json").data["item"] is None
    assert run("edit", "1", "--check", "1").code == 0
    assert run("add", "My first item").code == 0
    assert run("status", "1", "complete").code == 0


def test_the_settings_file_that_init_writes_is_valid_with_every_line_in_use(run: Run, project: Project) -> None:
    run("init")
    path = project.root / "coffee-roadmap.toml"
    lines = path.read_text().splitlines()
    used = [
        line.removeprefix("# ") if line.startswith(("# [", "# ")) and ("=" in line or "[" in line) else line
        for line in lines[2:]
    ]
    path.write_text("\n".join(used) + "\n")
    done = run("doctor", "--json")
    assert "bad_setting" not in done.err


def test_the_values_in_the_new_settings_are_the_defaults_where_they_are_no_examples(run: Run, project: Project) -> None:
    run("init")
    file = project.root / "coffee-roadmap.toml"
    fresh = file.read_text()
    before = {row["name"]: row["value"] for row in run("doctor", "--json").data["settings"]}
    for key in ("backoff", "parallel", "waiting", "ask_when_vague", "lease", "max_attempts", "start", "timeout"):
        (line,) = re.findall(rf"^# {key} = .*$", fresh, re.MULTILINE)
        file.write_text(fresh.replace(line, line[2:]))
        rows = {row["name"]: row["value"] for row in run("doctor", "--json").data["settings"]}
        assert rows == before, line
    for key in ("approval_deadline", "stall"):
        (line,) = re.findall(rf"^# {key} = .*$", fresh, re.MULTILINE)
        assert "an example" in line
        file.write_text(fresh.replace(line, line[2:]))
        rows = {row["name"]: row["value"] for row in run("doctor", "--json").data["settings"]}
        assert rows != before, line


def test_init_writes_down_what_was_named(run: Run, project: Project) -> None:
    run("init", "--roadmap", "PLAN.md", "--data-dir", "shared")
    assert 'path = "PLAN.md"' in (project.root / "coffee-roadmap.toml").read_text()
    assert run("view", "--json").data["path"] == str(project.root / "PLAN.md")
    assert (project.root / "shared/.gitignore").exists()


def test_a_roadmap_of_another_form_is_told_which_headings_are_items(run: Run, project: Project) -> None:
    project.roadmap.write_text("# Plan\n\n## v1.0\n\n- [x] Parser\n\n## Phase 2: Growth\n\n**Status**: Planned\n")
    for text in (run("init").out, run("view").out):
        assert "0 items" in text
        assert "`## PRIORITY 1: Title`" in text
        assert "item_pattern" in text
    project.roadmap.write_text("## PRIORITY 1: One\n")
    assert "item_pattern" not in run("init").out + run("view", "--status", "cancelled").out


def test_the_form_of_heading_that_init_gives_as_an_example_can_be_taken(run: Run, project: Project) -> None:
    run("init")
    settings = project.root / "coffee-roadmap.toml"
    settings.write_text(settings.read_text().replace("# item_pattern", "item_pattern"))
    project.roadmap.write_text("## TASK-1: One\n\n**Status**: Planned\n\n## TASK-2: Two ✅\n")
    items = run("view", "--json").data["items"]
    assert [(item["key"], item["title"], item["status"]) for item in items] == [
        ("TASK-1", "One", "planned"),
        ("TASK-2", "Two", "complete"),
    ]


def test_init_for_a_container_says_how_the_image_gets_the_package(run: Run, project: Project) -> None:
    git(project, "init", "-q")
    text = run("init", "--docker").out
    assert text.index("cd deploy/coffee-roadmap") < text.index("pip wheel --no-deps") < text.index("docker compose up")


def test_a_bare_repository_is_no_place_for_a_project(project: Project) -> None:
    there = project.root.parent / "there.git"
    git(project, "init", "-q", "--bare", str(there))
    before = sorted(path.name for path in there.iterdir())
    refused = project.real("init", cwd=there)
    assert refused.code == 1
    assert "there.git is a bare git repository: it has no work tree.\nClone it" in refused.err
    assert sorted(path.name for path in there.iterdir()) == before
    (there / "ROADMAP.md").write_text(ROADMAP)
    for words in (("daemon", "run", "--once"), ("daemon", "start")):
        refused = project.real(*words, cwd=there)
        assert (refused.code, "is a bare git repository" in refused.err, "git init" in refused.err) == (1, True, False)
    found = {one["code"]: one for one in project.real("doctor", "--json", cwd=there).data["findings"]}
    assert "git init" not in str(found)
    assert found["bare_repository"]["level"] == "problem"


def test_init_takes_the_top_of_the_git_work_tree(project: Project) -> None:
    git(project, "init", "-q")
    below = project.root / "src/deep"
    below.mkdir(parents=True)
    assert project.real("init", "--json", cwd=below).data["root"] == str(project.root)


# --- doctor ----------------------------------------------------------------------------------------------------


def test_doctor_on_a_whole_project_finds_nothing_to_mend(run: Run, project: Project) -> None:
    (project.root / "coffee-roadmap.toml").write_text(
        '[agent]\ncommand = ["true"]\n[daemon]\ntest_command = "true"\n[database]\n'
    )
    git(project, "init", "-q")
    git(project, "add", "docs")
    git(project, "commit", "-qm", "one")
    run("init")
    run("db", "init")
    done = run("doctor", "--json")
    assert (done.code, set(levels(done.data).values())) == (0, {"ok"}), done.data
    rows = {row["name"]: row for row in done.data["settings"]}
    assert rows["agent.command"]["source"] == str(project.root / "coffee-roadmap.toml")
    text = run("doctor").out
    assert text.rstrip().endswith("All is well.")
    assert re.search(r"^agent.command +true +coffee-roadmap.toml$", text, re.MULTILINE)
    assert "agent.timeout" not in text
    others = sum(row["source"] == "default" for row in rows.values())
    assert f"{others} settings are as they are by default: `coffee-roadmap doctor --all` shows them, too.\n" in text
    whole = run("doctor", "--all").out
    assert all(name in whole for name in rows)
    assert "by default" not in whole
    assert run("doctor", "--all", "--json").data == done.data


def test_doctor_says_what_is_missing_and_how_to_get_it(
    run: Run, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COFFEE_RODMAP", "x")
    (project.root / "ROADMAP.md").write_text("# A second one\n")
    os.link(project.roadmap, project.root / "linked.md")
    text = run("doctor").out
    for words in (
        "no coffee-roadmap.toml",
        "no data directory",
        "COFFEE_RODMAP",
        "two roadmaps",
        "hard links",
        "not in a git",
    ):
        assert words in text
    assert "It works; " in text


def test_doctor_fails_where_something_must_be_mended(run: Run, project: Project) -> None:
    project.data.mkdir()
    (project.data / "thesis.tex").write_text("")
    project.roadmap.unlink()
    done = run("doctor")
    assert done.code == 1
    assert "MEND  There is no roadmap at" in done.out
    assert "thesis.tex" in done.out
    assert "to mend" in done.out


def test_doctor_fixes_what_is_safe(run: Run, project: Project) -> None:
    done = run("doctor", "--fix", "--json")
    assert [finding["message"] for finding in done.data["findings"] if finding["code"] == "fixed"] == [
        f"Made the data directory {project.data}."
    ]
    (project.data / ".gitignore").unlink()
    project.roadmap.write_text(ROADMAP.replace("Roof", "Tiles"))
    fixed = [one["message"] for one in run("doctor", "--fix", "--json").data["findings"] if one["code"] == "fixed"]
    assert len(fixed) == 2
    assert (project.data / ".gitignore").read_text() == "*\n"


def test_doctor_sees_an_unfinished_write_a_linked_work_tree_and_the_daemons_needs(run: Run, project: Project) -> None:
    run("init")
    (project.root / "docs/.ROADMAP.md.coffee-0123456789ab").write_text("half")
    (project.root / "docs/.ROADMAP.md.coffee-open-0123456789ab").write_text("old")
    (project.root / ".git").write_text("gitdir: /elsewhere\n")
    text = run("doctor").out
    assert "A write was not finished: .ROADMAP.md.coffee-0123456789ab lies" in text
    assert "Another program had the roadmap open while it was changed: .ROADMAP.md.coffee-open-0123456789ab" in text
    assert "linked git work tree" in text
    assert "The daemon cannot run here now" in text


# --- sync ------------------------------------------------------------------------------------------------------


def test_sync_without_daemons(run: Run, project: Project) -> None:
    data = run("sync", "--json").data
    assert (data["agree"], data["daemons"], data["recorded"]) == (True, [], 0)
    assert data["seen"]["roadmap"] == str(project.roadmap)
    assert "Everyone sees one file and one database" in run("sync").out


def test_sync_names_a_daemon_that_does_not_answer(run: Run, project: Project) -> None:
    run("init")
    store = SqliteStore(Databases(str(project.data)))
    beat = Heartbeat("night-1", "box", 1, "boot", "idle", None, None, datetime.now(UTC), {})
    with store.writing() as tx:
        tx.heartbeats.beat(beat)
        tx.heartbeats.beat(beat._replace(daemon="old-2", at=datetime.now(UTC) - timedelta(minutes=5)))
    store.close()
    done = run("sync", "--timeout", "100ms")
    assert done.code == 1
    assert "Daemon night-1 on box did not answer within 0.1 s." in done.out
    assert "old-2" not in done.out
    overview = run("status").out
    assert "Daemon night-1 is idle" in overview
    assert "Daemon old-2 was last seen 5m ago" in overview


# --- db --------------------------------------------------------------------------------------------------------


def test_db_from_nothing_to_a_backup_and_back(run: Run, project: Project) -> None:
    assert run("db", "check").out.startswith("There is no database yet.")
    assert run("db", "backup").out.startswith("There is no database yet")
    assert [one["exists"] for one in run("db", "status", "--json").data["databases"]] == [False, False]
    assert "none yet" in run("db", "status").out
    assert run("db", "init").code == 0
    assert all(not one["changed"] for one in run("db", "init", "--json").data["databases"])
    run("notify", "before the backup")
    refused = run("db", "backup", "saved.db")
    assert (refused.code, refused.out, (project.root / "saved.db").exists()) == (2, "", False)
    assert "saved.db can take one database, and there are 2: notifications, analytics." in refused.err
    assert "--database" in refused.err
    made = run("db", "backup", "saved.db", "--database", "notifications", "--json").data["backups"]
    assert [one["name"] for one in made] == ["notifications"]
    run("notify", "after the backup")
    refused = run("db", "restore", "saved.db")
    assert (refused.code, "--yes" in refused.err) == (5, True)
    assert run("db", "restore", "saved.db", "--yes").code == 0
    assert len(run("notifications", "--all", "--json").data["notifications"]) == 1
    assert run("db", "vacuum").code == 0
    assert run("db", "check", "--json").code == 0
    assert run("db", "backup", "--database", "analytics", "--json").data["backups"][0]["name"] == "analytics"
    assert "is backed up" in run("db", "backup").out


@pytest.mark.parametrize("place", ["/dev/zero", "/etc/passwd", "pipe", "directory"])
def test_what_looks_at_the_roadmap_says_of_what_is_none_what_a_change_says(project: Project, place: str) -> None:
    assert project.real("status", "2", "blocked").code == 0
    project.roadmap.unlink()
    if place == "pipe":
        os.mkfifo(project.roadmap)
    elif place == "directory":
        project.roadmap.mkdir()
    else:
        project.roadmap.symlink_to(place)
    refused = project.real("status", "2", "planned", "--json").error
    checked, examined = project.real("db", "check", "--json"), project.real("doctor", "--json")
    for looked in (checked, examined):
        told = [one for one in looked.data["findings"] if one["level"] == "problem"]
        assert [(one["code"], one["message"], one["hint"]) for one in told] == [
            (refused["code"], refused["message"], refused["hint"])
        ]
    assert (checked.code, examined.code) == (1, 1)


def test_db_check_finds_what_is_wrong(run: Run, project: Project) -> None:
    run("status", "2", "blocked")
    project.roadmap.unlink()
    done = run("db", "check")
    assert done.code == 1
    assert "MEND  the roadmap's file is gone" in done.out


def test_db_of_a_damaged_database(run: Run, project: Project) -> None:
    project.real("notify", "before the backup")  # nobody in this process has the file open that is overwritten
    project.real("db", "backup", "saved.db", "--database", "notifications")
    project.real("db", "vacuum")  # folds the log in
    path = project.root / "data" / "notifications.db"
    path.write_bytes(b"my notes\n" * 1000)
    checked = run("db", "check")
    assert (checked.code, "db restore FILE --database notifications --yes" in checked.out) == (1, True)
    assert run("doctor").code == 1
    refused = run("db", "restore", "saved.db")
    assert (refused.code, "Repeat with --yes" in refused.err) == (1, True)
    done = run("db", "restore", "saved.db", "--yes")
    assert (done.code, "is kept: " in done.out) == (0, True)
    assert run("db", "check").code == 0
    assert len(run("notifications", "--json").data["notifications"]) == 1


# --- daemon ----------------------------------------------------------------------------------------------------

RUNBOOK = """\
### PRIORITY 1: Say hello

**Status**: 📝 Planned

```sh run
echo hello > hello.txt
```
"""


@pytest.fixture
def repository(project: Project) -> Project:
    project.roadmap.write_text(RUNBOOK)
    git(project, "init", "-q")
    git(project, "config", "user.name", "T")
    git(project, "config", "user.email", "t@example.org")
    git(project, "add", "docs")
    git(project, "commit", "-qm", "one")
    return project


def test_the_daemon_does_one_item(repository: Project) -> None:
    done = repository.real("daemon", "run", "--once", "--yes", "--agent", "runbook", "--json")
    assert (done.code, done.data["items"][0]["outcome"]) == (0, "complete"), done
    assert repository.real("view", "1", "--json").data["status"] == "complete"
    assert "PRIORITY-1: Say hello" in done.err
    text = repository.real("daemon", "run", "--once", "--yes", "--agent", "runbook")
    assert (text.code, text.out) == (0, "Nothing was taken up.\n")


def test_the_daemon_asks_answers_handshakes_and_ends_in_order(repository: Project) -> None:
    words = [sys.executable, "-m", "coffee_maker", "daemon", "run", "--agent", "runbook"]
    with subprocess.Popen(
        words, cwd=repository.root, env=repository.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as daemon:
        assert daemon.stderr is not None
        for line in daemon.stderr:
            if "waiting for an answer to question 1" in line:
                break
        report = repository.real("sync", "--json", "--timeout", "20s").data
        assert (report["agree"], [one["replied"] for one in report["daemons"]]) == (True, [True])
        assert "Daemon " in repository.real("status").out
        daemon.send_signal(signal.SIGINT)
        out, _ = daemon.communicate(timeout=30)
    assert daemon.returncode == 130
    assert "PRIORITY-1: stopped" in out
    assert repository.real("view", "1", "--json").data["status"] == "planned"


def test_a_stop_by_the_system_is_no_interruption(repository: Project) -> None:
    words = [sys.executable, "-m", "coffee_maker", "daemon", "run", "--agent", "runbook"]
    with subprocess.Popen(
        words, cwd=repository.root, env=repository.environ, stderr=subprocess.PIPE, text=True
    ) as daemon:
        assert daemon.stderr is not None
        daemon.stderr.readline()
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=30)
    assert daemon.returncode == 0


# --- bugs ------------------------------------------------------------------------------------------------------


def test_our_bug_names_a_log_without_secrets(run: Run, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object) -> None:
        raise LookupError("token s3cr3t-value at postgresql://me:hunter2@db/x")

    monkeypatch.setenv("MY_TOKEN", "s3cr3t-value")
    monkeypatch.setattr("coffee_maker.wiring.Operations.document", broken)
    done = run("view", "--json")
    assert done.code == 3
    assert done.error["code"] == "internal_error"
    [log] = Path(project.environ["HOME"]).rglob("bug-*.log")
    assert str(log) in done.error["hint"]
    text = log.read_text()
    assert "LookupError" in text
    assert "s3cr3t" not in text
    assert "hunter2" not in text
    assert log.stat().st_mode & 0o077 == 0
    assert time.time() - log.stat().st_mtime < 60


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OSError(28, "No space left on device", "/x"), 1, "no space left"),
        (PermissionError(13, "Permission denied", "/x"), 1, "/x cannot be used"),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (RuntimeError(), 3, "RuntimeError"),
    ],
)
def test_what_escapes_becomes_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, says: str
) -> None:
    def broken(self: object) -> None:
        raise error

    monkeypatch.setattr("coffee_maker.wiring.Operations.document", broken)
    monkeypatch.setenv("HOME", "/dev/null")  # no log can be written
    done = run("view")
    assert (done.code, says in done.err) == (code, True), done.err
