"""SessionSetup, ServiceDiscovery, ServicePaymentSelection and ContractAuthentication."""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation, Party
from secc.din import messages as m
from secc.din import timing
from secc.din.messages import EVSEProcessing, ResponseCode
from secc.din.session_state import SessionState, next_request
from secc.errors import Refusal
from secc.session.effects import Milestone, Reach
from secc.session.remarks import remark
from secc.session.session_id import fresh_session_id
from secc.session.waiting import limited
from secc.session.wishes import Held

MAC_OCTETS: Final = 6
"""Octets of an EVCCID that is a MAC address."""

CHARGING: Final = 1
"""The ServiceID of charging, the only service."""


def session_setup(secc: Party, state: SessionState) -> Conversation[None]:
    """Give the car a new SessionID of eight octets, whatever it sent. (Q-30) (Q-31)"""
    request = yield from secc.receive(m.SessionSetupReq, within=timing.SEQUENCE)
    assert secc.request is not None
    if len(request.evcc_id) != MAC_OCTETS:
        remark(secc, "Q-32", f"an EVCCID of {len(request.evcc_id)} octets")
    state.session_id = fresh_session_id(secc, secc.request.header.session_id)
    secc.reply(
        m.SessionSetupRes(
            response_code=ResponseCode.OK_NEW_SESSION_ESTABLISHED,
            evse_id=state.evse_id,
            # Some cars set their clock by it.
            date_time_now=int(secc.wall().time.timestamp()),
        )
    )
    secc.do(Reach(Milestone.SESSION_SET_UP))


def service_discovery(secc: Party, state: SessionState) -> Conversation[None]:
    """Offer charging and external payment, whatever the car looks for. [V2G-DC-628] [V2G-DC-629]"""
    yield from next_request(secc, m.ServiceDiscoveryReq)
    secc.reply(services(ResponseCode.OK, state))


def services(code: ResponseCode, state: SessionState) -> m.ServiceDiscoveryRes:
    """The response with this code: one service without a name, and no list."""
    return m.ServiceDiscoveryRes(
        response_code=code,
        payment_options=m.PaymentOptions(payment_option=(m.PaymentOption.EXTERNAL_PAYMENT,)),
        charge_service=m.ChargeService(
            service_tag=m.ServiceTag(service_id=CHARGING, service_category=m.ServiceCategory.EV_CHARGING),
            free_service=state.offer.free,
            # A CCS outlet has its DC on the extended pins.
            energy_transfer_type=m.EVSESupportedEnergyTransferType.DC_EXTENDED,
        ),
    )


def service_payment_selection(secc: Party, state: SessionState) -> Conversation[None]:
    """Accept charging with external payment; a ParameterSetID has no meaning."""
    request = yield from next_request(secc, m.ServicePaymentSelectionReq)
    payment = request.selected_payment_option
    if payment is not m.PaymentOption.EXTERNAL_PAYMENT:
        raise Refusal(ResponseCode.FAILED_PAYMENT_SELECTION_INVALID, "[V2G-DC-628]", f"{payment} is not offered")
    chosen = {service.service_id for service in request.selected_service_list.selected_service}
    if chosen != {CHARGING}:
        raise Refusal(ResponseCode.FAILED_SERVICE_SELECTION_INVALID, "[V2G-DC-629]", f"services {sorted(chosen)}")
    secc.reply(m.ServicePaymentSelectionRes(response_code=ResponseCode.OK))
    secc.do(Reach(Milestone.IDENTIFICATION_CHOSEN, (("payment", payment.value),)))


def contract_authentication(secc: Party, state: SessionState) -> Conversation[None]:
    """The car asks until a driver is identified; there is no contract in it. A refused card changes
    nothing; the driver may show another.
    """
    yield from next_request(secc, m.ContractAuthenticationReq)
    with limited(secc, timing.eim_authorization(state.offer.eim_seconds)):
        while not state.wishes.eim_accepted or state.wishes.forces(Held.AUTHORIZATION):
            yield from state.pace.reply(secc, _authentication(EVSEProcessing.ONGOING))
            yield from next_request(secc, m.ContractAuthenticationReq)
    secc.reply(_authentication(EVSEProcessing.FINISHED))
    secc.do(Reach(Milestone.AUTHORIZED, (("by", "external identification"),)))


def _authentication(processing: EVSEProcessing) -> m.ContractAuthenticationRes:
    return m.ContractAuthenticationRes(response_code=ResponseCode.OK, evse_processing=processing)
