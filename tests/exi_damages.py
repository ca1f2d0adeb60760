"""Messages that break one facet of their XSD, made from good ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from secc.exi.datatypes import Datatype, NBit, Octets, Signed, String, Unsigned
from secc.exi.grammar import ComplexType, complex_type


def damages(value: Any) -> Iterator[tuple[str, Any]]:
    """Every way to break one facet of this message, by the grammar that the codec is made from: where, and the message with that one flaw."""
    for part in complex_type(type(value)).parts:
        for alternative in part.alternatives:
            name, kind = str(alternative.field), alternative.type
            found = getattr(value, name, None) if alternative.field else None
            if found is None or kind is None:
                continue
            if not part.repeats:
                for path, bad in _damaged(found, kind):
                    yield f"{name}{path}", replace(value, **{name: bad})
                continue
            if part.most is not None and found:
                yield f"{name} (too many)", replace(value, **{name: (found * (part.most + 1))[: part.most + 1]})
            if part.fewest and len(part.alternatives) == 1:
                yield f"{name} (too few)", replace(value, **{name: found[: part.fewest - 1]})
            for path, bad in _damaged(found[0], kind) if found else ():
                yield f"{name}{path}", replace(value, **{name: (bad, *found[1:])})


def _damaged(value: Any, kind: ComplexType | Datatype) -> Iterator[tuple[str, Any]]:
    match kind:
        case ComplexType() if dataclasses.is_dataclass(value):
            yield from ((f".{path}", bad) for path, bad in damages(value))
        case NBit(lowest, highest, _) | Unsigned(lowest, highest, _) | Signed(lowest, highest, _):
            yield from ((f"={bound}", bound) for bound in _beyond(lowest, highest))
        case String(shortest, longest, _):
            yield from ((f" of {length}", "x" * length) for length in _beyond(shortest, longest) if length >= 0)
        case Octets(shortest, longest, _):
            yield from ((f" of {length}", bytes(length)) for length in _beyond(shortest, longest) if length >= 0)


def _beyond(lowest: int | None, highest: int | None) -> list[int]:
    return [*([] if lowest is None else [lowest - 1]), *([] if highest is None else [highest + 1])]
