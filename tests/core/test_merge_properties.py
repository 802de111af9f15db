"""What holds of every merge, whatever the texts."""

from __future__ import annotations

import re
from collections import Counter

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.core.merging import LINE_ENDS, edited, item_text, texts

from coffee_maker.core.document import Document
from coffee_maker.core.merge import merge

LOGIN = "## PRIORITY 1: Login"
modest = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@st.composite
def three(draw: st.DrawFn) -> tuple[str, str, str]:
    """A text and two edited versions of it."""
    base = draw(texts())
    return base, draw(edited(base)), draw(edited(base))


def ids(text: str) -> Counter[str]:
    return Counter(item.id for item in Document.from_text(text).items)


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+|[^\w\s]", text.removeprefix("\ufeff")))


@modest
@given(three())
def test_one_sided_merges_are_exact(versions: tuple[str, str, str]) -> None:
    base, ours, theirs = versions
    assert merge(base, base, theirs) == (theirs, ())
    assert merge(base, ours, base) == (ours, ())
    assert merge(base, ours, ours) == (ours, ())


@modest
@given(three())
@example((f"{LOGIN}\n" * 3 + f"{LOGIN} 📝 Planned\n", f"{LOGIN} 📝 Planned\n", f"{LOGIN}\n"))
def test_nothing_is_invented_and_nothing_vanishes(versions: tuple[str, str, str]) -> None:
    base, ours, theirs = versions
    merged = merge(base, ours, theirs)
    result, in_base, in_ours, in_theirs = map(ids, (merged.text, base, ours, theirs))
    told = "".join(f"{conflict.kept}\n{conflict.other}\n" for conflict in merged.conflicts)
    assert result.keys() <= in_ours.keys() | in_theirs.keys()
    for name in in_base & in_ours & in_theirs:  # of several with one id each side may have removed those the other kept
        assert name in result or name in told or in_base[name] > 1
    mine = words(ours) - words(base)
    assert mine <= words(merged.text) | words(told)


@modest
@given(three())
def test_no_line_is_made_up(versions: tuple[str, str, str]) -> None:
    """Every word of the result is in one of the versions: no markers, nothing doubled into new words."""
    merged = merge(*versions)
    assert words(merged.text) <= set().union(*map(words, versions))


@modest
@given(three())
def test_the_other_way_round_keeps_the_other_side(versions: tuple[str, str, str]) -> None:
    """Without conflicts it does not matter which side is the person's, but for the order of what both put in."""
    base, ours, theirs = versions
    one, other = merge(base, ours, theirs), merge(base, theirs, ours)
    if not one.conflicts and not other.conflicts:
        assert ids(one.text) == ids(other.text)


@modest
@given(
    st.lists(
        st.sampled_from(["plain words", "- [ ] box", "```\ncode # 1\n```", "**Note**: a", "> quoted"]),
        min_size=4,
        max_size=8,
    ),
    st.sampled_from(LINE_ENDS),
    st.data(),
)
def test_changes_of_different_items_are_both_there_verbatim(bodies: list[str], eol: str, data: st.DataObject) -> None:
    items = [
        f"## PRIORITY {n}: item {n}\n\n**Status**: 📝 Planned\n\n{body}\n\nNumber {n}.\n\n"
        for n, body in enumerate(bodies)
    ]
    base = "# Plan\n\n" + "".join(items)
    mine, theirs = data.draw(st.permutations(range(len(items))))[:2]
    word = data.draw(st.sampled_from(["✅ Complete", "📝 Planned\nmore"]))
    ours_item = items[mine].replace("📝 Planned", "🔄 In Progress")
    their_item = items[theirs].replace("📝 Planned", word)
    ours = base.replace(items[mine], ours_item).replace("\n", eol)
    outside = base.replace(items[theirs], their_item).replace("\n", eol)
    merged = merge(base.replace("\n", eol), ours, outside)
    assert merged.conflicts == ()
    assert item_text(merged.text, f"PRIORITY-{mine}") == ours_item.replace("\n", eol)
    assert item_text(merged.text, f"PRIORITY-{theirs}") == their_item.replace("\n", eol)
    assert merged.text == base.replace(items[mine], ours_item).replace(items[theirs], their_item).replace("\n", eol)


@modest
@given(three(), st.sampled_from(LINE_ENDS))
def test_line_ends_converted_by_an_editor_change_nothing_else(versions: tuple[str, str, str], eol: str) -> None:
    base, ours, theirs = (text.replace("\r\n", "\n").replace("\r", "\n") for text in versions)
    plain, converted = merge(base, ours, theirs), merge(base, ours, theirs.replace("\n", eol))
    assert converted.text.replace("\r\n", "\n").replace("\r", "\n") == plain.text


_CODE = "## PRIORITY 1: Login\n```\n\n## 📦 PRIORITY 1: Search\n## PRIORITY 1: Search 📝 Planned\n"


@settings(modest, max_examples=60)
@given(texts(), texts(), texts())
@example(_CODE, _CODE.replace("📦 PRIORITY 1: Search", "PRIORITY 2: Login"), "## 📦 PRIORITY 1: Search\n")
def test_unrelated_texts_are_merged_without_a_crash(base: str, ours: str, theirs: str) -> None:
    merged = merge(base, ours, theirs)
    # One side may take away the fence around a line that the other side changes, and that line becomes a heading.
    laid_open = [re.sub(r"(?m)^[ \t>]*(?:```|~~~|<!--).*$", "", text) for text in (ours, theirs)]
    assert ids(merged.text).keys() <= {name for text in (ours, theirs, *laid_open) for name in ids(text)}
