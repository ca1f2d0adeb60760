"""Data types of ISO 15118-2 for charging (urn:iso:15118:2:2013:MsgDataTypes): schedules and
tariffs, states, charge parameters.

Irregular spellings: ``ev_ress_soc`` is EVRESSSOC, ``rcd`` RCD; ``start``, ``duration``,
``start_value``, ``cost_kind``, ``amount`` and ``amount_multiplier`` begin with a small letter on
the wire.
"""

from __future__ import annotations

from typing import Annotated

from frozen import dataclass
from secc.exi.declarations import (
    Byte,
    Head,
    Named,
    Occurs,
    Text,
    UnsignedByte,
    UnsignedInt,
    UnsignedShort,
)
from secc.exi.xmldsig import Id
from secc.iso2.messages.datatypes import Multiplier, Percent, PhysicalValue, SaId, Seconds
from secc.iso2.messages.enumerations import (
    CostKind,
    DC_EVErrorCode,
    DC_EVSEStatusCode,
    EVSENotification,
    IsolationLevel,
)

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
    """The power that the car plans to draw from ``charging_profile_entry_start`` seconds on."""

    charging_profile_entry_start: Seconds
    charging_profile_entry_max_power: PhysicalValue
    charging_profile_entry_max_number_of_phases_in_use: Annotated[int | None, Byte(1, 3)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingProfile:
    """The power that the car plans to draw, over time."""

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
    """Request and limits of an AC car."""

    departure_time: Seconds | None = None
    e_amount: PhysicalValue
    ev_max_voltage: PhysicalValue
    ev_max_current: PhysicalValue
    ev_min_current: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_EVChargeParameter:
    """Request and limits of a DC car."""

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
    """Limits of an AC station."""

    ac_evse_status: AC_EVSEStatus
    evse_nominal_voltage: PhysicalValue
    evse_max_current: PhysicalValue


@dataclass(frozen=True, slots=True, kw_only=True)
class DC_EVSEChargeParameter:
    """Limits of a DC station."""

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
    """State of a DC car in PowerDeliveryReq."""

    dc_ev_status: DC_EVStatus
    bulk_charging_complete: bool | None = None
    charging_complete: bool
