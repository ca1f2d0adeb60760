"""What a car can do wrong, each by name: one function a flaw, whose docstring says what is wrong with it.

``secc evcc --flaw NAME`` drives a car with it; the tests do so against the station's conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from secc.iso2.messages import (
    AC_EVChargeParameter,
    AuthorizationReq,
    Body,
    CertificateChain,
    ChargeParameterDiscoveryReq,
    ChargeProgress,
    ChargingProfile,
    ChargingStatusReq,
    CurrentDemandReq,
    EnergyTransferMode,
    PaymentDetailsReq,
    PaymentOption,
    PaymentServiceSelectionReq,
    PowerDeliveryReq,
    ProfileEntry,
    SelectedService,
    SelectedServiceList,
    ServiceDetailReq,
    ServiceDiscoveryReq,
    SessionSetupReq,
    V2G_Message,
)
from secc.session.supported_app_protocol import AppProtocol, SupportedAppProtocolReq

from .flaw import REGISTERED, Flaw, Outgoing, RawOctets, RawPayload, body_flaw, message_flaw, register, supported_flaw
from .quantities import amperes, volts, watt_hours, watts

FLAWS: Final[Mapping[str, Flaw]] = REGISTERED
"""Every flaw, by its name."""


# --- the list of protocols ------------------------------------------------------------------------------------------------


def _only(namespace: str, major: int) -> SupportedAppProtocolReq:
    entry = AppProtocol(
        protocol_namespace=namespace, version_number_major=major, version_number_minor=0, schema_id=1, priority=1
    )
    return SupportedAppProtocolReq(app_protocol=(entry,))


@supported_flaw
def foreign_protocol(request: SupportedAppProtocolReq) -> tuple[Outgoing, ...]:
    """The car speaks only a protocol that no station knows."""
    return (_only("urn:example:other:MsgDef", 2),)


@supported_flaw
def draft_protocol(request: SupportedAppProtocolReq) -> tuple[Outgoing, ...]:
    """The car speaks only the draft of 2010 of the standard."""
    return (_only("urn:iso:15118:2:2010:MsgDef", 1),)


@supported_flaw
def other_major(request: SupportedAppProtocolReq) -> tuple[Outgoing, ...]:
    """The car speaks a major version of ISO 15118-2 that there is not."""
    return (_only("urn:iso:15118:2:2013:MsgDef", 3),)


@supported_flaw
def garbage_first(request: SupportedAppProtocolReq) -> tuple[Outgoing, ...]:
    """The first message is no EXI."""
    return (RawPayload(bytes.fromhex("8fffffffffffffff")),)


# --- session and sequence -------------------------------------------------------------------------------------------------


@message_flaw
def wrong_session_id(message: V2G_Message) -> tuple[Outgoing, ...]:
    """From ServiceDiscoveryReq on, the SessionID is another one."""
    if isinstance(message.body, SessionSetupReq):
        return (message,)
    return (replace(message, header=replace(message.header, session_id=bytes.fromhex("DEADBEEF00000001"))),)


@message_flaw
def zero_session_id(message: V2G_Message) -> tuple[Outgoing, ...]:
    """From ServiceDiscoveryReq on, the SessionID is zero again."""
    if isinstance(message.body, SessionSetupReq):
        return (message,)
    return (replace(message, header=replace(message.header, session_id=bytes(8))),)


@body_flaw
def skip_service_discovery(body: Body) -> Body:
    """The payment is selected before the services were discovered."""
    if isinstance(body, ServiceDiscoveryReq):
        return PaymentServiceSelectionReq(
            selected_payment_option=PaymentOption.EXTERNAL_PAYMENT,
            selected_service_list=SelectedServiceList(selected_service=(SelectedService(service_id=1),)),
        )
    return body


@body_flaw
def skip_authorization(body: Body) -> Body:
    """The charge parameters come without an authorisation."""
    if isinstance(body, AuthorizationReq):
        return ChargeParameterDiscoveryReq(
            requested_energy_transfer_mode=EnergyTransferMode.AC_THREE_PHASE_CORE, ev_charge_parameter=_ac_parameter()
        )
    return body


@body_flaw
def demand_before_cable_check(body: Body) -> Body:
    """DC: current is demanded when the cable check is due. AC: a status is asked for before power."""
    if type(body).__name__ == "CableCheckReq":
        return CurrentDemandReq(
            dc_ev_status=body.dc_ev_status,  # type: ignore[attr-defined]  # told by its name, so that AC cars need no import
            ev_target_current=amperes(20.0),
            charging_complete=False,
            ev_target_voltage=volts(400.0),
        )
    if isinstance(body, PowerDeliveryReq) and body.ev_power_delivery_parameter is None:
        return ChargingStatusReq()
    return body


@body_flaw
def setup_twice(body: Body) -> Body:
    """SessionSetupReq comes a second time, in the middle of the session."""
    if isinstance(body, PaymentServiceSelectionReq):
        return SessionSetupReq(evcc_id=bytes.fromhex("02A1B2C3D4E5"))
    return body


@message_flaw
def supported_again(message: V2G_Message) -> tuple[Outgoing, ...]:
    """The list of protocols comes a second time, in the middle of the session."""
    if isinstance(message.body, ServiceDiscoveryReq):
        return (_only("urn:iso:15118:2:2013:MsgDef", 2),)
    return (message,)


@message_flaw
def two_at_once(message: V2G_Message) -> tuple[Outgoing, ...]:
    """ServiceDiscoveryReq is sent twice without waiting for the answer."""
    return (message, message) if isinstance(message.body, ServiceDiscoveryReq) else (message,)


@message_flaw
def silent(message: V2G_Message) -> tuple[Outgoing, ...]:
    """From the authorisation on, the car says nothing more and keeps the connection."""
    return () if isinstance(message.body, AuthorizationReq) else (message,)


@message_flaw
def silent_while_charging(message: V2G_Message) -> tuple[Outgoing, ...]:
    """In the charging loop, the car says nothing more and keeps the connection."""
    return () if isinstance(message.body, CurrentDemandReq | ChargingStatusReq) else (message,)


@message_flaw
def garbage(message: V2G_Message) -> tuple[Outgoing, ...]:
    """In place of ServiceDiscoveryReq comes a frame whose payload is no EXI."""
    return (RawPayload(bytes(range(1, 40))),) if isinstance(message.body, ServiceDiscoveryReq) else (message,)


@message_flaw
def garbage_while_charging(message: V2G_Message) -> tuple[Outgoing, ...]:
    """In the charging loop comes a frame whose payload is no EXI."""
    looping = isinstance(message.body, CurrentDemandReq | ChargingStatusReq)
    return (RawPayload(b"\xff" * 30),) if looping else (message,)


@message_flaw
def enormous_frame(message: V2G_Message) -> tuple[Outgoing, ...]:
    """A V2GTP header announces four gigabytes."""
    return (
        (RawOctets(bytes.fromhex("01fe8001ffffffff")),) if isinstance(message.body, ServiceDiscoveryReq) else (message,)
    )


# --- services and payment -------------------------------------------------------------------------------------------------


@body_flaw
def unknown_service_detail(body: Body) -> Body:
    """The car asks for the details of a service that was not on offer."""
    return ServiceDetailReq(service_id=4711) if isinstance(body, PaymentServiceSelectionReq) else body


@body_flaw
def unoffered_payment(body: Body) -> Body:
    """The car selects Contract where the station offers none."""
    if isinstance(body, PaymentServiceSelectionReq):
        return replace(body, selected_payment_option=PaymentOption.CONTRACT)
    return body


@body_flaw
def unoffered_service(body: Body) -> Body:
    """The car selects a service that was not on offer."""
    return _selecting(body, 1, 4711)


@body_flaw
def no_charge_service(body: Body) -> Body:
    """The car selects only a service that is not charging."""
    return _selecting(body, 3)


def _selecting(body: Body, *services: int) -> Body:
    if isinstance(body, PaymentServiceSelectionReq):
        selected = tuple(SelectedService(service_id=service) for service in services)
        return replace(body, selected_service_list=SelectedServiceList(selected_service=selected))
    return body


# --- Plug & Charge --------------------------------------------------------------------------------------------------------


@body_flaw
def wrong_challenge(body: Body) -> Body:
    """AuthorizationReq returns another challenge than the station's, rightly signed."""
    if isinstance(body, AuthorizationReq) and body.gen_challenge is not None:
        return replace(body, gen_challenge=bytes(octet ^ 0x5A for octet in body.gen_challenge))
    return body


