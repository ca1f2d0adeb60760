"""The flaws of a car that speaks DIN SPEC 70121: one function each, whose docstring says what is wrong.

``secc evcc --protocol din --flaw NAME`` runs a car with it; the tests run it against the station's
conversation. A name means the same as in ISO 15118-2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from secc.din import messages as din

from ..flaw import Flaw, RawOctets, RawPayload, Register
from ..negotiation_flaws import FLAWS as NEGOTIATION
from ..negotiation_flaws import only
from .quantities import amperes, physical, volts, watt_hours

FLAWS: Final = Register(NEGOTIATION)
"""What a car that speaks DIN SPEC 70121 may do wrong, by name."""

GARBAGE: Final = bytes(range(1, 40))
CERTIFICATE: Final = b"\x30\x03\x02\x01\x2a"
"""Not a certificate."""

# --- session and sequence -------------------------------------------------------------------------------------------------


def _in_session(message: din.V2G_Message, session_id: bytes) -> din.V2G_Message:
    return replace(message, header=replace(message.header, session_id=session_id))


@FLAWS.message_flaw(din.Body)
def wrong_session_id(message: din.V2G_Message) -> Iterable[object]:
    """From ServiceDiscoveryReq on, the SessionID is another one."""
    setup = isinstance(message.body, din.SessionSetupReq)
    yield message if setup else _in_session(message, bytes.fromhex("DEADBEEF00000001"))


@FLAWS.message_flaw(din.Body)
def zero_session_id(message: din.V2G_Message) -> Iterable[object]:
    """From ServiceDiscoveryReq on, the SessionID is zero again."""
    yield _in_session(message, bytes(8))


@FLAWS.message_flaw(din.SessionSetupReq)
def short_session_id(message: din.V2G_Message) -> Iterable[object]:
    """The SessionID of SessionSetupReq is one octet of zero, as some cars write it."""
    yield _in_session(message, bytes(1))


@FLAWS.body_flaw(din.ServiceDiscoveryReq)
def skip_service_discovery(body: din.ServiceDiscoveryReq) -> din.Body:
    """The payment is selected before the services were discovered."""
    return din.ServicePaymentSelectionReq(
        selected_payment_option=din.PaymentOption.EXTERNAL_PAYMENT, selected_service_list=_services(1)
    )


@FLAWS.body_flaw(din.ContractAuthenticationReq)
def skip_authorization(body: din.ContractAuthenticationReq) -> din.Body:
    """The charge parameters come without an authorisation."""
    return din.ChargeParameterDiscoveryReq(
        ev_requested_energy_transfer_type=din.EVRequestedEnergyTransferType.AC_THREE_PHASE_CORE,
        ev_charge_parameter=_ac_parameter(),
    )


@FLAWS.body_flaw(din.CableCheckReq)
def demand_before_cable_check(body: din.CableCheckReq) -> din.Body:
    """Current is demanded when the cable check is due."""
    return din.CurrentDemandReq(
        dc_ev_status=body.dc_ev_status,
        ev_target_current=amperes(20.0),
        charging_complete=False,
        ev_target_voltage=volts(400.0),
    )


@FLAWS.body_flaw(din.PreChargeReq)
def skip_precharge(body: din.PreChargeReq) -> din.Body:
    """Power is asked for when the precharge is due."""
    return din.PowerDeliveryReq(ready_to_charge_state=True)


FLAWS.add(
    Flaw(
        "start-without-voltage",
        "PreChargeReq asks for no voltage, and PowerDeliveryReq for power at once.",
        before_signing=lambda body: (
            replace(body, ev_target_voltage=volts(0.0)) if isinstance(body, din.PreChargeReq) else body
        ),
        hurries=True,
    )
)


@FLAWS.body_flaw(din.ServicePaymentSelectionReq)
def setup_twice(body: din.ServicePaymentSelectionReq) -> din.Body:
    """SessionSetupReq comes a second time, in the middle of the session."""
    return din.SessionSetupReq(evcc_id=bytes.fromhex("02A1B2C3D4E5"))


@FLAWS.message_flaw(din.ServiceDiscoveryReq)
def supported_again(message: din.V2G_Message) -> Iterable[object]:
    """The list of protocols comes a second time, in the middle of the session."""
    yield only("urn:din:70121:2012:MsgDef", 2)


@FLAWS.message_flaw(din.ServiceDiscoveryReq)
def two_at_once(message: din.V2G_Message) -> Iterable[object]:
    """ServiceDiscoveryReq is sent twice without waiting for the answer."""
    return message, message


@FLAWS.message_flaw(din.ContractAuthenticationReq)
def silent(message: din.V2G_Message) -> Iterable[object]:
    """From the authorisation on, the car sends nothing and keeps the connection."""
    return ()


@FLAWS.message_flaw(din.CurrentDemandReq)
def silent_while_charging(message: din.V2G_Message) -> Iterable[object]:
    """In the charging loop, the car sends nothing more and keeps the connection."""
    return ()


@FLAWS.message_flaw(din.ServiceDiscoveryReq)
def garbage(message: din.V2G_Message) -> Iterable[object]:
    """Instead of ServiceDiscoveryReq comes a frame whose payload is not EXI."""
    yield RawPayload(GARBAGE)


@FLAWS.message_flaw(din.ServiceDiscoveryReq)
def garbage_before(message: din.V2G_Message) -> Iterable[object]:
    """Two frames whose payload is not EXI come before ServiceDiscoveryReq."""
    return RawPayload(GARBAGE), RawPayload(GARBAGE), message


@FLAWS.message_flaw(din.ServiceDiscoveryReq)
def garbage_thrice(message: din.V2G_Message) -> Iterable[object]:
    """Three frames whose payload is not EXI come before ServiceDiscoveryReq."""
    return RawPayload(GARBAGE), RawPayload(GARBAGE), RawPayload(GARBAGE), message


@FLAWS.message_flaw(din.CurrentDemandReq)
def garbage_while_charging(message: din.V2G_Message) -> Iterable[object]:
    """In the charging loop comes a frame whose payload is not EXI."""
    yield RawPayload(b"\xff" * 30)


@FLAWS.message_flaw(din.ServiceDiscoveryReq)
def enormous_frame(message: din.V2G_Message) -> Iterable[object]:
    """A V2GTP header announces four gigabytes."""
    yield RawOctets(bytes.fromhex("01fe8001ffffffff"))


# --- services and payment -------------------------------------------------------------------------------------------------


def _services(*services: int, parameter_set: int | None = None) -> din.SelectedServiceList:
    return din.SelectedServiceList(
        selected_service=tuple(
            din.SelectedService(service_id=service, parameter_set_id=parameter_set) for service in services
        )
    )


@FLAWS.body_flaw(din.ServicePaymentSelectionReq)
def unoffered_payment(body: din.ServicePaymentSelectionReq) -> din.Body:
    """The car selects Contract where the station offers none."""
    return replace(body, selected_payment_option=din.PaymentOption.CONTRACT)


@FLAWS.body_flaw(din.ServicePaymentSelectionReq)
def unoffered_service(body: din.ServicePaymentSelectionReq) -> din.Body:
    """The car selects a service that was not on offer."""
    return replace(body, selected_service_list=_services(1, 4711))


@FLAWS.body_flaw(din.ServicePaymentSelectionReq)
def no_charge_service(body: din.ServicePaymentSelectionReq) -> din.Body:
    """The car selects only a service that is not charging."""
    return replace(body, selected_service_list=_services(3))


@FLAWS.body_flaw(din.ServicePaymentSelectionReq)
def parameter_set(body: din.ServicePaymentSelectionReq) -> din.Body:
    """The car selects a parameter set, which the charging service does not have."""
    return replace(body, selected_service_list=_services(1, parameter_set=2))


# --- messages of the schema that no DC session with external payment has ----------------------------------------------------


@FLAWS.body_flaw(din.ServicePaymentSelectionReq)
def service_detail(body: din.ServicePaymentSelectionReq) -> din.Body:
    """The car asks for the details of the charging service, which has none."""
    return din.ServiceDetailReq(service_id=1)


@FLAWS.body_flaw(din.ContractAuthenticationReq)
def contract_details(body: din.ContractAuthenticationReq) -> din.Body:
    """The car presents a contract."""
    chain = din.CertificateChain(certificate=CERTIFICATE)
    return din.PaymentDetailsReq(contract_id="DE8AACA2B3C4D5L", contract_signature_cert_chain=chain)


@FLAWS.body_flaw(din.ContractAuthenticationReq)
def ask_for_contract(body: din.ContractAuthenticationReq) -> din.Body:
    """The car asks for a contract."""
    roots = din.ListOfRootCertificateIDs(root_certificate_id=("CN=Lab V2G Root CA",))
    return din.CertificateInstallationReq(
        id="id1", oem_provisioning_cert=CERTIFICATE, list_of_root_certificate_ids=roots, dh_params=bytes(8)
    )


@FLAWS.body_flaw(din.CurrentDemandReq)
def receipt(body: din.CurrentDemandReq) -> din.Body:
    """In the charging loop the car gives a receipt."""
    return din.MeteringReceiptReq(session_id=bytes(8), meter_info=din.MeterInfo(meter_id="METER-1"))


@FLAWS.body_flaw(din.CurrentDemandReq)
def ac_loop(body: din.CurrentDemandReq) -> din.Body:
    """In the charging loop the car speaks AC."""
    return din.ChargingStatusReq()


# --- charging -------------------------------------------------------------------------------------------------------------


def _ac_parameter() -> din.AC_EVChargeParameter:
    return din.AC_EVChargeParameter(
        departure_time=3600,
        e_amount=watt_hours(10_000.0),
        ev_max_voltage=volts(230.0),
        ev_max_current=amperes(16.0),
        ev_min_current=amperes(6.0),
    )


@FLAWS.body_flaw(din.ChargeParameterDiscoveryReq)
def ac_type(body: din.ChargeParameterDiscoveryReq) -> din.Body:
    """The car asks for AC, with the parameters of AC."""
    three = din.EVRequestedEnergyTransferType.AC_THREE_PHASE_CORE
    return din.ChargeParameterDiscoveryReq(ev_requested_energy_transfer_type=three, ev_charge_parameter=_ac_parameter())


@FLAWS.body_flaw(din.ChargeParameterDiscoveryReq)
def unoffered_mode(body: din.ChargeParameterDiscoveryReq) -> din.Body:
    """The car asks for an energy transfer type that is not on offer, with matching parameters."""
    unique = din.EVRequestedEnergyTransferType.DC_UNIQUE
    return replace(body, ev_requested_energy_transfer_type=unique)


@FLAWS.body_flaw(din.ChargeParameterDiscoveryReq)
def crossed_parameters(body: din.ChargeParameterDiscoveryReq) -> din.Body:
    """The charge parameters are AC's where DC is asked for."""
    return replace(body, ev_charge_parameter=_ac_parameter())


