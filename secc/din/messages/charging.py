"""Messages of DIN SPEC 70121 for charging. Lists are bounded as in :mod:`secc.din.messages.setup`."""

from __future__ import annotations

from typing import Annotated

from frozen import dataclass
from secc.din.messages.common import (
    Body,
    EvseId,
    Id,
    Multiplier,
    PhysicalValue,
    Response,
    SaId,
    Seconds,
    Watts,
)
from secc.din.messages.contract import MeterInfo
from secc.din.messages.enumerations import CostKind, EVRequestedEnergyTransferType, EVSEProcessing
from secc.din.messages.states import AC_EVSEStatus, DC_EVSEStatus, DC_EVStatus, Percent
from secc.exi import declarations as xs

# --- schedules and tariffs ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeTimeInterval:
    """``start`` seconds from now, for ``duration`` seconds or until the next entry."""

    start: Annotated[Seconds, xs.Named("start")]
    duration: Annotated[Seconds | None, xs.Named("duration")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PMaxScheduleEntry:
    """How many watts there are in an interval, at most 32 767."""

    time_interval: Annotated[RelativeTimeInterval, xs.Head("TimeInterval")]
    p_max: Watts


@dataclass(frozen=True, slots=True, kw_only=True)
class PMaxSchedule:
    p_max_schedule_id: SaId
    p_max_schedule_entry: Annotated[tuple[PMaxScheduleEntry, ...], xs.Occurs(1, None, enough=1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """``amount`` times ten to the ``amount_multiplier``."""

    cost_kind: Annotated[CostKind, xs.Named("costKind")]
    amount: Annotated[int, xs.UnsignedInt(), xs.Named("amount")]
    amount_multiplier: Annotated[Multiplier | None, xs.Named("amountMultiplier")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumptionCost:
    start_value: Annotated[int, xs.UnsignedInt(), xs.Named("startValue")]
    cost: Annotated[tuple[Cost, ...], xs.Occurs(0, None, enough=8)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesTariffEntry:
    time_interval: Annotated[RelativeTimeInterval, xs.Head("TimeInterval")]
    e_price_level: Annotated[int, xs.UnsignedByte()]
    consumption_cost: Annotated[tuple[ConsumptionCost, ...], xs.Occurs(0, None, enough=8)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesTariff:
    id: Id
    sales_tariff_id: SaId
    sales_tariff_description: Annotated[str | None, xs.Text(32)] = None
    num_e_price_levels: Annotated[int, xs.UnsignedByte()]
    sales_tariff_entry: Annotated[tuple[SalesTariffEntry, ...], xs.Occurs(1, None, enough=1024)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SAScheduleTuple:
    sa_schedule_tuple_id: SaId
    p_max_schedule: PMaxSchedule
    sales_tariff: SalesTariff | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SAScheduleList:
    sa_schedule_tuple: Annotated[tuple[SAScheduleTuple, ...], xs.Occurs(1, None, enough=8)]


# --- charge parameters ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AC_EVChargeParameter:
    departure_time: Seconds
    e_amount: PhysicalValue
    ev_max_voltage: PhysicalValue
    ev_max_current: PhysicalValue
    ev_min_current: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_EVChargeParameter:
    """Request and limits of a DC car."""

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
    ac_evse_status: AC_EVSEStatus
    evse_max_voltage: PhysicalValue
    evse_max_current: PhysicalValue
    evse_min_current: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_EVSEChargeParameter:
    """Limits of a DC station."""

    dc_evse_status: DC_EVSEStatus
    evse_maximum_current_limit: PhysicalValue
    evse_maximum_power_limit: PhysicalValue | None = None
    evse_maximum_voltage_limit: PhysicalValue
    evse_minimum_current_limit: PhysicalValue
    evse_minimum_voltage_limit: PhysicalValue
    evse_current_regulation_tolerance: PhysicalValue | None = None
    evse_peak_current_ripple: PhysicalValue
    evse_energy_to_be_delivered: PhysicalValue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeParameterDiscoveryReq(Body):
    ev_requested_energy_transfer_type: EVRequestedEnergyTransferType
    ev_charge_parameter: Annotated[AC_EVChargeParameter | DC_EVChargeParameter, xs.Head("EVChargeParameter")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeParameterDiscoveryRes(Response):
    """The limits of the station and its schedules, which stand in an Ongoing answer too."""

    evse_processing: EVSEProcessing
    sa_schedules: Annotated[SAScheduleList, xs.Head("SASchedules")]
    evse_charge_parameter: Annotated[AC_EVSEChargeParameter | DC_EVSEChargeParameter, xs.Head("EVSEChargeParameter")]


# --- power ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileEntry:
    charging_profile_entry_start: Seconds
    charging_profile_entry_max_power: Watts


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingProfile:
    """The power that the car plans to draw, over time."""

    sa_schedule_tuple_id: SaId
    profile_entry: Annotated[tuple[ProfileEntry, ...], xs.Occurs(1, None, enough=128)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_EVPowerDeliveryParameter:
    dc_ev_status: DC_EVStatus
    bulk_charging_complete: bool | None = None
    charging_complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerDeliveryReq(Body):
    """Power on (``ready_to_charge_state`` True) or off."""

    ready_to_charge_state: bool
    charging_profile: ChargingProfile | None = None
    ev_power_delivery_parameter: Annotated[DC_EVPowerDeliveryParameter | None, xs.Head("EVPowerDeliveryParameter")] = (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerDeliveryRes(Response):
    evse_status: Annotated[AC_EVSEStatus | DC_EVSEStatus, xs.Head("EVSEStatus")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingStatusReq(Body):
    """EVCC -> SECC: AC, poll while charging."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingStatusRes(Response):
    evse_id: EvseId
    sa_schedule_tuple_id: SaId
    evse_max_current: PhysicalValue | None = None
    meter_info: MeterInfo | None = None
    receipt_required: bool
    ac_evse_status: AC_EVSEStatus


# --- DC -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CableCheckReq(Body):
    """Poll of the insulation test."""

    dc_ev_status: DC_EVStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CableCheckRes(Response):
    dc_evse_status: DC_EVSEStatus
    evse_processing: EVSEProcessing


@dataclass(frozen=True, slots=True, kw_only=True)
class PreChargeReq(Body):
    """Asks for the voltage of the battery at the outlet."""

    dc_ev_status: DC_EVStatus
    ev_target_voltage: PhysicalValue
    ev_target_current: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class PreChargeRes(Response):
    dc_evse_status: DC_EVSEStatus
    evse_present_voltage: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentDemandReq(Body):
    """The current that the car wants now."""

    dc_ev_status: DC_EVStatus
    ev_target_current: PhysicalValue
    ev_maximum_voltage_limit: PhysicalValue | None = None
    ev_maximum_current_limit: PhysicalValue | None = None
    ev_maximum_power_limit: PhysicalValue | None = None
    bulk_charging_complete: bool | None = None
    charging_complete: bool
    remaining_time_to_full_soc: Annotated[PhysicalValue | None, xs.Named("RemainingTimeToFullSoC")] = None
    remaining_time_to_bulk_soc: Annotated[PhysicalValue | None, xs.Named("RemainingTimeToBulkSoC")] = None
    ev_target_voltage: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentDemandRes(Response):
    """Voltage and current at the outlet."""

    dc_evse_status: DC_EVSEStatus
    evse_present_voltage: PhysicalValue
    evse_present_current: PhysicalValue
    evse_current_limit_achieved: bool
    evse_voltage_limit_achieved: bool
    evse_power_limit_achieved: bool
    evse_maximum_voltage_limit: PhysicalValue | None = None
    evse_maximum_current_limit: PhysicalValue | None = None
    evse_maximum_power_limit: PhysicalValue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeldingDetectionReq(Body):
    """Asks for the voltage at the outlet while the contactors of the car are open."""

    dc_ev_status: DC_EVStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class WeldingDetectionRes(Response):
    dc_evse_status: DC_EVSEStatus
    evse_present_voltage: PhysicalValue
