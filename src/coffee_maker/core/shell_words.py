"""The words of a shell's command line: quotes, expansions, and the commands that stand within these."""

from __future__ import annotations

from typing import NamedTuple

UNKNOWN = "\ufffc"
"""Stands in a word for what only the shell will know: a variable, a substitution, a pattern."""
_DEPTH = 20
_ENDS = frozenset(" \t\n;&|()<>")
_PATTERN = frozenset("*?[")


class Unreadable(ValueError):
    """It cannot be taken apart; the message says why."""


class Command(NamedTuple):
    """One program with its words, and the files that it writes by redirection, as they are written."""

    words: tuple[str, ...]
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    stdin: str | None = None  # a here-document, or "" for what another program pipes into it
    group: int = 0  # how deep in ( … ) and substitutions it stands


class Words:
    """Reads the words of one text. Who reads the commands between them is built on it (`shell`)."""

    def __init__(self, text: str, depth: int, at: int = 0) -> None:
        if depth > _DEPTH:
            raise Unreadable("it is nested too deeply")
        self.text = text
        self.depth = depth
        self.at = at
        self._inner: list[Command] = []  # of substitutions in the command at hand

    def all(self, closing: str = "") -> list[Command]:
        """Read until `closing`, which is consumed; the commands."""
        raise NotImplementedError

    def _word(self) -> str:
        """One word without its quotes."""
        parts = []
        while self.at < len(self.text) and self.text[self.at] not in _ENDS:
            char = self.text[self.at]
            if char == "'":
                parts.append(self._until("'"))
            elif char == '"':
                parts.append(self._double_quoted())
            elif char == "\\":
                parts.append(self.text[self.at + 1 : self.at + 2].replace("\n", ""))
                self.at += 2
            elif char in "$`":
                parts.append(self._expansion(quoted=False))
            else:
                parts.append(UNKNOWN if char in _PATTERN else char)
                self.at += 1
        word = "".join(parts)
        return word + UNKNOWN if _has_braces(word) else word

    def _until(self, quote: str) -> str:
        end = self.text.find(quote, self.at + 1)
        if end < 0:
            raise Unreadable("a quote is not closed")
        inner = self.text[self.at + 1 : end]
        self.at = end + 1
        return inner

    def _double_quoted(self) -> str:
        parts: list[str] = []
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                return "".join(parts)
            if char == "\\":
                after = self.text[self.at + 1 : self.at + 2]
                parts.append("" if after == "\n" else after if after in '$`"\\' else "\\" + after)
                self.at += 2
            elif char in "$`":
                parts.append(self._expansion(quoted=True))
            else:
                parts.append(char)
                self.at += 1
        raise Unreadable("a quote is not closed")

    def _expansion(self, *, quoted: bool) -> str:
        """``$name``, ``${…}``, ``$(…)``, ``$((…))``, `` `…` ``, ``$'…'``; the commands in it are kept."""
        text, at = self.text, self.at
        if text[at] == "`":
            self._backquoted()
            return UNKNOWN
        if text.startswith("$((", at):
            self.at = at + 3
            self._arithmetic()
            return UNKNOWN
        if text.startswith("$(", at):
            self._inner += self._nested(")", at + 2)
            return UNKNOWN
        if text.startswith("${", at):
            self.at = _closing_brace(text, at + 2)
            self._inner += self._in_text(text[at + 2 : self.at - 1])
            return UNKNOWN
        if text.startswith("$'", at) and not quoted:
            return self._ansi_quoted()
        self.at += 1
        end = self.at
        while end < len(text) and (text[end].isalnum() or text[end] == "_"):
            end += 1
        if end == self.at and text[end : end + 1] in ("?", "!", "#", "@", "*", "$", "-"):
            end += 1
        found, self.at = end > self.at, end
        return UNKNOWN if found else "$" if quoted or text[end : end + 1] != '"' else ""

    def _arithmetic(self, refused: str = "\n;|'\"") -> None:
        """Up to the two brackets that close it. What runs in it counts, also when it was two groups after all."""
        start, level = self.at, 2
        while level and self.at < len(self.text):
            level += {"(": 1, ")": -1}.get(self.text[self.at], 0)
            self.at += 1
        if level:
            raise Unreadable("a closing )) is missing")
        inner = self.text[start : self.at - 2]
        if any(char in inner for char in refused):
            raise Unreadable("brackets stand where none can")
        self._inner += self._in_text(inner)

    def _backquoted(self) -> None:
        script = []
        self.at += 1
        while self.text[self.at : self.at + 1] not in ("`", ""):
            escaped = self.text[self.at] == "\\" and self.text[self.at + 1 : self.at + 2] in ("`", "\\", "$")
            self.at += escaped
            script.append(self.text[self.at : self.at + 1])
            self.at += 1
        if self.at >= len(self.text):
            raise Unreadable("a quote is not closed")
        self.at += 1
        self._inner += type(self)("".join(script), self.depth + 1).all()

    def _ansi_quoted(self) -> str:
        end = self.at + 2
        while end < len(self.text) and self.text[end] != "'":
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise Unreadable("a quote is not closed")
        inner = self.text[self.at + 2 : end]
        self.at = end + 1
        return UNKNOWN if "\\" in inner else inner

    def _in_text(self, text: str) -> list[Command]:
        """The commands that substitutions in a text run, such as that of a here-document."""
        reader = type(self)(text, self.depth + 1)
        while reader.at < len(text):
            if text[reader.at] == "\\":
                reader.at += 2
            elif text[reader.at] in "$`":
                reader._expansion(quoted=True)
            else:
                reader.at += 1
        return reader._inner

    def _nested(self, closing: str, at: int) -> list[Command]:
        inner = type(self)(self.text, self.depth + 1, at)
        found = inner.all(closing)
        self.at = inner.at
        return found


def _closing_brace(text: str, at: int) -> int:
    level = 1
    while at < len(text):
        level += {"{": 1, "}": -1}.get(text[at], 0)
        at += 2 if text[at] == "\\" else 1
        if level == 0:
            return at
    raise Unreadable("a closing } is missing")


def is_assignment(word: str) -> bool:
    name, equals, _ = word.partition("=")
    name = name.removesuffix("+")
    if name.endswith("]"):  # one element of a list
        name = name.partition(UNKNOWN)[0]
    return bool(equals) and name.isidentifier()


def _has_braces(word: str) -> bool:
    """``{a,b}`` and ``{1..3}`` become several words."""
    start = word.find("{")
    return start >= 0 and "}" in word[start:] and ("," in word[start:] or ".." in word[start:])
