"""The light named tuples behave as those of `typing`, and a command does not import what they are there to avoid."""

from __future__ import annotations

import ast
import copy
import importlib.util
import pickle
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

from coffee_maker.core import lean, typed


class Ours(typed.NamedTuple):
    """One."""

    a: int
    b: str = "x"
    c: tuple[int, ...] = ()

    @property
    def twice(self) -> int:
        return self.a * 2


class Theirs(typing.NamedTuple):
    """One."""

    a: int
    b: str = "x"
    c: tuple[int, ...] = ()


@pytest.mark.parametrize(
    ("values", "named"),
    [((1,), {}), ((1, "y"), {}), ((1, "y", (2,)), {}), ((), {"a": 1}), ((1,), {"c": (3,)}), ((), {"c": (), "a": 2})],
)
def test_it_is_made_as_typing_makes_it(values: tuple[typing.Any, ...], named: dict[str, typing.Any]) -> None:
    ours, theirs = Ours(*values, **named), Theirs(*values, **named)
    assert ours == theirs
    assert hash(ours) == hash(theirs)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert (ours.a, ours.b, ours.c, ours.twice) == (theirs.a, theirs.b, theirs.c, theirs.a * 2)
    assert ours._asdict() == theirs._asdict()
    assert ours._replace(b="z") == theirs._replace(b="z")
    assert type(ours._replace(b="z")) is type(Ours._make(theirs)) is type(copy.deepcopy(ours)) is Ours
    assert pickle.loads(pickle.dumps(ours)) == copy.copy(ours) == ours


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, "y", (), 4), {}), ((1,), {"a": 2}), ((1,), {"d": 2}), ((), {"b": "y"})]
)
def test_it_refuses_what_typing_refuses(values: tuple[typing.Any, ...], named: dict[str, typing.Any]) -> None:
    for kind in (Ours, Theirs):
        with pytest.raises(TypeError):
            kind(*values, **named)


def test_it_cannot_be_changed() -> None:
    one = Ours(1)
    with pytest.raises(AttributeError):
        one.a = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        one.other = 2  # type: ignore[attr-defined]
    with pytest.raises((TypeError, ValueError)):
        one._replace(d=2)
    assert (Ours._fields, Ours._field_defaults) == (Theirs._fields, Theirs._field_defaults)
    match one:
        case Ours(1, "x"):
            pass
        case _:
            pytest.fail("it is matched by its fields")


def test_the_lean_parts_are_the_standard_librarys_own() -> None:
    import datetime
    import hashlib
    import signal

    assert (lean.datetime, lean.timedelta, lean.UTC) == (datetime.datetime, datetime.timedelta, datetime.UTC)
    assert int(lean.SIGURG) == int(signal.SIGURG)
    assert lean.sha256(b"text").hexdigest() == hashlib.sha256(b"text").hexdigest()


@pytest.mark.parametrize("command", ["view", "next", "status"])
def test_a_command_pays_for_no_import_that_it_does_not_need(command: str) -> None:
    program = (
        "import sys; before = set(sys.modules)\n"
        f"import coffee_maker.cli.roadmap_cli, coffee_maker.wiring, coffee_maker.cli.commands.{command}\n"
        "import coffee_maker.core.document, coffee_maker.core.choosing, coffee_maker.adapters.roadmap_file\n"
        "import coffee_maker.store.sqlite, coffee_maker.work.editing\n"
        "import coffee_maker.work.project, coffee_maker.work.looking\n"
        "import coffee_maker.cli.texts.changes, coffee_maker.cli.texts.roadmap\n"
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    dear = {
        "typing",
        "dataclasses",
        "hashlib",
        "datetime",
        "signal",
        "json",
        "asyncio",
        "subprocess",
        "rich",
        "psycopg",
    }
    assert not dear & set(done.stdout.split())


def runtime_imports(tree: ast.AST) -> Iterator[ast.ImportFrom]:
    """What a module imports from this project when it runs: not what only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from (found for other in node.orelse for found in runtime_imports(other))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("coffee_maker"):
            yield node
        else:
            yield from runtime_imports(node)


def is_there(module: str, name: str) -> bool:
    found = importlib.import_module(module)
    return hasattr(found, name) or (hasattr(found, "__path__") and bool(importlib.util.find_spec(f"{module}.{name}")))


def test_what_only_type_checkers_see_is_imported_by_nobody_who_runs() -> None:
    package = Path(typed.__file__).parents[1]
    imports = (
        (path, node.lineno, str(node.module), name.name)
        for path in sorted(package.rglob("*.py"))
        for node in runtime_imports(ast.parse(path.read_text(encoding="utf-8")))
        for name in node.names
    )
    assert not [(str(path), line, name) for path, line, module, name in imports if not is_there(module, name)]
