"""Messages as plain trees of dicts, lists, numbers and strings, for display, JSON and test vectors.

Keys are the XSD's element names in schema order; an attribute is ``@Name``, the text beside
attributes ``#text``; a member of a substitution group has its own name; a repeating element is
always a list; an absent option has no key; octets are ``{"$hex": "..."}``.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from typing import Any, Final

from secc.errors import EncodeError
from secc.exi.datatypes import Boolean, Datatype, Enumeration, Octets, String
from secc.exi.grammar import TEXT, Alternative, ComplexType, Part, complex_type, element_name
from secc.exi.schema import Schema

OCTETS: Final = "$hex"

Tree = dict[str, Any]


def to_tree(message: object, name: str | None = None) -> Tree:
    """Returns the tree of a message, or of any declared element (``name`` if the class has several
    names).
    """
    return {name or element_name(type(message)): _out(complex_type(type(message)), message)}


def from_tree(schema: Schema[Any], tree: object) -> Any:
    """Returns the message of ``schema`` for a tree. Raises EncodeError for another tree."""
    name, content = _single(tree)
    for cls in schema.roots:
        if element_name(cls) == name:
            return _in(complex_type(cls), content, name)
    raise EncodeError(f"{name} is not a message of {schema.name}")


def fragment_from_tree(schema: Schema[Any], tree: object) -> tuple[str, Any]:
    """Returns the element of ``schema`` for a tree, for a fragment, and its name. Raises
    EncodeError for another tree.
    """
    name, content = _single(tree)
    ctypes = schema.types_of(name)
    if len(ctypes) != 1:
        raise EncodeError(f"{schema.name} has no element {name} for fragments")
    return name, _in(ctypes[0], content, name)


def _single(tree: object) -> tuple[str, object]:
    if not isinstance(tree, dict) or len(tree) != 1:
        raise EncodeError("a message tree has one key, the name of the root element")
    return next(iter(tree.items()))


# --- out ------------------------------------------------------------------------------------------------------------------


def _out(kind: ComplexType | Datatype, value: Any) -> Any:
    if not isinstance(kind, ComplexType):
        return _leaf(value)
    tree: Tree = {}
    for field, key, inner, repeats, member, wrapped in _rows(kind):
        found = value if kind.cls is None else getattr(value, field)
        if (member is not None and member is not type(found)) or (found is None and not wrapped):
            continue
        if not repeats:
            tree[key] = _out(inner, found) if isinstance(inner, ComplexType) else _leaf(found)
        elif found:
            tree[key] = [_out(inner, item) for item in found]
    return tree


def _leaf(value: Any) -> Any:
    if isinstance(value, bytes):
        return {OCTETS: value.hex()}
    return value.value if isinstance(value, StrEnum) else value


@cache
def _rows(kind: ComplexType) -> tuple[tuple[str, str, ComplexType | Datatype, bool, type | None, bool], ...]:
    """Returns field, key and type of each element and attribute, whether it repeats, of a
    substitution group the class that its value has to have, and whether it is there without a value.
    """
    return tuple(
        (alternative.field or "", _key(part, alternative), inner, part.repeats, member, cls is None)
        for part in kind.parts
        for alternative in part.alternatives
        if (inner := alternative.type) is not None
        for cls in (inner.cls if isinstance(inner, ComplexType) else object,)
        for member in (cls or object if part.kind == "group" else None,)
    )


def _key(part: Part, alternative: Alternative) -> str:
    return f"@{alternative.name}" if part.kind == "attribute" else alternative.name


# --- in -------------------------------------------------------------------------------------------------------------------


def _in(kind: ComplexType | Datatype, tree: object, where: str) -> Any:
    if not isinstance(kind, ComplexType):
        return _value(kind, tree, where)
    if not isinstance(tree, dict):
        raise EncodeError(f"{where}: an object must stand here")
    left = dict(tree)
    values: dict[str, Any] = {}
    for part in kind.parts:
        for alternative in part.alternatives:
            key = _key(part, alternative)
            if alternative.type is None or key not in left:
                continue
            found = left.pop(key)
            field = alternative.field or ""
            if field in values:
                raise EncodeError(f"{where}: {key} excludes another element that is there")
            if part.repeats:
                if not isinstance(found, list):
                    raise EncodeError(f"{where}.{key}: a list must stand here")
                values[field] = tuple(_in(alternative.type, item, f"{where}.{key}") for item in found)
            else:
                values[field] = _in(alternative.type, found, f"{where}.{key}")
    if left:
        raise EncodeError(f"{where}: no place for {', '.join(left)}")
    if kind.cls is None:
        return next(iter(values.values()), None)
    try:
        return kind.cls(**values)
    except TypeError as error:
        raise EncodeError(f"{where}: {error}") from None


def _value(kind: Datatype, tree: object, where: str) -> Any:
    match kind:
        case Octets():
            try:
                if isinstance(tree, dict) and list(tree) == [OCTETS]:
                    return bytes.fromhex(tree[OCTETS])
            except (TypeError, ValueError):
                pass
            raise EncodeError(f'{where}: octets as {{"{OCTETS}": "..."}} must stand here')
        case Enumeration(members):
            if isinstance(tree, str) and tree in tuple(members):
                return members(tree)
            raise EncodeError(f"{where}: none of its values")
        case Boolean():
            expected: type = bool
        case String():
            expected = str
        case _:
            expected = int
    if type(tree) is not expected:
        raise EncodeError(f"{where}: {expected.__name__} must stand here")
    return tree


__all__ = ["OCTETS", "TEXT", "Tree", "fragment_from_tree", "from_tree", "to_tree"]
