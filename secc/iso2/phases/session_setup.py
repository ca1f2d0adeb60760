"""SessionSetup: a new session, or the one that this car has paused. [V2G2-540] [V2G2-542]"""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation, Party
from secc.errors import Refusal
from secc.iso2 import timing
from secc.iso2.messages import ResponseCode, SessionSetupReq, SessionSetupRes
from secc.iso2.paused import Paused
from secc.iso2.session_state import SessionState
from secc.session.effects import Milestone, Reach, Resume
from secc.session.remarks import remark
from secc.session.session_id import fresh_session_id

MAC_OCTETS: Final = 6
"""Octets of an EVCCID that is a MAC address, the most that the XSD allows."""


def session_setup(secc: Party, state: SessionState) -> Conversation[None]:
    """Let the car join the session that it paused, or give it a new SessionID, whatever it sent.
    [V2G2-750] [V2G2-753] [V2G2-754] [V2G2-756] (Q-30)
    """
    request = yield from secc.receive(SessionSetupReq, within=timing.SEQUENCE)
    assert secc.request is not None
    brought = secc.request.header.session_id
    state.evcc_id = request.evcc_id
    if len(request.evcc_id) != MAC_OCTETS:
        if state.offer.strict and len(request.evcc_id) > MAC_OCTETS:
            raise Refusal(ResponseCode.FAILED, "XSD", f"an EVCCID of {len(request.evcc_id)} octets")
        remark(secc, "Q-32", f"an EVCCID of {len(request.evcc_id)} octets")
    paused, state.paused = state.paused, None
    if not isinstance(paused, Paused):
        state.session_id = fresh_session_id(secc, brought)
    elif why := paused.rejoined(brought, request.evcc_id, state.offer):
        if brought == paused.session_id:
            remark(secc, "A-SES-02", f"the SessionID of the paused session does not count: {why}")
        state.session_id = fresh_session_id(secc, brought, paused.session_id)
    else:
        state.resume(paused)
    code = ResponseCode.OK_OLD_SESSION_JOINED if state.resumed else ResponseCode.OK_NEW_SESSION_ESTABLISHED
    secc.reply(SessionSetupRes(response_code=code, evse_id=state.offer.evse_id, evse_time_stamp=now(secc)))
    if state.resumed:
        secc.do(Resume())
    secc.do(Reach(Milestone.SESSION_SET_UP))


def now(secc: Party) -> int:
    """EVSETimeStamp: the calendar's time. Some cars set their clock by it. (Q-79)"""
    return int(secc.wall().time.timestamp())
