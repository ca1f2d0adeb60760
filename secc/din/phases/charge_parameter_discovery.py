"""ChargeParameterDiscovery: limits of car and station, and the one schedule."""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation, Party
from secc.din import messages as m
from secc.din import timing
from secc.din.messages import ResponseCode, UnitSymbol
from secc.din.session_state import CLAUSE, SessionState, next_request
from secc.din.status import present
from secc.din.units import amount, amperes, limit, physical, volts, watts
from secc.errors import Refusal
from secc.session.dc_limits import CarLimits, unfit
from secc.session.effects import Milestone, Reach
from secc.session.scaled import down
from secc.session.waiting import limited
from secc.session.wishes import Held

WRONG: Final = ResponseCode.FAILED_WRONG_CHARGE_PARAMETER
DC_EXTENDED: Final = m.EVRequestedEnergyTransferType.DC_EXTENDED

TUPLE_ID: Final = 1
LARGEST_P_MAX: Final = 32_767
"""PMax is a number of 16 bits, in watts; EVSEMaximumPowerLimit has what is above. (Q-61)"""
DAY: Final = 86_400
"""Seconds that a schedule covers. [V2G-DC-554]"""


def charge_parameter_discovery(secc: Party, state: SessionState) -> Conversation[CarLimits]:
    """Agree on limits and schedule; answer Ongoing while there is no power to offer, up to the time
    limit. (Q-44) Returns the limits of the car.
    """
    car = _agreed((yield from next_request(secc, m.ChargeParameterDiscoveryReq)), state)
    with limited(secc, timing.ONGOING):
        while (powerless := _p_max(state) <= 0) or state.wishes.forces(Held.SCHEDULE):
            if powerless:
                state.remark(secc, "Q-44", "no power to offer: the car is told to wait")
            yield from state.pace.reply(secc, _response(secc, state, m.EVSEProcessing.ONGOING))
            car = _agreed((yield from next_request(secc, m.ChargeParameterDiscoveryReq)), state)
    state.p_max = _p_max(state)
    secc.reply(_response(secc, state, m.EVSEProcessing.FINISHED))
    facts = ("mode", DC_EXTENDED.value), ("watts", state.terms.maximum_watts)
    secc.do(Reach(Milestone.PARAMETERS_AGREED, facts))
    return car


def _agreed(request: m.ChargeParameterDiscoveryReq, state: SessionState) -> CarLimits:
    """Check what the car asks for. Returns its limits."""
    requested, parameter = request.ev_requested_energy_transfer_type, request.ev_charge_parameter
    if requested is not DC_EXTENDED:
        raise Refusal(ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_TYPE, "[V2G-DC-625]", requested)
    if not isinstance(parameter, m.DC_EVChargeParameter):
        raise Refusal(WRONG, CLAUSE, f"{type(parameter).__name__} for {requested}")
    power = parameter.ev_maximum_power_limit
    car = CarLimits(
        volts(parameter.ev_maximum_voltage_limit, code=WRONG),
        amperes(parameter.ev_maximum_current_limit, code=WRONG),
        None if power is None else watts(power, code=WRONG),
    )
    if why := unfit(car, state.terms.dc):
        raise Refusal(WRONG, CLAUSE, why)
    for energy in (parameter.ev_energy_capacity, parameter.ev_energy_request):
        if energy is not None and (watt_hours := amount(energy, UnitSymbol.WH, WRONG)) < 0.0:
            raise Refusal(WRONG, CLAUSE, f"an energy of {watt_hours:g} Wh")
    return car


def _p_max(state: SessionState) -> int:
    """PMax by the limit of now, never above it."""
    return min(down(state.terms.maximum_watts), LARGEST_P_MAX)


def schedule(p_max: int) -> m.SAScheduleList:
    """One schedule with one entry. Every response has it, whatever it says. [V2G-DC-554]"""
    entry = m.PMaxScheduleEntry(time_interval=m.RelativeTimeInterval(start=0, duration=DAY), p_max=p_max)
    p_max_schedule = m.PMaxSchedule(p_max_schedule_id=TUPLE_ID, p_max_schedule_entry=(entry,))
    only = m.SAScheduleTuple(sa_schedule_tuple_id=TUPLE_ID, p_max_schedule=p_max_schedule)
    return m.SAScheduleList(sa_schedule_tuple=(only,))


def _response(secc: Party, state: SessionState, processing: m.EVSEProcessing) -> m.ChargeParameterDiscoveryRes:
    """The limits are those of now, or of the outlet while there is no power: some cars stop at 0 A
    although they are told to wait. (Q-44)
    """
    dc, p_max = state.terms.dc, _p_max(state)
    finished = processing is m.EVSEProcessing.FINISHED
    code = m.DC_EVSEStatusCode.EVSE_READY if finished else m.DC_EVSEStatusCode.EVSE_NOT_READY
    return m.ChargeParameterDiscoveryRes(
        response_code=ResponseCode.OK,
        evse_processing=processing,
        sa_schedules=schedule(p_max),
        evse_charge_parameter=m.DC_EVSEChargeParameter(
            dc_evse_status=present(secc, state, code),
            evse_maximum_current_limit=limit(dc.maximum_amperes, UnitSymbol.A),
            evse_maximum_power_limit=limit(dc.maximum_watts if p_max <= 0 else state.terms.maximum_watts, UnitSymbol.W),
            evse_maximum_voltage_limit=limit(dc.maximum_volts, UnitSymbol.V),
            evse_minimum_current_limit=physical(dc.minimum_amperes, UnitSymbol.A),
            evse_minimum_voltage_limit=physical(dc.minimum_volts, UnitSymbol.V),
            evse_peak_current_ripple=physical(dc.ripple_amperes, UnitSymbol.A),
        ),
    )
