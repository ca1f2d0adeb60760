"""Ways between a driver and a fake: in memory for virtual time, and a pseudo terminal for the real thing."""

from __future__ import annotations

import asyncio
import os
import tty
from collections import deque
from collections.abc import Callable
from typing import Protocol

from hal.errors import HalLost

WIRE_SECONDS = 0.001


class Peer(Protocol):
    """A fake controller: hears octets, says octets."""

    say: Callable[[bytes], None]

    def hear(self, octets: bytes) -> None: ...


def clean(octets: bytes) -> bytes:
    return octets


class MemoryLine:
    """A cable of a millisecond. ``upwards`` and ``downwards`` may spoil what goes to the driver and to the fake."""

    def __init__(self, peer: Peer) -> None:
        self.on_octets: Callable[[bytes], None] = lambda octets: None
        self.on_lost: Callable[[str], None] = lambda text: None
        self.upwards: Callable[[bytes], bytes] = clean
        self.downwards: Callable[[bytes], bytes] = clean
        self.open = True
        # Calls at the same moment come in any order; octets on a wire do not.
        self._going_down: deque[bytes] = deque()
        self._going_up: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        self._peer = peer
        peer.say = self._up

    def write(self, octets: bytes) -> None:
        if not self.open:
            raise HalLost("the cable is unplugged")
        self._going_down.append(octets)
        self._loop.call_later(WIRE_SECONDS, self._down)

    def close(self) -> None:
        self.open = False

    def unplug(self) -> None:
        """The adapter is pulled out."""
        self.open = False
        self.on_lost("the adapter has gone")

    def _down(self) -> None:
        octets = self._going_down.popleft()
        if self.open:
            self._peer.hear(self.downwards(octets))

    def _up(self, octets: bytes) -> None:
        self._going_up.append(octets)
        self._loop.call_later(WIRE_SECONDS, self._arrive)

    def _arrive(self) -> None:
        octets = self._going_up.popleft()
        if self.open:
            self.on_octets(self.upwards(octets))


class Terminal:
    """A pseudo terminal with the fake at its master end; ``path`` is what the driver opens."""

    def __init__(self, peer: Peer) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self._peer = peer
        peer.say = self._say
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def _say(self, octets: bytes) -> None:
        os.write(self._master, octets)

    def _read(self) -> None:
        self._peer.hear(os.read(self._master, 4096))

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)
