"""One ISO 15118-2 session, in the order of the standard's sequence diagram."""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.iso2.messages import CableCheckReq, PaymentDetailsReq, PaymentOption, PowerDeliveryReq
from secc.iso2.phases.authorization import contract_authorization, external_authorization
from secc.iso2.phases.cable_check import cable_check, first_of_preparation, keep_cable
from secc.iso2.phases.certificates import certificate_service
from secc.iso2.phases.charge_parameter_discovery import charge_parameter_discovery
from secc.iso2.phases.charging_loop import Ended, charging_loop
from secc.iso2.phases.metering_receipt import Receipts
from secc.iso2.phases.payment_details import payment_details
from secc.iso2.phases.power_delivery import power_delivery
from secc.iso2.phases.pre_charge import pre_charge
from secc.iso2.phases.services import payment_service_selection, service_discovery
from secc.iso2.phases.session_setup import session_setup
from secc.iso2.phases.session_stop import early_stop, session_stop
from secc.iso2.phases.welding_detection import welding_detection
from secc.iso2.session_state import SessionState, next_request
from secc.session.dc_limits import CarLimits
from secc.session.setup_states import Stopped


def conversation(secc: Party, state: SessionState) -> Conversation[str]:
    """Run from SessionSetup to SessionStop. Returns how the session ended."""
    state.hear(secc)
    receipts: Receipts | None = None
    try:
        yield from session_setup(secc, state)
        yield from service_discovery(secc, state)
        if (yield from payment_service_selection(secc, state)) is PaymentOption.CONTRACT:
            if state.selected_provisioning:
                details = yield from certificate_service(secc, state)
            else:
                details = yield from next_request(secc, PaymentDetailsReq)
            contract, challenge = yield from payment_details(secc, state, details)
            proved = yield from contract_authorization(secc, state, contract, challenge)
            # The contract does not sign for what a card pays.
            by_contract = state.offer.free or not state.wishes.eim_accepted
            if by_contract and state.offer.receipt_seconds is not None:
                receipts = Receipts(proved, state.offer.receipt_seconds)
        else:
            yield from external_authorization(secc, state)
        yield from charging(secc, state, receipts)
        if state.terms.is_dc:
            yield from welding_detection(secc, state)
        return (yield from session_stop(secc, state))
    except Stopped:
        return (yield from early_stop(secc, state))
    finally:
        state.forget()


def dc_preparation(secc: Party, state: SessionState, car: CarLimits) -> Conversation[PowerDeliveryReq]:
    """Cable check and precharge. Returns the PowerDeliveryReq, open."""
    heard = yield from first_of_preparation(secc, state)
    if isinstance(heard, CableCheckReq):
        yield from cable_check(secc, state, car)
        return (yield from pre_charge(secc, state, car))
    yield from keep_cable(secc, state, car)
    return heard if isinstance(heard, PowerDeliveryReq) else (yield from pre_charge(secc, state, car, heard))


def charging(secc: Party, state: SessionState, receipts: Receipts | None) -> Conversation[None]:
    """From ChargeParameterDiscovery to the PowerDelivery that ends charging, once a negotiation. A
    renegotiated DC session repeats the cable check.
    """
    while True:
        target = yield from charge_parameter_discovery(secc, state)
        if target.car is not None:
            delivery = yield from dc_preparation(secc, state, target.car)
        else:
            delivery = yield from next_request(secc, PowerDeliveryReq)
        if not (yield from power_delivery(secc, state, target.offered, delivery)):
            return
        if (yield from charging_loop(secc, state, target.car, receipts)) is not Ended.RENEGOTIATE:
            return
