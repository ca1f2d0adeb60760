"""Services beside charging on a whole station: a car selects them, and the operator's software hears of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hal.sim.clock import run_virtual
from secc.config import Config, Tls
from secc.config.services import ParameterSetSettings, ServiceParameterSettings, ServiceSettings
from secc.iso2.messages import ServiceDetailRes, ServiceDiscoveryRes
from secc.session.services import Internet
from tests.station_scene import BOTH, QUICK, configured, station
from tools.evcc.behaviour import Behaviour

WASH = ServiceSettings(
    60_001, "Wash", parameter_sets=(ParameterSetSettings(1, (ServiceParameterSettings("Minutes", byte=12),)),)
)
PARCELS = ServiceSettings(60_002, tls_only=False)


def serving(tmp_path: Path) -> Config:
    config = configured(tmp_path, tls=Tls.OFFERED, payments=BOTH)
    (outlet,) = config.outlets
    return replace(config, outlets=(replace(outlet, internet=tuple(Internet), services=(WASH, PARCELS)),))


@pytest.mark.parametrize(
    ("tls", "services", "listed", "told"),
    [
        (True, ((3, 4), (60_001, 1)), [3, 60_001, 60_002], "3/4, 60001/1"),
        (True, (), [3, 60_001, 60_002], None),
        (False, ((60_002, None),), [60_002], "60002"),
    ],
)
def test_a_car_selects_services_and_charges(
    tmp_path: Path, tls: bool, services: tuple[tuple[int, int | None], ...], listed: list[int], told: str | None
) -> None:
    async def main() -> None:
        async with station(serving(tmp_path)) as scene:
            drive = await scene.drive(replace(QUICK, services=services), tls=tls).done()
            assert drive.outcome == "completed.full"
            (found,) = [answer for answer in drive.answers if isinstance(answer, ServiceDiscoveryRes)]
            assert [service.service_id for service in found.service_list.service] == listed  # type: ignore[union-attr]
            details = [answer.service_id for answer in drive.answers if isinstance(answer, ServiceDetailRes)]
            assert details == [number for number, _ in services]
            (event,) = [event for event in scene.published if event.get("milestone") == "identification chosen"]
            assert event.get("services") == told

    run_virtual(main())


def test_a_car_comes_back_to_the_services_of_before_its_pause(tmp_path: Path) -> None:
    """The simulated car leaves a station that offers it more."""

    async def main() -> None:
        async with station(serving(tmp_path)) as scene:
            behaviour: Behaviour = replace(QUICK, pauses=1, services=((3, 2), (60_001, 1)))
            drive = await scene.drive(behaviour, tls=True, sleep=20.0).done()
            assert drive.outcome == "completed.full"
            found = [answer for answer in drive.answers if isinstance(answer, ServiceDiscoveryRes)]
            assert [
                [one.service_id for one in answer.service_list.service] for answer in found if answer.service_list
            ] == [
                [3, 60_001, 60_002],
                [3, 60_001],
            ]
            told = [event["services"] for event in scene.published if event.get("milestone") == "identification chosen"]
            assert told == ["3/2, 60001/1"] * 2

    run_virtual(main())
