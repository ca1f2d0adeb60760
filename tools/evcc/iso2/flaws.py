"""The flaws of a car that speaks ISO 15118-2: one function each, whose docstring says what is wrong.

``secc evcc --flaw NAME`` runs a car with it; the tests run it against the station's conversation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from secc.iso2 import messages as iso2

from ..flaw import Flaw, RawOctets, RawPayload, Register
from ..negotiation_flaws import FLAWS as NEGOTIATION
from ..negotiation_flaws import only
from .quantities import amperes, volts, watt_hours, watts
from .receipt_flaws import FLAWS as RECEIPT

FLAWS: Final = Register(NEGOTIATION | RECEIPT)
"""What a car that speaks ISO 15118-2 may do wrong, by name."""

LOOP = (iso2.CurrentDemandReq, iso2.ChargingStatusReq)

# --- session and sequence -------------------------------------------------------------------------------------------------


def _in_session(message: iso2.V2G_Message, session_id: bytes) -> iso2.V2G_Message:
    if isinstance(message.body, iso2.SessionSetupReq):
        return message
    return replace(message, header=replace(message.header, session_id=session_id))


@FLAWS.message_flaw(iso2.Body)
def wrong_session_id(message: iso2.V2G_Message) -> Iterable[object]:
    """From ServiceDiscoveryReq on, the SessionID is another one."""
    yield _in_session(message, bytes.fromhex("DEADBEEF00000001"))


@FLAWS.message_flaw(iso2.Body)
def zero_session_id(message: iso2.V2G_Message) -> Iterable[object]:
    """From ServiceDiscoveryReq on, the SessionID is zero again."""
    yield _in_session(message, bytes(8))


@FLAWS.body_flaw(iso2.ServiceDiscoveryReq)
def skip_service_discovery(body: iso2.ServiceDiscoveryReq) -> iso2.Body:
    """The payment is selected before the services were discovered."""
    return iso2.PaymentServiceSelectionReq(
        selected_payment_option=iso2.PaymentOption.EXTERNAL_PAYMENT, selected_service_list=_services(1)
    )


@FLAWS.body_flaw(iso2.AuthorizationReq)
def skip_authorization(body: iso2.AuthorizationReq) -> iso2.Body:
    """The charge parameters come without an authorisation."""
    return iso2.ChargeParameterDiscoveryReq(
        requested_energy_transfer_mode=iso2.EnergyTransferMode.AC_THREE_PHASE_CORE, ev_charge_parameter=_ac_parameter()
    )


@FLAWS.body_flaw(iso2.CableCheckReq, iso2.PowerDeliveryReq)
def demand_before_cable_check(body: iso2.CableCheckReq | iso2.PowerDeliveryReq) -> iso2.Body:
    """DC: current is demanded when the cable check is due. AC: a status is asked for before power."""
    if isinstance(body, iso2.PowerDeliveryReq):
        return iso2.ChargingStatusReq() if body.ev_power_delivery_parameter is None else body
    return iso2.CurrentDemandReq(
        dc_ev_status=body.dc_ev_status,
        ev_target_current=amperes(20.0),
        charging_complete=False,
        ev_target_voltage=volts(400.0),
    )


@FLAWS.body_flaw(iso2.PaymentServiceSelectionReq)
def setup_twice(body: iso2.PaymentServiceSelectionReq) -> iso2.Body:
    """SessionSetupReq comes a second time, in the middle of the session."""
    return iso2.SessionSetupReq(evcc_id=bytes.fromhex("02A1B2C3D4E5"))


@FLAWS.message_flaw(iso2.ServiceDiscoveryReq)
def supported_again(message: iso2.V2G_Message) -> Iterable[object]:
    """The list of protocols comes a second time, in the middle of the session."""
    yield only("urn:iso:15118:2:2013:MsgDef", 2)


@FLAWS.message_flaw(iso2.ServiceDiscoveryReq)
def two_at_once(message: iso2.V2G_Message) -> Iterable[object]:
    """ServiceDiscoveryReq is sent twice without waiting for the answer."""
    return message, message


@FLAWS.message_flaw(iso2.AuthorizationReq)
def silent(message: iso2.V2G_Message) -> Iterable[object]:
    """From the authorisation on, the car sends nothing and keeps the connection."""
    return ()


@FLAWS.message_flaw(*LOOP)
def silent_while_charging(message: iso2.V2G_Message) -> Iterable[object]:
    """In the charging loop, the car sends nothing more and keeps the connection."""
    return ()


@FLAWS.message_flaw(iso2.ServiceDiscoveryReq)
def garbage(message: iso2.V2G_Message) -> Iterable[object]:
    """Instead of ServiceDiscoveryReq comes a frame whose payload is not EXI."""
    yield RawPayload(bytes(range(1, 40)))


@FLAWS.message_flaw(iso2.ServiceDiscoveryReq)
def garbage_before(message: iso2.V2G_Message) -> Iterable[object]:
    """Two frames whose payload is not EXI come before ServiceDiscoveryReq."""
    yield RawPayload(bytes(range(1, 40)))
    yield RawPayload(bytes(range(1, 40)))
    yield message


@FLAWS.message_flaw(iso2.ServiceDiscoveryReq)
def garbage_thrice(message: iso2.V2G_Message) -> Iterable[object]:
    """Three frames whose payload is not EXI come before ServiceDiscoveryReq."""
    yield RawPayload(bytes(range(1, 40)))
    yield from garbage_before(message)


@FLAWS.message_flaw(*LOOP)
def garbage_while_charging(message: iso2.V2G_Message) -> Iterable[object]:
    """In the charging loop comes a frame whose payload is not EXI."""
    yield RawPayload(b"\xff" * 30)


@FLAWS.message_flaw(iso2.ServiceDiscoveryReq)
def enormous_frame(message: iso2.V2G_Message) -> Iterable[object]:
    """A V2GTP header announces four gigabytes."""
    yield RawOctets(bytes.fromhex("01fe8001ffffffff"))


# --- services and payment -------------------------------------------------------------------------------------------------


def _services(*services: int) -> iso2.SelectedServiceList:
    return iso2.SelectedServiceList(
        selected_service=tuple(iso2.SelectedService(service_id=service) for service in services)
    )


@FLAWS.body_flaw(iso2.PaymentServiceSelectionReq)
def unknown_service_detail(body: iso2.PaymentServiceSelectionReq) -> iso2.Body:
    """The car asks for the details of a service that was not on offer."""
    return iso2.ServiceDetailReq(service_id=4711)


@FLAWS.body_flaw(iso2.PaymentServiceSelectionReq)
def unoffered_payment(body: iso2.PaymentServiceSelectionReq) -> iso2.Body:
    """The car selects Contract where the station offers none."""
    return replace(body, selected_payment_option=iso2.PaymentOption.CONTRACT)


@FLAWS.body_flaw(iso2.PaymentServiceSelectionReq)
def unoffered_service(body: iso2.PaymentServiceSelectionReq) -> iso2.Body:
    """The car selects a service that was not on offer."""
    return replace(body, selected_service_list=_services(1, 4711))


@FLAWS.body_flaw(iso2.PaymentServiceSelectionReq)
def no_charge_service(body: iso2.PaymentServiceSelectionReq) -> iso2.Body:
    """The car selects only a service that is not charging."""
    return replace(body, selected_service_list=_services(3))


# --- Plug & Charge --------------------------------------------------------------------------------------------------------


@FLAWS.body_flaw(iso2.AuthorizationReq)
def wrong_challenge(body: iso2.AuthorizationReq) -> iso2.Body:
    """AuthorizationReq returns another challenge than the station's, correctly signed."""
    challenge = body.gen_challenge
    return body if challenge is None else replace(body, gen_challenge=bytes(octet ^ 0x5A for octet in challenge))


