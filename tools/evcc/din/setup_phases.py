"""The car from SessionSetup to the authorisation, and SessionStop."""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation, Timeout
from secc.din import messages as din

from ..vocabulary import StationWrong
from .exchange import NO_SESSION, Exchange

CHARGING: Final = 1
"""ServiceID."""

SESSION_ID_OCTETS: Final = 8

WANTED: Final = {
    din.EVSESupportedEnergyTransferType.DC_CORE: din.EVRequestedEnergyTransferType.DC_CORE,
    din.EVSESupportedEnergyTransferType.DC_EXTENDED: din.EVRequestedEnergyTransferType.DC_EXTENDED,
}
"""What the car asks for, by what the station offers. [V2G-DC-625]"""


def session_setup(car: Exchange) -> Conversation[None]:
    """Begin a session, whose SessionID the station assigns. [V2G-DC-437]"""
    heard = yield from car.ask(din.SessionSetupReq(evcc_id=car.behaviour.evcc_id), din.SessionSetupRes)
    if heard.response_code is not din.ResponseCode.OK_NEW_SESSION_ESTABLISHED:
        raise StationWrong("not-a-new-session", "[V2G-DC-437]", heard.response_code)
    if car.session_id == NO_SESSION or not any(car.session_id):
        raise StationWrong("session-id-zero", "reference: DIN")
    if len(car.session_id) != SESSION_ID_OCTETS:
        raise StationWrong("session-id-length", "reference: DIN", f"{len(car.session_id)} octets")
    evse_id = heard.evse_id.hex().upper()
    car.announce(
        "session",
        f"session begun at EVSE {evse_id}",
        {"evse_id": evse_id, "session_id": car.session_id.hex(), "joined": False},
    )


def service_discovery(car: Exchange) -> Conversation[din.EVRequestedEnergyTransferType]:
    """Returns the energy transfer that the car asks for. Raises StationWrong if it can use none, or
    for an answer that says more than it may. [V2G-DC-628] [V2G-DC-629]
    """
    heard = yield from car.ask(din.ServiceDiscoveryReq(), din.ServiceDiscoveryRes)
    service = heard.charge_service
    tag, options = service.service_tag, heard.payment_options.payment_option
    if options != (din.PaymentOption.EXTERNAL_PAYMENT,):
        raise StationWrong("payment-options", "[V2G-DC-628]", ", ".join(options))
    if tag.service_id != CHARGING or tag.service_category is not din.ServiceCategory.EV_CHARGING:
        raise StationWrong("no-charge-service", "[V2G-DC-629]", f"{tag.service_id} {tag.service_category}")
    if heard.service_list is not None or tag.service_name is not None or tag.service_scope is not None:
        raise StationWrong("more-than-charging", "[V2G-DC-629]")
    if service.energy_transfer_type not in WANTED:
        raise StationWrong("energy-transfer-type-not-offered", "[V2G-DC-625]", service.energy_transfer_type)
    return WANTED[service.energy_transfer_type]


def service_payment_selection(car: Exchange) -> Conversation[None]:
    """Select external payment and the charging service."""
    selected = din.SelectedServiceList(selected_service=(din.SelectedService(service_id=CHARGING),))
    request = din.ServicePaymentSelectionReq(
        selected_payment_option=din.PaymentOption.EXTERNAL_PAYMENT, selected_service_list=selected
    )
    yield from car.ask(request, din.ServicePaymentSelectionRes)


def contract_authentication(car: Exchange) -> Conversation[None]:
    """Ask to charge until the station answers Finished. DIN has one word for a card that is awaited
    and for a backend that is slow, so the driver's patience ends it.
    """
    patience = car.party.limit(Timeout("EIM patience", car.behaviour.eim_seconds, "the driver's own pace"))
    while True:
        heard = yield from car.ask(din.ContractAuthenticationReq(), din.ContractAuthenticationRes)
        if heard.evse_processing is din.EVSEProcessing.FINISHED:
            break
        if car.party.now >= patience.at:
            raise StationWrong("ongoing-too-long", patience.timeout.clause, "ContractAuthentication")
        yield from car.rest(car.behaviour.poll_seconds)
    car.announce("authorized", "authorised by external means", {"payment": "external"})


def session_stop(car: Exchange) -> Conversation[None]:
    """End the session; afterwards the car closes the connection."""
    yield from car.ask(din.SessionStopReq(), din.SessionStopRes)
