"""Rows of WeldingDetection and SessionStop, many sessions in a row, and how long answers take."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from secc.iso2.messages import WeldingDetectionReq
from tests.conformance.connection import CLOSED_SECONDS
from tests.conformance.places import Place, ac, at, dc, pnc, run
from tests.conformance.tester import Tester
from tests.iso2_car import TERMINATE, amperes, current_demand, dc_parameters, ev_status, watts
from tests.station_scene import Scene, configured

WELDING = WeldingDetectionReq(dc_ev_status=ev_status())
MATCH_LEAVE_SECONDS = 1.0
"""TP_match_leave of ISO 15118-3: from the end of the connection until the station has left the car's network."""


@pytest.mark.case("I2-WD-01")
def test_welding_detection_tells_the_voltage_as_often_as_the_car_asks(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        told = []
        for _ in range(5):
            body = await tester.says(WELDING)
            assert body.response_code == "OK"
            told.append(tester.told_volts(body))
            await asyncio.sleep(0.5)
        # The output discharges meanwhile, and a reading may be a tick old.
        assert told == sorted(told, reverse=True)
        assert told[-1] == pytest.approx(tester.world.truth()["outlet_volts"], abs=1.0)
        assert told[-1] < 60.0

    at(dc("WeldingDetection"), tmp_path, act)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(ac("SessionStop"), marks=pytest.mark.case("I2-STOP-01")),
        pytest.param(dc("WeldingDetection"), marks=pytest.mark.case("I2-STOP-04")),
        pytest.param(dc("SessionStop"), marks=pytest.mark.case("I2-STOP-05")),
    ],
    ids=str,
)
def test_after_terminate_the_station_leaves_the_network_of_the_car(place: Place, tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        line = scene.board().line
        assert line is not None
        tester = await place.reached(scene)
        assert line.medium.joined(line.car)
        assert (await tester.says(TERMINATE)).response_code == "OK"
        assert line.medium.joined(line.car), "the answer has to reach the car"
        assert await tester.closed() <= CLOSED_SECONDS
        await scene.until(lambda: not line.medium.joined(line.car), MATCH_LEAVE_SECONDS, "the network is left")
        assert await scene.ended() == ["completed.terminated"]
        assert not scene.world().contactor.closed

    run(configured(tmp_path, hal=f"sim:?connector={'dc' if place.dc else 'ac'}&modem=1", dc=place.dc), act)


@pytest.mark.case("I2-STOP-09")
def test_terminate_while_the_pilot_is_not_in_b_fails(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        tester.world.close_s2()
        body = await tester.says(TERMINATE)
        assert body.response_code == "FAILED"
        # The station has waited for B as long as it may.
        assert tester.seconds == pytest.approx(1.5, abs=0.1)
        await tester.ended()

    at(dc("WeldingDetection"), tmp_path, act)


@pytest.mark.case("I2-STOP-13")
def test_twenty_sessions_one_after_the_other_end_well_and_leave_nothing_behind(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        seen: set[bytes] = set()
        tasks = []
        for number in range(1, 21):
            tester = await Tester.connect(scene)
            await tester.drive("WeldingDetection")
            seen.add(tester.session_id)
            await tester.drive(after="PowerDelivery(Stop)")
            await tester.closed()
            await tester.line.close()
            assert await scene.ended(number) == ["completed.terminated"] * number
            scene.world().unplug()
            await asyncio.sleep(5.0)
            tasks.append(len(asyncio.all_tasks()))
        assert len(seen) == 20
        assert max(tasks[1:]) <= tasks[0]

    run(configured(tmp_path), act)


# --- How long answers take ----------------------------------------------------------------------------------------------------

SECONDS = {"ServiceDetail": 4.5, "PaymentDetails": 4.5, "PowerDelivery": 4.5, "CurrentDemand": 0.025}
"""V2G_SECC_Msg_Performance_Time where it is not 1.5 s."""


class Stopwatch:
    """How long answers take: the waits that the station chose, in virtual time, and the processor time of this process for everything else.

    The latter holds the tester's own work too, and is the same on a busy machine.
    """

    def __init__(self, tester: Tester) -> None:
        self.taken: dict[str, list[float]] = {}
        says, answered = tester.octets, tester.answered

        def begun(*arguments: object, **how: object) -> bytes:
            octets = says(*arguments, **how)  # type: ignore[arg-type]  # passed on as they are
            self.began = time.process_time()
            return octets

        async def noted(since: float) -> object:
            body = await answered(since)
            name = type(body).__name__.removesuffix("Res")
            self.taken.setdefault(name, []).append(tester.seconds + time.process_time() - self.began)
            return body

        tester.octets = begun  # type: ignore[method-assign]  # looks at the clock
        tester.answered = noted  # type: ignore[method-assign]  # looks at the clock


@pytest.mark.case("I2X-21")
@pytest.mark.parametrize("of_dc", [True, False], ids=["DC", "AC"])
def test_every_answer_comes_within_its_performance_time(of_dc: bool, tmp_path: Path) -> None:
    watches = []

    async def act(tester: Tester) -> None:
        watch = Stopwatch(tester)
        watches.append(watch)
        await tester.drive()
        assert len(watch.taken) == (13 if of_dc else 10)
        for name, taken in watch.taken.items():
            assert 0.0 < max(taken) <= SECONDS.get(name, 1.5), name

    at(pnc("SessionSetup", of_dc=of_dc), tmp_path, act)


@pytest.mark.case("I2X-22")
def test_ten_demands_a_second_are_answered_within_25_milliseconds(tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        watch = Stopwatch(tester)
        for _ in range(300):
            await tester.says(tester.demand())
            await asyncio.sleep(0.1)
        taken = sorted(watch.taken["CurrentDemand"])
        assert len(taken) == 300
        assert 0.0 < taken[int(0.99 * len(taken))] < 0.025

    at(dc("CurrentDemand"), tmp_path, act)


@pytest.mark.case("I2X-23")
@pytest.mark.parametrize("of_dc", [True, False], ids=["DC", "AC"])
def test_a_car_that_takes_59_seconds_before_each_request_is_served(of_dc: bool, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        for name, step in tester.steps():
            if name != "SessionSetup":
                await asyncio.sleep(59.0)
            if of_dc and name in ("PowerDelivery(Start)", "PowerDelivery(Stop)"):
                # The car finds the voltage that it has left; without targets no current flows. (A-SES-09)
                assert tester.world.truth()["outlet_volts"] == pytest.approx(tester.battery_volts, abs=20.0)
                assert tester.world.present()[1] < 0.5
            assert (await step()).response_code.startswith("OK"), name
        assert await tester.scene.ended() == ["completed.terminated"]

    at(Place(of_dc, "SessionSetup"), tmp_path, act)


# --- Limits -------------------------------------------------------------------------------------------------------------------


@pytest.mark.case("I2X-24")
@pytest.mark.parametrize("limit", ["current", "power"])
def test_a_target_above_the_limit_is_served_up_to_the_limit_and_told(limit: str, tmp_path: Path) -> None:
    async def act(tester: Tester) -> None:
        wide = dc_parameters(ev_maximum_current_limit=amperes(900.0), ev_maximum_power_limit=watts(300_000.0))
        limits = (await tester.says(wide)).evse_charge_parameter
        most = limits.evse_maximum_current_limit
        most_amperes = float(most.value * 10.0**most.multiplier)
        await tester.cable_check()
        await tester.pre_charge()
        await tester.start()
        if limit == "power":
            tester.scene.outlet().commands.limit(10_000.0)
        body = None
        for _ in range(80):
            body = await tester.says(current_demand(tester.battery_volts + 10.0, 2.0 * most_amperes))
            assert body.response_code == "OK"
            await asyncio.sleep(0.1)
            volts, current = tester.world.present()
            assert current <= 1.01 * most_amperes
        assert body is not None
        assert current > 10.0
        if limit == "power":
            assert body.evse_power_limit_achieved
            assert volts * current <= 10_100.0
        else:
            assert body.evse_current_limit_achieved

    at(dc("ChargeParameterDiscovery"), tmp_path, act)