@body_flaw
def no_challenge(body: Body) -> Body:
    """AuthorizationReq returns no challenge."""
    return replace(body, gen_challenge=None) if isinstance(body, AuthorizationReq) else body


@message_flaw
def broken_signature(message: V2G_Message) -> tuple[Outgoing, ...]:
    """One bit of the signature's value is flipped."""
    signature = message.header.signature
    if signature is None:
        return (message,)
    octets = bytearray(signature.signature_value.value)
    octets[40] ^= 1
    broken = replace(signature, signature_value=replace(signature.signature_value, value=bytes(octets)))
    return (replace(message, header=replace(message.header, signature=broken)),)


@message_flaw
def no_signature(message: V2G_Message) -> tuple[Outgoing, ...]:
    """AuthorizationReq is not signed."""
    return (replace(message, header=replace(message.header, signature=None)),)


@message_flaw
def changed_after_signing(message: V2G_Message) -> tuple[Outgoing, ...]:
    """The Id of AuthorizationReq is changed after it was signed, and the signature's reference with it."""
    signature = message.header.signature
    if signature is None or not isinstance(message.body, AuthorizationReq):
        return (message,)
    info = signature.signed_info
    reference = replace(info.reference[0], uri="#other")
    changed = replace(signature, signed_info=replace(info, reference=(reference,)))
    header = replace(message.header, signature=changed)
    return (replace(message, header=header, body=replace(message.body, id="other")),)


