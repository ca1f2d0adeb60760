"""The car's session with its codec: octets in, octets out, without a socket or a clock."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from secc.conversation import Received, Requests, Send, Session
from secc.errors import DecodeError, Refusal
from secc.link.v2gtp import PayloadType, frame
from secc.session.supported_app_protocol import SCHEMA as SAP
from secc.session.supported_app_protocol import SupportedAppProtocolReq

from .battery import Battery
from .behaviour import Behaviour
from .conversation import conversation
from .flaw import RawOctets, RawPayload
from .negotiation import CarProtocol
from .protocols import PROTOCOLS
from .vocabulary import MoveRelays, SetLoad, SetPilot, SpeakProtocol
from .wallet import Wallet

STREAM: Final = int(PayloadType.EXI)


@dataclass(slots=True)
class Dialogue:
    """One session of the car. ``agreed`` is the protocol after SupportedAppProtocol: pass every
    effect to ``note``.
    """

    session: Session
    battery: Battery
    agreed: CarProtocol | None = field(default=None)

    def decode(self, payload_type: int, octets: bytes) -> Received:
        """Returns the station's message. Raises DecodeError for other octets."""
        if payload_type != STREAM:
            raise DecodeError(f"payload type 0x{payload_type:04X}")
        if self.agreed is None:
            return Received(STREAM, SAP.decode(octets), None, octets)
        return Received(STREAM, *self.agreed.read(octets), octets)

    def encode(self, send: Send) -> bytes:
        """Returns a message of the car as a whole V2GTP frame, or what a flaw sends instead."""
        match send.message:
            case RawOctets(octets):
                return octets
            case RawPayload(octets):
                return frame(PayloadType.EXI, octets)
            case SupportedAppProtocolReq() as request:
                return frame(PayloadType.EXI, SAP.encode(request))
        assert self.agreed is not None
        return frame(PayloadType.EXI, self.agreed.write(send.message))

    def note(self, effect: object) -> None:
        """Take note of an effect that changes the codec."""
        if isinstance(effect, SpeakProtocol):
            self.agreed = next(each for each in PROTOCOLS.values() if each.namespace == effect.namespace)


def drive_in(
    behaviour: Behaviour,
    *,
    battery: Battery | None = None,
    wallet: Wallet | None = None,
    now: float = 0.0,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Dialogue:
    """Returns a car that has just connected; call ``session.begin(now)``. The session does not
    answer a station that speaks out of turn. Raises KeyError for a protocol that this car does not
    have, and for a flaw that none of its protocols has.
    """
    cells = battery if battery is not None else Battery()
    ranked = [PROTOCOLS[name] for name in behaviour.protocols]
    if behaviour.flaw is not None and not any(behaviour.flaw in protocol.flaws for protocol in ranked):
        raise KeyError(behaviour.flaw)
    session = Session(
        lambda party: conversation(party, ranked, behaviour, cells, wallet),
        requests=Requests(
            refuse=lambda request, cause: None,
            out_of_order=Refusal("unexpected-message", "the station only answers"),
            streams=(STREAM,),
        ),
        safe=(SetLoad(0.0), MoveRelays(closed=False), SetPilot("B")),
        now=now,
        entropy=entropy,
    )
    return Dialogue(session, cells)
