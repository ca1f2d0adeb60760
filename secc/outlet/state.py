"""What a plug-in knows: plain facts, and what follows from them. Nothing here waits or says anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from hal.values import Indication
from secc.conversation import Reason
from secc.outlet.effects import DLink
from secc.outlet.events import FaultRaised
from secc.outlet.settings import OutletSettings
from secc.session.identification import ContractState, Identification

STOPPED = "stopped"
"""Why a plug-in is over that somebody ended on purpose; the only reason that an identification takes back."""


class Phase(StrEnum):
    """Where a plug-in stands."""

    AVAILABLE = "available"
    WAITING = "waiting"
    """Plugged in, SDP open, the setup clock running."""
    SESSION = "session"
    PAUSE = "pause"
    """Oscillator off between two attempts."""
    FINISHED = "finished"
    """Over until the cable is out, or until somebody is let charge again."""
    FAULTED = "faulted"


@dataclass(slots=True)
class State:
    """One plug-in as it is now."""

    settings: OutletSettings
    identification: Identification
    phase: Phase = Phase.AVAILABLE
    window_open: bool = False
    over: str | None = None
    """Why there is no further attempt in this plug-in; None while there is."""
    emergency_stopped: bool = False
    faults: dict[str, FaultRaised] = field(default_factory=dict)

    # The V2G session, or the last one
    session_open: bool = False
    set_up: bool = False
    """A session of this attempt has come past SessionSetup."""
    charging: bool = False
    charged: bool = False
    """The session has charged; still true when it is over."""
    ended: Reason | None = None

    sessions: int = 0
    connections: int = 0
    """In this setup window."""
    barren: int = 0
    """Sessions in a row that came to nothing."""

    asking: bool = False
    """A card is being asked about."""
    refused_until: float = float("-inf")

    @property
    def plugged_in(self) -> bool:
        return self.identification.plugged_in

    @property
    def blocked(self) -> bool:
        """Nothing is offered while something that forbids power is wrong."""
        return self.emergency_stopped or bool(self.faults)

    @property
    def crowded(self) -> bool:
        """Too many connections without a session in this window. (A-SES-10)"""
        return self.connections > self.settings.connections and not self.session_open

    @property
    def pause_seconds(self) -> float:
        """Longer with every session in a row that came to nothing: a car that storms is slowed down. (A-SES-10)"""
        shortest = self.settings.oscillator_off_seconds
        wanted = shortest * 2.0 ** min(max(self.barren - 2, 0), 16)
        return min(wanted, max(shortest, self.settings.longest_pause_seconds))

    @property
    def outcome(self) -> DLink:
        """What the attempt that is over means for the link."""
        if not self.set_up or self.ended is None or not self.ended.well:
            return DLink.ERROR
        return DLink.PAUSE if self.ended.name == "pause" else DLink.TERMINATE

    # What happens to the session

    def session_began(self) -> None:
        self.session_open, self.charging, self.charged, self.ended = True, False, False, None
        self.sessions += 1

    def session_ended(self, reason: Reason) -> None:
        if not self.session_open:
            return
        self.session_open = self.charging = False
        self.ended = reason
        self.barren = 0 if self.charged else self.barren + 1
        self.identification = self.identification.session_ended(refused=reason.kind == "refused")
        if self.sessions >= self.settings.sessions:
            self.over = self.over or "too many sessions in one plug-in"

    # What people see

    def indication(self, now: float) -> tuple[Indication, str]:
        """What to show, with the reason where there is one. The order is that of importance."""
        wrong = ", ".join(sorted(self.faults)) or ("emergency stop" if self.emergency_stopped else "")
        if self.blocked or self.phase is Phase.FAULTED:
            shown = Indication.FAULTED if self.plugged_in else Indication.UNAVAILABLE
            return shown, wrong or self.over or ""
        if self.charging:
            return Indication.CHARGING, ""
        if now < self.refused_until:
            return Indication.REFUSED, ""
        if self.phase is Phase.FINISHED:
            return Indication.FINISHED if self.over == STOPPED else Indication.FAULTED, self.over or ""
        if self.charged and not self.session_open:
            return Indication.FINISHED, ""
        if self.identification.identified(now):
            return Indication.AUTHORIZED, ""
        if not self.plugged_in:
            return Indication.AVAILABLE, ""
        identifying = self.asking or self.identification.contract is ContractState.PENDING
        return Indication.PREPARING, "identifying" if identifying else ""
