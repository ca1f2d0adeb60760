"""The power line of one simulated outlet: the station's modem, the car's, and the faults between
them.

The car's modem is on the line while the car is plugged in. A car in another process reaches it
through the panel: ``line_send``, ``line_read``, ``line_join``, ``line_linked``
(:class:`RemoteModem` speaks them).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from hal.errors import HalRejected
from hal.readings import ModemInfo
from hal.sim.clock import Clock
from hal.sim.firmware import Message
from hal.sim.modem import Medium, SimModem
from hal.sim.panel import Hand
from hal.sim.world import World

WAITING_FRAMES: Final = 512
READ_SECONDS: Final = 0.005
"""How often a car in another process looks for frames."""
LONGEST_FRAME: Final = 1518


class PowerLine:
    """Two modems on one medium. ``clock`` is the outside one, because matching runs between
    processes in real time.
    """

    def __init__(self, world: World, clock: Clock, name: str = "1") -> None:
        self.medium = Medium(clock)
        mark = hashlib.sha256(name.encode()).digest()
        self.station = SimModem(self.medium, b"\x02\x5e" + mark[:4], b"\x00\xb0\x52" + mark[:3])
        self.car = SimModem(self.medium, b"\x02\xee" + mark[4:8], b"\x00\xb0\x52" + mark[3:6], measures=False)
        self.car.on_frame = lambda at, frame: self._heard.append(frame)
        self._heard: deque[bytes] = deque(maxlen=WAITING_FRAMES)
        self._world = world
        world.watch(self._look)
        self._look("pilot")

    def _look(self, what: str) -> None:
        world = self._world
        self.car.alive = world.car.plugged
        self.station.alive = "modem_dead" not in world.faults
        self.medium.noisy = "line_noise" in world.faults
        if not world.car.plugged:
            # The next car has another modem, without this one's key.
            self.car.key = None
            self._heard.clear()

    def act(self, verb: str, request: Message) -> Message:
        """Carry out a panel's request with the car's modem. Raises HalRejected for another request,
        HalTimeout if the modem is dead.
        """
        car = self.car
        match verb:
            case "line_send":
                car.say(_octets(request, "frame", 14, LONGEST_FRAME))
            case "line_read":
                frames, self._heard = list(self._heard), deque(maxlen=WAITING_FRAMES)
                return {"ok": True, "frames": [frame.hex() for frame in frames]}
            case "line_join":
                car.join(_octets(request, "nid", 7, 7), _octets(request, "nmk", 16, 16))
            case "line_linked":
                return {"ok": True, "linked": car.linked()}
            case "line_mac":
                return {"ok": True, "mac": car.mac.hex()}
            case _:
                raise HalRejected(f"no such verb: {verb}")
        return {"ok": True}

    def close(self) -> None:
        self.station.close()
        self.car.close()


def _octets(request: Message, name: str, shortest: int, longest: int) -> bytes:
    value = request.get(name)
    try:
        octets = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        octets = b""
    if not shortest <= len(octets) <= longest:
        raise HalRejected(f"{name} has to be {shortest} to {longest} octets in hexadecimal")
    return octets


class RemoteModem:
    """The car's modem from another process: ``hal.ports.PlcModem`` through a panel."""

    def __init__(self, hand: Hand, mac: bytes) -> None:
        self.interface, self.mac, self.address = "panel", mac, None
        self._hand = hand

    @classmethod
    async def open(cls, hand: Hand) -> RemoteModem | None:
        """Returns the modem; None if the world has no power line. Raises HalLost without a world."""
        try:
            found = await hand.act("line_mac")
        except HalRejected:
            return None
        return cls(hand, bytes.fromhex(found["mac"]))

    async def send(self, frame: bytes) -> None:
        await self._hand.act("line_send", frame=frame.hex())

    async def frames(self) -> AsyncIterator[tuple[float, bytes]]:
        """Yields frames since the last call, and those to come."""
        loop = asyncio.get_running_loop()
        while True:
            for frame in (await self._hand.act("line_read"))["frames"]:
                yield loop.time(), bytes.fromhex(frame)
            await asyncio.sleep(READ_SECONDS)

    async def set_key(self, nid: bytes, nmk: bytes) -> None:
        await self._hand.act("line_join", nid=nid.hex(), nmk=nmk.hex())

    async def link_up(self) -> bool | None:
        linked: bool | None = (await self._hand.act("line_linked"))["linked"]
        return linked

    async def info(self) -> ModemInfo:
        return ModemInfo("simulated", "1")

    async def reset(self) -> None:
        """Does nothing: this modem stays in its network."""
