"""PreCharge: raise the outlet's voltage to the battery's, with almost no current. [V2G2-586]
[V2G2-589]
"""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.iso2 import timing
from secc.iso2.messages import PowerDeliveryReq, PreChargeReq, PreChargeRes, ResponseCode, UnitSymbol
from secc.iso2.session_state import SessionState, next_request
from secc.iso2.status import present_dc
from secc.iso2.units import amperes, physical, volts
from secc.session.dc_limits import CarLimits, precharge
from secc.session.effects import Milestone, Reach
from secc.session.measured import fresh
from secc.session.waiting import refuse_late


def pre_charge(
    secc: Party, state: SessionState, car: CarLimits, first: PreChargeReq | None = None
) -> Conversation[PowerDeliveryReq]:
    """Follow the target of each request (Q-49). Returns the PowerDeliveryReq with which the car
    ends it. ``first``: its first request, if it is open already.
    """
    first = first or (yield from next_request(secc, PreChargeReq))
    request: PreChargeReq | PowerDeliveryReq = first
    limit = secc.limit(timing.PRE_CHARGE)
    first_volts = volts(first.ev_target_voltage)
    while isinstance(request, PreChargeReq):
        refuse_late(secc, limit)
        measured = fresh(secc)
        target_volts, target_amperes = volts(request.ev_target_voltage), amperes(request.ev_target_current)
        state.remark.precharge(secc, state.terms, target_volts, target_amperes, first_volts)
        secc.do(precharge(target_volts, target_amperes, state.terms.dc, car, state.terms.lowest_volts))
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
