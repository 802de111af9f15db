"""A tool's arguments: what fits goes through as it is, what does not is told in words that one can act on."""

from __future__ import annotations

import json

import pytest

from coffee_maker.core.arguments import called, checked
from coffee_maker.core.errors import BadArguments, UnknownTool
from coffee_maker.core.tools import AGENT_TOOLS, Tool, arguments, number, text
from coffee_maker.mcp.catalogue import PROJECT_TOOLS

TOOL = Tool(
    "try",
    "For the test.",
    arguments(
        ("name",),
        name=text("a name", 5),
        size=number("a size", 1, 9),
        sure={"type": "boolean"},
        kind={"type": "string", "enum": ["a", "b"]},
        some={"type": "array", "items": text("one", 3), "maxItems": 2},
        fields={"type": "object", "additionalProperties": {"type": ["string", "null"]}, "maxProperties": 2},
        free={"type": "string"},
    ),
    reads=True,
)


@pytest.mark.parametrize(
    "given",
    [
        {"name": "x"},
        {"name": "x", "size": 9, "sure": False, "kind": "b", "some": [], "fields": {}},
        {"name": "12345", "some": ["abc", "b"], "fields": {"A": "x", "B": None}, "free": ""},
    ],
)
def test_what_fits_goes_through(given: dict[str, object]) -> None:
    assert checked(TOOL, given) == given


def test_null_is_not_given() -> None:
    assert checked(TOOL, {"name": "x", "size": None}) == {"name": "x"}
    assert checked(Tool("t", "", arguments(), reads=True), None) == {}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "`name` is missing"),
        (None, "`name` is missing"),
        ({"name": None}, "`name` is missing"),
        ({"name": 5}, "`name` must be a text, not 5"),
        ({"name": True}, "`name` must be a text, not true"),
        ({"name": ["x"]}, "`name` must be a text, not list"),
        ({"name": " \t"}, "`name` is empty"),
        ({"name": "123456"}, "`name` has 6 characters, and at most 5 are taken"),
        ({"name": "x", "size": "5"}, "`size` must be a whole number, not '5'"),
        ({"name": "x", "size": True}, "`size` must be a whole number, not true"),
        ({"name": "x", "size": 5.0}, "`size` must be a whole number, not float"),
        ({"name": "x", "size": 0}, "`size` must be from 1 to 9"),
        ({"name": "x", "size": 10**400}, "`size` must be from 1 to 9"),
        ({"name": "x", "sure": 1}, "`sure` must be true or false, not 1"),
        ({"name": "x", "kind": "c"}, "`kind` must be one of a, b, not 'c'"),
        ({"name": "x", "some": "ab"}, "`some` must be a list, not 'ab'"),
        ({"name": "x", "some": ["a", ""]}, "entry 2 of `some` is empty"),
        ({"name": "x", "some": ["a"] * 3}, "`some` has 3 entries, and at most 2 are taken"),
        ({"name": "x", "fields": {"A": 1}}, "'A' in `fields` must be a text or null, not 1"),
        ({"name": "x", "fields": dict.fromkeys("abc", "x")}, "`fields` has 3 entries, and at most 2 are taken"),
        ({"name": "x", "nmae": 1, 7: 8}, "there is no argument 'nmae'; there is no argument 7"),
        (["name"], "the arguments must be an object, not list"),
        ("name", "the arguments must be an object, not 'name'"),
    ],
)
def test_what_does_not_fit_is_told(given: object, problem: str) -> None:
    with pytest.raises(BadArguments) as refused:
        checked(TOOL, given)
    assert refused.value.message == f"try was not called with the arguments that it takes: {problem}."
    assert refused.value.hint.startswith("It takes: name, size (optional), sure (optional)")


def test_huge_and_hostile_values_are_told_in_short() -> None:
    for given in ({"\x1b[2J" * 10**5: 1}, {"name": "x", "kind": "\u202e" * 10**6}, {str(n): n for n in range(10**4)}):
        with pytest.raises(BadArguments) as refused:
            checked(TOOL, given)
        assert len(refused.value.message) < 500
        assert refused.value.message.isprintable()


def test_an_unknown_tool_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownTool) as refused:
        called([TOOL], "\x1btry" * 100, {})
    assert refused.value.message.isprintable()
    assert refused.value.hint == "The tools are: try."
    assert called([TOOL], "try", {"name": "x"}) == (TOOL, {"name": "x"})


@pytest.mark.parametrize("tools", [AGENT_TOOLS, PROJECT_TOOLS])
def test_schemas_are_plain_json_schema_of_this_part(tools: tuple[Tool, ...]) -> None:
    from jsonschema import Draft202012Validator

    assert len({tool.name for tool in tools}) == len(tools)
    for tool in tools:
        Draft202012Validator.check_schema(json.loads(json.dumps(tool.schema)))
        assert tool.schema["additionalProperties"] is False
