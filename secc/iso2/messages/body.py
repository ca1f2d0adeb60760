"""Body elements of ISO 15118-2 (urn:iso:15118:2:2013:MsgBody): the 34 requests and responses.

``emaid`` is eMAID on the wire, ``dh_publickey`` DHpublickey, ``remaining_time_to_full_soc``
RemainingTimeToFullSoC. Fields that hold a substitution group are named after its head:
``ev_charge_parameter``, ``evse_status``, ``sa_schedules``.
"""

from __future__ import annotations

from typing import Annotated

from frozen import dataclass
from secc.exi import Message
from secc.exi.declarations import Head, Named, Short, Text, UnsignedShort
from secc.exi.xmldsig import Id
from secc.iso2.messages.charging import (
    AC_EVChargeParameter,
    AC_EVSEChargeParameter,
    AC_EVSEStatus,
    ChargingProfile,
    DC_EVChargeParameter,
    DC_EVPowerDeliveryParameter,
    DC_EVSEChargeParameter,
    DC_EVSEStatus,
    DC_EVStatus,
    SAScheduleList,
)
from secc.iso2.messages.datatypes import (
    EMAID,
    Certificate,
    CertificateChain,
    ChargeService,
    ContractSignatureEncryptedPrivateKey,
    DiffieHellmanPublickey,
    Emaid,
    EvccId,
    EvseId,
    GenChallenge,
    ListOfRootCertificateIDs,
    MeterInfo,
    PaymentOptionList,
    PhysicalValue,
    SaId,
    SelectedServiceList,
    ServiceId,
    ServiceList,
    ServiceParameterList,
    SessionId,
    Timestamp,
)
from secc.iso2.messages.enumerations import (
    ChargeProgress,
    ChargingSession,
    EnergyTransferMode,
    EVSEProcessing,
    PaymentOption,
    ResponseCode,
    ServiceCategory,
)


