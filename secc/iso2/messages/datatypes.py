"""Data types of ISO 15118-2 (urn:iso:15118:2:2013:MsgDataTypes): one class a complex type, one alias a restricted simple type.

Irregular spellings: ``ev_ress_soc`` is EVRESSSOC, ``rcd`` RCD, ``emaid`` eMAID, ``dh_publickey`` DHpublickey; ``bool_value`` to
``string_value``, ``start``, ``duration``, ``start_value``, ``cost_kind``, ``amount`` and ``amount_multiplier`` begin with a small letter on
the wire. A list field keeps the singular of its element: ``SubCertificates.certificate``.
"""

from __future__ import annotations

from typing import Annotated

from secc.exi.declarations import (
    Attribute,
    Base64,
    Byte,
    Choice,
    Content,
    Head,
    Hex,
    Int,
    Long,
    Named,
    Occurs,
    Short,
    Text,
    UnsignedByte,
    UnsignedInt,
    UnsignedLong,
    UnsignedShort,
)
from secc.exi.frozen import dataclass
from secc.exi.xmldsig import Id, X509IssuerSerial
from secc.iso2.messages.enumerations import (
    CostKind,
    DC_EVErrorCode,
    DC_EVSEStatusCode,
    EnergyTransferMode,
    EVSENotification,
    FaultCode,
    IsolationLevel,
    PaymentOption,
    ServiceCategory,
    UnitSymbol,
)

SessionId = Annotated[bytes, Hex(8)]
EvccId = Annotated[bytes, Hex(6)]
EvseId = Annotated[str, Text(37, shortest=7)]
Emaid = Annotated[str, Text(15, shortest=14)]
GenChallenge = Annotated[bytes, Base64(16, shortest=16)]
Certificate = Annotated[bytes, Base64(800)]
ServiceId = Annotated[int, UnsignedShort()]
SaId = Annotated[int, UnsignedByte(1, 255)]
Percent = Annotated[int, Byte(0, 100)]
Multiplier = Annotated[int, Byte(-3, 3)]
Seconds = Annotated[int, UnsignedInt()]
Timestamp = Annotated[int, Long()]
"""Seconds since 1970-01-01T00:00Z."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicalValue:
    """``value`` times ten to the ``multiplier``, in ``unit``."""

    multiplier: Multiplier
    unit: UnitSymbol
    value: Annotated[int, Short()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A complaint of the other side, in a header."""

    fault_code: FaultCode
    fault_msg: Annotated[str | None, Text(64)] = None


