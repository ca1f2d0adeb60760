"""Settings of a power path: its hardware, and the limits of its supervision."""

from __future__ import annotations

from frozen import dataclass
from secc.session.dc_limits import BREAKABLE_AMPERES, PRECHARGE_AMPERES, SAFE_VOLTS
from secc.session.offer import AcLimits, DcLimits


@dataclass(frozen=True, slots=True)
class DcSettings:
    """A DC outlet: supply, contactor, insulation monitor. ``watts`` is the limit at plug-in, None
    for none.
    """

    limits: DcLimits = DcLimits()
    watts: float | None = None
    insulation_monitor: bool = True
    """False: there is none, so every cable check fails."""
    ramp_amperes_per_second: float = 25.0
    ramp_volts_per_second: float = 500.0
    precharge_amperes: float = PRECHARGE_AMPERES
    """The most current in cable check and precharge, whatever the car asks for. IEC 61851-23."""
    safe_volts: float = SAFE_VOLTS
    breakable_amperes: float = BREAKABLE_AMPERES
    reached_volts: float = 10.0
    fault_ohms: float = 100_000.0
    warning_ohms: float = 250_000.0
    isolation_measurements: int = 1
    insulation_seconds: float = 0.0
    """Shortest insulation test, for a lab; 0: as long as the measurements take."""
    stale_target_seconds: float = 5.0
    """After this time without a target from the car the current goes to zero."""
    lost_session_seconds: float = 70.0
    """After this time without a target the session counts as lost: off. Above the sequence timeout
    of 60 s, which ends a session by itself.
    """
    stale_measurement_seconds: float = 1.0
    isolation_silence_seconds: float = 10.0
    pause_insulation_monitor: bool = False
    """True: the monitor pauses from the end of the cable check to the first current, for cars that
    cannot begin to charge beside it. (Q-68)
    """
    longest_pause_seconds: float = 10.0
    """The most of that after PowerDelivery(Start), current or not."""
    voltage_tolerance: float = 0.02
    """Share by which the measured voltage may exceed the car's maximum."""
    voltage_grace_seconds: float = 0.4


@dataclass(frozen=True, slots=True)
class AcSettings:
    """An AC outlet: a contactor behind its protection. ``watts`` is the limit at plug-in, None for
    none.
    """

    limits: AcLimits = AcLimits()
    watts: float | None = None
    adaptation_seconds: float = 5.0
    """Seconds for a car to follow a lowered limit before the protection is lowered. IEC 61851-1
    sequence 6.
    """
