"""The conditions for power to flow, independent of any session.

A pure decision: circumstances in, a :class:`Consent` out. It knows neither protocol nor session,
and names every reason against power. :mod:`hal.guard` applies it to a board;
``docs/decisions/interlock.md`` has the reasons.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from frozen import dataclass
from hal.readings import Fault, InputsReading, LockState, PilotReading, Severity


class Purpose(enum.StrEnum):
    """What the power path asks permission for. CABLE_CHECK: voltage on closed contactors, before
    the car's relay closes.
    """

    NONE = "none"
    AC = "ac"
    CABLE_CHECK = "cable_check"
    DC = "dc"


class Insulation(enum.StrEnum):
    """Result of the cable check, or of the monitoring after it."""

    UNKNOWN = "unknown"
    VALID = "valid"
    FAULT = "fault"


class Reason(enum.StrEnum):
    """A reason against power. The text is for logs; the member is the stable code."""

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
        """Whether to open at once, even under load. Otherwise the current is ramped down first."""
        return self is not Reason.NOT_ASKED


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds after which a reading or heartbeat no longer counts."""

    heartbeat_seconds: float = 0.5
    pilot_seconds: float | None = None
    """Age at which a pilot reading is stale. None: the board pushes changes and reports its own
    silence.
    """
    stop_fault_seconds: float = 10.0
    """How long a fault of severity STOP may last until the session has ended in order."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything that the decision depends on. ``lock`` is None if the outlet has none (a tethered
    cable).

    ``held``: consent was given and power flows. A fault of severity STOP then leaves time to end in
    order; it always prevents a start.
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
    """``allowed`` if there is no reason against power. Its truth value is ``allowed``."""

    allowed: bool
    reasons: frozenset[Reason] = frozenset()

    def __bool__(self) -> bool:
        return self.allowed

    @property
    def immediate(self) -> bool:
        """Whether at least one reason does not wait for the current to fall."""
        return any(reason.immediate for reason in self.reasons)

    def __str__(self) -> str:
        return "allowed" if self.allowed else "; ".join(sorted(self.reasons))


DENIED = Consent(False, frozenset({Reason.STOPPED}))


class Interlock:
    """The decision. Its only state is its limits: the same circumstances always get the same
    answer.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits if limits is not None else Limits()

    def consent(self, state: Circumstances, now: float) -> Consent:
        """Returns whether power may flow at ``now`` (monotonic seconds), with all reasons against
        it.
        """
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
        for fault in state.faults:
            if self._forbids(fault, state.held, now):
                yield Reason.FAULT
        if state.lock is not None and state.lock is not LockState.LOCKED:
            yield Reason.NOT_LOCKED
        if state.last_beat is None or now - state.last_beat > self.limits.heartbeat_seconds:
            yield Reason.HEARTBEAT_LATE
        if state.insulation is Insulation.FAULT and state.asked in (Purpose.CABLE_CHECK, Purpose.DC):
            yield Reason.INSULATION_FAULT
        # The cable check itself finds the insulation valid, so it does not wait for that.
        if state.asked is Purpose.DC and state.insulation is Insulation.UNKNOWN:
            yield Reason.INSULATION_UNKNOWN

    def _forbids(self, fault: Fault, held: bool, now: float) -> bool:
        if fault.severity is Severity.STOP and held:
            return now - fault.at > self.limits.stop_fault_seconds
        return fault.severity is not Severity.WARNING
