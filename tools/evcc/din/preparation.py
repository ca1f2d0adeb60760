"""The car before power: its parameters and the station's, cable check, precharge."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from secc.conversation import Conversation
from secc.din import messages as din

from ..battery import Battery
from ..speaker import LeaveEarly
from ..vocabulary import Ended, MoveRelays, SetPilot, StationWrong
from .exchange import Exchange
from .quantities import amperes, real, volts, watt_hours, watts
from .timing import CABLE_CHECK, ONGOING, PRE_CHARGE

DAY: Final = 86_400
MOST_WATTS: Final = 32_767
"""PMax is a short. A schedule of so much says nothing about more: EVSEMaximumPowerLimit does."""

CLOSE_ENOUGH_VOLTS: Final = 20.0
"""The relays may close when the inlet is this near to the battery's voltage."""
PRE_CHARGE_AMPERES: Final = 2.0


@dataclass(slots=True)
class Terms:
    """The station's limits, which its answers in the loop may change, and its schedule; SI units."""

    schedule: din.SAScheduleTuple
    began_at: float
    """When the schedule begins, on the conversation's clock."""
    maximum_volts: float
    maximum_amperes: float
    maximum_watts: float

    def watts_at(self, now: float) -> float:
        """Returns the watts of the schedule now."""
        allowed = 0.0
        for entry in self.schedule.p_max_schedule.p_max_schedule_entry:
            if entry.time_interval.start <= now - self.began_at:
                allowed = float(entry.p_max)
        return self.maximum_watts if allowed >= MOST_WATTS else min(allowed, self.maximum_watts)

    def profile(self, car_watts: float) -> din.ChargingProfile:
        """Returns the power that the car plans to draw: the schedule's, up to the car's limit."""
        entries = (
            din.ProfileEntry(
                charging_profile_entry_start=entry.time_interval.start,
                charging_profile_entry_max_power=int(min(entry.p_max, car_watts)),
            )
            for entry in self.schedule.p_max_schedule.p_max_schedule_entry
        )
        return din.ChargingProfile(
            sa_schedule_tuple_id=self.schedule.sa_schedule_tuple_id, profile_entry=tuple(entries)
        )


def ev_status(battery: Battery, *, ready: bool = True) -> din.DC_EVStatus:
    """Returns the state of the car."""
    return din.DC_EVStatus(ev_ready=ready, ev_error_code=din.DC_EVErrorCode.NO_ERROR, ev_ress_soc=battery.percent)


def charge_parameter_discovery(
    car: Exchange, battery: Battery, transfer: din.EVRequestedEnergyTransferType
) -> Conversation[Terms]:
    """Send the car's parameters until the station answers Finished. Returns the terms."""
    limit = car.party.limit(car.behaviour.patient(ONGOING))
    while True:
        request = din.ChargeParameterDiscoveryReq(
            ev_requested_energy_transfer_type=transfer, ev_charge_parameter=_wanted(car, battery)
        )
        heard = yield from car.ask(request, din.ChargeParameterDiscoveryRes)
        if heard.evse_processing is din.EVSEProcessing.FINISHED:
            return _terms(car, heard)
        if car.party.now >= limit.at:
            raise StationWrong("ongoing-too-long", limit.timeout.clause, "ChargeParameterDiscovery")
        yield from car.rest(car.behaviour.poll_seconds)


def _wanted(car: Exchange, battery: Battery) -> din.DC_EVChargeParameter:
    room, said = battery.room(car.behaviour.target_state_of_charge), car.behaviour.watt_hours
    return din.DC_EVChargeParameter(
        dc_ev_status=ev_status(battery),
        ev_maximum_current_limit=amperes(battery.maximum_amperes),
        ev_maximum_power_limit=watts(battery.maximum_watts),
        ev_maximum_voltage_limit=volts(battery.full_volts),
        ev_energy_capacity=watt_hours(battery.capacity_watt_hours),
        ev_energy_request=watt_hours(room if said is None else min(room, said)),
        full_soc=100,
        bulk_soc=80,
    )


