"""A shell's command line taken apart: which programs it would start, with which words.

Not a shell: it follows quoting, pipes, lists, groups, substitutions, here-documents and redirections as bash reads
them, and says plainly where a word is made at run time (`UNKNOWN`) or where it is lost (`Unreadable`).
"""

from __future__ import annotations

from coffee_maker.core.shell_words import UNKNOWN, Command, Unreadable, Words, is_assignment

_LONGEST = 100_000
_JOIN = "\\\n"  # joins two lines
# Words of the shell's own grammar in front of a command.
_KEYWORDS = frozenset(
    ("!", "{", "}", "if", "then", "elif", "else", "fi", "while", "until", "do", "done", "esac", "time", "coproc")
)
_SKIPPED = frozenset(("for", "case", "select", "function"))  # their words are no command


def commands(line: str) -> list[Command]:
    """Every command in the line, in the order in which they stand there; raises `Unreadable`."""
    if len(line) > _LONGEST:
        raise Unreadable("it is too long")
    return _Reader(line, 0).all()


class _Reader(Words):
    """Reads one text from its beginning to its end, or to the bracket that closes it."""

    def __init__(self, text: str, depth: int, at: int = 0) -> None:
        super().__init__(text, depth, at)
        self.found: list[Command] = []
        self._documents: list[tuple[str, bool, int]] = []  # delimiter, quoted, the index of its command
        self._clear()

    def _clear(self) -> None:
        self._words: list[str] = []
        self._writes: list[str] = []
        self._reads: list[str] = []
        self._stdin: str | None = None

    def all(self, closing: str = "") -> list[Command]:
        """Read until `closing`, which is consumed; the commands."""
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == closing:
                self.at += 1
                self._end()
                return self.found
            if char in " \t":
                self.at += 1
            elif self.text.startswith(_JOIN, self.at):
                self.at += len(_JOIN)
            elif char == "#":
                self._comment()
            elif char in "\n;&|":
                self._separator(char)
            elif char == "(":
                self._group()
            elif char == ")":
                self._case_label()
            elif char in "<>":
                self._redirection()
            else:
                self._word_here()
        if closing:
            raise Unreadable(f"a closing {closing} is missing")
        self._end()
        return self.found

    # --- structure -------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """The command at hand is complete."""
        if self._words or self._writes or self._reads:
            self.found.append(
                Command(tuple(self._words), tuple(self._writes), tuple(self._reads), self._stdin, self.depth)
            )
        self.found += self._inner
        self._inner = []
        self._clear()

    def _separator(self, char: str) -> None:
        if self.text.startswith("&>", self.at):
            self._redirection()
            return
        self._end()
        self.at += 1
        if char == "|" and not self.text.startswith("|", self.at):
            self._stdin = ""
        self.at += self.text[self.at : self.at + 1] in ("&", "|", ";") and char != "\n"
        if char == "\n":
            self._take_documents()

    def _comment(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def _group(self) -> None:
        if self.text.startswith("((", self.at) and not self._words:
            self.at += 2
            self._arithmetic()
            return
        if self._words:  # name() { …; }: the body is read like any other commands
            if self.text[self.at : self.at + 2].replace(" ", "") != "()":
                raise Unreadable("a bracket stands where none can")
            self.at += 2
            self._words = []
            return
        stdin = self._stdin
        self._stdin = None
        inner = self._nested(")", self.at + 1)
        self.found += [one if one.stdin is not None else one._replace(stdin=stdin) for one in inner]

    def _case_label(self) -> None:
        """``pattern)`` in a case: what stands before it is no command."""
        self.at += 1
        self._clear()

    # --- redirections ----------------------------------------------------------------------------------------

    def _redirection(self) -> None:
        operator = next(
            one
            for one in ("<<<", "<<-", "&>>", "<<", "<(", ">(", ">>", ">|", "<>", "&>", ">&", "<&", "<", ">")
            if self.text.startswith(one, self.at)
        )
        self.at += len(operator)
        if operator in ("<(", ">("):
            self._inner += self._nested(")", self.at)
            self._words.append(UNKNOWN)
            return
        while self.text[self.at : self.at + 1] in (" ", "\t"):
            self.at += 1
        start = self.at
        target = self._word()
        if operator in ("<<", "<<-"):
            if UNKNOWN in target or not target:
                raise Unreadable("the end of a here-document cannot be told")
            raw = self.text[start : self.at]
            self._documents.append((target, raw != target, len(self.found)))
            self._stdin = ""
        elif operator == "<<<":
            self._stdin = target
        elif operator in ("<", "<&"):
            self._reads.append(target)
        elif not (operator == ">&" and (target.isdigit() or target == "-")):
            self._writes.append(target)

    def _take_documents(self) -> None:
        """The here-documents that were announced on the line before begin here."""
        for delimiter, quoted, index in self._documents:
            lines = []
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                self.at = min(end + 1, len(self.text))
                if line.strip() == delimiter:
                    break
                lines.append(line)
            body = "\n".join(lines)
            if index < len(self.found):
                self.found[index] = self.found[index]._replace(stdin=body)
            if not quoted:
                self.found += self._in_text(body)
        self._documents = []

    # --- words -----------------------------------------------------------------------------------------------

    def _word_here(self) -> None:
        start = self.at
        if self.text.startswith("[[", start) and not self._words:
            self._condition()
            return
        word = self._word()
        if self.text[start : self.at] == "[":
            word = "["
        plain = self.text[start : self.at] == word
        following = self.text[self.at : self.at + 1]
        if plain and word.isdigit() and following and following in "<>":
            self._redirection()
        elif not self._words and plain and word in _KEYWORDS:
            pass
        elif not self._words and plain and word in _SKIPPED:
            self._skip_head(word)
        elif not self._words and is_assignment(word):
            pass  # a variable for the command; what its value runs was taken out already
        else:
            self._words.append(word)

    def _condition(self) -> None:
        """``[[ … ]]``: its words are no command, and < and ( in it mean something else."""
        end = self.text.find("]]", self.at)
        if end < 0:
            raise Unreadable("a closing ]] is missing")
        inner, self.at = self.text[self.at + 2 : end], end + 2
        self._inner += self._in_text(inner)

    def _skip_head(self, word: str) -> None:
        """``for x in a b``, ``case x in``, ``function f``: the words up to the next separator."""
        while self.at < len(self.text) and self.text[self.at] not in "\n;":
            if self.text[self.at] in " \t":
                self.at += 1
            elif word == "for" and self.text.startswith("((", self.at):
                self.at += 2
                self._arithmetic("\n|'\"")
            elif self.text[self.at] in "()<>&|{" or (self._word() == "in" and word == "case"):
                break
