"""Canonical facts of the declarations: what the XSD says of each type, in plain lists, to be compared and fingerprinted.

``python -m tests.exi_facts`` writes the fingerprints anew, after a declaration was changed on purpose and compared with the XSD files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secc.exi import Schema
from secc.exi.datatypes import Boolean, Datatype, Enumeration
from secc.exi.grammar import ComplexType, Part, complex_type, element_name
from tests.exi_vectors import SCHEMAS

if TYPE_CHECKING:
    from tests.xsd import XsdSet

FINGERPRINTS = Path(__file__).resolve().parent / "exi" / "fingerprints.json"

PARTICLES = ("element", "group", "choice")

Facts = dict[str, Any]


def types_of(schema: Schema[Any]) -> dict[str, ComplexType]:
    """Every complex type that a schema's messages are made of, wrappers included."""
    found: dict[str, ComplexType] = {}
    waiting = [complex_type(cls) for cls in (*schema.roots, *schema.elements)]
    while waiting:
        kind = waiting.pop()
        if kind.name in found:
            assert found[kind.name] is kind, f"two types are called {kind.name}"
            continue
        found[kind.name] = kind
        waiting.extend(a.type for part in kind.parts for a in part.alternatives if isinstance(a.type, ComplexType))
    return dict(sorted(found.items()))


def facts(kind: ComplexType) -> Facts:
    """What the declaration of a type says."""
    return {
        "attributes": [
            [p.alternatives[0].name, bool(p.fewest), _type(p.alternatives[0].type)] for p in _parts(kind, "attribute")
        ],
        "text": next((_type(p.alternatives[0].type) for p in _parts(kind, "text")), None),
        "content": [
            [p.fewest, p.most, [[a.name, _type(a.type)] for a in p.alternatives]] for p in _parts(kind, *PARTICLES)
        ],
        "mixed": kind.mixed,
    }


def _parts(kind: ComplexType, *kinds: str) -> Iterator[Part]:
    return (part for part in kind.parts if part.kind in kinds)


def _type(kind: ComplexType | Datatype | None) -> Any:
    match kind:
        case None:
            return None
        case ComplexType():
            return kind.name
        case Boolean():
            return ["boolean"]
        case Enumeration(members):
            return ["enumeration", *(member.value for member in members)]
    bounds = (kind.lowest, kind.highest) if hasattr(kind, "lowest") else (kind.shortest, kind.longest)  # type: ignore[union-attr]  # either or
    return [kind.xsd, *bounds]


Place = tuple[ComplexType, str, str]
"""A declared type, the name of an element that has it, and the name of that element's type in the XSD, without ``Type``."""


def compare(schema: Schema[Any], xsd: XsdSet) -> set[str]:
    """Asserts that the declared types of a set say what the XSD does. Returns the XSD's names of those types."""
    names = [(complex_type(cls), element_name(cls)) for cls in (*schema.roots, *schema.elements)]
    return compare_types([(kind, name, xsd.type_of(name)) for kind, name in names], xsd)


def compare_types(places: Iterable[Place], xsd: XsdSet) -> set[str]:
    """The same for the types that stand in these places, and for all that they are made of."""
    written = xsd.facts()
    waiting = list(places)
    met: set[tuple[ComplexType, str]] = set()
    while waiting:
        kind, element, name = waiting.pop()
        if (kind, name) in met:
            continue
        met.add((kind, name))
        assert kind.name in (element, name), f"{kind.name} is called neither like an element nor like its type"
        declared, expected = _plain(facts(kind)), _plain(written[name])
        assert declared == {**expected, "content": _as_declared(declared["content"], expected["content"])}, kind.name
        for part, (_, _, theirs) in zip(_parts(kind, *PARTICLES), expected["content"], strict=True):
            for alternative, (of, type_) in zip(part.alternatives, theirs, strict=True):
                if isinstance(alternative.type, ComplexType):
                    waiting.append((alternative.type, of, type_))
    return {name for _, name in met}


def _as_declared(declared: list[Any], written: list[Any]) -> list[Any]:
    """The content in the XSD, without what the declaration refuses, and with its names for types, which are compared on their own."""
    if len(declared) != len(written):
        return written
    return [
        [fewest, most, _alternatives(ours, theirs)]
        for (_, _, ours), (fewest, most, theirs) in zip(declared, written, strict=True)
    ]


def _alternatives(declared: list[Any], written: list[Any]) -> list[Any]:
    if len(declared) != len(written):
        return written
    refused = [kind for _, kind in declared] == [None]
    return [
        [name, ours if refused or (isinstance(ours, str) and isinstance(theirs, str)) else theirs]
        for (_, ours), (name, theirs) in zip(declared, written, strict=True)
    ]


def _plain(value: Facts) -> Facts:
    """As it comes out of JSON: lists for tuples."""
    plain: Facts = json.loads(json.dumps(value))
    return plain


def names_with_id(schema: Schema[Any]) -> set[str]:
    """Names of the elements that have an Id: what a signature can refer to."""
    with_id = {
        kind for kind in types_of(schema).values() if any(name == "Id" for name, _, _ in facts(kind)["attributes"])
    }
    alternatives = (a for kind in types_of(schema).values() for part in kind.parts for a in part.alternatives)
    roots = {element_name(cls) for cls in (*schema.roots, *schema.elements) if complex_type(cls) in with_id}
    return roots | {alternative.name for alternative in alternatives if alternative.type in with_id}


def fingerprints() -> dict[str, dict[str, str]]:
    """A hash of every type's facts, and of the names that each schema counts."""
    found = {}
    for name, schema in SCHEMAS.items():
        hashes = {kind.name: _hash(facts(kind)) for kind in types_of(schema).values()}
        hashes["(globals)"] = _hash(schema.globals)
        hashes["(vocabulary)"] = _hash(
            [schema.vocabulary.elements, schema.vocabulary.attributes, schema.vocabulary.id_code]
        )
        found[name] = hashes
    return found


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


if __name__ == "__main__":
    FINGERPRINTS.write_text(json.dumps(fingerprints(), indent=1) + "\n")
