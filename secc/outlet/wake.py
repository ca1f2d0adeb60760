"""Wake-up of the station by a sleeping car: B-C-B toggles, one to three (ISO 15118-3, T_vald; IEC
61851-1).
"""

from __future__ import annotations

from secc.outlet.settings import BCB_PULSE, BCB_PULSE_TOLERATED, BCB_TOGGLES, BCB_WHOLE

CLOCK_SLACK = 5e-4
"""Tolerance of clock arithmetic, in seconds."""


class BcbToggle:
    """Counts toggles of the pilot while the oscillator is off. Call ``see`` with each state and its
    time, then ``woken``.

    A toggle is a C of the right length between two B. ``strict`` accepts the standard's 200 to 400
    ms, otherwise 150 to 450 ms.
    """

    def __init__(self, *, strict: bool = False) -> None:
        self._low, self._high = BCB_PULSE if strict else BCB_PULSE_TOLERATED
        self._strict = strict
        self._state = "?"
        self._since = 0.0
        self._toggles = 0
        self._began = 0.0

    def see(self, state: str, now: float) -> None:
        """Record a state of the pilot."""
        if state == self._state:
            return
        lasted = now - self._since
        if (self._state, state) == ("C", "B"):
            good = self._low - CLOCK_SLACK <= lasted <= self._high + CLOCK_SLACK
            self._toggles = self._toggles + 1 if good else 0
        elif (self._state, state) == ("B", "C"):
            if self._toggles == 0 or now - self._began > BCB_WHOLE.seconds:
                self._toggles, self._began = 0, now
        else:
            self._toggles = 0
        self._state, self._since = state, now

    @property
    def due(self) -> float | None:
        """When to look again without a change; None if no toggle has begun."""
        waits = (self._state == "B" and self._toggles > 0) or (self._state == "C" and not self._strict)
        return self._since + self._high + 2 * CLOCK_SLACK if waits else None

    def woken(self, now: float) -> bool:
        """Whether the car has toggled and finished. A car that stays in C does not count: the
        standard does not define it.
        """
        if self._state == "B":
            settled = now - self._since > self._high + CLOCK_SLACK
            return self._toggles >= BCB_TOGGLES or (self._toggles > 0 and settled)
        return not self._strict and self._state == "C" and now - self._since > self._high + CLOCK_SLACK
