"""Known programs: which of them reach the network, bring in dependencies or publish, and which files they write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from coffee_maker.core.shell_words import UNKNOWN

Kind = Literal["new_dependency", "network", "push", "pull_request"]

# --- what they do ----------------------------------------------------------------------------------------------

# fmt: off
_NETWORK = frozenset((
    "curl", "wget", "wget2", "aria2c", "axel", "ssh", "scp", "sftp", "mosh", "rsync", "nc", "ncat", "netcat",
    "socat", "telnet", "ftp", "lftp", "tftp", "ping", "ping6", "dig", "host", "nslookup", "whois", "traceroute",
    "http", "https", "xh", "httpie", "lynx", "w3m", "links", "elinks", "gh", "glab", "hub", "aws", "gcloud", "az",
    "kubectl", "helm", "docker", "podman", "nerdctl", "skopeo", "terraform", "ansible", "youtube-dl", "yt-dlp",
    "svn", "hg", "bzr", "fossil", "rclone", "s3cmd", "psql", "mysql", "redis-cli", "mongosh", "huggingface-cli",
    "hf", "ollama",
))
# fmt: on
_GIT_VALUED = frozenset(("-C", "-c", "--git-dir", "--work-tree", "--namespace", "--exec-path", "--config-env"))
_GIT_RUNS = ("alias.", "core.sshcommand", "core.pager", "core.editor", "core.fsmonitor", "core.hookspath", "include.")
_GIT_NETWORK = frozenset(("clone", "fetch", "pull", "ls-remote", "fetch-pack", "http-fetch", "daemon", "svn", "p4"))
_GIT_REACHES: Mapping[str, tuple[str, ...]] = {
    "remote": ("update", "-f", "show", "prune"),
    "submodule": ("update", "add"),
    "lfs": ("fetch", "pull"),
}
_GIT_PUSH = frozenset(("push", "send-pack", "http-push", "send-email", "imap-send"))
_LOCAL = ("http://localhost", "http://127.", "http://[::1]", "https://localhost", "https://127.", "https://[::1]")
_LOCAL_BARE = ("localhost", "127.0.0.1", "[::1]")
_CURL_VALUED = frozenset(
    ("-H", "--header", "-d", "--data", "--data-raw", "--json", "-o", "--output", "-O", "-X", "--request", "-w")
) | {"--write-out", "-m", "--max-time", "--connect-timeout", "--retry", "-u", "--user", "-b", "--cookie", "-F", "-A"}
_CURL_PLAIN = frozenset(("-s", "-S", "-f", "-i", "-I", "-v", "-k", "-L", "-sS", "-fsS", "-fsSL", "-sf", "-sL", "-q"))
# Version control, registries and the like: verb → kind. The first word that is no option counts, "" is none at all.
_NEW: Kind = "new_dependency"
_PUSH: Kind = "push"
_VERBS: Mapping[str, Mapping[str, Kind]] = {
    "poetry": {"add": _NEW, "publish": _PUSH},
    "pdm": {"add": _NEW, "publish": _PUSH},
    "rye": {"add": _NEW, "publish": _PUSH},
    "hatch": {"publish": _PUSH},
    "flit": {"publish": _PUSH},
    "twine": {"upload": _PUSH},
    "conda": {"install": _NEW, "create": _NEW, "update": _NEW},
    "mamba": {"install": _NEW, "create": _NEW, "update": _NEW},
    "micromamba": {"install": _NEW, "create": _NEW},
    "pixi": {"add": _NEW},
    "cargo": {"add": _NEW, "install": _NEW, "publish": _PUSH, "search": "network", "update": "network"},
    "go": {"get": _NEW, "install": _NEW},
    "gem": {"install": _NEW, "push": _PUSH},
    "bundle": {"add": _NEW},
    "composer": {"require": _NEW},
    "apt": {"install": _NEW, "upgrade": _NEW, "update": "network"},
    "apt-get": {"install": _NEW, "upgrade": _NEW, "update": "network", "source": "network"},
    "aptitude": {"install": _NEW, "update": "network"},
    "apk": {"add": _NEW, "update": "network"},
    "dnf": {"install": _NEW, "upgrade": _NEW},
    "yum": {"install": _NEW, "upgrade": _NEW},
    "zypper": {"install": _NEW, "in": _NEW},
    "brew": {"install": _NEW, "upgrade": _NEW, "update": "network"},
    "snap": {"install": _NEW},
    "flatpak": {"install": _NEW},
    "nix-env": {"-i": _NEW, "-iA": _NEW},
    "dotnet": {"add": _NEW},
    "luarocks": {"install": _NEW},
    "cpan": {"": "network"},
    "cpanm": {},
    "cabal": {"install": _NEW},
    "stack": {"install": _NEW},
    "opam": {"install": _NEW},
    "pre-commit": {"autoupdate": "network"},
}
_VALUED = frozenset(
    (
        "--prefix",
        "-C",
        "--cwd",
        "--dir",
        "--filter",
        "-w",
        "--workspace",
        "--manifest-path",
        "-p",
        "--package",
        "--color",
    )
) | {
    "--directory",
    "--project",
    "--registry",
    "--index-url",
    "-i",
    "--config-file",
    "--proxy",
    "-R",
    "--repo",
    "-o",
    "-t",
}
_NODE = ("npm", "pnpm", "yarn", "bun", "cnpm")
_NODE_ADDS = frozenset(("install", "i", "in", "add", "isntall"))
_NODE_RUNS = frozenset(("dlx", "exec", "x", "create", "init"))
_DOCKER_LOCAL = frozenset(("build", "images", "ps", "logs", "inspect", "version", "info", "stop", "rm", "rmi", "tag"))
_REQUESTS = {("gh", "pr"), ("glab", "mr"), ("hub", "pull-request"), ("hub", "pr")}
_LOOKS = ("list", "view", "diff", "status", "checks")
_PIP_VALUED = frozenset(
    ("-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-i", "--index-url", "--extra-index-url", "-f")
) | {"--find-links", "-t", "--target", "--prefix", "--root", "--python", "-p", "--cache-dir", "--log", "--only-binary"}


def kinds(name: str, words: Sequence[str]) -> list[Kind]:
    """What the program does with these words, in the kinds of the policy; nothing for most programs."""
    if name == "git":
        return _git(words)
    if name.startswith("pip") and not name[3:].strip("0123456789."):
        return _pip(words)
    if name in _NODE:
        return _node(name, words)
    if name in ("curl", "wget"):
        return [] if _is_local(words) else ["network"]
    special = _SPECIAL.get(name)
    if special is not None:
        return special(words)
    if name in _VERBS:
        return _verb(name, words)
    if (name, _first(words)) in _REQUESTS and (
        name == "hub" or _second(words) not in ("list", "view", "diff", "status")
    ):
        return ["pull_request"]
    return ["network"] if name in _NETWORK else []


def _verb(name: str, words: Sequence[str]) -> list[Kind]:
    verbs = _VERBS[name]
    first = words[0] if words[:1] and words[0] in verbs else _first(words)
    if first in verbs:
        return [] if verbs[first] == _NEW and _is_local_path(_second(words)) else [verbs[first]]
    return ["network"] if UNKNOWN in first else []


def _first(words: Sequence[str]) -> str:
    return next(iter(_plain(words)), "")


def _second(words: Sequence[str]) -> str:
    return next(iter(_plain(words)[1:]), "")


def _plain(words: Sequence[str]) -> list[str]:
    """The words that are neither options nor the values of well-known ones."""
    found = []
    at = 0
    while at < len(words):
        if words[at] in _VALUED:
            at += 1
        elif not words[at].startswith(("-", "+")):
            found.append(words[at])
        at += 1
    return found


def _git(words: Sequence[str]) -> list[Kind]:
    at = 0
    while at < len(words) and words[at].startswith("-"):
        valued = words[at] in _GIT_VALUED
        setting = words[at + 1] if valued and at + 1 < len(words) else words[at]
        if words[at] in ("-c", "--config-env") and setting.lower().startswith(_GIT_RUNS):
            return ["network"]
        at += 2 if valued else 1
    verb, rest = (words[at], words[at + 1 :]) if at < len(words) else ("", ())
    if verb in _GIT_PUSH or (verb == "subtree" and "push" in rest) or (verb == "lfs" and "push" in rest):
        return ["push"]
    reaches = verb in _GIT_REACHES and any(word in _GIT_REACHES[verb] for word in rest)
    archives = verb == "archive" and any(word.startswith("--remote") for word in rest)
    return ["network"] if verb in _GIT_NETWORK or reaches or archives or UNKNOWN in verb else []


def _pip(words: Sequence[str]) -> list[Kind]:
    """``pip install NAME`` brings something new; what the project itself asks for (-r, -e ., a path) does not."""
    verb = "install" if "install" in words else _first(words)
    if verb in ("download", "search", "index", "wheel"):
        return ["network"] if verb != "wheel" or not _is_local_path(_second(words)) else []
    if verb != "install":
        return ["network"] if UNKNOWN in verb else []
    named = _named(words[words.index(verb) + 1 :], _PIP_VALUED)
    return [_NEW] if any(not _is_local_path(word) for word in named) else []


def _named(words: Sequence[str], valued: frozenset[str]) -> Iterator[str]:
    """The words that are neither options nor their values; what -e takes is named too."""
    skip = ""
    for word in words:
        if skip:
            if skip in ("-e", "--editable"):
                yield word
            skip = ""
        elif word in valued:
            skip = word
        elif not word.startswith("-"):
            yield word


def _is_local_path(word: str) -> bool:
    """``.``, ``./lib``, ``../x``, ``.[dev]``, ``dist/x.whl``; a name with a slash may be one of a host."""
    if "://" in word or word.startswith("git+") or "@" in word:
        return False
    return word.startswith((".", "/")) or word.endswith((".whl", ".tar.gz", ".tgz"))


def _uv(words: Sequence[str]) -> list[Kind]:
    verb, second = _first(words), _second(words)
    if verb == "pip":
        return _pip(words[words.index("pip") + 1 :])
    if verb == "add" or (verb == "tool" and second in ("install", "run", "upgrade")):
        return [_NEW]
    if verb == "run":
        return [_NEW] if any(word.startswith("--with") for word in words) else []
    return ["push"] if verb == "publish" else ["network"] if UNKNOWN in verb else []


def _node(name: str, words: Sequence[str]) -> list[Kind]:
    verb = _first(words)
    rest = words[words.index(verb) + 1 :] if verb else ()
    if verb == "global":
        verb, rest = _first(rest), rest[1:]
    if verb in _NODE_ADDS:
        named = [word for word in rest if not word.startswith("-") and not _is_local_path(word)]
        return [_NEW] if named else []
    if verb in _NODE_RUNS and (name != "npm" or verb != "init" or _first(rest)):
        return [_NEW] if _first(rest) else []
    if verb in ("publish", "unpublish"):
        return ["push"]
    asks = verb in ("view", "search", "outdated", "audit", "info", "update", "upgrade", "up", "login", "ping")
    return ["network"] if asks or UNKNOWN in verb else []


def _docker(words: Sequence[str]) -> list[Kind]:
    verb = _first(words)
    if verb == "push":
        return ["push"]
    return [] if verb in _DOCKER_LOCAL or (verb == "compose" and _second(words) in _DOCKER_LOCAL) else ["network"]


def _is_local(words: Sequence[str]) -> bool:
    """Whether curl or wget speaks with this very machine; an option that is not known here may change that."""
    targets = 0
    at = 0
    while at < len(words):
        word = words[at]
        if word in _CURL_VALUED:
            at += 1
        elif word.startswith("-"):
            if word not in _CURL_PLAIN:
                return False
        elif _is_local_url(word):
            targets += 1
        else:
            return False
        at += 1
    return targets > 0


def _is_local_url(word: str) -> bool:
    start = next((one for one in (*_LOCAL, *_LOCAL_BARE) if word.startswith(one)), None)
    if start is None or "@" in word:
        return False
    rest = word[len(start) :]
    if start.endswith("127."):
        while rest and (rest[0].isdigit() or rest[0] == "."):
            rest = rest[1:]
    return not rest or rest[0] in ":/?"


def _rsync(words: Sequence[str]) -> list[Kind]:
    return ["network"] if any(":" in word or UNKNOWN in word for word in words if not word.startswith("-")) else []


_SPECIAL: Mapping[str, Callable[[Sequence[str]], list[Kind]]] = {
    "uv": _uv,
    "uvx": lambda words: [_NEW],
    "pipx": lambda words: [_NEW] if _first(words) in ("install", "run", "inject", "upgrade") else [],
    "pipenv": lambda words: [_NEW] if _first(words) == "install" and _second(words) else [],
    "npx": lambda words: [_NEW] if not any(word in ("--no-install", "--no", "--offline") for word in words) else [],
    "bunx": lambda words: [_NEW],
    "pnpx": lambda words: [_NEW],
    "easy_install": lambda words: [_NEW],
    "cpanm": lambda words: [_NEW],
    "docker": _docker,
    "podman": _docker,
    "nerdctl": _docker,
    "rsync": _rsync,
    "openssl": lambda words: ["network"] if _first(words) in ("s_client", "s_server", "ocsp") else [],
}

# --- what they write -------------------------------------------------------------------------------------------

_WRITE_ALL = frozenset(("rm", "rmdir", "unlink", "shred", "touch", "mkdir", "truncate", "tee", "mv", "mkfifo"))
_WRITE_ALL_BUT_FIRST = frozenset(("chmod", "chown", "chgrp"))
_WRITE_LAST = frozenset(("cp", "ln", "install"))


def written(name: str, words: Sequence[str]) -> Iterator[str]:
    """The files that well-known programs would write or remove, as far as the words tell."""
    named = [word for word in words if not word.startswith("-") or word == "-"]
    if name in _WRITE_ALL:
        yield from named
    elif name in _WRITE_ALL_BUT_FIRST:
        yield from named[1:]
    elif name in _WRITE_LAST:
        yield from named[-1:] if len(named) > 1 else ()
        yield from (word.partition("=")[2] for word in words if word.startswith("--target-directory="))
    elif name == "dd":
        yield from (word[3:] for word in words if word.startswith("of="))
    elif name == "sed" and any(word.startswith(("-i", "--in-place")) for word in words):
        yield from named[1:]
