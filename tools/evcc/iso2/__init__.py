"""ISO 15118-2 as this car speaks it: its conversation, and what it may do wrong."""

from __future__ import annotations

from typing import Any, Final

from secc.errors import DecodeError
from secc.iso2.messages import SCHEMA, V2G_Message

from ..negotiation import CarProtocol
from .conversation import conversation
from .flaws import FLAWS


def _read(octets: bytes) -> tuple[Any, Any]:
    message = SCHEMA.decode(octets)
    if not isinstance(message, V2G_Message) or message.body is None:
        raise DecodeError("a message without a body")
    return message.body, message.header


ISO2: Final = CarProtocol(
    "ISO 15118-2", "urn:iso:15118:2:2013:MsgDef", 2, 0, 10, conversation, _read, SCHEMA.encode, FLAWS
)
