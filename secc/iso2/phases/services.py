"""ServiceDiscovery, ServiceDetail, which cars may leave out (Q-36), and PaymentServiceSelection."""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation, Party
from secc.errors import Refusal
from secc.iso2 import messages as m
from secc.iso2 import timing
from secc.iso2.messages import ResponseCode
from secc.iso2.session_state import SessionState, next_request
from secc.session.effects import Milestone, Reach

CHARGING: Final = 1
"""The ServiceID of EV charging, the only service on offer."""


def service_discovery(secc: Party, state: SessionState) -> Conversation[None]:
    """Answer with the shortest list, because some cars close when they see services they cannot
    use. (Q-35)

    Scope and category filter value-added services, never the charge service; without such services
    nothing is filtered.
    """
    yield from next_request(secc, m.ServiceDiscoveryReq)
    secc.reply(
        m.ServiceDiscoveryRes(
            response_code=ResponseCode.OK,
            payment_option_list=m.PaymentOptionList(payment_option=state.payment_options),
            charge_service=m.ChargeService(
                service_id=CHARGING,
                service_category=m.ServiceCategory.EV_CHARGING,
                free_service=state.offer.free,
                supported_energy_transfer_mode=m.SupportedEnergyTransferMode(energy_transfer_mode=state.modes),
            ),
        )
    )


def payment_service_selection(secc: Party, state: SessionState) -> Conversation[m.PaymentOption]:
    """Answer ServiceDetailReq up to the limit, then wait for the selection. Returns the payment
    option.
    """
    details = 0
    while True:
        request = yield from next_request(secc, m.ServiceDetailReq, m.PaymentServiceSelectionReq)
        if isinstance(request, m.PaymentServiceSelectionReq):
            break
        details += 1
        if details > timing.SERVICE_DETAILS:
            raise Refusal(ResponseCode.FAILED, "A-SES-08", f"more than {timing.SERVICE_DETAILS} ServiceDetailReq")
        if request.service_id != CHARGING:
            raise Refusal(ResponseCode.FAILED_SERVICE_ID_INVALID, "[V2G2-425]", f"service {request.service_id}")
        secc.reply(m.ServiceDetailRes(response_code=ResponseCode.OK, service_id=request.service_id))
    _check(request, state)
    secc.reply(m.PaymentServiceSelectionRes(response_code=ResponseCode.OK))
    state.payment = request.selected_payment_option
    secc.do(Reach(Milestone.IDENTIFICATION_CHOSEN, (("payment", request.selected_payment_option.value),)))
    return request.selected_payment_option


def _check(request: m.PaymentServiceSelectionReq, state: SessionState) -> None:
    if request.selected_payment_option not in state.payment_options:
        raise Refusal(
            ResponseCode.FAILED_PAYMENT_SELECTION_INVALID,
            "[V2G2-465]",
            f"{request.selected_payment_option} is not offered",
        )
    selected = {service.service_id for service in request.selected_service_list.selected_service}
    if selected - {CHARGING}:
        raise Refusal(ResponseCode.FAILED_SERVICE_SELECTION_INVALID, "[V2G2-467]", "a service that is not offered")
    if CHARGING not in selected:
        raise Refusal(ResponseCode.FAILED_NO_CHARGE_SERVICE_SELECTED, "[V2G2-804]")
