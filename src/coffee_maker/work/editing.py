"""The one way to change ROADMAP.md: lock, settle with what is recorded, change, record, replace, acknowledge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from coffee_maker.core import edits
from coffee_maker.core.diffs import diff
from coffee_maker.core.document import LARGEST, Document
from coffee_maker.core.edits import Edit, Place
from coffee_maker.core.errors import EditRefused, NothingToRestore, Refusal, RevisionChanged
from coffee_maker.core.history import Outcome
from coffee_maker.core.items import Status
from coffee_maker.core.revisions import checked_revision, revision_of_text
from coffee_maker.core.typed import NamedTuple
from coffee_maker.utils import locks, observing
from coffee_maker.work import belonging
from coffee_maker.work.recording import Options, Recorder
from coffee_maker.work.rows import KEEP, Row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Required, TypedDict, Unpack

    from coffee_maker.core.history import Change, ChangeType
    from coffee_maker.core.ports import Clock, RoadmapFile, Store, Transaction
    from coffee_maker.core.questions import Notification

    class Order(TypedDict, total=False):
        """Who orders a change and under which conditions; every writing operation takes these by name."""

        by: Required[str]
        reason: str | None
        if_revision: str | None  # of the item or of the document; refused with `RevisionChanged` when it is another
        dry_run: bool
        guard: Callable[[Transaction], None] | None  # called in the recording transaction: a claim is checked there


_RESTORES = 20  # of the whole file, the newest, are looked into for what they did to one item


class ItemEdits(NamedTuple):
    """What `edit` is to change on an item; None and empty leave as it is."""

    status: Status | None = None
    title: str | None = None
    fields: Mapping[str, str | None] = {}  # a None removes the field
    check: tuple[str, ...] = ()  # boxes by number or text
    uncheck: tuple[str, ...] = ()
    body: str | None = None
    append: str | None = None  # text to be added at the end


Step = Callable[[Document], Edit]


class Editing:
    """The operations on one roadmap. Each takes the lock for as long as it writes, and no longer."""

    def __init__(self, store: Store, file: RoadmapFile, clock: Clock, options: Options) -> None:
        self._store = store
        self._file = file
        self._options = options
        self._directory = options.lock_path.rpartition("/")[0]
        self._recorder = Recorder(store, file, clock, options)

    # --- reading ---

    def read(self) -> Document:
        """The document as it stands in the file; takes no lock and opens no database."""
        return self._recorder.parse(self._file.read())

    def check_ours(self) -> None:
        """Raises `NotThisRoadmap` where every change would: in a project that was copied with its data directory."""
        belonging.look(self._directory, self._file.path)

    def stamp(self) -> object:
        """Something that differs when the file is another one now; a hint to look."""
        return self._file.stamp()

    @observing.observed("editing.reconcile")
    def reconcile(self, *, patience: float | None = None) -> Document:
        """Finish what a crash left and record what was changed outside; the document. `patience`: seconds for the lock,
        where they are to be others than for a change."""
        with self._lock("reconcile", patience):
            document = self._recorder.settle()
            self._recorder.tidy()
            return document

    def history(self, item: str | None = None, *, limit: int | None = None, after_id: int = 0) -> Sequence[Change]:
        """The recorded changes, newest first; of one item when its key is given (also of one that is gone), with those
        of the whole file that changed it."""
        with self._store.reading() as tx:
            changes = tx.roadmap.changes(item=item, limit=limit, after_id=after_id)
            if item is None:
                return changes
            oldest = changes[-1].id if changes and len(changes) == limit else after_id
            texts: dict[str, str | None] = {}
            restores = tx.roadmap.restores(after_id=oldest)[:_RESTORES]
            touching = [one for one in restores if self._changed(tx, one, item, texts)]
        return sorted([*changes, *touching], key=lambda one: one.id, reverse=True)[:limit]

    def _changed(self, tx: Transaction, change: Change, key: str, texts: dict[str, str | None]) -> bool:
        """Whether a change of the whole file changed an item, or may have. `texts`: what the item is known to have been
        in each version, "" where it was not there, None where the version is not kept."""
        for version in (change.before_hash, change.after_hash):
            if version not in texts:
                content = tx.roadmap.version(version)
                texts[version] = None if content is None else self._text_in(content, key)
        before, after = texts[change.before_hash], texts[change.after_hash]
        return before is None or before != after

    def _text_in(self, content: bytes, key: str) -> str:
        document = self._recorder.parse(content)
        try:
            item = document.item(key)
        except Refusal:
            return ""
        return document.text_of(item).rstrip() if item.key == key else ""

    def unrecorded(self) -> bool:
        """Whether the file holds an outside edit that the next operation will record; looks, and records nothing."""
        with self._store.reading() as tx:
            state = tx.roadmap.state()
        return state is not None and state.hash != self.read().digest

    # --- writing ---

    @observing.observed("editing.set_status")
    def set_status(self, ref: str, status: Status, **order: Unpack[Order]) -> Outcome:
        """Change an item's status words and nothing else."""
        return self._change("status_change", ref, [lambda doc: edits.set_status(doc, ref, status)], order)

    @observing.observed("editing.add")
    def add(
        self,
        title: str,
        *,
        number: str | None = None,
        status: Status = Status.PLANNED,
        fields: Mapping[str, str] | None = None,
        body: str = "",
        place: Place = Place("last"),  # noqa: B008 - a named tuple cannot change
        **order: Unpack[Order],
    ) -> Outcome:
        """Add an item in the form of its neighbours; without a number it gets the next free one."""

        def step(doc: Document) -> Edit:
            taken = self._numbers_ever_used()
            return edits.add_item(
                doc, title=title, number=number, status=status, body=body, fields=fields or {}, place=place, taken=taken
            )

        return self._change("add", None, [step], order)

    @observing.observed("editing.edit")
    def edit(self, ref: str, wanted: ItemEdits, **order: Unpack[Order]) -> Outcome:
        """Change several things of one item as one change."""
        steps = list(_steps(ref, wanted))
        kind: ChangeType = "status_change" if wanted.status is not None and len(steps) == 1 else "update"
        return self._change(kind, ref, steps, order)

    @observing.observed("editing.move")
    def move(self, ref: str, place: Place, **order: Unpack[Order]) -> Outcome:
        """Move an item to another place; its text stays as it is."""
        return self._change("move", ref, [lambda doc: edits.move_item(doc, ref, place)], order)

    @observing.observed("editing.remove")
    def remove(self, ref: str, **order: Unpack[Order]) -> Outcome:
        """Remove an item; its text stays in the history."""
        return self._change("delete", ref, [lambda doc: edits.remove_item(doc, ref)], order)

    @observing.observed("editing.undo")
    def undo(self, change_id: int | None = None, **order: Unpack[Order]) -> Outcome:
        """Take back one change (the newest that is not undone yet) as a new change, and only that one."""
        from coffee_maker.work import undoing

        with self._lock("undo"):
            before = self._recorder.settle()
            with self._store.reading() as tx:
                change = undoing.pick(tx.roadmap, change_id)
                row = undoing.take_back(tx.roadmap, change, before, order["by"], order.get("reason"))
            self._check_revision(before, change.item, order.get("if_revision"))
            return self._record(before, self._document(row.text), [row], order)

    @observing.observed("editing.choose")
    def choose(self, question: Notification) -> Outcome | None:
        """Carry out the answer to a question about a merge conflict; None when the file stays as it is.

        Raises `CannotTake` when the other side is no longer kept, or what it would replace was changed since.
        """
        choice = question.context.get("choice")
        if not isinstance(choice, dict) or question.answer in (None, KEEP):
            return None
        from coffee_maker.work import undoing

        with self._lock("choose"):
            before = self._recorder.settle()
            with self._store.reading() as tx:
                rows = undoing.take_other(tx.roadmap, before, choice, question)
            if not rows:
                return None
            return self._record(before, self._document(rows[-1].text), rows, {"by": rows[-1].changed_by})

    @observing.observed("editing.restore_recorded")
    def restore_recorded(self) -> Document:
        """Put the last recorded version back where the file is missing or empty."""
        with self._lock("restore"):
            with self._store.reading() as tx:
                state = tx.roadmap.state()
                content = tx.roadmap.version(state.hash) if state else None
            if content is None:
                raise NothingToRestore(path=self._file.path)
            self._recorder.restore(content)
            return self._recorder.settle()

    # --- how ---

    @contextmanager
    def _lock(self, purpose: str, patience: float | None = None) -> Iterator[None]:
        options = self._options
        timeout = options.lock_timeout if patience is None else patience
        with self._store.reading():
            pass  # what opening the store costs is paid before anybody waits for us
        with locks.hold(options.lock_path, what="ROADMAP.md", timeout=timeout, purpose=purpose):
            belonging.check(self._directory, self._file.path)
            yield

    def _change(self, kind: ChangeType, ref: str | None, steps: Sequence[Step], order: Order) -> Outcome:
        if order.get("dry_run"):
            before = self.read()
            return self._outcome(before, *self._plan(before, kind, ref, steps, order), None)
        seen = self._look(ref)
        with self._lock(kind):
            before = self._recorder.settle(seen)
            after, row = self._plan(before, kind, ref, steps, order)
            if after.digest == before.digest:
                return self._outcome(before, after, row, None)
            return self._record(before, after, [row], order)

    def _look(self, ref: str | None) -> Document | None:
        """The document as it stands before the lock is taken: unless somebody changes it until then, it need not be
        read again while others wait. What is wrong with it is said when the lock is held."""
        try:
            document = self.read()
            if ref is not None:
                document.item(ref)
        except Refusal:
            return None
        return document

    def _plan(
        self, before: Document, kind: ChangeType, ref: str | None, steps: Sequence[Step], order: Order
    ) -> tuple[Document, Row]:
        """The document after all steps, and the row that tells it."""
        self._check_revision(before, ref, order.get("if_revision"))
        old = before.item(ref) if ref is not None else None
        after, key = before, old.key if old else None
        done: list[Edit] = []
        for step in steps:
            one = step(after)
            after = after.apply(one.splices)
            key = one.key or key
            done.append(one)
        single = done[0] if len(done) == 1 else None
        old_text = before.text_of(old) if old else None
        new_text = before.text_after(old, single.splices) if old and single and kind not in ("move", "delete") else None
        if new_text is None and key is not None and kind != "delete":
            new_text = after.text_of(after.item(key))
        row = Row(
            order["by"],
            kind,
            key,
            single.before if single else old_text,
            single.after if single else new_text,
            old_text,
            new_text,
            order.get("reason"),
            after.text,
        )
        _check_size(after)
        return after, row

    def _document(self, text: str) -> Document:
        return Document.from_text(text, item_pattern=self._options.item_pattern)

    def _record(self, before: Document, after: Document, rows: Sequence[Row], order: Order) -> Outcome:
        """Record the rows (or only show them); the outcome tells the last one."""
        if order.get("dry_run"):
            return self._outcome(before, after, rows[-1], None)
        _check_size(after)
        after, change_id = self._recorder.record(before, after, rows, guard=order.get("guard"))
        return self._outcome(before, after, rows[-1], change_id)

    def _outcome(self, before: Document, after: Document, row: Row, change_id: int | None) -> Outcome:
        observing.note(item=row.item, change_type=row.change_type, change=change_id)
        return Outcome(
            row.item,
            row.change_type,
            row.before,
            row.after,
            _revision(after, row),
            after.revision,
            change_id,
            diff(before.text, row.text, path=self._recorder.name) if change_id is None else "",
            row.undoes,
        )

    def _check_revision(self, document: Document, ref: str | None, expected: str | None) -> None:
        if expected is None:
            return
        expected = checked_revision(expected)
        if document.digest.startswith(expected):
            return
        item = next((one for one in document.items if one.key == ref), None)
        if item is None and ref is not None:
            item = document.item(ref)
        if item is not None and item.revision.startswith(expected):
            return
        actual = item.revision if item else document.revision
        raise RevisionChanged(
            what=item.key if item else "The roadmap", actual=actual, expected=expected, ref=item.key if item else ""
        )

    def _numbers_ever_used(self) -> frozenset[str]:
        """Ids of all items that were ever changed: their numbers are not given again. Not only of those that `remove`
        took away: an item goes with a checkout of another branch, too, and a daemon's journal and a person's approval
        know it by its number."""
        with self._store.reading() as tx:
            return frozenset(key.partition("#")[0] for key in tx.roadmap.last_changes())


