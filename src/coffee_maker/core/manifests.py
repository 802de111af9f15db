"""The dependencies that a project's manifests name, to see which of them an agent has added.

Only what is asked for counts, not what a lock file says comes along with it. A manifest that cannot be read any more
counts as one addition, since who looks cannot tell. `setup.py` and the like are programs and are not looked into.
"""

from __future__ import annotations

import configparser
import json
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping

from coffee_maker.core.patterns import on_demand

_NAME = on_demand(r"\s*([A-Za-z0-9][\w.-]*)")
_SEPARATORS = on_demand(r"[-_.]+")
_REQUIREMENTS = on_demand(r"(?:[\w.-]*requirements[\w.-]*\.(?:txt|in)|requirements/[^/]+\.(?:txt|in))\Z")
_GEM = on_demand(r"""(?m)^[ \t]*gem[ \t(]+["']([\w.-]+)["']""")
_MAVEN = on_demand(r"<groupId>\s*([^<\s]+)\s*</groupId>\s*<artifactId>\s*([^<\s]+)\s*</artifactId>")
_GRADLE = on_demand(
    r"""(?m)^[ \t]*\w*(?:[iI]mplementation|[aA]pi|Only|[cC]ompile|kapt|ksp)\b[ \t(]*["']([^"':\n]+:[^"':\n]+)"""
)
_INTERPRETERS = frozenset(("python", "php", "node", "ruby"))


UNREADABLE = "what cannot be read"
"""What a manifest names that is none in its form."""


def added(path: str, before: str, after: str) -> tuple[str, ...]:
    """The names, in order, that the manifest at `path` names after a change and did not name before it."""
    return tuple(sorted(named(path, after) - named(path, before)))


def is_manifest(path: str) -> bool:
    """Whether the file at `path` (``/`` between its parts) says what a project depends on."""
    return _reader(path) is not None


def named(path: str, text: str) -> frozenset[str]:
    """The names of the dependencies that a manifest asks for; Python's in their normal form (``ruamel-yaml``)."""
    read = _reader(path)
    try:
        found = read(text) if read else ()
        return frozenset(name for name in found if name.lower() not in _INTERPRETERS)
    except (ValueError, configparser.Error, RecursionError):  # those of TOML and JSON are ValueErrors
        return frozenset((UNREADABLE,)) if text.strip() else frozenset()


def normal(name: str) -> str:
    """A Python project's name as its index compares it (PyPA's specification of names)."""
    return _SEPARATORS.sub("-", name).lower()


def _reader(path: str) -> Callable[[str], Iterable[str]] | None:
    name = path.rpartition("/")[2]
    if name in _READERS:
        return _READERS[name]
    if name.endswith((".gradle", ".gradle.kts")):
        return _gradle
    return _requirements if _REQUIREMENTS.search(path) else None


# --- Python ------------------------------------------------------------------------------------------------------


def _python(wanted: object) -> Iterator[str]:
    """The names of a list of requirements (``requests[socks] >= 2; ...``), of tables of such lists, or of a table of
    names."""
    if isinstance(wanted, str):
        wanted = [wanted]
    if isinstance(wanted, list):
        yield from (normal(found[1]) for one in wanted if isinstance(one, str) and (found := _NAME.match(one)))


def _pyproject(text: str) -> Iterator[str]:
    data = tomllib.loads(text)
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
    poetry = _table(tool, "poetry")
    tables = [_table(poetry, "dependencies"), _table(poetry, "dev-dependencies")]
    tables += [_table(poetry, "group", group, "dependencies") for group in _table(poetry, "group")]
    yield from (normal(name) for table in tables for name in table)
    for environment in _table(tool, "hatch", "envs").values():
        if isinstance(environment, dict):
            yield from _python(environment.get("dependencies"))
            yield from _python(environment.get("extra-dependencies"))


def _pipfile(text: str) -> Iterator[str]:
    data = tomllib.loads(text)
    yield from (normal(name) for table in ("packages", "dev-packages") for name in _table(data, table))


def _requirements(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        words = line.partition(" #")[0].strip()
        for option in ("-e", "--editable"):
            if words.startswith((f"{option} ", f"{option}=")):
                words = words[len(option) + 1 :].strip()
        if words.startswith(("-r", "--requirement")):
            file = words.removeprefix("-r").removeprefix("--requirement").lstrip(" =")
            if file and not is_manifest(file):  # what is one itself is looked at itself
                yield file
        if not words or words.startswith(("#", "-")):
            continue
        if "://" in words.partition(" @")[0] or words.startswith((".", "/")):
            yield words  # an address or a path is its own name
        else:
            yield from _python(words)


def _setup_cfg(text: str) -> Iterator[str]:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    if parser.has_section("options"):
        for key in ("install_requires", "setup_requires", "tests_require"):
            yield from _requirements(parser["options"].get(key, ""))
    if parser.has_section("options.extras_require"):
        for wanted in parser["options.extras_require"].values():
            yield from _requirements(wanted)


# --- others ------------------------------------------------------------------------------------------------------


def _package_json(text: str) -> Iterator[str]:
    data = json.loads(text)
    for kind in ("dependencies", "devDependencies", "peerDependencies", "optionalDependencies"):
        yield from _table(data, kind)


def _composer(text: str) -> Iterator[str]:
    data = json.loads(text)
    yield from (name for kind in ("require", "require-dev") for name in _table(data, kind))


def _cargo(text: str) -> Iterator[str]:
    data = tomllib.loads(text)
    places: list[object] = [data, _table(data, "workspace"), *_table(data, "target").values()]
    for place in places:
        for kind in ("dependencies", "dev-dependencies", "build-dependencies"):
            yield from _table(place, kind)


def _go(text: str) -> Iterator[str]:
    block = ""
    for line in text.splitlines():
        words = line.partition("//")[0].split()
        if words[1:2] == ["("] or words == [")"]:
            block = words[0]
        elif "indirect" not in line.partition("//")[2]:
            if words[:1] == ["require"]:
                yield from words[1:2]
            elif block == "require":
                yield from words[:1]


def _gems(text: str) -> Iterator[str]:
    yield from _GEM.findall(text)


def _gradle(text: str) -> Iterator[str]:
    yield from _GRADLE.findall(text)


def _maven(text: str) -> Iterator[str]:
    """By an expression: an XML parser would follow entities, and the text is the agent's."""
    yield from (":".join(pair) for pair in _MAVEN.findall(text))


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
