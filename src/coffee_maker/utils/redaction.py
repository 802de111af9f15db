"""What may leave this machine: names as they are, texts without secrets, and nothing else.

A secret is the value of a variable whose name says so (`MY_API_KEY`, `DB_PASSWORD`, …), a password in an address, or
what looks like a known kind of key. It is taken out wherever it stands, in names as in texts, whatever the settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import unquote

from coffee_maker.utils.text import printable
from coffee_maker.utils.values import without_password

MOST_TEXT = 8_000
"""Characters of a text that are sent."""
_READ = 64_000  # characters that are looked at: a key that is cut in two would not be known any more
_LONGEST_NAME = 120
_SHORTEST_SECRET = 6
_STARS = "***"

_SECRET_NAMES = re.compile(r"(?i)key|token|secret|passw|pwd|credential|auth|cookie|private|dsn")
_ADDRESS = re.compile(r"://[^:/@\s]{0,200}:([^@/\s]{1,500})@")
_NAME = re.compile(r"[\w.:/#@+=\-]{1,120}")
_KEYS = re.compile(
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)"
    r"|\b(?:sk|pk|rk)[-_][\w-]{12,}"
    r"|\bgh[a-z]_\w{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{12,}|\bxox[a-z]-[\w-]{8,}|\bxapp-[\w-]{8,}"
    r"|\bA[KS]IA[0-9A-Z]{12,}|\bAIza[\w-]{20,}|\bhf_\w{16,}|\bpypi-[\w-]{16,}|\bnpm_\w{16,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*",
    re.DOTALL,
)
_SAID = re.compile(
    r"(?i)((?:\b|_)(?:[\w-]{0,40}(?:passw(?:or)?d|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)"
    r"[\w-]{0,40})[\"']?\s{0,3}[=:]\s{0,3}|\bauthorization\s{0,3}[=:]\s{0,3}|\bbearer\s{1,3}|\bbasic\s{1,3}(?=[\w+/]{12}))"
    r"(\"[^\"\n]*\"|'[^'\n]*'|(?:bearer |basic )?[^\s\"',;]+)"
)


class Redaction:
    """Takes out of names and texts what must not be sent."""

    def __init__(self, environ: Mapping[str, str], secrets: Iterable[str | None] = ()) -> None:
        values = {*_of_variables(environ), *_of_addresses(secrets)}
        long = sorted((value for value in values if len(value) >= _SHORTEST_SECRET), key=len, reverse=True)
        known = "|".join(map(re.escape, long))
        self._known = re.compile(known) if known else None
        self.name = lru_cache(maxsize=1000)(self._name)

    def _name(self, value: str) -> str:
        """A name as it is; of what is none (it has spaces, or is too long) only how long it is."""
        if len(value) > _LONGEST_NAME or not _NAME.fullmatch(value):
            return f"({len(value)} characters)"
        return self._without_secrets(value)

    def text(self, value: str) -> str:
        """The text without secrets and without what steers a terminal, cut to `MOST_TEXT`."""
        whole = printable(value[:_READ])
        if len(value) > _READ:
            whole = whole.rpartition(" ")[0]  # the last word may be half of a secret
        clean = self._without_secrets(whole)
        return clean if len(clean) <= MOST_TEXT else f"{clean[:MOST_TEXT]}…"

    def _without_secrets(self, value: str) -> str:
        if self._known is not None:
            value = self._known.sub(_STARS, value)
        return _SAID.sub(rf"\1{_STARS}", _KEYS.sub(_STARS, without_password(value)))


def _of_variables(environ: Mapping[str, str]) -> Iterable[str]:
    for name, value in environ.items():
        if _SECRET_NAMES.search(name):
            yield value
            yield from (part for part in re.split(r"[\s,;]+", value) if len(part) >= 12)
        yield from _of_addresses((value,))


def _of_addresses(texts: Iterable[str | None]) -> Iterable[str]:
    for text in texts:
        for password in _ADDRESS.findall(text or ""):
            yield password
            yield unquote(password)
