"""PreCharge: raise the outlet's voltage to the battery's, with almost no current. [V2G2-586]
[V2G2-589]
"""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.iso2 import timing
from secc.iso2.measured import fresh
from secc.iso2.messages import PowerDeliveryReq, PreChargeReq, PreChargeRes, ResponseCode, UnitSymbol
from secc.iso2.session_state import SessionState, next_request
from secc.iso2.status import present_dc
from secc.iso2.units import amperes, physical, volts
from secc.session.dc_limits import CarLimits, precharge
from secc.session.effects import Milestone, Reach
from secc.session.waiting import refuse_late


def pre_charge(secc: Party, state: SessionState, car: CarLimits) -> Conversation[PowerDeliveryReq]:
    """Follow the target of each request (Q-49). Returns the PowerDeliveryReq with which the car
    ends it.
    """
    request: PreChargeReq | PowerDeliveryReq = yield from next_request(secc, PreChargeReq)
    limit = secc.limit(timing.PRE_CHARGE)
    while isinstance(request, PreChargeReq):
        refuse_late(secc, limit)
        measured = fresh(secc)
        secc.do(precharge(volts(request.ev_target_voltage), amperes(request.ev_target_current), state.terms.dc, car))
        yield from state.pace.reply(
            secc,
            PreChargeRes(
                response_code=ResponseCode.OK,
                dc_evse_status=present_dc(secc, state),
                evse_present_voltage=physical(measured.volts, UnitSymbol.V),
            ),
        )
        request = yield from next_request(secc, PreChargeReq, PowerDeliveryReq)
    secc.do(Reach(Milestone.PRECHARGED, (("volts", secc.levels.volts),)))
    return request
