"""A command line taken apart as bash reads it: checked against bash itself, which prints what it would run."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coffee_maker.core.shell import commands
from coffee_maker.core.shell_words import UNKNOWN, Command, Unreadable


def words(line: str) -> list[tuple[str, ...]]:
    return [one.words for one in commands(line)]


X = UNKNOWN
READ = {
    "ls -l | grep x && cat y; pwd & true || false": [
        ("ls", "-l"),
        ("grep", "x"),
        ("cat", "y"),
        ("pwd",),
        ("true",),
        ("false",),
    ],
    "A=1 B='x y' make C=2": [("make", "C=2")],
    "A=$(curl z) run": [("run",), ("curl", "z")],
    'echo "$(curl a; echo b)" \'$(curl no)\' "\\$(curl no)"': [
        ("echo", X, "$(curl no)", "$(curl no)"),
        ("curl", "a"),
        ("echo", "b"),
    ],
    "echo `curl \\`wget\\``": [("echo", X), ("curl", X), ("wget",)],
    "cu\\rl c''u\"r\"l $'cu\\x72l'": [("curl", "curl", X)],
    "cu\\\nrl x": [("curl", "x")],
    "echo a\\\\\ncurl x": [("echo", "a\\"), ("curl", "x")],
    "{curl,http://a} {a}": [("{curl,http://a}" + X, "{a}")],
    "/usr/bin/cur? x": [("/usr/bin/cur" + X, "x")],
    "for i in a $(curl b); do wget $i; done": [("wget", X), ("curl", "b")],
    "for ((i=0; i<3; i++)); do wget; done": [("wget",)],
    "case $(curl x) in a) wget 1;; b) wget 2;; esac": [("curl", "x"), ("wget", "1"), ("wget", "2")],
    "if [ -f x ]; then curl; elif [[ a < $(wget) ]]; then nc; fi": [
        ("[", "-f", "x", "]"),
        ("curl",),
        ("wget",),
        ("nc",),
    ],
    "f() { curl x; }; f": [("curl", "x"), ("f",)],
    "function f { curl x; }": [("curl", "x")],
    "(cd a && ls); ! pwd": [("cd", "a"), ("ls",), ("pwd",)],
    "diff <(curl a) >(wget b)": [("diff", X, X), ("curl", "a"), ("wget", "b")],
    "echo $((1 + $(curl x) * (2))) ${A:-$(wget y)}": [("echo", X, X), ("curl", "x"), ("wget", "y")],
    "ls # ; curl x": [("ls",)],
    "echo a#b": [("echo", "a#b")],
    "cat <<E\n$(curl x) \\$(no)\nE\nls": [("cat",), ("curl", "x"), ("ls",)],
    "cat <<'E' | sort\n$(curl no)\nE\nls": [("cat",), ("sort",), ("ls",)],
    "cat <<A; cat <<-B\n1\nA\n\t2\n\tB\nls": [("cat",), ("cat",), ("ls",)],
    "l[0]=$(curl x)": [("curl", "x")],
    "time -p curl": [("-p", "curl")],
    "> a": [()],
    "": [],
    "# only this": [],
    'git commit -m "it\'s (fine); really"': [("git", "commit", "-m", "it's (fine); really")],
}


@pytest.mark.parametrize("line", READ)
def test_it_reads_what_would_run(line: str) -> None:
    assert sorted(one for one in words(line) if one) == sorted(one for one in READ[line] if one)


@pytest.mark.parametrize(
    ("line", "written", "read"),
    [
        ("echo a >x 2>>y 3>&1 4>&-", ("x", "y"), ()),
        ("echo a &> x", ("x",), ()),
        ("echo a &>>x", ("x",), ()),
        ("echo a >| 'x y' < in", ("x y",), ("in",)),
        ("echo a2>x", ("x",), ()),
    ],
)
def test_redirections(line: str, written: tuple[str, ...], read: tuple[str, ...]) -> None:
    (command,) = commands(line)
    assert (command.writes, command.reads) == (written, read)


def test_what_a_command_reads() -> None:
    assert [one.stdin for one in commands("a | b <<E\nx\ny\nE\nc <<< 'z'")] == [None, "x\ny", "z"]
    assert [one.stdin for one in commands("curl x | (sh; cat) | sh")] == [None, "", "", ""]


@pytest.mark.parametrize(
    "line",
    ["echo 'a", 'echo "a', "echo $(ls", "echo `ls", "echo ${a", "(ls", "echo $((1", "[[ a", "cat <<$X\n", "a (b)"],
)
def test_what_is_not_whole_is_refused(line: str) -> None:
    with pytest.raises(Unreadable):
        commands(line)


def test_deep_and_long_lines_are_refused() -> None:
    with pytest.raises(Unreadable):
        commands("$(" * 50_000)
    with pytest.raises(Unreadable):
        commands("a " * 100_000)


@given(st.text(alphabet="ab '\"\\$`(){}[]<>|&;\n#=!~*?", max_size=40))
@settings(max_examples=600)
def test_any_text_is_read_or_refused(line: str) -> None:
    try:
        found = commands(line)
    except Unreadable:
        return
    assert all(isinstance(one, Command) for one in found)


BASH = shutil.which("bash")
QUOTED = st.lists(
    st.sampled_from(["a", " ", "'b c'", '"d e"', "\\ ", "\\'", "\\\\", '"\\""', "''", '"\'"', "#", "x=1", "\\\n", "-"]),
    max_size=8,
)


@pytest.mark.skipif(BASH is None, reason="bash is the oracle")
def test_quoting_is_read_as_bash_does() -> None:
    """Many lines in one bash: each prints the number of its words, and the words."""
    lines: list[str] = []

    @given(QUOTED)
    @settings(max_examples=300, database=None)
    def collect(parts: list[str]) -> None:
        lines.append("show " + "".join(parts))

    collect()
    script = "show() { printf '%s\\0' $# \"$@\"; }\n" + "\n".join(lines) + "\n"
    shown = subprocess.run([str(BASH)], input=script.encode(), capture_output=True, timeout=60, check=False).stdout
    fields = iter(shown.decode().split("\0"))
    for line in lines:
        theirs = [next(fields) for _ in range(int(next(fields)))]
        command = commands(line)[0]  # a line break in a comment begins another one
        assert list(command.words[1:]) == theirs, line
