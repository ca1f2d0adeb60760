"""ChargeParameterDiscovery: limits of car and station, and the schedules on offer."""

from __future__ import annotations

from frozen import dataclass
from secc.conversation import Conversation, Party
from secc.errors import Refusal
from secc.iso2 import messages as m
from secc.iso2 import timing
from secc.iso2.messages import ResponseCode, UnitSymbol
from secc.iso2.paused import Chosen
from secc.iso2.phases.authorization import finished
from secc.iso2.phases.planning import asked_for, on_offer
from secc.iso2.schedule import Offered
from secc.iso2.session_state import MODES, SessionState, next_request
from secc.iso2.status import present_ac, present_dc
from secc.iso2.units import amount, amperes, limit, physical, volts, watts
from secc.session.dc_limits import CarLimits, unfit
from secc.session.dialogue import Signed
from secc.session.effects import Milestone, Reach
from secc.session.remarks import remark
from secc.session.waiting import limited
from secc.session.wishes import Held

WRONG = ResponseCode.FAILED_WRONG_CHARGE_PARAMETER


@dataclass(frozen=True, slots=True)
class Target:
    """What was agreed: the schedules on offer, and the limits of a DC car (None for AC)."""

    offered: Offered
    car: CarLimits | None = None


def charge_parameter_discovery(secc: Party, state: SessionState) -> Conversation[Target]:
    """Agree on limits and schedule; answer Ongoing while there is no power to offer, up to the time
    limit. (Q-44)
    """
    request = yield from _first(secc, state)
    car = _agreed(request, state)
    with limited(secc, timing.ONGOING):
        plan = asked_for(secc, state, request)
        while (
            (powerless := _powerless(state))
            or state.wishes.forces(Held.SCHEDULE)
            or (plan is not None and not (yield from plan.ready(secc)))
        ):
            if powerless:
                state.remark(secc, "Q-44", "no power to offer: the car is told to wait")
            yield from state.pace.reply(secc, _response(secc, state, m.EVSEProcessing.ONGOING, None))
            request = yield from next_request(secc, m.ChargeParameterDiscoveryReq)
            car = _agreed(request, state)
    if request.ev_charge_parameter.departure_time == 0:
        state.remark(secc, "Q-48", "DepartureTime 0")
    offered = on_offer(secc, state, request, plan)
    # Until the car has chosen, the first counts.
    state.chosen = Chosen(offered.schedules[0], round(secc.now, 3) + offered.schedules[0].seconds)
    state.wishes.negotiated()
    # The schedule of a paused session may be below the limit of now.
    state.wishes.outdated = state.renegotiates()
    body = _response(secc, state, m.EVSEProcessing.FINISHED, offered.as_list())
    secc.reply(body if offered.signature is None else Signed(body, offered.signature))
    facts: list[tuple[str, str | float]] = [("mode", request.requested_energy_transfer_mode.value)]
    facts.append(("watts", state.terms.maximum_watts))
    if plan is not None:
        facts += [("schedules", len(offered.schedules)), ("tariffs", offered.tariffs)]
    secc.do(Reach(Milestone.PARAMETERS_AGREED, tuple(facts)))
    return Target(offered, car)


def _first(secc: Party, state: SessionState) -> Conversation[m.ChargeParameterDiscoveryReq]:
    """Wait for the first request of the phase; the car may ask for its authorization once more."""
    if state.terms.tolerates("Q-39"):
        heard = yield from next_request(secc, m.ChargeParameterDiscoveryReq, m.AuthorizationReq)
        if isinstance(heard, m.ChargeParameterDiscoveryReq):
            return heard
        remark(secc, "Q-39", "AuthorizationReq once more after it was finished")
        secc.reply(finished())
    return (yield from next_request(secc, m.ChargeParameterDiscoveryReq))


def _agreed(request: m.ChargeParameterDiscoveryReq, state: SessionState) -> CarLimits | None:
    """Check what the car asks for. Returns the limits of a DC car."""
    mode = request.requested_energy_transfer_mode
    transfer = next((each for each in state.transfers if MODES[each] is mode), None)
    if transfer is None or state.terms.transfer not in (None, transfer):
        raise Refusal(ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE, "[V2G2-476]", mode)
    parameter = request.ev_charge_parameter
    if isinstance(parameter, m.DC_EVChargeParameter) is not transfer.is_dc:
        raise Refusal(WRONG, "[V2G2-477]", f"{type(parameter).__name__} for {mode}")
    state.terms.transfer = transfer
    if isinstance(parameter, m.DC_EVChargeParameter):
        return _dc(parameter, state)
    _ac(parameter, state)
    return None


