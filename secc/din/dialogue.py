"""The ``Dialogue`` of DIN SPEC 70121: a session, and its messages as octets."""

from __future__ import annotations

from typing import Any, Final

from secc.conversation import Received, Requests
from secc.din import messages as m
from secc.din import refusals
from secc.din.conversation import conversation
from secc.din.facets import FACETS, broken_facet
from secc.din.messages import SCHEMA
from secc.din.session_state import SessionState
from secc.errors import Refusal
from secc.session.dialogue import Dialogue, unwrapped
from secc.session.effects import OpenContactor
from secc.session.offer import Offer, Surroundings
from secc.session.warming import Warming, responses

STREAM: Final = 0x8001
"""The V2GTP payload type of every message of DIN SPEC 70121."""

PAYLOAD_LIMIT: Final = 8192
"""Octets of a request. The largest one that a session serves is PowerDeliveryReq, some 1.5 KiB with
the longest profile; those of certificates, which are read to be refused, have five certificates of
1200 octets. (A-EXI-11)
"""

ITEMS: Final = 512
"""List items in a request, over all passes: a charging profile has up to 128 in each of three, and
the first pass may run twice. (A-EXI-11)
"""

RESPONSES: Final = responses(m.BODY_ELEMENTS)
"""The response type of each request type."""

LOOP_REQUESTS: Final = (m.CurrentDemandReq, m.PowerDeliveryReq)
"""The requests that come while the contactor is closed."""

WARMING: Final = Warming(SCHEMA, m.V2G_Message, FACETS, RESPONSES, loop=LOOP_REQUESTS)
warm: Final = WARMING.warm
warm_rest: Final = WARMING.warm_rest
prepare: Final = WARMING.prepare


def open_dialogue(offer: Offer, surroundings: Surroundings) -> Dialogue:
    """One session of DIN SPEC 70121. Messages are body elements; ``Received`` has the header beside
    them.
    """
    state = SessionState(offer)

    def admit(received: Received) -> Refusal | None:
        """Check the SessionID before the order of messages. SessionSetupReq may bring any.
        [V2G-DC-390] [V2G-DC-391]
        """
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

    return Dialogue(
        session, {STREAM: SCHEMA}, PAYLOAD_LIMIT, ITEMS, unwrapped, wrap, prepare, quick=(m.CurrentDemandRes,)
    )


def read(payload_type: int, octets: bytes) -> tuple[Any, Any]:
    """A message of the car or of ours again, for a trace: body and header. Raises DecodeError."""
    return unwrapped(SCHEMA.decode(octets))
