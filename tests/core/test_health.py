"""Every rule of the score: when it applies, what it takes off, and that it says why."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coffee_maker.core.choosing import choose
from coffee_maker.core.document import Document
from coffee_maker.core.health import RULES, Facts, Health, judge
from coffee_maker.core.questions import Kind, Level, Notification, Source, State
from coffee_maker.core.records import Run
from coffee_maker.core.state import Claim

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def roadmap(*statuses: str, more: str = "") -> str:
    """Items PRIORITY-1, -2, … of these statuses."""
    return (
        "# R\n"
        + "".join(f"\n## PRIORITY {n}: T\n\n**Status**: {words}\n" for n, words in enumerate(statuses, 1))
        + more
    )


def health(text: str, **facts: object) -> Health:
    document = Document.from_text(text)
    known = Facts(document.items, document.problems, choose(document.items), (), (), (), {}, NOW - 99 * DAY, NOW)
    return judge(known._replace(**facts))


def points(text: str, **facts: object) -> dict[str, int]:
    return {finding.code: finding.points for finding in health(text, **facts).findings}


def question(age: timedelta, state: State = State.SENT, kind: Kind = Kind.QUESTION) -> Notification:
    asker = (1, Source.DAEMON, kind, Level.NORMAL, "", "?", {}, "PRIORITY-1", ())
    return Notification(*asker, state, None, None, None, None, None, None, None, NOW - age, NOW)


def run(outcome: str | None, item: str = "PRIORITY-1") -> Run:
    return Run(item, "d", "a", "b", NOW - DAY, NOW, outcome, None, 0, None)


def test_a_good_roadmap_has_all_points() -> None:
    assert health(roadmap("✅ Complete", "📝 Planned")) == Health(100, ())
    assert health(roadmap("✅ Complete", "❌ Cancelled")) == Health(100, ())


def test_every_point_that_is_missing_is_told() -> None:
    text = roadmap("🔄 In Progress", "⏸️ Blocked", "", more="\n## PRIORITY 1: Again\n\n**Status**: 🔄 In Progress\n")
    seen = health(text, questions=[question(2 * DAY)], runs=[run("failed")] * 4)
    assert seen.score == 100 - sum(finding.points for finding in seen.findings)
    assert [finding.points for finding in seen.findings] == sorted((one.points for one in seen.findings), reverse=True)
    for finding in seen.findings:
        assert finding.message
        assert finding.hint
        assert finding.points > 0


@pytest.mark.parametrize(
    ("code", "text", "facts", "items"),
    [
        ("no_status", roadmap("📝 Planned", "what ever"), {}, ("PRIORITY-2",)),
        ("contradiction", roadmap("📝 Planned", more="\n## PRIORITY 9: T ✅ Complete\n\n**Status**: 📝 Planned\n"), {},
         ("PRIORITY-9",)),
        ("text_problem", roadmap("📝 Planned", more="\n```\nopen\n"), {}, ("PRIORITY-1",)),
        ("blocked_long", roadmap("📝 Planned", "⏸️ Blocked"), {}, ("PRIORITY-2",)),
        ("stale", roadmap("📝 Planned", "🔄 In Progress"), {}, ("PRIORITY-2",)),
        ("abandoned", roadmap("📝 Planned", "🔄 In Progress"), {"claims": [Claim("PRIORITY-2", "d", 1, NOW - DAY)]},
         ("PRIORITY-2",)),
        ("question_waits", roadmap("📝 Planned"), {"questions": [question(2 * DAY)]}, ("PRIORITY-1",)),
        ("reviews_pile_up", roadmap("📝 Planned", *["🚧 Manual Review"] * 3), {},
         ("PRIORITY-2", "PRIORITY-3", "PRIORITY-4")),
        ("runs_fail", roadmap("📝 Planned"), {"runs": [run("failed"), *[run("complete")] * 3]}, ("PRIORITY-1",)),
        ("nothing_ready", roadmap("🚧 Manual Review"), {}, ()),
    ],
)  # fmt: skip
def test_each_rule_alone(code: str, text: str, facts: dict[str, object], items: tuple[str, ...]) -> None:
    rule = next(rule for rule in RULES if rule.code == code)
    (finding,) = health(text, **facts).findings
    assert (finding.code, finding.points, finding.weight) == (code, rule.weight, rule.weight)
    assert finding.items == items
    assert finding.hint == rule.hint


def test_a_circle_also_leaves_nothing_to_be_taken() -> None:
    text = "## PRIORITY 1: A\n\n**Status**: 📝 Planned\n**Depends on**: PRIORITY 2\n"
    text += "\n## PRIORITY 2: B\n\n**Status**: 📝 Planned\n**Depends on**: PRIORITY 1\n"
    assert points(text) == {"dependency_circle": 10, "nothing_ready": 10}


def test_no_rule_takes_more_than_its_most_and_the_score_ends_at_nothing() -> None:
    text = roadmap(*["nothing known"] * 60, *["⏸️ Blocked"] * 60, *["🔄 In Progress"] * 60, *["🚧 Manual Review"] * 60)
    asked = [question(2 * DAY)] * 50
    claims = [Claim(f"PRIORITY-{n}", "d", n, NOW - DAY) for n in range(121, 151)]
    seen = health(text, questions=asked, claims=claims, runs=[run("failed")] * 9)
    most = {rule.code: rule.most for rule in RULES}
    assert {finding.code for finding in seen.findings} == most.keys() - {
        "contradiction", "text_problem", "dependency_circle",
    }  # fmt: skip
    assert all(finding.points == most[finding.code] for finding in seen.findings)
    assert seen.score == max(100 - sum(finding.points for finding in seen.findings), 0) == 0


def test_the_history_says_for_how_long() -> None:
    text = roadmap("📝 Planned", "⏸️ Blocked", "🔄 In Progress")
    assert points(text) == {"blocked_long": 3, "stale": 3}
    assert points(text, recorded_since=NOW - DAY) == {}
    assert points(text, recorded_since=None) == {}
    fresh = {"PRIORITY-2": (NOW - DAY, NOW - DAY), "PRIORITY-3": (NOW - DAY, None)}
    assert points(text, changed=fresh) == {}
    # A blocked item whose text is edited is blocked all the same; one in progress that is edited does move.
    edited = {"PRIORITY-2": (NOW - DAY, NOW - 15 * DAY), "PRIORITY-3": (NOW - DAY, NOW - 15 * DAY)}
    assert points(text, changed=edited) == {"blocked_long": 3}


def test_what_is_claimed_is_not_stale() -> None:
    text = roadmap("📝 Planned", "🔄 In Progress")
    assert points(text, claims=[Claim("PRIORITY-2", "d", 1, NOW + DAY)]) == {}


@pytest.mark.parametrize(
    "fine",
    [question(timedelta(hours=23)), question(9 * DAY, State.RESPONDED), question(9 * DAY, kind=Kind.ALERT)],
)
def test_questions_that_do_not_wait_for_long(fine: Notification) -> None:
    assert points(roadmap("📝 Planned"), questions=[fine]) == {}


@pytest.mark.parametrize(
    ("good", "bad", "lost", "expected"),
    [(0, 2, 9, 0), (3, 0, 9, 0), (4, 1, 0, 0), (3, 1, 0, 5), (2, 2, 0, 10), (0, 9, 0, 15)],
)
def test_failing_runs(good: int, bad: int, lost: int, expected: int) -> None:
    runs = [run("complete")] * good + [run("manual_review")] * bad + [run("lost")] * lost + [run(None)]
    assert points(roadmap("📝 Planned"), runs=runs).get("runs_fail", 0) == expected


def test_an_empty_roadmap_has_nothing_to_take() -> None:
    assert points("# Nothing\n") == {"nothing_ready": 10}


def test_the_guide_has_the_whole_formula() -> None:
    guide = Path(__file__).parents[2] / "docs/guides/observability.md"
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \| (.*) \|$", guide.read_text(), re.MULTILINE)
    assert rows == [(rule.code, str(rule.weight), str(rule.most), rule.counts) for rule in RULES]
