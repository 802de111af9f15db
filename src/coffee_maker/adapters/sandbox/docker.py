"""The `Sandbox` on Docker Engine: a container of the image that the settings name, which holds the agent's program.

The same promises as in `bwrap`; limits are the container's own cgroup. The image needs `sh`, and `python3` too when
hosts are allowed. The container ends with the docker client: it reads a fifo that the launcher holds open. What is left
all the same (the engine runs in a virtual machine, where a fifo does not reach) is removed after the run and before the
next one of the same item, by its name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence

from coffee_maker.adapters.sandbox import box
from coffee_maker.core.records import Task
from coffee_maker.utils.boxes import AGENT_GIT_IN_BOX, boxed_git

_ASKING = 30.0  # seconds that the engine gets for an answer
_INSTALL = "install Docker Engine (Debian, Ubuntu: apt-get install docker.io)"
# Bytes of /tmp come out of the container's memory, so it needs no bound of its own.
_TMP = "/tmp:exec,nosuid,nodev,mode=1777"  # noqa: S108 - the box's own
# The first program: ends when the launcher is gone, hands TERM on, keeps the agent's exit code and standard input.
_ENTRY = f"""\
exec 4<&0
{{ read -r gone; kill -KILL $$; }} <{box.CONTROL_IN_BOX}/lifeline >/dev/null 2>&1 4<&- &
"$@" <&4 4<&- &
agent=$!
trap 'kill -TERM "$agent"' TERM
wait "$agent"
code=$?
while kill -0 "$agent" 2>/dev/null; do
    wait "$agent"
    code=$?
done
exit "$code"
"""


class DockerSandbox:
    """See the port and the module."""

    name = "docker"
    own_programs = True

    def __init__(self, bounds: box.Bounds, *, program: str = "docker") -> None:
        self._bounds = bounds
        engine = os.environ.get("DOCKER_HOST")  # the client gets the agent's environment, where it is not
        self._client = [program, *(["--host", engine] if engine else [])]

    def check(self) -> str | None:
        """See the port."""
        if shutil.which(self._client[0]) is None:
            return f"the program {self._client[0]} was not found: {_INSTALL}"
        image = self._bounds.image
        if not image:
            return '[agent] image is not set: name the image that holds the agent, image = "my-agent:1"'
        if problem := box.bad_hosts(self._bounds.network):
            return problem
        done = self._ask("version", "--format", "{{.Server.Version}}")
        if done is not None:
            return f"Docker Engine cannot be reached ({done}): is it running, and may this user use it?"
        if self._ask("image", "inspect", image) is not None:
            return f"the image {image} is not there: build it, or `docker pull` it"
        return None

    def wrap(self, argv: Sequence[str], task: Task) -> Sequence[str]:
        """See the port. A container of the same box that was left behind is removed first."""
        place, bounds = box.prepare(task, self._bounds), self._bounds
        self._remove(task)
        with open(os.path.join(place.control, "entry.sh"), "w", encoding="ascii") as file:
            file.write(_ENTRY)
        inner = ["python3", f"{box.CONTROL_IN_BOX}/inner.py", "0", box.CONTROL_IN_BOX, box.own_ports(bounds)]
        return [
            *box.LAUNCHER,
            *("0", "0", place.control, box.hosts(bounds), "pass"),
            *(*self._client, "run", "--rm", "--init", "--interactive", "--pull", "never"),
            *("--name", box.container_name(task, bounds), "--hostname", "box", "--network", "none"),
            *("--user", f"{os.getuid()}:{os.getgid()}", "--read-only", "--tmpfs", _TMP),
            *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            *("--pids-limit", str(bounds.processes), "--memory", str(bounds.memory)),
            *("--memory-swap", str(bounds.memory), "--ulimit", "core=0"),
            *_mounts(place, bounds.readable),
            *("--workdir", task.directory, "{names}", "--env", f"HOME={box.HOME_IN_BOX}", "--env", "TMPDIR=/tmp"),
            *("--entrypoint", "sh", str(bounds.image), f"{box.CONTROL_IN_BOX}/entry.sh"),
            *(inner if bounds.network else []),
            *argv,
        ]

    def clear(self, task: Task) -> None:
        """See the port."""
        self._remove(task)
        box.clear(task, self._bounds)

    def _remove(self, task: Task) -> None:
        """Remove the container, also one that is on its way out by itself; nothing of it runs any more then."""
        name, until = box.container_name(task, self._bounds), time.monotonic() + _ASKING
        while self._ask("container", "inspect", name) is None and time.monotonic() < until:
            self._ask("rm", "--force", "--volumes", name)

    def _ask(self, *words: str) -> str | None:
        """Ask the engine; what it complained of, or None."""
        try:
            done = subprocess.run(
                [*self._client, *words], capture_output=True, stdin=subprocess.DEVNULL, timeout=_ASKING, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode == 0:
            return None
        return (done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def _mounts(place: box.Place, readable: Sequence[str]) -> Iterator[str]:
    yield from _mount(place.home, box.HOME_IN_BOX)
    yield from _mount(place.control, box.CONTROL_IN_BOX, "readonly")
    for path in (*place.files, *(os.path.abspath(path) for path in readable if os.path.exists(path))):
        yield from _mount(path, path, "readonly")
    yield from _mount(place.tree, place.tree)
    git = boxed_git(place.tree)
    if os.path.isdir(git.agent):
        yield from _mount(git.agent, AGENT_GIT_IN_BOX)
        yield from _mount(git.link, os.path.join(place.tree, ".git"), "readonly")


def _mount(source: str, target: str, *options: str) -> tuple[str, str]:
    """As fields of comma-separated values, so that a path may hold anything."""
    fields = ("type=bind", f"source={source}", f"target={target}", *options)
    return "--mount", ",".join('"' + field.replace('"', '""') + '"' for field in fields)
