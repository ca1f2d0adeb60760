"""One Modbus line against pymodbus's server: what a driver may rely on, whatever the device and the wire do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Coroutine
from typing import Any

import pytest
from pymodbus.constants import ExcCodes

from hal.address import Address
from hal.errors import HalLost, HalRejected, HalTimeout, HalUnsupported
from hal.meters.modbus import COMMAND_SECONDS, Lines, ModbusLine, Rtu, Tcp, line
from hal.sim.clock import run_virtual
from tests.hal.modbus_fake import Device, Trouble, rtu_devices, tcp_device

OPTIONS = frozenset({"baud", "parity", "stop_bits", "unit"})
FACTORY = Rtu("", 19200, "E", 1)


def where(text: str) -> Tcp | Rtu:
    return line(Address(text, OPTIONS), FACTORY)


async def bounded(request: Coroutine[Any, Any, object]) -> BaseException:
    """What the request raises; it must do so within the bound of a command."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    try:
        result = await request
    except Exception as error:
        assert loop.time() - start <= COMMAND_SECONDS + 0.05
        return error
    raise AssertionError(f"answered {result!r}")


def test_addresses() -> None:
    assert where("modbus:tcp:10.0.0.5") == Tcp("10.0.0.5", 502)
    assert where("modbus:tcp:meter.local:1502") == Tcp("meter.local", 1502)
    assert where("modbus:tcp:[fe80::1]:5020") == Tcp("fe80::1", 5020)
    assert where("modbus:tcp:[::1]") == Tcp("::1", 502)
    assert where("modbus:rtu:/dev/ttyS1") == Rtu("/dev/ttyS1", 19200, "E", 1)
    assert where("modbus:rtu:/dev/ttyS1?baud=9600&parity=n&stop_bits=2") == Rtu("/dev/ttyS1", 9600, "N", 2)


