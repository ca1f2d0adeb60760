"""WeldingDetection: the car checks that its contactors have opened, several times (Q-64) or never
(Q-65).
"""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.errors import Refusal
from secc.iso2 import timing
from secc.iso2.messages import (
    DC_EVSEStatusCode,
    ResponseCode,
    SessionStopReq,
    UnitSymbol,
    WeldingDetectionReq,
    WeldingDetectionRes,
)
from secc.iso2.session_state import SessionState
from secc.iso2.status import present_dc
from secc.iso2.units import physical
from secc.session.measured import fresh
from secc.session.waiting import pilot_in, refuse_late


def welding_detection(secc: Party, state: SessionState) -> Conversation[None]:
    """Answer until the SessionStopReq, which may come first. Both need the pilot in B. [V2G2-596]
    [V2G2-920] [V2G2-921]
    """
    request = yield from secc.receive(WeldingDetectionReq, SessionStopReq, within=timing.SEQUENCE)
    if not (yield from pilot_in(secc, "B", within=timing.CP_STATE_DETECTION, every=timing.CP_STATE_LOOK)):
        raise Refusal(
            ResponseCode.FAILED, "[V2G2-921]", f"{type(request).__name__} with the pilot in {secc.levels.pilot}"
        )
    limit = secc.limit(timing.WELDING_DETECTION)
    while isinstance(request, WeldingDetectionReq):
        refuse_late(secc, limit)
        measured = fresh(secc)
        yield from state.pace.reply(
            secc,
            WeldingDetectionRes(
                response_code=ResponseCode.OK,
                dc_evse_status=present_dc(secc, state, DC_EVSEStatusCode.EVSE_NOT_READY),
                evse_present_voltage=physical(measured.volts, UnitSymbol.V),
            ),
        )
        request = yield from secc.receive(WeldingDetectionReq, SessionStopReq, within=timing.SEQUENCE)
