"""Where a row happens: which outlet, over what, and which message is due."""

from __future__ import annotations

import functools
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hal.sim.clock import run_virtual
from secc.config import Config, Eim, Lab, LabOrders, Timing, Tls
from secc.session.services import Internet
from tests.conformance.tester import Tester
from tests.station_config import short_directory
from tests.station_scene import BOTH, Scene, car_wallet, configured, judged, station

TAKES_ORDERS = LabOrders(enabled=True)


@functools.cache
def provisioning_service() -> Path:
    """The socket of a provisioning service: with it the certificate service is offered beside charging. No row here asks it for a contract."""
    directory = short_directory()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(directory / "provisioning"))
    listener.close()
    return directory / "provisioning"


@dataclass(frozen=True)
class Place:
    """A state of a session."""

    dc: bool
    due: str
    """The message that the car would send next."""
    tls: bool = False
    contract: bool = False
    internet: bool = False
    """Internet access is offered, too."""

    def __str__(self) -> str:
        return f"{'DC' if self.dc else 'AC'} {'PnC' if self.contract else 'EIM'}{' over TLS' if self.tls else ''}: {self.due}"

    def config(self, directory: Path, timing: Timing | None = None, orders: LabOrders = TAKES_ORDERS) -> Config:
        lab = Lab(orders=orders)
        if not self.tls:
            return configured(directory, dc=self.dc, timing=timing, lab=lab)
        # Over TLS both payments are offered; who has no contract needs no card.
        eim = Eim.LIST if self.contract else Eim.FREE
        config = configured(directory, dc=self.dc, tls=Tls.OFFERED, payments=BOTH, eim=eim, timing=timing, lab=lab)
        config = replace(config, uplink=replace(config.uplink, provisioning=provisioning_service()))
        (outlet,) = config.outlets
        return replace(config, outlets=(replace(outlet, internet=tuple(Internet) if self.internet else ()),))

    async def reached(self, scene: Scene) -> Tester:
        tester = await Tester.connect(scene, tls=self.tls, wallet=car_wallet() if self.contract else None)
        return await tester.drive(self.due)


def ac(due: str) -> Place:
    return Place(False, due)


def dc(due: str) -> Place:
    return Place(True, due)


def tls(due: str, *, internet: bool = False) -> Place:
    """A car that pays by card, over TLS."""
    return Place(True, due, tls=True, internet=internet)


def pnc(due: str, *, of_dc: bool = True, internet: bool = False) -> Place:
    return Place(of_dc, due, tls=True, contract=True, internet=internet)


def at(
    place: Place,
    directory: Path,
    act: Callable[[Tester], Awaitable[Any]],
    *,
    timing: Timing | None = None,
    orders: LabOrders = TAKES_ORDERS,
) -> None:
    """Bring a station up, drive a tester to this place, and do what the row says. The true contactor never closes against the interlock.

    ``orders``: what the lab has ordered of the station by its configuration.
    """
    run(place.config(directory, timing, orders), lambda scene: _reached(place, scene, act))


async def _reached(place: Place, scene: Scene, act: Callable[[Tester], Awaitable[Any]]) -> None:
    await act(await place.reached(scene))


def run(config: Config, act: Callable[[Scene], Awaitable[Any]]) -> None:
    """Bring this station up, and do it in virtual time."""

    async def main() -> None:
        async with station(config) as scene:
            await act(scene)
            judged(scene)

    run_virtual(main())
