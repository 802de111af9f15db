"""What records and protocols are made of, as `typing` has it, without its import and without compiling code.

A command makes some forty classes of records. `typing.NamedTuple` takes 0.1 ms for each and 3 ms to be imported, which
together is two thirds of Python's own start. Here a class costs a twentieth of that; making a record through its class
takes as long as ever, and through `_make` half as long.
"""

from __future__ import annotations

from collections import _tuplegetter  # type: ignore[attr-defined]  # what `namedtuple` itself takes for its fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any
    from typing import Generic as Generic
    from typing import NamedTuple as NamedTuple
    from typing import Protocol as Protocol
    from typing import TypeVar as TypeVar
else:

    class Protocol:
        """Nothing but a name at run time."""

    class Generic:
        def __class_getitem__(cls, _):
            return cls

    def TypeVar(name, **_):  # noqa: N802
        return name

    class _Fields(type):
        """Makes each annotation of a class a field of its tuples; what is assigned to it is the default."""

        def __new__(cls, name, bases, body):
            fields = tuple(body.get("__annotations__", ()))
            body["_field_defaults"] = {field: body[field] for field in fields if field in body}
            body.update((field, _tuplegetter(place, None)) for place, field in enumerate(fields))
            body["_fields"] = body["__match_args__"] = fields
            body["__slots__"] = ()
            return type.__new__(cls, name, bases, body)

    class NamedTuple(tuple, metaclass=_Fields):
        def __new__(cls, /, *values, **named):
            if named or len(values) != len(cls._fields):
                values = _filled_in(cls, values, named)
            return tuple.__new__(cls, values)

        _make = classmethod(tuple.__new__)

        def _replace(self, /, **named):
            new = tuple.__new__(type(self), map(named.pop, self._fields, self))
            if named:
                raise TypeError(f"{type(self).__name__} has no fields named {', '.join(named)}")
            return new

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            named = (f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({', '.join(named)})"

        def __getnewargs__(self):
            return tuple(self)


def _filled_in(kind: Any, values: Sequence[Any], named: Mapping[str, Any]) -> list[Any]:
    """The values of all fields, from those given by place and by name, and the defaults."""
    if not values and len(named) == len(kind._fields):
        try:
            return [named[field] for field in kind._fields]
        except KeyError:  # some other name: told below
            pass
    if len(values) > len(kind._fields):
        raise TypeError(f"{kind.__name__} has {len(kind._fields)} fields, not {len(values)}")
    later = kind._fields[len(values) :]
    if unknown := named.keys() - set(later):
        raise TypeError(f"{kind.__name__} does not take {', '.join(sorted(unknown))} (again)")
    given = {**kind._field_defaults, **named}
    if missing := [field for field in later if field not in given]:
        raise TypeError(f"{kind.__name__} lacks {', '.join(missing)}")
    return [*values, *(given[field] for field in later)]
