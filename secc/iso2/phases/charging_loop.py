"""ChargingStatus and CurrentDemand: the loop while power flows."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from secc.conversation import Conversation, Party
from secc.errors import Refusal
from secc.iso2 import timing
from secc.iso2.measured import meter_info
from secc.iso2.messages import (
    Body,
    ChargeProgress,
    ChargingStatusReq,
    ChargingStatusRes,
    CurrentDemandReq,
    CurrentDemandRes,
    MeteringReceiptReq,
    PaymentOption,
    PowerDeliveryReq,
    ResponseCode,
    SessionStopReq,
    UnitSymbol,
)
from secc.iso2.phases.metering_receipt import Receipts, metering_receipt
from secc.iso2.phases.power_delivery import renegotiate, stop
from secc.iso2.session_state import SessionState
from secc.iso2.status import present_ac, present_dc
from secc.iso2.units import amperes, limit, physical, volts, watts
from secc.session.dc_limits import CarLimits, demand
from secc.session.effects import Milestone, Reach
from secc.session.measured import fresh
from secc.session.remarks import remark
from secc.session.setup_states import Stopped


class Ended(Enum):
    """How the loop ended."""

    STOPPED = auto()
    RENEGOTIATE = auto()


def charging_loop(
    secc: Party, state: SessionState, car: CarLimits | None, receipts: Receipts | None
) -> Conversation[Ended]:
    """Answer the car's status requests until PowerDelivery. ``car``: the limits of a DC car, None
    for AC.
    """
    status: type[ChargingStatusReq | CurrentDemandReq] = ChargingStatusReq if car is None else CurrentDemandReq
    request = yield from _next(secc, state, receipts, status)
    while not isinstance(request, PowerDeliveryReq):
        if car is not None:
            if car.watts is None and request.ev_maximum_power_limit is not None:
                car = car.completed(watts(request.ev_maximum_power_limit))
            _current_demand(secc, state, receipts, car, request)
        else:
            _charging_status(secc, state, receipts)
        request = yield from _next(secc, state, receipts, status, PowerDeliveryReq)
    if request.charge_progress is ChargeProgress.START:
        raise Refusal(ResponseCode.FAILED, "[V2G2-812]", "Start where power flows already")
    if request.charge_progress is ChargeProgress.RENEGOTIATE:
        yield from renegotiate(secc, state)
        return Ended.RENEGOTIATE
    yield from stop(secc, state)
    return Ended.STOPPED


def _next(secc: Party, state: SessionState, receipts: Receipts | None, *kinds: type[Body]) -> Conversation[Any]:
    """Wait for the next request, and answer the metering receipt before it. SessionStopReq raises
    ``Stopped`` (D4, Q-38), unless ``strict``.
    """
    tolerated = () if state.offer.strict else (SessionStopReq,)
    while True:
        first, *others = kinds if receipts is None else receipts.before(state, kinds)
        heard = yield from secc.receive(first, *tolerated, *others, within=timing.SEQUENCE)
        if isinstance(heard, SessionStopReq):
            remark(secc, "Q-38", "SessionStopReq from the charging loop")
            raise Stopped("SessionStopReq")
        if receipts is None:
            return heard
        if not isinstance(heard, MeteringReceiptReq):
            receipts.passed_over(secc, state)
            return heard
        yield from metering_receipt(secc, state, receipts, heard)


def _charging_status(secc: Party, state: SessionState, receipts: Receipts | None) -> None:
    # EVSEMaxCurrent is for external payment; with a contract the schedule is the limit.
    external = state.payment is PaymentOption.EXTERNAL_PAYMENT
    watts = state.terms.maximum_watts
    stepped = watts if state.stepped is None else state.stepped_watts(watts, secc.now)
    most = limit(state.terms.ac_amperes(stepped), UnitSymbol.A)
    if most.value <= 0 or state.no_power.since is not None:
        # With a contract only a schedule can say 0 A, and it would be for a pause.
        told = external or stepped < watts
        state.no_power.look(secc, most.value, state.offer.no_power_seconds if told else 0.0)
    info, receipt_required = (meter_info(secc, state), False) if receipts is None else receipts.tell(secc, state)
    secc.reply(
        ChargingStatusRes(
            response_code=ResponseCode.OK,
            evse_id=state.offer.evse_id,
            sa_schedule_tuple_id=state.tuple_id,
            evse_max_current=most if external else None,
            meter_info=info,
            receipt_required=receipt_required,
            ac_evse_status=present_ac(secc, state),
        )
    )


def _current_demand(
    secc: Party, state: SessionState, receipts: Receipts | None, car: CarLimits, request: CurrentDemandReq
) -> None:
    """Answer at once with the stored measurements: the standard allows 25 ms."""
    dc, measured = state.terms.dc, fresh(secc)
    most_watts = state.terms.limited(dc.maximum_watts)
    if state.stepped is not None:
        most_watts = state.stepped_watts(most_watts, secc.now)
    most = limit(most_watts, UnitSymbol.W)
    if most.value <= 0 or state.no_power.since is not None:
        state.no_power.look(secc, most.value, state.offer.no_power_seconds)
    target_volts, target_amperes = volts(request.ev_target_voltage), amperes(request.ev_target_current)
    # With each request a car may lower its limits, but not raise what was agreed.
    lowered = car.lowered(
        None if request.ev_maximum_voltage_limit is None else volts(request.ev_maximum_voltage_limit),
        None if request.ev_maximum_current_limit is None else amperes(request.ev_maximum_current_limit),
        None if request.ev_maximum_power_limit is None else watts(request.ev_maximum_power_limit),
    )
    demanded = demand(
        target_volts,
        target_amperes,
        dc,
        most_watts,
        lowered,
        measured.volts,
        state.terms.lowest_volts,
        whole_amperes=state.terms.whole_amperes,
    )
    output = demanded.output
    secc.do(output)
    if output.volts != target_volts or output.amperes != target_amperes:
        state.remark.demand(secc, state.terms, lowered, target_volts, target_amperes, output)
    soc = request.dc_ev_status.ev_ress_soc
    if soc != state.announced_soc:
        state.announced_soc = soc
        secc.do(Reach(Milestone.CHARGING, (("soc", float(soc)),)))
    info, receipt_required = (meter_info(secc, state), False) if receipts is None else receipts.tell(secc, state)
    secc.reply(
        CurrentDemandRes(
            response_code=ResponseCode.OK,
            dc_evse_status=present_dc(secc, state),
            evse_present_voltage=physical(measured.volts, UnitSymbol.V),
            evse_present_current=physical(measured.amperes, UnitSymbol.A),
            evse_current_limit_achieved=demanded.current_limited,
            evse_voltage_limit_achieved=demanded.voltage_limited,
            evse_power_limit_achieved=demanded.power_limited,
            evse_maximum_voltage_limit=limit(dc.maximum_volts, UnitSymbol.V),
            evse_maximum_current_limit=limit(dc.maximum_amperes, UnitSymbol.A),
            evse_maximum_power_limit=most,
            evse_id=state.offer.evse_id,
            sa_schedule_tuple_id=state.tuple_id,
            meter_info=info,
            receipt_required=receipt_required,
        )
    )
