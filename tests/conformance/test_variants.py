"""Rows of what cars do in more than one way: polls without a signature, EMAIDs with hyphens, a profile of exactly PMax."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from secc.config import Ac, Lab
from secc.iso2.messages import (
    AuthorizationReq,
    ChargingProfile,
    ChargingStatusReq,
    EVSEProcessing,
    PaymentDetailsReq,
    ProfileEntry,
    ResponseCode,
    UnitSymbol,
)
from secc.iso2.units import physical
from tests.conformance.octets import with_binary, with_text
from tests.conformance.places import Place, ac, at, pnc, run
from tests.conformance.tester import Tester
from tests.iso2_car import START, STOP, delivery
from tests.station_scene import Scene, configured

BOTH_WAYS = pytest.mark.parametrize("strict", [False, True], ids=["tolerant", "strict"])


def at_a(place: Place, directory: Path, act: object, *, strict: bool) -> None:
    """As ``at``, at a station that tolerates what it does by itself, or nothing."""

    async def acts(scene: Scene) -> None:
        await act(await place.reached(scene))  # type: ignore[operator]  # what ``at`` takes

    config = place.config(directory)
    run(replace(config, lab=replace(config.lab, strict=strict)), acts)


@BOTH_WAYS
@pytest.mark.case("I2X-08", "Q-80")
@pytest.mark.parametrize("signs_again", [False, True])
def test_while_ongoing_a_request_without_a_signature_is_ok(
    tmp_path: Path, strict: bool, signs_again: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def act(tester: Tester) -> None:
        assert tester.wallet is not None
        tester.scene.outlet().commands.lab("ongoing", ["Authorization"])
        signed = AuthorizationReq(id="id1", gen_challenge=tester.challenge)
        signature = tester.wallet.sign(signed)
        body = await tester.says(signed, signature=signature)
        assert body.evse_processing is EVSEProcessing.ONGOING
        for _ in range(5):
            await asyncio.sleep(0.5)
            if signs_again:
                body = await tester.says(signed, signature=signature)
            else:
                body = await tester.says(AuthorizationReq())
            assert (body.response_code, body.evse_processing) == (ResponseCode.OK, EVSEProcessing.ONGOING)
        tester.scene.outlet().commands.lab("ongoing", [])
        body = await tester.until_finished(AuthorizationReq(), body)
        assert (body.response_code, body.evse_processing) == (ResponseCode.OK, EVSEProcessing.FINISHED)
        assert sum("tolerated Q-80" in line for line in caplog.messages) == signs_again
        await tester.drive(after="Authorization")
        assert await tester.scene.ended() == ["completed.terminated"]

    at_a(pnc("Authorization"), tmp_path, act, strict=strict)


@pytest.mark.case("I2X-08")
def test_the_first_request_without_a_signature_is_refused(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        await tester.refused(AuthorizationReq(), ResponseCode.FAILED_SIGNATURE_ERROR)

    at(pnc("Authorization"), tmp_path, act)


@pytest.mark.case("I2X-09")
@pytest.mark.parametrize("length", [0, 1, 15, 17])
def test_a_challenge_of_another_length_is_refused(tmp_path: Path, length: int) -> None:
    """The octets are those of the challenge, as far as they go."""

    async def act(tester: Tester) -> None:
        assert tester.wallet is not None
        signed = AuthorizationReq(id="id1", gen_challenge=tester.challenge)
        octets = tester.octets(signed, signature=tester.wallet.sign(signed))
        other = (tester.challenge + b"\0")[:length]
        began = asyncio.get_running_loop().time()
        await tester.sends(with_binary(octets, tester.challenge, other))
        body = await tester.answered(began)
        assert type(body).__name__ == "AuthorizationRes"
        assert body.response_code is ResponseCode.FAILED_CHALLENGE_INVALID
        await tester.ended()
        assert await tester.scene.ended() == ["refused.FAILED_ChallengeInvalid"]

    at(pnc("Authorization"), tmp_path, act)


def hyphened(emaid: str) -> str:
    return f"{emaid[:2]}-{emaid[2:5]}-{emaid[5:14]}-{emaid[14:]}"


@BOTH_WAYS
@pytest.mark.case("I2X-10", "Q-78")
@pytest.mark.parametrize("written", [str, str.lower, hyphened, lambda emaid: hyphened(emaid).lower()])
def test_the_emaid_is_the_same_with_and_without_hyphens_and_in_any_case(
    tmp_path: Path, strict: bool, written: object, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def act(tester: Tester) -> None:
        assert tester.wallet is not None
        emaid = tester.wallet.emaid
        request = PaymentDetailsReq(emaid=emaid, contract_signature_cert_chain=tester.wallet.certificate_chain("id1"))
        began = asyncio.get_running_loop().time()
        await tester.sends(with_text(tester.octets(request), emaid, written(emaid)))  # type: ignore[operator]
        body = await tester.answered(began)
        assert body.response_code is ResponseCode.OK
        tester.challenge = body.gen_challenge
        assert sum("tolerated Q-78" in line for line in caplog.messages) == (written is not str)
        # The one contract is meant, and pays.
        await tester.drive(after="PaymentDetails")
        assert await tester.scene.ended() == ["completed.terminated"]

    at_a(pnc("PaymentDetails"), tmp_path, act, strict=strict)


P_MAX = 3 * 230 * 16


@BOTH_WAYS
@pytest.mark.case("I2X-28", "Q-47")
@pytest.mark.parametrize(
    ("watts", "code"),
    [(P_MAX, ResponseCode.OK), (P_MAX + 150, ResponseCode.FAILED_CHARGING_PROFILE_INVALID)],
)
def test_a_profile_of_exactly_p_max_charges(tmp_path: Path, strict: bool, watts: int, code: ResponseCode) -> None:
    config = configured(tmp_path, dc=False, lab=Lab(strict=strict))
    config = replace(config, outlets=(replace(config.outlets[0], ac=Ac(maximum_amperes=16.0)),))

    async def act(scene: Scene) -> None:
        tester = await ac("ChargeParameterDiscovery").reached(scene)
        (_, step), *_ = [one for one in tester.steps() if one[0] == "ChargeParameterDiscovery"]
        (schedule,) = (await step()).sa_schedules.sa_schedule_tuple
        (entry,) = schedule.p_max_schedule.p_max_schedule_entry
        assert entry.p_max.value * 10**entry.p_max.multiplier == P_MAX == 11_040
        profile = ChargingProfile(
            profile_entry=(
                ProfileEntry(
                    charging_profile_entry_start=0, charging_profile_entry_max_power=physical(watts, UnitSymbol.W)
                ),
            )
        )
        began = asyncio.get_running_loop().time()
        await tester.sends(tester.octets(delivery(START, profile)))
        await asyncio.sleep(0.05)
        scene.world().close_s2()
        body = await tester.answered(began)
        assert body.response_code is code
        assert scene.world().contactor.closed is (code is ResponseCode.OK)
        if code is ResponseCode.OK:
            assert (await tester.says(ChargingStatusReq())).response_code is ResponseCode.OK
            scene.world().close_s2(False)
            assert (await tester.says(delivery(STOP))).response_code is ResponseCode.OK
        else:
            await tester.ended()

    run(config, act)
