"""One parameter style on both databases: ``?`` as in SQLite, translated to PostgreSQL's own ``$1``, ``$2``."""

from __future__ import annotations

import re
from functools import lru_cache

# What may hold a question mark that is no parameter: comments (those in C style nest, so they are counted below),
# dollar-quoted texts, texts with backslash escapes, texts, quoted names.
_TOKEN = re.compile(
    r"""--[^\n]* | /\* | \$(?P<tag>[A-Za-z_]?\w*)\$.*?\$(?P=tag)\$
    | \b[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | \?""",
    re.DOTALL | re.VERBOSE,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")


@lru_cache(maxsize=512)
def numbered(sql: str) -> str:
    """`sql` with its parameters numbered; everything else, ``%`` included, is left alone."""
    parts = []
    count = 0
    done = 0
    while (token := _TOKEN.search(sql, done)) is not None:
        end = token.end()
        if token[0] == "?":
            count += 1
            parts.append(f"{sql[done : token.start()]}${count}")
        else:
            end = _end_of_comment(sql, end) if token[0] == "/*" else end
            parts.append(sql[done:end])
        done = end
    return "".join(parts) + sql[done:]


def _end_of_comment(sql: str, position: int) -> int:
    depth = 1
    while depth and (edge := _COMMENT_EDGE.search(sql, position)) is not None:
        depth += 1 if edge[0] == "/*" else -1
        position = edge.end()
    return len(sql) if depth else position
