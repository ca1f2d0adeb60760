"""What the matching conversation hears of its modem. The board's ``PilotChanged`` and the plug-in (``dlink``) it hears as they are."""

from __future__ import annotations

from dataclasses import dataclass, field

from secc.conversation import Event


@dataclass(frozen=True, slots=True)
class FrameReceived(Event):
    """The modem handed us an Ethernet frame. A trace writes ``mme.redacted(octets)``."""

    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeySet:
    """The answer to ``SetKey``. ``modem``: the address that the modem confirmed from, and sends its profiles from, where known."""

    done: bool
    modem: bytes | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class LinkReported:
    """The answer to ``CheckLink``. ``up`` is None where the modem cannot tell; ``error`` says that it did not answer at all."""

    up: bool | None
    error: str = ""
