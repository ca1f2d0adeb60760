"""A power path on the simulated world, in virtual time and without asyncio: effects become commands to the board, the board's words become
events. What the tests judge is the world's truth (true contactor, true current), never the effects."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from hal.events import FaultRaised
from hal.guard import ConsentLost
from hal.interlock import Circumstances, Insulation, Interlock, Purpose
from hal.port_queue import CommandFailed
from hal.readings import DcPhase, Fault, InputsReading, PilotReading, PilotState, Severity
from hal.sim.clock import ScaledClock
from hal.sim.firmware import Firmware
from hal.sim.world import Outlet, World
from secc.conversation import Abandon, Answered, Ask, Asked, Effect, End, Levels, Tell, Ticket, Timeout
from secc.energy import AcSettings, DcSettings, PowerPath
from secc.energy.effects import (
    AllowPower,
    Announce,
    CloseDcContactor,
    Notice,
    OpenDcContactor,
    ReleasePower,
    ReportInsulation,
    SeekConsent,
    SetOvercurrent,
    SetSupply,
    StartInsulationMonitor,
    StopInsulationMonitor,
    SwitchSupplyOff,
    TestInsulationMonitor,
    WithdrawPower,
)
from secc.energy.events import ContactorOpeningTold, Ticked
from secc.session.effects import CheckCable, KeepCable, Remark, ReportFault, StartPower, StopPower
from secc.session.events import Unplugged
from tests.board_events import (
    contactor_changed,
    emergency_stop_changed,
    insulation_measured,
    pilot_changed,
)
from tests.virtual_clock import VirtualClock

STEP = 0.01
CHECKING = Timeout("cable check", 38.0, "a protocol's")
SWITCHING = Timeout("power on or off", 4.3, "a protocol's")
START, STOP, KEEP = StartPower(SWITCHING), StopPower(SWITCHING), StopPower(SWITCHING, keep_contactor=True)


class Bench:
    """One outlet with a car on it, and the power path that serves it."""

    def __init__(self, settings: DcSettings | AcSettings, *, plugged: bool = True, beats: bool = True) -> None:
        self.clock = VirtualClock(100.0)
        self.dc = isinstance(settings, DcSettings)
        self.settings = settings
        self.world = World(ScaledClock(self.clock, 1.0), Outlet(dc=self.dc))
        self.board = Firmware(self.world, self._say)
        self.interlock = Interlock()
        self.purpose = Purpose.NONE
        self.insulation = Insulation.UNKNOWN
        self.faults: dict[str, Fault] = {}
        self.latest: dict[str, dict[str, Any]] = {}
        self.told: dict[int, Any] = {}
        self.asked: dict[int, Ticket[Any]] = {}
        self.reported: list[ReportFault] = []
        self.notices: list[Notice] = []
        self.setpoints: list[tuple[float, SetSupply]] = []
        self.effects: list[Effect] = []
        self.ended: End | None = None
        self.beats = beats
        self.heard_at = -math.inf
        self.listening = True
        """False: what the board says is lost on the way to the power path."""
        self.watch: Callable[[], None] = lambda: None
        """Called after every step of time: a property to be held."""
        self._inbox: list[object] = []
        self._numbers = itertools.count(1000)
        self._next_beat = self._next_tick = self.clock.now()
        self._busy = False
        self.board.beat()
        self._answer(self.board.submit, {"do": "open"}, "open")
        if plugged:
            self.world.plug_in()
            if not self.dc:
                self.board.submit({"do": "duty", "duty": 0.05}, lambda reply: None)
        self.clock.advance(0.1)
        self.begin()

    # --- what a test says ---

    def begin(self) -> None:
        """The power path's conversation for one plug-in."""
        self.session = PowerPath(self.settings, now=self.clock.now())
        self.ended = None
        self.reported.clear()
        self._inbox.clear()
        self._step(lambda now: self.session.begin(now))
        self.run(0.1)

    def ask(self, question: CheckCable | KeepCable | StartPower | StopPower) -> int:
        """Ask as the V2G session does; ``told[number]`` has the answer when it is there."""
        number = next(self._numbers)
        self.asked[number] = Ticket(number, type(question).__name__)
        self.hear(Asked(self.asked[number], question))
        return number

    def answer(self, question: CheckCable | KeepCable | StartPower | StopPower, seconds: float = 40.0) -> Any:
        """Ask, and let time pass until the answer is there."""
        number = self.ask(question)
        self.run_until(lambda: number in self.told, seconds)
        return self.told[number]

    def hear(self, event: object) -> None:
        self._inbox.append(event)
        self._deliver()

    def unplug(self) -> None:
        self.world.unplug(force=True)
        self.hear_unplugged_when_seen()

    def hear_unplugged_when_seen(self) -> None:
        self.run_until(lambda: self.levels.pilot == "A", 1.0)
        self.hear(Unplugged())

    def run(self, seconds: float) -> None:
        end = self.clock.now() + seconds
        while self.clock.now() < end - 1e-9:
            self._tick()

    def run_until(self, condition: Callable[[], bool], seconds: float) -> float:
        """Let time pass until it is so; returns how long it took, and fails if it takes longer."""
        start = self.clock.now()
        while not condition():
            assert self.clock.now() - start < seconds, f"not within {seconds} s: {self.world.truth()}"
            self._tick()
        return self.clock.now() - start

    # --- what is true ---

    @property
    def powered(self) -> bool:
        """True if anything behind the contactor is live by our doing."""
        truth = self.world.truth()
        return bool(truth["contactor_closed"] and (not self.dc or truth["supply_on"]))

    @property
    def dead(self) -> bool:
        truth = self.world.truth()
        return not truth["contactor_closed"] and not truth["supply_on"]

    @property
    def levels(self) -> Levels:
        present = self.latest.get("present", {"volts": 0.0, "amperes": 0.0, "at": -math.inf})
        meter = self.latest.get("meter", {"watt_hours_import": 0.0, "at": -math.inf})
        return Levels(
            pilot=self.latest.get("pilot", {"state": "?"})["state"],
            contactor=self.latest.get("contactor", {"state": "unknown"})["state"],
            volts=present["volts"],
            amperes=present["amperes"],
            measured_at=present["at"],
            watt_hours=meter["watt_hours_import"],
            metered_at=meter["at"],
            contactor_at=self.heard_at,
        )

    # --- machinery ---

    def _tick(self) -> None:
        self.clock.advance(STEP)
        if self.beats and self.clock.now() >= self._next_beat:
            self._next_beat = self.clock.now() + 0.1
            measured = self.board.beat()
            if measured is not None:
                self._say(measured)
        self._guard()
        self._deliver()
        self.watch()
        due = self.session.deadline
        if due is not None and self.clock.now() >= due.at:
            self._step(lambda now: self.session.expire(now))
        if self.clock.now() >= self._next_tick:
            self._next_tick = self.clock.now() + 0.1
            if self.session.supervised:
                self.hear(Ticked())

    def _deliver(self) -> None:
        while self._inbox and not self._busy:
            event = self._inbox.pop(0)
            self._step(partial(self.session.receive, event))

    def _step(self, step: Callable[[float], tuple[Effect, ...]]) -> None:
        if self.ended is not None:
            return
        self._busy = True
        self.session.levels = self.levels
        effects = step(self.clock.now())
        for effect in effects:
            self._perform(effect)
        self._busy = False

    def _guard(self) -> None:
        consent = self.interlock.consent(self._circumstances(), self.clock.now())
        if self.purpose is not Purpose.NONE and not consent:
            self.purpose = Purpose.NONE
            self._release()
            self._inbox.append(ConsentLost(str(consent)))

    def _circumstances(self, purpose: Purpose | None = None) -> Circumstances:
        pilot = self.latest["pilot"]
        return Circumstances(
            asked=self.purpose if purpose is None else purpose,
            pilot=PilotReading(PilotState(pilot["state"]), pilot["at"], pilot["at"]),
            inputs=InputsReading(self.world.emergency_stopped, self.world.door_open, self.clock.now()),
            faults=tuple(self.faults.values()),
            board_healthy=True,
            last_beat=self.clock.now(),
            insulation=self.insulation,
            held=self.purpose is not Purpose.NONE,
        )

    def _release(self) -> None:
        self.board.submit({"do": "off"}, lambda reply: None)
        self.board.submit({"do": "permit", "on": False}, lambda reply: None)

    def _answer(self, command: Callable[..., None], message: dict[str, Any], name: str) -> None:
        def reply(answer: dict[str, Any]) -> None:
            for event in answer.get("events", ()):
                self._say(event)
            if "error" in answer:
                self._inbox.append(CommandFailed(name, str(answer.get("text"))))
            elif name in (OpenDcContactor.__name__, WithdrawPower.__name__):
                self._inbox.append(ContactorOpeningTold())

        command(message, reply)

    def _do(self, name: str, **message: Any) -> None:
        self._answer(self.board.submit, message, name)

    def _perform(self, effect: Effect) -> None:
        self.effects.append(effect)
        match effect:
            case SeekConsent():
                consent = self.interlock.consent(self._circumstances(effect.purpose), self.clock.now())
                if consent:
                    self.purpose = effect.purpose
                    if effect.purpose is Purpose.CABLE_CHECK:
                        self.insulation = Insulation.UNKNOWN
                else:
                    self._inbox.append(ConsentLost(str(consent)))
            case ReleasePower():
                if self.purpose is not Purpose.NONE:
                    self.purpose = Purpose.NONE
                    self._release()
            case ReportInsulation():
                self.insulation = effect.finding
            case AllowPower() | CloseDcContactor():
                if self.purpose is Purpose.NONE:
                    self._inbox.append(CommandFailed(type(effect).__name__, "interlock"))
                else:
                    self._do(type(effect).__name__, do="permit", on=True)
            case WithdrawPower() | OpenDcContactor():
                self._do(type(effect).__name__, do="permit", on=False)
            case SetOvercurrent():
                self._do("SetOvercurrent", do="overcurrent", amperes=effect.amperes)
            case SetSupply():
                self._check(effect)
                self.setpoints.append((self.clock.now(), effect))
                if self.purpose is Purpose.NONE:
                    self._inbox.append(CommandFailed("SetSupply", "interlock"))
                else:
                    volts, amperes, phase = effect.volts, effect.amperes, effect.phase.value
                    self._do("SetSupply", do="target", volts=volts, amperes=amperes, phase=phase)
            case SwitchSupplyOff():
                self._do("SwitchSupplyOff", do="off")
            case StartInsulationMonitor() | StopInsulationMonitor():
                self._do(type(effect).__name__, do="imd", on=isinstance(effect, StartInsulationMonitor))
            case Ask():
                assert isinstance(effect.question, TestInsulationMonitor)
                ticket = effect.ticket
                passed = lambda reply: self._inbox.append(Answered(ticket, reply.get("passed") is True))  # noqa: E731
                self.board.submit({"do": "imd_test"}, passed)
            case Tell():
                assert effect.ticket.number not in self.told, "told twice"
                self.told[effect.ticket.number] = effect.answer
            case ReportFault():
                self.reported.append(effect)
            case Announce():
                self.notices.append(effect.notice)
            case End():
                self.ended = effect
            case Abandon() | Remark():
                pass
            case _:
                raise AssertionError(f"nobody performs {effect}")

    def _check(self, setpoint: SetSupply) -> None:
        assert isinstance(self.settings, DcSettings)
        limits = self.settings.limits
        assert math.isfinite(setpoint.volts)
        assert math.isfinite(setpoint.amperes)
        assert 0.0 <= setpoint.volts <= limits.maximum_volts
        assert 0.0 <= setpoint.amperes <= limits.maximum_amperes
        if setpoint.phase is not DcPhase.CHARGE:
            assert setpoint.amperes <= 2.0

    def _say(self, message: dict[str, Any]) -> None:
        name = message["event"]
        self.heard_at = self.clock.now()
        self.latest.update({part: message[part] for part in ("present", "meter") if part in message})
        self.latest[name] = message
        if not self.listening or not hasattr(self, "session"):
            return
        if name == "pilot":
            self._inbox.append(pilot_changed(message["state"], message["at"]))
        elif name == "contactor":
            self._inbox.append(contactor_changed(message["state"], message["at"]))
        elif name == "imd":
            self._inbox.append(insulation_measured(message["ohms"], message["at"]))
        elif name == "fault":
            fault = Fault(
                message["code"], Severity(message["severity"]), message["text"], message["latched"], message["at"]
            )
            self.faults[fault.code] = fault
            self._inbox.append(FaultRaised(fault))
        elif name == "cleared":
            self.faults.pop(message["code"], None)
        elif name == "inputs" and message["emergency_stopped"]:
            self._inbox.append(emergency_stop_changed())
