"""Events, effects and answers as plain JSON values, and back, for traces.

By default personal data is left out: octets are written as hash and length, and so is every text in
a field that names a person or a car. ``personal=True`` writes everything, so that a trace can be
replayed to the octet.

    {"type": "CableChecked", "passed": true, "isolation": "valid", "detail": ""}
    {"type": "Verdict", "decision": {"type": "Decision", "value": "accepted"}, "detail": ""}
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from pathlib import PurePath
from typing import Any

from certs.certificates import Edition
from certs.contract import Contract
from certs.emaid import EMAID
from hal.readings import DcPhase
from secc.conversation import Levels, Ticket, vocabulary
from secc.errors import SeccError
from secc.session import effects, events, identification, offer, receipts, schedules, services
from secc.session.proof import ProvedContract

PERSONAL_FIELDS = frozenset({"emaid", "evcc_id", "evccid", "id_token", "pcid", "value", "mac"})
"""Fields whose text names a person or a car, in any type."""

_DEEPEST = 12
_TYPES: dict[str, Any] = {
    name: cls
    for module in (vocabulary, events, effects, identification, offer, receipts, schedules, services)
    for name, cls in vars(module).items()
    if isinstance(cls, type) and cls.__module__ == module.__name__
} | {cls.__name__: cls for cls in (DcPhase, Edition, Levels, Ticket)}


_NUMBERS = frozenset({bool, int, float})


class TraceBroken(SeccError):
    """A trace, or a value in it, does not have this program's form, or was left out as personal."""


def fingerprint(octets: bytes) -> dict[str, Any]:
    """Returns the hash and length of personal octets."""
    return {"sha256": hashlib.sha256(octets).hexdigest()[:16], "length": len(octets)}


def plain(value: object, *, personal: bool = False) -> Any:
    """Returns ``value`` as JSON. An unknown type is written as its name only, so that no value is
    written by accident.
    """
    return _plain(value, personal, _DEEPEST)


def revive(value: Any, others: Mapping[str, Callable[[dict[str, Any]], Any]] | None = None) -> Any:
    """Returns the value that ``plain`` was given. ``others`` make values that need more than their
    fields (a Contract). Raises :class:`TraceBroken`.
    """
    try:
        return _revive(value, others or {})
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise TraceBroken(f"a value in the trace cannot be read: {error}") from None


def redacted(tree: Any, personal: Collection[str]) -> Any:
    """Returns the tree of a decoded message (``secc.exi.tree``), with values in the ``personal``
    elements as fingerprints.
    """
    return _redacted(tree, personal, hidden=False)


def _redacted(tree: Any, personal: Collection[str], *, hidden: bool) -> Any:
    match tree:
        case {"$hex": str(text)}:
            return fingerprint(bytes.fromhex(text)) if hidden else tree
        case dict():
            # An Id is not personal, and is needed to follow a signature.
            return {
                key: value
                if type(value) in _NUMBERS
                else _redacted(value, personal, hidden=(hidden or key in personal) and key != "@Id")
                for key, value in tree.items()
            }
        case list():
            return [_redacted(item, personal, hidden=hidden) for item in tree]
        case str() if hidden:
            return fingerprint(tree.encode())
    return tree


def _plain(value: object, personal: bool, deep: int) -> Any:
    # First what most values are. An Enum may be a str as well.
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is str:
        return value[:2000]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Enum):
        return {"type": type(value).__name__, "value": value.value}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"type": "float", "value": str(value)}
    if isinstance(value, (str, PurePath)):
        return str(value)[:2000]
    if isinstance(value, (bytes, bytearray)):
        return {"$hex": value.hex()} if personal else fingerprint(bytes(value))
    if isinstance(value, datetime):
        return {"type": "datetime", "value": value.isoformat()}
    if deep <= 0:
        return {"type": type(value).__name__}
    if isinstance(value, Contract):
        return _contract(value, personal)
    if isinstance(value, ProvedContract):
        return {"type": "ProvedContract", "contract": _contract(value.contract, personal)}
    if isinstance(value, EMAID):
        return value.text if personal else value.masked
    if isinstance(value, (tuple, list)):
        return [_plain(entry, personal, deep - 1) for entry in value[:1000]]
    if isinstance(value, (frozenset, set)):
        return {"type": "frozenset", "value": sorted(str(entry) for entry in value)}
    if is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__} | {
            name: _field(name, getattr(value, name), personal or None, shown, deep)
            for name, shown in _fields(type(value))
        }
    return {"type": type(value).__name__}


@cache
def _fields(cls: type[Any]) -> tuple[tuple[str, bool], ...]:
    """Returns the fields of a dataclass, each with whether it is in its class's ``repr``."""
    # The reference of a signature has a field of this name, which V2G leaves out.
    return tuple((field.name, field.repr) for field in fields(cls) if field.name != "type")


def _field(name: str, value: object, personal: bool | None, shown: bool, deep: int) -> Any:
    """A field that is not in its class's ``repr`` is personal as well."""
    if not personal and isinstance(value, str) and value and (name in PERSONAL_FIELDS or not shown):
        return fingerprint(value.encode())
    if not personal and not shown and not isinstance(value, (bool, int, float, bytes, type(None))):
        return {"type": type(value).__name__}
    return _plain(value, bool(personal), deep - 1)


def _contract(contract: Contract, personal: bool) -> dict[str, Any]:
    leaf = contract.chain.leaf
    found: dict[str, Any] = {"type": "Contract", "outcome": contract.outcome.value, **fingerprint(leaf.der)}
    if personal:
        found["emaid"] = contract.emaid.text
        found["chain"] = [{"$hex": certificate.der.hex()} for certificate in (leaf, *contract.chain.sub_cas)]
    return found


def _revive(value: Any, others: Mapping[str, Callable[[dict[str, Any]], Any]]) -> Any:
    if isinstance(value, list):
        return tuple(_revive(entry, others) for entry in value)
    if not isinstance(value, dict):
        return value
    if "$hex" in value:
        return bytes.fromhex(value["$hex"])
    name = value.get("type")
    if not isinstance(name, str):
        raise TraceBroken("personal data was left out of this trace")
    if name in others:
        return others[name](value)
    if name == "float":
        return float(value["value"])
    if name == "frozenset":
        return frozenset(map(str, value["value"]))
    if name == "datetime":
        return datetime.fromisoformat(value["value"])
    cls = _TYPES.get(name)
    if cls is None:
        raise TraceBroken(f"{name} cannot be restored from a trace")
    if issubclass(cls, Enum):
        return cls(value["value"])
    return cls(**{key: _revive(entry, others) for key, entry in value.items() if key != "type"})
