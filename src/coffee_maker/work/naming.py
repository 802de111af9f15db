"""Names for what belongs to an item outside the roadmap: its branch, its work tree, its files.

They must please git's rules for refs, every file system and a person's shell, whatever the key and title hold.
"""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256

_MAX_KEY = 60
_MAX_SLUG = 40
_BUILT_IN = re.compile(r"(?:PRIORITY|US)-[0-9][0-9A-Za-z.]*(?:#[0-9]+)?")


def file_name(key: str, title: str) -> str:
    """``<key>-<slug of the title>``; keys that differ have names that differ: one of another form than the built-in
    ones could go on with what looks like a title (``FEAT-auth-login`` and ``FEAT-auth``), so its name has a hash."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", key.replace("#", "_"))
    plain = re.sub(r"\.{2,}", ".", plain)[:_MAX_KEY].strip("-._")
    if plain.replace("_", "#") != key or not _BUILT_IN.fullmatch(key):
        digest = sha256(key.encode(errors="surrogatepass")).hexdigest()[:8]
        plain = f"{plain}-{digest}".lstrip("-")
    slug = slug_of(title)
    return f"{plain}-{slug}" if slug else f"{plain}-item"  # never ends in ".lock", which git refuses


def branch_name(key: str, title: str) -> str:
    """The branch that an agent works on."""
    return f"roadmap/{file_name(key, title)}"


def slug_of(title: str) -> str:
    """The title in small ASCII letters and digits, joined by dashes; empty when it has none."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
    return words[:_MAX_SLUG].rstrip("-")


def project_name(name: str, path: str) -> str:
    """The directory for a project's scratch: its name to recognise it by, a hash of its path to tell it apart."""
    return f"{slug_of(name) or 'project'}-{sha256(path.encode(errors='surrogatepass')).hexdigest()[:8]}"
