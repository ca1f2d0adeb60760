"""The insulation of cable and car, by the outlet's monitor."""

from __future__ import annotations

import math

from hal.interlock import Insulation
from hal.readings import ImdReading
from secc.conversation import Party
from secc.energy.effects import ReportInsulation, StartInsulationMonitor, StopInsulationMonitor
from secc.energy.events import InsulationTestProlonged
from secc.energy.settings import DcSettings


class InsulationWatch:
    """The monitor of one outlet in one plug-in, and the measurements that count."""

    def __init__(self, board: Party, settings: DcSettings) -> None:
        self.running = False
        self.self_tested = False
        """True once the monitor has passed its self-test in this plug-in."""
        self.ohms: list[float] = []
        """The newest measurements since ``measure_anew``, at most as many as the settings ask for."""
        self.seconds = settings.insulation_seconds
        """Shortest test."""
        self._board, self._settings = board, settings
        self.paused = False
        """Stopped between cable check and first current. (Q-68)"""
        self._counts_from = math.inf
        self._heard_at = -math.inf

    def prolong(self, event: InsulationTestProlonged) -> None:
        self.seconds = event.seconds

    def start(self) -> None:
        """Run the monitor; drop earlier measurements."""
        self.measure_anew()
        self.running, self.paused = True, False
        self._board.do(StartInsulationMonitor())

    def stop(self) -> None:
        self.paused = False
        if self.running:
            self.running = False
            self._board.do(StopInsulationMonitor())

    def pause(self) -> None:
        """Stop the monitor; ``start`` ends the pause."""
        self.stop()
        self.paused = True

    def measure_anew(self) -> None:
        """Drop earlier measurements."""
        self.ohms.clear()
        self._counts_from = self._heard_at = self._board.now

    def has(self, count: int) -> bool:
        """Whether at least ``count`` measurements were taken."""
        return len(self.ohms) >= count

    @property
    def silent(self) -> bool:
        """Whether the monitor runs but has not reported for too long."""
        return self.running and self._board.now - self._heard_at > self._settings.isolation_silence_seconds

    def take(self, measured: ImdReading) -> bool:
        """Take one measurement. Returns False if it is a fault."""
        if not self.running:
            return True
        self._heard_at = self._board.now
        if measured.at >= self._counts_from:
            self.ohms.append(measured.ohms)
            del self.ohms[: -self._settings.isolation_measurements]
        # A measurement that is not a number is a fault, too.
        if measured.ohms >= self._settings.fault_ohms:
            return True
        self._board.do(ReportInsulation(Insulation.FAULT))
        return False
