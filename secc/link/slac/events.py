"""Events from the modem. Matching also hears the board's ``PilotChanged`` and the plug-in's effects
(``dlink``).
"""

from __future__ import annotations

from dataclasses import field

from frozen import dataclass
from secc.conversation import Event


@dataclass(frozen=True, slots=True)
class FrameReceived(Event):
    """The modem has received an Ethernet frame. A trace writes ``mme.redacted(octets)``."""

    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The answer to ``SetKey``. ``modem``: the address from which the modem confirmed, and sends
    its profiles, if known.
    """

    done: bool
    modem: bytes | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class LinkReported:
    """The answer to ``CheckLink``. ``up`` is None if the modem cannot tell; ``error`` is set if it
    did not answer.
    """

    up: bool | None
    error: str = ""
