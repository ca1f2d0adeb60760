"""What a recorded session of DIN SPEC 70121 says about everything outside of today's session: time,
random numbers, calendar, the driver, the power path, what was measured, and what was offered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from secc.conversation import Effect, Event, Levels, Wall
from secc.din import messages as m
from secc.din import protocol
from secc.session.effects import CableChecked, CheckCable, OpenContactor, PowerReported, StartPower, StopPower
from secc.session.events import EimDecided, EmergencyStopped, Fault, LimitChanged, StopRequested
from secc.session.offer import DcLimits, Offer, Payment, Transfer

from .exchanges import Exchange
from .setting import Replayable, Setting
from .told import AS_RECORDED, UNKNOWN_DATE, Told, stamped
from .values import measured, quantity, status_of

WATTS_APART: Final = 0.5
"""Limits that are nearer to each other are the same, said with other numbers."""

POWERED: Final = {"CableCheckReq", "PreChargeReq", "PowerDeliveryReq", "CurrentDemandReq"}
"""Requests that the car sends with its pilot in C."""

ISOLATION: Final[dict[m.IsolationLevel | None, Literal["invalid", "valid", "warning", "fault", "no_imd"]]] = {
    m.IsolationLevel.WARNING: "warning",
    m.IsolationLevel.FAULT: "fault",
}
"""The results of an insulation test; ``valid`` where the recorded station did not say, or said
Invalid and went on.
"""

NO_EVSE_ID: Final = b"\0"


class DinSayings:
    """``Sayings`` of DIN SPEC 70121."""

    def __init__(self, exchanges: Sequence[Exchange], offer: Offer, setting: Setting) -> None:
        self.offer = offer
        self._exchanges = exchanges
        told = Told(exchanges, _drawn)
        self.exchanged, self._say = told.exchanged, told.say
        self.draw, self.addressed = told.draw, told.addressed
        stamp = stamped(exchanges, "date_time_now")
        self._at = setting.at or stamp or UNKNOWN_DATE
        if setting.at is not None or stamp is None:
            said = "any: no answer of the recording has a time" if setting.at is None else "as given"
            self._say(f"calendar: {self._at:%Y-%m-%d %H:%M} UTC, {said}")
        self._most = (offer.dc or DcLimits()).maximum_watts
        self._watts = self._most
        self._notified: m.EVSENotification | None = None
        self._closed = False
        self._measured = (0.0, 0.0)
        self._known = -1

    def before(self, number: int, *, settled: bool) -> Sequence[Event]:
        if number <= self._known:
            return ()
        self._known = number
        exchange = self._exchanges[number]
        self._measured = measured(exchange, self._measured)
        return (*_decided(exchange, settled), *self._limited(exchange), *self._notifications(exchange))

    def _limited(self, exchange: Exchange) -> Iterator[Event]:
        """Another limit than in the answers before. PMax is none: stations mean several things by it."""
        if not isinstance(exchange.body, m.CurrentDemandRes):
            return
        watts = quantity(exchange.body.evse_maximum_power_limit)
        if watts is not None and abs(min(watts, self._most) - self._watts) > WATTS_APART:
            self._watts = min(watts, self._most)
            yield LimitChanged(watts)

    def _notifications(self, exchange: Exchange) -> Iterator[Event]:
        """What the recorded station asked of the car, which it does not do by itself. A station that
        tells of its own trouble and goes on with OK leaves the end to the car.
        """
        status = status_of(exchange.body)
        notified = getattr(status, "evse_notification", None)
        if notified is not None and notified is not self._notified:
            self._notified = notified
            if notified is m.EVSENotification.STOP_CHARGING:
                yield StopRequested("operator")
        match None if exchange.well else getattr(status, "evse_status_code", None):
            case m.DC_EVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN:
                yield EmergencyStopped()
            case m.DC_EVSEStatusCode.EVSE_MALFUNCTION:
                yield Fault("recorded", "EVSE_Malfunction in the recording")

    def levels(self, number: int, now: float) -> Levels:
        volts, amperes = self._measured
        return Levels(
            pilot="C" if self._exchanges[number].name in POWERED else "B",
            contactor="closed" if self._closed else "open",
            volts=volts,
            amperes=amperes,
            measured_at=now,
        )

    def wall(self) -> Wall:
        return Wall(self._at, trusted=True)

    def perform(self, effect: Effect) -> None:
        if isinstance(effect, OpenContactor):
            self._closed = False

    def answer(self, number: int, question: Any, *, settled: bool) -> Any:
        exchange = self._exchanges[number]
        match question:
            case CheckCable():
                return self._cable(exchange) if settled or exchange.name != "CableCheckReq" else None
            case StartPower():
                self._closed = self._closed or exchange.well
                return PowerReported(exchange.well, "" if exchange.well else AS_RECORDED)
            case StopPower():
                # No answer tells how the current fell.
                self._closed, self._measured = False, (self._measured[0], 0.0)
                return PowerReported(exchange.well, "" if exchange.well else AS_RECORDED)
        self._say(f"{type(question).__name__}: not answered, the recording does not say")
        return None

    def _cable(self, exchange: Exchange) -> CableChecked:
        self._closed = exchange.well
        isolation = getattr(status_of(exchange.body), "evse_isolation_status", None)
        return CableChecked(exchange.well, ISOLATION.get(isolation, "valid"), "" if exchange.well else AS_RECORDED)


def recorded_offer(exchanges: Sequence[Exchange], *, tls: bool, strict: bool, paused: object | None) -> Offer:
    """Returns the offer of one session. What its answers do not say stays as in ``Offer``."""
    # What is refused has fillers only.
    bodies = [exchange.body for exchange in exchanges if exchange.well]
    setup = next((body for body in bodies if isinstance(body, m.SessionSetupRes)), None)
    services = next((body for body in bodies if isinstance(body, m.ServiceDiscoveryRes)), None)
    said = (body.evse_charge_parameter for body in bodies if isinstance(body, m.ChargeParameterDiscoveryRes))
    limits = next((each for each in said if isinstance(each, m.DC_EVSEChargeParameter)), None)
    return Offer(
        evse_id=_evse_id(setup),
        transfers=(Transfer.DC,),
        ac=None,
        dc=DcLimits() if limits is None else _dc(limits),
        payments=(Payment.EXTERNAL,),
        free=services is not None and services.charge_service.free_service,
        tls=tls,
        paused=paused,
        tolerances=frozenset({"Q-33"} if setup is not None and setup.evse_id == NO_EVSE_ID else ()),
        strict=strict,
    )


def _evse_id(setup: m.SessionSetupRes | None) -> str:
    if setup is None or not setup.evse_id.isascii() or not (text := setup.evse_id.decode("ascii")).isprintable():
        return Offer().evse_id
    return text


def _dc(limits: m.DC_EVSEChargeParameter) -> DcLimits:
    standard = DcLimits()

    def said(value: m.PhysicalValue | None, otherwise: float) -> float:
        found = quantity(value)
        return otherwise if found is None else found

    return DcLimits(
        minimum_volts=said(limits.evse_minimum_voltage_limit, standard.minimum_volts),
        maximum_volts=said(limits.evse_maximum_voltage_limit, standard.maximum_volts),
        minimum_amperes=said(limits.evse_minimum_current_limit, standard.minimum_amperes),
        maximum_amperes=said(limits.evse_maximum_current_limit, standard.maximum_amperes),
        maximum_watts=said(limits.evse_maximum_power_limit, standard.maximum_watts),
        ripple_amperes=said(limits.evse_peak_current_ripple, standard.ripple_amperes),
    )


def _decided(exchange: Exchange, settled: bool) -> Iterator[Event]:
    """The driver was identified."""
    if exchange.name == "ContractAuthenticationReq" and exchange.well and settled:
        yield EimDecided(accepted=True, by="operator")


def _drawn(exchange: Exchange) -> bytes:
    """Returns the random number in a recorded answer."""
    return bytes(exchange.header.session_id) if isinstance(exchange.body, m.SessionSetupRes) else b""


DIN: Final = Replayable(protocol, lambda sessions: False, recorded_offer, DinSayings)
