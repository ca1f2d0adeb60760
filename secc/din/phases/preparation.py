"""CableCheck and PreCharge: the insulation test, and the battery's voltage at the outlet."""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.din import messages as m
from secc.din import timing
from secc.din.messages import DC_EVSEStatusCode, EVSEProcessing, IsolationLevel, ResponseCode, UnitSymbol
from secc.din.session_state import SessionState, next_request
from secc.din.status import present
from secc.din.units import amperes, physical, volts
from secc.errors import Refusal
from secc.session.dc_limits import CarLimits, precharge
from secc.session.effects import CableChecked, CheckCable, Milestone, Reach
from secc.session.measured import Malfunction, fresh
from secc.session.waiting import limited, pilot_in, refuse_late
from secc.session.wishes import Held


def cable_check(secc: Party, state: SessionState, car: CarLimits) -> Conversation[None]:
    """Check the cable with the pilot in C or D; answer Ongoing until the power path has a result."""
    yield from next_request(secc, m.CableCheckReq)
    with limited(secc, timing.CABLE_CHECK):
        finding = yield from _found(secc, state, car)
    level = IsolationLevel.__members__.get(finding.isolation.upper())
    if not finding.passed or level is None:
        raise Malfunction(f"isolation {finding.isolation}: {finding.detail}")
    state.isolation = level
    secc.reply(_checked(EVSEProcessing.FINISHED, present(secc, state)))
    secc.do(Reach(Milestone.CABLE_CHECKED, (("isolation", finding.isolation),)))


def _found(secc: Party, state: SessionState, car: CarLimits) -> Conversation[CableChecked]:
    """Returns the power path's result, with the request open that hears it."""
    if not (yield from pilot_in(secc, "C", "D", within=timing.CP_STATE_DETECTION, every=timing.LOOK)):
        raise Refusal(ResponseCode.FAILED, "[V2G-DC-547]", f"CableCheckReq with the pilot in {secc.levels.pilot}")
    state.live = True
    question = secc.ask(CheckCable(car.volts, timing.CABLE_CHECK))
    while (finding := secc.answer(question)) is None or (finding.passed and state.wishes.forces(Held.CABLE_CHECK)):
        active = present(secc, state, DC_EVSEStatusCode.EVSE_ISOLATION_MONITORING_ACTIVE)
        yield from state.pace.reply(secc, _checked(EVSEProcessing.ONGOING, active))
        yield from next_request(secc, m.CableCheckReq)
    return finding


def _checked(processing: EVSEProcessing, status: m.DC_EVSEStatus) -> m.CableCheckRes:
    return m.CableCheckRes(response_code=ResponseCode.OK, dc_evse_status=status, evse_processing=processing)


def pre_charge(secc: Party, state: SessionState, car: CarLimits) -> Conversation[m.PowerDeliveryReq]:
    """Follow the target of each request (Q-49), with almost no current. Returns the PowerDeliveryReq
    with which the car ends it.
    """
    request: m.PreChargeReq | m.PowerDeliveryReq = yield from next_request(secc, m.PreChargeReq)
    limit = secc.limit(timing.PRE_CHARGE)
    first_volts: float | None = None
    while isinstance(request, m.PreChargeReq):
        refuse_late(secc, limit)
        measured = fresh(secc)
        target_volts, target_amperes = volts(request.ev_target_voltage), amperes(request.ev_target_current)
        first_volts = target_volts if first_volts is None else first_volts
        state.remark.precharge(secc, state.terms, target_volts, target_amperes, first_volts)
        output = precharge(target_volts, target_amperes, state.terms.dc, car, state.terms.lowest_volts)
        secc.do(output)
        yield from state.pace.reply(
            secc,
            m.PreChargeRes(
                response_code=ResponseCode.OK,
                dc_evse_status=present(secc, state),
                evse_present_voltage=physical(measured.volts, UnitSymbol.V),
            ),
        )
        request = yield from next_request(secc, m.PreChargeReq, m.PowerDeliveryReq)
    secc.do(Reach(Milestone.PRECHARGED, (("volts", secc.levels.volts),)))
    return request
