"""The demonstration: one daemon and one person on one roadmap, as two processes. Run it through `scripts/demo`."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMAND = str(Path(sys.executable).with_name("coffee-roadmap"))
ANSWER = "csv"
PATIENCE = 300.0  # seconds; it takes about ten
SETTINGS = """\
[daemon]
agent = "runbook"                              # runs the items' own `sh run` blocks
test_command = "python3 -m unittest discover --quiet --start-directory tests --top-level-directory ."
poll = "500ms"
lease = "5s"                                   # short, as the next, so that nobody need wait for them here
backoff = "1s"
"""
NEW_ITEM = """\
### PRIORITY 2.7: Say the version 📝 Planned

```sh run
echo '__version__ = "0.1"' > tally/version.py
```

"""
_say = threading.Lock()


def say(who: str, words: str) -> None:
    """One line of what is going on; two processes talk at once."""
    with _say:
        for line in words.rstrip("\n").splitlines():
            print(f"{who:>8} | {line}", flush=True)


def title(words: str) -> None:
    print(f"\n== {words} ==\n", flush=True)


class Demo:
    """The throw-away project, and the commands on it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.project = home / "tally"
        ours = {
            "XDG_STATE_HOME": str(home / "state"),  # the agents' work trees and logs stay in this directory, too
            "XDG_CONFIG_HOME": str(home / "config"),  # nobody's own settings and channels
            "GIT_CONFIG_GLOBAL": os.devnull,
            "COFFEE_ACTOR": "you",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("COFFEE_", "GIT_"))}
        self.environment = {**kept, **ours}

    def run(self, *argv: str) -> str:
        """What a command says; the demonstration ends when it fails."""
        done = subprocess.run(argv, cwd=self.project, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{shlex.join(argv)} failed with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def make(self) -> None:
        """A small git project whose roadmap is already under way."""
        files = {
            "ROADMAP.md": (HERE / "demo_roadmap.md").read_text(),
            "coffee-roadmap.toml": SETTINGS,
            "tally/__init__.py": "",
            "tests/__init__.py": "",
            "tests/test_import.py": "import unittest\n\n\nclass Import(unittest.TestCase):\n"
            "    def test_import(self):\n        import tally\n",
            ".gitignore": "__pycache__/\n/data/\n",
        }
        for name, text in files.items():
            path = self.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.run("git", "init", "--quiet", "--initial-branch=main")
        for name, value in (("user.name", "You"), ("user.email", "you@example.org"), ("commit.gpgSign", "false")):
            self.run("git", "config", name, value)
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "A small project with a plan")
        binaries = shlex.quote(os.path.dirname(COMMAND))
        state = shlex.quote(self.environment["XDG_STATE_HOME"])
        (self.home / "activate").write_text(
            f"PATH={binaries}:$PATH XDG_STATE_HOME={state}\nexport PATH XDG_STATE_HOME\n"
        )

    # --- the daemon

    def start_daemon(self, idle: threading.Event) -> subprocess.Popen[str]:
        say("daemon", "$ coffee-roadmap daemon run --agent runbook --yes")
        daemon = subprocess.Popen(
            [COMMAND, "daemon", "run", "--agent", "runbook", "--yes"],
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self.follow, args=(daemon, idle), daemon=True).start()
        return daemon

    def follow(self, daemon: subprocess.Popen[str], idle: threading.Event) -> None:
        """Show what the daemon tells, and notice when it has nothing left to do."""
        for line in daemon.stderr or ():
            say("daemon", line.replace(str(self.home), "..."))
            if line.startswith("Nothing to do"):
                idle.set()

    # --- the person, in a process of their own for every command

    def question(self) -> dict[str, object]:
        """Look for the question."""
        while True:
            listed = json.loads(self.run(COMMAND, "notifications", "--json"))["data"]["notifications"]
            questions = [one for one in listed if one["options"] and one["answer"] is None]
            if questions:
                break
            time.sleep(0.3)
        say("you", f"question {questions[0]['id']} about {questions[0]['item']}: {questions[0]['message']}")
        return dict(questions[0])

    def answer(self, question: dict[str, object]) -> None:
        say("you", f"$ coffee-roadmap notifications respond {question['id']} {ANSWER}")
        say("you", self.run(COMMAND, "notifications", "respond", str(question["id"]), ANSWER))

    def save_in_an_editor(self) -> None:
        """Edit the very file that the daemon writes, without asking anybody."""
        path = self.project / "ROADMAP.md"
        place = "## US-110"
        new = path.with_name(".ROADMAP.md.swp")
        new.write_text(path.read_text().replace(place, NEW_ITEM + place, 1))
        new.replace(path)
        say("you", "(you save ROADMAP.md in your editor, with a new item PRIORITY 2.7 in it)")


def main() -> None:
    home = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix="coffee-roadmap-demo-")).resolve()
    demo = Demo(home)
    if demo.project.exists():
        sys.exit(f"{demo.project} exists already; name another directory")
    title(f"A throw-away project in {demo.project}")
    demo.make()
    print(demo.run(COMMAND, "view"))
    title("The daemon works, you answer and edit")
    idle = threading.Event()
    daemon = demo.start_daemon(idle)
    try:
        question = demo.question()
        daemon.kill()
        daemon.wait()
        say("you", "(you pull the plug: kill -9 of the daemon, while its agent waits for your answer)")
        demo.answer(question)
        demo.save_in_an_editor()
        daemon = demo.start_daemon(idle)
        if not idle.wait(PATIENCE):
            sys.exit(f"the daemon was not done within {PATIENCE:g} seconds")
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()
    for words, command in (
        ("The roadmap now", ["view"]),
        ("What the others wait for", ["next"]),
        ("Who changed what", ["history"]),
        ("What it had to say", ["notifications"]),
    ):
        title(f"{words}: coffee-roadmap {shlex.join(command)}")
        print(demo.run(COMMAND, *command))
    title("Look around")
    print(f"  cd {shlex.quote(str(demo.project))} && . ../activate")
    for command in (
        "coffee-roadmap history US-111               # why it needs you",
        "git log --oneline --graph --all             # the branches, and every version of the roadmap",
        "git show roadmap/PRIORITY-3-command-line    # what was built",
        "coffee-roadmap undo --dry-run               # take back the newest change, and only that",
        "coffee-roadmap doctor",
    ):
        print(f"  {command}")


if __name__ == "__main__":
    main()
