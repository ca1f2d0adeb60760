"""A session of ISO 15118-2 and its messages as octets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from secc.conversation import Received, Requests
from secc.errors import DecodeError, Refusal
from secc.iso2 import messages as m
from secc.iso2 import refusals
from secc.iso2.conversation import conversation
from secc.iso2.facets import FACETS, broken_facet
from secc.iso2.messages import SCHEMA
from secc.iso2.session_state import SessionState
from secc.session.dialogue import Dialogue
from secc.session.effects import OpenContactor
from secc.session.offer import Offer, Surroundings

STREAM: Final = 0x8001
"""The V2GTP payload type of every message of ISO 15118-2."""


PAYLOAD_LIMIT: Final = 8192
"""Octets of a request. The largest that the XSD makes sense of is CertificateUpdateReq: five certificates of 800 octets, twenty roots with the names
of their issuers, a signature; some 7 KiB. Nothing larger comes later in a session either. (A-EXI-11)"""

ITEMS: Final = 128
"""Items of lists in a request, over all passes: CertificateUpdateReq has 32, in each of three, of which the first may be taken twice. (A-EXI-11)"""

LOOP_REQUESTS: Final = (m.CurrentDemandReq, m.ChargingStatusReq, m.PowerDeliveryReq)
LOOP_RESPONSES: Final = (m.CurrentDemandRes, m.ChargingStatusRes, m.PowerDeliveryRes)
"""The messages that come while the contactor is closed."""

SIGNED: Final = (m.AuthorizationReq, m.MeteringReceiptReq)
"""The requests whose signature is verified."""


def warm() -> None:
    """Compiles the codec and reads the facets of the loop's messages, so that its first answer is as quick as the others."""
    SCHEMA.warm(reads=(m.V2G_Message, *LOOP_REQUESTS), writes=(m.V2G_Message, *LOOP_RESPONSES))
    FACETS.warm(*LOOP_REQUESTS)


def warm_rest() -> Iterator[None]:
    """Compiles the codec of every other message, a type a step; and the readers that find what a signature covers."""
    for cls in m.BODY_ELEMENTS:
        if cls.__name__.endswith("Req"):
            SCHEMA.warm(reads=(cls,))
            FACETS.warm(cls)
        else:
            SCHEMA.warm(writes=(cls,))
        yield
    for cls in SIGNED:
        SCHEMA.warm(spans=(m.V2G_Message, cls))
        yield


def open_dialogue(offer: Offer, surroundings: Surroundings) -> Dialogue:
    """One session of ISO 15118-2. Messages are body elements; their header stands beside them in ``Received``."""
    state = SessionState(offer)

    def admit(received: Received) -> Refusal | None:
        """The SessionID, before the order of messages (D3). SessionSetupReq brings what it likes. [V2G2-460]"""
        if not state.established or isinstance(received.message, m.SessionSetupReq):
            return None
        return None if received.header.session_id == state.session_id else refusals.UNKNOWN_SESSION

    session = surroundings.session(
        lambda secc: conversation(secc, state),
        Requests(
            lambda request, cause: refusals.answer(request, cause, state, session.levels),
            refusals.SEQUENCE_ERROR,
            admit=admit,
            check=broken_facet,
            streams=(STREAM,),
            batch=surroundings.batch,
        ),
        safe=(OpenContactor(),),
    )

    def wrap(body: m.Body) -> m.V2G_Message:
        return m.V2G_Message(header=m.MessageHeader(session_id=state.session_id), body=body)

    return Dialogue(session, {STREAM: SCHEMA}, PAYLOAD_LIMIT, ITEMS, _unwrap, wrap)


def _unwrap(message: m.V2G_Message) -> tuple[m.Body, m.MessageHeader]:
    if message.body is None:
        raise DecodeError("a message with an empty Body")
    return message.body, message.header
