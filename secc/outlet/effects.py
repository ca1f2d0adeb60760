"""Effects of the plug-in: for the board's ports, the sockets, and the V2G session. Those for
matching are in ``secc.link.slac.dlink``.

Questions to the backend go out as ``Ask(AuthorizeToken)``.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from frozen import dataclass
from hal.readings import Indication
from secc.conversation import Effect, Event


@dataclass(frozen=True, slots=True)
class SetDuty(Effect):
    """``ControlPilot.set_duty``: 0.05 asks for digital communication."""

    duty: float


@dataclass(frozen=True, slots=True)
class SetX1(Effect):
    """``ControlPilot.set_x1``: oscillator off, the car shall not draw current."""

    safe: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SetF(Effect):
    """``ControlPilot.set_f``: the outlet is not available."""


@dataclass(frozen=True, slots=True)
class LockConnector(Effect):
    """``Lock.lock()``, where there is one."""


@dataclass(frozen=True, slots=True)
class UnlockConnector(Effect):
    """``Lock.unlock()``, where there is one. Said only with the contactor open."""


@dataclass(frozen=True, slots=True)
class OpenSdp(Effect):
    """Answer SDP and accept connections from now on."""


@dataclass(frozen=True, slots=True)
class CloseSdp(Effect):
    """Stop answering SDP and accepting connections; an open connection stays."""

    safe: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class CloseConnection(Effect):
    """Close this outlet's connection, also in the middle of a handshake."""

    safe: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class TellSession(Effect):
    """Pass this event to the V2G session, if there is one: ``EimDecided``, ``StopRequested``,
    ``Unplugged``, ``EmergencyStopped``, ``Fault``, ``SetupTimedOut``. Only the plug-in sends them.
    """

    event: Event


class PauseOver(StrEnum):
    """Why a paused session will not be resumed."""

    UNPLUGGED = "unplugged"
    STOPPED = "stopped"
    LEFT = "left"
    """The car began another session, charges by pilot and duty, or another driver pays now."""
    FAULT = "fault"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class ForgetPaused(Effect):
    """The paused session will not be resumed: its transaction ends."""

    why: PauseOver


@dataclass(frozen=True, slots=True)
class ReportBasicCharging(Effect):
    """Charging without a session has begun or ended: for the log and the books. ``text`` says why,
    or how it ended.
    """

    on: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Indicate(Effect):
    """``Indicator.show``."""

    indication: Indication
    text: str = ""
