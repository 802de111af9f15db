"""Showing hostile text on a terminal."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffee_maker.core.items import Status
from coffee_maker.utils.text import one_line, printable

ESC = "\x1b"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain text, 100 %", "plain text, 100 %"),
        ("tab\tand\nnewline", "tab\tand\nnewline"),
        ("dos\r\nline, over\rwritten", "dos\nline, overwritten"),
        ("bell\a null\0 del\x7f back\b", "bell null del back"),
        (f"{ESC}[31mred{ESC}[0m", "red"),
        (f"{ESC}[2J{ESC}[H{ESC}[?1049hscreen", "screen"),
        (f"{ESC}[38:2::255:0:0mcolons", "colons"),
        (f"{ESC}[1 qcursor", "cursor"),
        (f"{ESC}]0;title\aafter", "after"),
        (f"{ESC}]8;;https://evil.example\a{'honest'}{ESC}]8;;\a", "honest"),
        (f"{ESC}]8;id=1;https://evil.example{ESC}\\honest{ESC}]8;;{ESC}\\", "honest"),
        (f"{ESC}]52;c;cm0gLXJmIC8={ESC}\\clip", "clip"),
        (f"{ESC}P1$r0m{ESC}\\dcs", "dcs"),
        (f"{ESC}_apc{ESC}\\{ESC}^pm{ESC}\\{ESC}Xsos{ESC}\\seen", "seen"),
        ("\x9b31mred\x9b0m \x9d0;title\x9cafter \x90dcs\x9cend", "red after end"),
        (f"{ESC}(B{ESC}c{ESC}7reset", "reset"),
        (f"{ESC}]0;never closed", "0;never closed"),
        (f"{ESC}]0;closed{ESC}[1m later\a", "0;closed later"),
        ("mojibake \x9d stays readable", "mojibake  stays readable"),
        (f"{ESC}{ESC}[31m[31mnested", "[31mnested"),
        (f"cut off {ESC}[31", "cut off 31"),
        (f"ends with {ESC}", "ends with "),
        ("user\u202egnp.exe", "usergnp.exe"),
        ("\u2066iso\u2067la\u2068te\u2069 \u200emark\u200f\u061c", "isolate mark"),
        ("appr\u200bove\ufeff\u2060\u00ad", "approve"),
        ("a\u200db\u200cc", "abc"),
        ("hidden\U000e0068\U000e0069\U000e007f tag", "hidden tag"),
        ("blank\u3164filler\u115f", "blankfiller"),
        ("x\ufe0fy", "xy"),
        ("a\u2028b\u2029c", "a\nb\nc"),
        ("bad \udcff byte", "bad \ufffd byte"),
        ("⏸️ Blocked", "⏸️ Blocked"),
        ("⏸ Blocked ⏸︎", "⏸ Blocked ⏸︎"),
        ("👩\u200d💻 ❤️\u200d🔥 1️⃣ ©️", "👩\u200d💻 ❤️\u200d🔥 1️⃣ ©️"),
        ("می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष"),
        ("👩\u200d\u200d\u200d💻", "👩💻"),
        ("é ü 日本語 Ωμέγα", "é ü 日本語 Ωμέγα"),
        ("", ""),
    ],
)
def test_what_is_shown(raw: str, shown: str) -> None:
    assert printable(raw) == shown


@pytest.mark.parametrize("status", Status)
def test_the_signs_of_the_statuses_stay(status: Status) -> None:
    assert printable(f"{status.sign} {status.label}") == f"{status.sign} {status.label}"


HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "\x1b\x07\\[]P_^X0m;\x9b\x9c\x9d\x90\0\r\n\t\u200d\u200c\ufe0f\ufe0e\u202e\ufeff👩💻⏸ا\u115f\u2028\udc80"
        ),
        st.characters(categories=["Cc", "Cf", "Cs", "Mn"]),
    )
)


@given(HOSTILE)
def test_nothing_that_steers_or_hides_is_left(text: str) -> None:
    shown = printable(text)
    for char in shown:
        assert char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}
        if unicodedata.bidirectional(char) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}:
            raise AssertionError(f"{char!r} reorders")
    shown.encode()


@given(HOSTILE)
def test_showing_twice_changes_nothing_more(text: str) -> None:
    assert printable(printable(text)) == printable(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="\u115f\u1160\u3164\uffa0")))
def test_visible_text_is_not_touched(text: str) -> None:
    assert printable(text) == text


@given(HOSTILE, st.integers(min_value=0, max_value=20))
def test_one_line_is_one_short_line(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert line.split("\n") == [line]
    assert line == line.strip()
    assert printable(line) == line


def test_one_line_joins_and_cuts() -> None:
    assert one_line("  a\n\n b\t c ") == "a b c"
    assert one_line("abcdef", 6) == "abcdef"
    assert one_line("abcdefg", 6) == "abcde…"
    assert one_line("abcd efg", 6) == "abcd…"
    assert one_line("ab👩\u200d💻cd", 5) == "ab👩…"
    assert one_line("abc", 1) == "…"
    assert one_line("abc", 0) == ""


@pytest.mark.parametrize(
    "unit",
    [
        "\x1b]",
        "\x1b[",
        "\x1b[1",
        "\x9d",
        "\x9dab",
        "\x1bP",
        "\u200d",
        "a\u200d",
        "\ufe0f",
        "👩\u200d",
        "\x1b ",
        "x",
        "é",
        "\udcff",
        " ",
        "\n",
    ],
)
def test_a_line_of_a_megabyte_costs_no_more_than_its_length(unit: str) -> None:
    """A quadratic pattern needs minutes here; the bound is loose enough for any machine and any load."""
    started = time.process_time()
    one_line(unit * (1_000_000 // len(unit)), 200)
    one_line("\x1b]" + unit * (1_000_000 // len(unit)), 200)
    assert time.process_time() - started < 20
