"""DIN SPEC 70121 as this car speaks it: its conversation, and what it may do wrong."""

from __future__ import annotations

from typing import Any, Final

from secc.din.messages import SCHEMA
from secc.errors import DecodeError

from ..negotiation import CarProtocol
from .conversation import conversation
from .flaws import FLAWS


def _read(octets: bytes) -> tuple[Any, Any]:
    message = SCHEMA.decode(octets)
    if message.body is None:
        raise DecodeError("a message without a body")
    return message.body, message.header


DIN: Final = CarProtocol(
    "DIN SPEC 70121", "urn:din:70121:2012:MsgDef", 2, 0, 20, conversation, _read, SCHEMA.encode, FLAWS
)
