"""PowerDelivery: power on, power off, or renegotiation."""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.errors import Refusal
from secc.iso2 import timing
from secc.iso2.messages import ChargeProgress, PowerDeliveryReq, PowerDeliveryRes, ResponseCode
from secc.iso2.schedule import Offered, Stepped, check_profile
from secc.iso2.session_state import SessionState
from secc.iso2.status import present
from secc.session.effects import Milestone, PowerReported, Reach, StartPower, StopPower
from secc.session.remarks import remark
from secc.session.schedules import KeepSchedule
from secc.session.waiting import answer_within


def power_delivery(secc: Party, state: SessionState, offered: Offered, request: PowerDeliveryReq) -> Conversation[bool]:
    """Returns True if power flows from here on; False if the car stops before it started."""
    if request.charge_progress is ChargeProgress.RENEGOTIATE:
        raise Refusal(ResponseCode.FAILED, "[V2G2-812]", "Renegotiate before Start")
    if request.charge_progress is ChargeProgress.STOP:
        yield from stop(secc, state)
        return False
    yield from _start(secc, state, offered, request)
    return True


def _start(secc: Party, state: SessionState, offered: Offered, request: PowerDeliveryReq) -> Conversation[None]:
    schedule = offered.chosen(request.sa_schedule_tuple_id)
    # Cars may leave the profile out, and some send one that has little to do with the
    # schedule.
    if request.charging_profile is not None:
        try:
            check_profile(request.charging_profile, schedule, strict=state.offer.strict)
        except Refusal as refusal:
            if not state.terms.tolerates("Q-45"):
                raise
            remark(secc, "Q-45", refusal.detail)
    _refuse_stopped(state)
    if state.offer.plans or isinstance(schedule, Stepped):
        # The power path keeps the steps of a schedule of the backend.
        began = state.choose(schedule).began_at
        steps = schedule.steps if isinstance(schedule, Stepped) else ()
        secc.do(KeepSchedule(tuple((began + start, watts) for start, watts in steps)))
    if not _already_on(secc, state):
        state.live = True
        report = yield from _reported(secc, StartPower(timing.POWER_SWITCHED))
        if not report.done:
            raise _not_started(secc, state, report)
        # While the car went to C, the operator or the backend may have stopped the session.
        _refuse_stopped(state)
    state.powered = True
    secc.reply(PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=present(secc, state)))
    secc.do(Reach(Milestone.POWER_ON))


def stop(secc: Party, state: SessionState) -> Conversation[None]:
    """Switch power off in order. Complaints in the car's status never make this fail."""
    if state.live:
        report = yield from _reported(secc, StopPower(timing.POWER_SWITCHED))
        if not report.done:
            code = ResponseCode.FAILED if state.terms.is_dc else ResponseCode.FAILED_CONTACTOR_ERROR
            raise Refusal(code, "[V2G2-480]", f"power is not off: {report.detail}")
    state.live = False
    # The car has obeyed a stop.
    state.wishes.settle()
    secc.reply(PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=present(secc, state)))
    secc.do(Reach(Milestone.POWER_OFF))


def renegotiate(secc: Party, state: SessionState) -> Conversation[None]:
    """Return to ChargeParameterDiscovery. AC power stays on; DC current goes off because the cable
    is checked again. [V2G2-565] [V2G2-582]
    """
    if state.terms.is_dc:
        # Some cars open their contactor here, some only at the end of the session.
        report = yield from _reported(secc, StopPower(timing.POWER_SWITCHED, keep_contactor=True))
        if not report.done:
            raise Refusal(ResponseCode.FAILED, "[V2G2-480]", f"power is not off: {report.detail}")
    state.chosen = None
    state.wishes.negotiated()
    secc.reply(PowerDeliveryRes(response_code=ResponseCode.OK, evse_status=present(secc, state)))


def _refuse_stopped(state: SessionState) -> None:
    if state.wishes.stop is not None:
        raise Refusal(ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED, "[V2G2-480]", "Start after StopCharging")


def _already_on(secc: Party, state: SessionState) -> bool:
    """AC after a renegotiation: whether the contactor is closed already."""
    levels = secc.levels
    return state.powered and not state.terms.is_dc and levels.contactor == "closed" and levels.ready


def _reported(secc: Party, question: StartPower | StopPower) -> Conversation[PowerReported]:
    """Returns the power path's report, or a failed one after the 4.5 s of the answer."""
    report = yield from answer_within(secc, question, timing.POWER_DELIVERY)
    return report or PowerReported(False, "no report in time")


def _not_started(secc: Party, state: SessionState, report: PowerReported) -> Refusal:
    if not state.terms.is_dc and secc.levels.ready:
        # The car was in C within 250 ms, so the contactor is the cause. [V2G2-847] [V2G2-862]
        return Refusal(ResponseCode.FAILED_CONTACTOR_ERROR, "[V2G2-865]", report.detail)
    return Refusal(ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED, "[V2G2-480]", report.detail)
