"""Every promise of the store's tables, on both databases."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone

import pytest

from coffee_maker.core.errors import AlreadyClaimed, ClaimLost
from coffee_maker.core.history import NewChange
from coffee_maker.core.questions import Draft, Kind, Level, Source, State
from coffee_maker.core.records import Control, Entry, Heartbeat, Progress, Run, StepTime, Usage
from coffee_maker.core.state import RoadmapState
from coffee_maker.store.common import SharedStore

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOSTILE = "a\u202eb\x1b[31m ' \" ; % %s $1 ? :x \\ \n\t é 漢 🔄 "
QUESTION = Draft(Source.DAEMON, Kind.QUESTION, "Which?")
INFO = Draft(Source.PROJECT_MANAGER, Kind.INFO, "So.")


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def change(before: str, after: str, item: str | None = "A", **more: object) -> NewChange:
    plain = NewChange(NOW, "p", "update", item, "planned", "complete", "t\0x", None, "-a\n+b", None, before, after)
    return plain._replace(**more)


# --- the roadmap -----------------------------------------------------------------------------------------------


def test_state(store: SharedStore) -> None:
    with store.writing() as tx:
        assert tx.roadmap.state() is None
        tx.roadmap.set_state(RoadmapState("a" * 64, ".x", "b" * 64))
        assert tx.roadmap.state() == RoadmapState("a" * 64, ".x", "b" * 64)
        tx.roadmap.set_state(RoadmapState("c" * 64, None, None))
    with store.reading() as tx:
        assert tx.roadmap.state() == RoadmapState("c" * 64, None, None)


def test_versions_are_kept_exactly_and_found_by_prefix(store: SharedStore) -> None:
    contents = [b"", b"\xef\xbb\xbf# R\r\n\0\n", "é🔄".encode() * 1000]
    with store.writing() as tx:
        for content in contents:
            tx.roadmap.save_version(sha(content), content, NOW)
    with store.reading() as tx:
        for content in contents:
            assert tx.roadmap.version(sha(content)) == content
            assert tx.roadmap.version(sha(content)[:12].upper()) == content
        for nothing in ("", "zz", "%", "_", "0" * 64, sha(b"")[:12] + "0"):
            assert tx.roadmap.version(nothing) is None


def test_a_prefix_of_two_versions_names_none(store: SharedStore) -> None:
    with store.writing() as tx:
        tx.roadmap.save_version("ab1" + "0" * 61, b"1", NOW)
        tx.roadmap.save_version("ab2" + "0" * 61, b"2", NOW)
        assert tx.roadmap.version("ab") is None
        assert tx.roadmap.version("ab2") == b"2"


def test_versions_come_newest_first_even_at_one_moment(store: SharedStore) -> None:
    digests = [sha(bytes([n])) for n in range(5)]
    with store.writing() as tx:
        for n, digest in enumerate(digests):
            tx.roadmap.save_version(digest, bytes([n]), NOW)
        assert tx.roadmap.versions(99) == digests[::-1]
        assert tx.roadmap.versions(2) == [digests[4], digests[3]]
        tx.roadmap.save_version(digests[1], bytes([1]), NOW)
        assert tx.roadmap.versions(2) == [digests[1], digests[4]]


def test_a_version_that_was_never_in_the_file_is_kept_apart_until_it_is(store: SharedStore) -> None:
    placed, offered = sha(b"placed"), sha(b"offered")
    with store.writing() as tx:
        tx.roadmap.save_version(offered, b"offered", NOW, in_file=False)
        tx.roadmap.save_version(placed, b"placed", NOW)
        tx.roadmap.append(change("0", placed))
        tx.roadmap.append(change(placed, offered))
    with store.reading() as tx:
        assert tx.roadmap.versions(99) == [placed, offered]
        assert tx.roadmap.versions(99, in_file=True) == [placed]
        assert set(tx.roadmap.makers(99)) == {placed}
    for in_file in (True, False):  # what was once in the file stays so
        with store.writing() as tx:
            tx.roadmap.save_version(offered, b"offered", NOW, in_file=in_file)
            assert tx.roadmap.versions(99, in_file=True) == [offered, placed]


def test_whether_the_file_was_left_at_a_version(store: SharedStore) -> None:
    with store.writing() as tx:
        tx.roadmap.append(change("first", "second"))
        assert [tx.roadmap.was_recorded(digest) for digest in ("first", "second", "other")] == [True, True, False]


def test_who_made_a_version_is_known_while_it_is_kept(store: SharedStore) -> None:
    kept, other, unmade = (sha(bytes([n])) for n in range(3))
    with store.writing() as tx:
        for digest in (other, unmade, kept):
            tx.roadmap.save_version(digest, b"", NOW)
        tx.roadmap.append(change("0", kept, changed_by="ann"))
        tx.roadmap.append(change(kept, other, reason="because"))
        tx.roadmap.append(change(other, kept, changed_by="bob"))
        tx.roadmap.append(change(kept, "never kept"))
        assert tx.roadmap.makers(99) == {kept: ("bob", None), other: ("p", "because")}
        assert tx.roadmap.makers(1) == {kept: ("bob", None)}


def test_pruning_keeps_what_either_bound_keeps_and_the_current_ones(store: SharedStore) -> None:
    digests = [sha(bytes([n])) for n in range(6)]
    with store.writing() as tx:
        for n, digest in enumerate(digests):
            tx.roadmap.save_version(digest, bytes([n]), NOW + n * MINUTE)
        tx.roadmap.set_state(RoadmapState(digests[0], None, digests[1]))
        assert tx.roadmap.prune_versions(keep_last=1, keep_since=NOW + 4 * MINUTE) == 2
        assert tx.roadmap.versions(99) == [digests[5], digests[4], digests[1], digests[0]]
        assert tx.roadmap.prune_versions(keep_last=99, keep_since=NOW + 99 * MINUTE) == 0


def test_history_is_a_chain(store: SharedStore) -> None:
    with store.writing() as tx:
        assert tx.roadmap.append(change("0" * 64, "1" * 64)) == 1
        assert tx.roadmap.append(change("1" * 64, "2" * 64, "B", undoes=1, reason=HOSTILE)) == 2
        with pytest.raises(ValueError, match="ends at 2222"):
            tx.roadmap.append(change("1" * 64, "3" * 64))
        assert tx.roadmap.breaks() == []
    with store.reading() as tx:
        second, first = tx.roadmap.changes()
        assert first == (1, *change("0" * 64, "1" * 64))
        assert (second.undoes, second.reason, second.before_revision) == (1, HOSTILE, "1" * 12)
        assert tx.roadmap.change(2) == second
        assert tx.roadmap.changes(item="A") == [first]
        assert tx.roadmap.changes(limit=1) == [second]
        assert tx.roadmap.changes(after_id=1) == [second]
        for nothing in (0, -1, 3, 2**63, 10**40):
            assert tx.roadmap.change(nothing) is None


def test_restores_are_those_of_the_whole_file(store: SharedStore) -> None:
    with store.writing() as tx:
        kinds = [(None, "restore"), ("A", "restore"), (None, "update"), (None, "restore")]
        for number, (item, kind) in enumerate(kinds):
            tx.roadmap.append(change(str(number), str(number + 1), item, change_type=kind))
    with store.reading() as tx:
        assert [one.id for one in tx.roadmap.restores()] == [4, 1]
        assert [one.id for one in tx.roadmap.restores(after_id=1)] == [4]


def test_when_items_were_changed_last(store: SharedStore) -> None:
    with store.writing() as tx:
        assert tx.roadmap.last_changes() == {}
        tx.roadmap.append(change("0", "1", "A", change_type="add"))
        tx.roadmap.append(change("1", "2", "A", change_type="status_change", at=NOW + MINUTE))
        tx.roadmap.append(change("2", "3", "A", at=NOW + 3 * MINUTE))
        tx.roadmap.append(change("3", "4", None, at=NOW + 9 * MINUTE))
        tx.roadmap.append(change("4", "5", "B", at=NOW + 2 * MINUTE))
    with store.reading() as tx:
        assert tx.roadmap.last_changes() == {"A": (NOW + 3 * MINUTE, NOW + MINUTE), "B": (NOW + 2 * MINUTE, None)}


def test_the_chain_holds_when_a_block_fails(store: SharedStore) -> None:
    def fail() -> None:
        with store.writing() as tx:
            tx.roadmap.append(change("0" * 64, "1" * 64))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.writing() as tx:
        tx.roadmap.append(change("8" * 64, "9" * 64))
        assert len(tx.roadmap.changes()) == 1


# --- notifications ---------------------------------------------------------------------------------------------


def test_a_notification_comes_back_as_it_was_made(store: SharedStore) -> None:
    draft = Draft(
        Source.PROJECT_MANAGER,
        Kind.QUESTION,
        HOSTILE,
        title=HOSTILE,
        level=Level.CRITICAL,
        item="PRIORITY-3#2",
        options=("yes", HOSTILE),
        context={"a": [1, None, HOSTILE], "b": {"c": 1.5}},
        deadline=NOW.astimezone(timezone(timedelta(hours=5, minutes=30))),
        default="yes",
        idempotency_key=HOSTILE,
    )
    with store.writing() as tx:
        made, new = tx.notifications.create(draft, NOW)
    assert new
    with store.reading() as tx:
        found = tx.notifications.get(made.id)
    assert found == made
    assert found.message == found.title == found.options[1] == HOSTILE
    assert found.context == draft.context
    assert found.deadline == found.created == found.updated == NOW
    assert (found.state, found.level, found.default) == (State.PENDING, Level.CRITICAL, "yes")


def test_what_no_database_stores_is_made_visible(store: SharedStore) -> None:
    with store.writing() as tx:
        made, _ = tx.notifications.create(INFO._replace(message="a\0b\ud800c", context={"x": "\0\ud800"}), NOW)
        assert (made.message, made.context) == ("a␀b?c", {"x": "\0\ud800"})


def test_a_very_long_line(store: SharedStore) -> None:
    with store.writing() as tx:
        made, _ = tx.notifications.create(INFO._replace(message="x" * 2**20, item="y" * 10**5), NOW)
        assert len(made.message) == 2**20
        assert tx.notifications.find(item="y" * 10**5) == [made]


def test_one_key_makes_one_notification(store: SharedStore) -> None:
    with store.writing() as tx:
        first = tx.notifications.create(QUESTION._replace(idempotency_key="k"), NOW)
        again = tx.notifications.create(INFO._replace(idempotency_key="k"), NOW + MINUTE)
        assert first[1] is True
        assert again == (first[0], False)


def test_finding(store: SharedStore) -> None:
    with store.writing() as tx:
        notes = [tx.notifications.create(INFO._replace(item=item), NOW)[0] for item in ("A", "B", "A", None)]
        assert tx.notifications.set_state(notes[0].id, State.SENT, NOW, only_from=[State.PENDING])
        ids = [note.id for note in notes]
        find = tx.notifications.find
        assert [note.id for note in find()] == ids
        assert [note.id for note in find(item="A")] == [ids[0], ids[2]]
        assert [note.id for note in find(states=[State.SENT])] == ids[:1]
        assert [note.id for note in find(states=[State.SENT, State.PENDING], after_id=ids[1])] == ids[2:]
        assert [note.id for note in find(limit=2)] == ids[:2]
        assert tx.notifications.get(10**30) is None


def test_states_change_only_from_where_they_may(store: SharedStore) -> None:
    with store.writing() as tx:
        note, _ = tx.notifications.create(QUESTION, NOW)
        assert not tx.notifications.set_state(note.id, State.EXPIRED, NOW, only_from=[State.SENT])
        assert not tx.notifications.set_state(note.id, State.EXPIRED, NOW, only_from=[])
        assert not tx.notifications.set_state(99, State.EXPIRED, NOW, only_from=list(State))
        assert tx.notifications.set_state(note.id, State.EXPIRED, NOW + MINUTE, only_from=list(State))
        found = tx.notifications.get(note.id)
    assert found is not None
    assert (found.state, found.updated) == (State.EXPIRED, NOW + MINUTE)


def test_one_answer_also_a_late_one_but_none_to_what_was_dismissed(store: SharedStore) -> None:
    with store.writing() as tx:
        late, gone, info = (tx.notifications.create(draft, NOW)[0].id for draft in (QUESTION, QUESTION, INFO))
        tx.notifications.set_state(late, State.EXPIRED, NOW, only_from=list(State))
        tx.notifications.set_state(gone, State.DISMISSED, NOW, only_from=list(State))

        def answer(number: int, words: str) -> bool:
            return tx.notifications.answer(number, words, by="me", via="terminal", at=NOW + MINUTE)

        assert answer(late, HOSTILE)
        assert not answer(late, "again")
        assert not answer(gone, "x")
        assert not answer(info, "x")
        assert not answer(99, "x")
        found = tx.notifications.get(late)
    assert found is not None
    assert (found.state, found.answer, found.answered_by, found.answered_via, found.answered_at) == (
        State.RESPONDED,
        HOSTILE,
        "me",
        "terminal",
        NOW + MINUTE,
    )


def test_dismissing_tells_who_did(store: SharedStore) -> None:
    with store.writing() as tx:
        open_one, answered = (tx.notifications.create(QUESTION, NOW)[0].id for _ in range(2))
        tx.notifications.answer(answered, "x", by="me", via="terminal", at=NOW)
        assert tx.notifications.dismiss(open_one, by="you", at=NOW + MINUTE)
        assert not tx.notifications.dismiss(open_one, by="me", at=NOW + MINUTE)
        assert not tx.notifications.dismiss(answered, by="me", at=NOW)
        assert not tx.notifications.dismiss(0, by="me", at=NOW)
        found = tx.notifications.get(open_one)
    assert found is not None
    assert (found.state, found.answered_by, found.answer, found.updated) == (State.DISMISSED, "you", None, NOW + MINUTE)


def test_due_questions(store: SharedStore) -> None:
    with store.writing() as tx:
        due, later, failed, open_end, info, answered = (
            tx.notifications.create(draft, NOW)[0].id
            for draft in (
                QUESTION._replace(deadline=NOW + MINUTE),
                QUESTION._replace(deadline=NOW + 3 * MINUTE),
                QUESTION._replace(deadline=NOW + 4 * MINUTE),
                QUESTION,
                INFO._replace(deadline=NOW),
                QUESTION._replace(deadline=NOW),
            )
        )
        tx.notifications.answer(answered, "x", by="me", via="terminal", at=NOW)
        assert [note.id for note in tx.notifications.due(NOW + 2 * MINUTE)] == [due]
        assert [note.id for note in tx.notifications.due(NOW + 3 * MINUTE)] == [due, later]
        tx.notifications.set_state(failed, State.FAILED, NOW, only_from=list(State))
        assert [note.id for note in tx.notifications.due(NOW + 4 * MINUTE)] == [due, later, failed]
        assert open_end not in {note.id for note in tx.notifications.due(NOW + 99 * MINUTE)}
        assert info > 0


# --- deliveries ------------------------------------------------------------------------------------------------


def test_the_outbox(store: SharedStore) -> None:
    with store.writing() as tx:
        note, _ = tx.notifications.create(INFO, NOW)
        tx.deliveries.add(note.id, "command", NOW)
        tx.deliveries.add(note.id, "command", NOW)
        tx.deliveries.add(note.id, "other", NOW)
        (taken,) = tx.deliveries.take(NOW, channel="command", lease=MINUTE)
        assert (taken.channel, taken.attempts, taken.next_try) == ("command", 1, NOW + MINUTE)
        assert tx.deliveries.take(NOW, channel="command", lease=MINUTE) == []
        assert tx.deliveries.take(NOW, channel="unknown", lease=MINUTE) == []
        (again,) = tx.deliveries.take(NOW + MINUTE, channel="command", lease=MINUTE)
        assert again.attempts == 2  # the first worker never came back: that attempt counts
        tx.deliveries.failed(again.id, HOSTILE, next_try=NOW + 9 * MINUTE, at=NOW)
        (other,) = tx.deliveries.take(NOW, channel="other", lease=MINUTE)
        tx.deliveries.delivered(other.id, "ts-1", NOW)
        tx.deliveries.failed(other.id, "too late to fail", next_try=None, at=NOW)
        first, second = tx.deliveries.of(note.id)
        assert (first.state, first.error, first.next_try) == ("pending", HOSTILE, NOW + 9 * MINUTE)
        assert (second.state, second.outside_id, second.error) == ("delivered", "ts-1", None)
        tx.deliveries.failed(first.id, "given up", next_try=None, at=NOW)
        assert tx.deliveries.take(NOW + 99 * MINUTE, channel="command", lease=MINUTE) == []
        assert tx.deliveries.of(note.id)[0].state == "failed"
        assert tx.deliveries.of(99) == tx.deliveries.of(-1) == []


def test_no_more_than_the_limit_is_taken_the_longest_waiting_first(store: SharedStore) -> None:
    with store.writing() as tx:
        notes = [tx.notifications.create(INFO, NOW)[0].id for _ in range(5)]
        for n, note in enumerate(notes):
            tx.deliveries.add(note, "command", NOW - n * MINUTE)
        taken = tx.deliveries.take(NOW, channel="command", lease=MINUTE, limit=2)
        assert [one.notification_id for one in taken] == notes[3:]


# --- claims ----------------------------------------------------------------------------------------------------


def test_claims_exclude_each_other_while_the_lease_runs(store: SharedStore) -> None:
    with store.writing() as tx:
        mine = tx.claims.take("A", "me", lease=MINUTE, now=NOW)
        assert mine == ("A", "me", mine.fence, NOW + MINUTE)
        with pytest.raises(AlreadyClaimed, match="A is claimed by me until"):
            tx.claims.take("A", "you", lease=MINUTE, now=NOW + MINUTE / 2)
        other = tx.claims.take("B", "you", lease=MINUTE, now=NOW)
        tx.claims.check(mine, NOW)
        assert tx.claims.held(NOW) == [mine, other]
        longer = tx.claims.renew(mine, lease=5 * MINUTE, now=NOW)
        assert longer == mine._replace(until=NOW + 5 * MINUTE)
        assert tx.claims.held(NOW + MINUTE) == [longer]


def test_fences_grow_for_ever(store: SharedStore) -> None:
    with store.writing() as tx:
        fences = []
        for _ in range(3):
            claim = tx.claims.take("A", "me", lease=MINUTE, now=NOW)
            fences.append(claim.fence)
            tx.claims.release(claim)
            tx.claims.release(claim)
        again = tx.claims.take("A", "me", lease=MINUTE, now=NOW)
        newer = tx.claims.take("A", "me", lease=MINUTE, now=NOW)  # the same daemon after a restart
        fences += [again.fence, newer.fence]
        assert fences == sorted(set(fences))
        with pytest.raises(ClaimLost):
            tx.claims.check(again, NOW)
        tx.claims.check(newer, NOW)


def test_a_lease_that_ran_out(store: SharedStore) -> None:
    with store.writing() as tx:
        claim = tx.claims.take("A", "me", lease=MINUTE, now=NOW)
        with pytest.raises(ClaimLost):
            tx.claims.check(claim, NOW + MINUTE)
        assert tx.claims.held(NOW + MINUTE) == []
        renewed = tx.claims.renew(claim, lease=MINUTE, now=NOW + 2 * MINUTE)  # nobody took it meanwhile
        tx.claims.check(renewed, NOW + 2 * MINUTE)
        tx.claims.release(renewed)
        with pytest.raises(ClaimLost):
            tx.claims.renew(renewed, lease=MINUTE, now=NOW + 2 * MINUTE)


# --- heartbeats, handshakes, runs ------------------------------------------------------------------------------


def test_heartbeats(store: SharedStore) -> None:
    jobs = ({"item": "A", "step": "test", "tokens": 7},)
    beat = Heartbeat("d1", "host", 7, "boot", "working", "A", "test", NOW, {"hash": "x", "n": [1]}, jobs, NOW)
    with store.writing() as tx:
        tx.heartbeats.beat(beat._replace(state="idle", jobs=(), started=None))
        tx.heartbeats.beat(beat)
        idle = beat._replace(daemon="d0", item=None, step=None, because="The disk is full.")
        tx.heartbeats.beat(idle)
        assert tx.heartbeats.all() == [idle, beat]
        tx.heartbeats.forget("d0")
        tx.heartbeats.forget("never there")
        assert tx.heartbeats.all() == [beat]


def test_handshakes(store: SharedStore) -> None:
    with store.writing() as tx:
        tx.heartbeats.ask("old", NOW - timedelta(days=2))
        tx.heartbeats.reply("old", "d1", {}, NOW)
        tx.heartbeats.ask("n", NOW)
        assert tx.heartbeats.open_asks(NOW - timedelta(days=9)) == ["n"]
        assert tx.heartbeats.replies("old") == {}
        tx.heartbeats.reply("n", "d1", {"a": 1}, NOW)
        tx.heartbeats.reply("n", "d1", {"a": 2}, NOW)
        tx.heartbeats.reply("n", "d2", {}, NOW)
        tx.heartbeats.reply("unknown", "d2", {}, NOW)
        assert tx.heartbeats.replies("n") == {"d1": {"a": 2}, "d2": {}}
        assert tx.heartbeats.open_asks(NOW + MINUTE) == []


def test_runs(store: SharedStore) -> None:
    run = Run("A", "d", "command", "roadmap/a", NOW, None, None, None, None, None)
    with store.runs() as runs:
        first = runs.start(run)
        second = runs.start(run._replace(item="B"))
        ended = run._replace(ended=NOW + MINUTE, outcome="failed", detail=HOSTILE, exit_code=-9, commit="abc")
        runs.keep(first, run._replace(usage=Usage(1)))
        runs.keep(first, ended)
        runs.keep(first, run._replace(outcome="lost"))  # it is closed
    with store.runs() as runs:
        assert runs.list() == [(second, run._replace(item="B")), (first, ended)]
        assert runs.list(item="A") == [(first, ended)]
        assert runs.list(limit=1) == [(second, run._replace(item="B"))]
        runs.amend(first, ended._replace(outcome="complete"))
        assert runs.list(item="A") == [(first, ended._replace(outcome="complete"))]
        assert runs.list(item="\udcff") == []


def test_a_run_with_all_that_it_took(store: SharedStore) -> None:
    used = Usage(100, 20, 3000, 400, 0.25, 7)
    run = Run("A", "d", "claude", "b", NOW, NOW + MINUTE, "failed", None, 1, None, 7, 2, "m", HOSTILE, used, 1.5)
    with store.runs() as runs:
        number = runs.start(run)
        runs.start(run._replace(item="B", started=NOW + 5 * MINUTE, ended=NOW + 7 * MINUTE))
        runs.start(run._replace(item="B", started=NOW + 6 * MINUTE, ended=None))
    with store.runs() as runs:
        assert runs.list(item="A") == [(number, run)]
        assert [one.started for _n, one in runs.list(since=NOW + 5 * MINUTE)] == [NOW + 6 * MINUTE, NOW + 5 * MINUTE]
    assert run.worked == MINUTE - timedelta(seconds=1.5)
    assert run._replace(ended=None).worked == timedelta()


def test_how_long_steps_took(store: SharedStore) -> None:
    first = StepTime("A", 7, "build:1", NOW, NOW + MINUTE, "done")
    second = StepTime("B", 8, "approve", NOW + MINUTE, NOW + 2 * MINUTE, "waited")
    with store.runs() as runs:
        runs.add_step(first)
        runs.add_step(second)
        assert runs.steps() == [first, second]
        assert runs.steps(item="B") == runs.steps(since=NOW + MINUTE) == [second]
        assert runs.steps(outcome="waited") == [second]
        assert runs.steps(item="A", outcome="waited") == []
        runs.add_step(first._replace(step="claim", started=NOW - MINUTE))
        assert runs.taken_up() == {("A", 7): NOW - MINUTE, ("B", 8): NOW + MINUTE}
        assert runs.taken_up(item="B") == {("B", 8): NOW + MINUTE}


def test_reading_runs_makes_nothing_and_sees_what_was_committed(store: SharedStore) -> None:
    with store.reading_runs() as runs:
        assert runs.list() == []
        assert runs.steps() == []
        assert runs.taken_up() == {}
    with store.runs() as writing:
        writing.add_step(StepTime("A", 7, "build", NOW, NOW + MINUTE, "done"))
        with store.reading_runs() as runs:
            assert runs.steps() == []
    with store.reading_runs() as runs:
        assert len(runs.steps()) == 1


# --- journal and controls --------------------------------------------------------------------------------------


def test_the_journal_knows_the_newest_pipeline(store: SharedStore) -> None:
    first = Entry("A", 7, "approve", {"by": HOSTILE, "n": [1]}, 7, NOW)
    with store.writing() as tx:
        assert tx.journal.newest("A") == []
        assert tx.journal.unfinished() == {}
        tx.journal.record(first)
        tx.journal.record(first._replace(step="build", fence=9))
        tx.journal.record(first._replace(result={"another": True}, fence=99))  # that step is done already
        tx.journal.record(Entry("B", 8, "approve", {}, 8, NOW))
        assert tx.journal.newest("A") == [first, first._replace(step="build", fence=9)]
        assert tx.journal.unfinished() == {"A": 7, "B": 8}
        tx.journal.record(first._replace(step="end"))
        assert tx.journal.unfinished() == {"B": 8}
        tx.journal.record(first._replace(pipeline=12))
        assert tx.journal.newest("A") == [first._replace(pipeline=12)]
        assert tx.journal.unfinished() == {"A": 12, "B": 8}


def test_controls(store: SharedStore) -> None:
    with store.writing() as tx:
        assert (tx.controls.newest(), tx.controls.paused(), tx.controls.skipped()) == (0, None, {})
        stop = Control("stop", HOSTILE, daemon="d1", how="after-item", reason=HOSTILE)
        number = tx.controls.ask(stop, NOW)
        pause = Control("pause", "me")
        second = tx.controls.ask(pause, NOW + MINUTE)
        assert tx.controls.since(0) == [
            stop._replace(id=number, at=NOW),
            pause._replace(id=second, at=NOW + MINUTE),
        ]
        assert tx.controls.since(number) == [pause._replace(id=second, at=NOW + MINUTE)]
        assert tx.controls.newest() == second > number
        paused = tx.controls.paused()
        assert paused is not None
        assert paused.id == second
        tx.controls.ask(Control("resume", "me"), NOW)
        assert tx.controls.paused() is None
        tx.controls.reply(number, "d1", "stopping", NOW)
        tx.controls.reply(number, "d1", HOSTILE, NOW)
        assert tx.controls.replies(number) == {"d1": HOSTILE}
        assert tx.controls.replies(second) == {}


def test_a_skip_stands_until_a_retry(store: SharedStore) -> None:
    with store.writing() as tx:
        tx.controls.ask(Control("skip", "me", item="A", reason="later"), NOW)
        tx.controls.ask(Control("skip", "me", item="B"), NOW)
        assert {item: control.reason for item, control in tx.controls.skipped().items()} == {"A": "later", "B": None}
        tx.controls.ask(Control("retry", "me", item="A"), NOW)
        assert list(tx.controls.skipped()) == ["B"]


def test_times_need_a_zone(store: SharedStore) -> None:
    with store.writing() as tx, pytest.raises(ValueError, match="time zone"):
        tx.notifications.create(INFO, NOW.replace(tzinfo=None))


def test_progress_is_what_was_told_last(store: SharedStore) -> None:
    told = Progress("A", 7, 40, HOSTILE, NOW)
    with store.writing() as tx:
        assert tx.progress.of("A") is None
        tx.progress.tell(told)
        tx.progress.tell(Progress("B", 8, None, None, NOW))
        tx.progress.tell(Progress("A", 7, None, "testing", NOW + MINUTE))
    with store.reading() as tx:
        assert tx.progress.of("A") == Progress("A", 7, 40, "testing", NOW + MINUTE)
        assert tx.progress.of("B") == Progress("B", 8, None, None, NOW)
    with store.writing() as tx:
        tx.progress.tell(Progress("A", 9, None, "anew", NOW))
        assert tx.progress.of("A") == Progress("A", 9, None, "anew", NOW)


def test_what_an_agent_waits_for_is_told_beside_its_progress(store: SharedStore) -> None:
    later = NOW + MINUTE
    with store.writing() as tx:
        tx.progress.waits("A", 7, 1, until=later)
        told = tx.progress.of("A")
        assert told is not None
        assert (told.waits_for, told.waits_until, told.percent, told.words) == (1, later, None, None)
        tx.progress.tell(Progress("A", 7, 40, "testing", NOW))
        assert tx.progress.of("A") == Progress("A", 7, 40, "testing", NOW, 1, later)
        tx.progress.waits("A", 7, 2, until=later)
        tx.progress.waits("A", 7, 1, until=NOW)  # the end of the first wait is not that of the second
        assert tx.progress.of("A") == Progress("A", 7, 40, "testing", NOW, 2, later)
        tx.progress.waits("A", 7, 2, until=NOW)
        assert tx.progress.of("A") == Progress("A", 7, 40, "testing", NOW, 2, NOW)
        tx.progress.waits("A", 9, 3, until=later)
        tx.progress.waits("A", 7, 1, until=later)  # of a process that an older pipeline left running
    with store.reading() as tx:
        told = tx.progress.of("A")
        assert told is not None
        assert (told.pipeline, told.percent, told.waits_for) == (9, None, 3)
    with store.writing() as tx:
        tx.progress.tell(Progress("A", 10, None, "of another pipeline", NOW))
        assert tx.progress.of("A") == Progress("A", 10, None, "of another pipeline", NOW)
