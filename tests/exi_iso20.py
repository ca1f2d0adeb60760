"""Some messages of ISO 15118-20, declared as a protocol's folder declares its own. For tests of the codec: they need what ISO 15118-2 does not.

A choice that may be absent (ScheduleExchangeRes), choices among other elements (PowerDeliveryReq, MeteringConfirmationReq), a substitution group
whose head has an abstract type (DC_ChargeLoopReq) and one whose head may be sent (DC_ChargeParameterDiscoveryReq), two messages of one type (ACDP).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from frozen import dataclass
from secc.exi import Message, Schema
from secc.exi.declarations import Choice, Head, Named, Occurs
from secc.exi.fragments import Vocabulary
from secc.exi.xmldsig import GLOBALS
from tests.exi_iso20_types import (
    AbsolutePriceSchedule,
    DisplayParameters,
    Id,
    MeterInfo,
    NumericId,
    Percent,
    PowerSchedule,
    PowerScheduleEntry,
    PriceLevelSchedule,
    Processing,
    RationalNumber,
    Receipt,
    Seconds,
    SessionId,
    TimeStamp,
    V2GRequest,
    V2GResponse,
)


class ChargeProgress(StrEnum):
    START = "Start"
    STOP = "Stop"
    STANDBY = "Standby"
    SCHEDULE_RENEGOTIATION = "ScheduleRenegotiation"


class ChannelSelection(StrEnum):
    CHARGE = "Charge"
    DISCHARGE = "Discharge"


class PowerToleranceAcceptance(StrEnum):
    NOT_CONFIRMED = "PowerToleranceNotConfirmed"
    CONFIRMED = "PowerToleranceConfirmed"


class ElectricalChargingDeviceStatus(StrEnum):
    STATE_A = "State_A"
    STATE_B = "State_B"
    STATE_C = "State_C"
    STATE_D = "State_D"


# --- a choice that may be absent --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingSchedule:
    power_schedule: PowerSchedule
    absolute_price_schedule: Annotated[AbsolutePriceSchedule | None, Choice(0)] = None
    price_level_schedule: Annotated[PriceLevelSchedule | None, Choice(0)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleTuple:
    schedule_tuple_id: NumericId
    charging_schedule: ChargingSchedule
    discharging_schedule: ChargingSchedule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled_SEResControlMode:
    schedule_tuple: Annotated[tuple[ScheduleTuple, ...], Occurs(1, 3)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynamic_SEResControlMode:
    departure_time: Seconds | None = None
    minimum_soc: Percent | None = None
    target_soc: Percent | None = None
    absolute_price_schedule: Annotated[AbsolutePriceSchedule | None, Choice(0)] = None
    price_level_schedule: Annotated[PriceLevelSchedule | None, Choice(0)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleExchangeRes(V2GResponse):
    evse_processing: Processing
    go_to_pause: bool | None = None
    dynamic: Annotated[Dynamic_SEResControlMode | None, Choice(), Named("Dynamic_SEResControlMode")] = None
    scheduled: Annotated[Scheduled_SEResControlMode | None, Choice(), Named("Scheduled_SEResControlMode")] = None


# --- choices among other elements -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynamic_EVPPTControlMode:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled_EVPPTControlMode:
    selected_schedule_tuple_id: NumericId
    power_tolerance_acceptance: PowerToleranceAcceptance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EVPowerProfileEntryList:
    ev_power_profile_entry: Annotated[tuple[PowerScheduleEntry, ...], Occurs(1, 2048)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EVPowerProfile:
    time_anchor: TimeStamp
    dynamic: Annotated[Dynamic_EVPPTControlMode | None, Choice(), Named("Dynamic_EVPPTControlMode")] = None
    scheduled: Annotated[Scheduled_EVPPTControlMode | None, Choice(), Named("Scheduled_EVPPTControlMode")] = None
    ev_power_profile_entries: EVPowerProfileEntryList


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerDeliveryReq(V2GRequest):
    ev_processing: Processing
    charge_progress: ChargeProgress
    ev_power_profile: EVPowerProfile | None = None
    channel_selection: Annotated[ChannelSelection | None, Named("BPT_ChannelSelection")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynamic_SMDTControlMode:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled_SMDTControlMode:
    selected_schedule_tuple_id: NumericId


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedMeteringData:
    id: Id
    session_id: SessionId
    meter_info: MeterInfo
    receipt: Receipt | None = None
    dynamic: Annotated[Dynamic_SMDTControlMode | None, Choice(), Named("Dynamic_SMDTControlMode")] = None
    scheduled: Annotated[Scheduled_SMDTControlMode | None, Choice(), Named("Scheduled_SMDTControlMode")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteringConfirmationReq(V2GRequest):
    signed_metering_data: SignedMeteringData


# --- substitution groups: a head of a type that is abstract, a head that may be sent ----------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled_DC_CLReqControlMode:
    ev_target_energy_request: RationalNumber | None = None
    ev_maximum_energy_request: RationalNumber | None = None
    ev_minimum_energy_request: RationalNumber | None = None
    ev_target_current: RationalNumber
    ev_target_voltage: RationalNumber
    ev_maximum_charge_power: RationalNumber | None = None
    ev_minimum_charge_power: RationalNumber | None = None
    ev_maximum_charge_current: RationalNumber | None = None
    ev_maximum_voltage: RationalNumber | None = None
    ev_minimum_voltage: RationalNumber | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BPT_Scheduled_DC_CLReqControlMode(Scheduled_DC_CLReqControlMode):
    ev_maximum_discharge_power: RationalNumber | None = None
    ev_minimum_discharge_power: RationalNumber | None = None
    ev_maximum_discharge_current: RationalNumber | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dynamic_DC_CLReqControlMode:
    departure_time: Seconds | None = None
    ev_target_energy_request: RationalNumber
    ev_maximum_energy_request: RationalNumber
    ev_minimum_energy_request: RationalNumber
    ev_maximum_charge_power: RationalNumber
    ev_minimum_charge_power: RationalNumber
    ev_maximum_charge_current: RationalNumber
    ev_maximum_voltage: RationalNumber
    ev_minimum_voltage: RationalNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class BPT_Dynamic_DC_CLReqControlMode(Dynamic_DC_CLReqControlMode):
    ev_maximum_discharge_power: RationalNumber
    ev_minimum_discharge_power: RationalNumber
    ev_maximum_discharge_current: RationalNumber
    ev_maximum_v2x_energy_request: Annotated[RationalNumber | None, Named("EVMaximumV2XEnergyRequest")] = None
    ev_minimum_v2x_energy_request: Annotated[RationalNumber | None, Named("EVMinimumV2XEnergyRequest")] = None


ControlMode = (
    Scheduled_DC_CLReqControlMode
    | BPT_Scheduled_DC_CLReqControlMode
    | Dynamic_DC_CLReqControlMode
    | BPT_Dynamic_DC_CLReqControlMode
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_ChargeLoopReq(V2GRequest):
    display_parameters: DisplayParameters | None = None
    meter_info_requested: bool
    ev_present_voltage: RationalNumber
    control_mode: Annotated[ControlMode, Head("CLReqControlMode")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_CPDReqEnergyTransferMode:
    ev_maximum_charge_power: RationalNumber
    ev_minimum_charge_power: RationalNumber
    ev_maximum_charge_current: RationalNumber
    ev_minimum_charge_current: RationalNumber
    ev_maximum_voltage: RationalNumber
    ev_minimum_voltage: RationalNumber
    target_soc: Percent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BPT_DC_CPDReqEnergyTransferMode(DC_CPDReqEnergyTransferMode):
    ev_maximum_discharge_power: RationalNumber
    ev_minimum_discharge_power: RationalNumber
    ev_maximum_discharge_current: RationalNumber
    ev_minimum_discharge_current: RationalNumber


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_ChargeParameterDiscoveryReq(V2GRequest):
    energy_transfer_mode: DC_CPDReqEnergyTransferMode | BPT_DC_CPDReqEnergyTransferMode


# --- two messages of one type -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ACDP_ConnectReq(V2GRequest):
    ev_electrical_charging_device_status: ElectricalChargingDeviceStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ACDP_DisconnectReq(ACDP_ConnectReq):
    pass


# --- the sets ---------------------------------------------------------------------------------------------------------

_COMMON = """
    AuthorizationReq AuthorizationRes AuthorizationSetupReq AuthorizationSetupRes CLReqControlMode CLResControlMode
    CertificateInstallationReq CertificateInstallationRes MeteringConfirmationReq MeteringConfirmationRes
    PowerDeliveryReq PowerDeliveryRes ScheduleExchangeReq ScheduleExchangeRes ServiceDetailReq ServiceDetailRes
    ServiceDiscoveryReq ServiceDiscoveryRes ServiceSelectionReq ServiceSelectionRes SessionSetupReq SessionSetupRes
    SessionStopReq SessionStopRes SignedInstallationData SignedMeteringData VehicleCheckInReq VehicleCheckInRes
    VehicleCheckOutReq VehicleCheckOutRes