def _terms(car: Exchange, heard: din.ChargeParameterDiscoveryRes) -> Terms:
    limits = heard.evse_charge_parameter
    if not isinstance(limits, din.DC_EVSEChargeParameter):
        raise StationWrong("crossed-parameters", "reference: DIN", type(limits).__name__)
    offered = heard.sa_schedules.sa_schedule_tuple
    if len(offered) != 1 or offered[0].sales_tariff is not None:
        raise StationWrong("schedules", "[V2G-DC-554]", f"{len(offered)}, or a tariff")
    _check_times(offered[0].p_max_schedule.p_max_schedule_entry)
    most, amps = real(limits.evse_maximum_voltage_limit), real(limits.evse_maximum_current_limit)
    power = most * amps if limits.evse_maximum_power_limit is None else real(limits.evse_maximum_power_limit)
    if min(most, amps, power) < 0.0:
        raise StationWrong("negative-limit", "reference: DIN", f"{most:g} V, {amps:g} A, {power:g} W")
    return Terms(offered[0], car.party.now, most, amps, power)


def _check_times(entries: tuple[din.PMaxScheduleEntry, ...]) -> None:
    """They follow one another from 0 on, the last has a duration, and they cover a day."""
    intervals = [entry.time_interval for entry in entries]
    last = intervals[-1]
    if intervals[0].start != 0 or any(after.start <= before.start for before, after in pairwise(intervals)):
        raise StationWrong("schedule-times", "[V2G-DC-554]", f"{[interval.start for interval in intervals]}")
    if last.duration is None or last.start + last.duration < DAY:
        raise StationWrong("schedule-too-short", "[V2G-DC-554]", f"{last.duration} s")
    if any(entry.p_max < 0 for entry in entries):
        raise StationWrong("negative-power", "reference: DIN", f"{[entry.p_max for entry in entries]}")


def cable_check(car: Exchange, battery: Battery) -> Conversation[None]:
    """Pilot to C, then wait until the station has tested the insulation."""
    car.stay_for(din.CableCheckReq(dc_ev_status=ev_status(battery)))
    car.do(SetPilot("C"))
    limit = car.party.limit(car.behaviour.patient(CABLE_CHECK))
    while True:
        heard = yield from car.ask(din.CableCheckReq(dc_ev_status=ev_status(battery)), din.CableCheckRes)
        status = heard.dc_evse_status
        if heard.evse_processing is din.EVSEProcessing.FINISHED:
            break
        if car.party.now >= limit.at:
            raise StationWrong("cable-check-too-long", limit.timeout.clause)
        yield from car.rest(car.behaviour.poll_seconds)
    isolation = status.evse_isolation_status
    if isolation not in (din.IsolationLevel.VALID, din.IsolationLevel.WARNING):
        raise StationWrong("isolation-not-valid", "reference: CableCheck", str(isolation))
    if status.evse_status_code is din.DC_EVSEStatusCode.EVSE_SHUTDOWN:
        raise LeaveEarly(Ended.BY_STATION)
    if status.evse_status_code is not din.DC_EVSEStatusCode.EVSE_READY:
        raise StationWrong("station-not-ready", "reference: CableCheck", status.evse_status_code)
    car.announce("cable-check", f"cable check passed, isolation {isolation}", {"isolation": str(isolation)})


def pre_charge(car: Exchange, battery: Battery) -> Conversation[None]:
    """Let the station bring the inlet to the battery's voltage, then close the relays."""
    limit = car.party.limit(car.behaviour.patient(PRE_CHARGE))
    hurries = car.speaker.flaw is not None and car.speaker.flaw.hurries
    sent = 0
    while True:
        request = din.PreChargeReq(
            dc_ev_status=ev_status(battery),
            ev_target_voltage=volts(battery.volts),
            ev_target_current=amperes(PRE_CHARGE_AMPERES),
        )
        heard = yield from car.ask(request, din.PreChargeRes)
        sent += 1
        present = real(heard.evse_present_voltage)
        near = abs(present - battery.volts) <= CLOSE_ENOUGH_VOLTS
        if hurries:
            return
        if near and sent >= car.behaviour.pre_charge_at_least:
            break
        if car.party.now >= limit.at:
            raise StationWrong("precharge-too-long", limit.timeout.clause, f"{present:.0f} V")
        yield from car.rest(car.behaviour.loop_seconds)
    car.do(MoveRelays(closed=True))
    car.announce("precharge", f"inlet at {present:.0f} V, battery at {battery.volts:.0f} V", {"volts": present})
