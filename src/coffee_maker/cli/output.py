"""Where everything goes: data to standard output as text or as one JSON document, all else to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence

from coffee_maker.core.errors import OutputLost, Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TextIO

    from coffee_maker.cli.render import Page

SCHEMA_VERSION = 1


class ReaderGone(Exception):
    """Whoever read our output has closed it, as `head` does: nothing is wrong, and nobody is there to be told."""


class Output:
    """One command's output. `json` and `colour` are guessed from the words before they are parsed, so that a refusal
    of the words themselves comes in the right form."""

    def __init__(self, *, json: bool, colour: bool) -> None:
        self.json = json
        self.colour = colour
        self._drawn = 0  # lines of what was drawn last
        for stream in (sys.stdout, sys.stderr):
            _tolerate_any_encoding(stream)

    @classmethod
    def for_words(cls, words: Sequence[str]) -> Output:
        before = words[: words.index("--")] if "--" in words else words
        return cls(json="--json" in before, colour="--no-color" not in before)

    def settle(self, *, json: bool, colour: bool) -> None:
        """What was parsed counts."""
        self.json, self.colour = json, colour

    def show(self, kind: str, data: Any, *, form: str | None = None) -> None:
        """Print the data: as the JSON document of this kind, or as the text that `form` (default: the kind) names."""
        if self.json:
            self._write(self._document({"schema_version": SCHEMA_VERSION, "kind": kind, "data": data}))
        else:
            from coffee_maker.cli import render

            self.write(render.text(form or kind, data, self._page(sys.stdout)))

    def show_one_of_many(self, kind: str, data: Any, *, apart: bool = True) -> None:
        """Print one of a stream: a JSON document on a line of its own, or its text, with an empty line when it is to
        stand apart from the next."""
        if self.json:
            self._write(self._document({"schema_version": SCHEMA_VERSION, "kind": kind, "data": data}, one_line=True))
        else:
            from coffee_maker.cli import render

            self.write(render.text(kind, data, self._page(sys.stdout)) + ("\n" if apart else ""))

    @property
    def redraws(self) -> bool:
        """Whether a text can be drawn over the last one: by a person's terminal that knows how."""
        return not self.json and sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"

    def redraw(self, kind: str, data: Any) -> None:
        """Print the text of the data over the text that was printed last in this way."""
        from coffee_maker.cli import render, terminal

        text = render.text(kind, data, self._page(sys.stdout))
        drawn, self._drawn = terminal.over(text, self._drawn, sys.stdout)
        self.write(drawn)

    def say(self, sentence: str) -> None:
        """Tell the person something that is no data."""
        from coffee_maker.utils.text import printable

        self._complain(f"{printable(sentence)}\n")

    def refuse(self, refusal: Refusal) -> None:
        """Print a refusal: its sentence, and the way out."""
        if self.json:
            error = {
                "code": refusal.code,
                "message": refusal.message,
                "hint": refusal.hint,
                "retryable": refusal.retryable,
            }
            document = {"schema_version": SCHEMA_VERSION, "kind": "error", "error": error}
            self._complain("".join(self._document(document, stream=sys.stderr)))
        else:
            from coffee_maker.cli import render

            self._complain(render.refusal(refusal, self._page(sys.stderr)))

    def write(self, text: str) -> None:
        """Print to standard output, whole or not at all as far as we are told; `OutputLost` says when it was not."""
        self._write([text])

    def _write(self, parts: Iterable[str]) -> None:
        if sys.stdout is None:
            raise OutputLost(problem="it is closed")
        try:
            sys.stdout.writelines(parts)
            sys.stdout.flush()
        except BrokenPipeError:
            _let_go_of_stdout()
            raise ReaderGone from None
        except (OSError, ValueError) as error:
            _let_go_of_stdout()
            raise OutputLost(problem=getattr(error, "strerror", None) or str(error)) from None

    def _complain(self, text: str) -> None:
        """Print to standard error; when that does not work either there is nobody to tell."""
        try:
            if sys.stderr is not None:
                sys.stderr.write(text)
                sys.stderr.flush()
        except (OSError, ValueError):
            pass

    def _document(self, document: Any, stream: TextIO | None = None, *, one_line: bool = False) -> Iterator[str]:
        """In parts. Compact, except on a terminal; escaped where the stream has no UTF-8."""
        stream = stream or sys.stdout
        utf8 = stream is None or (stream.encoding or "").lower().replace("-", "") == "utf8"
        terminal = stream is not None and stream.isatty()
        parts: Iterable[str]
        if one_line or not terminal:
            from coffee_maker.cli.json_text import compact

            parts = compact(document, ascii=not utf8)
        else:
            import json

            parts = [json.dumps(document, ensure_ascii=not utf8, check_circular=False, indent=2, default=list)]
        yield from map(_escaped, parts) if terminal else parts
        yield "\n"

    def _page(self, stream: TextIO | None) -> Page:
        """Rich, with its import, only for a terminal that can show it."""
        from coffee_maker.cli.render import PlainPage

        if stream is None or not stream.isatty() or os.environ.get("TERM") == "dumb":
            return PlainPage()
        from coffee_maker.cli.terminal import TerminalPage

        return TerminalPage(stream, colour=self.colour and not os.environ.get("NO_COLOR"))


def _escaped(text: str) -> str:
    """JSON that says the same without a sign that a terminal would obey; `json` itself escapes only those of ASCII."""
    import re

    commands = r"[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
    return re.sub(commands, lambda found: f"\\u{ord(found[0]):04x}", text)


def _tolerate_any_encoding(stream: TextIO | None) -> None:
    """A sign that the terminal's encoding lacks becomes a question mark; it must not end the command."""
    if stream is not None and hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")


def _let_go_of_stdout() -> None:
    """Point standard output nowhere, else the interpreter's own flush at its end complains once more."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
