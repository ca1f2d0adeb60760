"""What AC and DC cars share while they charge: parameters, schedule, reasons to stop."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secc.conversation import Conversation, Effect
from secc.iso2 import messages as iso2

from ..battery import Battery
from ..behaviour import Behaviour, Current
from ..vocabulary import Ended, StationWrong
from .exchange import Exchange
from .quantities import amperes, real, volts, watt_hours, watts
from .schedules import choose
from .timing import ONGOING

PROFILE_ENTRIES = 24


class Turn(StrEnum):
    """Why the charging loop was left before its end."""

    RENEGOTIATE = "renegotiate"


@dataclass(frozen=True, slots=True)
class Terms:
    """The station's limits, and the schedule that the car chose; SI units."""

    schedule: iso2.SAScheduleTuple
    began_at: float
    """When the schedule begins, on the conversation's clock."""
    maximum_volts: float
    maximum_amperes: float
    maximum_watts: float

    def profile(self, car_watts: float) -> iso2.ChargingProfile:
        """Returns the power that the car plans to draw: the schedule's, up to the car's limit."""
        entries = []
        for entry in self.schedule.p_max_schedule.p_max_schedule_entry[:PROFILE_ENTRIES]:
            interval, power = entry.time_interval, watts(min(real(entry.p_max), car_watts))
            start = interval.start if isinstance(interval, iso2.RelativeTimeInterval) else 0
            entries.append(
                iso2.ProfileEntry(charging_profile_entry_start=start, charging_profile_entry_max_power=power)
            )
        return iso2.ChargingProfile(profile_entry=tuple(entries))

    def watts_at(self, now: float) -> float:
        """Returns the watts of the schedule now."""
        seconds = now - self.began_at
        allowed = 0.0
        for entry in self.schedule.p_max_schedule.p_max_schedule_entry:
            if isinstance(entry.time_interval, iso2.RelativeTimeInterval) and entry.time_interval.start <= seconds:
                allowed = real(entry.p_max)
        return allowed


def transfer_mode(behaviour: Behaviour) -> iso2.EnergyTransferMode:
    """Returns the mode that the car asks for."""
    if behaviour.current is Current.DC:
        return iso2.EnergyTransferMode.DC_EXTENDED
    single = behaviour.phases == 1
    return iso2.EnergyTransferMode.AC_SINGLE_PHASE_CORE if single else iso2.EnergyTransferMode.AC_THREE_PHASE_CORE


def ev_status(battery: Battery, *, ready: bool = True) -> iso2.DC_EVStatus:
    """Returns the state of a DC car."""
    return iso2.DC_EVStatus(ev_ready=ready, ev_error_code=iso2.DC_EVErrorCode.NO_ERROR, ev_ress_soc=battery.percent)


def charge_parameter_discovery(car: Exchange, battery: Battery) -> Conversation[Terms]:
    """Send the car's parameters until the station answers Finished. Returns the terms. [V2G2-565]"""
    behaviour = car.behaviour
    limit = car.party.limit(behaviour.patient(ONGOING))
    while True:
        car.asked_departure = car.departure
        request = iso2.ChargeParameterDiscoveryReq(
            max_entries_sa_schedule_tuple=behaviour.most_entries,
            requested_energy_transfer_mode=transfer_mode(behaviour),
            ev_charge_parameter=_wanted(car, battery),
        )
        heard = yield from car.ask(request, iso2.ChargeParameterDiscoveryRes)
        if heard.evse_processing is iso2.EVSEProcessing.FINISHED:
            terms = _terms(car, heard)
            car.tuple_id = terms.schedule.sa_schedule_tuple_id
            return terms
        if car.party.now >= limit.at:
            raise StationWrong("ongoing-too-long", limit.timeout.clause, "ChargeParameterDiscovery")
        yield from car.rest(behaviour.poll_seconds)