@FLAWS.body_flaw(din.ChargeParameterDiscoveryReq)
def low_limits(body: din.ChargeParameterDiscoveryReq) -> din.Body:
    """The car bears less voltage than the station's least."""
    parameter = body.ev_charge_parameter
    assert isinstance(parameter, din.DC_EVChargeParameter)
    return replace(body, ev_charge_parameter=replace(parameter, ev_maximum_voltage_limit=volts(20.0)))


@FLAWS.body_flaw(din.PowerDeliveryReq)
def foreign_schedule(body: din.PowerDeliveryReq) -> din.Body:
    """PowerDeliveryReq chooses a schedule that was not on offer."""
    profile = body.charging_profile
    return body if profile is None else replace(body, charging_profile=replace(profile, sa_schedule_tuple_id=200))


@FLAWS.body_flaw(din.PowerDeliveryReq)
def profile_above_schedule(body: din.PowerDeliveryReq) -> din.Body:
    """The charging profile is above what the schedule allows, wherever it allows less than a short holds."""
    if body.charging_profile is None:
        return body
    entry = din.ProfileEntry(charging_profile_entry_start=0, charging_profile_entry_max_power=32_767)
    return replace(body, charging_profile=replace(body.charging_profile, profile_entry=(entry,)))


@FLAWS.body_flaw(din.PowerDeliveryReq)
def start_in_the_loop(body: din.PowerDeliveryReq) -> din.Body:
    """PowerDeliveryReq asks for power where it is due to end it."""
    return replace(body, ready_to_charge_state=True)


@FLAWS.body_flaw(din.Body)
def no_units(body: din.Body) -> din.Body:
    """Quantities come without their unit, as those of some cars."""
    changed: din.Body = _changed(body, unit=None)
    return changed


@FLAWS.body_flaw(din.CurrentDemandReq)
def wrong_units(body: din.CurrentDemandReq) -> din.Body:
    """In the charging loop the voltage is in amperes, and the current in volts."""
    return replace(
        body,
        ev_target_voltage=physical(400.0, din.UnitSymbol.A),
        ev_target_current=physical(20.0, din.UnitSymbol.V),
    )


def _changed(value: Any, **changes: object) -> Any:
    """Returns a copy in which every quantity has these fields."""
    if isinstance(value, din.PhysicalValue):
        return replace(value, **changes)  # type: ignore[arg-type]  # names and values of PhysicalValue
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return replace(value, **{field.name: _changed(getattr(value, field.name), **changes) for field in fields(value)})


FLAWS.add(Flaw("stay-in-b", "The car never goes to pilot state C.", stays_out_of="C"))
FLAWS.add(Flaw("stay-in-c", "The car does not go back to pilot state B.", stays_out_of="B"))
