"""SessionSetup: a new session gets its SessionID. [V2G2-540] [V2G2-542]"""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.iso2 import timing
from secc.iso2.messages import ResponseCode, SessionSetupReq, SessionSetupRes
from secc.iso2.session_state import SessionState
from secc.session.effects import Milestone, Reach
from secc.session.session_id import fresh_session_id


def session_setup(secc: Party, state: SessionState) -> Conversation[None]:
    """Give the car a new SessionID, whatever it sent. [V2G2-750] [V2G2-756] (Q-30)"""
    yield from secc.receive(SessionSetupReq, within=timing.SEQUENCE)
    assert secc.request is not None
    state.session_id = fresh_session_id(secc, secc.request.header.session_id)
    secc.reply(
        SessionSetupRes(
            response_code=ResponseCode.OK_NEW_SESSION_ESTABLISHED,
            evse_id=state.offer.evse_id,
            evse_time_stamp=now(secc),
        )
    )
    secc.do(Reach(Milestone.SESSION_SET_UP))


def now(secc: Party) -> int:
    """EVSETimeStamp: the calendar's time. Some cars set their clock by it. (Q-79)"""
    return int(secc.wall().time.timestamp())
