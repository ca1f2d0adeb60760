"""The schedules on offer: those of the backend, that of a paused session, or the station's own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import cast

from secc.conversation import Conversation, Party
from secc.iso2 import messages as m
from secc.iso2 import timing
from secc.iso2.planned import accepted, fitted
from secc.iso2.schedule import AnySchedule, Offered, Schedule, Stepped
from secc.iso2.session_state import SessionState
from secc.iso2.units import amount, amperes, volts, watts
from secc.session.schedules import ChargingNeeds, PlanCharging


class Plan:
    """The question to the backend, while the car is answered Ongoing."""

    def __init__(self, secc: Party, needs: ChargingNeeds, seconds: float) -> None:
        self._ticket = secc.ask(PlanCharging(needs, seconds, partial(accepted, needs)))
        self._limit = secc.limit(timing.schedules(seconds))

    def ready(self, secc: Party) -> Conversation[bool]:
        """Wait for a moment. Returns whether there is an answer, or no time left for one."""
        answered = yield from secc.until(
            lambda: secc.answer(self._ticket) is not None, within=timing.SCHEDULES_AT_ONCE, before=self._limit
        )
        return answered or secc.now >= self._limit.at

    def taken(self, secc: Party) -> Offered | None:
        """Returns the backend's schedules; None if there are none. A later answer is dropped."""
        answer = secc.answer(self._ticket)
        if answer is None:
            secc.abandon(self._ticket)
        return None if answer is None else cast("Offered | None", answer.schedules)


def asked_for(secc: Party, state: SessionState, request: m.ChargeParameterDiscoveryReq) -> Plan | None:
    """Ask the backend for schedules, if it gives any; in a resumed session at first only for the
    signed tariff of the schedule that was chosen before.
    """
    if not state.offer.plans:
        return None
    again = _again(secc, state, None, None)
    if again is not None and not _was_signed(state):
        return None
    needs = _needs(request, state, None if again is None else again.tuple_id)
    return Plan(secc, needs, state.offer.plan_seconds)


def on_offer(secc: Party, state: SessionState, request: m.ChargeParameterDiscoveryReq, plan: Plan | None) -> Offered:
    """Returns what the car may choose from: the schedule chosen before a pause for the first
    negotiation of a resumed session, otherwise new ones; all within the limit of now. [V2G2-741]
    """
    most, entries = state.terms.maximum_watts, request.max_entries_sa_schedule_tuple
    departure = request.ev_charge_parameter.departure_time
    found = plan.taken(secc) if plan is not None else None
    if found is not None:
        found = fitted(found, departure, entries, most)
    again = _again(secc, state, departure, entries)
    if again is not None:
        return _with_tariff(again.within(most), found)
    return found or Offered((Schedule.covering(most, departure, entries),))


def _again(secc: Party, state: SessionState, departure: int | None, most_entries: int | None) -> AnySchedule | None:
    """Returns the schedule chosen before a pause, with the time that is left."""
    if state.resumed is None or state.powered or state.resumed.chosen is None:
        return None
    return state.resumed.chosen.offered_again(secc.now, departure, most_entries)


def _was_signed(state: SessionState) -> bool:
    """Whether the schedule chosen before a pause had a signed tariff."""
    chosen = state.resumed.chosen if state.resumed is not None else None
    return chosen is not None and isinstance(chosen.schedule, Stepped) and chosen.schedule.signed


def _with_tariff(again: AnySchedule, found: Offered | None) -> Offered:
    """Returns the schedule of before with the tariff that the backend has signed anew for it."""
    one = found.schedules[0] if found is not None else None
    if found is None or not isinstance(again, Stepped) or not isinstance(one, Stepped) or not one.signed:
        return Offered((again,))
    return Offered((replace(again, tariff=one.tariff, signed=True),), found.signature)


def _needs(request: m.ChargeParameterDiscoveryReq, state: SessionState, chosen: int | None) -> ChargingNeeds:
    """Returns what the car has told; its values are checked."""
    parameter = request.ev_charge_parameter
    assert state.terms.transfer is not None
    needs = ChargingNeeds(
        transfer=state.terms.transfer,
        contract=state.payment is m.PaymentOption.CONTRACT,
        departure=parameter.departure_time or None,
        entries=request.max_entries_sa_schedule_tuple,
        chosen=chosen,
    )
    if isinstance(parameter, m.AC_EVChargeParameter):
        return replace(
            needs,
            watt_hours=_energy(parameter.e_amount),
            amperes=amperes(parameter.ev_max_current),
            volts=volts(parameter.ev_max_voltage),
        )
    assert isinstance(parameter, m.DC_EVChargeParameter)
    return replace(
        needs,
        watt_hours=_energy(parameter.ev_energy_request),
        amperes=amperes(parameter.ev_maximum_current_limit),
        volts=volts(parameter.ev_maximum_voltage_limit),
        watts=None if parameter.ev_maximum_power_limit is None else watts(parameter.ev_maximum_power_limit),
    )


def _energy(value: m.PhysicalValue | None) -> float | None:
    return None if value is None else amount(value, m.UnitSymbol.WH)
