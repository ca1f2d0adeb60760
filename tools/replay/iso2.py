"""What a recorded session of ISO 15118-2 says about everything outside of today's session: time,
random numbers, calendar, trust, the driver, the power path, and what was measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from certs.certificates import Edition, parse_certificate
from certs.chain import Anchors, verify_chain
from certs.contract import verify_contract_chain
from certs.errors import ChainRejected
from certs.profile import OEM_PROVISIONING_2
from secc.conversation import Effect, Event, Levels, Wall
from secc.errors import SignatureRejected
from secc.iso2 import messages as m
from secc.iso2 import protocol
from secc.iso2.refusals import DECISIONS
from secc.session.effects import (
    AuthorizeContract,
    CableChecked,
    CheckCable,
    Decision,
    OemCertificate,
    OpenContactor,
    PowerReported,
    ProvisionContract,
    ProvisioningRefused,
    StartPower,
    StopPower,
    ValidateContract,
    ValidateOemCertificate,
    Verdict,
)
from secc.session.events import EimDecided, EmergencyStopped, Fault, LimitChanged, RenegotiationRequested, StopRequested
from secc.session.offer import Offer
from secc.session.receipts import BookReceipt, ReceiptBooked, ReceiptRejected, ReceiptUnbooked
from secc.session.schedules import PlanCharging, Planned
from secc.station.shared.trust import decision_of

from .exchanges import Exchange
from .iso2_offer import offered_contract, recorded_offer
from .iso2_schedules import meter_info, p_max, planned, recorded_schedules
from .setting import Replayable, Setting
from .told import AS_RECORDED, UNKNOWN_DATE, Told, stamped
from .values import measured, quantity, status_of

WATTS_APART: Final = 0.5
"""Limits that are nearer to each other are the same, said with other numbers."""

POWERED: Final = {"CableCheckReq", "PreChargeReq", "CurrentDemandReq", "ChargingStatusReq", "MeteringReceiptReq"}
"""Requests that the car sends with its pilot in C."""

ISOLATION: Final[dict[m.IsolationLevel | None, Literal["invalid", "valid", "warning", "fault", "no_imd"]]] = {
    m.IsolationLevel.INVALID: "invalid",
    m.IsolationLevel.WARNING: "warning",
    m.IsolationLevel.FAULT: "fault",
    m.IsolationLevel.NO_IMD: "no_imd",
}
"""The results of an insulation test; ``valid`` where the recording does not say."""

_DECISION: Final = {code: decision for decision, (code, _) in reversed(DECISIONS.items())}


class Iso2Sayings:
    """``Sayings`` of ISO 15118-2."""

    def __init__(self, exchanges: Sequence[Exchange], offer: Offer, setting: Setting) -> None:
        self.offer = offer
        self._exchanges, self._provision = exchanges, setting.provision
        told = Told(exchanges, _drawn)
        self.exchanged, self._say = told.exchanged, told.say
        self.draw, self.addressed = told.draw, told.addressed
        self._at, said = (setting.at, "as given") if setting.at is not None else _date(exchanges)
        if said:
            self._say(f"calendar: {self._at:%Y-%m-%d %H:%M} UTC, {said}")
        modes = {getattr(each.asked, "requested_energy_transfer_mode", None) for each in exchanges}
        single = m.EnergyTransferMode.AC_SINGLE_PHASE_CORE in modes
        self._phases = 1 if offer.ac is None or single else offer.ac.phases
        self._most = self._watts_of(offer.ac.maximum_amperes) if offer.ac is not None else 0.0
        if offer.dc is not None:
            self._most = offer.dc.maximum_watts
        self._watts = self._most if offer.watts_limit is None else min(offer.watts_limit, self._most)
        self._eim = not any(each.name == "PaymentDetailsReq" for each in exchanges)
        self._notified: m.EVSENotification | None = None
        self._closed = self._charging = False
        self._measured = (0.0, 0.0)
        self._known = -1

    # Before a request

    def before(self, number: int, *, settled: bool) -> Sequence[Event]:
        if number <= self._known:
            return ()
        self._known = number
        exchange = self._exchanges[number]
        self._measured = measured(exchange, self._measured)
        request = exchange.name
        if request == "PowerDeliveryReq":
            self._charging = True
        elif request not in POWERED:
            self._charging = self._charging and request == "ChargeParameterDiscoveryReq"
        return (*self._decided(exchange, settled), *self._limited(exchange), *self._notifications(exchange))

    def _decided(self, exchange: Exchange, settled: bool) -> Iterator[Event]:
        """The driver was identified from outside of the car."""
        if self._eim and exchange.name == "AuthorizationReq" and exchange.well and settled:
            yield EimDecided(accepted=True, by="operator")

    def _limited(self, exchange: Exchange) -> Iterator[Event]:
        """Another limit than in the answers before."""
        # A schedule of a backend holds beside the limit.
        watts = None if planned(exchange) else p_max(exchange)
        match exchange.body:
            case m.CurrentDemandRes(evse_maximum_power_limit=limit):
                watts = quantity(limit)
            case m.ChargingStatusRes(evse_max_current=limit):
                amperes = quantity(limit)
                watts = None if amperes is None else self._watts_of(amperes)
        if watts is not None and abs(min(watts, self._most) - self._watts) > WATTS_APART:
            self._watts = min(watts, self._most)
            yield LimitChanged(watts)

    def _watts_of(self, amperes: float) -> float:
        ac = self.offer.ac
        return 0.0 if ac is None else amperes * ac.volts * self._phases

    def _notifications(self, exchange: Exchange) -> Iterator[Event]:
        """What the recorded station asked of the car, which it does not do by itself."""
        status = status_of(exchange.body)
        notified = getattr(status, "evse_notification", None)
        if notified is not None and notified is not self._notified:
            self._notified = notified
            if notified is m.EVSENotification.STOP_CHARGING:
                # The status of AC has no code for an emergency.
                yield StopRequested("operator") if exchange.well else EmergencyStopped()
            elif notified is m.EVSENotification.RE_NEGOTIATION:
                yield RenegotiationRequested()
        match getattr(status, "evse_status_code", None):
            case m.DC_EVSEStatusCode.EVSE_EMERGENCY_SHUTDOWN:
                yield EmergencyStopped()
            case m.DC_EVSEStatusCode.EVSE_MALFUNCTION:
                yield Fault("recorded", "EVSE_Malfunction in the recording")

    # Levels, time

    def levels(self, number: int, now: float) -> Levels:
        exchange = self._exchanges[number]
        info = meter_info(exchange)
        reading = None if info is None else info.meter_reading
        volts, amperes = self._measured
        return Levels(
            pilot="C" if exchange.name in POWERED or self._charging else "B",
            contactor="closed" if self._closed else "open",
            volts=volts,
            amperes=amperes,
            measured_at=now,
            watt_hours=float(reading or 0),
            metered_at=float("-inf") if reading is None else now,
            meter_record=None if info is None else info.sig_meter_reading,
        )

    def wall(self) -> Wall:
        return Wall(self._at, trusted=True)

    # Questions

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
            case StopPower(keep_contactor=keep):
                self._closed = self._closed and keep
                self._charging = self._charging and keep
                return PowerReported(exchange.well, "" if exchange.well else AS_RECORDED)
            case ValidateContract():
                return self._validated(exchange, question)
            case AuthorizeContract():
                if exchange.name == "PaymentDetailsReq":
                    return None
                if exchange.name == "AuthorizationReq":
                    return _verdict(exchange) if settled else None
                return Verdict(Decision.ACCEPTED, AS_RECORDED)
            case ValidateOemCertificate():
                return self._oem_certificate(question)
            case ProvisionContract():
                return self._provisioned(exchange, question)
            case BookReceipt():
                return _receipt(exchange, question)
            case PlanCharging():
                found = recorded_schedules(exchange)
                return question.accept(found) if found is not None else Planned(None) if settled else None
        self._say(f"{type(question).__name__}: not answered, the recording does not say")
        return None

    def _cable(self, exchange: Exchange) -> CableChecked:
        self._closed = exchange.well
        isolation = getattr(status_of(exchange.body), "evse_isolation_status", None)
        return CableChecked(exchange.well, ISOLATION.get(isolation, "valid"), "" if exchange.well else AS_RECORDED)

    def _validated(self, exchange: Exchange, question: ValidateContract) -> Any:
        """The chain by today's rules, but for its root, which a recording does not have."""
        self._say("trust: the recording lacks the root of the contract; the recorded station's word counts for it")
        try:
            contract = verify_contract_chain(
                question.chain, Anchors(), self._at, claimed=question.emaid, central_validation=True
            )
        except ChainRejected as error:
            return Verdict(decision_of(error.flaw), f"{error.flaw.value} ({error.subject})")
        return contract if exchange.well else _verdict(exchange)

    def _oem_certificate(self, question: ValidateOemCertificate) -> OemCertificate | Verdict:
        try:
            verify_chain((question.der,), OEM_PROVISIONING_2, Anchors(), self._at, unanchored_allowed=True)
        except ChainRejected as error:
            return Verdict(decision_of(error.flaw), f"{error.flaw.value} ({error.subject})")
        return OemCertificate(question.der, anchored=False)

    def _provisioned(self, exchange: Exchange, question: ProvisionContract) -> Any:
        recorded = exchange.answer.octets if exchange.answer is not None else b""
        answer = self._provision(question, recorded)
        return answer if isinstance(answer, ProvisioningRefused) else question.accept(answer)


