"""The dependencies that a project's manifests name, to see which of them an agent has added.

Only what is asked for counts, not what a lock file says comes along with it. A manifest that cannot be read any more
counts as one addition, since who looks cannot tell. `setup.py` and the like are programs and are not looked into.

The texts are the agent's, so every reader is linear in their length: `configparser` and an XML parser are not, and
`tomllib` gets no long dotted keys, which cost it the square of their length.
"""

from __future__ import annotations

import codecs
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping

from coffee_maker.core.patterns import on_demand

UNREADABLE = "what cannot be read"
"""What a manifest names that is none in its form, or too large."""
LARGEST = 300_000  # characters
_MOST_DOTS = 16  # in a key
_NAME = on_demand(r"\s*([A-Za-z0-9][\w.-]*)")
_BLANK_OR_QUOTED = on_demand(r"""[ \t]+|"[^"\n]*"|'[^'\n]*'""")
_BETWEEN_KEYS = on_demand(r"[\n=,{}\[\]]")
_SEPARATORS = on_demand(r"[-_.]+")
_GEM = on_demand(r"""\bgem[ \t(]+["']([\w.-]+)["']""")
_GRADLE = on_demand(
    r"""(?i)(?:implementation|api|only|compile|classpath|processor|kapt|ksp)[ \t(]+(?:enforced)?(?:platform[ \t(]+)?"""
    r"""["']([^"':\n]+:[^"':\n]+)"""
)
_GRADLE_PARTS = on_demand(r"""\bgroup\s?[:=]\s?["']([^"'\n]+)["'],\s?name\s?[:=]\s?["']([^"'\n]+)["']""")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decoded(data: bytes) -> str:
    """A manifest's text; some editors and shells write UTF-16, or a byte order mark."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    return data.decode(errors="replace")


def is_manifest(path: str) -> bool:
    """Whether the file at `path` (``/`` between its parts) says what a project depends on."""
    return _reader(path) is not None


def named(path: str, text: str | None) -> frozenset[str]:
    """The names of the dependencies that a manifest asks for; Python's in their normal form (``ruamel-yaml``). Without
    a text it is too large to be looked at."""
    read = _reader(path)
    if read is None:
        return frozenset()
    if text is None or len(text) > LARGEST:
        return frozenset((UNREADABLE,))
    try:
        return frozenset(name for name in read(text) if name.strip())
    except (ValueError, RecursionError, MemoryError):  # those of TOML and JSON are ValueErrors
        return frozenset((UNREADABLE,)) if text.strip() else frozenset()


def added(texts: Mapping[str, tuple[str | None, str | None]]) -> dict[str, str]:
    """What a change adds, by the texts before and after it of all manifests that it touches: name -> the manifest that
    names it first. What moves from one of them to another is not new."""
    before = {name for path, (old, _new) in texts.items() for name in named(path, old)}
    found: dict[str, str] = {}
    for path in sorted(texts):
        old, new = texts[path]
        for name in sorted(named(path, new) - named(path, old)):
            if name == UNREADABLE or name not in before:
                found.setdefault(name, path)
    return found


def normal(name: str) -> str:
    """A Python project's name as its index compares it (PyPA's specification of names)."""
    return _SEPARATORS.sub("-", name).lower()


def _reader(path: str) -> Callable[[str], Iterable[str]] | None:
    *folders, name = path.split("/")
    if name in _READERS:
        return _READERS[name]
    if name.endswith((".gradle", ".gradle.kts")):
        return _gradle
    if name.lower().endswith((".txt", ".in")) and any("requirements" in part.lower() for part in (*folders[-3:], name)):
        return _requirements
    return None


# --- Python ------------------------------------------------------------------------------------------------------


def _python(wanted: object) -> Iterator[str]:
    """The names of a requirement (``requests[socks] >= 2; ...``) or of a list of them."""
    if isinstance(wanted, str):
        wanted = [wanted]
    if isinstance(wanted, list):
        yield from (normal(found[1]) for one in wanted if isinstance(one, str) and (found := _NAME.match(one)))


def _toml(text: str) -> dict[str, object]:
    if any(key.count(".") > _MOST_DOTS for key in _BETWEEN_KEYS.split(_BLANK_OR_QUOTED.sub("", text))):
        raise ValueError("a key of too many parts")
    return tomllib.loads(text)


def _pyproject(text: str) -> Iterator[str]:
    data = _toml(text)
    project, tool = _table(data, "project"), _table(data, "tool")
    yield from _python(project.get("dependencies"))
    yield from _python(_table(data, "build-system").get("requires"))
    groups = (
        _table(project, "optional-dependencies"),
        _table(data, "dependency-groups"),
        _table(tool, "pdm", "dev-dependencies"),
    )
    for wanted in (one for group in groups for one in group.values()):
        yield from _python(wanted)
    yield from _python(_table(tool, "uv").get("dev-dependencies"))
    for environment in _table(tool, "hatch", "envs").values():
        yield from _python(_table(environment).get("dependencies"))
        yield from _python(_table(environment).get("extra-dependencies"))
    places = (_table(tool, "poetry", "group").values(), _table(tool, "pixi", "feature").values())
    for place in (_table(tool, "poetry"), _table(tool, "pixi"), *(one for group in places for one in group)):
        for kind in ("dependencies", "dev-dependencies", "pypi-dependencies"):
            yield from (normal(name) for name in _table(place, kind) if name.lower() != "python")
    dynamic = _table(tool, "setuptools", "dynamic")
    files = [_table(one).get("file") for one in _table(dynamic, "optional-dependencies").values()]
    files.append(_table(dynamic, "dependencies").get("file"))
    for file in (one for found in files for one in (found if isinstance(found, list) else [found])):
        if isinstance(file, str) and not is_manifest(file):  # what is one itself is looked at itself
            yield file


def _pipfile(text: str) -> Iterator[str]:
    for category, wanted in _toml(text).items():
        if category not in ("source", "requires", "scripts", "pipenv"):
            yield from (normal(name) for name in _table(wanted))


def _requirements(text: str) -> Iterator[str]:
    begun: list[str] = []  # a text that grows by `+=` is copied each time where somebody looks on (a tracer)
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        if line.endswith("\\"):
            begun.append(line[:-1])
            continue
        words = " ".join([*begun, line]).partition(" #")[0].strip()
        begun.clear()
        yield from _requirement(words)
    yield from _requirement(" ".join(begun).strip())


def _requirement(words: str) -> Iterator[str]:
    for option in ("-r", "--requirement"):
        if words.startswith(option):
            file = words.removeprefix(option).lstrip(" =")
            if file and not is_manifest(file):  # what is one itself is looked at itself
                yield file
            return
    for option in ("--editable", "-e"):
        if words.startswith(option):
            words = words.removeprefix(option).lstrip(" =")
            break
    if not words or words.startswith("-"):
        return
    if "://" in words.partition(" @")[0] or words.startswith((".", "/")):
        yield words  # an address or a path is its own name
    else:
        yield from _python(words)


def _setup_cfg(text: str) -> Iterator[str]:
    """Its values are lists, one to a line; `configparser` takes the square of a line's length."""
    section = key = ""
    for line in text.splitlines():
        if line[:1] in ("#", ";") or not line.strip():
            continue
        if line.startswith("[") and "]" in line:
            section, key = line.partition("]")[0][1:].strip().lower(), ""
            continue
        value = line
        if line[0] not in " \t":
            at = min((place for place in (line.find("="), line.find(":")) if place > 0), default=-1)
            if at < 0:
                raise ValueError("a line that is neither a section nor a setting")
            key, value = line[:at].strip().lower().replace("-", "_"), line[at + 1 :]
        of_options = section == "options" and key in ("install_requires", "setup_requires", "tests_require")
        if of_options or section == "options.extras_require":
            yield from _requirement(value.partition(" #")[0].strip())


