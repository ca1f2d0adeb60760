"""The real power path on the simulated world, in the place of :class:`tests.pair.Outlet`: car, session, power path, interlock and physics together.

What stands between them in a station (who hears what) is played here in the shortest way; what is judged is the world's truth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hal.readings import Severity
from secc.conversation import Answered, Effect, Event, Levels, Ticket
from secc.energy import AcSettings, DcSettings
from secc.session.effects import CheckCable, OpenContactor, SetOutput, StartPower, StopPower
from secc.session.events import EmergencyStopped, Fault, StopRequested, Unplugged
from secc.session.offer import AcLimits, DcLimits
from tests.energy.bench import STEP, Bench
from tests.pair import BEGAN, Outlet
from tools.evcc.battery import Battery, Sensed

DC_LIMITS = DcLimits(50.0, 500.0, 0.0, 200.0, 60_000.0)


class WorldOutlet(Outlet):
    """One outlet of the simulated world with a car plugged in."""

    def __init__(self, *, dc: bool) -> None:
        super().__init__(dc=dc, step_seconds=STEP)
        self.bench = Bench(DcSettings(limits=DC_LIMITS) if dc else AcSettings(limits=AcLimits()))
        self.world = self.bench.world
        # The bench let some time pass to plug in; the pair begins at its own time.
        self._ahead = self.bench.clock.now() - BEGAN
        self._asked: dict[int, Ticket[Any]] = {}
        self._known: set[str] = set()
        self._over = False
        self.watt_hours = 0.0

    def advance(self, now: float) -> None:
        """Let the world catch up."""
        while self.bench.clock.now() + STEP <= now + self._ahead + 1e-9:
            self.bench.run(STEP)
        self._look()

    def _look(self) -> None:
        truth = self.world.truth()
        self.closed, self.amperes, self.volts = truth["contactor_closed"], truth["amperes"], truth["outlet_volts"]
        self.watt_hours = truth["metered_watt_hours"]
        self.incidents = list(truth["incidents"])

    def levels(self, now: float) -> Levels:
        self.advance(now)
        levels = self.bench.levels
        return replace(levels, measured_at=levels.measured_at - self._ahead, metered_at=levels.metered_at - self._ahead)

    def move(self) -> None:
        """Physics moves by itself here."""

    def hand(self, what: str, value: Any) -> None:
        if not self.world.car.plugged:
            return
        match what:
            case "pilot":
                self.world.close_s2(value == "C")
            case "relay_closed":
                self.world.close_relay(value)
            case "load":
                self.world.draw_ac(value, 3)

    def feel(self, battery: Battery) -> None:
        truth = self.world.truth()
        battery.sensed = Sensed(truth["battery_volts"], truth["stored_watt_hours"])
        battery.state_of_charge = truth["soc"]
        battery.capacity_watt_hours = truth["capacity_watt_hours"]
        battery.full_volts = truth["battery_max_volts"]
        battery.maximum_amperes = truth["battery_max_amperes"]

    def perform(self, effect: Effect) -> None:
        if isinstance(effect, OpenContactor | SetOutput):
            self.opened += isinstance(effect, OpenContactor)
            self.bench.hear(effect)

    def take(self, ticket: Ticket[Any], question: Any) -> bool:
        if not isinstance(question, CheckCable | StartPower | StopPower):
            return False
        self._asked[self.bench.ask(question)] = ticket
        return True

    def poll(self) -> list[Event]:
        found: list[Event] = []
        for number in [number for number in self._asked if number in self.bench.told]:
            found.append(Answered(self._asked.pop(number), self.bench.told[number]))
        for code, fault in self.bench.faults.items():
            if self._is_new(code):
                emergency = fault.severity is Severity.EMERGENCY
                found.append(Fault(code, fault.text) if emergency else StopRequested("power"))
        found += [Fault(report.code, report.text) for report in self.bench.reported if self._is_new(report.code)]
        if self.world.emergency_stopped and self._is_new("emergency stop"):
            found.append(EmergencyStopped())
        if self.bench.levels.pilot == "A" and self._is_new("unplugged"):
            self.bench.hear(Unplugged())
            found.append(Unplugged())
        return found

    def _is_new(self, name: str) -> bool:
        known = name in self._known
        self._known.add(name)
        return not known