@FLAWS.body_flaw(iso2.AuthorizationReq)
def no_challenge(body: iso2.AuthorizationReq) -> iso2.Body:
    """AuthorizationReq returns no challenge."""
    return replace(body, gen_challenge=None)


@FLAWS.message_flaw(iso2.Body)
def broken_signature(message: iso2.V2G_Message) -> Iterable[object]:
    """One bit of the signature's value is flipped."""
    signature = message.header.signature
    if signature is not None:
        octets = bytearray(signature.signature_value.value)
        octets[40] ^= 1
        signature = replace(signature, signature_value=replace(signature.signature_value, value=bytes(octets)))
    yield replace(message, header=replace(message.header, signature=signature))


@FLAWS.message_flaw(iso2.Body)
def no_signature(message: iso2.V2G_Message) -> Iterable[object]:
    """AuthorizationReq is not signed."""
    yield replace(message, header=replace(message.header, signature=None))


@FLAWS.message_flaw(iso2.AuthorizationReq)
def changed_after_signing(message: iso2.V2G_Message) -> Iterable[object]:
    """The Id of AuthorizationReq is changed after it was signed, and the signature's reference with
    it.
    """
    signature = message.header.signature
    if signature is not None and isinstance(message.body, iso2.AuthorizationReq):
        info = signature.signed_info
        reference = replace(info.reference[0], uri="#other")
        changed = replace(signature, signed_info=replace(info, reference=(reference,)))
        header = replace(message.header, signature=changed)
        message = replace(message, header=header, body=replace(message.body, id="other"))
    yield message


