"""The dependencies that manifests name, of the forms that their own documentation shows."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffee_maker.core.manifests import LARGEST, UNREADABLE, added, decoded, is_manifest, named

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1"]

[project]
dependencies = ["requests[socks]>=2.8.1", 'gidgethub>4; python_version < "3.13"', "Ruamel.YAML", "pip @ https://a.b/c.whl"]

[project.optional-dependencies]
gui = ["PyQt5"]

[dependency-groups]
test = ["pytest>7", {include-group = "lint"}]
lint = ["ruff"]

[tool.poetry.dependencies]
python = "^3.11"
pendulum = { version = "*", optional = true }

[tool.poetry.group.docs.dependencies]
mkdocs = "*"

[tool.pdm.dev-dependencies]
more = ["nox"]

[tool.uv]
dev-dependencies = ["httpx"]

[tool.hatch.envs.default]
dependencies = ["coverage"]
"""
REQUIREMENTS = """\
# a comment
-r base.txt
-r other-requirements.txt
--index-url https://example.org
requests == 2.8.1 --hash=sha256:abc  # why
docopt==0.6 \\
    --hash=sha256:def
urllib3 @ https://github.com/urllib3/urllib3/archive/1.zip
-e git+https://git.example.com/Mine.git#egg=mine
./downloads/numpy-1.whl
"""
SETUP = """\
[options]
install_requires =
    requests
    importlib-metadata; python_version < "3.10"
[options.extras_require]
pdf = ReportLab>=1.2; RXP
"""
PACKAGE = '{"dependencies": {"left-pad": "^1"}, "devDependencies": {"@types/node": "*"}, "scripts": {"test": "jest"}}'
CARGO = """\
[dependencies]
rand = "0.8"
[target.'cfg(unix)'.dependencies]
nix = { version = "0.27" }
[workspace.dependencies]
serde = "1"
"""
GO = """\
module example.com/mine
go 1.22
require golang.org/x/net v1.2.3
require (
	github.com/new/thing v2.3.4+incompatible
	github.com/old/thing v1.2.3 // indirect
)
exclude (
	golang.org/x/bad v1.0.0
)
replace golang.org/x/net => ../net
"""
GEMS = """source "https://rubygems.org"\nruby "3.3"\ngem "rails", "~> 7"\ngem('puma')\n# gem "no"\n"""
POM = "<dependency><groupId>junit</groupId>\n  <artifactId>junit</artifactId><version>4</version></dependency>"
GRADLE = """\
dependencies {
    implementation("com.squareup.okhttp3:okhttp:4.12.0")
    testImplementation 'junit:junit:4.13'
    runtimeOnly("org.postgresql:postgresql:42")
}
"""


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        (
            "pyproject.toml",
            PYPROJECT,
            "hatchling requests gidgethub ruamel-yaml pip pyqt5 pytest ruff pendulum mkdocs nox httpx coverage",
        ),
        ("requirements.txt", REQUIREMENTS, None),
        ("setup.cfg", SETUP, "requests importlib-metadata reportlab"),
        ("Pipfile", '[packages]\nFlask = "*"\n[dev-packages]\npytest = "*"\n', "flask pytest"),
        ("web/package.json", PACKAGE, "left-pad @types/node"),
        ("composer.json", '{"require": {"php": ">=8", "monolog/monolog": "2"}}', "monolog/monolog"),
        ("a/b/Cargo.toml", CARGO, "rand nix serde"),
        ("go.mod", GO, "golang.org/x/net github.com/new/thing"),
        ("Gemfile", GEMS, "rails puma"),
        ("pom.xml", POM, "junit:junit"),
        ("app/build.gradle.kts", GRADLE, "com.squareup.okhttp3:okhttp junit:junit org.postgresql:postgresql"),
    ],
)
def test_what_a_manifest_names(path: str, text: str, names: str | None) -> None:
    expected = {
        *("base.txt", "requests", "docopt", "urllib3", "git+https://git.example.com/Mine.git#egg=mine"),
        "./downloads/numpy-1.whl",
    }
    assert is_manifest(path)
    assert named(path, text) == (set(names.split()) if names is not None else expected)


@pytest.mark.parametrize("path", ["requirements-dev.txt", "requirements/test.txt", "dev_requirements.in", "x/go.mod"])
def test_manifests(path: str) -> None:
    assert is_manifest(path)


@pytest.mark.parametrize("path", ["README.md", "package-lock.json", "poetry.lock", "notes.txt", "my.toml", "setup.py"])
def test_no_manifests(path: str) -> None:
    assert not is_manifest(path)
    assert not named(path, PYPROJECT)


def test_only_what_was_not_there_before_is_added() -> None:
    before = '[project]\ndependencies = ["requests", "ruamel.yaml"]\n'
    after = '[project]\ndependencies = ["Requests>=3", "ruamel_yaml", "zeep", "attrs"]\n'
    path = "pyproject.toml"
    assert added({path: (before, after)}) == {"attrs": path, "zeep": path}
    assert added({path: ("", before)}) == {"requests": path, "ruamel-yaml": path}
    assert added({path: (after, before)}) == {}
    moved = {path: (after, ""), f"sub/{path}": ("", after), "requirements.txt": ("", "zeep\nhttpx\n")}
    assert added(moved) == {"httpx": "requirements.txt"}