def _ac(parameter: m.AC_EVChargeParameter, state: SessionState) -> None:
    _energy(parameter.e_amount, "EAmount")
    most, least = amperes(parameter.ev_max_current, code=WRONG), amperes(parameter.ev_min_current, code=WRONG)
    bears = volts(parameter.ev_max_voltage, code=WRONG)
    if bears < state.terms.ac.volts:
        raise Refusal(WRONG, "[V2G2-477]", f"EVMaxVoltage {bears:g} V at {state.terms.ac.volts:g} V")
    if most < state.terms.ac.minimum_amperes or least < 0.0 or least > most:
        raise Refusal(WRONG, "[V2G2-477]", f"EVMinCurrent {least:g} A, EVMaxCurrent {most:g} A")


def _dc(parameter: m.DC_EVChargeParameter, state: SessionState) -> CarLimits:
    most_volts = volts(parameter.ev_maximum_voltage_limit, code=WRONG)
    most_amperes = amperes(parameter.ev_maximum_current_limit, code=WRONG)
    most_watts = (
        None if parameter.ev_maximum_power_limit is None else watts(parameter.ev_maximum_power_limit, code=WRONG)
    )
    car = CarLimits(most_volts, most_amperes, most_watts)
    if why := unfit(car, state.terms.dc):
        raise Refusal(WRONG, "[V2G2-477]", why)
    for name, energy in (
        ("EVEnergyCapacity", parameter.ev_energy_capacity),
        ("EVEnergyRequest", parameter.ev_energy_request),
    ):
        if energy is not None:
            _energy(energy, name)
    return car


def _energy(value: m.PhysicalValue, name: str) -> None:
    """Raises Refusal for an energy below nothing."""
    energy = amount(value, UnitSymbol.WH, WRONG)
    if energy < 0.0:
        raise Refusal(WRONG, "[V2G2-477]", f"{name} {energy:g} Wh")


def _response(
    secc: Party, state: SessionState, processing: m.EVSEProcessing, schedules: m.SAScheduleList | None
) -> m.ChargeParameterDiscoveryRes:
    """The limits are those of now, or of the outlet while there is no power: some cars stop at 0 A
    although they are told to wait. (Q-44)
    """
    return m.ChargeParameterDiscoveryRes(
        response_code=ResponseCode.OK,
        evse_processing=processing,
        sa_schedules=schedules,
        evse_charge_parameter=_dc_limits(secc, state, processing) if state.terms.is_dc else _ac_limits(secc, state),
    )


def _powerless(state: SessionState) -> bool:
    """Whether the limit of now leaves nothing that can be said."""
    return limit(state.terms.maximum_watts, UnitSymbol.W).value <= 0


def _ac_limits(secc: Party, state: SessionState) -> m.AC_EVSEChargeParameter:
    amperes = state.terms.ac.maximum_amperes if _powerless(state) else state.terms.maximum_ac_amperes
    return m.AC_EVSEChargeParameter(
        ac_evse_status=present_ac(secc, state),
        evse_nominal_voltage=physical(state.terms.ac.volts, UnitSymbol.V),
        evse_max_current=limit(amperes, UnitSymbol.A),
    )


def _dc_limits(secc: Party, state: SessionState, processing: m.EVSEProcessing) -> m.DC_EVSEChargeParameter:
    dc = state.terms.dc
    watts = dc.maximum_watts if _powerless(state) else state.terms.maximum_watts
    finished = processing is m.EVSEProcessing.FINISHED
    code = m.DC_EVSEStatusCode.EVSE_READY if finished else m.DC_EVSEStatusCode.EVSE_NOT_READY
    return m.DC_EVSEChargeParameter(
        dc_evse_status=present_dc(secc, state, code),
        evse_maximum_current_limit=limit(dc.maximum_amperes, UnitSymbol.A),
        evse_maximum_power_limit=limit(watts, UnitSymbol.W),
        evse_maximum_voltage_limit=limit(dc.maximum_volts, UnitSymbol.V),
        evse_minimum_current_limit=physical(dc.minimum_amperes, UnitSymbol.A),
        evse_minimum_voltage_limit=physical(dc.minimum_volts, UnitSymbol.V),
        evse_peak_current_ripple=physical(dc.ripple_amperes, UnitSymbol.A),
    )
