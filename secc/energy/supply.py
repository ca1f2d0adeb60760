"""The DC supply: its setpoint, and the measurements at the output."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from hal.readings import DcPhase
from secc.conversation import Party
from secc.energy.arithmetic import Ramp, watts_allowed
from secc.energy.effects import SetSupply, SwitchSupplyOff
from secc.energy.settings import DcSettings
from secc.session.dc_limits import clamp_amperes, power_volts

POWER_MARGIN: Final = 1.005
"""Keeps the power limit although the measured voltage is up to a tick old, and rises while the
battery fills.
"""


class Supply:
    """The supply of one outlet in one plug-in."""

    def __init__(self, board: Party, settings: DcSettings) -> None:
        self.goal: SetSupply | None = None
        """The end of the ramp; None while the supply is off. Within every limit but that of power,
        which depends on the measured voltage.
        """
        self.on_since = -math.inf
        self.due = True
        """Whether to command in this step. A setpoint rises with ticks, so that the supply gets ten
        commands a second, and falls at once.
        """
        self._board, self._settings, self._limits = board, settings, settings.limits
        self._watts = self._limits.maximum_watts
        self.limit(settings.watts)
        self._setpoint: tuple[float, float, DcPhase] | None = None
        self._volts = Ramp(settings.ramp_volts_per_second)
        self._amperes = Ramp(settings.ramp_amperes_per_second)

    def limit(self, watts: float | None) -> None:
        """Set the power limit from now on; None for no limit but the supply's."""
        allowed = watts_allowed(watts)
        before = self._watts
        self._watts = self._limits.maximum_watts if allowed is None else min(allowed, self._limits.maximum_watts)
        self.due = self.due or self._watts != before

    def aim(self, volts: float, amperes: float, phase: DcPhase) -> None:
        """Ramp to this setpoint from now on."""
        now = self._board.now
        if self._setpoint is None:
            self.on_since = now
            self._volts.reset(0.0, now)
            self._amperes.reset(0.0, now)
        last = self._setpoint
        if last is None or volts < last[0] or amperes < last[1] or phase is not last[2]:
            self.due = True
        self.goal = SetSupply(volts, amperes, phase)

    def starve(self) -> None:
        """Set no current, at the present voltage."""
        if self.goal is not None:
            self.goal = replace(self.goal, amperes=0.0)
            self.due = True

    def drop(self) -> None:
        """Forget the setpoint: command nothing more."""
        self.goal = self._setpoint = None

    def off(self) -> None:
        """Switch the supply off, with the contactor as it is."""
        self.drop()
        self._board.do(SwitchSupplyOff())

    def regulate(self) -> None:
        """Command the setpoint for now if it is due and differs from the last one."""
        goal, now, limits = self.goal, self._board.now, self._limits
        if goal is None or not self.due:
            return
        self.due = False
        # The supply's minimum is commanded at once: there is nothing to ramp below it.
        volts = max(limits.minimum_volts, math.floor(self._volts.follow(goal.volts, now) * 10.0) / 10.0)
        if goal.phase is DcPhase.CHARGE:
            at = power_volts(volts, self._board.levels.volts if self.fresh else math.nan) * POWER_MARGIN
            amperes = self._amperes.follow(clamp_amperes(goal.amperes, limits.maximum_amperes, self._watts, at), now)
        else:
            highest = min(limits.maximum_amperes, self._settings.precharge_amperes)
            amperes = clamp_amperes(goal.amperes, highest, None, volts)
            # In precharge the current is not ramped; the charging ramp begins at its value.
            self._amperes.reset(amperes, now)
        setpoint = volts, math.floor(amperes * 100.0) / 100.0, goal.phase
        if setpoint != self._setpoint:
            self._setpoint = setpoint
            self._board.do(SetSupply(*setpoint))

    # Measurements at the output

    @property
    def fresh(self) -> bool:
        """Whether the measured volts and amperes are new enough to act on."""
        return self._board.now - self._board.levels.measured_at <= self._settings.stale_measurement_seconds

    @property
    def low(self) -> bool:
        """Whether the output is below 60 V, by a fresh measurement."""
        return self.fresh and self._board.levels.volts < self._settings.safe_volts

    @property
    def breakable(self) -> bool:
        """Whether the current is small enough for a contactor to break, by a fresh measurement."""
        return self.fresh and abs(self._board.levels.amperes) < self._settings.breakable_amperes

    def reached(self, volts: float) -> bool:
        """Whether the output has this voltage, by a fresh measurement."""
        return self.fresh and abs(self._board.levels.volts - volts) <= self._settings.reached_volts
