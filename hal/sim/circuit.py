"""The simulated power path: contactor, DC supply, cable, and the energy accounts.

There are no periodic steps. The world calls :meth:`DcCircuit.advance` at changes and readings, and
the time between is integrated in pieces with linear current, so that meter, cable loss and battery
agree to a milliwatt-hour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hal.readings import DcCapabilities
from hal.sim.car import Battery, Car
from hal.sim.clock import Clock

MAX_PIECE_SECONDS = 1.0
"""The battery's voltage is taken as constant over one piece."""

MAX_PIECES = 2000

SETTLED_SECONDS = 1e-3
"""A ramp shorter than this is complete: while voltage limits the current, its goal moves with every
piece.
"""

INRUSH_VOLTS = 50.0


@dataclass(slots=True)
class Books:
    """Energy in watt-hours. Always: metered = cable_loss + delivered, and delivered = stored +
    car_loss.
    """

    metered: float = 0.0
    cable_loss: float = 0.0
    delivered: float = 0.0
    stored: float = 0.0
    car_loss: float = 0.0


@dataclass(slots=True, eq=False)
class Contactor:
    """A contactor with its times and its mirror contact. ``closed`` is the real state, ``feedback``
    what the controller sees.

    It moves at its own moments, and not when the clock's calls come, which a busy event loop
    delays: ``advance`` brings the world to a moment, and the world calls :meth:`move` on the way.
    ``changed`` is called at a movement.
    """

    clock: Clock
    advance: Callable[[float], None]
    changed: Callable[[str], None]
    close_seconds: float = 0.03
    open_seconds: float = 0.025
    mirror_seconds: float = 0.005
    driven: bool = False
    closed: bool = False
    feedback: bool = False
    welded: bool = False
    stuck_open: bool = False
    _arrives: float | None = None
    """When the armature will have followed the coil."""
    _shows: float | None = None
    """When the mirror contact will have followed the armature."""

    @property
    def due(self) -> float | None:
        """The moment of the next movement; None if there is none."""
        arrives, shows = self._arrives, self._shows
        if arrives is None or shows is None:
            return shows if arrives is None else arrives
        return min(arrives, shows)

    def drive(self, on: bool) -> None:
        """Switch the coil on or off. Idempotent."""
        if on == self.driven:
            return
        now = self.clock.now()
        self.advance(now)
        self.driven = on
        self._arrives = self._later(now, self.close_seconds if on else self.open_seconds)

    def shake(self) -> None:
        """Apply a change of the mechanics (a fault), unless the armature is moving."""
        if self._arrives is None:
            self._settle(self.clock.now())

    def move(self) -> None:
        """Do the next movement; the world is at its moment."""
        now = self.due
        assert now is not None
        if now == self._arrives:
            self._arrives = None
            self._settle(now)
        else:
            self._shows = None
            if self.feedback != self.closed:
                self.feedback = self.closed
                self.changed("feedback")

    def _settle(self, now: float) -> None:
        """Let the armature follow the coil, unless it is stuck."""
        closed = (self.driven and not self.stuck_open) or (self.closed and self.welded)
        if closed != self.closed:
            self.closed = closed
            self._shows = self._later(now, self.mirror_seconds)
            self.changed("contactor")

    def _later(self, now: float, seconds: float) -> float:
        """Returns the moment this many seconds later, and schedules a call that advances the world
        to it.
        """
        at = now + seconds
        self.clock.call_at(at, lambda: self.advance(at))
        return at


@dataclass(slots=True, eq=False)
class Supply:
    """A DC supply with ramps. ``volts`` and ``amperes`` are its present output, which follows the
    targets at the slopes.
    """

    limits: DcCapabilities
    on: bool = False
    target_volts: float = 0.0
    target_amperes: float = 0.0
    volts: float = 0.0
    amperes: float = 0.0
    dead: bool = False
    runaway: bool = False
    overshoot: float = 1.0
    volts_per_second: float = 1000.0
    discharge_per_second: float = 1000.0
    amperes_per_second: float = 100.0
    off_per_second: float = 20_000.0

    @property
    def giving(self) -> bool:
        """Whether it delivers. A runaway supply ignores "off", a dead one never delivers."""
        return not self.dead and (self.on or (self.runaway and self.target_volts > 0.0))


