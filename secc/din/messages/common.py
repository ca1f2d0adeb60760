"""What all messages of DIN SPEC 70121 share."""

from __future__ import annotations

from typing import Annotated

from frozen import dataclass
from secc.din.messages.enumerations import ResponseCode, UnitSymbol
from secc.exi import Message
from secc.exi import declarations as xs

Id = Annotated[str, xs.IdentifierReference(), xs.Attribute(), xs.Named("Id")]
SessionId = Annotated[bytes, xs.Hex(8)]
EvseId = Annotated[bytes, xs.Hex(32)]
SaId = Annotated[int, xs.Short()]
Multiplier = Annotated[int, xs.Byte(-3, 3)]
Seconds = Annotated[int, xs.UnsignedInt()]
Watts = Annotated[int, xs.Short()]
Timestamp = Annotated[int, xs.Long()]
"""Seconds since 1970-01-01T00:00Z."""


class Body(Message):
    """Base of all body elements."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Body):
    """Base of all responses."""

    response_code: ResponseCode


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalValue:
    """``value`` times ten to the ``multiplier``, in ``unit``, or in the field's own unit without one."""

    multiplier: Multiplier
    unit: UnitSymbol | None = None
    value: Annotated[int, xs.Short()]
