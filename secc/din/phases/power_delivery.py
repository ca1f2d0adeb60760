"""PowerDelivery: power on, or off."""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation, Party
from secc.din import messages as m
from secc.din import timing
from secc.din.messages import PowerDeliveryReq, PowerDeliveryRes, ResponseCode
from secc.din.phases.charge_parameter_discovery import DAY, TUPLE_ID
from secc.din.session_state import CLAUSE, SessionState
from secc.din.status import present
from secc.errors import Refusal
from secc.session.dc_limits import SAFE_VOLTS
from secc.session.effects import Milestone, PowerReported, Reach, StartPower, StopPower
from secc.session.measured import breakable, fresh
from secc.session.remarks import remark
from secc.session.waiting import answer_within

TOLERANCE: Final = 1.01
"""By how much a profile may exceed the schedule, unless ``strict``: cars round."""

NOT_APPLIED: Final = ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED


def power_delivery(secc: Party, state: SessionState, request: PowerDeliveryReq) -> Conversation[bool]:
    """Returns True if power flows from here on; False if the car stops before it started."""
    if not request.ready_to_charge_state:
        yield from stop(secc, state)
        return False
    if request.charging_profile is not None:
        _check_profile(secc, state, request.charging_profile)
    limit = secc.limit(timing.POWER_DELIVERY)
    # Some cars ask while the voltage still rises. Whether it is near enough to the battery's is for the car to judge,
    # which closes its relay.
    if not (yield from secc.until(lambda: fresh(secc).volts >= SAFE_VOLTS, before=limit, every=timing.LOOK)):
        raise Refusal(ResponseCode.FAILED_EVSE_PRESENT_VOLTAGE_TO_LOW, CLAUSE, f"{secc.levels.volts:.0f} V")
    _refuse_stopped(state)
    report = yield from answer_within(secc, StartPower(timing.POWER_SWITCHED), before=limit)
    if report is None or not report.done:
        raise Refusal(NOT_APPLIED, CLAUSE, "no report in time" if report is None else report.detail)
    # Meanwhile the operator or the backend may have stopped the session.
    _refuse_stopped(state)
    secc.reply(_response(secc, state))
    secc.do(Reach(Milestone.POWER_ON))
    return True


def stop(secc: Party, state: SessionState) -> Conversation[None]:
    """Switch power off in order. OK once the power path reports it, or at the end of the time for the
    answer, and only if no current flows that a contactor could not break: a supply may need longer
    than the car waits. Complaints in the car's status never make this fail.
    """
    limit = secc.limit(timing.POWER_DELIVERY)
    question = secc.ask(StopPower(timing.POWER_SWITCHED))

    def settled() -> bool:
        report = secc.answer(question)
        return report is not None and (not report.done or breakable(secc))

    yield from secc.until(settled, before=limit, every=timing.LOOK)
    report = secc.answer(question) or PowerReported(True)
    if not report.done or not breakable(secc):
        detail = report.detail or f"{secc.levels.amperes:.1f} A"
        raise Refusal(ResponseCode.FAILED, CLAUSE, f"power is not off: {detail}")
    secc.abandon(question)
    state.live = False
    # The car has obeyed a stop.
    state.wishes.settle()
    secc.reply(_response(secc, state))
    secc.do(Reach(Milestone.POWER_OFF))


def _check_profile(secc: Party, state: SessionState, profile: m.ChargingProfile) -> None:
    """Raises Refusal for a profile of another schedule, or one that exceeds it (Q-45). A car may
    leave it out (Q-46).
    """
    if profile.sa_schedule_tuple_id != TUPLE_ID:
        detail = f"SAScheduleTupleID {profile.sa_schedule_tuple_id}"
        raise Refusal(ResponseCode.FAILED_TARIFF_SELECTION_INVALID, CLAUSE, detail)
    most, before = state.p_max * (1.0 if state.offer.strict else TOLERANCE), -1
    for entry in profile.profile_entry:
        start, watts = entry.charging_profile_entry_start, entry.charging_profile_entry_max_power
        if start <= before or not 0 <= watts <= most or (start >= DAY and watts > 0):
            detail = f"{watts} W at {start} s where {state.p_max} W are offered"
            if not state.terms.tolerates("Q-45"):
                raise Refusal(ResponseCode.FAILED_CHARGING_PROFILE_INVALID, CLAUSE, detail)
            remark(secc, "Q-45", detail)
            return
        before = start


def _refuse_stopped(state: SessionState) -> None:
    if state.wishes.stop is not None:
        raise Refusal(NOT_APPLIED, CLAUSE, "ReadyToChargeState after StopCharging")


def _response(secc: Party, state: SessionState) -> PowerDeliveryRes:
    return PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=present(secc, state))