def _wanted(car: Exchange, battery: Battery) -> iso2.AC_EVChargeParameter | iso2.DC_EVChargeParameter:
    behaviour = car.behaviour
    room = battery.room(behaviour.target_state_of_charge)
    energy = room if behaviour.watt_hours is None else min(room, behaviour.watt_hours)
    if behaviour.current is Current.AC:
        return iso2.AC_EVChargeParameter(
            departure_time=car.asked_departure,
            e_amount=watt_hours(energy),
            ev_max_voltage=volts(400.0),
            ev_max_current=amperes(behaviour.ac_amperes),
            ev_min_current=amperes(6.0),
        )
    return iso2.DC_EVChargeParameter(
        departure_time=car.asked_departure,
        dc_ev_status=ev_status(battery),
        ev_maximum_current_limit=amperes(battery.maximum_amperes),
        ev_maximum_power_limit=watts(battery.maximum_watts),
        ev_maximum_voltage_limit=volts(battery.full_volts),
        ev_energy_capacity=watt_hours(battery.capacity_watt_hours),
        ev_energy_request=watt_hours(energy),
        full_soc=100,
        bulk_soc=80,
    )


def _terms(car: Exchange, heard: iso2.ChargeParameterDiscoveryRes) -> Terms:
    schedule, now = choose(car, heard), car.party.now
    match car.behaviour.current, heard.evse_charge_parameter:
        case Current.DC, iso2.DC_EVSEChargeParameter() as dc:
            limits = (dc.evse_maximum_voltage_limit, dc.evse_maximum_current_limit, dc.evse_maximum_power_limit)
            return Terms(schedule, now, *map(real, limits))
        case Current.AC, iso2.AC_EVSEChargeParameter() as ac:
            nominal, current = real(ac.evse_nominal_voltage), real(ac.evse_max_current)
            return Terms(schedule, now, nominal, current, nominal * current * car.behaviour.phases)
    raise StationWrong("crossed-parameters", "[V2G2-477]", type(heard.evse_charge_parameter).__name__)


def power_delivery(
    car: Exchange, battery: Battery, terms: Terms, progress: iso2.ChargeProgress, *, then: Effect | None = None
) -> Conversation[None]:
    """Ask for power, its end, or a renegotiation; perform ``then`` when the request has left."""
    behaviour, done = car.behaviour, progress is iso2.ChargeProgress.STOP
    dc = behaviour.current is Current.DC
    most = battery.maximum_watts if dc else behaviour.ac_amperes * terms.maximum_volts * behaviour.phases
    status = iso2.DC_EVPowerDeliveryParameter(dc_ev_status=ev_status(battery, ready=not done), charging_complete=done)
    request = iso2.PowerDeliveryReq(
        charge_progress=progress,
        sa_schedule_tuple_id=terms.schedule.sa_schedule_tuple_id,
        charging_profile=terms.profile(most) if progress is iso2.ChargeProgress.START else None,
        ev_power_delivery_parameter=status if dc else None,
    )
    yield from car.ask(request, iso2.PowerDeliveryRes, then=then)
    if dc:
        car.draw(battery, 0.0)


def reason_to_leave(
    car: Exchange,
    battery: Battery,
    heard: iso2.CurrentDemandRes | iso2.ChargingStatusRes,
    loops: int,
    present_volts: float,
    present_amperes: float,
) -> Ended | Turn | None:
    """Report progress. Returns why to leave the loop after this answer; None: continue.

    ``loops`` counts the answers since the last start.
    """
    behaviour = car.behaviour
    meter = heard.meter_info.meter_reading if heard.meter_info is not None else None
    car.show_progress(battery, present_volts, present_amperes, meter)
    if car.speaker.leaving:
        return Ended.BY_CAR
    if car.wishes.notification is iso2.EVSENotification.STOP_CHARGING or "Shutdown" in car.wishes.status_code:
        return Ended.BY_STATION
    if car.wishes.status_code in ("EVSE_Malfunction", "EVSE_UtilityInterruptEvent"):
        return Ended.BY_STATION
    if car.speaker.has_enough(battery, loops):
        return Ended.FULL
    asked = car.wishes.notification is iso2.EVSENotification.RE_NEGOTIATION
    if asked and not behaviour.ignore_renegotiation:
        return Turn.RENEGOTIATE
    if behaviour.renegotiate_after is not None and loops >= behaviour.renegotiate_after and not car.renegotiated:
        return Turn.RENEGOTIATE
    return None


def session_stop(car: Exchange) -> Conversation[None]:
    """End or pause the session; afterwards the car closes the connection."""
    how = iso2.ChargingSession.PAUSE if car.behaviour.pauses else iso2.ChargingSession.TERMINATE
    yield from car.ask(iso2.SessionStopReq(charging_session=how), iso2.SessionStopRes)
