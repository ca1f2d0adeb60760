"""The simulated safety controller: the protection in a board's microcontroller, independent of the
station.

It closes contactors only in pilot state C or D, with a fresh heartbeat, no emergency stop, a closed
door and no fault. It opens them by itself within 100 ms when one of these conditions ends, and
within a second of the last heartbeat. It sees the world through sensors only.
:mod:`hal.sim.firmware` is its command interface.
"""

from __future__ import annotations

from collections.abc import Callable

from hal.boards.troubles import HEARTBEAT_LOST, PILOT_DIODE, PILOT_SHORT, STUCK_OPEN, WELDED
from hal.errors import HalRejected
from hal.events import BoardEvent
from hal.faults import ActiveFaults, Trouble
from hal.pilot import classify
from hal.readings import SAFE_AMPERES, ContactorState, DcPhase, PilotState, Severity
from hal.sim.clock import Call
from hal.sim.world import World

HEARTBEAT_SECONDS = 0.7
"""Outside time without a beat after which the board opens; leaves 300 ms of the second for current
and contactor.
"""

DEBOUNCE_SECONDS = 0.015
UNLOADING_SECONDS = 0.03
"""How long the contactor waits for the supply's current to fall when it has to open."""

STEP_SECONDS = 0.005
WELD_SECONDS = 0.15
CLOSE_SECONDS = 0.5
SUPERVISION_SECONDS = 0.12
"""Outside time between two checks of voltage and current. A beat is also a check; beats every 0.1 s
make others unnecessary.
"""
OVERVOLTAGE_FACTOR = 1.1
DEAD_VOLTS = 1.0
OVERCURRENT_SECONDS = 7.0
FAULT_OHMS = 100_000.0
OVERVOLTAGE = Trouble("overvoltage", Severity.EMERGENCY, "the outlet's voltage is above its limit", latched=True)
OVERCURRENT = Trouble("overcurrent", Severity.EMERGENCY, "the car draws more than it may", latched=True)
PILOT_FLAWS = {"diode": PILOT_DIODE, "short": PILOT_SHORT}
SENSED = (
    ("residual_current", Severity.EMERGENCY, True),
    ("meter_lost", Severity.STOP, False),
    ("over_temperature", Severity.STOP, False),
)


