"""One simulated physical world: a car, a cable, an outlet's power path. Boards measure it.

Times are seconds of the world's clock, which may run faster than the one outside
(:class:`hal.sim.clock.ScaledClock`). Actions of people and cars are verbs (:meth:`World.plug_in`,
:meth:`World.close_s2`), those of the safety controller ``drive_*``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from frozen import dataclass
from hal.errors import HalRejected
from hal.readings import DcCapabilities, DcPhase
from hal.sim.car import Car, pilot_volts
from hal.sim.circuit import AcCircuit, Books, Contactor, DcCircuit, Supply
from hal.sim.clock import ScaledClock

FAULTS: dict[str, str] = {
    "weld": "the contactor's contacts stick together once they have closed",
    "contactor_stuck_open": "the contactor does not close",
    "contactor_slow": "the contactor takes 400 ms to close and 50 ms to open",
    "supply_dead": "the DC supply delivers no voltage",
    "supply_overshoot": "the DC supply delivers a quarter more than its target",
    "supply_runaway": "the DC supply does not switch off",
    "supply_silent": "the DC supply reports no fresh measurements",
    "insulation_fault": "a conductor has 20 kilo-ohms to earth",
    "imd_silent": "the insulation monitor does not answer",
    "imd_self_test": "the insulation monitor fails its self-test",
    "meter_lost": "the meter does not answer",
    "pilot_diode": "the car's pilot diode is shorted",
    "pilot_short": "the pilot is shorted to earth",
    "lock_stuck": "the lock does not move",
    "residual_current": "the residual-current device has tripped",
    "over_temperature": "the outlet is too hot: charging should end",
    "modem_dead": "the outlet's power line modem neither hears nor answers",
    "line_noise": "no frame gets through on the power line",
    "controller_silent": "the safety controller is cut off: it gets neither heartbeats nor commands, and reports nothing",
}
"""The faults that can be injected, by name."""

DC_LIMITS = DcCapabilities(
    min_volts=50.0,
    max_volts=500.0,
    min_amperes=0.0,
    max_amperes=200.0,
    max_watts=60_000.0,
    regulation_amperes=1.0,
    ripple_amperes=1.0,
)

HEALTHY_OHMS = 1.0e6
FAULTY_OHMS = 20_000.0

Watcher = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outlet:
    """The kind of outlet in the world."""

    dc: bool = True
    phases: int = 3
    volts: float = 230.0
    max_amperes: float = 32.0
    limits: DcCapabilities = DC_LIMITS
    cable_ohms: float = 0.01
    lock: bool = False


@dataclass(frozen=True, slots=True)
class Flow:
    """The flow at one moment. ``volts`` and ``amperes`` are of the meter's conductors,
    ``watt_hours`` its counter.
    """

    pin_volts: float
    volts: tuple[float, ...]
    amperes: tuple[float, ...]
    watt_hours: float

    @property
    def watts(self) -> float:
        """True power through the meter."""
        return sum(u * i for u, i in zip(self.volts, self.amperes, strict=True))


class World:
    """The present state of the world, integrated lazily: each reading or action first advances the
    time.
    """

    def __init__(self, clock: ScaledClock, outlet: Outlet | None = None, car: Car | None = None) -> None:
        self.clock = clock
        self.outlet = outlet if outlet is not None else Outlet()
        self.car = car if car is not None else Car()
        self.faults: dict[str, str] = {}
        self.duty: float | None = 1.0
        self.locked = False
        self.emergency_stopped = False
        self.door_open = False
        self.incidents: deque[str] = deque(maxlen=64)
        self.moments: dict[str, float] = {}
        self._watchers: list[Watcher] = []
        self._then = clock.now()
        self.contactor = Contactor(clock, self.advance, self._moved)
        self.supply = Supply(self.outlet.limits)
        self._dc = DcCircuit(self.supply, self.contactor, self.car, self.outlet.cable_ohms, incidents=self._incident)
        self._ac = AcCircuit(self.contactor, self.car, self.outlet.phases, self.outlet.volts, self.outlet.cable_ohms)

    # --- time and changes ---

    def watch(self, watcher: Watcher) -> None:
        """Call ``watcher`` with the name of each thing that changes: pilot, current, feedback,
        inputs, token, faults...
        """
        self._watchers.append(watcher)

    def advance(self, moment: float = 0.0) -> None:
        """Bring energy and contactor to the present moment, or to ``moment`` if a timer's call
        comes slightly early.

        The contactor moves at its own moments in between, also if the event loop was held up.
        """
        now = max(moment, self.clock.now())
        while (due := self.contactor.due) is not None and due <= now:
            self._flow(due)
            self.contactor.move()
        self._flow(now)

    def _flow(self, until: float) -> None:
        """Integrate energy in the present switch positions."""
        seconds = until - self._then
        if seconds > 0.0:
            self._then = until
            if self.outlet.dc:
                self._dc.advance(seconds)
            else:
                self._ac.advance(seconds, self.duty)

    def _changed(self, what: str) -> None:
        for watcher in tuple(self._watchers):
            watcher(what)

    def _mark(self, moment: str, at: float | None = None) -> None:
        self.moments[moment] = self.clock.outside(self.clock.now() if at is None else at)

    def _incident(self, what: str) -> None:
        self.incidents.append(what)
        self._mark(f"incident_{what}")

    def _moved(self, what: str) -> None:
        if what == "contactor":
            self._mark("contactor_closed" if self.contactor.closed else "contactor_opened", self._then)
            if not self.contactor.closed and self.outlet.dc and self.supply.amperes > 5.0:
                self._incident("opened_under_load")
            self._dc.connect()
            what = "current"
        self._changed(what)

    # --- actions of people ---

    def plug_in(self) -> None:
        """Plug in, with S2 and the inlet relay open. Idempotent."""
        self.advance()
        if not self.car.plugged:
            self.car.plugged, self.car.ready, self.car.relay_closed = True, False, False
            self._mark("plugged_in")
            self._changed("pilot")

    def unplug(self, *, force: bool = False) -> None:
        """Unplug. Raises HalRejected while the plug is locked, unless ``force``."""
        if self.locked and not force:
            raise HalRejected("the plug is locked")
        self.advance()
        if self.car.plugged:
            self.car.plugged, self.car.ready, self.car.relay_closed = False, False, False
            self._dc.connect()
            self._mark("unplugged")
            self._changed("pilot")
            self._changed("current")

    def present_token(self, kind: str, value: str) -> None:
        """Present a card to the reader. Raises HalRejected for a kind with a colon, which separates
        kind and value.
        """
        if ":" in kind:
            raise HalRejected(f"no such kind of token: {kind}")
        self._changed(f"token:{kind}:{value}")

    def press_stop(self) -> None:
        self._changed("stop")

    def press_emergency_stop(self, pressed: bool = True) -> None:
        if pressed != self.emergency_stopped:
            self.emergency_stopped = pressed
            self._mark("emergency_stopped" if pressed else "emergency_stop_released")
            self._changed("inputs")

    def open_door(self, opened: bool = True) -> None:
        if opened != self.door_open:
            self.door_open = opened
            self._mark("door_opened" if opened else "door_closed")
            self._changed("inputs")

    # --- actions of the car ---

    def close_s2(self, closed: bool = True, *, ventilation: bool = False) -> None:
        """Pilot state C (D with ``ventilation``), or back to B. Raises HalRejected unless plugged
        in.
        """
        if not self.car.plugged:
            raise HalRejected("the car is not plugged in")
        self.advance()
        if (closed, ventilation) != (self.car.ready, self.car.ventilation):
            self.car.ready, self.car.ventilation = closed, closed and ventilation
            self._mark("s2_closed" if closed else "s2_opened")
            self._changed("pilot")

    def close_relay(self, closed: bool = True) -> None:
        """Switch the car's own DC relay at its inlet. Raises HalRejected unless plugged in."""
        if not self.car.plugged:
            raise HalRejected("the car is not plugged in")
        self.advance()
        if closed != self.car.relay_closed:
            self.car.relay_closed = closed
            self._dc.connect()
            self._mark("relay_closed" if closed else "relay_opened")
            self._changed("current")

    def draw_ac(self, amperes: float, phases: int | None = None) -> None:
        """Set the current that the car's charger draws on each phase, as agreed by digital
        communication.
        """
        if not 0.0 <= amperes <= 1000.0:
            raise HalRejected(f"a car does not draw {amperes} A")
        self.advance()
        self.car.ac_amperes = amperes
        if phases is not None:
            self.car.ac_phases = max(1, min(3, phases))

    # --- faults ---

    def inject(self, name: str) -> None:
        """Inject a fault. Raises HalRejected for a name that is not in :data:`FAULTS`."""
        if name not in FAULTS:
            raise HalRejected(f"no such fault: {name}; there are {', '.join(sorted(FAULTS))}")
        self._set_fault(name, True)

    def heal(self, name: str) -> None:
        """End a fault. No error if it is not active."""
        self._set_fault(name, False)

    def _set_fault(self, name: str, there: bool) -> None:
        self.advance()
        if there:
            self.faults[name] = FAULTS[name]
        else:
            self.faults.pop(name, None)
        contactor, supply = self.contactor, self.supply
        slow = "contactor_slow" in self.faults
        contactor.close_seconds, contactor.open_seconds = (0.4, 0.05) if slow else (0.03, 0.025)
        contactor.welded = "weld" in self.faults
        contactor.stuck_open = "contactor_stuck_open" in self.faults
        supply.dead = "supply_dead" in self.faults
        supply.runaway = "supply_runaway" in self.faults
        supply.overshoot = 1.25 if "supply_overshoot" in self.faults else 1.0
        contactor.shake()
        self._mark(f"{name}_injected" if there else f"{name}_healed")
        self._changed("faults")
        self._changed("pilot")

    # --- actuators and sensors of the safety controller ---

    def drive_pilot(self, duty: float | None) -> None:
        self.advance()
        self.duty = duty
        self._changed("pilot")

    def drive_lock(self, locked: bool) -> None:
        if "lock_stuck" not in self.faults:
            self.locked = locked and self.car.plugged

    def drive_supply(self, volts: float, amperes: float, phase: DcPhase) -> None:
        self.advance()
        ceiling = self.outlet.limits.max_amperes if phase is DcPhase.CHARGE else 2.0
        self.supply.target_volts, self.supply.target_amperes = volts, min(amperes, ceiling)
        self.supply.on = True

    def stop_supply(self) -> None:
        self.advance()
        self.supply.on = False

    def feedback(self) -> bool:
        """The contactor's mirror contact: True is closed."""
        self.advance()
        return self.contactor.feedback

    def pilot_volts(self) -> tuple[float, float]:
        """High and low peak at the pilot contact."""
        diode = "pilot_diode" not in self.faults
        return pilot_volts(self.car, self.duty, diode=diode, short="pilot_short" in self.faults)

    def flow(self) -> Flow:
        """The flow now."""
        self.advance()
        if self.outlet.dc:
            amperes = self.supply.amperes if self._dc.connected else 0.0
            return Flow(self._dc.pin_volts, (self.supply.volts,), (amperes,), self._dc.books.metered)
        volts = self.outlet.volts if self.contactor.closed else 0.0
        amperes, loaded = self._ac.draw(self.duty)
        phases = self.outlet.phases
        by_phase = tuple(amperes if phase < loaded else 0.0 for phase in range(phases))
        return Flow(volts, (volts,) * phases, by_phase, self._ac.books.metered)

    def present(self) -> tuple[float, float]:
        """Volts at the pins of the plug and amperes through them; on an AC outlet, of the first
        phase.
        """
        flow = self.flow()
        return flow.pin_volts, flow.amperes[0]

    def insulation_ohms(self) -> float:
        if "insulation_fault" in self.faults:
            return FAULTY_OHMS
        return min(HEALTHY_OHMS, self.car.inlet_ohms) if self.car.plugged else HEALTHY_OHMS

    @property
    def books(self) -> Books:
        """Energy so far."""
        self.advance()
        return self._dc.books if self.outlet.dc else self._ac.books

    def watts(self) -> float:
        """True power through the meter."""
        return self.flow().watts

    def truth(self) -> dict[str, Any]:
        """The whole state as plain values; times on the outside clock. For tests, the demo and its
        car.
        """
        flow, books, car = self.flow(), self.books, self.car
        high, low = self.pilot_volts()
        return {
            "now": self.clock.outside(self.clock.now()),
            "speed": self.clock.speed,
            "dc": self.outlet.dc,
            "plugged": car.plugged,
            "s2_closed": car.ready,
            "ventilation": car.ventilation,
            "relay_closed": car.relay_closed,
            "locked": self.locked,
            "duty": self.duty,
            "pilot_high_volts": high,
            "pilot_low_volts": low,
            "contactor_closed": self.contactor.closed,
            "supply_on": self.supply.on,
            "outlet_volts": flow.pin_volts,
            "amperes": flow.amperes[0],
            "phases": 0 if self.outlet.dc else self._ac.draw(self.duty)[1],
            "watts": flow.watts,
            "soc": car.battery.soc,
            "battery_volts": self._dc.battery_volts,
            "capacity_watt_hours": car.battery.capacity_watt_hours,
            "battery_max_volts": car.battery.max_volts,
            "battery_max_amperes": car.battery.max_amperes,
            "metered_watt_hours": books.metered,
            "cable_loss_watt_hours": books.cable_loss,
            "delivered_watt_hours": books.delivered,
            "stored_watt_hours": books.stored,
            "insulation_ohms": self.insulation_ohms(),
            "emergency_stopped": self.emergency_stopped,
            "door_open": self.door_open,
            "faults": sorted(self.faults),
            "incidents": list(self.incidents),
            "moments": dict(self.moments),
        }
