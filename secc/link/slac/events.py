"""What the matching conversation hears beside the board's ``PilotChanged`` (``hal.events``). The pilot itself is a level (``Session.levels``)."""

from __future__ import annotations

from dataclasses import dataclass, field

from secc.conversation import Event


@dataclass(frozen=True, slots=True)
class FrameReceived(Event):
    """The modem handed us an Ethernet frame. A trace writes ``mme.redacted(octets)``."""

    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MatchingArmed(Event):
    """The plug-in is about to set the duty: cars are answered from now on, while the pilot says B, C or D.

    ``limited``: TT_EVSE_SLAC_init runs. Without it (nominal duty) a car may come as late as it likes.
    """

    limited: bool = True


@dataclass(frozen=True, slots=True)
class DlinkTerminated(Event):
    """D-LINK_TERMINATE.request: the session is over, leave the network."""


@dataclass(frozen=True, slots=True)
class DlinkFailed(Event):
    """D-LINK_ERROR.request: the layers above cannot go on, leave the network."""


@dataclass(frozen=True, slots=True)
class DlinkPaused(Event):
    """D-LINK_PAUSE.request: stay matched, and do not mind a modem that sleeps."""


@dataclass(frozen=True, slots=True)
class DlinkResumed(Event):
    """The car was woken, or woke us: the link has to be there again within T_conn_resume."""


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
