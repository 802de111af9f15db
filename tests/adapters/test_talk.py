"""Talking with a running program: answers from threads, time that stands still, a farewell before the end."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from tests.contract.test_agents import NEVER, Flag, Heard, until

from coffee_maker.adapters.agents import process
from coffee_maker.adapters.agents.talk import Talk
from coffee_maker.core.records import AgentResult


class Place:
    """Runs a shell script that is talked with."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.lines: list[str] = []
        self.came = threading.Condition()

    def take(self, line: str) -> str:
        with self.came:
            self.lines.append(line)
            self.came.notify_all()
        return f"heard {line}" if line != "quiet" else ""

    def wait(self, line: str) -> None:
        with self.came:
            assert self.came.wait_for(lambda: line in self.lines, 60)

    def run(self, script: str, talk: Talk, stop: Flag = NEVER, **bounds: float) -> AgentResult:
        program = process.Program(
            argv=["sh", "-eu", "-c", script],
            directory=str(self.home),
            environment={"PATH": "/usr/bin:/bin"},
            stdin=b"first\n",
            log=str(self.home / "log"),
            timeout=bounds.get("timeout", 30),
            max_output=10_000,
            grace=bounds.get("grace", 0.3),
            stall=bounds.get("stall"),
            talk=talk,
        )
        return process.run(program, stop, Heard(), self.take)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


ECHO = 'while read -r line; do echo "got $line"; [ "$line" != end ] || exit 0; done'


def test_it_is_answered_while_it_runs_and_its_log_is_in_our_words(place: Place) -> None:
    def answer() -> None:
        place.wait("got first")
        talk.say(b"second")
        place.wait("got second")
        talk.say(b"x" * 300_000)
        talk.say(b"end\n")

    with Talk() as talk:
        thread = threading.Thread(target=answer)
        thread.start()
        result = place.run(f"echo quiet; {ECHO}", talk)
        thread.join()
    assert result.ok
    assert [line[:12] for line in place.lines] == ["quiet", "got first", "got second", "got xxxxxxxx", "got end"]
    assert (place.home / "log").read_text().startswith("heard got first\nheard got second\n")


def test_many_threads_talk_and_no_word_is_lost(place: Place) -> None:
    def answer(number: int) -> None:
        for index in range(50):
            talk.say(f"{number}.{index}".encode())

    with Talk() as talk:
        threads = [threading.Thread(target=answer, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        ending = threading.Thread(target=lambda: ([one.join() for one in threads], talk.say(b"end")))
        ending.start()
        assert place.run(ECHO, talk).ok
        ending.join()
    expected = {f"got {number}.{index}" for number in range(8) for index in range(50)}
    assert set(place.lines) == expected | {"got first", "got end"}
    assert len(place.lines) == 402


@pytest.mark.parametrize("bounds", [{"timeout": 0.6}, {"stall": 0.6}])
def test_time_stands_still_while_it_waits_for_us(place: Place, bounds: dict[str, float]) -> None:
    def answer() -> None:
        place.wait("got first")
        time.sleep(1.2)  # twice the bound
        talk.say(b"end")

    with Talk() as talk:
        talk.begin("a")
        thread = threading.Thread(target=answer)
        thread.start()
        assert place.run(ECHO, talk, **bounds).ok
        thread.join()
        talk.end("a")
        assert place.run(ECHO, talk, **bounds).reason  # and goes on when it does not


def test_it_is_told_before_it_is_ended(place: Place) -> None:
    stop = Flag()

    def ask() -> None:
        place.wait("got first")
        stop.reason = "enough"

    with Talk(lambda: b"end") as talk:
        thread = threading.Thread(target=ask)
        thread.start()
        result = place.run(f"trap 'echo terminated' TERM; {ECHO}", talk, stop, grace=5)
        thread.join()
    assert (result.ok, result.exit_code, result.reason) == (False, 0, "enough")
    assert not process.by_itself(result)
    assert place.lines == ["got first", "got end"]


def test_one_that_does_not_listen_is_ended_all_the_same(place: Place) -> None:
    with Talk(lambda: b"end") as talk:
        result = place.run("trap '' TERM; exec <&-; while :; do sleep 0.05; done", talk, timeout=0.3)
    assert result.reason == "it did not end within its time limit of 300ms"


def test_words_that_come_too_late_are_dropped() -> None:
    with Talk() as talk:
        pass
    talk.say(b"late")
    talk.end("never begun")
    assert not talk.waits


def test_a_last_line_without_an_end_is_read(place: Place) -> None:
    with Talk() as talk:
        result = place.run("printf 'no end'; exit 3", talk)
    assert (result.reason, result.output_tail) == ("it ended with exit code 3", "heard no end")
    assert process.by_itself(result)
    until(lambda: place.lines == ["no end"])
