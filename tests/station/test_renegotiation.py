"""Renegotiation and limits on a whole station: who may order it, what becomes of the power, and of a car that does not obey."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config, Eim, Tls
from secc.iso2.messages import ChargeParameterDiscoveryRes, EVSENotification
from secc.uplink.port import LimitOrdered, RenegotiationOrdered
from tests.station.test_station import Orders
from tests.station_scene import BOTH, LONG, Drive, Scene, configured, judged, station
from tools.evcc.behaviour import Behaviour, Current, Payment

OVERCURRENT_SECONDS = 13.0
"""Five for the car to follow, seven in which the protection bears too much current, and a little."""


def config_of(tmp_path: Path, behaviour: Behaviour) -> Config:
    contract = behaviour.payment is Payment.CONTRACT
    return configured(
        tmp_path,
        dc=behaviour.current is Current.DC,
        tls=Tls.OFFERED if contract else Tls.OFF,
        payments=BOTH if contract else BOTH[1:],
        eim=Eim.LIST if contract else Eim.FREE,
    )


AC_EIM, AC_PNC, DC_EIM, DC_PNC = (
    replace(LONG, current=current, payment=payment)
    for current in (Current.AC, Current.DC)
    for payment in (Payment.EXTERNAL, Payment.CONTRACT)
)


def way(behaviour: Behaviour) -> str:
    return f"{behaviour.current}-{behaviour.payment}"


def negotiations(drive: Drive) -> int:
    return sum(isinstance(answer, ChargeParameterDiscoveryRes) for answer in drive.answers)


def told(drive: Drive) -> set[EVSENotification]:
    """What the answers since the last one of ChargeParameterDiscovery asked of the car."""
    found = set()
    for answer in reversed(drive.answers):
        if isinstance(answer, ChargeParameterDiscoveryRes):
            break
        status = getattr(answer, "dc_evse_status", None) or getattr(answer, "ac_evse_status", None)
        found |= {status.evse_notification} if status is not None else set()
    return found


async def goes_on(scene: Scene, drive: Drive) -> None:
    """Energy flows again after the second negotiation."""
    await scene.until(lambda: negotiations(drive) == 2, 30.0, "a renegotiation")
    await scene.until(lambda: scene.world().watts() > 1000.0, 60.0, "power after it")
    await asyncio.sleep(2.0)
    assert negotiations(drive) == 2, "once"
    assert told(drive) == {EVSENotification.NONE}


@pytest.mark.parametrize(
    ("behaviour", "by"),
    [(DC_EIM, "backend"), (AC_PNC, "backend"), (DC_PNC, "operator"), (AC_EIM, "operator")],
    ids=lambda one: one if isinstance(one, str) else way(one),
)
def test_backend_and_operator_may_order_a_renegotiation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour, by: str
) -> None:
    async def main() -> None:
        orders = Orders(monkeypatch)
        async with station(config_of(tmp_path, behaviour)) as scene:
            await orders.order(RenegotiationOrdered("1"))
            assert orders.answers == [""], "there is nothing to negotiate yet, and that is no error"
            drive = await scene.charging(scene.drive(behaviour, tls=behaviour.payment is Payment.CONTRACT))
            if by == "backend":
                await orders.order(RenegotiationOrdered("1"))
                assert orders.answers == ["", ""]
            else:
                scene.outlet().commands.renegotiate()
            await goes_on(scene, drive)
            scene.outlet().commands.stop("operator")
            assert (await drive.done()).outcome == "completed.by-station"
            assert await scene.ended() == ["completed.terminated"]
            judged(scene)

    run_virtual(main())


@pytest.mark.parametrize("behaviour", [AC_EIM, AC_PNC, DC_EIM], ids=way)
def test_a_lower_limit_of_the_backend_orders_it_where_the_schedule_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour
) -> None:
    async def main() -> None:
        orders = Orders(monkeypatch)
        async with station(config_of(tmp_path, behaviour)) as scene:
            drive = await scene.charging(scene.drive(behaviour, tls=behaviour.payment is Payment.CONTRACT))
            await orders.order(LimitOrdered("1", 5000.0))
            if behaviour.current is Current.AC and behaviour.payment is Payment.EXTERNAL:
                await asyncio.sleep(3.0)
                assert negotiations(drive) == 1, "EVSEMaxCurrent says it"
            else:
                await goes_on(scene, drive)
            await scene.until(lambda: scene.world().watts() > 1000.0, 60.0)
            for _ in range(20):
                await asyncio.sleep(0.1)
                assert scene.world().watts() <= 5000.0 * 1.02
            scene.outlet().commands.stop("operator")
            await drive.done()
            judged(scene)

    run_virtual(main())


@pytest.mark.parametrize("behaviour", [AC_PNC, DC_EIM], ids=way)
def test_a_car_that_ignores_it_is_limited_all_the_same(tmp_path: Path, behaviour: Behaviour) -> None:
    """DC by the supply; AC by the protection, which opens if the car goes on drawing too much."""
    deaf = replace(behaviour, ignore_renegotiation=True)

    async def main() -> None:
        async with station(config_of(tmp_path, behaviour)) as scene:
            drive = await scene.charging(scene.drive(deaf, tls=behaviour.payment is Payment.CONTRACT))
            scene.outlet().commands.limit(5000.0)
            await asyncio.sleep(OVERCURRENT_SECONDS)
            for _ in range(20):
                await asyncio.sleep(0.1)
                assert scene.world().watts() <= 5000.0 * 1.02
            assert negotiations(drive) == 1
            if behaviour.current is Current.DC:
                assert scene.world().watts() > 1000.0
                scene.outlet().commands.stop("operator")
            await drive.done()
            judged(scene)

    run_virtual(main())


@pytest.mark.case("Q-62")
@pytest.mark.parametrize("behaviour", [AC_EIM, AC_PNC, DC_EIM], ids=way)
def test_no_power_for_long_ends_the_session_in_order(tmp_path: Path, behaviour: Behaviour) -> None:
    async def main() -> None:
        async with station(config_of(tmp_path, behaviour)) as scene:
            drive = await scene.charging(scene.drive(behaviour, tls=behaviour.payment is Payment.CONTRACT))
            scene.outlet().commands.limit(0.0)
            loop = asyncio.get_running_loop()
            began = loop.time()
            assert (await drive.done()).outcome == "completed.by-station"
            assert loop.time() - began < 15.0
            assert negotiations(drive) == 1
            assert await scene.ended() == ["completed.terminated"]
            judged(scene)

    run_virtual(main())


def test_an_order_that_comes_without_a_session_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        orders: Any = Orders(monkeypatch)
        async with station(configured(tmp_path)) as scene:
            await orders.order(RenegotiationOrdered("1"), RenegotiationOrdered("9"))
            assert orders.answers == ["", "no outlet '9'; there are: 1"]
            drive = await scene.charges()
            assert negotiations(drive) == 1

    run_virtual(main())
