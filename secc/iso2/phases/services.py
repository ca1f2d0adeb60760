"""ServiceDiscovery, ServiceDetail, which cars may leave out (Q-36), and PaymentServiceSelection."""

from __future__ import annotations

from secc.conversation import Conversation, Party
from secc.errors import Refusal
from secc.iso2 import messages as m
from secc.iso2 import timing
from secc.iso2.messages import ResponseCode
from secc.iso2.services import CERTIFICATES, CHARGING
from secc.iso2.session_state import SessionState, next_request
from secc.session.effects import Milestone, Reach


def service_discovery(secc: Party, state: SessionState) -> Conversation[None]:
    """Answer with the shortest list, because some cars close when they see services they cannot
    use. (Q-35)

    Scope and category filter the services beside it, never the charge service; what is filtered out
    is not on offer in this session.
    """
    request = yield from next_request(secc, m.ServiceDiscoveryReq)
    state.listed = {service.number: service for service in state.services if service.asked_for(request)}
    listed = tuple(service.service for service in state.listed.values())
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
            service_list=m.ServiceList(service=listed) if listed else None,
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
        secc.reply(_details(request.service_id, state))
    _check(request, state)
    if any(service.service_id == CHARGING and service.parameter_set_id is not None for service in _chosen(request)):
        state.remark(secc, "Q-74", "a parameter set of the charge service is selected")
    secc.reply(m.PaymentServiceSelectionRes(response_code=ResponseCode.OK))
    state.payment = request.selected_payment_option
    state.selected = _selected(request)
    chosen = [("payment", request.selected_payment_option.value)]
    if named := [_named(service) for service in state.selected if service[0] not in (CHARGING, CERTIFICATES)]:
        chosen.append(("services", ", ".join(named)))
    secc.do(Reach(Milestone.IDENTIFICATION_CHOSEN, tuple(chosen)))
    return request.selected_payment_option


def _details(service_id: int, state: SessionState) -> m.ServiceDetailRes:
    offered = state.listed.get(service_id)
    if offered is None and service_id != CHARGING:
        raise Refusal(ResponseCode.FAILED_SERVICE_ID_INVALID, "[V2G2-425]", f"service {service_id}")
    return m.ServiceDetailRes(
        response_code=ResponseCode.OK,
        service_id=service_id,
        service_parameter_list=offered.parameter_list() if offered is not None else None,
    )


def _selected(request: m.PaymentServiceSelectionReq) -> tuple[tuple[int, int | None], ...]:
    """Returns each selected service and parameter set once: a car may repeat an entry, and may select
    several sets of a service.
    """
    return tuple(dict.fromkeys((service.service_id, service.parameter_set_id) for service in _chosen(request)))


def _chosen(request: m.PaymentServiceSelectionReq) -> tuple[m.SelectedService, ...]:
    return request.selected_service_list.selected_service


def _named(selected: tuple[int, int | None]) -> str:
    number, parameter_set = selected
    return str(number) if parameter_set is None else f"{number}/{parameter_set}"


def _check(request: m.PaymentServiceSelectionReq, state: SessionState) -> None:
    if request.selected_payment_option not in state.payment_options:
        raise Refusal(
            ResponseCode.FAILED_PAYMENT_SELECTION_INVALID,
            "[V2G2-465]",
            f"{request.selected_payment_option} is not offered",
        )
    chosen = _chosen(request)
    for service in chosen:
        # The charge service has no parameter sets, and some cars name one.
        if service.service_id == CHARGING and not (state.offer.strict and service.parameter_set_id is not None):
            continue
        offered = state.listed.get(service.service_id)
        if offered is None or not offered.has(service.parameter_set_id):
            what = f"service {service.service_id}, parameter set {service.parameter_set_id}"
            raise Refusal(ResponseCode.FAILED_SERVICE_SELECTION_INVALID, "[V2G2-467]", f"{what} is not offered")
    if CHARGING not in {service.service_id for service in chosen}:
        raise Refusal(ResponseCode.FAILED_NO_CHARGE_SERVICE_SELECTED, "[V2G2-804]")
