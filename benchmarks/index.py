"""How long it takes to index a roadmap, side by side with markdown-it-py in the same run.

    python benchmarks/index.py [ROADMAP.md ...] [--rounds 15]

Indexing is everything from bytes to items: decoding, block structure, statuses, fields, dependencies, check lists,
revisions. Each round runs both on each text, in turn, the faster one as often in a row as takes about as long; medians
are told, and the ratio of the medians, which holds better than the figures themselves. Without files, texts are made:
prose as in real roadmaps, and 5,000 short items. Peak memory is that of a fresh process that reads the text once, with
the interpreter's own as floor.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from markdown_it import MarkdownIt

from coffee_maker.core.document import Document

_PEAK = "import sys\n{}\nprint([l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')][0])"
_READ = "from coffee_maker.core.document import Document\nDocument.from_bytes(open(sys.argv[1], 'rb').read()).items"
_SECTION = """### 🔴 **PRIORITY {n}: Something to build** ⚡ NEW

**Estimated Duration**: 2-3 days
**Impact**: ⭐⭐⭐⭐
**Status**: {status}
**Dependencies**: {before}

A paragraph that says why, with `code`, **bold** words and a [link](docs/x.md) in it,
over two lines.

#### Deliverables

- [ ] a first box
- [x] a second box, ticked
- ✅ a thing that works
  - a part of it

```python
# not a heading
def build(n: int) -> int:
    return n * {n}


print(build(3))
```

1. one step
2. another step

---

"""
_SHORT = "## US-{n}: Short item {n}\n\n**Status**: {status}\n**Estimated Effort**: {n}h\n\nOne line of text.\n\n"
_STATUSES = ("📝 Planned", "✅ **COMPLETE** (Commit: 1064b13)", "🔄 In Progress (50%)", "⏸️ Blocked")


def made(form: str, count: int) -> bytes:
    """A roadmap of so many items."""
    before = ["None", *(f"PRIORITY {n}" for n in range(1, count))]
    parts = (form.format(n=n + 1, before=before[n], status=_STATUSES[n % 4]) for n in range(count))
    return ("# Roadmap\n\n" + "".join(parts)).encode()


def milliseconds(work: Callable[[], object], times: int = 1) -> float:
    """Of one of so many times in a row."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) * 1000 / times


def compare(data: bytes, rounds: int) -> tuple[float, float]:
    """Medians in milliseconds: ours, and markdown-it-py's."""
    oracle, text = MarkdownIt("commonmark"), data.decode()

    def ours() -> object:
        return Document.from_bytes(data).items

    def theirs() -> object:
        return oracle.parse(text)

    often = max(1, round(milliseconds(theirs) / milliseconds(ours, 3)))
    pairs = [(milliseconds(ours, often), milliseconds(theirs)) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def peak(program: str, *args: str) -> float:
    """Peak memory in MB of a fresh process."""
    command = [sys.executable, "-c", _PEAK.format(program), *args]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1024


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args(argv)
    texts = {path.name: path.read_bytes() for path in args.files}
    texts = texts or {"300 long items": made(_SECTION, 300), "5,000 short items": made(_SHORT, 5000)}
    print(f"{'text':<24}{'MB':>6}{'items':>7}{'ms':>8}{'ms/MB':>8}{'markdown-it':>13}{'ratio':>7}")
    for name, data in texts.items():
        ours, theirs = compare(data, args.rounds)
        size, items = len(data) / 1e6, len(Document.from_bytes(data).items)
        print(f"{name:<24}{size:>6.2f}{items:>7}{ours:>8.1f}{ours / size:>8.1f}{theirs:>13.0f}{theirs / ours:>7.1f}")
    print(f"peak memory: bare {peak(''):.1f} MB", end="")
    for path in args.files:
        print(f", {path.name} {peak(_READ, str(path)):.1f} MB", end="")
    print()
    print()


if __name__ == "__main__":
    main()