class Body(Message):
    """Base of all body elements."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSetupReq(Body):
    """EVCC -> SECC: begins a session; ``evcc_id`` is the car's MAC address."""

    evcc_id: EvccId


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSetupRes(Body):
    """SECC -> EVCC: this outlet; the header carries the SessionID that the station chose."""

    response_code: ResponseCode
    evse_id: EvseId
    evse_time_stamp: Timestamp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDiscoveryReq(Body):
    """EVCC -> SECC: asks for the services, perhaps only of one scope or category."""

    service_scope: Annotated[str | None, Text(64)] = None
    service_category: ServiceCategory | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDiscoveryRes(Body):
    """SECC -> EVCC: payment options, energy transfer modes, other services."""

    response_code: ResponseCode
    payment_option_list: PaymentOptionList
    charge_service: ChargeService
    service_list: ServiceList | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDetailReq(Body):
    """EVCC -> SECC: asks for the parameter sets of a service."""

    service_id: ServiceId


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDetailRes(Body):
    """SECC -> EVCC: the parameter sets of a service."""

    response_code: ResponseCode
    service_id: ServiceId
    service_parameter_list: ServiceParameterList | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentServiceSelectionReq(Body):
    """EVCC -> SECC: selects a payment option and services."""

    selected_payment_option: PaymentOption
    selected_service_list: SelectedServiceList


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentServiceSelectionRes(Body):
    """SECC -> EVCC: accepts the selection or not."""

    response_code: ResponseCode


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDetailsReq(Body):
    """EVCC -> SECC: the contract certificate chain, and the EMAID that it claims."""

    emaid: Annotated[Emaid, Named("eMAID")]
    contract_signature_cert_chain: CertificateChain


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDetailsRes(Body):
    """SECC -> EVCC: the challenge to sign."""

    response_code: ResponseCode
    gen_challenge: GenChallenge
    evse_time_stamp: Timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationReq(Body):
    """EVCC -> SECC: asks whether it may charge. With a contract the first one returns the challenge
    and is signed.
    """

    id: Id | None = None
    gen_challenge: GenChallenge | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRes(Body):
    """SECC -> EVCC: yes, no, or ask again."""

    response_code: ResponseCode
    evse_processing: EVSEProcessing


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeParameterDiscoveryReq(Body):
    """EVCC -> SECC: the car's request and limits."""

    max_entries_sa_schedule_tuple: Annotated[int | None, UnsignedShort()] = None
    requested_energy_transfer_mode: EnergyTransferMode
    ev_charge_parameter: Annotated[AC_EVChargeParameter | DC_EVChargeParameter, Head("EVChargeParameter")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeParameterDiscoveryRes(Body):
    """SECC -> EVCC: the station's limits, and the schedules to choose from."""

    response_code: ResponseCode
    evse_processing: EVSEProcessing
    sa_schedules: Annotated[SAScheduleList | None, Head("SASchedules")] = None
    evse_charge_parameter: Annotated[AC_EVSEChargeParameter | DC_EVSEChargeParameter, Head("EVSEChargeParameter")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerDeliveryReq(Body):
    """EVCC -> SECC: power on, power off, or renegotiation."""

    charge_progress: ChargeProgress
    sa_schedule_tuple_id: SaId
    charging_profile: ChargingProfile | None = None
    ev_power_delivery_parameter: Annotated[DC_EVPowerDeliveryParameter | None, Head("EVPowerDeliveryParameter")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerDeliveryRes(Body):
    """SECC -> EVCC: the result."""

    response_code: ResponseCode
    evse_status: Annotated[AC_EVSEStatus | DC_EVSEStatus, Head("EVSEStatus")]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringReceiptReq(Body):
    """EVCC -> SECC: the reading that the station reported, signed with the contract."""

    id: Id | None = None
    session_id: SessionId
    sa_schedule_tuple_id: SaId | None = None
    meter_info: MeterInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringReceiptRes(Body):
    """SECC -> EVCC: accepts the receipt or not."""

    response_code: ResponseCode
    evse_status: Annotated[AC_EVSEStatus | DC_EVSEStatus, Head("EVSEStatus")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStopReq(Body):
    """EVCC -> SECC: ends or pauses the session."""

    charging_session: ChargingSession


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStopRes(Body):
    """SECC -> EVCC: confirms the end."""

    response_code: ResponseCode


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateUpdateReq(Body):
    """EVCC -> SECC: asks for a new contract certificate; signed with the old one, which ends soon."""

    id: Id
    contract_signature_cert_chain: CertificateChain
    emaid: Annotated[Emaid, Named("eMAID")]
    list_of_root_certificate_ids: Annotated[ListOfRootCertificateIDs, Named("ListOfRootCertificateIDs")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateUpdateRes(Body):
    """SECC -> EVCC: the new contract, in four signed parts; ``retry_counter`` is in days, -1 never."""

    response_code: ResponseCode
    sa_provisioning_certificate_chain: CertificateChain
    contract_signature_cert_chain: CertificateChain
    contract_signature_encrypted_private_key: ContractSignatureEncryptedPrivateKey
    dh_publickey: Annotated[DiffieHellmanPublickey, Named("DHpublickey")]
    emaid: Annotated[EMAID, Named("eMAID")]
    retry_counter: Annotated[int | None, Short()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInstallationReq(Body):
    """EVCC -> SECC: asks for a contract; signed with the provisioning certificate of the car's
    maker.
    """

    id: Id
    oem_provisioning_cert: Certificate
    list_of_root_certificate_ids: Annotated[ListOfRootCertificateIDs, Named("ListOfRootCertificateIDs")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateInstallationRes(Body):
    """SECC -> EVCC: a contract, in four signed parts."""

    response_code: ResponseCode
    sa_provisioning_certificate_chain: CertificateChain
    contract_signature_cert_chain: CertificateChain
    contract_signature_encrypted_private_key: ContractSignatureEncryptedPrivateKey
    dh_publickey: Annotated[DiffieHellmanPublickey, Named("DHpublickey")]
    emaid: Annotated[EMAID, Named("eMAID")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingStatusReq(Body):
    """EVCC -> SECC: AC, poll while charging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingStatusRes(Body):
    """SECC -> EVCC: AC, the state of charging."""

    response_code: ResponseCode
    evse_id: EvseId
    sa_schedule_tuple_id: SaId
    evse_max_current: PhysicalValue | None = None
    meter_info: MeterInfo | None = None
    receipt_required: bool | None = None
    ac_evse_status: AC_EVSEStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CableCheckReq(Body):
    """EVCC -> SECC: DC, poll of the insulation test."""

    dc_ev_status: DC_EVStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CableCheckRes(Body):
    """SECC -> EVCC: DC, the state of the insulation test."""

    response_code: ResponseCode
    dc_evse_status: DC_EVSEStatus
    evse_processing: EVSEProcessing


@dataclass(frozen=True, slots=True, kw_only=True)
class PreChargeReq(Body):
    """EVCC -> SECC: DC, asks for the battery's voltage at the outlet."""

    dc_ev_status: DC_EVStatus
    ev_target_voltage: PhysicalValue
    ev_target_current: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class PreChargeRes(Body):
    """SECC -> EVCC: DC, the voltage at the outlet."""

    response_code: ResponseCode
    dc_evse_status: DC_EVSEStatus
    evse_present_voltage: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentDemandReq(Body):
    """EVCC -> SECC: DC, the current wanted now."""

    dc_ev_status: DC_EVStatus
    ev_target_current: PhysicalValue
    ev_maximum_voltage_limit: PhysicalValue | None = None
    ev_maximum_current_limit: PhysicalValue | None = None
    ev_maximum_power_limit: PhysicalValue | None = None
    bulk_charging_complete: bool | None = None
    charging_complete: bool
    remaining_time_to_full_soc: Annotated[PhysicalValue | None, Named("RemainingTimeToFullSoC")] = None
    remaining_time_to_bulk_soc: Annotated[PhysicalValue | None, Named("RemainingTimeToBulkSoC")] = None
    ev_target_voltage: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentDemandRes(Body):
    """SECC -> EVCC: DC, voltage and current at the outlet."""

    response_code: ResponseCode
    dc_evse_status: DC_EVSEStatus
    evse_present_voltage: PhysicalValue
    evse_present_current: PhysicalValue
    evse_current_limit_achieved: bool
    evse_voltage_limit_achieved: bool
    evse_power_limit_achieved: bool
    evse_maximum_voltage_limit: PhysicalValue | None = None
    evse_maximum_current_limit: PhysicalValue | None = None
    evse_maximum_power_limit: PhysicalValue | None = None
    evse_id: EvseId
    sa_schedule_tuple_id: SaId
    meter_info: MeterInfo | None = None
    receipt_required: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeldingDetectionReq(Body):
    """EVCC -> SECC: DC, asks for the voltage at the outlet with the car's contactors open."""

    dc_ev_status: DC_EVStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class WeldingDetectionRes(Body):
    """SECC -> EVCC: DC, the voltage at the outlet."""

    response_code: ResponseCode
    dc_evse_status: DC_EVSEStatus
    evse_present_voltage: PhysicalValue
