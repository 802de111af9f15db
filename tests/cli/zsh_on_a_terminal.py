"""Types into a zsh on a pseudo terminal, and says whether the Tab key completed the item's key."""

from __future__ import annotations

import os
import pty
import select
import sys
import time

SET_UP = 'autoload -U compinit; compinit -u; eval "$(coffee-roadmap completion zsh)"; echo LOADED$((1+1))\n'


def until(terminal: int, words: str, seconds: float = 20) -> bool:
    """Read what zsh prints until the words come."""
    seen, end = b"", time.monotonic() + seconds
    while words.encode() not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 65536)
    return words.encode() in seen


def main() -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execvp("zsh", ["zsh", "-f", "-i"])
    os.write(terminal, SET_UP.encode())
    until(terminal, "LOADED2")
    os.write(terminal, b"coffee-roadmap view PRIORITY-2.\t")
    print("completed" if until(terminal, "PRIORITY-2.5") else "not completed")
    os.close(terminal)


if __name__ == "__main__":
    sys.exit(main())
