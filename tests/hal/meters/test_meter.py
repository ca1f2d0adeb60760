"""A meter as a part of a board, against pymodbus's server: time, plausibility, loss and return."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hal.errors import HalError, HalLost, HalRejected, HalTimeout
from hal.events import BoardEvent, FaultCleared, FaultRaised
from hal.meters.meter import LOST_SECONDS, ModbusMeter, meter
from hal.meters.modbus import Lines
from hal.readings import Severity
from hal.sim.clock import run_virtual
from tests.hal.meter_maps import sdm230, sdm630, sunspec
from tests.hal.modbus_fake import Device, TcpDevice, Trouble, rtu_devices, tcp_device


@asynccontextmanager
async def metered(
    device: Device, options: str = "model=sdm630"
) -> AsyncIterator[tuple[ModbusMeter, TcpDevice, list[BoardEvent]]]:
    said: list[BoardEvent] = []
    async with tcp_device(device) as running:
        part = meter(f"modbus:tcp:127.0.0.1:{running.port}?unit={device.unit}&{options}", Lines())
        await part.open(said.append)
        try:
            yield part, running, said
        finally:
            await part.close()


def raised(said: list[BoardEvent]) -> list[str]:
    return [event.fault.code for event in said if isinstance(event, FaultRaised)]


def cleared(said: list[BoardEvent]) -> list[str]:
    return [event.fault.code for event in said if isinstance(event, FaultCleared)]


def test_it_reads_every_second_and_says_when() -> None:
    async def main() -> None:
        device = sdm630(unit=4)
        async with metered(device) as (part, _, said):
            assert part.identity == "1234567"
            loop = asyncio.get_running_loop()
            for _ in range(20):
                await asyncio.sleep(0.5)
                assert part.reading is not None
                assert loop.time() - part.reading.at <= 1.1
            device.floats({0x48: 1234.6})
            assert (await part.read()).watt_hours_import == pytest.approx(1_234_600.0, abs=10.0)
            assert said == []
            assert await part.begin("1") is None and await part.end("1") is None
            # Cheap: one request a second besides what was asked for.
            assert len(device.asked) <= 1 + 11 + 3

    run_virtual(main())


@pytest.mark.parametrize(
    ("device", "options", "identity"),
    [
        (sunspec(213, serial="A" * 40), "model=sunspec", "A" * 32),
        (sunspec(203, serial=""), "model=sunspec", "sunspec-1"),
        (sdm230(), "model=sdm230", "sdm230-1"),
        (sdm630(), "identity=DE-4711", "DE-4711"),
    ],
)
def test_identities(device: Device, options: str, identity: str) -> None:
    async def main() -> None:
        async with metered(device, options) as (part, _, said):
            assert part.identity == identity
            assert part.reading is not None and said == []

    run_virtual(main())


def test_a_meter_that_falls_silent_is_a_fault_that_stops_and_passes() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with metered(sdm630()) as (part, running, said):
            await asyncio.sleep(1.5)
            running.trouble.deaf = True
            assert part.reading is not None
            last = part.reading.at
            while not said:
                await asyncio.sleep(0.1)
            fault = said[0]
            assert isinstance(fault, FaultRaised)
            assert (fault.fault.code, fault.fault.severity, fault.fault.latched) == ("meter-lost", Severity.STOP, False)
            assert LOST_SECONDS <= loop.time() - last <= LOST_SECONDS + 3.0
            # What was last read keeps its time; nobody can take it for the present.
            assert part.reading.at == last
            with pytest.raises(HalTimeout):
                await part.read()
            with pytest.raises(HalRejected):
                await part.faults.clear("meter-lost")
            await asyncio.sleep(60.0)
            running.trouble.deaf = False
            await asyncio.sleep(11.0)
            assert cleared(said) == ["meter-lost"] and len(said) == 2
            assert loop.time() - part.reading.at <= 1.2

    run_virtual(main())


def test_a_meter_that_restarts_in_time_is_no_fault() -> None:
    async def main() -> None:
        async with metered(sdm630()) as (part, running, said):
            await running.stop()
            await asyncio.sleep(1.5)
            await running.start()
            await asyncio.sleep(3.0)
            assert said == []
            assert part.reading is not None and asyncio.get_running_loop().time() - part.reading.at <= 1.1

    run_virtual(main())


def test_a_meter_that_is_not_there_yet() -> None:
    async def main() -> None:
        said: list[BoardEvent] = []
        async with tcp_device(sdm630()) as running:
            await running.stop()
            part = meter(f"modbus:tcp:127.0.0.1:{running.port}", Lines())
            await part.open(said.append)
            assert raised(said) == ["meter-lost"]
            assert part.reading is None and part.identity == "sdm630-1"
            with pytest.raises(HalLost):
                await part.read()
            await asyncio.sleep(30.0)
            await running.start()
            await asyncio.sleep(11.0)
            assert cleared(said) == ["meter-lost"]
            assert part.identity == "1234567"
            await part.close()

    run_virtual(main())


def test_it_knocks_ever_more_seldom() -> None:
    async def main() -> None:
        async with metered(sdm630()) as (_, running, said):
            running.trouble.deaf = True
            running.trouble.heard = 0
            await asyncio.sleep(120.0)
            assert raised(said) == ["meter-lost"]
            assert 10 <= running.trouble.heard <= 40

    run_virtual(main())


def test_one_wild_reading_is_dropped_and_three_are_a_fault() -> None:
    async def main() -> None:
        device = sdm630()
        async with metered(device) as (part, _, said):
            device.floats({0x00: float("nan")})
            before = part.reading
            await asyncio.sleep(1.5)
            assert part.reading == before and said == []
            with pytest.raises(HalRejected, match="not a number"):
                await part.read()
            await asyncio.sleep(2.0)
            assert raised(said) == ["meter-implausible"]
            device.floats({0x00: 230.0})
            await asyncio.sleep(1.5)
            assert cleared(said) == ["meter-implausible"]

    run_virtual(main())


def test_a_counter_that_fell_stays_a_fault_until_somebody_looked() -> None:
    async def main() -> None:
        device = sdm630(kilowatt_hours=100.0)
        async with metered(device) as (part, _, said):
            device.floats({0x48: 5.0})
            await asyncio.sleep(4.0)
            assert [event.fault.latched for event in said if isinstance(event, FaultRaised)] == [True]
            assert part.reading is not None and part.reading.watt_hours_import == 100_000.0
            await asyncio.sleep(5.0)
            assert cleared(said) == []
            await part.faults.clear("nothing-of-mine")
            await part.faults.clear("meter-implausible")
            await asyncio.sleep(1.5)
            assert cleared(said) == ["meter-implausible"]
            assert part.reading.watt_hours_import == 5_000.0

    run_virtual(main())


def test_rtu_with_a_power_cycle() -> None:
    async def main() -> None:
        said: list[BoardEvent] = []
        trouble = Trouble()
        async with rtu_devices(trouble, sdm630(unit=9), sdm230(unit=8)) as cable:
            lines = Lines()
            one = meter(f"modbus:rtu:{cable.names[0]}?unit=9", lines)
            two = meter(f"modbus:rtu:{cable.names[0]}?unit=8&model=sdm230", lines)
            await one.open(said.append)
            await two.open(said.append)
            assert (await one.read()).watts == 11039.0
            assert (await two.read()).watts == 2300.0
            trouble.deaf = True
            with pytest.raises(HalError):
                await one.read()
            trouble.deaf = False
            assert (await one.read()).watts == 11039.0
            await one.close()
            await two.close()
        assert said == []

    asyncio.run(main())


@pytest.mark.parametrize(
    "options",
    ["model=nothing", "unit=0", "unit=248", "max_volts=nan", "max_amperes=-1", "identity=" + "x" * 33, "colour=red"],
)
def test_what_is_not_understood_is_refused(options: str) -> None:
    async def main() -> None:
        with pytest.raises(HalRejected):
            meter(f"modbus:tcp:127.0.0.1?{options}", Lines())

    run_virtual(main())
