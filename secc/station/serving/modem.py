"""Performs on a modem what SLAC orders and asks. A failure of the modem is an answer.

An outlet without a modem does not import this module: SLAC takes 0.6 MiB.
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
    """Set a new key. Returns the result."""
    if modem is None:
        return KeySet(False, text=GONE)
    try:
        await modem.set_key(wish.nid, wish.nmk.octets)
    except HalError as error:
        return KeySet(False, text=str(error))
    # Only profiles from this address are the modem's.
    return KeySet(True, modem.address)


async def check_link(modem: PlcModem | None, question: CheckLink) -> LinkReported:
    """Returns whether a second modem is in the network."""
    del question
    if modem is None:
        return LinkReported(None, error=GONE)
    try:
        return LinkReported(await modem.link_up())
    except HalError as error:
        return LinkReported(None, error=str(error))


class ModemPorts:
    """Performs what matching orders and asks. ``modem`` returns the modem; frames leave by
    ``queue``.
    """

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
            # A frame that cannot be sent counts as lost on the line; matching repeats it.
            self._queue.order("SendFrame", lambda: modem.send(octets), failed=lambda failure: None)

    async def _set_key(self, wish: SetKey) -> KeySet:
        return await set_key(self._modem(), wish)

    async def _check_link(self, question: CheckLink) -> LinkReported:
        return await check_link(self._modem(), question)

    def _announce(self, said: Announce) -> None:
        code = f"tolerated {said.code}: " if said.code else ""
        log.info("outlet %s: %s%s", self._name, code, said.notice.value)
