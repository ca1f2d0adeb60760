"""What a car is offered, and when Contract is not."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Clock, Config, Eim, Tls
from secc.iso2.messages import PaymentDetailsReq, ResponseCode
from secc.ops.clocks import Clocks
from secc.trace.history import records
from tests.conformance.tester import Tester
from tests.station_scene import BOTH, Scene, car_wallet, configured, station
from tools.evcc.behaviour import Behaviour, Payment

CONTRACT = Behaviour(payment=Payment.CONTRACT, loops=3)
CARD = "04A2B3C4"


def config(directory: Path, **trust: object) -> Config:
    found = configured(directory, tls=Tls.OFFERED, payments=BOTH, eim=Eim.LIST)
    (directory / "allowlist.txt").open("a").write(f"rfid {CARD}\n")
    return replace(found, trust=replace(found.trust, **trust))


def offers(scene: Scene) -> list[list[str]]:
    return [event["payments"] for event in scene.published if event["event"] == "session"]


def test_no_contract_while_the_clock_cannot_judge_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise every car would be offered Contract, and fail with it first."""
    monkeypatch.setattr(Clocks, "synchronised", lambda clocks: False)

    async def main() -> None:
        async with station(config(tmp_path, clock=Clock.NTP), watch=False) as scene:
            drive = scene.drive(Behaviour(loops=3), tls=True)
            await scene.until(lambda: offers(scene), what="an offer")
            assert offers(scene) == [["external"]]
            scene.world().present_token("rfid", CARD)
            assert (await drive.done()).outcome == "completed.full"
            assert "no source confirms the clock" in scene.station.state()["clock"]["problem"]
            monkeypatch.setattr(Clocks, "synchronised", lambda clocks: True)
            await asyncio.sleep(10.0)
            assert (await scene.drive(CONTRACT, tls=True).done()).outcome == "completed.full"
            assert offers(scene)[-1] == ["contract", "external"]
            assert scene.station.state()["clock"]["problem"] == ""

    run_virtual(main())


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_floor_that_suffices_judges_contracts_and_is_told(
    confirmed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Clocks, "synchronised", lambda clocks: confirmed)
    caplog.set_level(logging.INFO)

    async def main() -> None:
        trusting = config(tmp_path, clock=Clock.NTP, danger_floor_suffices=True)
        async with station(trusting, watch=False) as scene:
            assert (await scene.drive(CONTRACT, tls=True).done()).outcome == "completed.full"

    run_virtual(main())
    (line,) = [message for message in caplog.messages if "contract presented" in message]
    assert ("not confirmed by a clock" in line) is not confirmed


@pytest.mark.case("A-PKI-06")
def test_our_own_chain_is_shown_whatever_an_unconfirmed_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Clocks, "synchronised", lambda clocks: False)
    monkeypatch.setattr(Clocks, "now", lambda clocks: datetime(2038, 1, 19, tzinfo=UTC))

    async def main() -> None:
        async with station(config(tmp_path, clock=Clock.NTP), watch=False) as scene:
            assert scene.services.identity.contexts != ()
            assert scene.services.identity.problems == ()

    run_virtual(main())


@pytest.mark.case("A-PKI-06")
def test_a_clock_that_was_in_2038_for_an_hour_costs_no_plug_and_charge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the year 2038 written down as the floor, no contract could charge until 2038, over every restart."""
    now = Clocks.now

    async def main() -> None:
        async with station(config(tmp_path), watch=False) as scene:
            monkeypatch.setattr(Clocks, "now", lambda clocks: datetime(2038, 1, 19, tzinfo=UTC))
            await asyncio.to_thread(scene.services.calendar.remember)
            await scene.services.reload()
            assert scene.services.identity.contexts == (), "in 2038 our chain has ended"
            monkeypatch.setattr(Clocks, "now", now)
            await scene.services.reload()
            assert (await scene.drive(CONTRACT, tls=True).done()).outcome == "completed.full"
        async with station(config(tmp_path), watch=False) as scene:
            assert (await scene.drive(CONTRACT, tls=True).done()).outcome == "completed.full"

    run_virtual(main())


@pytest.mark.case("A-PKI-05")
def test_a_clock_that_is_turned_back_ends_plug_and_charge_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It would make an expired contract valid. A car that was offered Contract before is refused, the next one is not offered it."""
    now = Clocks.now

    async def main() -> None:
        async with station(config(tmp_path), watch=False) as scene:
            wallet = car_wallet()
            tester = await (await Tester.connect(scene, wallet=wallet)).drive("PaymentDetails")
            # By a backend whose certificate was verified: the floor of this new station is its build date.
            await asyncio.to_thread(scene.services.calendar.told, datetime.now(UTC))
            monkeypatch.setattr(Clocks, "now", lambda clocks: now(clocks) - timedelta(hours=3))
            request = PaymentDetailsReq(
                emaid=wallet.emaid, contract_signature_cert_chain=wallet.certificate_chain("id1")
            )
            code = ResponseCode.FAILED_CERTIFICATE_NOT_ALLOWED_AT_THIS_EVSE
            await tester.refused(request, code)
            await scene.until(lambda: scene.outlet().writes.idle)
            (record,) = records(scene.state)
            assert (record.reason.code, record.flaw) == (f"refused.{code}", "certificate.clock-untrusted")
            assert "clock-untrusted (calendar)" in record.reason.detail
            scene.world().unplug()
            await scene.until(lambda: scene.outlet().writes.idle)
            drive = scene.drive(Behaviour(loops=3), tls=True)
            await scene.until(lambda: len(offers(scene)) == 2, what="the next offer")
            assert offers(scene)[-1] == ["external"]
            assert "the clock is wrong now, or was wrong then" in scene.station.state()["clock"]["problem"]
            scene.world().present_token("rfid", CARD)
            assert (await drive.done()).outcome == "completed.full"
            monkeypatch.setattr(Clocks, "now", now)
            await asyncio.sleep(10.0)
            assert (await scene.drive(CONTRACT, tls=True).done()).outcome == "completed.full"

    run_virtual(main())
    assert "the calendar is not confirmed" in caplog.text
