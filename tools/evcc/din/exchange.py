"""One request of DIN SPEC 70121 and its answer: a flaw may change the request, the answer is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from secc.conversation import Conversation
from secc.din.messages import (
    Body,
    DC_EVSEStatusCode,
    EVSENotification,
    MessageHeader,
    PowerDeliveryReq,
    ResponseCode,
    V2G_Message,
)

from ..speaker import Speaker
from ..vocabulary import StationRefused, StationWrong
from .timing import message_timeout

R = TypeVar("R", bound=Body)

NO_SESSION: Final = bytes(8)

BEFORE_POWER: Final = (
    "ServiceDiscovery",
    "ServicePaymentSelection",
    "ContractAuthentication",
    "ChargeParameterDiscovery",
    "CableCheck",
    "PreCharge",
    "PowerDelivery",
)
"""Instead of the first of each of these a car may send SessionStopReq. Once power flows, it
switches off in order first.
"""


@dataclass(slots=True)
class Wishes:
    """Requests in the station's last answers."""

    notification: EVSENotification = EVSENotification.NONE
    status_code: DC_EVSEStatusCode | None = None


class Exchange:
    """The car's side of one session."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self.party, self.behaviour = speaker.party, speaker.behaviour
        self.do, self.announce, self.settle = speaker.do, speaker.announce, speaker.settle
        self.rest, self.draw, self.show_progress = speaker.rest, speaker.draw, speaker.show_progress
        self.session_id = NO_SESSION
        self.wishes = Wishes()

    def ask(self, body: Body, answer: type[R]) -> Conversation[R]:
        """Send a request. Returns its answer, checked: kind, session, response code.

        Raises StationRefused for a code that ends the session, StationWrong for a wrong answer,
        TimedOut without one, LeaveEarly if this car stops instead.
        """
        self.stay_for(body)
        if self.speaker.flaw is not None:
            body = self.speaker.flaw.before_signing(body)
        self.speaker.send(V2G_Message(header=MessageHeader(session_id=self.session_id), body=body))
        name = _name(body)
        heard = yield from self.party.receive(Body, within=self.behaviour.patient(message_timeout(name)))
        code: ResponseCode | None = getattr(heard, "response_code", None)
        if code is None:
            raise StationWrong("no-answer", "reference: DIN", f"{type(heard).__name__} is not a response")
        if code.value.startswith("FAILED"):
            raise StationRefused(code, "[V2G-DC-665]", type(heard).__name__)
        if not isinstance(heard, answer):
            raise StationWrong("other-answer", "reference: DIN", f"{type(heard).__name__} in answer to {name}Req")
        self._check_session(heard)
        self._note_wishes(heard)
        return heard

    def stay_for(self, body: Body) -> None:
        """Raises LeaveEarly if this car sends SessionStopReq instead of the request."""
        name = _name(body)
        ends = isinstance(body, PowerDeliveryReq) and not body.ready_to_charge_state
        self.speaker.stay_for(name, may_leave=name in BEFORE_POWER and not ends)

    def _check_session(self, heard: Body) -> None:
        request = self.party.request
        header = request.header if request is not None else None
        if not isinstance(header, MessageHeader):
            raise StationWrong("no-header", "[V2G-DC-390]")
        if self.session_id == NO_SESSION:
            self.session_id = header.session_id
        if header.session_id != self.session_id:
            raise StationWrong("session-id-changed", "[V2G-DC-390]", type(heard).__name__)

    def _note_wishes(self, heard: Body) -> None:
        parameter = getattr(heard, "evse_charge_parameter", None)
        for status in (
            getattr(heard, "dc_evse_status", None),
            getattr(heard, "evse_status", None),
            getattr(parameter, "dc_evse_status", None),
        ):
            if status is not None:
                self.wishes.notification = status.evse_notification
                self.wishes.status_code = getattr(status, "evse_status_code", None)


def _name(body: Body) -> str:
    return type(body).__name__.removesuffix("Req")
