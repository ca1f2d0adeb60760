"""Events of a session from outside, in the station's terms (SI units, no protocol).

The base class tells the core what an event does: ``Severed`` ends a conversation at once,
``Emergency`` after the safe effects and with an answer; every other one reaches the conversations
that hear it (``Party.hear``).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from frozen import dataclass
from secc.conversation import Emergency, Event, Reason, Severed


class Unplugged(Severed):
    """The pilot is A: the cable is out."""

    __slots__ = ()
    reason: ClassVar[str] = "unplugged"


class LinkLost(Severed):
    """The power line link to the car is gone."""

    __slots__ = ()
    reason: ClassVar[str] = "link-lost"


class ConnectionClosed(Severed):
    """The car closed (or reset) the TCP or TLS connection."""

    __slots__ = ()
    reason: ClassVar[str] = "connection-closed"


@dataclass(frozen=True, slots=True)
class StreamBroken(Severed):
    """The received octets are not a frame or message, so the session cannot answer. ``layer`` is
    where decoding failed, ``detail`` how.

    ``flaw``: how TLS failed, by its stable name; only where the layer is TLS.
    """

    reason: ClassVar[str] = "stream-broken"
    layer: Literal["tls", "v2gtp", "exi"]
    detail: str
    flaw: str = ""

    def why(self) -> Reason:
        if self.layer == "tls":
            return Reason("tls", self.flaw, detail=self.detail)
        return Reason("severed", self.reason, detail=f"{self.layer}: {self.detail}")


@dataclass(frozen=True, slots=True)
class ConnectionOverdue(Severed):
    """A timer of the connection ran out: the car did not complete the handshake, or a message.
    ``timer`` is its name in the reason code; ``detail`` says where it stood.
    """

    reason: ClassVar[str] = StreamBroken.reason
    timer: str
    clause: str
    detail: str = ""

    def why(self) -> Reason:
        return Reason("timer", self.timer, self.clause, self.detail)


class SetupTimedOut(Severed):
    """No SessionSetupReq came in time after the link was up. [V2G2-723]"""

    __slots__ = ()
    reason: ClassVar[str] = "communication-setup-timeout"


@dataclass(frozen=True, slots=True)
class Shutdown(Severed):
    """The station is being stopped and the car did not end the session in the time given."""

    reason: ClassVar[str] = "station-shutdown"
    answerable: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class EmergencyStopped(Emergency):
    """The emergency stop was pressed."""

    reason: ClassVar[str] = "emergency-stop"


@dataclass(frozen=True, slots=True)
class Fault(Emergency):
    """The hardware cannot go on: ``code`` as the hardware layer names it."""

    reason: ClassVar[str] = "fault"
    code: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class StopRequested(Event):
    """Driver, operator or backend wants charging to end in order: the car is told and gets time to
    ramp down.
    """

    by: Literal["driver", "operator", "backend", "shutdown", "power"]


@dataclass(frozen=True, slots=True)
class LimitChanged(Event):
    """The station may now deliver at most this, all phases together. None: the limit of its
    hardware.
    """

    watts: float | None


@dataclass(frozen=True, slots=True)
class RenegotiationRequested(Event):
    """The schedule has changed: the car is asked to negotiate again. Also a command of the lab."""


@dataclass(frozen=True, slots=True)
class OngoingForced(Event):
    """A command of the lab: answer Ongoing in ``phase`` (Authorization, ChargeParameterDiscovery,
    CableCheck) while ``on``.
    """

    phase: str
    on: bool


@dataclass(frozen=True, slots=True)
class EimDecided(Event):
    """A card or an app was accepted, or refused, for this plug-in."""

    accepted: bool
    by: Literal["rfid", "app", "free", "operator"]
