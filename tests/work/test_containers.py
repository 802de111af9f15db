"""What `init --docker` puts into a project: complete, never over anything, and understood by the compose program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from tests.adapters.git_states import make

from coffee_maker.core.errors import NotARepository, NotForAContainer
from coffee_maker.settings import Flags, load
from coffee_maker.work.containers import DIRECTORY, set_up_docker

REPOSITORY = Path(__file__).parents[2]


def put_into(project: Path, **environ: str) -> Path:
    set_up_docker(load(Flags(), environ, str(project)))
    return project / DIRECTORY


def composed(directory: Path, *words: str, **environ: str) -> Any:
    """The whole configuration as the compose program reads it."""
    known = [["docker", "compose"], ["docker-compose"]]
    for program in known:
        if shutil.which(program[0]) and subprocess.run([*program, "version"], capture_output=True).returncode == 0:
            break
    else:
        pytest.skip("NOT TESTED: no compose program is here (Debian: apt-get install docker-compose)")
    environment = {**{key: os.environ[key] for key in ("PATH", "HOME")}, **environ}
    done = subprocess.run([*program, *words, "config"], cwd=directory, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pytest.importorskip("yaml")
    import yaml

    return yaml.safe_load(done.stdout.replace("$$", "$"))  # as it escapes what it prints


def test_it_never_overwrites(tmp_path: Path) -> None:
    directory = put_into(make(tmp_path / "project"))
    (directory / "Dockerfile").write_text("mine\n")
    (directory / ".env").unlink()
    parts = set_up_docker(load(Flags(), {}, str(tmp_path / "project")))
    assert {os.path.basename(part.path): part.made for part in parts} == {
        "Dockerfile": False, "docker-compose.yml": False, ".env": True, ".gitignore": False
    }  # fmt: skip
    assert (directory / "Dockerfile").read_text() == "mine\n"


def test_the_compose_program_reads_it_as_it_is_meant(tmp_path: Path) -> None:
    project = make(tmp_path / "project with $HOME and spaces")
    config = composed(put_into(project))
    daemon = config["services"]["daemon"]
    mounts = {volume["target"]: (volume["source"], volume.get("read_only", False)) for volume in daemon["volumes"]}
    work = mounts.pop("/work")[0]
    assert work.endswith("work")
    assert mounts == {
        "/project": (str(project), True),
        "/project/docs": (str(project / "docs"), False),
        "/project/.git": (str(project / ".git"), True),
        "/data": (str(project / "data"), False),
    }
    assert not any(source.endswith(".md") for source, _ in mounts.values()), "never the single file"
    assert daemon["user"] == f"{os.getuid()}:{os.getgid()}"
    assert (daemon["read_only"], daemon["cap_drop"]) == (True, ["ALL"])
    assert daemon["security_opt"] == ["no-new-privileges:true"]
    assert daemon["environment"]["COFFEE_ROADMAP"] == "/project/docs/ROADMAP.md"
    assert all(daemon[limit] for limit in ("pids_limit", "mem_limit", "healthcheck"))


def test_every_setting_in_it_is_known(tmp_path: Path) -> None:
    from coffee_maker.settings import KEYS, environment_name

    environment = composed(put_into(make(tmp_path / "project")))["services"]["daemon"]["environment"]
    known = {environment_name(key) for key in KEYS} | {"COFFEE_ACTOR", "HOME", "XDG_STATE_HOME"}
    assert set(environment) <= known


def test_a_roadmap_at_the_top_needs_the_whole_directory(tmp_path: Path) -> None:
    project = make(tmp_path / "project")
    (project / "docs/ROADMAP.md").rename(project / "ROADMAP.md")
    daemon = composed(put_into(project))["services"]["daemon"]
    mounts = {volume["target"]: (volume["source"], volume.get("read_only", False)) for volume in daemon["volumes"]}
    assert mounts["/project"] == (str(project), False)
    assert mounts["/project/.git"] == (str(project / ".git"), True)
    assert daemon["environment"]["COFFEE_ROADMAP"] == "/project/ROADMAP.md"


def test_the_profile_for_a_team_adds_postgresql(tmp_path: Path) -> None:
    directory = put_into(make(tmp_path / "project"))
    team = composed(
        directory, "--profile", "team", COFFEE_POSTGRES_PASSWORD="secret", COFFEE_DATABASE_URL="postgresql://x"
    )
    assert team["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"] == "secret"
    assert team["services"]["daemon"]["environment"]["COFFEE_DATABASE_URL"] == "postgresql://x"


def test_what_cannot_be_brought_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotARepository):
        put_into(tmp_path)
    project = make(tmp_path / "it's")
    with pytest.raises(NotForAContainer, match="it's"):
        put_into(project)
    subprocess.run(["git", "worktree", "add", "-q", str(tmp_path / "linked")], cwd=project, check=True)
    with pytest.raises(NotForAContainer, match="linked git work tree"):
        put_into(tmp_path / "linked")


def installed(tmp_path: Path, *wheels: str, **arguments: str) -> subprocess.CompletedProcess[str]:
    """What the Dockerfile's own line would have pip install, with these wheels beside it."""
    text = (REPOSITORY / "deploy/Dockerfile").read_text()
    [line] = [one for one in text.replace("\\\n", "").splitlines() if one.startswith("RUN") and "pip" in one]
    (tmp_path / "wheels").mkdir()
    for name in wheels:
        (tmp_path / "wheels" / name).touch()
    pip = tmp_path / "pip"
    pip.write_text('#!/bin/sh\nshift $(($# - 1))\nprintf %s "$1"\n')
    pip.chmod(0o755)
    defaults = dict(re.findall(r"^ARG (EXTRAS|PACKAGE)=(.*)$", text, re.MULTILINE))
    environment = {**defaults, **arguments, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script = line.removeprefix("RUN ").replace("/wheels", f"{tmp_path}/wheels")
    return subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)


