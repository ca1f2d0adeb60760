"""A rack of Infypower modules at the other end of a socket that carries SocketCAN's 16 octet packets.

Written from the protocol's document with figures of its own (no name is shared with the driver), and tried with the frames that the document gives as
examples. ``plant`` is what hangs at the output.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Protocol

EXTENDED, ERROR_FRAME, BUS_OFF = 0x80000000, 0x20000000, 0x40
PACKET = struct.Struct("=IB3x8s")


class Plant(Protocol):
    """What the rack feeds. Totals, not shares."""

    def drive(self, on: bool, volts: float, amperes: float) -> None: ...
    def measure(self) -> tuple[float, float]:
        """Volts and amperes of the rack's output."""

    def outside(self) -> float:
        """Volts behind the diodes."""


class Battery:
    """A stiff voltage behind a resistance; reached with a time constant, so that a ramp is seen."""

    def __init__(self, volts: float = 0.0, ohms: float = 0.1) -> None:
        self.battery_volts, self.ohms = volts, ohms
        self.on, self.volts, self.amperes = False, 0.0, 0.0
        self._output, self._at = 0.0, 0.0

    def drive(self, on: bool, volts: float, amperes: float) -> None:
        self._advance()
        self.on, self.volts, self.amperes = on, volts, amperes

    def _advance(self) -> None:
        now = asyncio.get_running_loop().time()
        step = 2000.0 * (now - self._at)
        goal = self.volts if self.on else 0.0
        self._output += max(-step, min(step, goal - self._output))
        self._at = now

    def measure(self) -> tuple[float, float]:
        self._advance()
        if not self.on or self._output <= self.battery_volts or not self.battery_volts:
            return self._output, 0.0
        amperes = min(self.amperes, (self._output - self.battery_volts) / self.ohms)
        return self.battery_volts + amperes * self.ohms, amperes

    def outside(self) -> float:
        return max(self.measure()[0], self.battery_volts)


class Module:
    """One module: what it was told, and what it says. ``deaf`` hears nothing, ``stuck`` does not switch off."""

    def __init__(self, address: int) -> None:
        self.address = address
        self.on = False
        self.volts = self.amperes = 0.0
        self.alarms = (0, 0, 0)
        """Status octets 5, 6 and 7, besides "off"."""
        self.deaf = self.mute = self.stuck = self.dead = False
        self.ratings = (750, 100, 256, 1500)
        self.switched: list[bool] = []
        self.heard_at = 0.0


class Rack:
    """The modules and their end of the wire. ``lose`` drops frames to them."""

    def __init__(self, *addresses: int, plant: Plant | None = None) -> None:
        self.modules = {address: Module(address) for address in addresses}
        self.plant = plant if plant is not None else Battery()
        self.lose: Callable[[int, bytes], bool] = lambda identifier, data: False
        self.frames: list[tuple[float, int, bytes]] = []
        self._socket: socket.socket | None = None

    def connect(self) -> socket.socket:
        """A new wire; the driver's end of it."""
        self.cut()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.adopt(ours)
        return theirs

    def adopt(self, ours: socket.socket) -> None:
        """Listen here: one end of a pair, or a socket on an interface."""
        ours.setblocking(False)
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._read)

    def cut(self) -> None:
        """The wire is gone, as an adapter that is pulled out."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def say(self, packet: bytes) -> None:
        """Put these octets on the wire, whatever they are."""
        assert self._socket is not None
        self._socket.send(packet)

    def bus_off(self) -> None:
        self.say(PACKET.pack(ERROR_FRAME | BUS_OFF, 8, bytes(8)))

    @property
    def running(self) -> list[Module]:
        return [module for module in self.modules.values() if module.on and not module.dead]

    def _read(self) -> None:
        while self._socket is not None:
            try:
                packet = self._socket.recv(64)
            except BlockingIOError:
                return
            if not packet:
                self.cut()
                return
            identifier, length, data = PACKET.unpack(packet)
            assert identifier & EXTENDED and length == 8
            self._hear(identifier & 0x1FFFFFFF, data)

    def _hear(self, identifier: int, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        self.frames.append((now, identifier, data))
        if self.lose(identifier, data):
            return
        destination, source = identifier >> 8 & 0xFF, identifier & 0xFF
        assert identifier >> 22 == 0x0A and source == 0xF0
        module = self.modules.get(destination)
        if module is None or module.deaf:
            return
        module.heard_at = now
        command = identifier >> 16 & 0x3F
        if command == 0x1A:
            self._switch(module, data[0] == 0)
        elif command == 0x1C:
            module.volts, module.amperes = (value / 1000.0 for value in struct.unpack(">II", data))
            self._drive()
        if not module.mute:
            self._answer(module, command, data)

    def _switch(self, module: Module, on: bool) -> None:
        module.switched.append(on)
        if not (module.stuck and not on) and not (module.dead and on):
            module.on = on
        self._drive()

    def _drive(self) -> None:
        on = self.running
        self.plant.drive(bool(on), min((module.volts for module in on), default=0.0), sum(m.amperes for m in on))

    def _answer(self, module: Module, command: int, data: bytes) -> None:
        volts, amperes = self.plant.measure()
        share = amperes / max(len(self.running), 1) if module.on else 0.0
        match command:
            case 0x03:
                body = struct.pack(">ff", volts if self.running else 0.0, share)
            case 0x04:
                two, one, zero = module.alarms
                body = bytes((0, 0, 0, 0, 27, two, one | (0 if module.on else 1), zero))
            case 0x0A:
                body = struct.pack(">HHHH", *module.ratings)
            case 0x0C:
                body = struct.pack(">HH4x", round(self.plant.outside() * 10), module.ratings[2])
            case 0x1A | 0x1C:
                body = data
            case _:
                return
        identifier = 0x0A << 22 | command << 16 | 0xF0 << 8 | module.address
        self.say(PACKET.pack(identifier | EXTENDED, 8, body))
