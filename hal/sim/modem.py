"""Simulated Green PHY modems with their hosts, and the power line between them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Final

from hal.errors import HalLost, HalRejected, HalTimeout
from hal.linux.mme import BROADCAST, MINIMUM_OCTETS, build, parse
from hal.readings import ModemInfo
from hal.sim.clock import Clock
from hal.stream import Broadcast

LATENCY_SECONDS: Final = 0.0005
JOIN_SECONDS: Final = 0.8
"""A modem restarts with a new key; fast ones take this long."""
MNBC_SOUND: Final = 0x6076
GROUPS: Final = 58
ATTEN_PROFILE: Final = 0x6086


class Medium:
    """One cable, or several with crosstalk: a frame of one modem reaches the others after
    ``latency``.

    ``attenuation``: dB between any two modems. ``noisy``: no frame gets through (Brokenwire).
    ``sounds_to_lose``: how many of the next sounds are lost.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        attenuation: int = 12,
        latency: float = LATENCY_SECONDS,
        join_seconds: float = JOIN_SECONDS,
    ) -> None:
        self.clock = clock
        self.attenuation = attenuation
        self.latency = latency
        self.join_seconds = join_seconds
        self.noisy = False
        self.sounds_to_lose = 0
        self._modems: list[SimModem] = []

    def attach(self, modem: SimModem) -> None:
        self._modems.append(modem)

    def detach(self, modem: SimModem) -> None:
        self._modems = [each for each in self._modems if each is not modem]

    def carry(self, sender: SimModem, frame: bytes) -> None:
        """Carry a frame from one host to the hosts of the other modems."""
        parsed = parse(frame)
        if parsed is None or self.noisy:
            return
        if parsed.mmtype == MNBC_SOUND and self.sounds_to_lose > 0:
            self.sounds_to_lose -= 1
            return
        at = self.clock.now() + self.latency
        for modem in self._modems:
            if modem is not sender and parsed.destination in (modem.mac, BROADCAST):
                self.clock.call_at(at, lambda modem=modem: modem.hear(frame, sender))  # type: ignore[misc]  # a default binds the loop's value

    def joined(self, modem: SimModem) -> bool:
        """Whether another modem is in the same network now."""
        now = self.clock.now()
        ready = [each for each in self._modems if each.alive and each.key is not None and now >= each.joins_at]
        return not self.noisy and modem in ready and any(each is not modem and each.key == modem.key for each in ready)


class SimModem:
    """``hal.ports.PlcModem``: one modem, and the interface of its host.

    Faults: ``alive`` False (neither answers nor receives), ``groups`` 0 (profiles without values,
    as of some adapters) or None (no profiles), ``tells_link`` False. ``on_frame`` is called with
    what ``frames()`` yields, for tests without an event loop.
    """

    def __init__(
        self, medium: Medium, mac: bytes, address: bytes, *, interface: str = "sim", measures: bool = True
    ) -> None:
        self.medium = medium
        self.address = address
        """The modem's own address, from which profiles come."""
        self.measures = measures
        """A station's modem reports a profile for every sound; a car's does not."""
        self.alive = True
        self.groups: int | None = GROUPS
        self.tells_link = True
        self.key: tuple[bytes, bytes] | None = None
        self.joins_at = 0.0
        self.on_frame: Callable[[float, bytes], None] | None = None
        self.mac, self.interface = mac, interface
        self._frames: Broadcast[tuple[float, bytes]] = Broadcast(4096)
        self._closed = False
        medium.attach(self)

    async def send(self, frame: bytes) -> None:
        self.say(frame)

    def say(self, frame: bytes) -> None:
        """``send``, as a plain call."""
        if self._closed:
            raise HalLost(f"the modem on {self.interface} is closed")
        if self.alive:
            self.medium.carry(self, frame.ljust(MINIMUM_OCTETS, b"\0"))

    def frames(self) -> AsyncIterator[tuple[float, bytes]]:
        return self._frames.stream()

    async def set_key(self, nid: bytes, nmk: bytes) -> None:
        self.join(nid, nmk)

    def join(self, nid: bytes, nmk: bytes) -> None:
        """``set_key``, as a plain call."""
        if len(nid) != 7 or len(nmk) != 16:
            raise HalRejected("a network has an identifier of 7 octets and a key of 16")
        self._expect_answer()
        self.key = (nid, nmk)
        self.joins_at = self.medium.clock.now() + self.medium.join_seconds

    async def link_up(self) -> bool | None:
        return self.linked()

    def linked(self) -> bool | None:
        """``link_up``, as a plain call."""
        self._expect_answer()
        return self.medium.joined(self) if self.tells_link else None

    async def info(self) -> ModemInfo:
        self._expect_answer()
        return ModemInfo("simulated", "1")

    async def reset(self) -> None:
        """Leave the network for as long as joining takes; the key stays."""
        self._expect_answer()
        self.joins_at = self.medium.clock.now() + self.medium.join_seconds

    def close(self) -> None:
        """Leave the medium permanently."""
        self._closed = True
        self.medium.detach(self)
        self._frames.close()

    def hear(self, frame: bytes, sender: SimModem) -> None:
        """Take a frame from the medium: pass it to the host, and after a sound its profile."""
        if not self.alive or self._closed:
            return
        self._pass_on(frame)
        parsed = parse(frame)
        if parsed is None or parsed.mmtype != MNBC_SOUND or not self.measures or self.groups is None:
            return
        # Different in each group, and always the same for the same cable.
        base = self.medium.attenuation
        groups = bytes(max(0, min(255, base + (number * 7) % 5 - 2)) for number in range(self.groups))
        self._pass_on(
            build(self.address, ATTEN_PROFILE, sender.mac + bytes((self.groups, 0)) + groups, destination=BROADCAST)
        )

    def _pass_on(self, frame: bytes) -> None:
        at = self.medium.clock.now()
        self._frames.publish((at, frame))
        if self.on_frame is not None:
            self.on_frame(at, frame)

    def _expect_answer(self) -> None:
        if self._closed:
            raise HalLost(f"the modem on {self.interface} is closed")
        if not self.alive:
            raise HalTimeout(f"no modem answers on {self.interface}")