MANIFESTS = ("pyproject.toml", "package.json", "setup.cfg", "Cargo.toml", "Pipfile", "composer.json")


BROKEN = ["[project", "{", "[" * 100_000, "[options\nx", "\0"]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_what_cannot_be_read_any_more_is_an_addition(text: str) -> None:
    for path in MANIFESTS:
        assert named(path, text) == {UNREADABLE}
        assert added({path: ("", text)}) == {UNREADABLE: path}
        assert added({path: (text, text + " ")}) == {}
        assert named(path, None) == {UNREADABLE}
        assert named(path, " " * LARGEST + "{") == {UNREADABLE}


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_manifest_names_nothing(text: str) -> None:
    for path in MANIFESTS:
        assert named(path, text) == frozenset()


def test_tables_that_are_none_name_nothing() -> None:
    assert named("package.json", '{"dependencies": 3}') == frozenset()
    assert named("package.json", "[]") == frozenset()
    assert named("pyproject.toml", "project = 1\ntool = 2\n") == frozenset()


FORMS = [
    (
        "requirements.txt",
        "# a comment \\\nzeep\n-egit+https://a.b/c.git\n-r=deps.txt\n",
        "zeep git+https://a.b/c.git deps.txt",
    ),
    ("Requirements.txt", "zeep", "zeep"),
    ("requirements/prod/base.txt", "zeep", "zeep"),
    (
        "pyproject.toml",
        '[tool.setuptools.dynamic]\ndependencies = {file = ["deps.txt", "requirements.txt"]}',
        "deps.txt",
    ),
    ("pyproject.toml", '[tool.pixi.feature.x.pypi-dependencies]\nzeep = "*"', "zeep"),
    ("setup.cfg", "[options]\ninstall-requires: zeep\n# no\n[other]\ninstall_requires = x", "zeep"),
    ("package.json", '{"dependencies": {"node": "*", "php": "*"}}', "node php"),
    ("Cargo.toml", '[dev_dependencies]\nserde = {package = "other"}', "other"),
    ("go.mod", "require(\n  a.b/c v1 // not indirect\n)", "a.b/c"),
    ("Gemfile", 'group(:test) { gem "x" }; gem "y" # gem "z"', "x y"),
    ("Pipfile", '[docs]\nsphinx = "*"\n[requires]\npython_version = "3"', "sphinx"),
    ("build.gradle", 'dependencies { implementation(platform("g:a:1")); classpath "g:b:1" }', "g:a g:b"),
    ("build.gradle", "implementation group: 'g', name: 'a', version: '1'", "g:a"),
    ("pom.xml", "<dependency><artifactId>a</artifactId><!-- x --><groupId> g </groupId></dependency>", "g:a"),
]


@pytest.mark.parametrize(("path", "text", "names"), FORMS, ids=range(len(FORMS)))
def test_forms_that_are_seen_now_and_then(path: str, text: str, names: str) -> None:
    assert is_manifest(path)
    assert named(path, text) == set(names.split())


def test_texts_as_some_editors_and_shells_write_them() -> None:
    for data in ("zeep\n".encode("utf-16"), b"\xef\xbb\xbfzeep\n", b"zeep\n"):
        assert named("requirements.txt", decoded(data)) == {"zeep"}
    assert named("package.json", decoded(b'\xef\xbb\xbf{"dependencies": {"a": "1"}}')) == {"a"}


HOSTILE = [
    ("setup.cfg", "[options]\na" + " " * 200_000 + "b"),
    ("pyproject.toml", "a" + ".a" * 100_000 + "=1"),
    ("pyproject.toml", "x = {a" + ".a" * 100_000 + "=1}"),
    ("Cargo.toml", "[a" + " . a" * 50_000 + "]"),
    ("pyproject.toml", "\n".join(f"{'a.' * 15}b{n} = 1" for n in range(7000))),
    ("pom.xml", "<!--" * 70_000),
    ("pom.xml", "<dependency>" * 20_000),
    ("build.gradle", "api(" * 70_000),
    ("build.gradle", 'api "' * 50_000),
    ("Gemfile", "gem(" * 70_000),
    ("go.mod", "require a" + "." * 290_000),
    ("requirements.txt", "a\\\n" * 95_000),
    ("requirements.txt", "-" * 290_000),
    ("requirements" * 20_000 + "x", "a"),
    ("package.json", '{"dependencies": {' + '"a": {' * 40_000),
]


@pytest.mark.parametrize(("path", "text"), HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_cost_no_more_than_their_length(path: str, text: str) -> None:
    """Ten times as long takes at most some thirty times as long, where the square would be a hundred: each time it is
    measured, while what else the machine does is not the same again."""
    short = (path[: len(path) // 10] if len(path) > 100 else path, text[: len(text) // 10])
    times = [_best(path, text) / max(_best(*short), 0.001) for _ in range(3)]
    assert min(times) < 30


def _best(path: str, text: str) -> float:
    """Seconds of the processor, the least of three."""
    costs = []
    for _ in range(3):
        started = time.process_time()
        named(path, text)
        costs.append(time.process_time() - started)
    return min(costs)


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    for path in (
        "pyproject.toml",
        "package.json",
        "setup.cfg",
        "go.mod",
        "Gemfile",
        "pom.xml",
        "a.gradle",
        "requirements.txt",
    ):
        assert all(isinstance(name, str) for name in named(path, text))