def test_the_image_gets_the_wheel_itself_and_never_what_has_its_name_elsewhere(tmp_path: Path) -> None:
    wheels = [f"coffee_maker-0.{number}.0-py3-none-any.whl" for number in (9, 10, 2)]
    done = installed(tmp_path, *wheels, "mcp-2.0-py3-none-any.whl", EXTRAS="postgres,claude")
    wheel = f"{tmp_path}/wheels/coffee_maker-0.10.0-py3-none-any.whl"
    assert done.stdout == f"coffee-maker[postgres,claude] @ file://{wheel}", done.stderr


def test_an_image_without_a_wheel_is_not_built_and_says_how_one_is_made(tmp_path: Path) -> None:
    done = installed(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "pip wheel --no-deps --wheel-dir wheels PATH-OF-A-CLONE" in done.stderr


def test_another_source_of_the_image_s_package_can_be_named(tmp_path: Path) -> None:
    done = installed(tmp_path, PACKAGE="coffee-maker @ git+https://example.org/x.git")
    assert done.stdout == "coffee-maker @ git+https://example.org/x.git"


def test_the_way_to_a_wheel_is_told_where_it_is_needed(tmp_path: Path) -> None:
    directory = put_into(make(tmp_path / "project"))
    for name in ("Dockerfile", "docker-compose.yml", ".env"):
        assert "pip wheel --no-deps --wheel-dir wheels PATH-OF-A-CLONE" in (directory / name).read_text()
    arguments = composed(directory, COFFEE_EXTRAS="claude")["services"]["daemon"]["build"]["args"]
    assert arguments == {"EXTRAS": "claude", "PACKAGE": ""}


def test_there_is_one_copy_and_the_wheel_has_it(tmp_path: Path) -> None:
    for name in ("Dockerfile", "docker-compose.yml"):
        shown, kept = REPOSITORY / "deploy" / name, REPOSITORY / "src/coffee_maker/templates/docker" / name
        assert shown.is_symlink()
        assert shown.resolve() == kept
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(REPOSITORY)]
    subprocess.run(pip, check=True, timeout=120)
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"coffee_maker/templates/docker/{name}" for name in ("Dockerfile", "docker-compose.yml")} <= set(names)
