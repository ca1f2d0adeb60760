"""State of a plug-in: facts, and what follows from them. No waits, no effects."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from hal.faults import EMERGENCY_STOP
from hal.readings import Fault, Indication, Severity
from secc.conversation import Effect, Levels, Reason
from secc.link.slac.dlink import (
    DLink,
    ReportMatchingFailed,
)
from secc.outlet.settings import C_SEQU_RETRY, SIMPLIFIED_AMPERES, PlugInSettings
from secc.session.effects import Verdict
from secc.session.identification import ContractState, Identification
from secc.session.offer import Payment
from secc.session.proof import ProvedContract

STOPPED = "stopped"
"""The reason of a plug-in that was stopped on purpose; an identification takes back this one only."""
NO_CABLE = "cable not recognised"
BOOK = "sessions cannot be booked"


class Phase(StrEnum):
    """Phase of a plug-in."""

    AVAILABLE = "available"
    MATCHING = "matching"
    """Plugged in, not matched yet."""
    WAITING = "waiting"
    """The link is up, SDP open, the setup clock running."""
    SESSION = "session"
    BASIC = "basic"
    """Charging by pilot and duty alone, or about to."""
    PAUSE = "pause"
    """Oscillator off between two attempts."""
    PAUSED = "paused"
    """The session is paused: the car sleeps and its link is kept."""
    FINISHED = "finished"
    """Over until the cable is out, or an identification takes back a stop."""
    FAULTED = "faulted"


@dataclass(slots=True, eq=False, repr=False)
class State:
    """The state of one plug-in."""

    settings: PlugInSettings
    identification: Identification
    phase: Phase = Phase.AVAILABLE
    window_open: bool = False
    over: str | None = None
    """Why there will be no further attempt; None while there will be."""
    faults: dict[str, Fault] = field(default_factory=dict)
    """Faults of the board that forbid power, by code; the emergency stop is one."""

    unbooked: str = ""
    """Why deliveries cannot be booked: a running session goes on, none begins. (A-RES-06)"""

    # Pilot, cable, grid
    drive: Effect | None = None
    """The last command to the pilot: SetDuty, SetX1 or SetF."""
    drive_at: float = float("-inf")
    leave_x1_at: float = float("-inf")
    """Before this moment the oscillator stays off. T_step_X1."""
    settles_at: float = float("-inf")
    """Until then E, F and ? may be the station's own output."""
    simplified: bool = False
    """The car has shown no B, so it has no switch."""
    watts_limit: float | None = None

    # Matching
    modem_ready: bool = True
    matching: bool = False
    """A car has asked to be matched."""
    match_failure: ReportMatchingFailed | None = None
    matched: bool = False
    """A car has the key, or is about to get it."""
    link_up: bool = False
    link_lost: str | None = None
    fruitless: int = 0
    """Attempts in a row in which no session was set up."""
    fallen_back: str | None = None
    """Why this plug-in charges by pilot and duty alone; None while digital communication is tried."""

    tolerated: str = ""
    """The field quirk (``Q-nn``) that was just tolerated and is not logged yet."""

    # The V2G session, or the last one
    session_open: bool = False
    resumed: bool = False
    """The session has joined the one that its car had paused."""
    set_up: bool = False
    """A session of this attempt has passed SessionSetup."""
    refused: bool = False
    """A session of this attempt ended before SessionSetup by FAILED or by a timer. [V2G2-539]
    [V2G2-537]
    """
    charging: bool = False
    charged: bool = False
    """The session has charged; stays True after its end."""
    ever_charged: bool = False
    """A session or basic charging of this plug-in has charged."""
    ended: Reason | None = None
    contract: str = field(default="", repr=False)
    """The EMAID that the car of the running session has proved and that may charge."""
    contract_kept: str = field(default="", repr=False)
    """The EMAID of a session that ended well before it charged: it pays for charging by pilot.
    (Q-41)
    """
    power_failed: str | None = None

    sessions: int = 0
    connected: bool = False
    """The connection that was accepted last is open, perhaps with an answer on its way."""
    connections: int = 0
    """In this setup window."""
    barren: int = 0
    """Sessions in a row without charging, plus windows closed for too many connections without a
    session.
    """

    asking: bool = False
    """A question about a card is open."""
    refused_until: float = float("-inf")
    waking: bool = False
    """A sleeping car has to be woken: a higher limit, a start, or an order."""
    paused: object | None = field(default=None, repr=False)
    """What a session of this plug-in gave for its resume; None once a session is set up."""

    @property
    def plugged_in(self) -> bool:
        return self.identification.plugged_in

    @property
    def emergency_stopped(self) -> bool:
        return EMERGENCY_STOP in self.faults

    def blocked(self, levels: Levels) -> bool:
        """Whether a fault forbids any offer now."""
        return bool(self.faults) or self.no_cable(levels)

    def no_cable(self, levels: Levels) -> bool:
        """Whether the socket cannot read the plug's rating: its current limit is unknown."""
        return self.plugged_in and levels.cable_amperes == 0.0

    @property
    def crowded(self) -> bool:
        """Too many connections without a session in this window. (A-SES-10)"""
        return self.connections > self.settings.connections and not self.session_open

    @property
    def talks(self) -> bool:
        """The next attempt offers 5 %."""
        return self.settings.talks and self.fallen_back is None

    @property
    def pause_seconds(self) -> float:
        """Longer after each session without charging and each connection storm in a row. (A-SES-10)"""
        shortest = self.settings.oscillator_off_seconds
        wanted = shortest * 2.0 ** min(max(self.barren - 2, 0), 16)
        return min(wanted, max(shortest, self.settings.longest_pause_seconds))

    @property
    def outcome(self) -> DLink:
        """How the attempt that is over ends the link."""
        if not self.set_up or self.ended is None or not self.ended.well:
            return DLink.ERROR
        return DLink.PAUSE if self.ended.name == "pause" else DLink.TERMINATE

    @property
    def sleeps(self) -> bool:
        """Whether the attempt that is over leaves a car that sleeps: it has paused, or it has paused
        before and has not come.
        """
        well = self.link_lost is None and self.over is None and not self.crowded
        return well and (self.outcome is DLink.PAUSE or (self.paused is not None and not self.set_up))

    def may_charge(self, now: float) -> bool:
        """Whether an identified driver may charge without a session."""
        return self.identification.authorized(now) or bool(self.contract_kept)

    def amperes(self, levels: Levels) -> float:
        """Amperes a phase that basic charging may offer now, by board, cable, grid, and a car
        without a switch. 0.0: none.
        """
        ac = self.settings.ac
        if ac is None:
            return 0.0
        offered = ac.maximum_amperes
        if levels.cable_amperes is not None:
            offered = min(offered, levels.cable_amperes)
        if self.watts_limit is not None:
            offered = min(offered, self.watts_limit / (ac.volts * ac.phases))
        if self.simplified:
            offered = min(offered, SIMPLIFIED_AMPERES)
        return offered if offered >= max(ac.minimum_amperes, 6.0) else 0.0

    # Changes

    def fault_raised(self, fault: Fault) -> bool:
        """Returns True if it forbids power; a warning is only logged."""
        if fault.severity is Severity.WARNING:
            return False
        self.faults[fault.code] = fault
        return True

    def plugged(self, now: float, *, simplified: bool) -> None:
        self.identification = self.identification.plugged(now)
        self.simplified = simplified

    def unplugged(self) -> None:
        self.identification = self.identification.unplugged()
        self.phase, self.over = Phase.AVAILABLE, None
        self.session_open = self.charging = self.charged = False
        self.paused = None

    def attempt_began(self) -> None:
        self.set_up, self.refused, self.ended, self.connections = False, False, None, 0
        self.link_lost = self.match_failure = self.power_failed = None
        self.waking = False

    def attempt_ended(self, now: float) -> None:
        """Decide whether the next attempt tries digital communication. (Q-13, Q-41)"""
        self.fruitless = 0 if self.set_up else self.fruitless + 1
        if self.crowded:
            # A timeout does not count: a car that sleeps must find the station ready. (A-SES-10)
            self.barren += 1
        if not self.settings.falls_back or self.ever_charged or self.over is not None or self.sleeps:
            return
        known = self.identification.external is not None or bool(self.contract_kept)
        well = self.set_up and self.ended is not None and self.ended.well
        if known or (well and self.may_charge(now)):
            self.fall_back("authorised, and the session did not charge", "Q-41")
        elif self.fruitless > C_SEQU_RETRY:
            self.fall_back("no session was set up", "Q-13")

    def fall_back(self, why: str, code: str = "") -> None:
        """Charge by pilot and duty alone for the rest of this plug-in. ``code``: the field quirk
        that this is for.
        """
        self.fallen_back, self.tolerated = why, code

    def session_began(self, payments: tuple[Payment, ...]) -> None:
        self.session_open, self.charging, self.charged, self.ended = True, False, False, None
        self.resumed = False
        # A contract is proved in every session.
        self.contract = self.contract_kept = ""
        self.sessions += 1
        self.identification = self.identification.offered(payments)

    def charging_began(self) -> None:
        self.charging = self.charged = self.ever_charged = True

    def session_ended(self, reason: Reason) -> None:
        if not self.session_open:
            return
        self.session_open = self.charging = False
        self.ended, self.refused = reason, not self.set_up and reason.kind in ("refused", "timer")
        self.barren = 0 if self.charged else self.barren + 1
        accepted = self.identification.contract is ContractState.ACCEPTED
        # A resumed session may have gone on under an old decision.
        fresh = accepted and not self.resumed
        kept = fresh and reason.well and not self.charged and self.settings.keeps_contract
        self.contract, self.contract_kept = "", self.contract if kept else ""
        # An AuthorizationReq that raises a bug in a phase is not a proof either.
        self.identification = self.identification.session_ended(refused=reason.kind in ("refused", "bug"))
        if self.sessions >= self.settings.sessions:
            self.over = self.over or "too many sessions in one plug-in"

    def contract_presented(self) -> None:
        self.identification = self.identification.contract_presented()

    def contract_rejected(self) -> None:
        self.identification = self.identification.contract_rejected()

    def contract_decided(self, contract: ProvedContract, verdict: Verdict, now: float) -> None:
        self.identification = self.identification.contract_decided(contract, verdict, now)
        accepted = self.identification.contract is ContractState.ACCEPTED
        self.contract = contract.contract.emaid.text if accepted else ""

    def link_is_up(self) -> None:
        self.matching = self.matched = self.link_up = True
        self.link_lost = None

    def link_is_gone(self, cause: str) -> None:
        self.matching = self.matched = self.link_up = False
        self.link_lost = cause

    # Indicator

    def indication(self, now: float, levels: Levels) -> tuple[Indication, str]:
        """Returns what to show, most important first, and the reason if there is one."""
        wrong = ", ".join(sorted(self.faults.keys() - {EMERGENCY_STOP}))
        if self.emergency_stopped and not wrong:
            wrong = "emergency stop"
        if self.no_cable(levels) and not wrong:
            wrong = NO_CABLE
        if self.blocked(levels) or self.phase is Phase.FAULTED:
            shown = Indication.FAULTED if self.plugged_in else Indication.UNAVAILABLE
            return shown, wrong or self.over or ""
        if self.settings.modem and not self.modem_ready and not self.settings.falls_back and not self.session_open:
            return Indication.FAULTED if self.plugged_in else Indication.UNAVAILABLE, "modem"
        if self.charging:
            return Indication.CHARGING, ""
        if now < self.refused_until:
            return Indication.REFUSED, ""
        if self.phase is Phase.FINISHED:
            return Indication.FINISHED if self.over == STOPPED else Indication.FAULTED, self.over or ""
        if self.phase is Phase.PAUSED or (self.phase is Phase.BASIC and self.ever_charged):
            return Indication.PAUSED, ""
        if self.charged and not self.session_open:
            return Indication.FINISHED, ""
        if self.unbooked and not self.session_open:
            return Indication.FAULTED if self.plugged_in else Indication.UNAVAILABLE, BOOK
        if self.identification.identified(now) or self.contract_kept:
            return Indication.AUTHORIZED, ""
        if not self.plugged_in:
            return Indication.AVAILABLE, ""
        identifying = self.asking or self.identification.contract is ContractState.PENDING
        return Indication.PREPARING, "identifying" if identifying else ""
