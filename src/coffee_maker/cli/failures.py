"""The one error handler: whatever a command raises becomes a sentence, a way out and an exit code."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from coffee_maker.cli.output import Output, ReaderGone
from coffee_maker.core.errors import DONE, INTERRUPTED, DiskFull, InternalError, OutOfReach, Refusal


def guarded(command: Callable[[], int], output: Output) -> int:
    """Run the command; no failure of any kind shows a traceback."""
    open_standard_streams()
    try:
        return command()
    except Refusal as refusal:
        output.refuse(refusal)
        return refusal.exit_code
    except ReaderGone:
        return DONE
    except KeyboardInterrupt:
        output.say("Interrupted.")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - this is the one place that ends them all
        end = as_refusal(error)
        output.refuse(end)
        return end.exit_code


def open_standard_streams() -> None:
    """Fill closed standard descriptors, else the next file that is opened becomes standard output."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one


def as_refusal(error: Exception) -> Refusal:
    """The system's own refusals, which can come from anywhere; everything else is our bug."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(where=error.filename or "the disk")
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and error.filename:
        return OutOfReach(path=os.fsdecode(error.filename), problem=error.strerror)
    return InternalError(error=_first_line(error), log=_write_log(error) or "(no log could be written)")


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _write_log(error: Exception) -> str | None:
    """Write the traceback where only its user can read it, without secrets; None when there is no place for it."""
    import sys
    import time
    import traceback

    from coffee_maker import __version__
    from coffee_maker.utils.places import state_directory

    directory = state_directory(os.environ)
    path = os.path.join(directory, f"bug-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log")
    text = "".join(traceback.format_exception(error))
    head = f"coffee-roadmap {__version__}, Python {sys.version.split()[0]}, {sys.platform}\n{' '.join(sys.argv)}\n\n"
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", errors="replace") as file:
            file.write(without_secrets(head + text, os.environ))
    except OSError:
        return None
    return path


_SECRET_NAMES = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "ACCESS_KEY", "PRIVATE_KEY", "CREDENTIAL")
_SHORTEST_SECRET = 6  # replacing every "on" or "1" would only make the log unreadable


def without_secrets(text: str, environ: os._Environ[str] | dict[str, str]) -> str:
    """The text with the values of secret variables, and the passwords in addresses, replaced by stars."""
    from coffee_maker.utils.values import without_password

    for name, value in environ.items():
        if len(value) >= _SHORTEST_SECRET and any(word in name.upper() for word in _SECRET_NAMES):
            text = text.replace(value, "***")
    return without_password(text)
