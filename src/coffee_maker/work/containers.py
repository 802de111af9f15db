"""Puts into a project what the daemon needs to run in a container. Never overwrites; what is there is the person's.

The two files are the same for every project; what is this machine's own (paths, user and group) goes into ``.env``
beside them, which its own ignore file keeps out of git.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from coffee_maker.core.errors import NotARepository, NotForAContainer, OutOfReach
from coffee_maker.settings import Settings
from coffee_maker.work.project import Part

DIRECTORY = os.path.join("deploy", "coffee-roadmap")
_TEMPLATES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "templates", "docker")
_FILES = ("Dockerfile", "docker-compose.yml")
_ENV_HEAD = """\
# What is this machine's own; docker-compose.yml reads it.
# The image gets the wheel that is in wheels/ here: pip wheel --no-deps --wheel-dir wheels PATH-OF-A-CLONE
# COFFEE_EXTRAS='postgres,claude'   # of the wheel; by default postgres
"""


def set_up_docker(settings: Settings) -> list[Part]:
    """Make what is missing."""
    values = _values(settings)
    directory = os.path.join(settings.root, DIRECTORY)
    texts = {name: _template(name) for name in _FILES}
    texts[".env"] = _ENV_HEAD + "".join(f"{name}='{value}'\n" for name, value in values.items())
    texts[".gitignore"] = ".env\nwheels/\n"
    try:
        os.makedirs(directory, exist_ok=True)
        return [_put(os.path.join(directory, name), text) for name, text in texts.items()]
    except OSError as error:
        raise OutOfReach(path=error.filename or directory, problem=error.strerror or str(error)) from None


def _values(settings: Settings) -> Mapping[str, str]:
    """What the compose file takes from ``.env``."""
    roadmap = os.path.realpath(settings.roadmap.path)
    top = _top(os.path.dirname(roadmap))
    directory = os.path.relpath(os.path.dirname(roadmap), top)
    at_the_top = directory == os.curdir
    values = {
        "COFFEE_UID": str(os.getuid()),
        "COFFEE_GID": str(os.getgid()),
        "COFFEE_PROJECT": top,
        "COFFEE_PROJECT_READ_ONLY": "false" if at_the_top else "true",
        "COFFEE_ROADMAP_DIR": os.path.dirname(roadmap),
        "COFFEE_ROADMAP_MOUNT": "/roadmap" if at_the_top else os.path.join("/project", directory),
        "COFFEE_ROADMAP_FILE": os.path.relpath(roadmap, top),
        "COFFEE_GIT": os.path.join(top, ".git"),
        "COFFEE_DATA": os.path.realpath(settings.data.dir),
    }
    for value in values.values():
        if "'" in value or not value.isprintable():
            problem = f"the path {value!r} holds a character that its settings cannot express"
            raise NotForAContainer(problem=problem, hint="Move the project to a path without it.")
    return values


def _top(folder: str) -> str:
    """The top of the git work tree."""
    while not os.path.lexists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            raise NotARepository(path=folder)
        folder = parent
    if not os.path.isdir(os.path.join(folder, ".git")):
        problem = f"{folder} is a linked git work tree, whose repository lies elsewhere"
        raise NotForAContainer(problem=problem, hint="Run it in the repository's main work tree.")
    return folder


def _template(name: str) -> str:
    with open(os.path.join(_TEMPLATES, name), encoding="utf-8") as file:
        return file.read()


def _put(path: str, text: str) -> Part:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return Part("docker", path, False)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
    return Part("docker", path, True)
