"""The dependencies that manifests name, of the forms that their own documentation shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coffee_maker.core.manifests import UNREADABLE, added, is_manifest, named

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
    assert added("pyproject.toml", before, after) == ("attrs", "zeep")
    assert added("pyproject.toml", "", before) == ("requests", "ruamel-yaml")
    assert added("pyproject.toml", after, before) == ()


MANIFESTS = ("pyproject.toml", "package.json", "setup.cfg", "Cargo.toml", "Pipfile", "composer.json")


@pytest.mark.parametrize("text", ["[project", "{", "[" * 100_000, "[options", "\0"])
def test_what_cannot_be_read_any_more_is_an_addition(text: str) -> None:
    for path in MANIFESTS:
        assert named(path, text) == {UNREADABLE}
        assert added(path, "", text) == (UNREADABLE,)
        assert added(path, text, text + " ") == ()


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_empty_manifest_names_nothing(text: str) -> None:
    for path in MANIFESTS:
        assert named(path, text) == frozenset()


def test_tables_that_are_none_name_nothing() -> None:
    assert named("package.json", '{"dependencies": 3}') == frozenset()
    assert named("package.json", "[]") == frozenset()
    assert named("pyproject.toml", "project = 1\ntool = 2\n") == frozenset()


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
