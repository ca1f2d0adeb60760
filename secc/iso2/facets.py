"""Which field of a received message breaks a facet of the XSD: a length, a range, a number of entries.

Decoding is lenient there, because the answer to such a message is a response code and not a closed connection; the phases ask before they
look at a message. Two fields are free, as cars in the field need it: the EVCCID (Q-32), and an eMAID with its hyphens (Q-78).
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from secc.errors import Refusal
from secc.exi.declarations import Binary, Occurs, Text, Whole
from secc.iso2.messages import ResponseCode

CODES: Final = {
    ("AuthorizationReq", "gen_challenge"): ResponseCode.FAILED_CHALLENGE_INVALID,
    ("AuthorizationReq", "id"): ResponseCode.FAILED_SIGNATURE_ERROR,
    ("PaymentDetailsReq", "contract_signature_cert_chain"): ResponseCode.FAILED_CERT_CHAIN_ERROR,
    ("ChargeParameterDiscoveryReq", "ev_charge_parameter"): ResponseCode.FAILED_WRONG_CHARGE_PARAMETER,
    ("PowerDeliveryReq", "sa_schedule_tuple_id"): ResponseCode.FAILED_TARIFF_SELECTION_INVALID,
    ("PowerDeliveryReq", "charging_profile"): ResponseCode.FAILED_CHARGING_PROFILE_INVALID,
    ("PaymentServiceSelectionReq", "selected_service_list"): ResponseCode.FAILED_SERVICE_SELECTION_INVALID,
}
"""What the car hears, by request and field; FAILED for all others."""

_FREE: Final = frozenset({("SessionSetupReq", "evcc_id"), ("PaymentDetailsReq", "emaid")})

_Check = Callable[[Any], bool]


def broken_facet(message: Any) -> str | None:
    """The dotted path of the first field that breaks a facet, None if all hold."""
    cls: Any = type(message)
    for name, check, nested, many in _fields(cls):
        value = getattr(message, name)
        if value is None:
            continue
        if check is not None and not check(value):
            return name
        if nested:
            for item in value if many else (value,):
                inner = broken_facet(item)
                if inner is not None:
                    return f"{name}.{inner}"
    return None


def warm(*types: type) -> None:
    """Reads the declarations of these types, and of all that they hold, ahead of time."""
    for cls in types:
        for _, _, nested, _ in _fields(cls):
            warm(*nested)


def refuse_broken_facet(request: Any) -> None:
    """Raises the refusal of a request with a field outside its facets: such numbers never get near the power path. (A-EXI-06)"""
    path = broken_facet(request)
    if path is not None:
        code = CODES.get((type(request).__name__, path.partition(".")[0]), ResponseCode.FAILED)
        raise Refusal(code, "XSD", f"{path} is outside its facets")


@functools.cache
def _fields(cls: Any) -> tuple[tuple[str, _Check | None, tuple[type, ...], bool], ...]:
    """For each field worth looking at: name, check of its facets, the declared types that it may hold, whether it is a list."""
    hints = get_type_hints(cls, include_extras=True)
    found = []
    for field in dataclasses.fields(cls):
        metadata, leaves, many = _unfold(hints[field.name])
        check = None if (cls.__name__, field.name) in _FREE else _check(metadata, many)
        nested = tuple(leaf for leaf in leaves if isinstance(leaf, type) and dataclasses.is_dataclass(leaf))
        if check is not None or nested:
            found.append((field.name, check, nested, many))
    return tuple(found)


def _unfold(hint: Any) -> tuple[list[Any], list[Any], bool]:
    """What is written beside a type hint, the types in it, and whether it is a tuple of them."""
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


def _check(metadata: list[Any], many: bool) -> _Check | None:
    checks = [check for check in (_fact_check(fact, many) for fact in metadata) if check is not None]
    if not checks:
        return None
    return checks[0] if len(checks) == 1 else lambda value: all(check(value) for check in checks)


def _fact_check(fact: Any, many: bool) -> _Check | None:
    match fact:
        case Occurs(fewest, most):
            return lambda value: _between(len(value), fewest, most)
        case Text(longest, shortest) | Binary(longest, shortest):
            return _each(many, lambda value: _between(len(value), shortest, longest))
        case Whole(lowest, highest):
            return _each(many, lambda value: _between(value, lowest, highest))
    return None


def _each(many: bool, check: _Check) -> _Check:
    return (lambda values: all(map(check, values))) if many else check


def _between(value: int, lowest: int | None, highest: int | None) -> bool:
    return (lowest is None or lowest <= value) and (highest is None or value <= highest)
