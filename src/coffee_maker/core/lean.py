"""Parts of the standard library that every command needs, without what their modules bring along.

These are the same objects, taken from where the modules themselves take them. `hashlib` loads OpenSSL, which takes 2 ms
and hashes a whole roadmap 1 ms faster; Python 3.11's `datetime` runs its Python twin first (1 ms), and
`signal` wraps each number (0.5 ms). An interpreter that keeps them elsewhere pays for the modules.
"""

from __future__ import annotations

__all__ = ["SIGURG", "UTC", "datetime", "sha256", "sha256_of_large", "timedelta"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import UTC, datetime, timedelta
    from hashlib import sha256
    from signal import SIGURG
else:
    try:
        from _datetime import datetime, timedelta, timezone

        UTC = timezone.utc
    except ImportError:
        from datetime import UTC, datetime, timedelta
    try:
        from _sha256 import sha256  # Python 3.11
    except ImportError:
        try:
            from _sha2 import sha256
        except ImportError:
            from hashlib import sha256
    try:
        from _signal import SIGURG
    except ImportError:
        from signal import SIGURG


_MANY_BYTES = 1_000_000
_seen = 0


def sha256_of_large(data: bytes) -> str:
    """The digest in hexadecimal: whoever has hashed a megabyte will hash more, and OpenSSL is worth its loading."""
    global _seen
    _seen += len(data)
    if _seen <= _MANY_BYTES:
        return sha256(data).hexdigest()
    import hashlib

    return hashlib.sha256(data).hexdigest()
