"""CableCheck: the insulation test before charging voltage. [V2G2-582] [V2G2-583]"""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.errors import Refusal
from secc.iso2 import timing
from secc.iso2.messages import (
    CableCheckReq,
    CableCheckRes,
    DC_EVSEStatus,
    DC_EVSEStatusCode,
    EVSEProcessing,
    IsolationLevel,
    PowerDeliveryReq,
    PreChargeReq,
    ResponseCode,
)
from secc.iso2.refusals import SEQUENCE_ERROR
from secc.iso2.session_state import SessionState, next_request
from secc.iso2.status import present_dc
from secc.session.dc_limits import CarLimits
from secc.session.effects import CableChecked, CheckCable, KeepCable, Milestone, Reach
from secc.session.measured import Malfunction
from secc.session.remarks import remark
from secc.session.waiting import answer_within, limited, pilot_in
from secc.session.wishes import Held


def first_of_preparation(
    secc: Party, state: SessionState
) -> Conversation[CableCheckReq | PreChargeReq | PowerDeliveryReq]:
    """Returns the first request of the preparation, open: CableCheckReq, unless a car that has
    renegotiated may leave out what it has done before. (Q-60)
    """
    if not (state.powered and state.terms.tolerates("Q-60")):
        return (yield from next_request(secc, CableCheckReq))
    return (yield from next_request(secc, CableCheckReq, PreChargeReq, PowerDeliveryReq))


def keep_cable(secc: Party, state: SessionState, car: CarLimits) -> Conversation[None]:
    """Go on with the cable that was checked before the renegotiation. Raises Refusal unless the car
    has kept its battery at the output: the request is then out of order.
    """
    found = yield from answer_within(secc, KeepCable(car.volts), timing.POWER_DELIVERY)
    if found is None or not found.passed:
        out = SEQUENCE_ERROR
        raise Refusal(out.code, out.clause, f"no cable check: {found.detail if found else 'no answer'}")
    remark(secc, "Q-60", "no cable check after the renegotiation")


def cable_check(secc: Party, state: SessionState, car: CarLimits) -> Conversation[None]:
    """Check the cable with the pilot in C or D, for the open request; answer Ongoing until the power
    path has a result. [V2G2-917] [V2G2-918]
    """
    with limited(secc, timing.CABLE_CHECK):
        finding = yield from _found(secc, state, car)
    if not finding.passed:
        raise Malfunction(f"isolation {finding.isolation}: {finding.detail}")
    state.isolation = IsolationLevel[finding.isolation.upper()]
    secc.reply(_response(EVSEProcessing.FINISHED, present_dc(secc, state)))
    secc.do(Reach(Milestone.CABLE_CHECKED, (("isolation", finding.isolation),)))


def _found(secc: Party, state: SessionState, car: CarLimits) -> Conversation[CableChecked]:
    """Returns the power path's result, with the request open that hears it."""
    if not (yield from pilot_in(secc, "C", "D", within=timing.CP_STATE_DETECTION, every=timing.CP_STATE_LOOK)):
        raise Refusal(ResponseCode.FAILED, "[V2G2-918]", f"CableCheckReq with the pilot in {secc.levels.pilot}")
    state.isolation, state.live = None, True
    question = secc.ask(CheckCable(car.volts, timing.CABLE_CHECK))
    while (finding := secc.answer(question)) is None or (finding.passed and state.wishes.forces(Held.CABLE_CHECK)):
        active = present_dc(secc, state, DC_EVSEStatusCode.EVSE_ISOLATION_MONITORING_ACTIVE)
        yield from state.pace.reply(secc, _response(EVSEProcessing.ONGOING, active))
        yield from next_request(secc, CableCheckReq)
    return finding


def _response(processing: EVSEProcessing, status: DC_EVSEStatus) -> CableCheckRes:
    return CableCheckRes(response_code=ResponseCode.OK, dc_evse_status=status, evse_processing=processing)
