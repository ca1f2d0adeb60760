"""SupportedAppProtocol: the car lists its protocols, the station chooses. [V2G2-167] [V2G2-169]
[V2G2-172]

:func:`choose` is the rule; :func:`open_negotiation` makes the first exchange of a connection, a
session on the core. When it has ended, its ``result`` is the protocol to open on the same
connection; None: close the connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from frozen import dataclass
from secc.conversation import Cause, Conversation, Party, Requests, Timeout
from secc.errors import DecodeError, Refusal
from secc.session.dialogue import Dialogue
from secc.session.effects import Remark
from secc.session.offer import Surroundings
from secc.session.protocol import Transport, V2gProtocol
from secc.session.supported_app_protocol import (
    SCHEMA,
    AppProtocol,
    ResponseCode,
    SupportedAppProtocolReq,
    SupportedAppProtocolRes,
)

PAYLOAD_TYPE: Final = 0x8001
"""The V2GTP payload type of SupportedAppProtocol."""

PAYLOAD_LIMIT: Final = 4096
"""Octets of a request: twenty entries with namespaces of a hundred characters take 2.3 KiB."""

ITEMS: Final = 80
"""Entries over all passes: the XSD allows twenty in each of three passes, and the first may run
twice. (A-EXI-11)
"""

SEQUENCE: Final = Timeout("V2G_SECC_Sequence_Timeout", 60.0, "[V2G2-443]", since_reply=True)

_NO_NEGOTIATION: Final = Refusal(ResponseCode.FAILED_NO_NEGOTIATION, "[V2G2-172]")


@dataclass(frozen=True, slots=True)
class Chosen:
    """Result of a negotiation: the protocol, and the car's entry for it."""

    protocol: V2gProtocol
    entry: AppProtocol

    @property
    def response(self) -> SupportedAppProtocolRes:
        """Returns the answer, with the car's SchemaID, which may be any. (Q-29)"""
        same = self.entry.version_number_minor == self.protocol.minor
        code = (
            ResponseCode.OK_SUCCESSFUL_NEGOTIATION
            if same
            else ResponseCode.OK_SUCCESSFUL_NEGOTIATION_WITH_MINOR_DEVIATION
        )
        return SupportedAppProtocolRes(response_code=code, schema_id=self.entry.schema_id)


def choose(
    request: SupportedAppProtocolReq, protocols: Iterable[V2gProtocol], *, transport: Transport
) -> Chosen | None:
    """Returns the car's preferred protocol among the station's on this transport; None if there is
    none.

    Namespace and major version have to match. The smallest priority wins, among equal ones the
    first entry. Priorities outside 1..20 come after all others, in their order. Protocols that do
    not run on ``transport`` are not available. [V2G20-2356]
    """
    spoken = {(p.namespace, p.major): p for p in protocols if transport in p.transports}
    entries = [e for e in request.app_protocol if (e.protocol_namespace, e.version_number_major) in spoken]
    if not entries:
        return None
    best = _preferred(entries)
    return Chosen(spoken[best.protocol_namespace, best.version_number_major], best)


def _preferred(entries: Iterable[AppProtocol]) -> AppProtocol:
    return min(entries, key=lambda entry: (not 1 <= entry.priority <= 20, entry.priority))


def _vendors(entry: AppProtocol) -> bool:
    """Whether an entry is a protocol of a maker of cars. (Q-28)"""
    return not entry.protocol_namespace.startswith(("urn:iso:", "urn:din:"))


def negotiation(secc: Party, protocols: Iterable[V2gProtocol], *, transport: Transport) -> Conversation[V2gProtocol]:
    """The first exchange of a connection."""
    request = yield from secc.receive(SupportedAppProtocolReq, within=SEQUENCE)
    chosen = choose(request, protocols, transport=transport)
    if chosen is None:
        raise Refusal(_NO_NEGOTIATION.code, _NO_NEGOTIATION.clause, "nothing that we speak on this transport")
    if (preferred := _preferred(request.app_protocol)) is not chosen.entry and _vendors(preferred):
        # A decoded namespace may be longer than the XSD allows.
        secc.do(Remark("Q-28", f"the car prefers {preferred.protocol_namespace[:100]!r}, which is passed over"))
    secc.reply(chosen.response)
    return chosen.protocol


def repeated(payload_type: int, octets: bytes) -> bool:
    """Whether octets that the agreed protocol cannot read are a second SupportedAppProtocolReq,
    which no state allows. Not for the event loop.
    """
    try:
        message = SCHEMA.decode(octets, items=ITEMS) if payload_type == PAYLOAD_TYPE else None
    except DecodeError:
        return False
    return isinstance(message, SupportedAppProtocolReq)


def warm() -> None:
    """Compile the codec of the first exchange."""
    SCHEMA.warm(reads=(SupportedAppProtocolReq,), writes=(SupportedAppProtocolRes,))


def open_negotiation(protocols: Iterable[V2gProtocol], surroundings: Surroundings, *, transport: Transport) -> Dialogue:
    """The first exchange of a connection; the caller calls ``session.begin(now)``.

    ``session.result`` is the :class:`V2gProtocol` chosen once ``session.ended`` is ``well``. It has
    no safe effects: nothing has been switched on.
    """
    spoken = tuple(protocols)
    session = surroundings.session(
        lambda secc: negotiation(secc, spoken, transport=transport),
        Requests(_refuse, _NO_NEGOTIATION, streams=(PAYLOAD_TYPE,), batch=surroundings.batch),
    )
    return Dialogue(session, {PAYLOAD_TYPE: SCHEMA}, PAYLOAD_LIMIT, ITEMS)


def _refuse(request: Any, cause: Cause) -> SupportedAppProtocolRes | None:
    if isinstance(request, SupportedAppProtocolReq):
        return SupportedAppProtocolRes(response_code=ResponseCode.FAILED_NO_NEGOTIATION)
    return None
