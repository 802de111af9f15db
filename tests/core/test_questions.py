"""The rules of notifications: what may be created, what counts as an answer, when to try again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.work.messages_kit import HOUR, START, draft, question

from coffee_maker.core import questions as rules
from coffee_maker.core.errors import BadAnswer, BadNotification, NotAnOption
from coffee_maker.core.questions import Kind, Level, Notification, Source, State

ASKED = Notification(
    id=7,
    source=Source.DAEMON,
    kind=Kind.QUESTION,
    level=Level.NORMAL,
    title="",
    message="Merge?",
    context={},
    item=None,
    options=("Yes", "No"),
    state=State.SENT,
    answer=None,
    answered_by=None,
    answered_via=None,
    answered_at=None,
    deadline=START + HOUR,
    default=None,
    idempotency_key=None,
    created=START,
    updated=START,
)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (draft(message=" \n"), "the message is empty"),
        (draft(message="x" * 100_001), "the message has 100,001 characters, and at most 100,000 are taken"),
        (draft(title="x" * 301), "the title has 301"),
        (draft(item="x" * 201), "the item key has 201"),
        (draft(idempotency_key="x" * 201), "the idempotency key has 201"),
        (draft(context={"a": "x" * 100_001}), "the context has"),
        (draft(context={"a": object()}), "its context is not JSON"),
        (draft(context={"a": float("nan")}), "its context is not JSON"),
        (draft(options=("a",)), "only a question has options"),
        (draft(options=("a",), deadline=START, default="a"), "only a question has options and deadline and default"),
        (question("a", " "), "an option is empty"),
        (question("a", "b", " a"), "the option 'a' is given twice"),
        (question(*map(str, range(51))), "it has 51 options, and at most 50 are taken"),
        (question("x" * 201), "the option has 201"),
        (question(deadline=START.replace(tzinfo=None)), "its deadline has no time zone"),
        (question("a", default="a"), "a default is taken at the deadline, and it has none"),
        (question("a", "b", default="c", deadline=START), "the default 'c' is none of the options"),
        (question(default=" ", deadline=START), "the default is empty"),
    ],
)
def test_what_is_not_created(wrong: rules.Draft, said: str) -> None:
    with pytest.raises(BadNotification, match=said):
        rules.checked(wrong)


@pytest.mark.parametrize(
    "right",
    [
        draft(message="\x1b[31m\0\u202e" + "x" * 99_000),
        draft(context={"a": ["b", None, 1.5]}, item="PRIORITY-2", level=Level.CRITICAL),
        question(),
        question("Yes", "yes"),
        question("yes", "no", default="no", deadline=START),
        question(default="free", deadline=START),
    ],
)
def test_what_is_created_as_it_is(right: rules.Draft) -> None:
    assert rules.checked(right) == right


def test_a_default_is_put_in_the_words_of_its_option() -> None:
    assert rules.checked(question("Yes", "No", default="no", deadline=START)).default == "No"
    assert rules.checked(question("Yes", "No", default="2", deadline=START)).default == "No"


@pytest.mark.parametrize(
    ("options", "answer", "meant"),
    [
        (("Yes", "No"), "Yes", "Yes"),
        (("Yes", "No"), " no\n", "No"),
        (("Yes", "No"), "1", "Yes"),
        (("Yes", "No"), "2", "No"),
        (("Yes", "No"), "3", None),
        (("Yes", "No"), "0", None),
        (("Yes", "No"), "-1", None),
        (("Yes", "No"), "01", None),
        (("Yes", "No"), "１", None),
        (("Yes", "No"), "9" * 10_000, None),
        (("Yes", "No"), "y", None),
        (("Approve",), "do not approve", None),
        (("Approve",), "disapprove", None),
        (("yes", "Yes"), "Yes", "Yes"),
        (("yes", "Yes"), "YES", None),  # either could be meant
        (("Straße", "Weg"), "STRASSE", "Straße"),
        (("Caf\u00e9", "Bar"), "cafe\u0301", "Caf\u00e9"),
        (("1", "2"), "2", "2"),
        (("2", "1"), "1", "1"),  # the value wins over the number
        (("2", "4"), "2", "2"),
        (("2", "4"), "1", None),  # numbers are not offered next to options that read like them
        (("02", "x"), "2", None),
        (("10", "20"), "10", "10"),
        (("10", "20"), "1", "10"),
        (("10", "20"), "2", "20"),
        ((" spaced ", "b"), "spaced", " spaced "),
    ],
)
def test_which_option_is_meant(options: tuple[str, ...], answer: str, meant: str | None) -> None:
    assert rules.option_meant(options, answer) == meant


APPROVAL = ("approve", "skip", "change: ...")


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("change: use blue", "change: use blue"),
        ("CHANGE:use blue", "change: use blue"),
        ("  Change:   use blue \n", "change: use blue"),
        ("change: approve", "change: approve"),  # words for the agent, and no approval by another name
        ("change: do not: ever", "change: do not: ever"),
        ("change: two\nlines", "change: two\nlines"),
        ("change: \x1b[31m\x00\u202e", "change: \x1b[31m\x00\u202e"),
        ("change: 3", "change: 3"),
        ("change: ...", None),  # the option itself says nothing
        ("change: . . .", None),
        ("change:", None),
        ("change: \n\t", None),
        ("change", None),
        ("changed", None),
        ("changed: x", None),
        ("change is good", None),
        ("change - x", None),
        ("change\uff1a x", None),
        ("do not change: x", None),
        ("please change: x", None),
        ("skip, change: x", None),
        ("3", None),  # a number has no words
        ("approve: x", None),
        ("approve change: x", None),
        ("skip: later", None),
        ("1", "approve"),
        ("2", "skip"),
        ("Approve", "approve"),
        ("yes", None),
        ("ok", None),
        ("approve.", None),
        ("", None),
    ],
)
def test_an_option_with_words_of_one_s_own(answer: str, meant: str | None) -> None:
    assert rules.option_meant(APPROVAL, answer) == meant


def test_the_words_are_stored_with_their_option() -> None:
    asked = ASKED._replace(options=APPROVAL)
    assert rules.answer_to(asked, "CHANGE: \u00dc use blue") == "change: \u00dc use blue"
    for refused in ("3", "change:", "do not change: x", "yes"):
        with pytest.raises(NotAnOption, match=r"is none of the options of question 7: approve, skip, change: \.\.\."):
            rules.answer_to(asked, refused)


@given(st.text())
def test_no_text_is_an_approval_but_approve_itself(answer: str) -> None:
    if rules.option_meant(APPROVAL, answer) == "approve":
        assert answer.strip().casefold() == "approve" or answer.strip() == "1"


OPTIONS = st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=9, unique_by=str.strip).map(tuple)


@given(OPTIONS, st.data())
def test_every_option_can_be_chosen_by_its_own_value_unless_unicode_makes_two_the_same(
    options: tuple[str, ...], data: st.DataObject
) -> None:
    chosen = data.draw(st.sampled_from(options))
    assert rules.option_meant(options, chosen) in (chosen, None)
    if all(option.isascii() for option in options):
        assert rules.option_meant(options, chosen) == chosen


@given(OPTIONS, st.text())
def test_an_answer_is_an_option_or_refused(options: tuple[str, ...], answer: str) -> None:
    assert rules.option_meant(options, answer) in (*options, None)


def test_answers_that_are_refused() -> None:
    with pytest.raises(BadAnswer, match="Question 7 does not take this answer: it is empty"):
        rules.answer_to(ASKED._replace(options=()), " \n")
    with pytest.raises(BadAnswer, match="it has 100,001 characters"):
        rules.answer_to(ASKED._replace(options=()), "x" * 100_001)
    with pytest.raises(NotAnOption, match="maybe is none of the options of question 7: Yes, No"):
        rules.answer_to(ASKED, "maybe")


def test_free_text_is_kept_as_it_is() -> None:
    assert rules.answer_to(ASKED._replace(options=()), " two\n lines \x1b[0m") == " two\n lines \x1b[0m"


def test_what_to_go_on_with() -> None:
    answered = ASKED._replace(state=State.RESPONDED, answer="No", default="Yes")
    assert rules.taken(answered) == "No"
    assert rules.taken(ASKED._replace(default="Yes")) is None
    assert rules.taken(ASKED._replace(default="Yes", state=State.EXPIRED)) == "Yes"
    assert rules.taken(ASKED._replace(state=State.EXPIRED)) is None
    assert rules.taken(ASKED._replace(default="Yes", state=State.DISMISSED)) is None


def test_which_answers_are_late() -> None:
    assert not rules.late(ASKED)
    assert not rules.late(ASKED._replace(answer="No", answered_at=START + HOUR))
    assert rules.late(ASKED._replace(answer="No", answered_at=START + HOUR + timedelta(microseconds=1)))
    assert not rules.late(ASKED._replace(answer="No", answered_at=START + HOUR, deadline=None))


def test_attempts_are_bounded_and_ever_further_apart() -> None:
    waits = [rules.retry_at(attempt, START) for attempt in range(1, rules.MAX_ATTEMPTS + 1)]
    assert waits[-1] is None
    known = [at - START for at in waits[:-1] if at is not None]
    assert len(known) == rules.MAX_ATTEMPTS - 1
    assert known == sorted(known)
    assert timedelta(hours=2) < sum(known, timedelta()) < timedelta(hours=3)
    assert rules.retry_at(rules.MAX_ATTEMPTS + 5, START) is None
    assert rules.SEND_LEASE > rules.SEND_LIMIT