"""
_DC = """
    BPT_DC_CPDReqEnergyTransferMode BPT_DC_CPDResEnergyTransferMode BPT_Dynamic_DC_CLReqControlMode
    BPT_Dynamic_DC_CLResControlMode BPT_Scheduled_DC_CLReqControlMode BPT_Scheduled_DC_CLResControlMode
    CLReqControlMode CLResControlMode DC_CPDReqEnergyTransferMode DC_CPDResEnergyTransferMode DC_CableCheckReq
    DC_CableCheckRes DC_ChargeLoopReq DC_ChargeLoopRes DC_ChargeParameterDiscoveryReq DC_ChargeParameterDiscoveryRes
    DC_PreChargeReq DC_PreChargeRes DC_WeldingDetectionReq DC_WeldingDetectionRes Dynamic_DC_CLReqControlMode
    Dynamic_DC_CLResControlMode Scheduled_DC_CLReqControlMode Scheduled_DC_CLResControlMode
"""
_ACDP = """
    ACDP_ConnectReq ACDP_ConnectRes ACDP_DisconnectReq ACDP_DisconnectRes ACDP_SystemStatusReq ACDP_SystemStatusRes
    ACDP_VehiclePositioningReq ACDP_VehiclePositioningRes CLReqControlMode CLResControlMode
"""


def _schema(name: str, names: str, *roots: type[Message]) -> Schema[Message]:
    globals_ = tuple(sorted([*names.split(), *GLOBALS]))
    return Schema(f"iso15118-20:{name}", roots=roots, globals_=globals_, vocabulary=Vocabulary(()))


SCHEMAS = {
    schema.name: schema
    for schema in (
        _schema("common", _COMMON, ScheduleExchangeRes, PowerDeliveryReq, MeteringConfirmationReq),
        _schema("dc", _DC, DC_ChargeLoopReq, DC_ChargeParameterDiscoveryReq),
        _schema("acdp", _ACDP, ACDP_ConnectReq, ACDP_DisconnectReq),
    )
}
