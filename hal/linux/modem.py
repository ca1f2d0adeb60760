"""A HomePlug Green PHY modem behind a network interface: ``hal.ports.PlcModem`` for known and
unknown makes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

from hal.errors import HalError, HalTimeout, HalUnsupported
from hal.linux import mme
from hal.linux.errors import NoModem
from hal.linux.families import FAMILIES, Family
from hal.linux.mme import Frame
from hal.linux.packet import PacketWire
from hal.readings import ModemInfo
from hal.stream import Broadcast

T = TypeVar("T")

ANSWER_SECONDS: Final = 0.1
"""How long to wait for a modem's version; modems answer their host in milliseconds."""
LINK_SECONDS: Final = 0.25
KEY_SECONDS: Final = 0.45
KEY_ATTEMPTS: Final = 2
WAITING_FRAMES: Final = 2048
RECOGNISE_AGAIN_SECONDS: Final = 5.0
"""A modem that was not recognised is asked again after this: one that restarts does not answer for
some seconds.
"""
RESTART_SECONDS: Final = 10.0
"""How long a modem may be silent after a restart."""

_NEUTRAL: Final[dict[Callable[[Frame], bool | None], int]] = {
    mme.discovered: mme.CC_DISCOVER_LIST_REQ,
    mme.associated: mme.CM_NW_STATS_REQ,
}
"""Ways to ask for the link that do not depend on the make."""


