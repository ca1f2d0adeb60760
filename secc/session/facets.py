"""Finds the field of a received message that breaks a facet of the XSD: a length, a range, a number
of entries.

Decoding is lenient there, because such a message is answered with a response code. The protocol
says which code.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from secc.errors import Refusal
from secc.exi.declarations import Binary, Occurs, Text, Whole

_Broken = Callable[[Any], str | None]


class Facets:
    """The facets of a protocol's messages, read from their declarations. ``free`` are fields that
    are not checked: type and field, by name. ``codes``: the response code by request and field
    (``Type.field``), the longest path that fits; FAILED for all others.

    The check of a type is compiled to one function on first use.
    """

    def __init__(self, free: Collection[tuple[str, str]] = (), codes: Mapping[str, str] | None = None) -> None:
        self._free = frozenset(free)
        self._codes = codes or {}
        self._compiled: dict[type, _Broken] = {}

    def broken(self, message: Any) -> str | None:
        """Returns the dotted path of the first field that breaks a facet; None if all hold."""
        cls = type(message)
        return (self._compiled.get(cls) or self._compile(cls))(message)

    def refusal(self, request: Any) -> Refusal | None:
        """Returns the refusal of a request with a field outside its facets; None if all hold."""
        path = self.broken(request)
        if path is None:
            return None
        place = f"{type(request).__name__}.{path}"
        while place not in self._codes and "." in place:
            place = place.rpartition(".")[0]
        code = self._codes.get(place, "FAILED")
        return Refusal(code, "XSD", f"{path} is outside its facets")

    def warm(self, *types: type) -> None:
        """Compile the checks of these types, and of the types in them, ahead of time."""
        for cls in types:
            if cls not in self._compiled:
                self._compile(cls)

    def _compile(self, cls: type) -> _Broken:
        body = _Body(self._free)
        body.fields(cls, "message", "", 1)
        source = "def broken(message):\n" + "".join(f"{line}\n" for line in [*body.lines, "    return None"])
        names: dict[str, Any] = {"checks": self._compiled}
        exec(compile(source, f"<facets of {cls.__name__}>", "exec"), names)  # noqa: S102  # the source is made from declarations alone
        broken: _Broken = names["broken"]
        self._compiled[cls] = broken
        self.warm(*body.elsewhere)
        return broken


class _Body:
    """The lines of one check. A field of one type is checked inline; of several types, each has its
    own check.
    """

    def __init__(self, free: Collection[tuple[str, str]]) -> None:
        self.lines: list[str] = []
        self.elsewhere: list[type] = []
        self._free = free
        self._within: list[type] = []

    def fields(self, cls: Any, value: str, path: str, depth: int) -> None:
        """Check every field of ``value``, an instance of ``cls`` at ``path``."""
        self._within.append(cls)
        hints = get_type_hints(cls, include_extras=True)
        for field in dataclasses.fields(cls):
            metadata, leaves, many = unfold(hints[field.name])
            free = (cls.__name__, field.name) in self._free
            held, alone = ([], []) if free else _conditions(metadata, many)
            nested = [leaf for leaf in leaves if isinstance(leaf, type) and dataclasses.is_dataclass(leaf)]
            if held or alone or nested:
                self._field(f"{value}.{field.name}", f"{path}{field.name}", held, alone, nested, many, depth)
        self._within.pop()

    def _field(
        self, place: str, path: str, held: list[str], alone: list[str], nested: list[Any], many: bool, depth: int
    ) -> None:
        """``held`` are conditions of the whole field, ``alone`` those of each value in it."""
        name = f"v{depth}"
        self._say(depth, f"{name} = {place}")
        self._say(depth, f"if {name} is not None:")
        for condition in held:
            self._say(depth + 1, f"if not ({condition.format(name)}): return {path!r}")
        if many and (alone or nested):
            # All values first: a list breaks its facets as one field.
            for condition in alone:
                self._say(depth + 1, f"for item in {name}:")
                self._say(depth + 2, f"if not ({condition.format('item')}): return {path!r}")
            if nested:
                self._say(depth + 1, f"for w{depth} in {name}:")
                self._nested(nested, f"w{depth}", path, depth + 2)
        else:
            for condition in alone:
                self._say(depth + 1, f"if not ({condition.format(name)}): return {path!r}")
            if nested:
                self._nested(nested, name, path, depth + 1)
        self._say(depth + 1, "pass")

    def _nested(self, nested: list[Any], value: str, path: str, depth: int) -> None:
        if len(nested) == 1 and nested[0] not in self._within:
            self.fields(nested[0], value, f"{path}.", depth)
            self._say(depth, "pass")
            return
        self.elsewhere += nested
        self._say(depth, f"inner = checks[type({value})]({value})")
        self._say(depth, f"if inner is not None: return {path + '.'!r} + inner")

    def _say(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line)


def unfold(hint: Any) -> tuple[list[Any], list[Any], bool]:
    """Returns the annotations of a type hint, its types, and whether it is a tuple of them."""
    metadata: list[Any] = []
    leaves: list[Any] = []
    many = False
    pending = [hint]
    while pending:
        part = pending.pop()
        origin = get_origin(part)
        if origin is Annotated:
            inner, *beside = get_args(part)
            metadata.extend(beside)
            pending.append(inner)
        elif origin is tuple:
            many = True
            pending.append(get_args(part)[0])
        elif origin in (Union, types.UnionType):
            pending.extend(arg for arg in get_args(part) if arg is not type(None))
        else:
            leaves.append(part)
    return metadata, leaves, many


def _conditions(metadata: list[Any], many: bool) -> tuple[list[str], list[str]]:
    """Returns the conditions of a field, and of each of its values, as expressions of ``{0}``."""
    held, alone = [], []
    for fact in metadata:
        match fact:
            case Occurs(fewest, most):
                held += _between("len({0})", fewest, most)
            case Text(longest, shortest) | Binary(longest, shortest):
                alone += _between("len({0})", shortest, longest)
            case Whole(lowest, highest):
                alone += _between("{0}", lowest, highest)
    return (held, alone) if many else (held + alone, [])


def _between(value: str, lowest: int | None, highest: int | None) -> list[str]:
    low = "" if lowest is None else f"{lowest} <= "
    high = "" if highest is None else f" <= {highest}"
    return [f"{low}{value}{high}"] if low or high else []
