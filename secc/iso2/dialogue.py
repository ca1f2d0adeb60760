"""A session of ISO 15118-2 and its messages as octets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

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

_BODIES: Final[dict[str, type[Any]]] = {cls.__name__: cls for cls in m.BODY_ELEMENTS}
RESPONSES: Final = {cls: _BODIES[f"{name[:-3]}Res"] for name, cls in _BODIES.items() if name.endswith("Req")}
"""By request: the body element that answers it."""

LOOP_REQUESTS: Final = (m.CurrentDemandReq, m.ChargingStatusReq, m.PowerDeliveryReq)
"""The requests that come while the contactor is closed."""

SIGNED: Final = (m.AuthorizationReq, m.MeteringReceiptReq)
"""The requests whose signature is verified."""


def warm() -> None:
    """Compiles the codec and reads the facets of the loop's messages, so that its first answer is as quick as the others."""
    SCHEMA.warm(reads=(m.V2G_Message,), writes=(m.V2G_Message,))
    for request in LOOP_REQUESTS:
        prepare(request)


def warm_rest() -> Iterator[None]:
    """The same for every other message, a request with its response a step."""
    for request in RESPONSES:
        prepare(request)
        yield


def prepare(request: type[Any]) -> None:
    """Compiles what it takes to answer requests of this type, and last what reads them: what is read on the event loop is answered there
    without compiling anything."""
    response = RESPONSES.get(request)
    if response is None:
        return
    SCHEMA.warm(writes=(response,))
    FACETS.warm(request)
    if request in SIGNED:
        SCHEMA.warm(spans=(m.V2G_Message, request))
    SCHEMA.warm(reads=(request,))


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

    return Dialogue(session, {STREAM: SCHEMA}, PAYLOAD_LIMIT, ITEMS, _unwrap, wrap, prepare)


def _unwrap(message: m.V2G_Message) -> tuple[m.Body, m.MessageHeader]:
    if message.body is None:
        raise DecodeError("a message with an empty Body")
    return message.body, message.header
