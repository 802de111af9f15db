"""Keeps ROADMAP.md and its record in step: what the file holds is recorded, what is recorded gets into the file.

The order of one change is what keeps P1 to P3 through any crash:

1. the new text is *staged*: written and synced under a random name beside the roadmap;
2. one transaction records the version, its history rows, and the staged name as *pending*;
3. the staged file is *placed* by exchange, and what it took out is looked at;
4. the staged name is removed, and only then is the change acknowledged.

So the staged file exists exactly while something is unfinished. `settle` finishes it: before step 2 it is garbage that
nothing recorded refers to; between 2 and 3 it holds the recorded text and is placed; between 3 and 4 it holds what was
taken out, which is thrown away if it is the version before and merged if somebody had saved in between.

Every method here expects the roadmap's lock to be held.
"""

from __future__ import annotations

from contextlib import suppress

from coffee_maker.core.diffs import diff
from coffee_maker.core.document import Document
from coffee_maker.core.errors import NotText, Refusal, RoadmapUnusable
from coffee_maker.core.history import NewChange
from coffee_maker.core.lean import sha256, timedelta
from coffee_maker.core.state import NAMED_BY, RoadmapState
from coffee_maker.core.typed import NamedTuple
from coffee_maker.work.rows import Entry, Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coffee_maker.core.ports import Clock, RoadmapFile, Store, Transaction
    from coffee_maker.work.telling import Tell

    Guard = Callable[[Transaction], None]

_MOST_ROUNDS = 20
_PRUNE_EVERY = 50


class Options(NamedTuple):
    """What the project's settings say about editing."""

    lock_path: str
    lock_timeout: float = 10.0  # seconds
    item_pattern: str | None = None
    channels: tuple[tuple[str, tuple[str, ...]], ...] = ()  # name, and the levels it takes (none: all)
    keep_versions: int = 500
    keep_days: int = 90
    name: str = ""  # the roadmap's path below the project's root


