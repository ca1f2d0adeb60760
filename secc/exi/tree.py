"""Messages as plain trees of dicts, lists, numbers and strings, for display, JSON and test vectors.

Keys are the XSD's element names in schema order; an attribute is ``@Name``, the text beside
attributes ``#text``; a member of a substitution group has its own name; a repeating element is
always a list; an absent option has no key; octets are ``{"$hex": "..."}``.
"""

from __future__ import annotations

from enum import StrEnum
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
        if isinstance(value, bytes):
            return {OCTETS: value.hex()}
        return value.value if isinstance(value, StrEnum) else value
    tree: Tree = {}
    for part in kind.parts:
        for alternative in part.alternatives:
            inner = alternative.type
            if inner is None:
                continue
            found = value if kind.cls is None else getattr(value, alternative.field or "")
            # Of a substitution group only the member of the value's class is there.
            if part.kind == "group" and not (isinstance(inner, ComplexType) and inner.cls is type(found)):
                continue
            wrapped = isinstance(inner, ComplexType) and inner.cls is None
            if (found is None and not wrapped) or (part.repeats and not found):
                continue
            tree[_key(part, alternative)] = (
                [_out(inner, item) for item in found] if part.repeats else _out(inner, found)
            )
    return tree


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
