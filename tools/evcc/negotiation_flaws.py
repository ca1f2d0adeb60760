"""The flaws of a car before any protocol is agreed on: one function each, whose docstring says what
is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from secc.session.supported_app_protocol import AppProtocol, SupportedAppProtocolReq

from .flaw import RawPayload, Register

FLAWS: Final = Register()


def only(namespace: str, major: int) -> SupportedAppProtocolReq:
    """Returns a list with this protocol alone."""
    entry = AppProtocol(
        protocol_namespace=namespace, version_number_major=major, version_number_minor=0, schema_id=1, priority=1
    )
    return SupportedAppProtocolReq(app_protocol=(entry,))


@FLAWS.message_flaw(SupportedAppProtocolReq)
def foreign_protocol(request: SupportedAppProtocolReq) -> Iterable[object]:
    """The car speaks only a protocol that no station knows."""
    yield only("urn:example:other:MsgDef", 2)


@FLAWS.message_flaw(SupportedAppProtocolReq)
def draft_protocol(request: SupportedAppProtocolReq) -> Iterable[object]:
    """The car speaks only the draft of 2010 of the standard."""
    yield only("urn:iso:15118:2:2010:MsgDef", 1)


@FLAWS.message_flaw(SupportedAppProtocolReq)
def other_major(request: SupportedAppProtocolReq) -> Iterable[object]:
    """The major versions of the car's protocols do not exist."""
    entries = (replace(entry, version_number_major=entry.version_number_major + 1) for entry in request.app_protocol)
    yield SupportedAppProtocolReq(app_protocol=tuple(entries))


@FLAWS.message_flaw(SupportedAppProtocolReq)
def garbage_first(request: SupportedAppProtocolReq) -> Iterable[object]:
    """The first message is not EXI."""
    yield RawPayload(bytes.fromhex("8fffffffffffffff"))
