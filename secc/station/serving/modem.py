"""What matching asks of a modem, asked: a failure of the modem is an answer, too."""

from __future__ import annotations

from typing import Final

from hal.errors import HalError
from hal.ports import PlcModem
from secc.link.slac.effects import CheckLink, SetKey
from secc.link.slac.events import KeySet, LinkReported

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
