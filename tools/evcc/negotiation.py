"""The first exchange of the car: its protocols in the order of its ranking, and the station's choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from secc.conversation import Conversation, Timeout
from secc.session.supported_app_protocol import (
    AppProtocol,
    ResponseCode,
    SupportedAppProtocolReq,
    SupportedAppProtocolRes,
)

from .battery import Battery
from .flaw import Register
from .speaker import Speaker
from .vocabulary import SpeakProtocol, StationRefused, StationWrong
from .wallet import Wallet

WITHIN: Final = Timeout("V2G_EVCC_Msg_Timeout_supportedAppProtocol", 2.0, "ISO 15118-2, EVCC timing table")


@dataclass(frozen=True, slots=True)
class CarProtocol:
    """A protocol of this car: how it names it to a station, and what it then speaks."""

    title: str
    namespace: str
    major: int
    minor: int
    schema_id: int
    converse: Callable[[Speaker, Battery, Wallet | None], Conversation[str]]
    """One session, after the negotiation. Returns the name of its ending, for the reason code."""
    read: Callable[[bytes], tuple[Any, Any]]
    """Decodes a message of the station: body and header. Raises DecodeError."""
    write: Callable[[Any], bytes]
    """Encodes a message of the car, with its header."""
    flaws: Register
    """What a car may do wrong in it."""

    @property
    def entry(self) -> AppProtocol:
        """Its entry in a list of protocols, at the highest priority."""
        return AppProtocol(
            protocol_namespace=self.namespace,
            version_number_major=self.major,
            version_number_minor=self.minor,
            schema_id=self.schema_id,
            priority=1,
        )


def supported_app_protocol(speaker: Speaker, ranked: Sequence[CarProtocol]) -> Conversation[CarProtocol]:
    """Offer these protocols, the first one preferred. Returns the station's choice. [V2G2-169]"""
    entries = [replace(protocol.entry, priority=rank) for rank, protocol in enumerate(ranked, 1)]
    speaker.send(SupportedAppProtocolReq(app_protocol=tuple(entries)))
    within = speaker.behaviour.patient(WITHIN)
    answer: SupportedAppProtocolRes = yield from speaker.party.receive(SupportedAppProtocolRes, within=within)
    if answer.response_code is ResponseCode.FAILED_NO_NEGOTIATION:
        raise StationRefused(answer.response_code, "[V2G2-172]")
    for protocol in ranked:
        if answer.schema_id == protocol.schema_id:
            speaker.do(SpeakProtocol(protocol.namespace))
            speaker.announce("protocol", f"agreed on {protocol.title}", {"namespace": protocol.namespace})
            return protocol
    raise StationWrong("schema-id-not-ours", "[V2G2-167]", f"{answer.schema_id}")