@FLAWS.body_flaw(iso2.PaymentDetailsReq)
def other_emaid(body: iso2.PaymentDetailsReq) -> iso2.Body:
    """PaymentDetailsReq claims an EMAID that is not the certificate's."""
    return replace(body, emaid="DE8AAACVVVVVV1")


@FLAWS.body_flaw(iso2.PaymentDetailsReq)
def garbage_certificate(body: iso2.PaymentDetailsReq) -> iso2.Body:
    """The contract certificate is not a certificate."""
    return replace(body, contract_signature_cert_chain=iso2.CertificateChain(certificate=b"\x30\x03\x02\x01\x2a"))


@FLAWS.body_flaw(iso2.PaymentDetailsReq)
def leaf_alone(body: iso2.PaymentDetailsReq) -> iso2.Body:
    """The contract chain comes without its sub-CAs."""
    chain = replace(body.contract_signature_cert_chain, sub_certificates=None)
    return replace(body, contract_signature_cert_chain=chain)


# --- charging -------------------------------------------------------------------------------------------------------------


def _ac_parameter() -> iso2.AC_EVChargeParameter:
    return iso2.AC_EVChargeParameter(
        e_amount=watt_hours(10_000.0),
        ev_max_voltage=volts(230.0),
        ev_max_current=amperes(16.0),
        ev_min_current=amperes(6.0),
    )


@FLAWS.body_flaw(iso2.ChargeParameterDiscoveryReq)
def unoffered_mode(body: iso2.ChargeParameterDiscoveryReq) -> iso2.Body:
    """The car asks for an energy transfer mode that is not on offer, with matching parameters."""
    return replace(body, requested_energy_transfer_mode=iso2.EnergyTransferMode.DC_UNIQUE)


@FLAWS.body_flaw(iso2.ChargeParameterDiscoveryReq)
def crossed_parameters(body: iso2.ChargeParameterDiscoveryReq) -> iso2.Body:
    """The charge parameters are AC's where DC is asked for."""
    return replace(body, ev_charge_parameter=_ac_parameter())


@FLAWS.body_flaw(iso2.PowerDeliveryReq)
def foreign_schedule(body: iso2.PowerDeliveryReq) -> iso2.Body:
    """PowerDeliveryReq chooses a schedule that was not on offer."""
    return replace(body, sa_schedule_tuple_id=200)


@FLAWS.body_flaw(iso2.PowerDeliveryReq)
def profile_above_schedule(body: iso2.PowerDeliveryReq) -> iso2.Body:
    """The charging profile is far above what the schedule allows."""
    entry = iso2.ProfileEntry(charging_profile_entry_start=0, charging_profile_entry_max_power=watts(3_000_000.0))
    starts = body.charge_progress is iso2.ChargeProgress.START
    return replace(body, charging_profile=iso2.ChargingProfile(profile_entry=(entry,))) if starts else body


@FLAWS.body_flaw(iso2.PowerDeliveryReq)
def renegotiate_before_start(body: iso2.PowerDeliveryReq) -> iso2.Body:
    """PowerDeliveryReq asks for a renegotiation before power ever flowed."""
    starts = body.charge_progress is iso2.ChargeProgress.START
    return replace(body, charge_progress=iso2.ChargeProgress.RENEGOTIATE) if starts else body


@FLAWS.body_flaw(iso2.PowerDeliveryReq)
def start_in_the_loop(body: iso2.PowerDeliveryReq) -> iso2.Body:
    """PowerDeliveryReq(Start) comes where Stop is due."""
    stops = body.charge_progress is iso2.ChargeProgress.STOP
    return replace(body, charge_progress=iso2.ChargeProgress.START) if stops else body


FLAWS.add(Flaw("stay-in-b", "The car never goes to pilot state C.", stays_out_of="C"))
FLAWS.add(Flaw("stay-in-c", "The car does not go back to pilot state B.", stays_out_of="B"))
