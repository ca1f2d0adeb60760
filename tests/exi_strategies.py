"""Hypothesis strategies for declared messages, derived from the declarations: whatever the schema allows, and only that."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from secc.exi.datatypes import Boolean, Datatype, Enumeration, NBit, Octets, Signed, String, Unsigned
from secc.exi.grammar import ComplexType, Part, complex_type

MANY = 4
"""Lists are short here; full ones have tests of their own."""

TEXT = st.characters(exclude_categories=["Cs"])


def elements(cls: type) -> st.SearchStrategy[Any]:
    """Instances of a declared class."""
    return _of(complex_type(cls))


def _of(kind: ComplexType | Datatype | None) -> st.SearchStrategy[Any]:
    match kind:
        case ComplexType():
            return st.deferred(lambda: _instances(kind))
        case Boolean():
            return st.booleans()
        case Enumeration(members):
            return st.sampled_from(list(members))
        case NBit(lowest, highest, _) | Unsigned(lowest, highest, _):
            return st.integers(lowest, highest)
        case Signed(lowest, highest, _):
            # xs:integer has no limits; X509SerialNumber takes 20 octets.
            return st.integers(-(2**159) if lowest is None else lowest, 2**159 if highest is None else highest)
        case String(shortest, longest, _):
            return st.text(TEXT, min_size=shortest, max_size=20 if longest is None else longest)
        case Octets(shortest, longest, _):
            return st.binary(min_size=shortest, max_size=20 if longest is None else longest)
    raise TypeError(kind)


def _instances(kind: ComplexType) -> st.SearchStrategy[Any]:
    cls = kind.cls
    if cls is None:
        (part,) = kind.parts
        return st.one_of(st.none(), _alternatives(part))
    fields: dict[str, st.SearchStrategy[Any]] = {}
    choices: list[st.SearchStrategy[dict[str, Any]]] = []
    for part in kind.parts:
        if part.refused:
            continue
        if part.kind == "choice":
            choices.append(_branches(part))
            continue
        strategy = _alternatives(part)
        if part.repeats:
            most = MANY if part.most is None else min(part.most, MANY)
            strategy = st.lists(strategy, min_size=part.fewest, max_size=most).map(tuple)
        elif not part.fewest:
            strategy = st.none() | strategy
        fields[str(next(a.field for a in part.alternatives if a.field))] = strategy
    parts = st.tuples(st.fixed_dictionaries(fields), *choices)
    return parts.map(lambda values: cls(**{name: value for part in values for name, value in part.items()}))


def _branches(part: Part) -> st.SearchStrategy[dict[str, Any]]:
    absent = [] if part.fewest else [st.just({})]
    return st.one_of(*absent, *(st.fixed_dictionaries({str(a.field): _of(a.type)}) for a in part.alternatives))


def _alternatives(part: Part) -> st.SearchStrategy[Any]:
    return st.one_of([_of(a.type) for a in part.alternatives if a.type is not None])
