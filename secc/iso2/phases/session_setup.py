"""SessionSetup: a new session gets its number. [V2G2-540] [V2G2-542]"""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation, Party
from secc.errors import SeccError
from secc.iso2 import timing
from secc.iso2.messages import ResponseCode, SessionSetupReq, SessionSetupRes
from secc.iso2.session_state import NO_SESSION, SessionState
from secc.session.effects import Milestone, Reach

_ATTEMPTS: Final = 8


def session_setup(secc: Party, state: SessionState) -> Conversation[None]:
    """Whatever SessionID the car brings, of whatever length, it gets a fresh one. [V2G2-750] [V2G2-756] (Q-30)"""
    yield from secc.receive(SessionSetupReq, within=timing.SEQUENCE)
    assert secc.request is not None
    state.session_id = _fresh_id(secc, secc.request.header.session_id)
    secc.reply(
        SessionSetupRes(
            response_code=ResponseCode.OK_NEW_SESSION_ESTABLISHED,
            evse_id=state.offer.evse_id,
            evse_time_stamp=now(secc),
        )
    )
    secc.do(Reach(Milestone.SESSION_SET_UP))


def now(secc: Party) -> int:
    """EVSETimeStamp: the calendar's time. Cars without a clock go by it. (Q-79)"""
    return int(secc.wall().time.timestamp())


def _fresh_id(secc: Party, brought: bytes) -> bytes:
    """Eight random octets, neither zero nor the car's own idea. [V2G2-835] (Q-31)"""
    for _ in range(_ATTEMPTS):
        session_id = secc.entropy(8)
        if session_id not in (NO_SESSION, brought):
            return session_id
    raise SeccError("the source of random numbers is broken")
