"""Register maps, and every register a random word."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal.errors import HalError, HalRejected
from hal.meters.modbus import ModbusLine, Tcp
from hal.meters.models import NAMES, model
from hal.meters.registers import float32, int16, text, uint32
from hal.readings import MeterReading
from hal.sim.clock import run_virtual
from tests.hal.meter_maps import sdm230, sdm630, sunspec
from tests.hal.modbus_fake import Device, tcp_device


def measured(device: Device, name: str) -> tuple[MeterReading, str]:
    async def main() -> tuple[MeterReading, str]:
        async with tcp_device(device) as running:
            modbus = ModbusLine(Tcp("127.0.0.1", running.port))
            kind = model(name)
            serial = await kind.serial_number(modbus, device.unit)
            first = await kind.measure(modbus, device.unit)
            assert await kind.measure(modbus, device.unit) == first
            modbus.close()
            return first, serial

    return run_virtual(main())


@pytest.mark.parametrize("name", ["sdm630", "sdm72"])
def test_three_phase_eastron(name: str) -> None:
    device = sdm630(unit=7)
    got, serial = measured(device, name)
    assert serial == "1234567"
    assert got == MeterReading(1_234_500.0, (230.0, 231.0, 229.0), (16.0, 15.5, 16.5), 11039.0, 0.0)
    # One request a reading, within the 80 registers that these meters send at once.
    assert device.asked[1:] == [(4, 0, 74)] * 2


@pytest.mark.parametrize("name", ["sdm230", "sdm120"])
def test_one_phase_eastron_without_a_serial_number(name: str) -> None:
    got, serial = measured(sdm230(), name)
    assert (got, serial) == (MeterReading(7250.0, (230.0,), (10.0,), 2300.0, 0.0), "")


@pytest.mark.parametrize("base", [40000, 50000, 0])
def test_sunspec_integers_with_scale_factors(base: int) -> None:
    got, serial = measured(sunspec(203, base=base), "sunspec")
    assert serial == "SN-4711"
    assert got.volts == pytest.approx((230.1, 230.2, 230.3))
    assert got.amperes == pytest.approx((16.5, 16.0, 15.5))
    assert (got.watts, got.watt_hours_import) == (11040.0, 655360.0)


def test_sunspec_floats() -> None:
    got, _ = measured(sunspec(213), "sunspec")
    assert got == MeterReading(655360.0, (230.0, 231.0, 229.0), (16.5, 16.0, 15.5), 11040.0, 0.0)


@pytest.mark.parametrize(("number", "phases"), [(201, 1), (202, 2), (211, 1), (212, 2)])
def test_sunspec_with_fewer_phases(number: int, phases: int) -> None:
    got, _ = measured(sunspec(number), "sunspec")
    assert len(got.volts) == len(got.amperes) == phases


def test_sunspec_delta_has_volts_between_phases() -> None:
    device = sunspec(204)
    meter = 40000 + 122
    device.words({meter + 8: (0x8000,) * 3})
    got, _ = measured(device, "sunspec")
    assert got.volts == pytest.approx((399.0, 400.0, 401.0))


def test_what_is_no_sunspec_meter_is_refused() -> None:
    only_inverter = sunspec(203)
    only_inverter.words({40000 + 122: (0xFFFF, 0)})
    endless = Device(1)
    endless.words({40000: (0x5375, 0x6E53), 40002: (7, 0) * 200})
    beyond = Device(1)
    beyond.words({40000: (0x5375, 0x6E53), 40002: (7, 0xFFF0)})
    for device in (only_inverter, endless, beyond, sdm630(), Device(1, {40000: 1, 40001: 2})):
        with pytest.raises(HalRejected):
            measured(device, "sunspec")


def test_a_sunspec_map_that_moved_is_found_again() -> None:
    async def main() -> None:
        device = sunspec(203)
        async with tcp_device(device) as running:
            modbus, kind = ModbusLine(Tcp("127.0.0.1", running.port)), model("sunspec")
            await kind.measure(modbus, 1)
            device.registers = sunspec(213, base=50000).registers
            with pytest.raises(HalRejected):
                await kind.measure(modbus, 1)
            assert (await kind.measure(modbus, 1)).watts == 11040.0
            modbus.close()

    run_virtual(main())


def test_unknown_models_name_the_known_ones() -> None:
    with pytest.raises(HalRejected, match=", ".join(NAMES)):
        model("sdm9000")


def test_values() -> None:
    assert float32((0x4366, 0x3334), 0) == pytest.approx(230.2)
    assert [int16((0xFFFF,), 0), int16((0x7FFF,), 0), int16((0x8001,), 0)] == [-1.0, 32767.0, -32767.0]
    assert int16((0x8000,), 0) != int16((0x8000,), 0)
    assert uint32((1, 2), 0) == 65538
    assert text((0x4142, 0x4300, 0x4444)) == "ABC"
    assert text((0xFFFF, 0x0D0A)) == ""


class RandomLine(ModbusLine):
    """Answers every request, with whatever comes up."""

    def __init__(self, seed: int) -> None:
        super().__init__(Tcp("none"))
        self._random = random.Random(seed)
        self._words = [0, 1, 66, 105, 124, 201, 203, 204, 213, 0x5375, 0x6E53, 0x7FC0, 0x7F80, 0x8000, 0xFFFF]

    async def read_holding(self, unit: int, address: int, count: int) -> tuple[int, ...]:
        if count == 2 and self._random.random() < 0.4:
            return (0x5375, 0x6E53)
        choose: Any = lambda: self._random.choice([*self._words, self._random.randrange(65536)])  # noqa: E731
        return tuple(choose() for _ in range(count))

    read_input = read_holding


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.sampled_from(NAMES))
def test_random_registers_are_a_measurement_or_a_refusal(seed: int, name: str) -> None:
    async def main() -> None:
        modbus, kind = RandomLine(seed), model(name)
        try:
            assert isinstance(await kind.serial_number(modbus, 1), str)
            got = await kind.measure(modbus, 1)
        except HalError:
            return
        assert len(got.volts) == len(got.amperes) > 0

    asyncio.run(main())
