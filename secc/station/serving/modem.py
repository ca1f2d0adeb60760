"""SLAC on a modem: what matching says and asks is carried out, and a failure of the modem is an answer, too.

An outlet that has no modem does not import this: SLAC takes 0.6 MiB.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from hal.errors import HalError
from hal.port_queue import PortQueue
from hal.ports import PlcModem
from secc.link.slac.effects import Announce, CheckLink, SendFrame, SetKey
from secc.link.slac.events import KeySet, LinkReported
from secc.station.serving.router import Router

log = logging.getLogger(__name__)

GONE: Final = "the modem is gone"


async def set_key(modem: PlcModem | None, wish: SetKey) -> KeySet:
    """A new key into the modem."""
    if modem is None:
        return KeySet(False, text=GONE)
    try:
        await modem.set_key(wish.nid, wish.nmk.octets)
    except HalError as error:
        return KeySet(False, text=str(error))
    # Profiles that come from any other address are not our modem's.
    return KeySet(True, modem.address)


async def check_link(modem: PlcModem | None, question: CheckLink) -> LinkReported:
    """Whether a second modem is in our network."""
    del question
    if modem is None:
        return LinkReported(None, error=GONE)
    try:
        return LinkReported(await modem.link_up())
    except HalError as error:
        return LinkReported(None, error=str(error))


class ModemPorts:
    """Performs what matching wants of the modem that ``modem`` says to be there; frames go out by ``queue``."""

    def __init__(self, name: str, router: Router, queue: PortQueue, modem: Callable[[], PlcModem | None]) -> None:
        self._name = name
        self._queue = queue
        self._modem = modem
        router.performs(SendFrame, by=self._send)
        router.performs(Announce, by=self._announce)
        router.finds(SetKey, by=self._set_key)
        router.finds(CheckLink, by=self._check_link)

    def _send(self, frame: SendFrame) -> None:
        modem, octets = self._modem(), frame.octets
        if modem is not None:
            # A frame that could not be sent is one that was lost on the line: matching has its repeats for that.
            self._queue.order("SendFrame", lambda: modem.send(octets), failed=lambda failure: None)

    async def _set_key(self, wish: SetKey) -> KeySet:
        return await set_key(self._modem(), wish)

    async def _check_link(self, question: CheckLink) -> LinkReported:
        return await check_link(self._modem(), question)

    def _announce(self, said: Announce) -> None:
        code = f"tolerated {said.code}: " if said.code else ""
        log.info("outlet %s: %s%s", self._name, code, said.notice.value)
