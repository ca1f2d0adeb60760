"""The insulation monitor against pymodbus's server with the monitor's register map."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.dc.isocha import Channel, IsoCha, SelfTest, channel, insulation_monitor
from hal.errors import HalLost, HalRejected, HalTimeout
from hal.events import BoardEvent, FaultCleared, FaultRaised, InsulationMeasured
from hal.meters.meter import meter
from hal.meters.modbus import Lines, Rtu
from hal.readings import Severity
from hal.sim.clock import run_virtual
from tests.hal.isocha_fake import BIGGER, INVALID, SMALLER, TRUE, FakeIsoCha
from tests.hal.meter_maps import sdm630
from tests.hal.modbus_fake import TcpDevice, Trouble, rtu_devices, tcp_device

Monitored = tuple[IsoCha, FakeIsoCha, TcpDevice, list[BoardEvent]]


@asynccontextmanager
async def monitored(fake: FakeIsoCha | None = None) -> AsyncIterator[Monitored]:
    fake = fake if fake is not None else FakeIsoCha()
    said: list[BoardEvent] = []
    async with tcp_device(fake) as running:
        part = insulation_monitor(f"isocha:tcp:127.0.0.1:{running.port}?unit={fake.unit}", Lines())
        await part.open(said.append)
        try:
            yield part, fake, running, said
        finally:
            await part.close()


def measured(said: list[BoardEvent]) -> list[float]:
    return [event.reading.ohms for event in said if isinstance(event, InsulationMeasured)]


def faults(said: list[BoardEvent]) -> list[tuple[str, bool]]:
    return [
        (event.fault.code, isinstance(event, FaultRaised))
        for event in said
        if isinstance(event, (FaultRaised, FaultCleared))
    ]


def test_it_measures_every_second_between_start_and_stop() -> None:
    async def main() -> None:
        async with monitored() as (part, fake, _, said):
            await asyncio.sleep(12.0)
            assert said == [] and part.reading is None
            await part.start()
            assert part.reading is None
            await asyncio.sleep(0.1)
            assert measured(said) == [1_000_000.0]
            fake.ohms = 90_000.0
            await asyncio.sleep(1.0)
            assert part.reading is not None and part.reading.ohms == 90_000.0
            assert asyncio.get_running_loop().time() - part.reading.at <= 1.1
            await asyncio.sleep(3.0)
            assert len(measured(said)) == 5
            await part.stop()
            await asyncio.sleep(20.0)
            assert len(measured(said)) == 5
            await part.start()
            assert part.reading is None
            await asyncio.sleep(0.1)
            assert len(measured(said)) == 6

    run_virtual(main())


def test_it_is_switched_on_and_set_to_the_short_test_once() -> None:
    async def main() -> None:
        fake = FakeIsoCha()
        async with monitored(fake):
            assert sorted(fake.written) == [(3021, [3]), (3026, [1])]
        async with monitored(fake):
            assert len(fake.written) == 2  # it is as it should be: nothing is written
        old = FakeIsoCha(version=450)
        async with monitored(old):
            assert old.written == [(3026, [1])]

    run_virtual(main())


@pytest.mark.parametrize("validity", [INVALID, TRUE])
def test_self_test(validity: int) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with monitored() as (part, fake, _, said):
            fake.validity_in_test = validity
            await part.start()
            await asyncio.sleep(0.5)
            before = len(measured(said))
            start = loop.time()
            assert await part.self_test() is True
            assert 2.0 <= loop.time() - start <= 2.6
            assert len(measured(said)) == before  # what it says meanwhile is no measurement
            fake.breaks_in_test = True
            assert await part.self_test() is False
            await asyncio.sleep(1.5)
            assert faults(said) == [("imd-device-error", True)]
            with pytest.raises(HalRejected):
                await part.faults.clear("imd-device-error")
            fake.broken = fake.breaks_in_test = False
            await asyncio.sleep(1.5)
            assert faults(said)[1:] == [("imd-device-error", False)]
            assert await part.self_test() is True

    run_virtual(main())


@pytest.mark.parametrize(("ignores", "seconds"), [(True, 2.0), (False, 60.0)])
def test_a_self_test_without_a_begin_or_an_end_is_a_timeout(ignores: bool, seconds: float) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with monitored() as (part, fake, _, _said):
            fake.ignores_test, fake.test_seconds = ignores, seconds
            start = loop.time()
            with pytest.raises(HalTimeout):
                await part.self_test()
            assert loop.time() - start <= 30.1

    run_virtual(main())


def test_a_self_test_may_be_cancelled_and_asked_for_again() -> None:
    async def main() -> None:
        async with monitored() as (part, fake, _, _said):
            task = asyncio.create_task(part.self_test())
            await asyncio.sleep(0.6)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert await part.self_test() is True
            assert fake.written.count((8005, [0x5445])) == 1  # it was still at it

    run_virtual(main())


def test_a_monitor_that_falls_silent_is_a_fault_and_is_found_again() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with monitored() as (part, fake, running, said):
            await part.start()
            await asyncio.sleep(2.5)
            assert part.reading is not None
            last = part.reading.at
            running.trouble.deaf = True
            while not faults(said):
                await asyncio.sleep(0.1)
            assert loop.time() - last <= 6.0
            fault = next(event.fault for event in said if isinstance(event, FaultRaised))
            assert (fault.code, fault.severity, fault.latched) == ("imd-lost", Severity.STOP, False)
            assert part.reading.at == last
            with pytest.raises(HalTimeout):
                await part.self_test()
            with pytest.raises(HalLost):
                await part.start()
            await part.stop()
            fake.words({3026: (0,)})
            running.trouble.deaf = False
            await asyncio.sleep(11.0)
            assert faults(said) == [("imd-lost", True), ("imd-lost", False)]
            assert fake.registers[3026] == 1  # it came back switched off
            await part.start()

    run_virtual(main())


def test_at_rest_one_lost_answer_is_no_fault_and_silence_is() -> None:
    async def main() -> None:
        async with monitored() as (_, _fake, running, said):
            await asyncio.sleep(4.0)
            running.trouble.deaf = True
            await asyncio.sleep(2.5)  # one question has found nobody
            running.trouble.deaf = False
            await asyncio.sleep(10.0)
            assert said == []
            running.trouble.deaf = True
            await asyncio.sleep(16.0)
            assert faults(said) == [("imd-lost", True)]

    run_virtual(main())


def test_a_monitor_that_is_not_there_yet_forbids_power() -> None:
    async def main() -> None:
        said: list[BoardEvent] = []
        async with tcp_device(FakeIsoCha()) as running:
            await running.stop()
            part = insulation_monitor(f"isocha:tcp:127.0.0.1:{running.port}", Lines())
            await part.open(said.append)
            assert faults(said) == [("imd-lost", True)]
            with pytest.raises(HalLost):
                await part.start()
            with pytest.raises(HalLost):
                await part.self_test()
            await running.start()
            await asyncio.sleep(3.0)
            assert faults(said)[1:] == [("imd-lost", False)]
            assert await part.self_test() is True
            await part.close()

    run_virtual(main())


def test_what_cannot_be_a_resistance_is_no_measurement() -> None:
    async def main() -> None:
        async with monitored() as (part, fake, _, said):
            fake.ohms = float("nan")
            await part.start()
            await asyncio.sleep(2.0)
            assert measured(said) == []
            await asyncio.sleep(8.0)
            assert faults(said) == [("imd-lost", True)]
            fake.ohms = 5e5
            await asyncio.sleep(11.0)
            assert measured(said)[0] == 5e5

    run_virtual(main())


def test_it_shares_its_line_with_a_meter_at_the_same_settings() -> None:
    # A pseudo terminal has no parity; the setting itself is looked at where addresses are.
    async def main() -> None:
        said: list[BoardEvent] = []
        async with rtu_devices(Trouble(), FakeIsoCha(), sdm630(), baud=19200) as cable:
            lines = Lines()
            monitor = insulation_monitor(f"isocha:rtu:{cable.names[0]}?parity=N", lines)
            counter = meter(f"modbus:rtu:{cable.names[0]}?baud=19200", lines)
            await monitor.open(said.append)
            await counter.open(said.append)
            await monitor.start()
            await asyncio.sleep(0.1)
            assert measured(said) == [1_000_000.0]
            assert counter.reading is not None and counter.reading.watts == 11039.0
            await monitor.close()
            await counter.close()
            with pytest.raises(HalRejected, match="two settings"):
                insulation_monitor(f"isocha:rtu:{cable.names[0]}?parity=E", lines)

    asyncio.run(main())


def words(ohms: float, state: int, kind: int) -> tuple[int, ...]:
    return (*struct.unpack(">HH", struct.pack(">f", ohms)), state << 8 | kind, 71)


def test_channels() -> None:
    assert channel(words(4e5, 0x00, 0x02)) == Channel(4e5, SelfTest.NONE, False)
    # An alarm of the monitor is its own opinion of the same number.
    assert channel(words(4e4, 0x05, 0x02)) == Channel(4e4, SelfTest.NONE, False)
    assert channel(words(1e6, 0x00, BIGGER << 6 | 2)) == Channel(1e6, SelfTest.NONE, False)
    # Less than it can measure: that says nothing for the insulation.
    assert channel(words(1e6, 0x00, SMALLER << 6 | 2)) == Channel(0.0, SelfTest.NONE, False)
    assert channel(words(1e6, 0x00, INVALID << 6 | 2)) == Channel(None, SelfTest.NONE, False)
    assert channel(words(1e6, 0x80, INVALID << 6 | 2)) == Channel(None, SelfTest.EXTERNAL, False)
    assert channel(words(1e6, 0x40, 0x02)) == Channel(1e6, SelfTest.INTERNAL, False)
    assert channel(words(1e6, 0x02, 0x02)) == Channel(None, SelfTest.NONE, True)
    for bad in (words(1e6, 0x00, 0x04), words(-1.0, 0, 2), words(float("inf"), 0, 2), words(1.0, 0xC0, 2)):
        with pytest.raises(HalRejected):
            channel(bad)


@settings(max_examples=100)
@given(st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4))
def test_any_registers_are_a_resistance_or_none(registers: list[int]) -> None:
    try:
        found = channel(registers)
    except HalRejected:
        return
    assert found.ohms is None or 0.0 <= found.ohms < float("inf")


def test_addresses() -> None:
    async def main() -> None:
        lines = Lines()
        insulation_monitor("isocha:rtu:/dev/ttyS1", lines)
        assert lines.at(Rtu("/dev/ttyS1", 19200, "E", 1)) is lines.at(Rtu("/dev/ttyS1", 19200, "E", 1))
        for bad in ("isocha:", "isocha:can0", "isocha:rtu:/dev/ttyS1?unit=0", "isocha:rtu:/dev/ttyS1?model=x"):
            with pytest.raises(HalRejected):
                insulation_monitor(bad, Lines())

    run_virtual(main())