def _check_size(document: Document) -> None:
    """Refuse to write what could not be read again, not even to undo it."""
    if len(document.data) > LARGEST:
        raise EditRefused(
            problem=f"The roadmap would have {len(document.data):,} bytes, and more than {LARGEST:,} are not read.",
            hint="Move finished parts into an archive file of their own; reports belong into files beside the roadmap.",
        )


def _revision(after: Document, row: Row) -> str | None:
    """The item's revision afterwards. Its text is known already, unless an editor's save came between."""
    if row.after_text is not None and after.text == row.text:
        return revision_of_text(row.after_text)
    return next((one.revision for one in after.items if one.key == row.item), None)


def _steps(ref: str, wanted: ItemEdits) -> Iterable[Step]:
    """One step per wanted edit; the body comes first, since it may bring the fields and boxes that others name."""
    if wanted.body is not None:
        yield partial(_swap, edits.replace_body, ref, wanted.body)
    if wanted.status is not None:
        yield partial(_swap, edits.set_status, ref, wanted.status)
    if wanted.append is not None:
        yield partial(_swap, edits.append_text, ref, wanted.append)
    for name, value in wanted.fields.items():
        yield partial(_swap, edits.set_field, ref, name, value)
    for which in wanted.check:
        yield partial(_swap, edits.tick, ref, which, True)
    for which in wanted.uncheck:
        yield partial(_swap, edits.tick, ref, which, False)
    if wanted.title is not None:
        yield partial(_swap, edits.set_title, ref, wanted.title)


def _swap(edit: Callable[..., Edit], ref: str, *rest: object) -> Edit:
    """`edit` with the document, which a step is called with, in the first place."""
    *values, document = rest
    return edit(document, ref, *values)
