"""One request and its answer: a flaw may change the request, the answer is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from secc.conversation import Conversation, Effect
from secc.iso2.messages import (
    Body,
    ChargeProgress,
    EVSENotification,
    MessageHeader,
    PowerDeliveryReq,
    ResponseCode,
    SessionSetupReq,
    V2G_Message,
)

from ..speaker import Speaker
from ..vocabulary import StationRefused, StationWrong
from ..wallet import Wallet
from .timing import message_timeout

R = TypeVar("R", bound=Body)

NO_SESSION: Final = bytes(8)
BEFORE_POWER: Final = (
    "ServiceDiscovery",
    "PaymentServiceSelection",
    "PaymentDetails",
    "Authorization",
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
    status_code: str = ""
    residual_current: bool = False


class Exchange:
    """The car's side of one session."""

    def __init__(self, speaker: Speaker, wallet: Wallet | None) -> None:
        self.speaker = speaker
        self.party, self.behaviour = speaker.party, speaker.behaviour
        self.do, self.announce, self.settle = speaker.do, speaker.announce, speaker.settle
        self.rest, self.draw, self.show_progress = speaker.rest, speaker.draw, speaker.show_progress
        self.wallet = wallet
        self.session_id = NO_SESSION
        self.wishes = Wishes()
        self.renegotiated = False
        self.joined = False
        """True if the station let the car join its paused session."""
        self.tuple_id = 0
        """The SAScheduleTupleID that the car chose."""
        self.departs_at = self.behaviour.remembered.departs_at if self.behaviour.remembered is not None else None
        self.asked_departure: int | None = None
        """DepartureTime of the last request for schedules."""

    # Sending

    @property
    def departure(self) -> int | None:
        """DepartureTime: the seconds that are left; also after a pause. [V2G2-742]"""
        seconds = self.behaviour.departure_seconds
        if seconds is None:
            return None
        if self.departs_at is None:
            self.departs_at = self.party.now + seconds
        return max(0, int(self.departs_at - self.party.now))

    def say(self, body: Body, *, signed: bool = False) -> None:
        """Send a request; ``signed`` asks for a signature of the body by the contract's key."""
        if self.speaker.flaw is not None:
            body = self.speaker.flaw.before_signing(body)
        signature = None
        # A flaw may have replaced the body by one without an Id.
        if signed and self.wallet is not None and getattr(body, "id", None) is not None:
            signature = self.wallet.sign(body)
        session_id = self.session_id
        if isinstance(body, SessionSetupReq) and self.behaviour.remembered is not None:
            session_id = self.behaviour.remembered.session_id
        header = MessageHeader(session_id=session_id, signature=signature)
        self.speaker.send(V2G_Message(header=header, body=body))

    # Receiving

    def ask(self, body: Body, answer: type[R], *, signed: bool = False, then: Effect | None = None) -> Conversation[R]:
        """Send a request. Returns its answer, checked: kind, session, response code. ``then`` is
        performed when the request has left.

        Raises StationRefused for a code that ends the session, StationWrong for a wrong answer,
        TimedOut without one, LeaveEarly if this car stops instead.
        """
        self.stay_for(body)
        self.say(body, signed=signed)
        if then is not None:
            self.do(then)
        name = _name(body)
        heard = yield from self.party.receive(Body, within=self.behaviour.patient(message_timeout(name)))
        code: ResponseCode | None = getattr(heard, "response_code", None)
        if code is None:
            raise StationWrong("no-answer", "[V2G2-538]", f"{type(heard).__name__} is not a response")
        if code.value.startswith("FAILED"):
            raise StationRefused(code, "[V2G2-735]", type(heard).__name__)
        if not isinstance(heard, answer):
            raise StationWrong("other-answer", "[V2G2-538]", f"{type(heard).__name__} in answer to {name}Req")
        self._check_session(heard)
        self._note_wishes(heard)
        return heard

    def stay_for(self, body: Body) -> None:
        """Raises LeaveEarly if this car sends SessionStopReq instead of the request."""
        name = _name(body)
        ends = isinstance(body, PowerDeliveryReq) and body.charge_progress is not ChargeProgress.START
        self.speaker.stay_for(name, may_leave=name in BEFORE_POWER and not ends)

    def _check_session(self, heard: Body) -> None:
        request = self.party.request
        header = request.header if request is not None else None
        if not isinstance(header, MessageHeader):
            raise StationWrong("no-header", "[V2G2-460]")
        if self.session_id == NO_SESSION:
            self.session_id = header.session_id
        if header.session_id != self.session_id:
            raise StationWrong("session-id-changed", "[V2G2-460]", type(heard).__name__)

    def _note_wishes(self, heard: Body) -> None:
        for name in ("dc_evse_status", "ac_evse_status", "evse_status"):
            status = getattr(heard, name, None)
            if status is not None:
                self.wishes.notification = status.evse_notification
                self.wishes.status_code = str(getattr(status, "evse_status_code", ""))
                self.wishes.residual_current = bool(getattr(status, "rcd", False))


def _name(body: Body) -> str:
    return type(body).__name__.removesuffix("Req")