class LinuxModem:
    """The modem behind a socket. ``address`` is its own, once it has answered: its attenuation
    profiles come from there.
    """

    def __init__(self, wire: PacketWire) -> None:
        self.address: bytes | None = None
        self._wire = wire
        self.interface, self.mac = wire.interface, wire.mac
        self._frames: Broadcast[tuple[float, bytes]] = Broadcast(WAITING_FRAMES, drops_oldest=True)
        self._family: Family | None = None
        self._info: ModemInfo | None = None
        self._neutral: Callable[[Frame], bool | None] | None = None
        """Which way that does not depend on the make has been answered."""
        self._looked_at: float | None = None
        self._restarted_at: float | None = None
        self._pending: Callable[[Frame], bool] | None = None
        self._turn = asyncio.Lock()
        wire.on_frame = self._receive
        wire.on_lost = self._frames.lose

    async def send(self, frame: bytes) -> None:
        """Send one frame, padded to 60 octets."""
        self._wire.send(frame.ljust(mme.MINIMUM_OCTETS, b"\0"))

    def frames(self) -> AsyncIterator[tuple[float, bytes]]:
        """Returns the frames from now on, without the modem's answers to the station; a slow reader
        loses the oldest. Raises HalLost while the interface is down.
        """
        return self._frames.stream()

    async def set_key(self, nid: bytes, nmk: bytes) -> None:
        """Set the key of the modem's network. Raises NoModem if the modem does not confirm within a
        second.
        """
        for _ in range(KEY_ATTEMPTS):
            nonce = os.urandom(4)
            request = mme.set_key(self.mac, nid, nmk, nonce)
            address = await self._ask(
                request,
                lambda frame, nonce=nonce: frame.source if mme.confirms_key(frame, nonce, self.address) else None,  # type: ignore[misc]  # a default binds the loop's value
                KEY_SECONDS,
            )
            if address is not None:
                self.address = address
                return
        raise NoModem(f"no modem answers on {self.interface}: CM_SET_KEY.REQ was not confirmed")

    async def link_up(self) -> bool | None:
        """By the maker's own message, else by CC_DISCOVER_LIST or CM_NW_STATS. Raises NoModem if a
        modem that answered before no longer does.
        """
        if self._restarted_at is not None:
            if asyncio.get_running_loop().time() - self._restarted_at < RESTART_SECONDS:
                raise HalTimeout(f"the modem on {self.interface} restarts")
            self._restarted_at = None
        if self._family is None and self._neutral is None:
            now = asyncio.get_running_loop().time()
            if self._looked_at is not None and now - self._looked_at < RECOGNISE_AGAIN_SECONDS:
                return None
            await self._recognise()
            self._looked_at = now
        if self._family is not None:
            up = await self._ask(self._family.request(self.mac, self._family.LINK), self._family.link, LINK_SECONDS)
            if up is not None:
                return up
        return await self._neutral_link()

    async def _neutral_link(self) -> bool | None:
        known = self._neutral
        for read in (known,) if known is not None else _NEUTRAL:
            up = await self._ask(mme.build(self.mac, _NEUTRAL[read]), read, LINK_SECONDS)
            if up is not None:
                self._neutral = read
                return up
        if known is not None or self._family is not None:
            raise NoModem(f"the modem on {self.interface} no longer reports its link")
        return None

    async def info(self) -> ModemInfo:
        """Returns make and firmware; ``unknown`` for a modem without a known make. Raises NoModem
        if no request is answered.
        """
        await self._recognise()
        if self._info is not None:
            return self._info
        if await self._neutral_link() is None:
            raise NoModem(
                f"no modem answers on {self.interface}: neither as Qualcomm or Lumissil nor as any HomePlug modem"
            )
        return ModemInfo("unknown", "")

    async def reset(self) -> None:
        """Restart the modem: it is off the line for seconds, and may need its key again. Raises
        HalUnsupported for an unknown make.
        """
        await self._recognise()
        family = self._family
        if family is None:
            raise HalUnsupported(f"the modem on {self.interface} has an unknown make and cannot be restarted")
        request = family.request(self.mac, family.RESET)
        if not family.reset_is_confirmed:
            self._wire.send(request)
        elif not await self._ask(request, family.reset, LINK_SECONDS):
            raise HalTimeout(f"the modem on {self.interface} does not restart")
        self._info = self._family = None
        self._looked_at = None
        self._restarted_at = asyncio.get_running_loop().time()

    async def close(self) -> None:
        """Release the interface. The key stays in the modem; a second call does nothing."""
        self._wire.close()
        self._frames.close()

    # --- the make ---

    async def _recognise(self) -> None:
        """Ask for the version in the way of each known make, 100 ms apart."""
        if self._info is not None:
            return
        for family in FAMILIES:

            def read(frame: Frame, family: Family = family) -> tuple[ModemInfo, bytes] | None:
                info = family.version(frame)
                return None if info is None else (info, frame.source)

            found = await self._ask(family.request(self.mac, family.VERSION), read, ANSWER_SECONDS)
            if found is not None:
                self._info, self.address = found
                self._family, self._neutral = family, None
                return

    # --- questions and answers ---

    async def _ask(self, request: bytes, read: Callable[[Frame], T | None], seconds: float) -> T | None:
        """Send, and wait for the frame that ``read`` accepts; None if none comes. One question at a
        time.
        """
        async with self._turn:
            answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()

            def take(frame: Frame) -> bool:
                value = None if answer.done() or frame.destination != self.mac else read(frame)
                if value is None:
                    return False
                answer.set_result(value)
                return True

            self._pending = take
            try:
                self._wire.send(request)
                return await asyncio.wait_for(answer, seconds)
            except TimeoutError:
                return None
            finally:
                self._pending = None

    def _receive(self, at: float, octets: bytes) -> None:
        # Parsed only while a question is open: readers parse the other frames themselves.
        if self._pending is not None and (frame := mme.parse(octets)) is not None and self._pending(frame):
            return
        if len(octets) >= mme.SHORTEST_OCTETS:
            self._frames.publish((at, octets))


async def open_modem(interface: str) -> LinuxModem:
    """Open the modem on this interface. Raises NoInterface and NoPermission; whether a modem
    answers is known only after the first question.
    """
    modem = LinuxModem(PacketWire(interface))
    try:
        await modem._recognise()
    except HalError:
        await modem.close()
        raise
    return modem