class Recorder:
    """The record of one roadmap."""

    def __init__(self, store: Store, file: RoadmapFile, clock: Clock, options: Options) -> None:
        self._store = store
        self._file = file
        self._clock = clock
        self._options = options

    def parse(self, content: bytes) -> Document:
        """The document; a text that is none is refused by the file's own name."""
        try:
            return Document.from_bytes(content, item_pattern=self._options.item_pattern)
        except NotText as error:
            raise RoadmapUnusable(path=self._file.path, problem=error.message, hint=error.hint) from error

    def settle(self, seen: Document | None = None) -> Document:
        """Finish what a crash left, record what was changed outside; the document, equal in file and record.

        `seen` is a document read earlier: it is gone on with when the file still holds the same bytes.
        """
        for _ in range(_MOST_ROUNDS):
            with self._store.reading() as tx:
                state = tx.roadmap.state()
            if state is not None and state.pending is not None and self._finish(state):
                continue
            content = self._file.read()
            document = seen if seen is not None and seen.data == content else self.parse(content)
            if state is None:
                self._adopt(document)
            elif document.digest != state.hash:
                self._absorb_outside(document, state)
                continue
            elif self._merge_late(document):
                continue
            return document
        raise RoadmapUnusable(
            path=self._file.path,
            problem="other programs change it faster than it can be recorded",
            hint="Find the program that keeps writing it; `coffee-roadmap history` shows what it did so far.",
        )

    def record(
        self, document: Document, final: Document, rows: Sequence[Row], *, guard: Guard | None = None
    ) -> tuple[Document, int]:
        """Record the rows, which lead from `document` to `final`, and put that into the file.

        Returns the document that the file then holds (more than `final`, if an editor saved meanwhile) and the
        history id of the last row. `guard` is called first in the recording transaction; what it raises stops all.
        """
        staged = self._file.stage(final.data, final.digest)
        try:
            state = RoadmapState(final.digest, staged, document.digest)
            last = self._write(document, Entry(final, rows), state, guard=guard)
        except BaseException:
            self._discard_unless_recorded(staged)
            raise
        try:
            return self._put(final, staged, document.digest), last
        except Refusal as error:
            self._take_back(document, final, staged, error)
            raise

    def _discard_unless_recorded(self, staged: str) -> None:
        """An interrupt, or a connection that is lost, may come right behind the commit: then the next operation puts
        the file in place. Where the database does not say which, `tidy` will know."""
        with suppress(Refusal), self._store.reading() as tx:
            state = tx.roadmap.state()
            if state is None or state.pending != staged:
                self._file.discard(staged)

    def restore(self, content: bytes) -> None:
        """Put a recorded content back where the file is missing or empty."""
        try:
            self._file.create(content)
        except FileExistsError:
            found = self._file.read()
            if found.strip():
                return
            self._file.place(self._file.stage(content), sha256(found).hexdigest())

    def tidy(self) -> None:
        """Remove staged files that a crash before the record left behind. Anything else that is in no version is a save
        of somebody's (the database was put back to before it was taken out): it is kept and told."""
        strays = self._file.strays()
        if not strays:
            return
        with self._store.reading() as tx:
            state = tx.roadmap.state()
        for name in strays:
            if state is not None and name == state.pending:
                continue
            if self._is_ours(name):
                self._file.discard(name)
            else:
                self._set_aside(name)

    def _is_ours(self, name: str) -> bool:
        """Whether a staged file holds what was staged under that name, or a recorded version."""
        try:
            content = self._file.staged(name)
        except Refusal:
            return False
        if content is None:
            return True
        digest = sha256(content).hexdigest()
        with self._store.reading() as tx:
            return digest[:NAMED_BY] in name or tx.roadmap.version(digest) is not None

    def _set_aside(self, name: str) -> None:
        from coffee_maker.work import telling

        with self._store.writing() as tx:  # told first: what has its new name is not looked at again
            self._notify(tx, (telling.save_set_aside(self._file.aside(name)),), 0)
        self._file.set_aside(name)

    # --- finishing what a crash left ---

    def _finish(self, state: RoadmapState) -> bool:
        """Finish an interrupted placing; tells whether there was anything to finish."""
        staged = self._file.staged(state.pending or "")
        if staged is None:
            return False
        if sha256(staged).hexdigest() == state.hash:
            self._put(self.parse(staged), state.pending or "", state.before or state.hash)
        else:
            self._look_at_taken(staged, state)
        return True

    def _look_at_taken(self, taken: bytes, state: RoadmapState) -> None:
        """The exchange had happened: what it took out is the version before, or a save of somebody's to be merged."""
        if sha256(taken).hexdigest() != state.before:
            with self._store.reading() as tx:
                recorded = tx.roadmap.version(state.hash)
            assert recorded is not None  # the current version is never pruned
            staged = state.pending or ""
            unread = self._file.unread(staged)
            self._merge_taken(taken, self.parse(recorded), state.before or state.hash, staged, True, unread=unread)
        self._file.discard(state.pending or "")

    # --- placing ---

    def _put(self, document: Document, staged: str, expected: str) -> Document:
        """Place a recorded text; an editor's save in between is merged, recorded and placed in turn."""
        for _ in range(_MOST_ROUNDS):
            taken = self._file.place(staged, expected)
            if taken is None:
                return document
            before = document
            unread = self._file.unread(staged if taken.placed else None)
            document, newly_staged = self._merge_taken(
                taken.content, document, expected, staged, taken.placed, unread=unread
            )
            if newly_staged is None:
                return document
            staged, expected = newly_staged, before.digest if taken.placed else sha256(taken.content).hexdigest()
        raise RoadmapUnusable(
            path=self._file.path,
            problem="another program saves it again and again meanwhile",
            hint="Find that program. What `coffee-roadmap history` shows is recorded and gets into the file with the "
            "next operation: ask again only for what it does not show.",
        )

    def _merge_taken(
        self, taken: bytes, recorded: Document, base: str, staged: str, placed: bool, *, unread: bool = False
    ) -> tuple[Document, str | None]:
        """Record a save that came between; the merged document and the name it is staged under (None: in place)."""
        try:
            theirs = self.parse(taken)
        except Refusal as error:
            if not placed:
                raise
            self._keep_unreadable(taken, recorded, error)
            self._file.discard(staged)
            return recorded, None
        merged = self._merged_with(theirs, recorded, base, unread=unread)
        now_staged = self._file.stage(merged.document.data, merged.document.digest)
        expected = recorded.digest if placed else theirs.digest
        state = RoadmapState(merged.document.digest, now_staged, expected)
        self._write(recorded, merged, state, taken=theirs)
        self._file.discard(staged)
        return merged.document, now_staged

    def _merged_with(self, theirs: Document, recorded: Document, base: str, *, unread: bool) -> Entry:
        """`recorded`, which is to replace `base`, merged with a save that came before it got into the file.

        The buffer that was saved may be older than `base`: many versions are recorded while somebody types.
        """
        from coffee_maker.work import outside
        from coffee_maker.work.bases import load_bases

        with self._store.reading() as tx:
            known = theirs.digest != recorded.digest and tx.roadmap.version(theirs.digest) is not None
            bases = load_bases(tx.roadmap, base, theirs.text, without=recorded.digest)
        pattern = self._options.item_pattern
        if known:
            return outside.absorb_known(recorded, theirs, bases, pattern, unread=unread)
        return outside.absorb(recorded, theirs, bases, pattern, unread=unread)

    def _keep_unreadable(self, taken: bytes, recorded: Document, error: Refusal) -> None:
        from coffee_maker.work import telling

        digest = sha256(taken).hexdigest()
        with self._store.writing() as tx:
            tx.roadmap.save_version(digest, taken, self._clock.now())
            tx.roadmap.save_version(recorded.digest, recorded.data, self._clock.now())
            self._notify(tx, (telling.unreadable_save(digest, error),), 0)

    def _take_back(self, before: Document, after: Document, staged: str, error: Refusal) -> None:
        """The file could not be replaced: record that the change did not happen, so that record and file agree."""
        if self._file.staged(staged) != after.data:
            return  # it is in place, or a save of somebody's stands there: `settle` finishes it next time
        with self._store.reading() as tx:
            state = tx.roadmap.state()
        if state is None or state.pending != staged:
            return
        row = Row(
            "coffee-roadmap", "restore", None, None, None, None, None, f"not written: {error.message}", before.text
        )
        self._write(after, Entry(before, [row]), RoadmapState(before.digest, None, None))
        self._file.discard(staged)

    # --- what came from outside ---

    def _adopt(self, document: Document) -> None:
        """The first time: the file as it is becomes the first version."""
        with self._store.writing() as tx:
            if tx.roadmap.state() is None:
                tx.roadmap.save_version(document.digest, document.data, self._clock.now())
                tx.roadmap.set_state(RoadmapState(document.digest, None, None))

    def _absorb_outside(self, theirs: Document, state: RoadmapState) -> None:
        """Record an edit that somebody made with another program, merged with what it did not know."""
        from coffee_maker.work import outside
        from coffee_maker.work.bases import load_bases

        with self._store.reading() as tx:
            recorded_content = tx.roadmap.version(state.hash)
            known = tx.roadmap.version(theirs.digest) is not None
            bases = load_bases(tx.roadmap, state.hash, theirs.text)
        unread = self._file.unread()
        if unread:  # its writer knows what it says now
            self._file.now_read()
        if recorded_content is None:
            raise RoadmapUnusable(
                path=self._file.path,
                problem=f"the recorded version {state.hash[:12]} is missing from the database",
                hint="`coffee-roadmap db check` tells more.",
            )
        recorded = self.parse(recorded_content)
        outside.refuse_emptied(theirs, recorded, self._file.path)
        outside.refuse_conflicted(theirs, recorded, self._file.path)
        if known:
            merged = outside.absorb_known(recorded, theirs, bases, self._options.item_pattern, unread=unread)
        else:
            merged = outside.absorb(recorded, theirs, bases, self._options.item_pattern, unread=unread)
        if merged.document.digest == theirs.digest:
            now = RoadmapState(theirs.digest, None, None)
            self._write(recorded, merged, now)
            return
        staged = self._file.stage(merged.document.data, merged.document.digest)
        placing = RoadmapState(merged.document.digest, staged, theirs.digest)
        self._write(recorded, merged, placing, taken=theirs)
        self._put(merged.document, staged, theirs.digest)

    def _merge_late(self, document: Document) -> bool:
        """Merge what a program wrote to an older roadmap that it had kept open; tells whether there was anything."""
        for name in self._file.held():
            try:
                content = self._file.late(name)
            except Refusal:  # no roadmap any more: too large, not to be read
                self._set_aside(name)
                continue
            if content is None:
                continue
            with self._store.reading() as tx:
                known = tx.roadmap.version(sha256(content).hexdigest()) is not None
            if known or not content.strip():
                self._file.discard(name)
                continue
            merged, staged = self._merge_taken(content, document, document.digest, name, True)
            if staged is not None:
                self._put(merged, staged, document.digest)
            return True
        return False

    # --- the transaction ---

    def _write(
        self,
        before: Document,
        entry: Entry,
        state: RoadmapState,
        *,
        taken: Document | None = None,
        guard: Guard | None = None,
    ) -> int:
        """Record it all in one transaction; the history id of the last row (0 without rows). `taken` is a save that
        was merged into it."""
        now, rows = self._clock.now(), entry.rows
        last = 0
        with self._store.writing() as tx:
            if guard is not None:
                guard(tx)
            for document in entry.offered:
                tx.roadmap.save_version(document.digest, document.data, now, in_file=False)
            for document in (taken, entry.document) if taken else (entry.document,):
                tx.roadmap.save_version(document.digest, document.data, now)
            if len(rows) > 1 and rows[-1].item is None:  # prose can only be undone by the whole texts on both sides
                between = rows[-2].text.encode()
                tx.roadmap.save_version(sha256(between).hexdigest(), between, now, in_file=False)
            text, digest = before.text, before.digest
            for row in rows:
                row_digest = sha256(row.text.encode()).hexdigest()
                last = tx.roadmap.append(
                    NewChange(
                        now, row.changed_by, row.change_type, row.item, row.before, row.after,
                        row.before_text, row.after_text, diff(text, row.text, path=self.name), row.reason,
                        digest, row_digest, row.undoes,
                    )
                )  # fmt: skip
                text, digest = row.text, row_digest
            tx.roadmap.set_state(state)
            self._notify(tx, entry.tell, last)
            if last % _PRUNE_EVERY == 0 and last:
                since = now - timedelta(days=self._options.keep_days)
                tx.roadmap.prune_versions(keep_last=self._options.keep_versions, keep_since=since)
        return last

    def _notify(self, tx: Transaction, tell: tuple[Tell, ...], change: int) -> None:
        now = self._clock.now()
        for make in tell:
            notification, new = tx.notifications.create(make(change), now)
            for channel, levels in self._options.channels if new else ():
                if not levels or notification.level.value in levels:
                    tx.deliveries.add(notification.id, channel, now)

    @property
    def name(self) -> str:
        """What diffs call the file: its path below the project's root, so that they can be applied there."""
        return self._options.name or self._file.path.rpartition("/")[2]