@body_flaw
def other_emaid(body: Body) -> Body:
    """PaymentDetailsReq claims an EMAID that is not the certificate's."""
    return replace(body, emaid="DE8AAACVVVVVV1") if isinstance(body, PaymentDetailsReq) else body


@body_flaw
def garbage_certificate(body: Body) -> Body:
    """The contract certificate is no certificate."""
    if isinstance(body, PaymentDetailsReq):
        return replace(body, contract_signature_cert_chain=CertificateChain(certificate=b"\x30\x03\x02\x01\x2a"))
    return body


@body_flaw
def leaf_alone(body: Body) -> Body:
    """The contract chain comes without its sub-CAs."""
    if isinstance(body, PaymentDetailsReq):
        chain = replace(body.contract_signature_cert_chain, sub_certificates=None)
        return replace(body, contract_signature_cert_chain=chain)
    return body


# --- charging -------------------------------------------------------------------------------------------------------------


def _ac_parameter() -> AC_EVChargeParameter:
    return AC_EVChargeParameter(
        e_amount=watt_hours(10_000.0),
        ev_max_voltage=volts(230.0),
        ev_max_current=amperes(16.0),
        ev_min_current=amperes(6.0),
    )


@body_flaw
def unoffered_mode(body: Body) -> Body:
    """The car asks for an energy transfer mode that is not on offer, with matching parameters."""
    if isinstance(body, ChargeParameterDiscoveryReq):
        return replace(body, requested_energy_transfer_mode=EnergyTransferMode.DC_UNIQUE)
    return body


@body_flaw
def crossed_parameters(body: Body) -> Body:
    """The charge parameters are AC's where DC is asked for."""
    if isinstance(body, ChargeParameterDiscoveryReq):
        return replace(body, ev_charge_parameter=_ac_parameter())
    return body


@body_flaw
def foreign_schedule(body: Body) -> Body:
    """PowerDeliveryReq chooses a schedule that was not on offer."""
    return replace(body, sa_schedule_tuple_id=200) if isinstance(body, PowerDeliveryReq) else body


@body_flaw
def profile_above_schedule(body: Body) -> Body:
    """The charging profile is far above what the schedule allows."""
    if isinstance(body, PowerDeliveryReq) and body.charge_progress is ChargeProgress.START:
        entry = ProfileEntry(charging_profile_entry_start=0, charging_profile_entry_max_power=watts(3_000_000.0))
        return replace(body, charging_profile=ChargingProfile(profile_entry=(entry,)))
    return body


@body_flaw
def renegotiate_before_start(body: Body) -> Body:
    """PowerDeliveryReq asks for a renegotiation before power ever flowed."""
    if isinstance(body, PowerDeliveryReq) and body.charge_progress is ChargeProgress.START:
        return replace(body, charge_progress=ChargeProgress.RENEGOTIATE)
    return body


@body_flaw
def start_in_the_loop(body: Body) -> Body:
    """PowerDeliveryReq(Start) comes where Stop is due."""
    if isinstance(body, PowerDeliveryReq) and body.charge_progress is ChargeProgress.STOP:
        return replace(body, charge_progress=ChargeProgress.START)
    return body


register(Flaw("stay-in-b", "The car never goes to pilot state C.", stays_out_of="C"))
register(Flaw("stay-in-c", "The car does not go back to pilot state B.", stays_out_of="B"))
