"""What a board says, in short: readings are verbose, and most tests care for one field of them."""

from __future__ import annotations

from hal.events import (
    CableChanged,
    ContactorChanged,
    DoorChanged,
    EmergencyStopChanged,
    FaultCleared,
    FaultRaised,
    InsulationMeasured,
    LockChanged,
    PilotChanged,
    StopPressed,
    TokenPresented,
)
from hal.readings import (
    CableReading,
    ContactorReading,
    ContactorState,
    Fault,
    ImdReading,
    LockReading,
    LockState,
    PilotReading,
    PilotState,
    Severity,
    Token,
)


def pilot_changed(state: str = "B", at: float = 0.0) -> PilotChanged:
    return PilotChanged(PilotReading(PilotState(state), since=at, at=at))


def contactor_changed(state: str = "open", at: float = 0.0) -> ContactorChanged:
    return ContactorChanged(ContactorReading(ContactorState(state), at))


def cable_changed(amperes: float | None = None, at: float = 0.0) -> CableChanged:
    return CableChanged(CableReading(amperes, at))


def lock_changed(locked: bool = True, at: float = 0.0) -> LockChanged:
    return LockChanged(LockReading(LockState.LOCKED if locked else LockState.UNLOCKED, at))


def insulation_measured(ohms: float, at: float = 0.0) -> InsulationMeasured:
    return InsulationMeasured(ImdReading(ohms, at))


def fault_raised(code: str, severity: Severity = Severity.EMERGENCY, text: str = "") -> FaultRaised:
    return FaultRaised(_fault(code, severity, text))


def fault_cleared(code: str) -> FaultCleared:
    return FaultCleared(_fault(code, Severity.EMERGENCY, ""))


def emergency_stop_changed(stopped: bool = True) -> EmergencyStopChanged:
    return EmergencyStopChanged(stopped, at=0.0)


def door_changed(is_open: bool = True) -> DoorChanged:
    return DoorChanged(is_open, at=0.0)


def stop_pressed() -> StopPressed:
    return StopPressed(at=0.0)


def token_presented(value: str = "04A1", kind: str = "ISO14443") -> TokenPresented:
    return TokenPresented(Token(kind, value, at=0.0))


def _fault(code: str, severity: Severity, text: str) -> Fault:
    return Fault(code, severity, text, latched=False, at=0.0)
