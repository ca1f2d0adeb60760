"""WeldingDetection, several times (Q-64) or never (Q-65), and SessionStop."""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation, Party
from secc.din import messages as m
from secc.din import timing
from secc.din.messages import ResponseCode, UnitSymbol
from secc.din.session_state import CLAUSE, SessionState
from secc.din.status import present
from secc.din.units import physical
from secc.errors import Refusal
from secc.session.effects import Milestone, Reach, StopPower
from secc.session.measured import breakable, fresh
from secc.session.waiting import answer_within, pilot_in, refuse_late

TERMINATED: Final = "terminated"
STOPPED_EARLY: Final = "stopped-early"


def welding_detection(secc: Party, state: SessionState) -> Conversation[None]:
    """Answer until the SessionStopReq, which may come first. Both need the pilot in B."""
    request = yield from secc.receive(m.WeldingDetectionReq, m.SessionStopReq, within=timing.SEQUENCE)
    if not (yield from pilot_in(secc, "B", within=timing.CP_STATE_DETECTION, every=timing.LOOK)):
        detail = f"{type(request).__name__} with the pilot in {secc.levels.pilot}"
        raise Refusal(ResponseCode.FAILED, "[V2G-DC-556]", detail)
    limit = secc.limit(timing.WELDING_DETECTION)
    while isinstance(request, m.WeldingDetectionReq):
        refuse_late(secc, limit)
        measured = fresh(secc)
        yield from state.pace.reply(
            secc,
            m.WeldingDetectionRes(
                response_code=ResponseCode.OK,
                dc_evse_status=present(secc, state, m.DC_EVSEStatusCode.EVSE_NOT_READY),
                evse_present_voltage=physical(measured.volts, UnitSymbol.V),
            ),
        )
        request = yield from secc.receive(m.WeldingDetectionReq, m.SessionStopReq, within=timing.SEQUENCE)


def session_stop(secc: Party) -> Conversation[str]:
    """Answer SessionStopReq, also one that welding detection received."""
    if not secc.open:
        yield from secc.receive(m.SessionStopReq, within=timing.SEQUENCE)
    secc.reply(m.SessionStopRes(response_code=ResponseCode.OK))
    secc.do(Reach(Milestone.STOPPED))
    return TERMINATED


def early_stop(secc: Party, state: SessionState) -> Conversation[str]:
    """Answer a SessionStopReq that came before the end of the diagram (Q-34, Q-37, Q-38): power off
    in order, within the time for the answer, which is not OK while current flows.
    """
    if state.live:
        # The safe effects of the ending do what does not fit into that time.
        state.wishes.settle()
        yield from answer_within(secc, StopPower(timing.SESSION_STOP), timing.SESSION_STOP)
        if not breakable(secc):
            raise Refusal(ResponseCode.FAILED, CLAUSE, f"power is not off: {secc.levels.amperes:.1f} A")
    secc.reply(m.SessionStopRes(response_code=ResponseCode.OK))
    secc.do(Reach(Milestone.STOPPED))
    return STOPPED_EARLY
