"""A session and its messages as octets: what the driver holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from secc.conversation import Cause, Received, Requests, Send, Session
from secc.errors import DecodeError, Refusal
from secc.iso2 import refusals
from secc.iso2.conversation import conversation
from secc.iso2.facets import FACETS, broken_facet
from secc.iso2.messages import (
    BODY_ELEMENTS,
    SCHEMA,
    AuthorizationReq,
    Body,
    ChargingStatusReq,
    ChargingStatusRes,
    CurrentDemandReq,
    CurrentDemandRes,
    MessageHeader,
    MeteringReceiptReq,
    PowerDeliveryReq,
    PowerDeliveryRes,
    SessionSetupReq,
    V2G_Message,
)
from secc.iso2.session_state import SessionState
from secc.session.effects import OpenContactor
from secc.session.offer import Offer, Surroundings

STREAM: Final = 0x8001
"""The V2GTP payload type of every message of ISO 15118-2."""


PAYLOAD_LIMIT: Final = 8192
"""Octets of a request. The largest that the XSD makes sense of is CertificateUpdateReq: five certificates of 800 octets, twenty roots with the names
of their issuers, a signature; some 7 KiB. Nothing larger comes later in a session either. (A-EXI-11)"""

ITEMS: Final = 128
"""Items of lists in a request, over all passes: CertificateUpdateReq has 32, in each of three, of which the first may be taken twice. (A-EXI-11)"""

LOOP_REQUESTS: Final = (CurrentDemandReq, ChargingStatusReq, PowerDeliveryReq)
LOOP_RESPONSES: Final = (CurrentDemandRes, ChargingStatusRes, PowerDeliveryRes)
"""The messages that come while the contactor is closed."""

SIGNED: Final = (AuthorizationReq, MeteringReceiptReq)
"""The requests whose signature is verified."""


def warm() -> None:
    """Compiles the codec and reads the facets of the loop's messages, so that its first answer is as quick as the others."""
    SCHEMA.warm(reads=(V2G_Message, *LOOP_REQUESTS), writes=(V2G_Message, *LOOP_RESPONSES))
    FACETS.warm(*LOOP_REQUESTS)


def warm_rest() -> Iterator[None]:
    """Compiles the codec of every other message, a type a step; and the readers that find what a signature covers."""
    for cls in BODY_ELEMENTS:
        if cls.__name__.endswith("Req"):
            SCHEMA.warm(reads=(cls,))
            FACETS.warm(cls)
        else:
            SCHEMA.warm(writes=(cls,))
        yield
    for cls in SIGNED:
        SCHEMA.warm(spans=(V2G_Message, cls))
        yield


class Dialogue:
    """One session of ISO 15118-2. Messages are body elements; their header stands beside them in ``Received``."""

    streams: frozenset[int] = frozenset({STREAM})
    payload_limit = PAYLOAD_LIMIT

    def __init__(self, offer: Offer, surroundings: Surroundings) -> None:
        self._state = state = SessionState(offer)
        self.session = Session(
            lambda secc: conversation(secc, state),
            requests=Requests(
                self._refuse,
                refusals.SEQUENCE_ERROR,
                admit=self._admit,
                check=broken_facet,
                streams=(STREAM,),
                batch=surroundings.batch,
            ),
            safe=(OpenContactor(),),
            now=surroundings.now,
            entropy=surroundings.entropy,
            wall=surroundings.wall,
            tickets=surroundings.tickets,
        )

    @property
    def session_id(self) -> bytes:
        """What stands in the header of every response; zeros until SessionSetup has chosen it."""
        return self._state.session_id

    def decode(self, payload_type: int, octets: bytes) -> Received:
        """Raises DecodeError."""
        message = SCHEMA.decode(octets, items=ITEMS)
        if message.body is None:
            raise DecodeError("a message with an empty Body")
        return Received(payload_type, message.body, message.header, octets)

    def decode_at_once(self, payload_type: int, octets: bytes) -> Received | None:
        """The message, where reading it takes next to no time; None: ``decode`` has to look at it."""
        message = SCHEMA.decode_at_once(octets)
        if message is None or message.body is None:
            return None
        return Received(payload_type, message.body, message.header, octets)

    def encode(self, send: Send) -> tuple[int, bytes]:
        """The body with our header around it."""
        header = MessageHeader(session_id=self._state.session_id)
        return STREAM, SCHEMA.encode(V2G_Message(header=header, body=send.message))

    def _admit(self, received: Received) -> Refusal | None:
        """The SessionID, before the order of messages (D3). SessionSetupReq brings what it likes. [V2G2-460]"""
        state = self._state
        if not state.established or isinstance(received.message, SessionSetupReq):
            return None
        return None if received.header.session_id == state.session_id else refusals.UNKNOWN_SESSION

    def _refuse(self, request: Any, cause: Cause) -> Body | None:
        return refusals.answer(request, cause, self._state, self.session.levels)
