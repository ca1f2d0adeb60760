"""A car that speaks DIN SPEC 70121 line by line, and the outlet around the session, as little of both as a test needs.

Requests and responses go over octets, so every response is one that the schema allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hal.readings import DcPhase
from secc.conversation import Effect, Received, Send, Wall
from secc.din.dialogue import STREAM, open_dialogue
from secc.din.messages import (
    SCHEMA,
    Body,
    CableCheckReq,
    CableCheckRes,
    CertificateChain,
    CertificateInstallationReq,
    CertificateUpdateReq,
    ChargeParameterDiscoveryReq,
    ChargingProfile,
    ChargingStatusReq,
    ContractAuthenticationReq,
    CurrentDemandReq,
    DC_EVChargeParameter,
    DC_EVErrorCode,
    DC_EVPowerDeliveryParameter,
    DC_EVStatus,
    EVRequestedEnergyTransferType,
    EVSEProcessing,
    ListOfRootCertificateIDs,
    MessageHeader,
    MeterInfo,
    MeteringReceiptReq,
    PaymentDetailsReq,
    PaymentOption,
    PhysicalValue,
    PowerDeliveryReq,
    PreChargeReq,
    ProfileEntry,
    ResponseCode,
    SelectedService,
    SelectedServiceList,
    ServiceDetailReq,
    ServiceDiscoveryReq,
    ServicePaymentSelectionReq,
    SessionSetupReq,
    SessionStopReq,
    UnitSymbol,
    V2G_Message,
    WeldingDetectionReq,
)
from secc.din.units import physical
from secc.session.effects import (
    CableChecked,
    CheckCable,
    OpenContactor,
    PowerReported,
    SetOutput,
    StartPower,
    StopPower,
)
from secc.session.offer import Offer, Surroundings
from tests.dialogue import LATER, Spoken

AT = datetime(2026, 3, 1, tzinfo=UTC)
ANSWER_SECONDS = 100.0
"""Longer than any phase may take. A test that goes on behind it would never end."""
EVCCID = bytes.fromhex("001122334455")

OFFER = Offer(evse_id="DE*PNX*E12345", free=True, meter_id="METER-1")


def counting_entropy(seed: int = 0) -> Callable[[int], bytes]:
    """Octets that a test can tell apart: never zero, never twice the same."""
    state = [seed]

    def entropy(count: int) -> bytes:
        state[0] += 1
        return bytes((0xE0 + state[0] & 0xFF, *(state[0] * 7 + i & 0xFF for i in range(1, count))))

    return entropy


# --- requests -----------------------------------------------------------------------------------------------------------


def volts(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.V)


def amperes(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.A)


def watts(value: float) -> PhysicalValue:
    return physical(value, UnitSymbol.W)


def without_unit(value: PhysicalValue) -> PhysicalValue:
    return replace(value, unit=None)


def ev_status(error: DC_EVErrorCode = DC_EVErrorCode.NO_ERROR) -> DC_EVStatus:
    return DC_EVStatus(ev_ready=True, ev_error_code=error, ev_ress_soc=42)


def selection(
    option: PaymentOption = PaymentOption.EXTERNAL_PAYMENT, *services: int, parameter_set: int | None = None
) -> ServicePaymentSelectionReq:
    selected = tuple(
        SelectedService(service_id=service, parameter_set_id=parameter_set) for service in services or (1,)
    )
    return ServicePaymentSelectionReq(
        selected_payment_option=option, selected_service_list=SelectedServiceList(selected_service=selected)
    )


def parameters(
    kind: EVRequestedEnergyTransferType = EVRequestedEnergyTransferType.DC_EXTENDED, **changes: Any
) -> ChargeParameterDiscoveryReq:
    parameter = DC_EVChargeParameter(
        dc_ev_status=ev_status(),
        ev_maximum_current_limit=amperes(125.0),
        ev_maximum_power_limit=watts(50_000.0),
        ev_maximum_voltage_limit=volts(450.0),
    )
    return ChargeParameterDiscoveryReq(
        ev_requested_energy_transfer_type=kind, ev_charge_parameter=replace(parameter, **changes)
    )


def precharge(target: float = 380.0, current: float = 1.0) -> PreChargeReq:
    return PreChargeReq(dc_ev_status=ev_status(), ev_target_voltage=volts(target), ev_target_current=amperes(current))


def profile(*entries: tuple[int, int], tuple_id: int = 1) -> ChargingProfile:
    """Entries of seconds and watts."""
    return ChargingProfile(
        sa_schedule_tuple_id=tuple_id,
        profile_entry=tuple(
            ProfileEntry(charging_profile_entry_start=start, charging_profile_entry_max_power=power)
            for start, power in entries
        ),
    )


def delivery(
    ready: bool, plan: ChargingProfile | None = None, error: DC_EVErrorCode = DC_EVErrorCode.NO_ERROR
) -> PowerDeliveryReq:
    return PowerDeliveryReq(
        ready_to_charge_state=ready,
        charging_profile=plan,
        ev_power_delivery_parameter=DC_EVPowerDeliveryParameter(dc_ev_status=ev_status(error), charging_complete=False),
    )


def current_demand(target: float = 400.0, current: float = 50.0, **changes: Any) -> CurrentDemandReq:
    request = CurrentDemandReq(
        dc_ev_status=ev_status(),
        ev_target_current=amperes(current),
        charging_complete=False,
        ev_target_voltage=volts(target),
    )
    return replace(request, **changes)


START, STOP, END = delivery(ready=True), delivery(ready=False), SessionStopReq()
CHAIN = CertificateChain(certificate=b"\x30")
ROOTS = ListOfRootCertificateIDs(root_certificate_id=("CN=root",))

EVERY_REQUEST: dict[str, Body] = {
    "SessionSetup": SessionSetupReq(evcc_id=EVCCID),
    "ServiceDiscovery": ServiceDiscoveryReq(),
    "ServiceDetail": ServiceDetailReq(service_id=1),
    "ServicePaymentSelection": selection(),
    "PaymentDetails": PaymentDetailsReq(contract_id="DE8AACA2B3C4D5", contract_signature_cert_chain=CHAIN),
    "ContractAuthentication": ContractAuthenticationReq(),
    "ChargeParameterDiscovery": parameters(),
    "CableCheck": CableCheckReq(dc_ev_status=ev_status()),
    "PreCharge": precharge(),
    "PowerDelivery(true)": START,
    "PowerDelivery(false)": STOP,
    "CurrentDemand": current_demand(),
    "ChargingStatus": ChargingStatusReq(),
    "WeldingDetection": WeldingDetectionReq(dc_ev_status=ev_status()),
    "SessionStop": END,
    "MeteringReceipt": MeteringReceiptReq(session_id=bytes(8), meter_info=MeterInfo(meter_id="M")),
    "CertificateInstallation": CertificateInstallationReq(
        oem_provisioning_cert=b"\x30", list_of_root_certificate_ids=ROOTS, dh_params=b"\1"
    ),
    "CertificateUpdate": CertificateUpdateReq(
        contract_signature_cert_chain=CHAIN, contract_id="DE8AAC", list_of_root_certificate_ids=ROOTS, dh_params=b"\1"
    ),
}

STATES = (
    "ServiceDiscovery",
    "ServicePaymentSelection",
    "ContractAuthentication",
    "ChargeParameterDiscovery",
    "CableCheck",
    "PreCharge",
    "PowerDelivery(true)",
    "CurrentDemand",
    "PowerDelivery(false)",
    "WeldingDetection",
    "SessionStop",
)
"""Every state after SessionSetup, by the message that is due."""

LEGAL = {
    "PowerDelivery(true)": {"PowerDelivery(false)", "PreCharge"},
    "PowerDelivery(false)": {"PowerDelivery(true)", "CurrentDemand"},
    "WeldingDetection": {"SessionStop"},
    "SessionStop": {"WeldingDetection"},
}
"""Beside the message that is due, the others that the state table accepts (refused for other reasons, if at all)."""


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
        self, offer: Offer = OFFER, *, entropy: Callable[[int], bytes] | None = None, now: float = 100.0
    ) -> None:
        surroundings = Surroundings(now=now, entropy=entropy or counting_entropy(), wall=lambda: Wall(AT, trusted=True))
        self.station = open_dialogue(offer, surroundings)
        self.offer = offer
        self.follows = True
        self.session_id = b"\x00"
        self.told: list[str] = []
        """The requests so far, as the steps name them."""
        self.heard: list[Heard] = []
        self.outbox: list[tuple[float, Send]] = []
        super().__init__(self.station.session, now=now)
        self.answers |= {
            CheckCable: CableChecked(True, "valid"),
            StartPower: PowerReported(True),
            StopPower: self._switched_off,
        }

    # The outlet's physics

    def _switched_off(self, question: StopPower) -> PowerReported:
        self.levels = replace(self.levels, amperes=0.0, contactor="open")
        return PowerReported(True)

    def keeps(self, amperes: float) -> None:
        """A supply that keeps delivering this, whatever it is asked."""
        self.answers[StopPower] = LATER
        self.levels = replace(self.levels, amperes=amperes)

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

    def tells(self, body: Body, *, session_id: bytes | None = None, raw: bool = False) -> None:
        """Says a request, and waits for nothing. ``raw`` hands it over as decoded, for content that no encoder writes."""
        ready = f"({str(body.ready_to_charge_state).lower()})" if isinstance(body, PowerDeliveryReq) else ""
        self.told.append(type(body).__name__.removesuffix("Req") + ready)
        header = MessageHeader(session_id=self.session_id if session_id is None else session_id)
        if raw:
            received = Received(STREAM, body, header)
        else:
            received = self.station.decode(STREAM, SCHEMA.encode(V2G_Message(header=header, body=body)))
        self._follow(body, before=True)
        self.hear(received)

    def says(self, body: Body, **how: Any) -> Any:
        """Says a request and returns the body of the response, however long it takes; None if none ever comes."""
        begun, count = self.now, len(self.outbox)
        self.tells(body, **how)
        while len(self.outbox) == count and self.ended is None and self.next_deadline():
            assert self.now < begun + ANSWER_SECONDS, f"no answer to {type(body).__name__}, and no end"
        if len(self.outbox) == count:
            return None
        moment, send = self.outbox[count]
        payload_type, octets = self.station.encode(send)
        assert payload_type == STREAM
        message = SCHEMA.decode(octets)
        assert message.body == send.message, "what is decoded is what was said"
        if not how.get("session_id"):
            self.session_id = message.header.session_id
        self.heard.append(Heard(message.body, message.header, moment - begun))
        self._follow(body, before=False)
        return message.body

    def polls(self, body: Body, *, every: float, within: float) -> Any:
        """Says a request again and again, as long as the answer is OK; the first answer that is not."""
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
            case PowerDeliveryReq(ready_to_charge_state=False) if not before:
                self.pilot = "B"

    # A good run

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

    def _steps(self) -> Iterator[tuple[str, Callable[[], Any]]]:
        for name in ("SessionSetup", "ServiceDiscovery", "ServicePaymentSelection", "ContractAuthentication"):
            yield name, lambda name=name: self.says(EVERY_REQUEST[name])  # type: ignore[misc]  # mypy has no type for the default
        yield "ChargeParameterDiscovery", lambda: self.says(parameters())
        yield "CableCheck", self.cable_check
        yield "PreCharge", lambda: self.says(precharge())
        yield "PowerDelivery(true)", lambda: self.says(START)
        yield "CurrentDemand", lambda: self.says(current_demand())
        yield "PowerDelivery(false)", lambda: self.says(STOP)
        yield "WeldingDetection", lambda: self.says(EVERY_REQUEST["WeldingDetection"])
        yield "SessionStop", lambda: self.says(END)

    def cable_check(self) -> CableCheckRes:
        limit = self.now + ANSWER_SECONDS
        while True:
            assert self.now < limit, "a cable check without end"
            body = self.says(CableCheckReq(dc_ev_status=ev_status()))
            if body.evse_processing is not EVSEProcessing.ONGOING or self.ended is not None:
                return body  # type: ignore[no-any-return]  # the response to CableCheckReq
            self.wait(0.2)
