"""Each response code with which the station refuses a request of ISO 15118-2, and the negotiation before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from certs.certificates import Edition, parse_certificate
from certs.revocation import certificate_hash_data
from secc.config import Config, Eim, Tls
from secc.iso2.messages import (
    AuthorizationReq,
    Body,
    EnergyTransferMode,
    PaymentDetailsReq,
    PaymentOption,
    ResponseCode,
    ServiceDetailReq,
    ServiceDiscoveryReq,
)
from secc.session.effects import NoContract, Provisioning
from tests.conformance.places import ac, dc, pnc
from tests.conformance.test_power import profile
from tests.conformance.test_receipts import demanded, stored_in
from tests.conformance.tester import Tester, offer
from tests.iso2_car import RENEGOTIATE, START, ac_parameters, amperes, dc_delivery, dc_parameters, delivery, selection
from tests.reasons.drives import ends, ends_at
from tests.station.test_provisioning import service
from tests.station_config import short_directory
from tests.station_scene import BOTH, Scene, car_wallet, configured, lab_pki
from tools.evcc.behaviour import Behaviour, Payment
from tools.evcc.wallet import Wallet
from tools.provisioning import serve

EXTERNAL, CONTRACT = PaymentOption.EXTERNAL_PAYMENT, PaymentOption.CONTRACT
START_DUE = "PowerDelivery(Start)"


@ends("refused.Failed_NoNegotiation")
async def speaks_nothing_that_we_do(scene: Scene) -> None:
    tester = await Tester.connect(scene, agreed=False)
    await tester.agrees(offer("urn:somebody:else"))


def says(request: Body, code: ResponseCode, *, at: Any) -> None:
    """This request is refused with this code there."""
    ends_at(at, f"refused.{code.value}", lambda tester: tester.refused(request, code))


says(delivery(RENEGOTIATE), ResponseCode.FAILED, at=ac(START_DUE))
says(ServiceDiscoveryReq(), ResponseCode.FAILED_SEQUENCE_ERROR, at=ac("Authorization"))
says(ServiceDetailReq(service_id=60_099), ResponseCode.FAILED_SERVICE_ID_INVALID, at=ac("ServiceDetail"))
says(selection(EXTERNAL, 1, 60_099), ResponseCode.FAILED_SERVICE_SELECTION_INVALID, at=ac("PaymentServiceSelection"))
says(selection(EXTERNAL, 2), ResponseCode.FAILED_NO_CHARGE_SERVICE_SELECTED, at=pnc("PaymentServiceSelection"))
says(selection(CONTRACT), ResponseCode.FAILED_PAYMENT_SELECTION_INVALID, at=ac("PaymentServiceSelection"))
says(
    dc_parameters(ev_maximum_current_limit=amperes(-100.0)),
    ResponseCode.FAILED_WRONG_CHARGE_PARAMETER,
    at=dc("ChargeParameterDiscovery"),
)
says(
    replace(ac_parameters(), requested_energy_transfer_mode=EnergyTransferMode.AC_SINGLE_PHASE_CORE),
    ResponseCode.FAILED_WRONG_ENERGY_TRANSFER_MODE,
    at=ac("ChargeParameterDiscovery"),
)
says(
    replace(dc_delivery(START), sa_schedule_tuple_id=77),
    ResponseCode.FAILED_TARIFF_SELECTION_INVALID,
    at=dc(START_DUE),
)
# A car that never goes to C.
says(delivery(START), ResponseCode.FAILED_POWER_DELIVERY_NOT_APPLIED, at=ac(START_DUE))


async def another_session(tester: Tester) -> None:
    other = bytes(octet ^ 0xFF for octet in tester.session_id)
    await tester.refused(ServiceDiscoveryReq(), ResponseCode.FAILED_UNKNOWN_SESSION, session_id=other)


async def more_than_the_schedule(tester: Tester) -> None:
    request = delivery(START, profile(30_000.0))
    await tester.refused(request, ResponseCode.FAILED_CHARGING_PROFILE_INVALID)


async def a_contactor_that_sticks(tester: Tester) -> None:
    tester.world.inject("contactor_stuck_open")
    tester.world.close_s2()
    await tester.refused(delivery(START), ResponseCode.FAILED_CONTACTOR_ERROR)


ends_at(ac("ServiceDiscovery"), "refused.FAILED_UnknownSession", another_session)
ends_at(ac(START_DUE), "refused.FAILED_ChargingProfileInvalid", more_than_the_schedule)
ends_at(ac(START_DUE), "refused.FAILED_ContactorError", a_contactor_that_sticks)


# --- Contracts ----------------------------------------------------------------------------------------------------------------


def shows(flaw: str) -> Callable[[Tester], Awaitable[None]]:
    """The car shows the contract of the lab that has this flaw."""

    async def act(tester: Tester) -> None:
        wallet = Wallet.load(lab_pki() / "flawed" / flaw) if flaw else car_wallet()
        chain = wallet.certificate_chain("id1")
        await tester.says(PaymentDetailsReq(emaid=wallet.emaid, contract_signature_cert_chain=chain))

    return act


DETAILS_DUE = pnc("PaymentDetails")
ends_at(DETAILS_DUE, "refused.FAILED_CertificateExpired", shows("expired-leaf"))
ends_at(DETAILS_DUE, "refused.FAILED_CertChainError", shows("bad-signature"))
ends_at(DETAILS_DUE, "refused.FAILED_NoCertificateAvailable", shows("foreign-root"))
ends_at(DETAILS_DUE, "refused.FAILED_CertificateNotAllowedAtThisEVSE", shows("country-unknown"))


def revoking(directory: Path) -> Config:
    config = configured(directory, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST)
    leaf, issuer = (parse_certificate(der, Edition.ISO2, "chain") for der in car_wallet().chain[:2])
    data = certificate_hash_data(leaf, issuer)
    revoked = directory / "revoked.txt"
    revoked.write_text(f"sha256 {data.issuer_name_hash} {data.issuer_key_hash} {data.serial_number}\n")
    return replace(config, trust=replace(config.trust, revoked=revoked))


ends_at(DETAILS_DUE, "refused.FAILED_CertificateRevoked", shows(""), revoking)


async def answers_another_challenge(tester: Tester) -> None:
    request = AuthorizationReq(id="id1", gen_challenge=bytes(octet ^ 0xFF for octet in tester.challenge))
    signature = car_wallet().sign(request)
    await tester.refused(request, ResponseCode.FAILED_CHALLENGE_INVALID, signature=signature)


async def signs_nothing(tester: Tester) -> None:
    request = AuthorizationReq(id="id1", gen_challenge=tester.challenge)
    await tester.refused(request, ResponseCode.FAILED_SIGNATURE_ERROR)


ends_at(pnc("Authorization"), "refused.FAILED_ChallengeInvalid", answers_another_challenge)
ends_at(pnc("Authorization"), "refused.FAILED_SignatureError", signs_nothing)


def provisioned(directory: Path) -> Config:
    config = configured(directory, tls=Tls.OFFERED, payments=BOTH)
    return replace(config, uplink=replace(config.uplink, provisioning=short_directory() / "cps.sock"))


@ends("refused.FAILED_ContractCanceled", provisioned)
async def is_told_that_its_contract_is_over(scene: Scene) -> None:
    made = service()
    made.refuses = NoContract.CANCELLED
    assert scene.config.uplink.provisioning is not None
    async with await serve(made, scene.config.uplink.provisioning):
        car = Behaviour(payment=Payment.CONTRACT, loops=3, provision=Provisioning.INSTALLATION)
        await scene.drive(car, tls=True, wallet=car_wallet()).done()


def demanding(directory: Path) -> Config:
    """A station that demands a receipt of every car with a contract."""
    config = PAYING.config(directory)
    uplink = replace(config.uplink, request_metering_receipt=True, receipts=stored_in(directory))
    return replace(config, uplink=uplink)


async def signs_no_receipt(tester: Tester) -> None:
    _, request = await demanded(tester)
    await tester.refused(request, ResponseCode.FAILED_METERING_SIGNATURE_NOT_VALID)


PAYING = pnc("ChargingStatus", of_dc=False)
ends_at(PAYING, "refused.FAILED_MeteringSignatureNotValid", signs_no_receipt, demanding)
