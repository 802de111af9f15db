"""Bad input, as real processes: one clear sentence, the way out, the right exit code, nothing lost, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.cli.conftest import ROADMAP, Project, Result


class Case(NamedTuple):
    """Words, what is done before, the exit code, and what the sentence and its hint say."""

    words: tuple[str, ...]
    before: Callable[[Project], object] | None
    code: int
    says: str


def directory_in_place(project: Project) -> None:
    project.roadmap.unlink()
    project.roadmap.mkdir()


def pipe_in_place(project: Project) -> None:
    project.roadmap.unlink()
    os.mkfifo(project.roadmap)


def foreign_data(project: Project) -> None:
    project.data.mkdir()
    (project.data / "thesis.tex").write_text("mine")


def data_is_a_file(project: Project) -> None:
    project.data.write_text("")


def corrupt_database(project: Project) -> None:
    project.real("status", "2", "blocked")
    (project.data / "notifications.db-wal").unlink(missing_ok=True)
    (project.data / "notifications.db").write_bytes(b"no database at all, but long enough to be read\n" * 100)


def database_from_the_future(project: Project) -> None:
    project.real("status", "2", "blocked")
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import apsw, sys; c = apsw.Connection(sys.argv[1]); c.execute('PRAGMA user_version = 999'); c.close()",
            str(project.data / "notifications.db"),
        ],
        check=True,
    )


def settings(text: str) -> Callable[[Project], object]:
    return lambda project: (project.root / "coffee-roadmap.toml").write_text(text)


def roadmap(content: bytes) -> Callable[[Project], object]:
    return lambda project: project.roadmap.write_bytes(content)


def changed(project: Project) -> None:
    project.real("status", "2", "complete")


def twice(project: Project) -> None:
    project.roadmap.write_text(ROADMAP + "\n### PRIORITY 3: Roof once more\n\n**Status**: Planned\n")


def answered(project: Project) -> None:
    project.real("notify", "Go?", "--option", "yes", "--option", "no")
    project.real("notifications", "respond", "1", "yes", "--by", "Ann")


def asked(project: Project) -> None:
    project.real("notify", "Go?", "--option", "yes", "--option", "no")


CASES = {
    "unknown command": Case(("staus",), None, 2, "did you mean status?"),
    "an action without its command": Case(("respond", "1", "b"), None, 2, "did you mean notifications respond?"),
    "unknown option": Case(("view", "--jsn"), None, 2, "Unrecognized arguments: --jsn (did you mean --json?)."),
    "unknown option with a value": Case(("view", "--statsu=planned"), None, 2, "(did you mean --status?)."),
    "title that is no heading's": Case(("add", "x" * 401), None, 1, "The title has 401 characters"),
    "longer title": Case(("edit", "2", "--title", "x" * 5000), None, 1, "The title has 5,000 characters"),
    "title that says how far it is": Case(("add", "Raise coverage (80%)"), None, 1, "A percentage, sign or status"),
    "dependency on itself": Case(("edit", "2", "--depends-on", "priority 2"), None, 2, "cannot depend on itself"),
    "dependency on no item": Case(("add", "x", "--depends-on", "77"), None, 4, "77"),
    "dependencies twice": Case(("add", "x", "--depends-on", "1", "--field", "requires=1"), None, 2, "given twice"),
    "unknown option near none": Case(("view", "--zzz"), None, 2, "Unrecognized arguments: --zzz."),
    "abbreviated option": Case(("view", "--stat", "planned"), None, 2, "Unrecognized arguments"),
    "missing argument": Case(("search",), None, 2, "TEXT"),
    "too many arguments": Case(("search", "a", "b"), None, 2, "Unrecognized arguments: b"),
    "status without a status": Case(("status", "2"), None, 2, "`coffee-roadmap status 2 complete` sets one"),
    "edit without an edit": Case(("edit", "2"), None, 2, "Nothing to edit was given"),
    "move without a place": Case(("move", "2"), None, 2, "--first --last --before --after is required"),
    "two places": Case(("move", "2", "--first", "--last"), None, 2, "not allowed with argument"),
    "field without a value": Case(("edit", "2", "--field", "Effort"), None, 2, "NAME=VALUE"),
    "no number": Case(("undo", "two"), None, 2, "expected a whole number"),
    "huge number": Case(("undo", "9" * 40), None, 2, "expected a whole number"),
    "list of no change": Case(("history", "--limit", "0"), None, 2, "a number of 1 or more"),
    "list of no notification": Case(("notifications", "--limit", "0"), None, 2, "a number of 1 or more"),
    "notifications of no item": Case(("notifications", "--item", "zzz"), None, 4, "no item zzz"),
    "figures of no item": Case(("metrics", "--item", "zzz"), None, 4, "no item zzz"),
    "help for no command": Case(("help", "statsu"), None, 2, "did you mean status?"),
    "bad duration": Case(("notify", "x?", "--timeout", "20"), None, 2, "20s, 5m, 2h or 3d"),
    "waiting for no question": Case(("notify", "x", "--type", "info", "--wait"), None, 2, "only a question has one"),
    "unknown level": Case(("notify", "x", "--level", "loud"), None, 2, "invalid choice: 'loud'"),
    "action with a slip": Case(("daemon", "statsu"), None, 2, "(did you mean status?)."),
    "option of an action with a slip": Case(("daemon", "run", "--onec"), None, 2, "--onec (did you mean --once?)."),
    "choice with a slip": Case(("notify", "x", "--level", "hihg"), None, 2, "(did you mean high?)."),
    "db without an action": Case(("db",), None, 2, "init|status|check|backup|restore|vacuum"),
    "db with a wrong action": Case(("db", "drop"), None, 2, "invalid choice: 'drop'"),
    "a file for db status": Case(("db", "status", "x"), None, 2, "takes no file"),
    "restore of nothing": Case(("db", "restore"), None, 2, "Which backup"),
    "show of nothing": Case(("notifications", "show"), None, 2, "lists them with their numbers"),
    "unknown item": Case(("view", "99"), None, 4, "no item 99"),
    "unknown item to change": Case(("status", "99", "complete"), None, 4, "no item 99"),
    "unknown status": Case(("status", "2", "finihsed"), None, 1, "Statuses: planned, in_progress"),
    "nearest status": Case(("status", "2", "plannd"), None, 1, "did you mean planned?"),
    "denied status": Case(("status", "2", "never", "done"), None, 1, "'never done' is no status"),
    "two statuses": Case(("status", "2", "planned", "complete"), None, 1, "did you mean complete?"),
    "status and more": Case(("edit", "2", "--status", "done now"), None, 1, "did you mean done?"),
    "sign against its words": Case(("add", "x", "--status", "✅ planned"), None, 1, "is no status"),
    "ambiguous item": Case(("status", "3", "complete"), twice, 1, "PRIORITY-3#2"),
    "old revision": Case(("status", "2", "planned", "--if-revision", "0123456789ab"), changed, 5, "not 0123456789ab"),
    "empty revision": Case(("remove", "2", "--yes", "--if-revision", ""), None, 2, "Nothing is no revision"),
    "revision of one digit": Case(("move", "2", "--first", "--if-revision", "a"), None, 2, "at least 7 hexadecimal"),
    "no revision": Case(("undo", "--if-revision", "yesterday"), changed, 2, "yesterday is no revision"),
    "nothing to undo": Case(("undo", "77"), None, 4, "77"),
    "unknown check box": Case(("edit", "2", "--check", "9"), None, 1, "9"),
    "unknown notification": Case(("notifications", "show", "12"), None, 4, "no notification 12"),
    "second answer": Case(("notifications", "respond", "1", "no"), answered, 5, "already answered by Ann"),
    "answer that is no option": Case(("notifications", "respond", "1", "maybe"), asked, 1, "yes, no"),
    "empty answer": Case(("notifications", "respond", "1"), asked, 1, "empty"),
    "unknown channel": Case(("notify", "x", "--channel", "pager"), None, 1, "no channel pager"),
    "empty message": Case(("notify", " "), None, 1, "message is empty"),
    "removal without a yes": Case(("remove", "2"), None, 1, "needs --yes"),
    "missing roadmap": Case(("view",), lambda project: project.roadmap.unlink(), 4, "`coffee-roadmap init` makes one"),
    "missing roadmap to change": Case(("status", "2", "planned"), lambda p: p.roadmap.unlink(), 4, "no roadmap at"),
    "named roadmap is missing": Case(("--roadmap", "nope.md", "view"), None, 4, "nope.md"),
    "binary roadmap": Case(("view",), roadmap(b"\x89PNG\r\n\x1a\n\x00\xff\xfe" * 50), 1, "UTF-8"),
    "binary roadmap to change": Case(("status", "2", "planned"), roadmap(b"\xff\xfe\x00" * 50), 1, "UTF-8"),
    "huge roadmap": Case(("view",), roadmap(b"x" * 50_000_000), 1, "cannot be used as the roadmap"),
    "directory in place": Case(("view",), directory_in_place, 1, "cannot be used as the roadmap"),
    "pipe in place": Case(("view",), pipe_in_place, 1, "cannot be used as the roadmap"),
    "unclosed fence": Case(("view", "2"), roadmap(b"```\n" + ROADMAP.encode()), 4, "no item 2"),
    "foreign data directory": Case(("status", "2", "planned"), foreign_data, 1, "files that are not ours (thesis.tex)"),
    "foreign data directory at init": Case(("init",), foreign_data, 1, "--data-dir"),
    "data directory is a file": Case(("status", "2", "planned"), data_is_a_file, 1, "a file is in its place"),
    "data directory out of nowhere": Case(
        ("--data-dir", "no/such/place", "status", "2", "planned"), None, 1, "parent directory must exist"
    ),
    "corrupt database": Case(("status", "2", "planned"), corrupt_database, 1, "not a SQLite database"),
    "corrupt database to read": Case(("history",), corrupt_database, 1, "not a SQLite database"),
    "database from the future": Case(("history",), database_from_the_future, 1, "schema version 999"),
    "future database to change": Case(("status", "2", "planned"), database_from_the_future, 1, "Upgrade"),
    "unknown setting": Case(("view",), settings("[data]\ndri = 'x'\n"), 1, "line 2: there is no setting in [data]"),
    "settings without end": Case(("view",), settings(f"a = {'[' * 100_000}\n"), 1, "nested too deeply"),
    "settings that are no TOML": Case(("view",), settings("[data\n"), 1, "not TOML"),
    "daemon without git": Case(("daemon", "run", "--once"), None, 1, "not inside a git repository"),
    "backup that is none": Case(("db", "restore", "docs/ROADMAP.md"), None, 1, "backup"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_in_plain_words(project: Project, name: str) -> None:
    case = CASES[name]
    if case.before is not None:
        case.before(project)
    before = project.roadmap.read_bytes() if project.roadmap.is_file() else None
    done = project.real(*case.words)
    assert_plain_refusal(done, case)
    assert (project.roadmap.read_bytes() if project.roadmap.is_file() else None) == before
    as_json = project.real(*case.words, "--json")
    assert as_json.code == case.code
    assert as_json.out == ""
    error = as_json.error
    assert set(error) == {"code", "message", "hint", "retryable"}
    assert error["message"]
    assert not list((Path(project.environ["HOME"])).rglob("bug-*.log"))


def assert_plain_refusal(done: Result, case: Case) -> None:
    assert (done.code, done.out) == (case.code, ""), done.err
    assert done.err.startswith("coffee-roadmap: ")
    assert case.says in done.err
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) <= 8


def like_anybody(project: Project, *words: str) -> Result:
    """Run it bound by permissions, which for root means: without the capability to ignore them."""
    wrapper = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    return project.real(*words, wrapper=wrapper)


@pytest.mark.parametrize("place", ["docs/ROADMAP.md", "docs"])
def test_an_unreadable_roadmap(project: Project, place: str) -> None:
    (project.root / place).chmod(0)
    done = like_anybody(project, "view")
    (project.root / place).chmod(0o755)
    assert_plain_refusal(done, Case((), None, 1, "ROADMAP.md"))


@pytest.mark.parametrize("words", [("notifications",), ("history",), ("status",), ("next",)])
def test_a_data_directory_that_may_not_be_entered_is_not_an_empty_one(project: Project, words: tuple[str, ...]) -> None:
    project.real("status", "2", "blocked")
    project.real("notify", "Which wood?", "--option", "oak")
    project.data.chmod(0)
    done = like_anybody(project, *words)
    project.data.chmod(0o755)
    assert_plain_refusal(done, Case((), None, 1, "Permission denied"))


def test_a_directory_that_cannot_be_written(project: Project) -> None:
    project.real("init")
    (project.root / "docs").chmod(0o555)
    assert like_anybody(project, "view").code == 0
    done = like_anybody(project, "status", "2", "blocked")
    doctor = like_anybody(project, "doctor")
    (project.root / "docs").chmod(0o755)
    assert_plain_refusal(done, Case((), None, 1, "ROADMAP.md"))
    assert project.roadmap.read_text() == ROADMAP
    assert (doctor.code, "MEND" in doctor.out, "Traceback" in doctor.err) == (1, True, False)
    assert project.real("status", "2", "blocked").code == 0


def test_a_data_directory_that_cannot_be_written(project: Project) -> None:
    project.real("init")
    for path in (*project.data.rglob("*"), project.data):
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = like_anybody(project, "status", "2", "blocked")
    project.data.chmod(0o755)
    assert_plain_refusal(done, Case((), None, 1, "data"))
    assert project.roadmap.read_text() == ROADMAP


# --- standard streams ------------------------------------------------------------------------------------------


def test_the_reader_that_goes_away_is_no_error(project: Project) -> None:
    done = project.shell(
        'set -o pipefail; coffee-roadmap status 2 blocked --json | true; echo "codes ${PIPESTATUS[*]}"'
    )
    assert done.out == "codes 0 0\n"
    assert done.err == ""
    assert project.real("view", "2", "--json").data["status"] == "blocked"


def test_closed_standard_output_loses_the_report_and_nothing_else(project: Project) -> None:
    done = project.shell("coffee-roadmap status 2 blocked >&-")
    assert done.code == 1
    assert "could not be written to standard output" in done.err
    assert "What the command did is done" in done.err
    assert project.real("view", "2", "--json").data["status"] == "blocked"


def test_full_standard_output(project: Project) -> None:
    for words in ("view", "view --json", "--help", "view --help", "--version"):
        done = project.shell(f"coffee-roadmap {words} > /dev/full")
        assert (done.code, "No space left" in done.err, "Traceback" in done.err) == (1, True, False), words


def test_closed_standard_error(project: Project) -> None:
    assert project.shell("coffee-roadmap view 99 2>&-").code == 4
    assert project.shell("coffee-roadmap view 99 2>/dev/full").code == 4


def test_closed_standard_input(project: Project) -> None:
    assert project.shell("coffee-roadmap view <&-").code == 0
    done = project.shell("coffee-roadmap edit 2 --body - <&-")
    assert done.code == 1
    assert "Standard input" in done.err or "empty" in done.err
    assert project.roadmap.read_text() == ROADMAP
    assert project.shell("coffee-roadmap remove 2 <&-").code == 1


def test_no_descriptor_of_ours_becomes_a_standard_stream(project: Project) -> None:
    """With all three closed the next files that are opened would be descriptors 0 to 2, and be written into."""
    assert project.shell("coffee-roadmap status 2 blocked <&- >&- 2>&-").code == 1
    assert b"status" not in project.roadmap.read_bytes().split(b"###")[0]
    assert project.real("db", "check").code == 0


def test_standard_input_that_is_no_text(project: Project) -> None:
    done = project.real("edit", "2", "--body", "-", stdin=b"\xff\xfe")
    assert (done.code, "not UTF-8" in done.err) == (1, True)


@pytest.mark.parametrize(
    "environ", [{"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}]
)
def test_a_terminal_without_unicode(project: Project, environ: dict[str, str]) -> None:
    assert project.real("view", "2", environ=environ).code == 0
    assert (
        project.real("view", "2", "--json", environ=environ).data["status_text"]
        == project.real("view", "2", "--json").data["status_text"]
    )
    assert project.real("status", "2", "blocked", environ=environ).code == 0


def test_the_current_directory_may_be_gone(project: Project) -> None:
    done = project.shell("mkdir gone; cd gone; rmdir ../gone; coffee-roadmap view")
    assert (done.code, "no longer exists" in done.err) == (2, True)


def test_no_home_and_no_user_entry(project: Project) -> None:
    environ = {name: value for name, value in project.environ.items() if name not in ("HOME", "COFFEE_ACTOR")}
    project.environ = environ
    assert project.real("status", "2", "blocked").code == 0


# --- hostile text ----------------------------------------------------------------------------------------------

HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202etxt\u2066\x00\x9b31m evil"


def test_hostile_text_reaches_no_terminal(project: Project) -> None:
    project.roadmap.write_text(f"### PRIORITY 1: {HOSTILE}\n\n**Status**: Planned {HOSTILE}\n\n{HOSTILE}\n")
    project.real("notify", HOSTILE.replace("\0", ""), "--title", HOSTILE.replace("\0", ""))
    for line in ("view", "view 1", "search evil", "next", "notifications", "notifications show 1", "status"):
        done = project.real(*line.split())
        assert done.code == 0, done
        assert "evil" in done.out or line == "status"
        assert not set(done.out) & set("\x1b\x07\x00\x9b\u202e\u2066"), line


def test_hostile_arguments_are_shown_harmless(project: Project) -> None:
    for words in (("view", "\x1b[31mred"), ("\x1b[31mred",), ("status", "2", "\x1b[31mred"), ("view", "x" * 100_000)):
        done = project.real(*words)
        assert done.code in (1, 2, 4)
        assert "\x1b" not in done.err
        assert len(done.err) < 6000


def test_a_line_of_a_megabyte(project: Project) -> None:
    project.roadmap.write_text(ROADMAP + "\n" + "long " * 200_000 + "\n")
    assert project.real("view").code == 0
    assert project.real("status", "3", "blocked").code == 0
    assert project.real("search", "long").code == 0


# --- git states ------------------------------------------------------------------------------------------------


def git(project: Project, *words: str) -> None:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *words], cwd=project.root, check=False, capture_output=True, env=project.environ)


def rebase(project: Project) -> None:
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "docs")
    git(project, "commit", "-qm", "one")
    git(project, "checkout", "-qb", "other")
    (project.root / "f").write_text("a")
    git(project, "add", "f")
    git(project, "commit", "-qm", "two")
    git(project, "checkout", "-q", "main")
    (project.root / "f").write_text("b")
    git(project, "add", "f")
    git(project, "commit", "-qm", "three")
    git(project, "rebase", "other")


def detached(project: Project) -> None:
    git(project, "init", "-q")
    git(project, "add", "docs")
    git(project, "commit", "-qm", "one")
    git(project, "checkout", "-q", "--detach")


@pytest.mark.parametrize("state", [None, detached, rebase])
def test_every_git_state_lets_the_roadmap_be_changed(project: Project, state: Callable[[Project], None] | None) -> None:
    if state is not None:
        state(project)
    done = project.real("status", "2", "blocked")
    assert (done.code, done.err) == (0, "")
    assert project.real("doctor", "--json").code in (0, 1)


def test_a_broken_git_never_fails_a_change(project: Project) -> None:
    (project.root / ".git").write_text("gitdir: /nowhere\n")
    assert project.real("status", "2", "blocked").code == 0
    findings = json.loads(project.real("doctor", "--json").out)["data"]["findings"]
    assert any("not in git" in finding["message"] for finding in findings)
