"""One request and its answer: a flaw may change the request, the answer is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from secc.conversation import Conversation, Effect, Party, Timeout
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
from secc.session.events import StopRequested
from secc.session.supported_app_protocol import SupportedAppProtocolReq, SupportedAppProtocolRes

from .battery import Battery
from .behaviour import Behaviour
from .flaw import Flaw, Outgoing
from .flaws import FLAWS
from .timing import message_timeout
from .vocabulary import Announce, Ended, SetPilot, StationRefused, StationWrong
from .wallet import Wallet

R = TypeVar("R", bound=Body)

NO_SESSION: Final = bytes(8)
SHOWN: Final = 10
"""Most lines of progress. A line for every answer would be ten a second."""

WORTH_SHOWING_AMPERES: Final = 2.5
"""More than the current of precharge: below, charging has not begun."""

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


class LeaveEarly(Exception):
    """The car stops before power flows, or flows again. Raised only within the conversation."""

    def __init__(self, ended: Ended = Ended.EARLY) -> None:
        super().__init__(ended.value)
        self.ended = ended


@dataclass(slots=True)
class Wishes:
    """Requests in the station's last answers."""

    notification: EVSENotification = EVSENotification.NONE
    status_code: str = ""
    residual_current: bool = False


class Exchange:
    """The car's side of one session."""

    def __init__(self, party: Party, behaviour: Behaviour, wallet: Wallet | None) -> None:
        self.party = party
        self.behaviour = behaviour
        self.wallet = wallet
        self.session_id = NO_SESSION
        self.wishes = Wishes()
        self.renegotiated = False
        self.joined = False
        """True if the station let the car join its paused session."""
        self.tuple_id = 0
        """The SAScheduleTupleID that the car chose."""
        self.departs_at = behaviour.remembered.departs_at if behaviour.remembered is not None else None
        self.asked_departure: int | None = None
        """DepartureTime of the last request for schedules."""
        self.leaving = False
        """True once the driver of the car wants to leave."""
        party.hear(StopRequested, by=self._leave)
        self._asked = ""
        self._shown = -1
        self._drawn, self._drawn_since = 0.0, party.now
        self.flaw: Flaw | None = FLAWS[behaviour.flaw] if behaviour.flaw is not None else None

    def _leave(self, event: StopRequested) -> None:
        del event
        self.leaving = True

    # Sending

    def do(self, effect: Effect) -> None:
        """Say an effect, unless a flaw suppresses it."""
        if isinstance(effect, SetPilot) and self.flaw is not None and effect.state in self.flaw.stays_out_of:
            return
        self.party.do(effect)

    @property
    def departure(self) -> int | None:
        """DepartureTime: the seconds that are left; also after a pause. [V2G2-742]"""
        seconds = self.behaviour.departure_seconds
        if seconds is None:
            return None
        if self.departs_at is None:
            self.departs_at = self.party.now + seconds
        return max(0, int(self.departs_at - self.party.now))

    def announce(self, name: str, text: str, facts: Mapping[str, Any] | None = None) -> None:
        """Report a milestone."""
        self.party.do(Announce(name, text, facts or {}))

    def say(self, body: Body, *, signed: bool = False) -> None:
        """Send a request; ``signed`` asks for a signature of the body by the contract's key."""
        if self.flaw is not None:
            body = self.flaw.before_signing(body)
        signature = None
        # A flaw may have replaced the body by one without an Id.
        if signed and self.wallet is not None and getattr(body, "id", None) is not None:
            signature = self.wallet.sign(body)
        session_id = self.session_id
        if isinstance(body, SessionSetupReq) and self.behaviour.remembered is not None:
            session_id = self.behaviour.remembered.session_id
        message = V2G_Message(header=MessageHeader(session_id=session_id, signature=signature), body=body)
        self._send((message,) if self.flaw is None else self.flaw.after_signing(message))

    def say_supported(self, request: SupportedAppProtocolReq) -> None:
        """Send the list of protocols."""
        self._send((request,) if self.flaw is None else self.flaw.after_signing(request))

    def settle(self) -> None:
        """Accept the last answer. The core keeps it open until then: a bad one ends the session at
        once.
        """
        self.party.requests.open = False

    def _send(self, messages: tuple[Outgoing, ...]) -> None:
        self.settle()
        for message in messages:
            self.party.send(message)

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
        """Raises LeaveEarly if this car sends SessionStopReq instead of the request: by its
        behaviour, or because its driver leaves.

        Repeated requests do not count: a step that has begun is completed.
        """
        name, before = _name(body), self._asked
        self._asked = name
        ends = isinstance(body, PowerDeliveryReq) and body.charge_progress is not ChargeProgress.START
        first = name != before and name in BEFORE_POWER and not ends
        if first and (self.leaving or self.behaviour.stop_before == name):
            raise LeaveEarly

    def hear_supported(self) -> Conversation[SupportedAppProtocolRes]:
        """Returns the station's choice of protocol."""
        within = self.behaviour.patient(message_timeout("supportedAppProtocol"))
        answer: SupportedAppProtocolRes = yield from self.party.receive(SupportedAppProtocolRes, within=within)
        return answer

    def rest(self, seconds: float) -> Conversation[None]:
        """Wait."""
        yield from self.party.rest(Timeout("rest", seconds, "the car's own pace"))

    def draw(self, battery: Battery, watts: float) -> None:
        """Charge the battery with this power from now on, after counting the energy since the last
        call.
        """
        battery.take(self._drawn, (self.party.now - self._drawn_since) * self.behaviour.speed)
        self._drawn, self._drawn_since = watts, self.party.now

    def show_progress(self, battery: Battery, volts: float, amperes: float, meter: int | None) -> None:
        """Report progress: at the first answer with current, and after each further tenth."""
        behaviour = self.behaviour
        way = battery.delivered + battery.room(behaviour.target_state_of_charge)
        if behaviour.watt_hours is not None:
            way = min(way, behaviour.watt_hours)
        progress = min(1.0, battery.delivered / way) if way > 0.0 else 1.0
        if amperes < WORTH_SHOWING_AMPERES or int(progress * SHOWN) <= self._shown:
            return
        self._shown = int(progress * SHOWN)
        self.announce(
            "charging",
            f"charging: {volts:.0f} V, {amperes:.1f} A, {battery.delivered / 1000.0:.2f} kWh, "
            f"state of charge {battery.percent} %, {progress:.0%} done",
            {
                "volts": round(volts, 1),
                "amperes": round(amperes, 1),
                "watt_hours": round(battery.delivered, 1),
                "state_of_charge": battery.percent,
                "progress": round(progress, 3),
                "meter_watt_hours": meter,
            },
        )

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