@pytest.mark.parametrize(
    "text",
    [
        "modbus",
        "modbus:",
        ":tcp:x",
        "modbus:tcp:",
        "modbus:udp:1.2.3.4",
        "modbus:tcp:host:port",
        "modbus:tcp:host:0",
        "modbus:tcp:host:65536",
        "modbus:tcp:host:٣",
        "modbus:tcp:[]:1",
        "modbus:tcp:host?baud=9600",
        "modbus:rtu:/dev/x?baud=fast",
        "modbus:rtu:/dev/x?baud=1200",
        "modbus:rtu:/dev/x?parity=X",
        "modbus:rtu:/dev/x?stop_bits=3",
        "modbus:rtu:/dev/x?unit",
        "modbus:rtu:/dev/x?unit=",
        "modbus:rtu:/dev/x?unit=1&unit=2",
        "modbus:rtu:/dev/x?colour=red",
    ],
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(HalRejected):
        where(text)


def test_devices_at_one_place_share_a_line() -> None:
    async def main() -> None:
        lines = Lines()
        one = lines.at(Rtu("/dev/ttyS1"))
        assert lines.at(Rtu("/dev/ttyS1")) is one
        assert lines.at(Rtu("/dev/ttyS2")) is not one
        with pytest.raises(HalRejected, match="two settings"):
            lines.at(Rtu("/dev/ttyS1", 19200))

    run_virtual(main())


def test_it_reads_and_writes() -> None:
    async def main() -> None:
        device = Device(3, {100: 7, 101: 8})
        async with tcp_device(device) as running:
            modbus = ModbusLine(Tcp("127.0.0.1", running.port))
            assert await modbus.read_input(3, 100, 2) == (7, 8)
            assert await modbus.read_holding(3, 101, 1) == (8,)
            await modbus.write(3, 100, [0x5445])
            assert await modbus.read_holding(3, 100, 1) == (0x5445,)
            modbus.close()
            assert await modbus.read_holding(3, 100, 1) == (0x5445,)
            modbus.close()
        assert device.written == [(100, [0x5445])]

    run_virtual(main())


def test_refusals_have_their_names() -> None:
    async def main() -> None:
        device = Device(1, {0: 1})
        async with tcp_device(device) as running:
            modbus = ModbusLine(Tcp("127.0.0.1", running.port))
            assert isinstance(await bounded(modbus.read_input(1, 5, 1)), HalRejected)
            device.refuse = ExcCodes.DEVICE_BUSY
            assert isinstance(await bounded(modbus.read_input(1, 0, 1)), HalTimeout)
            device.refuse = ExcCodes.GATEWAY_NO_RESPONSE
            assert isinstance(await bounded(modbus.read_input(1, 0, 1)), HalTimeout)
            device.refuse = None
            assert await modbus.read_input(1, 0, 1) == (1,)
            modbus.close()

    run_virtual(main())


def test_silence_and_a_wrong_unit_end_in_time() -> None:
    async def main() -> None:
        async with tcp_device(Device(1, {0: 1})) as running:
            modbus = ModbusLine(Tcp("127.0.0.1", running.port))
            assert isinstance(await bounded(modbus.read_input(2, 0, 1)), HalTimeout)
            running.trouble.deaf = True
            assert isinstance(await bounded(modbus.read_input(1, 0, 1)), HalTimeout)
            running.trouble.deaf = False
            assert await modbus.read_input(1, 0, 1) == (1,)
            modbus.close()

    run_virtual(main())


def test_an_answer_from_another_unit_is_none() -> None:
    async def main() -> None:
        async with tcp_device(Device(1, {0: 1})) as running:
            running.trouble.garble = lambda octets: octets[:6] + b"\x07" + octets[7:]
            modbus = ModbusLine(Tcp("127.0.0.1", running.port))
            assert isinstance(await bounded(modbus.read_input(1, 0, 1)), HalTimeout)
            modbus.close()

    run_virtual(main())


@pytest.mark.parametrize(
    "octets",
    [
        b"\xff" * 300,
        b"\0\0\0\0\0\3\1\4\2",  # a byte count with nothing behind it
        b"\0\1\0\0\0\5\1\4\2\0",
        b"\0\1\0\0\0\3\1\x84\2",
        b"\0\1\0\0\0\2\1\x7b",
        b"\0\1\0\0\0\7\1\3\4\0\1\0\2",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
def test_garbage_is_a_typed_error_and_the_line_lives(octets: bytes) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, _context: None)  # the library lets its parser's errors go to the loop
        async with tcp_device(Device(1, {0: 1})) as running:
            running.trouble.garble = lambda answer: octets
            modbus = ModbusLine(Tcp("127.0.0.1", running.port))
            error = await bounded(modbus.read_input(1, 0, 1))
            assert isinstance(error, (HalTimeout, HalRejected, HalLost))
            running.trouble.garble = None
            assert await modbus.read_input(1, 0, 1) == (1,)
            modbus.close()

    run_virtual(main())


def test_nobody_listening_is_lost_and_comes_back() -> None:
    async def main() -> None:
        async with tcp_device(Device(1, {0: 1})) as running:
            modbus = ModbusLine(Tcp("127.0.0.1", running.port))
            assert await modbus.read_input(1, 0, 1) == (1,)
            await running.stop()
            assert isinstance(await bounded(modbus.read_input(1, 0, 1)), (HalLost, HalTimeout))
            assert isinstance(await bounded(modbus.read_input(1, 0, 1)), HalLost)
            await running.start()
            assert await modbus.read_input(1, 0, 1) == (1,)
            modbus.close()

    run_virtual(main())


def test_no_such_serial_device_is_lost() -> None:
    async def main() -> None:
        for device in ("/dev/there-is-none", "/dev/null", "/etc/hostname"):
            assert isinstance(await bounded(ModbusLine(Rtu(device)).read_input(1, 0, 1)), HalLost)

    run_virtual(main())


def test_a_cancelled_request_leaves_the_line_usable() -> None:
    async def main() -> None:
        device = Device(1, {0: 1, 1: 2}, slow=0.2)
        async with tcp_device(device) as running:
            modbus = ModbusLine(Tcp("127.0.0.1", running.port))
            task = asyncio.create_task(modbus.read_input(1, 0, 1))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await modbus.read_input(1, 1, 1) == (2,)
            modbus.close()

    run_virtual(main())


def test_rtu_shares_a_line_and_survives_noise() -> None:
    async def main() -> None:
        trouble = Trouble()
        one, two = Device(1, {0: 11}), Device(2, {0: 22})
        async with rtu_devices(trouble, one, two) as cable:
            modbus = ModbusLine(Rtu(cable.names[0]))
            assert await asyncio.gather(*(modbus.read_input(unit, 0, 1) for unit in (1, 2, 1, 2))) == [
                (11,),
                (22,),
                (11,),
                (22,),
            ]
            cable.noise(b"\x00\xff\x55")
            await asyncio.sleep(0)
            assert await modbus.read_input(2, 0, 1) == (22,)
            answers = 0

            def first_is_garbled(octets: bytes) -> bytes:
                nonlocal answers
                answers += 1
                return octets[:-1] + bytes([octets[-1] ^ 1]) if answers == 1 else octets

            trouble.garble = first_is_garbled
            assert await modbus.read_input(1, 0, 1) == (11,)
            assert answers == 2
            modbus.close()

    asyncio.run(main())


def test_an_answer_that_comes_late_is_not_taken_for_the_next_one() -> None:
    """RTU answers carry no number: both registers are one word of the same unit and function."""

    async def main() -> None:
        device = Device(1, {0: 11, 1: 22})
        async with rtu_devices(Trouble(), device) as cable:
            modbus = ModbusLine(Rtu(cable.names[0]))
            device.slow = 0.85  # the answer to the first try comes after the second try has been given up
            assert isinstance(await bounded(modbus.read_input(1, 0, 1)), HalTimeout)
            device.slow = 0.0
            loop = asyncio.get_running_loop()
            end = loop.time() + 0.6
            while loop.time() < end:
                assert await modbus.read_input(1, 1, 1) == (22,)
            modbus.close()

    asyncio.run(main())


def test_missing_libraries_name_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        for module, place in (("pymodbus.client", Tcp("127.0.0.1")), ("serial", Rtu("/dev/ttyS1"))):
            with monkeypatch.context() as patch:
                patch.setitem(sys.modules, module, None)
                with pytest.raises(HalUnsupported, match=r"pip install 'pymodbus>=3\.10' pyserial"):
                    await ModbusLine(place).read_input(1, 0, 1)

    run_virtual(main())


def test_nothing_is_imported_before_it_is_needed() -> None:
    code = "import sys, hal.meters.meter, hal.drivers_kit; assert not {'pymodbus', 'serial'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
