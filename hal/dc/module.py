"""State of an Infypower module, the meaning of its status for charging, and the ratings of modules
in parallel.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Final

from frozen import dataclass
from hal.dc.frames import Answer, External, Measurement, Ratings, Status
from hal.errors import HalRejected
from hal.readings import SAFE_AMPERES, DcCapabilities, Severity

# Faults by status bit. WARNING: for the log; STOP: this session should end; EMERGENCY: off at once.
ALARMS: Final[dict[Status, tuple[str, Severity, str]]] = {
    Status.OUTPUT_SHORT: ("supply-output-short", Severity.EMERGENCY, "the output is shorted"),
    Status.OUTPUT_OVER_VOLTAGE: ("supply-over-voltage", Severity.EMERGENCY, "too much voltage at the output"),
    Status.FAULT: ("supply-module-fault", Severity.STOP, "the module is defective"),
    Status.PROTECTION: ("supply-protection", Severity.STOP, "the module's protection has tripped"),
    Status.FAN: ("supply-fan", Severity.STOP, "a fan fails"),
    Status.OVER_TEMPERATURE: ("supply-over-temperature", Severity.STOP, "the module is too hot"),
    Status.ADDRESS_REPEATED: ("supply-address-repeated", Severity.STOP, "two modules have this address"),
    Status.DISCHARGE_ABNORMAL: ("supply-discharge", Severity.STOP, "the output is not discharged as it should be"),
    Status.INPUT_PHASE_LOST: ("supply-input-phase", Severity.STOP, "a phase of the mains is missing"),
    Status.INPUT_LOW: ("supply-input-low", Severity.STOP, "the mains voltage is too low"),
    Status.INPUT_HIGH: ("supply-input-high", Severity.STOP, "the mains voltage is too high"),
    Status.INPUT_UNBALANCED: ("supply-input-unbalanced", Severity.WARNING, "the mains are unbalanced"),
    Status.LOAD_SHARING: ("supply-load-sharing", Severity.WARNING, "the modules share their load badly"),
}

_NOTHING, _OUTSIDE, _FINE = Measurement(0.0, 0.0), External(0.0, 0.0), Status(0)


@dataclasses.dataclass(slots=True)
class Module:
    """The last answers of one module. Times are of the event loop; minus infinity: never."""

    address: int
    measurement: Measurement = _NOTHING
    measured_at: float = -math.inf
    status: Status = _FINE
    status_at: float = -math.inf
    external: External = _OUTSIDE
    ratings: Ratings | None = None

    def hear(self, answer: Answer, now: float) -> None:
        match answer:
            case Measurement():
                self.measurement, self.measured_at = answer, now
            case Status():
                self.status, self.status_at = answer, now
            case External():
                self.external = answer
            case Ratings():
                self.ratings = answer

    @property
    def known(self) -> bool:
        """Whether it has sent ratings, status and measurement."""
        return self.ratings is not None and self.status_at > -math.inf and self.measured_at > -math.inf

    def off_since(self, moment: float) -> bool:
        """Whether it has confirmed after this moment that it is off, and that no current flows."""
        off = self.status_at > moment and Status.DC_OFF in self.status
        return off and self.measured_at > moment and abs(self.measurement.amperes) < SAFE_AMPERES

    def on_since(self, moment: float) -> bool:
        return self.status_at > moment and Status.DC_OFF not in self.status


@dataclass(frozen=True, slots=True)
class Bounds:
    """The outlet's limits, beside the modules' ratings. ``ramp``: amperes a second upwards;
    downwards there is no limit.
    """

    max_volts: float = math.inf
    max_amperes: float = math.inf
    max_watts: float = math.inf
    ramp: float = 100.0


def together(modules: Iterable[Module], bounds: Bounds) -> DcCapabilities:
    """Returns the capabilities of modules in parallel, by their known ratings and the outlet's
    limits. Raises HalRejected if these leave no range.
    """
    ratings = [module.ratings for module in modules if module.ratings is not None]
    # The modules regulate to 0.5 % of their rated current, and ripple stays within the same.
    tolerance = max(1.0, 0.005 * sum(rating.max_amperes for rating in ratings))
    found = DcCapabilities(
        min_volts=max(rating.min_volts for rating in ratings),
        max_volts=min(bounds.max_volts, *(rating.max_volts for rating in ratings)),
        min_amperes=0.0,
        max_amperes=min(bounds.max_amperes, sum(rating.max_amperes for rating in ratings)),
        max_watts=min(bounds.max_watts, sum(rating.watts for rating in ratings)),
        regulation_amperes=tolerance,
        ripple_amperes=tolerance,
    )
    if not 0.0 <= found.min_volts < found.max_volts or found.max_amperes <= 0.0 or found.max_watts <= 0.0:
        raise HalRejected(f"the modules' ratings leave no range: {found}")
    return found
