"""ServiceDiscovery, ServiceDetail, which cars may leave out (Q-36), and PaymentServiceSelection."""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation, Party
from secc.errors import Refusal
from secc.iso2 import messages as m
from secc.iso2 import timing
from secc.iso2.messages import ResponseCode
from secc.iso2.session_state import SessionState, next_request
from secc.session.effects import Milestone, Provisioning, Reach

CHARGING: Final = 1
"""The ServiceID of EV charging."""

CERTIFICATES: Final = 2
"""The ServiceID of the certificate service."""

PARAMETER_SETS: Final = {Provisioning.INSTALLATION: 1, Provisioning.UPDATE: 2}
"""Its parameter sets: one parameter, Service, with the value Installation or Update."""


def service_discovery(secc: Party, state: SessionState) -> Conversation[None]:
    """Answer with the shortest list, because some cars close when they see services they cannot
    use. (Q-35)

    Scope and category filter value-added services, never the charge service.
    """
    request = yield from next_request(secc, m.ServiceDiscoveryReq)
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
            service_list=_listed(request, state),
        )
    )


def _listed(request: m.ServiceDiscoveryReq, state: SessionState) -> m.ServiceList | None:
    """Returns the value-added services that the car asks for: the certificate service, which has no
    scope.
    """
    wanted = request.service_category in (None, m.ServiceCategory.CONTRACT_CERTIFICATE)
    if not state.provisioning or not wanted or request.service_scope:
        return None
    certificates = m.Service(
        service_id=CERTIFICATES,
        service_name="Certificate",
        service_category=m.ServiceCategory.CONTRACT_CERTIFICATE,
        free_service=True,
    )
    return m.ServiceList(service=(certificates,))


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
    secc.reply(m.PaymentServiceSelectionRes(response_code=ResponseCode.OK))
    state.payment = request.selected_payment_option
    state.selected_provisioning = _provisioning(request, state)
    secc.do(Reach(Milestone.IDENTIFICATION_CHOSEN, (("payment", request.selected_payment_option.value),)))
    return request.selected_payment_option


def _details(service_id: int, state: SessionState) -> m.ServiceDetailRes:
    if service_id == CHARGING:
        return m.ServiceDetailRes(response_code=ResponseCode.OK, service_id=service_id)
    if service_id != CERTIFICATES or not state.provisioning:
        raise Refusal(ResponseCode.FAILED_SERVICE_ID_INVALID, "[V2G2-425]", f"service {service_id}")
    sets = tuple(
        m.ParameterSet(
            parameter_set_id=PARAMETER_SETS[kind],
            parameter=(m.Parameter(name="Service", string_value=kind.value.capitalize()),),
        )
        for kind in state.provisioning
    )
    return m.ServiceDetailRes(
        response_code=ResponseCode.OK,
        service_id=service_id,
        service_parameter_list=m.ServiceParameterList(parameter_set=sets),
    )


def _provisioning(request: m.PaymentServiceSelectionReq, state: SessionState) -> frozenset[Provisioning]:
    """Returns what was selected of the certificate service; without a parameter set all that is on
    offer.
    """
    sets = {
        service.parameter_set_id
        for service in request.selected_service_list.selected_service
        if service.service_id == CERTIFICATES
    }
    return frozenset(kind for kind in state.provisioning if sets & {None, PARAMETER_SETS[kind]})


def _check(request: m.PaymentServiceSelectionReq, state: SessionState) -> None:
    if request.selected_payment_option not in state.payment_options:
        raise Refusal(
            ResponseCode.FAILED_PAYMENT_SELECTION_INVALID,
            "[V2G2-465]",
            f"{request.selected_payment_option} is not offered",
        )
    chosen = request.selected_service_list.selected_service
    sets = {PARAMETER_SETS[kind] for kind in state.provisioning}
    for service in chosen:
        # The charge service has no parameter sets, and some cars name one.
        offered = service.service_id == CHARGING or (service.service_id == CERTIFICATES and bool(sets))
        if not offered or (service.service_id == CERTIFICATES and service.parameter_set_id not in {None, *sets}):
            what = f"service {service.service_id}, parameter set {service.parameter_set_id}"
            raise Refusal(ResponseCode.FAILED_SERVICE_SELECTION_INVALID, "[V2G2-467]", f"{what} is not offered")
    if CHARGING not in {service.service_id for service in chosen}:
        raise Refusal(ResponseCode.FAILED_NO_CHARGE_SERVICE_SELECTED, "[V2G2-804]")
