"""What a car is offered, and when Contract is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Clock, Config, Eim, Tls
from secc.ops.clocks import Clocks
from tests.station_scene import BOTH, Scene, configured, station
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


def test_a_floor_that_suffices_judges_contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clocks, "synchronised", lambda clocks: False)

    async def main() -> None:
        trusting = config(tmp_path, clock=Clock.NTP, danger_floor_suffices=True)
        async with station(trusting, watch=False) as scene:
            assert (await scene.drive(CONTRACT, tls=True).done()).outcome == "completed.full"

    run_virtual(main())


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
