"""`notify` and `notifications`: asking, waiting, answering, watching, through real processes where it matters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from tests.cli.conftest import Project, Result

Run = Callable[..., Result]


def test_notify_gives_the_notification(run: Run) -> None:
    data = run("notify", "The build is red", "--type", "alert", "--level", "high", "--source", "daemon", "--json").data
    assert (data["id"], data["type"], data["level"], data["source"]) == (1, "alert", "high", "daemon")
    assert (data["status"], data["answer"], data["options"], data["context"]) == ("pending", None, [], {})
    assert data == run("notifications", "show", "1", "--json").data


def test_a_message_from_standard_input_about_an_item(project: Project) -> None:
    data = project.real("notify", "-", "--item", "2.5", "--json", stdin="long\nreport\n").data
    assert (data["message"], data["item"], data["type"]) == ("long\nreport\n", "PRIORITY-2.5", "info")


def test_the_same_key_gives_the_first_back(run: Run) -> None:
    words = ("notify", "Go?", "--option", "yes", "--key", "k")
    first = run(*words, "--json").data
    assert run(*words, "--json").data == first
    again = run(*words, "--level", "high").out
    assert again.splitlines()[0] == "Question 1 exists already (pending)."
    assert "respond 1 ANSWER" in again
    run("notifications", "respond", "1", "yes")
    assert run(*words).out == "Question 1 exists already (responded): yes.\n"


def test_of_an_item_that_is_gone_or_says_nothing_there_is_nothing_and_no_refusal(run: Run) -> None:
    run("remove", "2", "--yes")
    for item in ("2", "3"):
        for command in ("notifications", "metrics"):
            assert run(command, "--item", item).code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("Stop?", "--option", "yes"),
        ("Go?", "--option", "no"),
        ("Go?", "--option", "yes", "--item", "2"),
        ("Go?", "--option", "yes", "--title", "T"),
        ("Go?", "--type", "info"),
    ],
)
def test_the_key_of_another_message_is_refused(run: Run, words: tuple[str, ...]) -> None:
    run("notify", "Go?", "--option", "yes", "--key", "k")
    done = run("notify", *words, "--key", "k")
    assert (done.code, done.out) == (5, "")
    assert "The key k is that of question 1 already, which says something else: Go?" in done.err
    assert len(run("notifications", "--json").data["notifications"]) == 1


def test_list_show_respond_dismiss(run: Run) -> None:
    assert run("notifications").out == "Nothing is open. `--all` shows the others.\n"
    assert run("notifications", "--all").out == "There are no notifications.\n"
    run("notify", "Which wood?", "--title", "Wood", "--option", "oak", "--option", "pine", "--item", "3")
    run("notify", "For your information")
    listed = run("notifications", "list", "--json").data["notifications"]
    assert [one["title"] or one["message"] for one in listed] == ["Wood", "For your information"]
    assert [one["id"] for one in run("notifications", "--item", "3", "--json").data["notifications"]] == [1]
    assert [one["id"] for one in run("notifications", "--limit", "1", "--json").data["notifications"]] == [2]
    text = run("notifications").out
    assert "? question" in text
    assert "Wood  [oak | pine]" in text.replace("Wood [oak | pine]", "Wood  [oak | pine]")
    shown = run("notifications", "show", "1").out
    assert "  1. oak\n  2. pine\n" in shown
    assert run("notifications", "show", "1", "--json").data["status"] == "sent"  # the terminal has shown it
    answered = run("notifications", "respond", "1", "2", "--by", "Ann", "--json").data
    assert (answered["answer"], answered["answered_by"], answered["answered_via"]) == ("pine", "Ann", "terminal")
    assert "Answered by Ann (terminal)" in run("notifications", "show", "1").out
    assert run("notifications", "dismiss", "2").out == "Info 2 is dismissed.\n"
    assert run("notifications", "--json").data["notifications"] == []
    assert len(run("notifications", "--all", "--json").data["notifications"]) == 2


def test_several_are_dismissed_at_once(run: Run) -> None:
    for number in range(1, 6):
        run("notify", f"Number {number}")
    assert run("notifications", "dismiss", "1", "2", "2").out == "Info 1 is dismissed.\nInfo 2 is dismissed.\n"
    done = run("notifications", "dismiss", "3", "4", "--by", "Ann", "--json")
    assert json.loads(done.out)["kind"] == "dismissed"
    assert [(one["id"], one["status"]) for one in done.data["notifications"]] == [(3, "dismissed"), (4, "dismissed")]
    for words, code in ((("5", "99"), "notification_not_found"), (("5", "x"), "usage")):
        assert run("notifications", "dismiss", *words, "--json").error["code"] == code
    assert [one["id"] for one in run("notifications", "--json").data["notifications"]] == [5]
    assert json.loads(run("notifications", "dismiss", "5", "--json").out)["kind"] == "notification"


def test_those_before_one_that_is_answered_are_told_as_dismissed(run: Run) -> None:
    run("notify", "One")
    run("notify", "Two?", "--type", "question")
    run("notifications", "respond", "2", "yes")
    done = run("notifications", "dismiss", "1", "2")
    assert (done.code, done.out) == (5, "Info 1 is dismissed.\n")
    assert "Question 2 was already answered" in done.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("show", "1", "2"), "`show` takes one number, not also 2."),
        (("show", "1", "yes"), '`coffee-roadmap notifications respond 1 "yes"`'),
        (("list", "1"), "`coffee-roadmap notifications show 1` shows one whole."),
    ],
)
def test_words_that_would_do_nothing_are_refused(run: Run, words: tuple[str, ...], says: str) -> None:
    run("notify", "One")
    done = run("notifications", *words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err


def test_words_of_one_s_own_are_put_behind_their_option(run: Run) -> None:
    run("notify", "Go?", "--option", "approve", "--option", "change: ...")
    for answer in ("change", "change:", "2", "perhaps"):
        done = run("notifications", "respond", "1", answer)
        assert done.code == 1
        assert 'put your words behind it: `coffee-roadmap notifications respond 1 "change: …"`.' in done.err
    assert run("notifications", "respond", "1", "change:", "in blue").code == 0
    run("notify", "Go?", "--option", "yes")
    assert "your words" not in run("notifications", "respond", "2", "perhaps").err


def test_an_answer_of_several_words_and_from_standard_input(project: Project) -> None:
    project.real("notify", "Why?", "--type", "question")
    assert (
        project.real("notifications", "respond", "1", "because", "it", "rains", "--json").data["answer"]
        == "because it rains"
    )
    project.real("notify", "And now?", "--type", "question")
    assert project.real("notifications", "respond", "2", "-", "--json", stdin="a\nb").data["answer"] == "a\nb"


def start(project: Project, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "coffee_maker.cli.roadmap_cli", *words],
        cwd=project.root,
        env=project.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def test_wait_prints_the_answer_that_another_process_gives(project: Project) -> None:
    with start(project, "notify", "Merge?", "--option", "yes", "--option", "no", "--wait") as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("Question 1 waits")
        assert project.real("notifications", "respond", "1", "YES").code == 0
        out, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, out, err) == (0, "yes\n", "")


def test_for_programs_standard_error_is_the_one_error(run: Run) -> None:
    done = run("notify", "Merge?", "--wait", "--timeout", "50ms", "--json")
    assert (done.code, done.out) == (75, "")
    assert json.loads(done.err)["error"]["code"] == "no_answer"


def test_a_timeout_is_no_answer_and_no_refusal(run: Run) -> None:
    done = run("notify", "Merge?", "--wait", "--timeout", "50ms")
    assert (done.code, done.out) == (75, "")
    assert "has expired, which is no refusal" in done.err
    late = run("notifications", "respond", "1", "yes")
    assert late.code == 0
    assert "after the deadline: whoever asked may have given up on it." in late.out


def test_waiting_for_an_answer_that_is_there_already_says_only_the_answer(run: Run) -> None:
    words = ("notify", "Which?", "--option", "a", "--option", "b", "--key", "k")
    run(*words)
    run("notifications", "respond", "1", "b")
    done = run(*words, "--wait")
    assert (done.code, done.out, done.err) == (0, "b\n", "")


def test_a_timeout_with_a_default_prints_it_and_still_says_that_nobody_answered(run: Run) -> None:
    words = ("notify", "Merge?", "--option", "yes", "--option", "no", "--wait", "--timeout", "50ms", "--default", "no")
    done = run(*words)
    assert (done.code, done.out) == (75, "no\n")
    as_json = run(*words, "--json")
    data = json.loads(as_json.out)["data"]
    assert (as_json.code, data["status"], data["answer"], data["taken"]) == (75, "expired", None, "no")


def test_watch_shows_what_is_open_and_what_comes(project: Project) -> None:
    project.real("notify", "first")
    with start(project, "notifications", "--watch", "--json") as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["data"]["message"] == "first"
        project.real("notify", "second")
        assert json.loads(watching.stdout.readline())["data"]["message"] == "second"
        watching.send_signal(2)
        _, err = watching.communicate(timeout=60)
    assert (watching.returncode, err) == (130, "Interrupted.\n")


def test_a_slow_channel_keeps_no_answer_back(project: Project) -> None:
    os.mkfifo(project.root / "gate")
    (project.root / "coffee-roadmap.toml").write_text(
        '[channels.slow]\nargv = ["sh", "-c", "cat gate && touch brought"]\ntimeout = "30s"\n'
    )
    with start(project, "notify", "Merge?", "--option", "yes", "--option", "no", "--wait") as waiting:
        assert waiting.stdout is not None
        assert waiting.stderr is not None
        with (project.root / "gate").open("w"):  # from now on the channel is at work until this is closed
            assert waiting.stderr.readline().startswith("Question 1 waits:")
            assert project.real("notifications", "respond", "1", "yes").code == 0
            assert waiting.stdout.readline() == "yes\n"
        assert waiting.wait(60) == 0
    assert (project.root / "brought").exists()  # it was neither cut off nor did its time run out before the answer came


def test_a_channel_of_the_settings_is_brought_the_message(run: Run, project: Project) -> None:
    (project.root / "coffee-roadmap.toml").write_text(
        '[channels.file]\nargv = ["cp", "/dev/stdin", "brought-{id}"]\nlevels = ["high"]\n'
    )
    run("notify", "to the file", "--level", "high")
    run("notify", "not to the file")
    assert "to the file" in (project.root / "brought-1").read_text()
    assert not (project.root / "brought-2").exists()


@pytest.mark.parametrize("words", [("--type", "info", "--option", "a"), ("--default", "x", "--type", "question")])
def test_what_makes_no_sense_is_refused(run: Run, words: tuple[str, ...]) -> None:
    done = run("notify", "x", *words)
    assert (done.code, "not created" in done.err) == (1, True)


def test_a_timeout_ends_the_wait_for_a_question_that_was_there_already(run: Run) -> None:
    first = run("notify", "Ship it?", "--type", "question", "--key", "ship", "--json").data
    again = run("notify", "Ship it?", "--key", "ship", "--wait", "--timeout", "100ms", "--json")
    assert again.code == 75
    assert run("notifications", "show", str(first["id"]), "--json").data["status"] in ("pending", "sent")
