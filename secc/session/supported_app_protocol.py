"""SupportedAppProtocol: messages that choose the protocol (urn:iso:15118:2:2010:AppProtocol).

The messages keep the XSD's names with a capital: the wire says ``supportedAppProtocolReq``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final

from frozen import dataclass
from secc.exi import Message, Schema
from secc.exi.declarations import Occurs, UnsignedByte, UnsignedInt, Uri
from secc.exi.fragments import Vocabulary

SchemaId = Annotated[int, UnsignedByte()]
VersionNumber = Annotated[int, UnsignedInt()]


class ResponseCode(StrEnum):
    """The station's answer to the list of protocols; not a response code of a protocol."""

    OK_SUCCESSFUL_NEGOTIATION = "OK_SuccessfulNegotiation"
    OK_SUCCESSFUL_NEGOTIATION_WITH_MINOR_DEVIATION = "OK_SuccessfulNegotiationWithMinorDeviation"
    FAILED_NO_NEGOTIATION = "Failed_NoNegotiation"


@dataclass(frozen=True, slots=True, kw_only=True)
class AppProtocol:
    """A protocol of the car; ``priority`` 1 is preferred, the answer names it by ``schema_id``."""

    protocol_namespace: Annotated[str, Uri(100)]
    version_number_major: VersionNumber
    version_number_minor: VersionNumber
    schema_id: SchemaId
    priority: Annotated[int, UnsignedByte(1, 20)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportedAppProtocolReq(Message):
    """EVCC -> SECC: the car's protocols, at most 20."""

    element: ClassVar[str] = "supportedAppProtocolReq"

    app_protocol: Annotated[tuple[AppProtocol, ...], Occurs(1, 20)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportedAppProtocolRes(Message):
    """SECC -> EVCC: the protocol chosen, by the car's ``schema_id``; none when negotiation failed."""

    element: ClassVar[str] = "supportedAppProtocolRes"

    response_code: ResponseCode
    schema_id: SchemaId | None = None


GLOBALS: Final = ("supportedAppProtocolReq", "supportedAppProtocolRes")
"""All global elements, in the order of their codes."""

LOCALS: Final = (
    "AppProtocol",
    "Priority",
    "ProtocolNamespace",
    "ResponseCode",
    "SchemaID",
    "VersionNumberMajor",
    "VersionNumberMinor",
)
"""All local elements."""

SCHEMA: Schema[SupportedAppProtocolReq | SupportedAppProtocolRes] = Schema(
    "sap",
    roots=(SupportedAppProtocolReq, SupportedAppProtocolRes),
    globals_=GLOBALS,
    vocabulary=Vocabulary(tuple(sorted(GLOBALS + LOCALS))),
)
"""The codec of SupportedAppProtocol."""