class SafetyController:
    """Drives pilot, contactor and supply of one world. ``report`` is called with what changed:
    pilot, contactor, inputs..., and ``measured`` to report current and voltage anew; ``tell`` is
    called with the events of faults.

    Protective times run on the world's clock; the heartbeat comes from outside and has outside
    time.
    """

    def __init__(self, world: World, report: Callable[[str], None], tell: Callable[[BoardEvent], None]) -> None:
        self.world = world
        self.clock = world.clock
        self.report = report
        self.permitted = False
        self.state = PilotState.A
        self.faults = ActiveFaults(tell, lambda: self.clock.outside(self.clock.now()))
        self.contactor_state = ContactorState.OPEN
        self._debounce: tuple[PilotState, Call] | None = None
        self._opening: Call | None = None
        self._contactor_check: Call | None = None
        self._supervision: Call | None = None
        self.max_amperes: float | None = None
        self._over_since: float | None = None
        self._last_beat: float | None = None
        self._beat_check: Call | None = None
        world.watch(self._on_change)

    # --- commands of the station ---

    @property
    def silent(self) -> bool:
        """Whether it is cut off from the station."""
        return "controller_silent" in self.world.faults

    @property
    def beating(self) -> bool:
        """Whether the last heartbeat is fresh."""
        return self._last_beat is not None and self.clock.now() - self._last_beat <= self._patience

    @property
    def _patience(self) -> float:
        return HEARTBEAT_SECONDS * self.clock.speed

    def beat(self) -> None:
        """Heartbeat of the station."""
        self._last_beat = self.clock.now()
        self.faults.end(HEARTBEAT_LOST.code)
        if self._beat_check is None:
            self._beat_check = self.clock.call_at(self._last_beat + self._patience, self._check_beat)
        if self._supervision is not None:
            self._supervision.cancel()
            self._inspect()

    def permit(self, on: bool) -> None:
        """Give or end the permission. On an AC outlet the contactor follows the pilot while it
        lasts.

        Raises HalRejected with the reason against it.
        """
        if not on:
            self.permitted = False
            self._open()
            return
        against = self._against()
        # An AC permission may be given before the car is ready; DC contactors close now or not at
        # all.
        if self.world.outlet.dc and not self.state.ready:
            against = against or f"pilot state {self.state}"
        if against:
            raise HalRejected(against)
        self.permitted = True
        self._close()

    def supply(self, volts: float, amperes: float, phase: DcPhase) -> None:
        """Switch the supply on. Raises HalRejected as :meth:`permit` does."""
        against = self._against()
        if against:
            raise HalRejected(against)
        self.world.drive_supply(volts, amperes, phase)
        self._supervise()

    def stop_supply(self) -> None:
        self.world.stop_supply()

    def disarm(self) -> None:
        """The station ends: switch off, and expect no more beats."""
        self.permit(False)
        self.stop_supply()
        self._last_beat = None
        if self._beat_check is not None:
            self._beat_check.cancel()
            self._beat_check = None

    def clear(self, code: str) -> None:
        """End a latched fault. Raises HalRejected while its cause lasts."""
        causes = {
            "contactor_welded": self.world.feedback() and not self.world.contactor.driven,
            "residual_current": "residual_current" in self.world.faults,
            "insulation_fault": self.world.insulation_ohms() < FAULT_OHMS,
            "pilot_diode": self.state is PilotState.UNKNOWN,
        }
        for fault in self.faults.active:
            if fault.code == code and causes.get(code, not fault.latched):
                raise HalRejected(f"the cause of {code} is still there")
        self.faults.forget(code)
        self._settle_contactor()

    # --- reasons against power ---

    def _against(self) -> str:
        world = self.world
        if world.emergency_stopped:
            return "emergency stop"
        if world.door_open:
            return "door open"
        if not self.beating:
            return "no heartbeat"
        return f"fault {self.faults.emergency}" if self.faults.emergency else ""

    def trip(self) -> None:
        """Switch the power off and end the permission."""
        self.permitted = False
        self._open()

    def fail(self, trouble: Trouble) -> None:
        """Report a fault once; an EMERGENCY trips before it is reported."""
        if trouble.severity is Severity.EMERGENCY and trouble.code not in self.faults:
            self.trip()
        self.faults.begin(trouble)

    def _check_beat(self) -> None:
        self._beat_check = None
        if self._last_beat is None:
            return
        due = self._last_beat + self._patience
        if self.clock.now() < due:
            self._beat_check = self.clock.call_at(due, self._check_beat)
        else:
            self.fail(HEARTBEAT_LOST)

    # --- sensors ---

    def _on_change(self, what: str) -> None:
        if what == "pilot":
            self._sample_pilot()
        elif what == "inputs":
            if self.world.emergency_stopped or self.world.door_open:
                self.trip()
            self.report("inputs")
        elif what == "feedback":
            self._settle_contactor()
        elif what == "current":
            self.report("measured")
            self._supervise()
        elif what == "faults":
            self._sense_faults()
        elif what.startswith(("token:", "stop")):
            self.report(what)

    def _sense_faults(self) -> None:
        for code, severity, latched in SENSED:
            if code in self.world.faults:
                self.fail(Trouble(code, severity, self.world.faults[code], latched))
            else:
                self.faults.end(code)

    def _sample_pilot(self) -> None:
        high, low = self.world.pilot_volts()
        measured = classify(high, low, self.world.duty, self.state)
        if self._debounce is not None:
            if self._debounce[0] is measured.state:
                return
            self._debounce[1].cancel()
            self._debounce = None
        if measured.state is self.state:
            self.report("pilot")
            return
        call = self.clock.call_at(
            self.clock.now() + DEBOUNCE_SECONDS, lambda: self._settle_pilot(measured.state, measured.flaw)
        )
        self._debounce = (measured.state, call)

    def _settle_pilot(self, state: PilotState, flaw: str | None) -> None:
        self._debounce = None
        self.state = state
        if not state.ready:
            self.trip()
        if state is PilotState.A:
            self.faults.forget(PILOT_DIODE.code)
        if flaw != "short":
            self.faults.end(PILOT_SHORT.code)
        if flaw in PILOT_FLAWS:
            self.fail(PILOT_FLAWS[flaw])
        self.report("pilot")
        self._close()

    # --- contactor and supply ---

    def _close(self) -> None:
        if not self.permitted or not self.state.ready or self._against():
            return
        self._cancel_opening()
        if not self.world.contactor.driven:
            self.world.contactor.drive(True)
            self._watch_contactor(CLOSE_SECONDS)
            self._supervise()

    def _open(self) -> None:
        """Supply off; contactor open as soon as the current is small, after UNLOADING_SECONDS in
        any case.
        """
        self.world.stop_supply()
        if self.world.contactor.driven and self._opening is None:
            self._unload(self.clock.now() + UNLOADING_SECONDS)

    def _unload(self, deadline: float) -> None:
        self._opening = None
        now = self.clock.now()
        loaded = self.world.outlet.dc and abs(self.world.present()[1]) > SAFE_AMPERES
        if loaded and now < deadline:
            self._opening = self.clock.call_at(min(now + STEP_SECONDS, deadline), lambda: self._unload(deadline))
            return
        self.world.contactor.drive(False)
        self._watch_contactor(WELD_SECONDS)

    def _cancel_opening(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None

    def _watch_contactor(self, seconds: float) -> None:
        if self._contactor_check is not None:
            self._contactor_check.cancel()
        self._contactor_check = self.clock.call_at(self.clock.now() + seconds, self._check_contactor)

    def _check_contactor(self) -> None:
        self._contactor_check = None
        closed, driven = self.world.feedback(), self.world.contactor.driven
        if closed and not driven:
            self._report_contactor(ContactorState.WELDED)
            self.fail(WELDED)
        elif driven and not closed:
            self.permitted = False
            self._open()
            self.fail(STUCK_OPEN)

    def _settle_contactor(self) -> None:
        if not self.world.feedback():
            state = ContactorState.OPEN
        else:
            state = ContactorState.WELDED if WELDED.code in self.faults else ContactorState.CLOSED
        self._report_contactor(state)

    def _report_contactor(self, state: ContactorState) -> None:
        if state is not self.contactor_state:
            self.contactor_state = state
            self.report("contactor")

    def _supervise(self) -> None:
        """While the outlet is switched on or live, check the voltage and report the measurements
        periodically.
        """
        world = self.world
        if self._supervision is None and (
            world.supply.giving or world.contactor.driven or world.contactor.closed or world.present()[0] > DEAD_VOLTS
        ):
            # In outside time: the station needs fresh reports, and a fast world does not need more
            # checks.
            self._supervision = self.clock.call_at(
                self.clock.now() + SUPERVISION_SECONDS * self.clock.speed, self._look
            )

    def _look(self) -> None:
        self._inspect()
        self.report("measured")

    def _inspect(self) -> None:
        self._supervision = None
        volts, amperes = self.world.present()
        if self.world.outlet.dc and volts > self.world.outlet.limits.max_volts * OVERVOLTAGE_FACTOR:
            self.fail(OVERVOLTAGE)
        self._check_current(amperes)
        self._supervise()

    def _check_current(self, amperes: float) -> None:
        """The car exceeds the set current by more than a tenth and half an ampere for seven
        seconds: overcurrent.
        """
        limit = self.max_amperes
        if limit is None or amperes <= limit * 1.1 + 0.5:
            self._over_since = None
        elif self._over_since is None:
            self._over_since = self.clock.now()
        elif self.clock.now() - self._over_since >= OVERCURRENT_SECONDS:
            self.fail(OVERCURRENT)
