"""Canonical facts of the declarations: what the XSD says of each type, in plain lists, to be compared and fingerprinted.

``python -m tests.exi_facts`` writes the fingerprints anew, after a declaration was changed on purpose and compared with the XSD files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from secc.exi import Schema
from secc.exi.datatypes import Boolean, Datatype, Enumeration
from secc.exi.grammar import ComplexType, Part, complex_type
from tests.exi_vectors import SCHEMAS

FINGERPRINTS = Path(__file__).resolve().parent / "exi" / "fingerprints.json"

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
            [p.fewest, p.most, [[a.name, _type(a.type)] for a in p.alternatives]]
            for p in _parts(kind, "element", "group", "choice")
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
