"""A car that speaks ISO 15118-2 line by line, and the outlet around the session, as little of both as a test needs.

Requests and responses go over octets, so every response is one that the schema allows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from certs.contract import Contract, verify_contract_chain
from certs.errors import ChainRejected
from hal.readings import DcPhase
from secc.conversation import Effect, Levels, Received, Send, Wall
from secc.iso2.dialogue import STREAM, open_dialogue
from secc.iso2.messages import (
    SCHEMA,
    AC_EVChargeParameter,
    AuthorizationReq,
    Body,
    CableCheckReq,
    CableCheckRes,
    CertificateChain,
    ChargeParameterDiscoveryReq,
    ChargeProgress,
    ChargingProfile,
    ChargingSession,
    ChargingStatusReq,
    CurrentDemandReq,
    DC_EVChargeParameter,
    DC_EVErrorCode,
    DC_EVPowerDeliveryParameter,
    DC_EVStatus,
    EnergyTransferMode,
    EVSEProcessing,
    MessageHeader,
    PaymentDetailsReq,
    PaymentOption,
    PaymentServiceSelectionReq,
    PhysicalValue,
    PowerDeliveryReq,
    PreChargeReq,
    ResponseCode,
    SelectedService,
    SelectedServiceList,
    ServiceDetailReq,
    ServiceDiscoveryReq,
    SessionSetupReq,
    SessionStopReq,
    SubCertificates,
    UnitSymbol,
    V2G_Message,
    WeldingDetectionReq,
)
from secc.iso2.units import physical
from secc.session.dialogue import Dialogue, Relayed, Signed
from secc.session.effects import (
    AuthorizeContract,
    CableChecked,
    CheckCable,
    Decision,
    OpenContactor,
    PowerReported,
    SetOutput,
    StartPower,
    StopPower,
    ValidateContract,
    Verdict,
)
from secc.session.offer import AcLimits, Offer, Payment, Surroundings, Transfer
from secc.session.signature import P256_SHA256, sign
from secc.station.shared.trust import decision_of
from tests.dialogue import Spoken
from tests.lab_trust import AT, LAB, anchors

METER = "METER-1"
ANSWER_SECONDS = 100.0
"""Longer than any phase may take. A test that goes on behind it would never end."""
EVCCID = bytes.fromhex("001122334455")
EMAID = "DE8AACA2B3C4D5L"

DC_EIM = Offer(evse_id="DE*PNX*E12345", free=True, meter_id=METER)
AC_EIM = replace(DC_EIM, transfers=(Transfer.AC_THREE_PHASE, Transfer.AC_SINGLE_PHASE), ac=AcLimits(), dc=None)
DC_PNC = replace(DC_EIM, free=False, tls=True, payments=(Payment.CONTRACT, Payment.EXTERNAL))
AC_PNC = replace(AC_EIM, free=False, tls=True, payments=(Payment.CONTRACT, Payment.EXTERNAL))

OFFERS = {"dc-eim": DC_EIM, "ac-eim": AC_EIM, "dc-pnc": DC_PNC, "ac-pnc": AC_PNC}


def counting_entropy(seed: int = 0) -> Callable[[int], bytes]:
    """Octets that a test can tell apart: never zero, never twice the same."""
    state = [seed]

    def entropy(count: int) -> bytes:
        state[0] += 1
        return bytes((0xE0 + state[0] & 0xFF, *(state[0] * 7 + i & 0xFF for i in range(1, count))))

    return entropy


def wall() -> Wall:
    return Wall(AT, trusted=True)


@functools.cache
def contract() -> Contract:
    return verify_contract_chain(LAB.contract.ders, anchors(), AT)


def validated(question: ValidateContract) -> Contract | Verdict:
    """What a trust room with the lab's roots says."""
    try:
        return verify_contract_chain(question.chain, anchors(), AT, claimed=question.emaid)
    except ChainRejected as rejected:
        return Verdict(decision_of(rejected.flaw), rejected.flaw.value)


def chain(ders: list[bytes] | None = None) -> CertificateChain:
    leaf, *others = ders or LAB.contract.ders
    subs = SubCertificates(certificate=tuple(others)) if others else None
    return CertificateChain(id="id1", certificate=leaf, sub_certificates=subs)


