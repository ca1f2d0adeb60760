"""The follower moves the pilot as a car would, when it hears what the car says; and as a bad car would, when told so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hal.open import open_sim
from hal.readings import PilotState
from hal.sim.board import SimBoard
from hal.sim.clock import run_virtual
from hal.sim.follower import Observer
from hal.sim.options import parse
from hal.sim.world import World
from tests.hal.contract import beating


@asynccontextmanager
async def followed(query: str) -> AsyncIterator[tuple[SimBoard, World, Observer]]:
    board = await open_sim(parse(query))
    assert board.world is not None and board.follower is not None
    async with beating(board):
        await asyncio.sleep(0.1)
        yield board, board.world, board.follower
    await board.close()


def test_a_dc_car_is_followed_from_plug_to_stop() -> None:
    async def main() -> None:
        async with followed("?follower=follow&follower_delay=0.5") as (board, world, follower):
            assert board.pilot.reading.state is PilotState.B
            follower.observe("ChargeParameterDiscoveryReq")
            await asyncio.sleep(1.0)
            assert board.pilot.reading.state is PilotState.B
            follower.observe("CableCheckReq")
            await asyncio.sleep(0.45)
            assert board.pilot.reading.state is PilotState.B
            await asyncio.sleep(0.1)
            assert board.pilot.reading.state is PilotState.C
            follower.observe("PreChargeReq", 250.0)
            assert world.car.battery.open_volts == pytest.approx(237.5)
            assert not world.car.relay_closed
            follower.observe("PowerDeliveryReq(Start)")
            await asyncio.sleep(0.6)
            assert world.car.relay_closed
            follower.observe("PowerDeliveryReq(Renegotiate)")
            await asyncio.sleep(0.6)
            assert not world.car.relay_closed, "or the cable cannot be checked again"
            assert board.pilot.reading.state is PilotState.C
            follower.observe("PowerDeliveryReq(Start)")
            await asyncio.sleep(0.6)
            assert world.car.relay_closed
            follower.observe("PowerDeliveryReq(Stop)")
            await asyncio.sleep(0.6)
            assert not world.car.relay_closed
            assert board.pilot.reading.state is PilotState.B

    run_virtual(main())


def test_some_cars_keep_their_relay_closed_over_a_renegotiation_and_open_it_at_the_end() -> None:
    async def main() -> None:
        async with followed("?follower=hold") as (board, world, follower):
            for message in ("CableCheckReq", "PowerDeliveryReq(Start)"):
                follower.observe(message)
                await asyncio.sleep(0.2)
            follower.observe("PowerDeliveryReq(Renegotiate)")
            await asyncio.sleep(1.0)
            assert world.car.relay_closed
            follower.observe("PowerDeliveryReq(Stop)")
            await asyncio.sleep(0.2)
            assert not world.car.relay_closed
            assert board.pilot.reading.state is PilotState.B

    run_virtual(main())


@pytest.mark.parametrize("mode", ["follow", "hold"])
def test_a_session_that_the_station_ends_leaves_no_car_behind_in_c(mode: str) -> None:
    """Neither a stop nor a closed connection has been heard then, and the next car at this outlet must find it as it should be."""

    async def main() -> None:
        async with followed(f"?follower={mode}") as (board, world, follower):
            for message in ("CableCheckReq", "PowerDeliveryReq(Start)", "CurrentDemandReq"):
                follower.observe(message)
                await asyncio.sleep(0.2)
            assert world.car.relay_closed
            follower.observe("SessionEnded")
            await asyncio.sleep(0.2)
            assert not world.car.relay_closed
            assert board.pilot.reading.state is PilotState.B

    run_virtual(main())


def test_an_ac_car_goes_to_c_at_power_delivery() -> None:
    async def main() -> None:
        async with followed("?connector=ac&follower=follow") as (board, _, follower):
            follower.observe("CableCheckReq")
            await asyncio.sleep(0.5)
            assert board.pilot.reading.state is PilotState.B
            follower.observe("PowerDeliveryReq(Start)")
            await asyncio.sleep(0.2)
            assert board.pilot.reading.state is PilotState.C
            follower.observe("SessionEnded")
            await asyncio.sleep(0.2)
            assert board.pilot.reading.state is PilotState.B

    run_virtual(main())


def test_a_car_that_refuses_stays_in_b_and_one_that_sticks_stays_in_c() -> None:
    async def main() -> None:
        async with followed("?follower=refuse") as (board, world, follower):
            for message in ("CableCheckReq", "PowerDeliveryReq(Start)"):
                follower.observe(message)
                await asyncio.sleep(2.0)
            assert board.pilot.reading.state is PilotState.B
            assert not world.car.relay_closed
        async with followed("?follower=stick") as (board, world, follower):
            follower.observe("CableCheckReq")
            await asyncio.sleep(0.5)
            follower.observe("PowerDeliveryReq(Stop)")
            await asyncio.sleep(5.0)
            assert board.pilot.reading.state is PilotState.C

    run_virtual(main())


def test_the_car_can_be_pulled_out_between_sessions() -> None:
    async def main() -> None:
        async with followed("?follower=follow&follower_unplug=1&lock=1&connector=ac") as (board, world, follower):
            assert board.lock is not None
            await board.lock.lock()
            follower.observe("SessionEnded")
            await asyncio.sleep(3.0)
            assert world.car.plugged, "nobody has said anything"
            follower.observe("SessionStopReq")
            follower.observe("SessionEnded")
            await asyncio.sleep(3.0)
            assert world.car.plugged  # it is locked
            await board.lock.unlock()
            await asyncio.sleep(0.6)
            assert not world.car.plugged
            assert board.pilot.reading.state is PilotState.A
            await asyncio.sleep(0.6)
            assert board.pilot.reading.state is PilotState.B

    run_virtual(main())


def test_what_is_planned_for_a_car_that_has_gone_does_not_happen() -> None:
    async def main() -> None:
        async with followed("?follower=follow&follower_delay=1") as (_, world, follower):
            follower.observe("CableCheckReq")
            world.unplug()
            await asyncio.sleep(2.0)
            assert not world.car.ready

    run_virtual(main())


@pytest.mark.parametrize(("stop", "toggles"), [("Pause", True), ("Terminate", False)])
def test_a_car_that_paused_wakes_the_station(stop: str, toggles: bool) -> None:
    async def main() -> None:
        async with followed("?connector=ac&follower=follow") as (board, _, follower):
            follower.observe("PowerDeliveryReq(Start)")
            await asyncio.sleep(0.5)
            follower.observe("PowerDeliveryReq(Stop)")
            await asyncio.sleep(0.5)
            for message in (f"SessionStopReq({stop})", "SessionEnded"):
                follower.observe(message)
            seen = []
            for _ in range(40):
                await asyncio.sleep(0.05)
                if not seen or seen[-1] is not board.pilot.reading.state:
                    seen.append(board.pilot.reading.state)
            assert seen == ([PilotState.B, PilotState.C, PilotState.B] if toggles else [PilotState.B])

    run_virtual(main())
