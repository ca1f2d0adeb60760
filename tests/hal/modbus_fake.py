"""A Modbus device for tests: pymodbus's own server with registers that the test holds in its hand, on loopback TCP or a pseudo terminal.

What the drivers are tried against is therefore not their own codec. ``trouble`` makes the device misbehave.
"""

from __future__ import annotations

import asyncio
import os
import struct
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

Server = ModbusTcpServer | ModbusSerialServer


@dataclass
class Device:
    """One unit. ``registers`` are what it answers with; others are refused with an illegal address."""

    unit: int = 1
    registers: dict[int, int] = field(default_factory=dict)
    asked: list[tuple[int, int, int]] = field(default_factory=list)
    """(function, address, count) of every request."""
    written: list[tuple[int, list[int]]] = field(default_factory=list)
    refuse: ExcCodes | None = None
    on_write: Callable[[int, list[int]], None] = lambda address, values: None
    on_read: Callable[[int], None] = lambda address: None
    slow: float = 0.0
    """Seconds before it answers."""

    def floats(self, values: dict[int, float]) -> None:
        for address, value in values.items():
            self.words({address: struct.unpack(">HH", struct.pack(">f", value))})

    def words(self, values: dict[int, tuple[int, ...]]) -> None:
        for address, words in values.items():
            self.registers.update(enumerate(words, address))

    async def act(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        current: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        self.asked.append((function, address, count))
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.refuse is not None:
            return self.refuse
        if values is not None:
            words = [int(value) for value in values]
            self.written.append((address, words))
            self.words({address: tuple(words)})
            self.on_write(address, words)
            return None
        self.on_read(address)
        for offset in range(count):
            if address + offset not in self.registers:
                return ExcCodes.ILLEGAL_ADDRESS
            current[address - start + offset] = self.registers[address + offset]
        return None

    @property
    def simulated(self) -> SimDevice:
        block = SimData(0, count=65536, values=0, datatype=DataType.REGISTERS)
        return SimDevice(self.unit, simdata=[block], action=self.act)


class Trouble:
    """What is wrong on the line. Octets out of the device go through :meth:`packet`."""

    def __init__(self, unit_at: int = 0, units: tuple[int, ...] = ()) -> None:
        self.deaf = False
        self.garble: Callable[[bytes], bytes] | None = None
        self.heard = 0
        self.unit_at = unit_at
        self.units = units
        """Who is on the line: to everybody else's requests there is silence. (pymodbus answers them all.)"""

    def packet(self, sending: bool, data: bytes) -> bytes:
        if not sending:
            self.heard += 1
            foreign = self.units and len(data) > self.unit_at and data[self.unit_at] not in self.units
            return b"" if self.deaf or foreign else data
        return self.garble(data) if self.garble is not None else data


@dataclass
class TcpDevice:
    """The device and its socket; :meth:`stop` and :meth:`start` are a power cycle at the same address."""

    device: Device
    trouble: Trouble
    port: int = 0
    server: ModbusTcpServer | None = None

    async def start(self) -> None:
        self.server = ModbusTcpServer(
            self.device.simulated,
            address=("127.0.0.1", self.port),
            ignore_missing_devices=True,
            trace_packet=self.trouble.packet,
        )
        await self.server.serve_forever(background=True)
        transport = self.server.transport
        assert isinstance(transport, asyncio.Server)
        self.port = transport.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped
            self.server = None
            await asyncio.sleep(0.01)


@asynccontextmanager
async def tcp_device(device: Device) -> AsyncIterator[TcpDevice]:
    running = TcpDevice(device, Trouble(6, (device.unit,)))
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


class Cable:
    """Two pseudo terminals with a wire between them: what one side writes the other reads. ``noise`` is what lies on the wire."""

    def __init__(self) -> None:
        self._masters: list[int] = []
        self._slaves: list[int] = []
        self.names: list[str] = []
        for _ in range(2):
            master, slave = os.openpty()
            tty.setraw(master)
            tty.setraw(slave)
            os.set_blocking(master, False)
            self._masters.append(master)
            self._slaves.append(slave)
            self.names.append(os.ttyname(slave))
        loop = asyncio.get_running_loop()
        for near, far in (self._masters, reversed(self._masters)):
            loop.add_reader(near, self._carry, near, far)

    def _carry(self, near: int, far: int) -> None:
        with suppress(OSError):
            os.write(far, os.read(near, 4096))

    def noise(self, octets: bytes) -> None:
        """To the reader of the first end."""
        os.write(self._masters[0], octets)

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for master in self._masters:
            loop.remove_reader(master)
        for descriptor in (*self._masters, *self._slaves):
            os.close(descriptor)


@asynccontextmanager
async def rtu_devices(trouble: Trouble, *devices: Device, baud: int = 9600) -> AsyncIterator[Cable]:
    """Devices on one RS485 line; the driver's end is ``cable.names[0]``."""
    cable = Cable()
    trouble.units = tuple(device.unit for device in devices)
    server = ModbusSerialServer(
        [device.simulated for device in devices],
        framer=FramerType.RTU,
        port=cable.names[1],
        baudrate=baud,
        ignore_missing_devices=True,
        trace_packet=trouble.packet,
    )
    await server.serve_forever(background=True)
    try:
        yield cable
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it untyped
        cable.close()