# --- requests -----------------------------------------------------------------------------------------------------------


def volts(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.V)


def amperes(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.A)


def watts(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.W)


def ev_status(error: DC_EVErrorCode = DC_EVErrorCode.NO_ERROR) -> DC_EVStatus:
    return DC_EVStatus(ev_ready=True, ev_error_code=error, ev_ress_soc=42)


def selection(option: PaymentOption, *services: int) -> PaymentServiceSelectionReq:
    selected = tuple(SelectedService(service_id=service) for service in services or (1,))
    return PaymentServiceSelectionReq(
        selected_payment_option=option, selected_service_list=SelectedServiceList(selected_service=selected)
    )


def dc_parameters(**changes: Any) -> ChargeParameterDiscoveryReq:
    parameter = DC_EVChargeParameter(
        dc_ev_status=ev_status(),
        ev_maximum_current_limit=amperes(125.0),
        ev_maximum_power_limit=watts(50_000.0),
        ev_maximum_voltage_limit=volts(450.0),
    )
    return ChargeParameterDiscoveryReq(
        requested_energy_transfer_mode=EnergyTransferMode.DC_EXTENDED, ev_charge_parameter=replace(parameter, **changes)
    )


def ac_parameters(
    mode: EnergyTransferMode = EnergyTransferMode.AC_THREE_PHASE_CORE, **changes: Any
) -> ChargeParameterDiscoveryReq:
    parameter = AC_EVChargeParameter(
        e_amount=physical(20_000.0, UnitSymbol.WH),
        ev_max_voltage=volts(400.0),
        ev_max_current=amperes(32.0),
        ev_min_current=amperes(6.0),
    )
    return ChargeParameterDiscoveryReq(
        requested_energy_transfer_mode=mode, ev_charge_parameter=replace(parameter, **changes)
    )


def precharge(target: float = 380.0, current: float = 1.0) -> PreChargeReq:
    return PreChargeReq(dc_ev_status=ev_status(), ev_target_voltage=volts(target), ev_target_current=amperes(current))


def current_demand(target: float = 400.0, current: float = 50.0, **changes: Any) -> CurrentDemandReq:
    request = CurrentDemandReq(
        dc_ev_status=ev_status(),
        ev_target_current=amperes(current),
        charging_complete=False,
        ev_target_voltage=volts(target),
    )
    return replace(request, **changes)


def delivery(progress: ChargeProgress, profile: ChargingProfile | None = None, **changes: Any) -> PowerDeliveryReq:
    return replace(
        PowerDeliveryReq(charge_progress=progress, sa_schedule_tuple_id=1, charging_profile=profile), **changes
    )


def dc_delivery(progress: ChargeProgress, error: DC_EVErrorCode = DC_EVErrorCode.NO_ERROR) -> PowerDeliveryReq:
    parameter = DC_EVPowerDeliveryParameter(dc_ev_status=ev_status(error), charging_complete=False)
    return delivery(progress, ev_power_delivery_parameter=parameter)


START, STOP, RENEGOTIATE = ChargeProgress.START, ChargeProgress.STOP, ChargeProgress.RENEGOTIATE
TERMINATE = SessionStopReq(charging_session=ChargingSession.TERMINATE)


def given_id(station: Dialogue) -> bytes:
    """The SessionID in the header of what the station says now; zeros until SessionSetup has chosen one."""
    header: MessageHeader = station.wrap(None).header
    return header.session_id


# --- the car --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Heard:
    """A response with the header it came in, and how many virtual seconds it took."""

    body: Any
    header: MessageHeader
    seconds: float


