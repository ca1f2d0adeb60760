"""What must be true for power to flow, whatever any session believes.

A pure decision: circumstances in, a :class:`Consent` out. It knows neither protocol nor session, and every reason for a no
has a name. :mod:`hal.guard` watches a board with it and acts; ``docs/decisions/interlock.md`` says why it is built so.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from frozen import dataclass
from hal.readings import Fault, InputsReading, LockState, PilotReading, Severity


class Purpose(enum.StrEnum):
    """What the power path has asked permission for. CABLE_CHECK: voltage on the closed contactors, the car not yet there."""

    NONE = "none"
    AC = "ac"
    CABLE_CHECK = "cable_check"
    DC = "dc"


class Insulation(enum.StrEnum):
    """The finding of the cable check, or of the monitoring after it."""

    UNKNOWN = "unknown"
    VALID = "valid"
    FAULT = "fault"


class Reason(enum.StrEnum):
    """Why there is no consent. The text is for logs; the member is the stable code."""

    NOT_ASKED = "power is not asked for"
    PILOT_UNKNOWN = "the pilot has not been read, or too long ago"
    PILOT_NOT_READY = "the pilot is not in state C or D"
    EMERGENCY_STOP = "the emergency stop is pressed"
    DOOR_OPEN = "the door is open"
    INPUTS_UNKNOWN = "emergency stop and door have not been read"
    FAULT = "a fault is active"
    BOARD_LOST = "the board does not answer"
    NOT_LOCKED = "the plug is not locked"
    HEARTBEAT_LATE = "the station's event loop does not turn in time"
    INSULATION_UNKNOWN = "the insulation has not been found valid"
    INSULATION_FAULT = "the insulation is faulty"
    STOPPED = "the guard is not running"

    @property
    def immediate(self) -> bool:
        """Open at once, under load if need be. Otherwise the current is brought down first."""
        return self is not Reason.NOT_ASKED


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after which something that was once good counts no longer."""

    heartbeat_seconds: float = 0.5
    pilot_seconds: float | None = None
    """Age at which a pilot reading is stale. None: the board pushes changes and reports its own silence."""
    stop_fault_seconds: float = 10.0
    """How long a fault that asks for an end in good order may wait for that end."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """All that the decision looks at. ``lock`` is None where the outlet has none (a tethered cable).

    ``held``: power has been consented to and flows. A fault of severity STOP then leaves time to end in good order; it never
    lets power start.
    """

    asked: Purpose = Purpose.NONE
    pilot: PilotReading | None = None
    inputs: InputsReading | None = None
    faults: tuple[Fault, ...] = ()
    board_healthy: bool = False
    lock: LockState | None = None
    last_beat: float | None = None
    insulation: Insulation = Insulation.UNKNOWN
    held: bool = False


@dataclass(frozen=True, slots=True)
class Consent:
    """``allowed`` only if there is not one reason against it. Truth-tests as ``allowed``."""

    allowed: bool
    reasons: frozenset[Reason] = frozenset()

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def immediate(self) -> bool:
        """At least one reason does not wait for the current to fall."""
        return any(reason.immediate for reason in self.reasons)

    def __str__(self) -> str:
        return "allowed" if self.allowed else "; ".join(sorted(self.reasons))


DENIED = Consent(False, frozenset({Reason.STOPPED}))


class Interlock:
    """The decision. Holds only its limits, so that the same circumstances always get the same answer."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits if limits is not None else Limits()

    def consent(self, state: Circumstances, now: float) -> Consent:
        """May power flow now (monotonic seconds)? All reasons against it are named, not only the first."""
        reasons = frozenset(self._against(state, now))
        return Consent(not reasons, reasons)

    def _against(self, state: Circumstances, now: float) -> Iterable[Reason]:
        if state.asked is Purpose.NONE:
            yield Reason.NOT_ASKED
        if not state.board_healthy:
            yield Reason.BOARD_LOST
        pilot, limit = state.pilot, self.limits.pilot_seconds
        if pilot is None or (limit is not None and now - pilot.at > limit):
            yield Reason.PILOT_UNKNOWN
        elif not pilot.state.ready:
            yield Reason.PILOT_NOT_READY
        if state.inputs is None:
            yield Reason.INPUTS_UNKNOWN
        else:
            if state.inputs.emergency_stopped:
                yield Reason.EMERGENCY_STOP
            if state.inputs.door_open:
                yield Reason.DOOR_OPEN
        if any(self._forbids(fault, state.held, now) for fault in state.faults):
            yield Reason.FAULT
        if state.lock is not None and state.lock is not LockState.LOCKED:
            yield Reason.NOT_LOCKED
        if state.last_beat is None or now - state.last_beat > self.limits.heartbeat_seconds:
            yield Reason.HEARTBEAT_LATE
        if state.insulation is Insulation.FAULT and state.asked in (Purpose.CABLE_CHECK, Purpose.DC):
            yield Reason.INSULATION_FAULT
        # The cable check is what makes the insulation valid, so it cannot wait for it.
        if state.asked is Purpose.DC and state.insulation is Insulation.UNKNOWN:
            yield Reason.INSULATION_UNKNOWN

    def _forbids(self, fault: Fault, held: bool, now: float) -> bool:
        if fault.severity is Severity.STOP and held:
            return now - fault.at > self.limits.stop_fault_seconds
        return fault.severity is not Severity.WARNING
