"""The milestones of the demo in their order; apart from the processes, so that it can be tested."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

METER_TOLERANCE_WATT_HOURS = 2.0
METER_TOLERANCE = 0.02
"""The car counts what it stores; the meter also counts the losses of cable and battery."""
LOSSES = 0.15


class CarFailed(Exception):
    """The car reports that it cannot go on."""


class StoryIncomplete(Exception):
    """A milestone is missing or out of order."""


@dataclass(frozen=True, slots=True)
class CarLine:
    """One milestone of the car."""

    name: str
    text: str
    facts: Mapping[str, Any]


def read_car_line(line: bytes) -> CarLine:
    """Read a line of ``tools.evcc --json``. Raises CarFailed for a failure in it, and for a line
    that is not a milestone (a traceback).
    """
    try:
        said = json.loads(line)
        milestone = CarLine(said["name"], said["text"], said["facts"])
    except (ValueError, KeyError, TypeError) as error:
        raise CarFailed(f"the car's process failed: {line.decode('utf-8', 'replace').strip()}") from error
    if milestone.name == "failed":
        raise CarFailed(f"the car: {milestone.text}")
    return milestone


@dataclass(slots=True)
class Story:
    """The expected milestones."""

    mode: str
    payment: str
    tls: bool
    killed: bool = False
    cut: bool = False
    """A misfortune comes while it charges."""
    heard: list[CarLine] = field(default_factory=list)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Returns the names of milestones in their order; others may come between them."""
        dc = self.mode == "dc"
        begin = f"plugged-in matched discovered {'tls' if self.tls else 'connected'} protocol session authorized"
        power = "cable-check precharge charging" if dc else "charging"
        whole = "welding stopped ended" if dc else "stopped ended"
        end = "killed" if self.killed else "" if self.cut else whole
        return tuple(f"{begin} {power} {end}".split())

    def of_next_car(self) -> Story:
        """Returns the milestones of the car after one that was killed or cut off."""
        return replace(self, killed=False, cut=False, heard=[])

    def hear(self, line: CarLine) -> None:
        self.heard.append(line)

    def check(self, metered: float | None) -> None:
        """Raises StoryIncomplete if a milestone is missing, came too early, or disagrees with the
        meter (watt hours; None: not compared).
        """
        names = iter(line.name for line in self.heard)
        for wanted in self.wanted:
            if wanted not in names:
                seen = ", ".join(line.name for line in self.heard)
                raise StoryIncomplete(f"{wanted} was not seen in its order; seen: {seen}")
        facts = {line.name: line.facts for line in self.heard}
        payment = "contract" if self.payment == "pnc" else "external"
        if facts["authorized"].get("payment") != payment:
            raise StoryIncomplete(f"authorised by {facts['authorized'].get('payment')}, not by {payment}")
        if self.tls and facts["tls"].get("ocsp") != "good":
            raise StoryIncomplete("the station's certificate was not confirmed by OCSP")
        if metered is not None and not self.killed and not self.cut:
            self._check_energy(facts["stopped"].get("watt_hours", 0.0), metered)

    def _check_energy(self, stored: float, metered: float) -> None:
        slack = METER_TOLERANCE_WATT_HOURS + metered * METER_TOLERANCE
        if not metered * (1.0 - LOSSES) - slack <= stored <= metered + slack:
            raise StoryIncomplete(f"the car stored {stored:.0f} Wh, the meter counted {metered:.0f} Wh")
