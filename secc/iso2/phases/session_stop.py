"""SessionStop: the end of a session. [V2G2-568] [V2G2-570]"""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation, Party
from secc.iso2 import timing
from secc.iso2.messages import ChargingSession, ResponseCode, SessionStopReq, SessionStopRes
from secc.iso2.session_state import SessionState
from secc.session.effects import KeepForResume, Milestone, Reach, StopPower
from secc.session.waiting import answer_within

TERMINATED: Final = "terminated"
PAUSED: Final = "pause"
STOPPED_EARLY: Final = "stopped-early"


def session_stop(secc: Party, state: SessionState) -> Conversation[str]:
    """Answer SessionStopReq, also one that welding detection received. Power is off: the car may
    pause.
    """
    if not secc.open:
        yield from secc.receive(SessionStopReq, within=timing.SEQUENCE)
    assert secc.request is not None
    pauses = secc.request.message.charging_session is ChargingSession.PAUSE
    secc.reply(SessionStopRes(response_code=ResponseCode.OK))
    secc.do(Reach(Milestone.STOPPED))
    if pauses:
        secc.do(KeepForResume(state.pause()))
        return PAUSED
    return TERMINATED


def early_stop(secc: Party, state: SessionState) -> Conversation[str]:
    """Answer a SessionStopReq that came before the end of the diagram (Q-34, Q-37, Q-38): power off
    in order, within the time for the answer. A pause from here counts as an end. (unverified)
    """
    if state.live:
        # The safe effects of the ending do what does not fit into that time.
        state.wishes.settle()
        yield from answer_within(secc, StopPower(timing.SESSION_STOP), timing.SESSION_STOP)
    secc.reply(SessionStopRes(response_code=ResponseCode.OK))
    secc.do(Reach(Milestone.STOPPED))
    return STOPPED_EARLY
