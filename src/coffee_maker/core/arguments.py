"""Checking a tool's arguments against their schema, with problems in words that a model can act on.

The part of JSON Schema that `core.tools` speaks, and no more. Nothing is converted or guessed: a tool that gets a
number as a text says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from coffee_maker.core.errors import BadArguments, UnknownTool
from coffee_maker.core.tools import Tool

_SHOWN = 40  # characters of a wrong value in a message
_MOST = 5  # problems that are told at once

Schema = Mapping[str, Any]


def called(tools: Sequence[Tool], name: object, given: object) -> tuple[Tool, dict[str, Any]]:
    """The tool that is meant and its checked arguments; raises `UnknownTool` and `BadArguments`."""
    tool = next((one for one in tools if one.name == name), None)
    if tool is None:
        raise UnknownTool(tool=_shown(name), known=", ".join(one.name for one in tools))
    return tool, checked(tool, given)


def checked(tool: Tool, given: object) -> dict[str, Any]:
    """The arguments, fit for the tool; raises `BadArguments` with what is wrong. A None counts as not given."""
    if given is None:
        given = {}
    if isinstance(given, Mapping):
        given = {name: value for name, value in given.items() if value is not None}
    problems = list(_problems("the arguments", given, tool.schema))
    if problems:
        more = f" (and {len(problems) - _MOST} more)" if len(problems) > _MOST else ""
        told = "; ".join(problems[:_MOST])
        raise BadArguments(tool=tool.name, problem=f"{told}{more}", takes=_signature(tool.schema))
    assert isinstance(given, dict)
    return given


def _problems(name: str, value: object, schema: Schema) -> Iterator[str]:
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    kind = next((kind for kind in kinds if _is(value, kind)), None)
    if kind is None:
        yield f"{name} must be {' or '.join(_KINDS[one] for one in kinds)}, not {_shown(value)}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{name} must be one of {', '.join(schema['enum'])}, not {_shown(value)}"
    elif kind in _CHECKS:
        yield from _CHECKS[kind](name, value, schema)


def _text_problems(name: str, value: str, schema: Schema) -> Iterator[str]:
    if len(value) > schema.get("maxLength", len(value)):
        yield f"{name} has {len(value):,} characters, and at most {schema['maxLength']:,} are taken"
    elif schema.get("minLength", 0) and not value.strip():
        yield f"{name} is empty"


def _number_problems(name: str, value: float, schema: Schema) -> Iterator[str]:
    if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{name} must be from {schema['minimum']} to {schema['maximum']}"


def _list_problems(name: str, value: list[object], schema: Schema) -> Iterator[str]:
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{name} has {len(value)} entries, and at most {schema['maxItems']} are taken"
        return
    for number, one in enumerate(value, 1):
        yield from _problems(f"entry {number} of {name}", one, schema["items"])


def _object_problems(name: str, value: Mapping[object, object], schema: Schema) -> Iterator[str]:
    known = schema.get("properties", {})
    others = schema.get("additionalProperties", False)
    if len(value) > schema.get("maxProperties", len(value)):
        yield f"{name} has {len(value)} entries, and at most {schema['maxProperties']} are taken"
        return
    for required in schema.get("required", ()):
        if required not in value:
            yield f"`{required}` is missing"
    for key, one in value.items():
        if isinstance(key, str) and key in known:
            yield from _problems(f"`{key}`", one, known[key])
        elif isinstance(key, str) and others:
            yield from _problems(f"{_shown(key)} in {name}", one, others)
        else:
            yield f"there is no argument {_shown(key)}"


_CHECKS: Mapping[str, Any] = {
    "string": _text_problems,
    "integer": _number_problems,
    "array": _list_problems,
    "object": _object_problems,
}
_KINDS = {
    "string": "a text",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_TYPES: Mapping[str, Any] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": Mapping,
    "null": type(None),
}


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _TYPES[kind])


def _shown(value: object) -> str:
    """A wrong value, short and on one line."""
    shown = ascii(value[: _SHOWN + 1]) if isinstance(value, str) else type(value).__name__
    if isinstance(value, bool | int) and abs(value) < 10**20:
        shown = str(value).lower()
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def _signature(schema: Schema) -> str:
    """The arguments as a person would list them."""
    properties: Mapping[str, Schema] = schema["properties"]
    named = [f"{name}{'' if name in schema['required'] else ' (optional)'}" for name in properties]
    return f"It takes: {', '.join(named)}." if named else "It takes no arguments."