# --- services -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service on offer."""

    service_id: ServiceId
    service_name: Annotated[str | None, Text(32)] = None
    service_category: ServiceCategory
    service_scope: Annotated[str | None, Text(64)] = None
    free_service: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportedEnergyTransferMode:
    """How this outlet can charge."""

    energy_transfer_mode: Annotated[tuple[EnergyTransferMode, ...], Occurs(1, 6)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeService(Service):
    """The charging service itself."""

    supported_energy_transfer_mode: SupportedEnergyTransferMode


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceList:
    """Value-added services."""

    service: Annotated[tuple[Service, ...], Occurs(1, 8)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedService:
    """A service that the car selects, with one of its parameter sets."""

    service_id: ServiceId
    parameter_set_id: Annotated[int | None, Short()] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedServiceList:
    """The services that the car selects."""

    selected_service: Annotated[tuple[SelectedService, ...], Occurs(1, 16)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A named parameter with exactly one value."""

    name: Annotated[str, Text(), Attribute()]
    bool_value: Annotated[bool | None, Choice(), Named("boolValue")] = None
    byte_value: Annotated[int | None, Byte(), Choice(), Named("byteValue")] = None
    short_value: Annotated[int | None, Short(), Choice(), Named("shortValue")] = None
    int_value: Annotated[int | None, Int(), Choice(), Named("intValue")] = None
    physical_value: Annotated[PhysicalValue | None, Choice(), Named("physicalValue")] = None
    string_value: Annotated[str | None, Text(), Choice(), Named("stringValue")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSet:
    """One way to use a service."""

    parameter_set_id: Annotated[int, Short()]
    parameter: Annotated[tuple[Parameter, ...], Occurs(1, 16)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceParameterList:
    """The ways to use a service."""

    parameter_set: Annotated[tuple[ParameterSet, ...], Occurs(1, 255)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOptionList:
    """The payment options on offer."""

    payment_option: Annotated[tuple[PaymentOption, ...], Occurs(1, 2)]


# --- security -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractSignatureEncryptedPrivateKey:
    """The contract's private key, encrypted for the car: 16 octets of IV and 32 of ciphertext."""

    id: Id
    value: Annotated[bytes, Base64(48), Content()]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffieHellmanPublickey:
    """The ephemeral public key of the encryption above: an uncompressed point."""

    id: Id
    value: Annotated[bytes, Base64(65), Content()]


@dataclass(frozen=True, slots=True, kw_only=True)
class EMAID:
    """An EMAID that can be signed; PaymentDetailsReq and CertificateUpdateReq carry it as plain text."""

    id: Id
    value: Annotated[Emaid, Content()]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubCertificates:
    """Sub-CA certificates in DER, the one nearest to the leaf first."""

    certificate: Annotated[tuple[Certificate, ...], Occurs(1, 4)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateChain:
    """A leaf certificate in DER and its sub-CAs; the root stays at home."""

    id: Id | None = None
    certificate: Certificate
    sub_certificates: SubCertificates | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOfRootCertificateIDs:
    """The roots that the car trusts."""

    root_certificate_id: Annotated[tuple[X509IssuerSerial, ...], Occurs(1, 20)]


# --- metering -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterInfo:
    """A meter reading in watt hours."""

    meter_id: Annotated[str, Text(32)]
    meter_reading: Annotated[int | None, UnsignedLong()] = None
    sig_meter_reading: Annotated[bytes | None, Base64(64)] = None
    meter_status: Annotated[int | None, Short()] = None
    t_meter: Timestamp | None = None


# --- schedules and tariffs ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeTimeInterval:
    """``start`` seconds from now, for ``duration`` seconds or until the next entry."""

    start: Annotated[int, UnsignedInt(0, 16777214), Named("start")]
    duration: Annotated[int | None, UnsignedInt(0, 86400), Named("duration")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PMaxScheduleEntry:
    """How much power there is in an interval."""

    time_interval: Annotated[RelativeTimeInterval, Head("TimeInterval")]
    p_max: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class PMaxSchedule:
    """How much power there is, over time."""

    p_max_schedule_entry: Annotated[tuple[PMaxScheduleEntry, ...], Occurs(1, 1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """``amount`` times ten to the ``amount_multiplier``."""

    cost_kind: Annotated[CostKind, Named("costKind")]
    amount: Annotated[int, UnsignedInt(), Named("amount")]
    amount_multiplier: Annotated[Multiplier | None, Named("amountMultiplier")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumptionCost:
    """What energy costs from a power on."""

    start_value: Annotated[PhysicalValue, Named("startValue")]
    cost: Annotated[tuple[Cost, ...], Occurs(1, 3)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesTariffEntry:
    """The price level in an interval."""

    time_interval: Annotated[RelativeTimeInterval, Head("TimeInterval")]
    e_price_level: Annotated[int | None, UnsignedByte()] = None
    consumption_cost: Annotated[tuple[ConsumptionCost, ...], Occurs(0, 3)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesTariff:
    """The prices over time, signed by the mobility operator when ``id`` is there."""

    id: Id | None = None
    sales_tariff_id: SaId
    sales_tariff_description: Annotated[str | None, Text(32)] = None
    num_e_price_levels: Annotated[int | None, UnsignedByte()] = None
    sales_tariff_entry: Annotated[tuple[SalesTariffEntry, ...], Occurs(1, 1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SAScheduleTuple:
    """A schedule that the car may choose, with its tariff."""

    sa_schedule_tuple_id: SaId
    p_max_schedule: PMaxSchedule
    sales_tariff: SalesTariff | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SAScheduleList:
    """The schedules on offer. Filled to three, libcbv2g cars may misread it."""

    sa_schedule_tuple: Annotated[tuple[SAScheduleTuple, ...], Occurs(1, 3)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileEntry:
    """The power that the car means to draw from ``charging_profile_entry_start`` seconds on."""

    charging_profile_entry_start: Seconds
    charging_profile_entry_max_power: PhysicalValue
    charging_profile_entry_max_number_of_phases_in_use: Annotated[int | None, Byte(1, 3)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingProfile:
    """The power that the car means to draw, over time."""

    profile_entry: Annotated[tuple[ProfileEntry, ...], Occurs(1, 24)]


# --- states ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AC_EVSEStatus:
    """State of an AC station: ``rcd`` is True when the residual current device has tripped."""

    notification_max_delay: Annotated[int, UnsignedShort()]
    evse_notification: EVSENotification
    rcd: Annotated[bool, Named("RCD")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_EVSEStatus:
    """State of a DC station."""

    notification_max_delay: Annotated[int, UnsignedShort()]
    evse_notification: EVSENotification
    evse_isolation_status: IsolationLevel | None = None
    evse_status_code: DC_EVSEStatusCode


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_EVStatus:
    """State of a DC car; ``ev_ress_soc`` is its state of charge in percent."""

    ev_ready: bool
    ev_error_code: DC_EVErrorCode
    ev_ress_soc: Percent


# --- charge parameters ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AC_EVChargeParameter:
    """What an AC car wants and bears."""

    departure_time: Seconds | None = None
    e_amount: PhysicalValue
    ev_max_voltage: PhysicalValue
    ev_max_current: PhysicalValue
    ev_min_current: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_EVChargeParameter:
    """What a DC car wants and bears."""

    departure_time: Seconds | None = None
    dc_ev_status: DC_EVStatus
    ev_maximum_current_limit: PhysicalValue
    ev_maximum_power_limit: PhysicalValue | None = None
    ev_maximum_voltage_limit: PhysicalValue
    ev_energy_capacity: PhysicalValue | None = None
    ev_energy_request: PhysicalValue | None = None
    full_soc: Percent | None = None
    bulk_soc: Percent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AC_EVSEChargeParameter:
    """What an AC station can do."""

    ac_evse_status: AC_EVSEStatus
    evse_nominal_voltage: PhysicalValue
    evse_max_current: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_EVSEChargeParameter:
    """What a DC station can do."""

    dc_evse_status: DC_EVSEStatus
    evse_maximum_current_limit: PhysicalValue
    evse_maximum_power_limit: PhysicalValue
    evse_maximum_voltage_limit: PhysicalValue
    evse_minimum_current_limit: PhysicalValue
    evse_minimum_voltage_limit: PhysicalValue
    evse_current_regulation_tolerance: PhysicalValue | None = None
    evse_peak_current_ripple: PhysicalValue
    evse_energy_to_be_delivered: PhysicalValue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_EVPowerDeliveryParameter:
    """State of a DC car when it asks for power, or for its end."""

    dc_ev_status: DC_EVStatus
    bulk_charging_complete: bool | None = None
    charging_complete: bool