def _drawn(exchange: Exchange) -> bytes:
    """Returns the random number in a recorded answer."""
    if isinstance(exchange.body, m.SessionSetupRes):
        return bytes(exchange.header.session_id)
    return exchange.body.gen_challenge if isinstance(exchange.body, m.PaymentDetailsRes) else b""


def _receipt(exchange: Exchange, question: BookReceipt) -> ReceiptBooked | ReceiptRejected | ReceiptUnbooked:
    try:
        receipt = question.check()
    except SignatureRejected as rejected:
        return ReceiptRejected(rejected.flaw, rejected.detail)
    return ReceiptBooked(receipt.quirk) if exchange.well else ReceiptUnbooked(AS_RECORDED)


def _verdict(exchange: Exchange) -> Verdict:
    if exchange.well:
        return Verdict(Decision.ACCEPTED, AS_RECORDED)
    return Verdict(_DECISION.get(exchange.body.response_code, Decision.REJECTED), AS_RECORDED)


def _date(exchanges: Sequence[Exchange]) -> tuple[datetime, str]:
    """Returns the date of the recording, and where it is from if no answer tells it."""
    if (found := stamped(exchanges, "evse_time_stamp")) is not None:
        return found, ""
    begins = [date for exchange in exchanges for date in _begins(exchange)]
    if begins:
        return max(begins), "when the newest certificate of the recording began to be valid: no answer has a time"
    return UNKNOWN_DATE, "any: neither an answer nor a certificate of the recording has a time"


def _begins(exchange: Exchange) -> Iterator[datetime]:
    """Yields when the certificates of an exchange began to be valid."""
    for body in (exchange.asked, exchange.body):
        for chain in (
            getattr(body, "contract_signature_cert_chain", None),
            getattr(body, "sa_provisioning_certificate_chain", None),
        ):
            if chain is not None:
                subs = chain.sub_certificates.certificate if chain.sub_certificates is not None else ()
                yield from _valid_from((chain.certificate, *subs))
        if isinstance(body, m.CertificateInstallationReq):
            yield from _valid_from((body.oem_provisioning_cert,))


def _valid_from(ders: Sequence[bytes]) -> Iterator[datetime]:
    for der in ders:
        try:
            yield parse_certificate(der, Edition.ISO2, "recorded").not_before
        except ChainRejected:
            continue


ISO2: Final = Replayable(protocol, offered_contract, recorded_offer, Iso2Sayings)