class Car(Spoken):
    """Speaks to one session of the station, and moves the pilot as a car does (unless ``follows`` is off)."""

    def __init__(
        self, offer: Offer = DC_EIM, *, entropy: Callable[[int], bytes] | None = None, now: float = 100.0
    ) -> None:
        surroundings = Surroundings(now=now, entropy=entropy or counting_entropy(), wall=wall)
        self.station = open_dialogue(offer, surroundings)
        self.offer = offer
        self.follows = True
        self.session_id = b"\x00"
        self.challenge = b""
        self.told: list[str] = []
        """The requests so far, as the steps name them."""
        self.heard: list[Heard] = []
        self.outbox: list[tuple[float, Send]] = []
        super().__init__(self.station.session, now=now, levels=Levels(pilot="B", contactor="open", watt_hours=12_345.6))
        self.answers |= {
            CheckCable: CableChecked(True, "valid"),
            StartPower: PowerReported(True),
            StopPower: PowerReported(True),
            ValidateContract: validated,
            AuthorizeContract: Verdict(Decision.ACCEPTED),
        }

    # The outlet's physics

    def performed(self, effect: Effect) -> None:
        match effect:
            case Send():
                self.outbox.append((self.now, effect))
            case SetOutput(volts=target, amperes=current, phase=phase):
                flowing = current if phase is DcPhase.CHARGE else 0.0
                self.levels = replace(self.levels, volts=target, amperes=flowing, contactor="closed")
            case OpenContactor():
                self.levels = replace(self.levels, volts=0.0, amperes=0.0, contactor="open")

    @property
    def pilot(self) -> str:
        return self.levels.pilot

    @pilot.setter
    def pilot(self, state: Any) -> None:
        self.levels = replace(self.levels, pilot=state)

    # Speaking

    def tells(self, body: Body, *, session_id: bytes | None = None, signature: Any = None, raw: bool = False) -> None:
        """Says a request, and waits for nothing. ``raw`` hands it over as decoded, for content that no encoder writes."""
        progress = f"({body.charge_progress.value})" if isinstance(body, PowerDeliveryReq) else ""
        self.told.append(type(body).__name__.removesuffix("Req") + progress)
        header = MessageHeader(session_id=self.session_id if session_id is None else session_id, signature=signature)
        if raw:
            received = Received(STREAM, body, header)
        else:
            octets = SCHEMA.encode(V2G_Message(header=header, body=body))
            received = self.station.decode(STREAM, octets)
        self._follow(body, before=True)
        self.hear(received)

    def says(self, body: Body, **how: Any) -> Any:
        """Says a request and returns the body of the response, however long it takes; None if none ever comes."""
        begun = self.now
        count = len(self.outbox)
        self.tells(body, **how)
        while len(self.outbox) == count and self.ended is None and self.next_deadline():
            assert self.now < begun + ANSWER_SECONDS, f"no answer to {type(body).__name__}, and no end"
        if len(self.outbox) == count:
            return None
        moment, send = self.outbox[count]
        payload_type, octets = self.station.encode(send)
        assert payload_type == STREAM
        message = SCHEMA.decode(octets)
        if isinstance(send.message, Relayed):
            assert octets == send.message.octets, "what another party signed leaves as it came"
        else:
            said = send.message.body if isinstance(send.message, Signed) else send.message
            assert message.body == said, "what is decoded is what was said"
        if not how.get("session_id"):
            self.session_id = message.header.session_id
        self.heard.append(Heard(message.body, message.header, moment - begun))
        self._follow(body, before=False)
        return message.body

    def polls(self, body: Body, *, every: float, within: float) -> Any:
        """Says a request again and again, as long as the answer is OK; the first answer that is not.

        Fails if none comes within so many virtual seconds, for a station that never gives up would be asked for ever.
        """
        limit = self.now + within
        while (answer := self.says(body)).response_code is ResponseCode.OK:
            processing = getattr(answer, "evse_processing", None)
            assert processing is not EVSEProcessing.FINISHED, f"{type(answer).__name__} is Finished"
            assert self.now < limit, f"after {within:g} s the station still says {type(answer).__name__} OK"
            self.wait(every)
        return answer

    def _follow(self, body: Body, *, before: bool) -> None:
        if not self.follows:
            return
        match body:
            case CableCheckReq() if before:
                self.pilot = "C"
            case PowerDeliveryReq(charge_progress=ChargeProgress.START) if before:
                self.pilot = "C"
            case PowerDeliveryReq(charge_progress=ChargeProgress.STOP):
                # AC: with the request; DC: after the response.
                if before is not self.offer.is_dc:
                    self.pilot = "B"

    # A good run

    def signed_authorization(self, **changes: Any) -> Any:
        """The signed AuthorizationReq, and the station's answer."""
        request = replace(AuthorizationReq(id="id1", gen_challenge=self.challenge), **changes)
        return self.says(request, signature=sign(request, LAB.contract.leaf.key, SCHEMA, P256_SHA256))  # type: ignore[arg-type]

    def drive(self, until: str | None = None) -> Car:
        """A good run, up to the message named (not included), or to the end."""
        for name, step in self._steps():
            if name == until:
                return self
            body = step()
            if body is None or not str(body.response_code).startswith("OK"):
                raise AssertionError(f"{name}: {body}, {self.ended}")
        assert until is None, f"no step {until}"
        return self

    def drive_on(self, until: str) -> Car:
        """The rest of a good run, from where the car is up to the message named (not included)."""
        for name, step in self._steps():
            if name == until:
                return self
            if name not in self.told:
                body = step()
                assert str(body.response_code).startswith("OK"), f"{name}: {body}, {self.ended}"
        raise AssertionError(f"no step {until}")

    def finish(self, after: str) -> Car:
        """The rest of a good run behind the message named."""
        behind = False
        for name, step in self._steps():
            if behind:
                body = step()
                assert body is not None, f"{name}: {self.ended}"
                assert str(body.response_code).startswith("OK"), f"{name}: {body}"
            behind = behind or name == after
        return self

    def _steps(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        contract_first = Payment.CONTRACT in self.offer.payments and self.offer.tls
        dc = self.offer.is_dc
        yield "SessionSetup", lambda: self.says(SessionSetupReq(evcc_id=EVCCID))
        yield "ServiceDiscovery", lambda: self.says(ServiceDiscoveryReq())
        yield "ServiceDetail", lambda: self.says(ServiceDetailReq(service_id=1))
        option = PaymentOption.CONTRACT if contract_first else PaymentOption.EXTERNAL_PAYMENT
        yield "PaymentServiceSelection", lambda: self.says(selection(option))
        if contract_first:
            yield "PaymentDetails", self.payment_details
            yield "Authorization", self.signed_authorization
        else:
            yield "Authorization", lambda: self.says(AuthorizationReq())
        yield "ChargeParameterDiscovery", lambda: self.says(dc_parameters() if dc else ac_parameters())
        yield from self._dc_steps() if dc else self._ac_steps()

    def _dc_steps(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        yield "CableCheck", self.cable_check
        yield "PreCharge", lambda: self.says(precharge())
        yield "PowerDelivery(Start)", lambda: self.says(dc_delivery(START))
        yield "CurrentDemand", lambda: self.says(current_demand())
        yield "PowerDelivery(Stop)", lambda: self.says(dc_delivery(STOP))
        yield "WeldingDetection", lambda: self.says(WeldingDetectionReq(dc_ev_status=ev_status()))
        yield "SessionStop", lambda: self.says(TERMINATE)

    def _ac_steps(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        yield "PowerDelivery(Start)", lambda: self.says(delivery(START))
        yield "ChargingStatus", lambda: self.says(ChargingStatusReq())
        yield "PowerDelivery(Stop)", lambda: self.says(delivery(STOP))
        yield "SessionStop", lambda: self.says(TERMINATE)

    def payment_details(self, **changes: Any) -> Any:
        body = self.says(replace(PaymentDetailsReq(emaid=EMAID, contract_signature_cert_chain=chain()), **changes))
        if body is not None:
            self.challenge = body.gen_challenge
        return body

    def payment_details_raw(self, emaid: str, certificates: CertificateChain | None = None) -> Any:
        """PaymentDetails as no encoder writes it, because the eMAID is longer than the schema says, or the chain is."""
        request = PaymentDetailsReq(emaid=emaid, contract_signature_cert_chain=certificates or chain())
        return self.says(request, raw=True)

    def cable_check(self) -> CableCheckRes:
        limit = self.now + ANSWER_SECONDS
        while True:
            assert self.now < limit, "a cable check without end"
            body = self.says(CableCheckReq(dc_ev_status=ev_status()))
            if body.evse_processing is not EVSEProcessing.ONGOING or self.ended is not None:
                return body  # type: ignore[no-any-return]  # the response to CableCheckReq
            self.wait(0.2)