@dataclass(slots=True, eq=False)
class DcCircuit:
    """Supply, contactor, cable, inlet relay, battery in series."""

    supply: Supply
    contactor: Contactor
    car: Car
    cable_ohms: float = 0.01
    pin_volts: float = 0.0
    books: Books = field(default_factory=Books)
    incidents: Callable[[str], None] = lambda _: None

    @property
    def connected(self) -> bool:
        return self.contactor.closed and self.car.plugged and self.car.relay_closed

    @property
    def battery_volts(self) -> float:
        """Voltage at the battery's terminals, with the present current."""
        battery = self.car.battery
        return battery.open_volts + (self.supply.amperes * battery.resistance_ohms if self.connected else 0.0)

    def connect(self) -> None:
        """Called after a movement of contactor or relay: equalise the voltages of a closed circuit."""
        if not self.connected:
            self._advance_apart(0.0)
            return
        if abs(self.supply.volts - self.car.battery.open_volts) > INRUSH_VOLTS:
            self.incidents("inrush")
        self._couple()

    def advance(self, seconds: float) -> None:
        """Integrate this time in the present switch positions."""
        piece = max(MAX_PIECE_SECONDS, seconds / MAX_PIECES)
        while seconds > 0.0:
            if not self.connected:
                self._advance_apart(seconds)
                return
            seconds -= self._advance_joined(min(seconds, piece))

    def _advance_apart(self, seconds: float) -> None:
        supply = self.supply
        supply.amperes = 0.0
        goal = min(supply.target_volts * supply.overshoot, supply.limits.max_volts * 1.5) if supply.giving else 0.0
        supply.volts = _towards(supply.volts, goal, supply.volts_per_second, supply.discharge_per_second, seconds)
        if self.contactor.closed:
            self.pin_volts = supply.volts
        elif self.car.plugged and self.car.relay_closed:
            self.pin_volts = self.car.battery.open_volts
        else:
            self.pin_volts = _towards(self.pin_volts, 0.0, 0.0, supply.discharge_per_second, seconds)

    def _goal_amperes(self, battery: Battery) -> float:
        supply = self.supply
        if not supply.giving or battery.full:
            return 0.0
        by_volts = (supply.target_volts * supply.overshoot - battery.open_volts) / (
            battery.resistance_ohms + self.cable_ohms
        )
        by_watts = supply.limits.max_watts * supply.overshoot / max(supply.volts, 1.0)
        return max(0.0, min(supply.target_amperes * supply.overshoot, by_volts, by_watts))

    def _advance_joined(self, seconds: float) -> float:
        """Integrate one piece with linear current. Returns its seconds."""
        supply, battery, books = self.supply, self.car.battery, self.books
        goal = self._goal_amperes(battery)
        start = supply.amperes
        slope = supply.amperes_per_second if goal > start or supply.giving else supply.off_per_second
        ramp = abs(goal - start) / slope
        if ramp > SETTLED_SECONDS:
            seconds = min(seconds, ramp)
        else:
            start = goal
        end = _towards(start, goal, slope, slope, seconds)
        hours = seconds / 3600.0
        mean = (start + end) / 2.0
        square = (start * start + start * end + end * end) / 3.0
        cell = battery.open_volts * mean * hours
        heat = battery.resistance_ohms * square * hours
        loss = self.cable_ohms * square * hours
        books.stored += cell
        books.car_loss += heat
        books.delivered += cell + heat
        books.cable_loss += loss
        books.metered += cell + heat + loss
        battery.store(cell)
        supply.amperes = end
        self._couple()
        return seconds

    def _couple(self) -> None:
        battery = self.car.battery
        amperes = self.supply.amperes
        self.supply.volts = battery.open_volts + amperes * (battery.resistance_ohms + self.cable_ohms)
        self.pin_volts = self.supply.volts


def _towards(value: float, goal: float, up: float, down: float, seconds: float) -> float:
    """Returns ``value`` after moving towards ``goal`` at these slopes; exactly ``goal`` once
    reached.
    """
    if goal >= value:
        return min(goal, value + up * seconds)
    return max(goal, value - down * seconds)


@dataclass(slots=True, eq=False)
class AcCircuit:
    """Mains, contactor, cable, the car's charger."""

    contactor: Contactor
    car: Car
    phases: int = 3
    volts: float = 230.0
    cable_ohms: float = 0.01
    books: Books = field(default_factory=Books)

    def draw(self, duty: float | None) -> tuple[float, int]:
        """Returns the amperes on each phase, and the number of phases, now."""
        return self.car.ac_draw(duty, self.phases) if self.contactor.closed else (0.0, 0)

    def advance(self, seconds: float, duty: float | None) -> None:
        piece = max(MAX_PIECE_SECONDS, seconds / MAX_PIECES)
        while seconds > 0.0:
            amperes, phases = self.draw(duty)
            if amperes == 0.0:
                return
            step = min(seconds, piece)
            hours = step / 3600.0
            metered = self.volts * amperes * phases * hours
            loss = self.cable_ohms * amperes * amperes * phases * hours
            delivered = metered - loss
            stored = delivered * self.car.ac_efficiency
            self.books.metered += metered
            self.books.cable_loss += loss
            self.books.delivered += delivered
            self.books.stored += stored
            self.books.car_loss += delivered - stored
            self.car.battery.store(stored)
            seconds -= step