# --- others ------------------------------------------------------------------------------------------------------


def _package_json(text: str) -> Iterator[str]:
    data = json.loads(text)
    for kind in ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies"):
        yield from _table(data, kind)


def _composer(text: str) -> Iterator[str]:
    data = json.loads(text)
    yield from (name for kind in ("require", "require-dev") for name in _table(data, kind) if name != "php")


def _cargo(text: str) -> Iterator[str]:
    data = _toml(text)
    places: list[object] = [data, _table(data, "workspace"), *_table(data, "target").values()]
    kinds = ("dependencies", "dev-dependencies", "build-dependencies", "dev_dependencies", "build_dependencies")
    for wanted in (_table(place, kind) for place in places for kind in kinds):
        for name, how in wanted.items():
            real = _table(how).get("package")
            yield real if isinstance(real, str) else name


def _go(text: str) -> Iterator[str]:
    block = ""
    for line in text.splitlines():
        code, _, comment = line.partition("//")
        words = code.replace("(", " ( ").split()
        if words[1:2] == ["("] or words == [")"]:
            block = words[0]
        elif not comment.strip().startswith("indirect"):
            if words[:1] == ["require"]:
                yield from words[1:2]
            elif block == "require":
                yield from words[:1]


def _gems(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from _GEM.findall(line.partition("#")[0])


def _gradle(text: str) -> Iterator[str]:
    yield from _GRADLE.findall(text)
    yield from (":".join(pair) for pair in _GRADLE_PARTS.findall(text))


def _maven(text: str) -> Iterator[str]:
    """By the texts of its elements: an XML parser would follow entities."""
    for part in ("dependency", "plugin", "parent", "extension"):
        for block in _without_comments(text).split(f"<{part}>")[1:]:
            inside = block.partition(f"</{part}>")[0]
            names = [inside.partition(f"<{name}>")[2].partition("<")[0].strip() for name in ("groupId", "artifactId")]
            if names[1]:
                yield ":".join(names)


def _without_comments(text: str) -> str:
    first, *rest = text.split("<!--")
    return first + "".join(part.partition("-->")[2] for part in rest)


def _table(data: object, *names: str) -> Mapping[str, object]:
    """The table of that name, in one another; an empty one where there is none."""
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


_READERS: Mapping[str, Callable[[str], Iterable[str]]] = {
    "pyproject.toml": _pyproject,
    "Pipfile": _pipfile,
    "setup.cfg": _setup_cfg,
    "package.json": _package_json,
    "composer.json": _composer,
    "Cargo.toml": _cargo,
    "go.mod": _go,
    "Gemfile": _gems,
    "pom.xml": _maven,
}
