"""One DIN SPEC 70121 session, in the order of the standard's sequence diagram."""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.din import timing
from secc.din.phases.charge_parameter_discovery import charge_parameter_discovery
from secc.din.phases.current_demand import charging_loop
from secc.din.phases.ending import early_stop, session_stop, welding_detection
from secc.din.phases.power_delivery import power_delivery
from secc.din.phases.preparation import cable_check, pre_charge
from secc.din.phases.setup import (
    contract_authentication,
    service_discovery,
    service_payment_selection,
    session_setup,
)
from secc.din.session_state import SessionState
from secc.session.setup_states import Stopped


def conversation(secc: Party, state: SessionState) -> Conversation[str]:
    """Run from SessionSetup to SessionStop. Returns how the session ended."""
    state.wishes.hear(secc, timing.NOTIFICATION_MAX_DELAY, renegotiates=lambda: False)
    try:
        yield from session_setup(secc, state)
        yield from service_discovery(secc, state)
        yield from service_payment_selection(secc, state)
        yield from contract_authentication(secc, state)
        car = yield from charge_parameter_discovery(secc, state)
        yield from cable_check(secc, state, car)
        delivery = yield from pre_charge(secc, state, car)
        if (yield from power_delivery(secc, state, delivery)):
            yield from charging_loop(secc, state, car)
        yield from welding_detection(secc, state)
        return (yield from session_stop(secc))
    except Stopped:
        return (yield from early_stop(secc, state))
