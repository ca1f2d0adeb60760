"""The car from SessionSetup to the authorisation: session, services, payment."""

from __future__ import annotations

from typing import Final

from secc.conversation import Conversation, Timeout
from secc.iso2 import messages as iso2

from ..behaviour import Payment
from ..vocabulary import StationWrong
from .charging import transfer_mode
from .exchange import NO_SESSION, Exchange
from .provisioning import CERTIFICATES, PARAMETER_SETS
from .timing import ONGOING

CHALLENGE_OCTETS: Final = 16


def session_setup(car: Exchange) -> Conversation[None]:
    """Begin a session, whose SessionID the station assigns, or join the one that the car paused.
    [V2G2-750] [V2G2-754]
    """
    remembered = car.behaviour.remembered
    heard = yield from car.ask(iso2.SessionSetupReq(evcc_id=car.behaviour.evcc_id), iso2.SessionSetupRes)
    car.joined = heard.response_code is iso2.ResponseCode.OK_OLD_SESSION_JOINED
    known = remembered is not None and car.session_id == remembered.session_id
    if not car.joined and heard.response_code is not iso2.ResponseCode.OK_NEW_SESSION_ESTABLISHED:
        raise StationWrong("not-a-new-session", "[V2G2-750]", heard.response_code)
    if car.joined is not known:
        raise StationWrong("session-id-not-of-this-session", "[V2G2-754]", heard.response_code)
    if car.session_id == NO_SESSION or not any(car.session_id):
        raise StationWrong("session-id-zero", "[V2G2-835]")
    car.announce(
        "session",
        f"session {'resumed' if car.joined else 'begun'} at EVSE {heard.evse_id}",
        {"evse_id": heard.evse_id, "session_id": car.session_id.hex(), "joined": car.joined},
    )


def service_discovery(car: Exchange) -> Conversation[iso2.ServiceDiscoveryRes]:
    """Returns the services. Raises StationWrong if this car can use none."""
    heard = yield from car.ask(iso2.ServiceDiscoveryReq(), iso2.ServiceDiscoveryRes)
    behaviour = car.behaviour
    listed = tuple(service.service_id for service in (heard.service_list.service if heard.service_list else ()))
    modes = heard.charge_service.supported_energy_transfer_mode.energy_transfer_mode
    options = heard.payment_option_list.payment_option
    more = set(listed) - {number for number, _ in behaviour.services}
    if car.joined and (len(modes) != 1 or len(options) != 1 or more):
        raise StationWrong("more-than-before-the-pause", "[V2G2-741]", ", ".join((*options, *modes, *map(str, listed))))
    if behaviour.flaw is None:
        if behaviour.provision is not None and CERTIFICATES not in listed:
            raise StationWrong("no-certificate-service", "[V2G2-551]")
        if missing := {number for number, _ in behaviour.services}.difference(listed):
            raise StationWrong("service-not-offered", "[V2G2-425]", ", ".join(map(str, sorted(missing))))
        if transfer_mode(behaviour) not in modes:
            raise StationWrong("energy-transfer-mode-not-offered", "[V2G2-476]", ", ".join(modes))
        if _option(behaviour.payment) not in options:
            raise StationWrong("payment-not-offered", "[V2G2-465]", ", ".join(options))
    wanted = (1, *listed) if behaviour.ask_detail else dict.fromkeys(number for number, _ in behaviour.services)
    for service in wanted:
        yield from _service_detail(car, service)
    return heard


def _service_detail(car: Exchange, service: int) -> Conversation[None]:
    """Ask for the parameter sets of a service. Raises StationWrong unless those that the car will
    select are among them.
    """
    detail = yield from car.ask(iso2.ServiceDetailReq(service_id=service), iso2.ServiceDetailRes)
    if detail.service_id != service:
        raise StationWrong("other-service", "[V2G2-425]", f"{detail.service_id}")
    sets = detail.service_parameter_list.parameter_set if detail.service_parameter_list is not None else ()
    numbers = [offered.parameter_set_id for offered in sets]
    if len(numbers) != len(set(numbers)):
        raise StationWrong("parameter-set-twice", "[V2G2-425]", f"service {service}: {numbers}")
    for number, chosen in car.behaviour.services:
        if number == service and chosen is not None and chosen not in numbers and car.behaviour.flaw is None:
            raise StationWrong("parameter-set-not-offered", "[V2G2-467]", f"service {service}: {numbers}")


def payment_service_selection(car: Exchange) -> Conversation[None]:
    """Select payment, the charging service and others that the car wants, and the certificate
    service of a car that wants a contract.
    """
    services = [
        iso2.SelectedService(service_id=number, parameter_set_id=chosen)
        for number, chosen in ((1, None), *car.behaviour.services)
    ]
    if car.behaviour.provision is not None:
        services.append(
            iso2.SelectedService(service_id=CERTIFICATES, parameter_set_id=PARAMETER_SETS[car.behaviour.provision])
        )
    request = iso2.PaymentServiceSelectionReq(
        selected_payment_option=_option(car.behaviour.payment),
        selected_service_list=iso2.SelectedServiceList(selected_service=tuple(services)),
    )
    yield from car.ask(request, iso2.PaymentServiceSelectionRes)


def payment_details(car: Exchange) -> Conversation[bytes]:
    """Present the contract. Returns the station's challenge. [V2G2-697]"""
    assert car.wallet is not None
    request = iso2.PaymentDetailsReq(
        emaid=car.wallet.emaid, contract_signature_cert_chain=car.wallet.certificate_chain(id="id1")
    )
    heard = yield from car.ask(request, iso2.PaymentDetailsRes)
    if len(heard.gen_challenge) != CHALLENGE_OCTETS:
        raise StationWrong("challenge-length", "[V2G2-697]", f"{len(heard.gen_challenge)} octets")
    return heard.gen_challenge


def authorization(car: Exchange, challenge: bytes | None) -> Conversation[None]:
    """Ask to charge until the station answers Finished: with a contract first by a signed
    challenge, then unsigned. [V2G2-684]
    """
    contract = challenge is not None
    if challenge is not None:
        request = iso2.AuthorizationReq(id="id1", gen_challenge=challenge)
        heard = yield from car.ask(request, iso2.AuthorizationRes, signed=True)
    else:
        heard = yield from car.ask(iso2.AuthorizationReq(), iso2.AuthorizationRes)
    limit = car.party.limit(car.behaviour.patient(ONGOING))
    patience = car.party.limit(Timeout("EIM patience", car.behaviour.eim_seconds, "the driver's own pace"))
    while heard.evse_processing is not iso2.EVSEProcessing.FINISHED:
        waits_for_driver = heard.evse_processing is iso2.EVSEProcessing.ONGOING_WAITING_FOR_CUSTOMER_INTERACTION
        deadline = patience if waits_for_driver and not contract else limit
        if car.party.now >= deadline.at:
            raise StationWrong("ongoing-too-long", deadline.timeout.clause, "Authorization")
        yield from car.rest(car.behaviour.poll_seconds)
        heard = yield from car.ask(iso2.AuthorizationReq(), iso2.AuthorizationRes)
    if contract:
        assert car.wallet is not None
        masked = car.wallet.masked_emaid
        car.announce("authorized", f"contract {masked} accepted", {"payment": "contract", "emaid": masked})
    else:
        car.announce("authorized", "authorised by external means", {"payment": "external"})


def _option(payment: Payment) -> iso2.PaymentOption:
    return iso2.PaymentOption.CONTRACT if payment is Payment.CONTRACT else iso2.PaymentOption.EXTERNAL_PAYMENT
