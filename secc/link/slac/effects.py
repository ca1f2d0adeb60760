"""Effects of the matching conversation, beside those for the plug-in (``dlink``). Network keys are
not shown in ``repr``.
"""

from __future__ import annotations

from enum import StrEnum

from frozen import dataclass
from secc.conversation import Effect, Question
from secc.link.slac import mme
from secc.link.slac.events import KeySet, LinkReported
from secc.link.slac.key import NetworkKey
from secc.link.slac.mme import Message


@dataclass(frozen=True, slots=True)
class SendFrame(Effect):
    """``PlcModem.send(effect.octets)``. A trace writes ``mme.redacted(effect.octets)``."""

    destination: bytes
    source: bytes
    message: Message

    def __repr__(self) -> str:
        return f"SendFrame({type(self.message).__name__})"

    @property
    def octets(self) -> bytes:
        """The frame, with the key."""
        return mme.build(self.destination, self.source, self.message)


@dataclass(frozen=True, slots=True)
class SetKey(Question[KeySet]):
    """``PlcModem.set_key(nid, nmk.octets)``; a ``HalError`` is answered as ``KeySet(False,
    text=...)``.
    """

    nid: bytes
    nmk: NetworkKey


@dataclass(frozen=True, slots=True)
class CheckLink(Question[LinkReported]):
    """``PlcModem.link_up()``; a ``HalError`` is answered as ``LinkReported(None, error=...)``."""


class Notice(StrEnum):
    """Lines for the log."""

    EARLY = "CM_SLAC_PARM.REQ before the station listened: answered now"
    AGAIN = "the car starts matching anew"
    LATE = "matching started outside of 20 to 50 s"
    TIME_OUT = "the car announces another time than the station"
    NO_PROFILE = "no usable attenuation profile from the modem: the configured constant is reported"
    START_REPEATED = "CM_START_ATTEN_CHAR.IND repeated after the first sound"
    MATCH_REPEATED = "CM_SLAC_MATCH.REQ repeated more often than the standard says"
    SLOW_JOIN = "the link came after TT_match_join"
    FOREIGN_IDS = "PEV_ID or EVSE_ID that is not zero"
    FOREIGN_PROFILE = "an attenuation profile that does not come from the station's modem is ignored"
    MALFORMED = "frames that cannot be read are ignored"
    FLOODED = "more CM_SLAC_PARM.REQ than are answered"
    CROWDED = "too many runs: the one with the fewest sounds is dropped"
    LINK_UNKNOWN = "the modem cannot tell whether the link is up: it counts as up"


@dataclass(frozen=True, slots=True)
class Announce(Effect):
    """Write this to the log. ``code``: the tolerance (``Q-nn``). The same notice is said at most
    once in ten seconds.
    """

    notice: Notice
    code: str = ""
