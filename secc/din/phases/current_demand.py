"""CurrentDemand: the loop while power flows."""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.din import messages as m
from secc.din import timing
from secc.din.messages import ResponseCode, UnitSymbol
from secc.din.phases.power_delivery import stop
from secc.din.session_state import CLAUSE, SessionState
from secc.din.status import present
from secc.din.units import amperes, limit, physical, volts, watts
from secc.errors import Refusal
from secc.session.dc_limits import CarLimits, demand
from secc.session.effects import Milestone, Reach
from secc.session.measured import fresh
from secc.session.remarks import remark
from secc.session.setup_states import Stopped


def charging_loop(secc: Party, state: SessionState, car: CarLimits) -> Conversation[None]:
    """Answer CurrentDemandReq until PowerDelivery. SessionStopReq raises ``Stopped`` (Q-38), unless
    ``strict``.
    """
    tolerated = () if state.offer.strict else (m.SessionStopReq,)
    request = yield from secc.receive(m.CurrentDemandReq, *tolerated, within=timing.SEQUENCE)
    while isinstance(request, m.CurrentDemandReq):
        if car.watts is None and request.ev_maximum_power_limit is not None:
            car = car.completed(watts(request.ev_maximum_power_limit))
        _current_demand(secc, state, car, request)
        request = yield from secc.receive(m.CurrentDemandReq, m.PowerDeliveryReq, *tolerated, within=timing.SEQUENCE)
    if isinstance(request, m.SessionStopReq):
        remark(secc, "Q-38", "SessionStopReq from the charging loop")
        raise Stopped("SessionStopReq")
    if request.ready_to_charge_state:
        raise Refusal(ResponseCode.FAILED, CLAUSE, "ReadyToChargeState where power flows already")
    yield from stop(secc, state)


def _current_demand(secc: Party, state: SessionState, car: CarLimits, request: m.CurrentDemandReq) -> None:
    """Answer at once with the stored measurements: the standard allows 25 ms."""
    dc, measured = state.terms.dc, fresh(secc)
    most_watts = state.terms.maximum_watts
    most = limit(most_watts, UnitSymbol.W)
    if most.value <= 0 or state.no_power.since is not None:
        state.no_power.look(secc, most.value, state.offer.no_power_seconds)
    target_volts, target_amperes = volts(request.ev_target_voltage), amperes(request.ev_target_current)
    # With each request a car may lower its limits, but not raise what was agreed.
    lowered = car.lowered(
        None if request.ev_maximum_voltage_limit is None else volts(request.ev_maximum_voltage_limit),
        None if request.ev_maximum_current_limit is None else amperes(request.ev_maximum_current_limit),
        None if request.ev_maximum_power_limit is None else watts(request.ev_maximum_power_limit),
    )
    demanded = demand(
        target_volts,
        target_amperes,
        dc,
        most_watts,
        lowered,
        measured.volts,
        state.terms.lowest_volts,
        whole_amperes=state.terms.whole_amperes,
    )
    output = demanded.output
    secc.do(output)
    if output.volts != target_volts or output.amperes != target_amperes:
        state.remark.demand(secc, state.terms, lowered, target_volts, target_amperes, output)
    soc = request.dc_ev_status.ev_ress_soc
    if soc != state.announced_soc:
        state.announced_soc = soc
        secc.do(Reach(Milestone.CHARGING, (("soc", float(soc)),)))
    secc.reply(
        m.CurrentDemandRes(
            response_code=ResponseCode.OK,
            dc_evse_status=present(secc, state),
            evse_present_voltage=physical(measured.volts, UnitSymbol.V),
            evse_present_current=physical(measured.amperes, UnitSymbol.A),
            evse_current_limit_achieved=demanded.current_limited,
            evse_voltage_limit_achieved=demanded.voltage_limited,
            evse_power_limit_achieved=demanded.power_limited,
            evse_maximum_voltage_limit=limit(dc.maximum_volts, UnitSymbol.V),
            evse_maximum_current_limit=limit(dc.maximum_amperes, UnitSymbol.A),
            evse_maximum_power_limit=most,
        )
    )
