"""One ISO 15118-2 session, in the order of the standard's sequence diagram."""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.iso2.course import Course, Stopped
from secc.iso2.messages import PaymentOption, PowerDeliveryReq
from secc.iso2.phases.authorization import contract_authorization, external_authorization
from secc.iso2.phases.cable_check import cable_check
from secc.iso2.phases.charge_parameter_discovery import charge_parameter_discovery
from secc.iso2.phases.charging_loop import Ended, charging_loop
from secc.iso2.phases.payment_details import payment_details
from secc.iso2.phases.power_delivery import power_delivery
from secc.iso2.phases.pre_charge import pre_charge
from secc.iso2.phases.services import payment_service_selection, service_discovery
from secc.iso2.phases.session_setup import session_setup
from secc.iso2.phases.session_stop import early_stop, session_stop
from secc.iso2.phases.welding_detection import welding_detection


def conversation(secc: Party, course: Course) -> Conversation[str]:
    """From SessionSetup to SessionStop; returns how it ended."""
    try:
        yield from session_setup(secc, course)
        yield from service_discovery(secc, course)
        if (yield from payment_service_selection(secc, course)) is PaymentOption.CONTRACT:
            contract, challenge = yield from payment_details(secc, course)
            yield from contract_authorization(secc, course, contract, challenge)
        else:
            yield from external_authorization(secc, course)
        yield from charging(secc, course)
        if course.is_dc:
            yield from welding_detection(secc, course)
        return (yield from session_stop(secc, course))
    except Stopped:
        return (yield from early_stop(secc, course))
    finally:
        # Whose contract it was is not held on to.
        course.identification = None


def charging(secc: Party, course: Course) -> Conversation[None]:
    """ChargeParameterDiscovery to the PowerDelivery that ends it, once for each negotiation. A renegotiated DC session checks its cable again."""
    while True:
        target = yield from charge_parameter_discovery(secc, course)
        if target.is_dc:
            yield from cable_check(secc, course, target)
            request = yield from pre_charge(secc, course, target)
        else:
            request = yield from course.request(secc, PowerDeliveryReq)
        if not (yield from power_delivery(secc, course, target, request)):
            return
        if (yield from charging_loop(secc, course, target)) is not Ended.RENEGOTIATE:
            return
