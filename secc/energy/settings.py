"""What a power path is told about its hardware, and the figures of its supervision."""

from __future__ import annotations

from dataclasses import dataclass, field

from secc.session.dc_limits import PRECHARGE_AMPERES
from secc.session.offer import AcLimits, DcLimits


@dataclass(frozen=True, slots=True)
class DcSettings:
    """A DC outlet: supply, contactor, insulation monitor. ``watts`` is the limit that holds at plug-in, None if there is none."""

    limits: DcLimits = field(default_factory=DcLimits)
    watts: float | None = None
    insulation_monitor: bool = True
    """False: there is none, and therefore every cable check fails."""
    ramp_amperes_per_second: float = 25.0
    ramp_volts_per_second: float = 500.0
    precharge_amperes: float = PRECHARGE_AMPERES
    """The most that flows in cable check and precharge, whatever is asked. IEC 61851-23."""
    safe_volts: float = 60.0
    breakable_amperes: float = 5.0
    """Below this a contactor may open: so much it can break."""
    reached_volts: float = 10.0
    fault_ohms: float = 100_000.0
    warning_ohms: float = 250_000.0
    isolation_measurements: int = 1
    stale_target_seconds: float = 5.0
    """Without a target from the car for this long the current goes to zero."""
    lost_target_seconds: float = 10.0
    """Without one for this long, with voltage at the output, the car is gone: off. A car asks four times a second, or more often."""
    lost_session_seconds: float = 70.0
    """Without one for this long after the cable check the session is taken for lost: off. Above the sequence timeout of 60 s."""
    stale_measurement_seconds: float = 1.0
    isolation_silence_seconds: float = 10.0
    voltage_tolerance: float = 0.02
    """How far, as a share of it, the measured voltage may exceed the car's maximum before it counts."""
    voltage_grace_seconds: float = 0.4


@dataclass(frozen=True, slots=True)
class AcSettings:
    """An AC outlet: a contactor behind its protection. ``watts`` is the limit that holds at plug-in, None if there is none."""

    limits: AcLimits = field(default_factory=AcLimits)
    watts: float | None = None
    adaptation_seconds: float = 5.0
    """How long a car has to follow a limit that has just been lowered, before the protection hears of it. IEC 61851-1 sequence 6."""
