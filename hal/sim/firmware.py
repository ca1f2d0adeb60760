"""The command interface of the simulated board: plain dictionaries, so that they can pass through a
socket.

A command is ``{"do": name, ...}``; its reply ``{"ok": true, ...}`` or ``{"error": class, "text":
...}``, at once or later. An event is ``{"event": name, ...}``. Times in both are of the outside
clock.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from hal.address import Values
from hal.errors import HalError, HalRejected, HalTimeout, HalUnsupported
from hal.events import BoardEvent, FaultCleared, FaultRaised
from hal.faults import Trouble
from hal.readings import SAFE_AMPERES, ContactorState, DcPhase, Fault, Severity
from hal.sim.clock import Call
from hal.sim.safety import FAULT_OHMS, STEP_SECONDS, SafetyController
from hal.sim.world import Flow, World

Message = dict[str, Any]
Reply = Callable[[Message], None]

SELF_TEST_SECONDS = 2.0
MEASURING_SECONDS = 1.0
OFF_SECONDS = 1.9
LOCK_SECONDS = 0.1


class Firmware:
    """One board's controller with its devices. ``say`` is called with the events."""

    def __init__(self, world: World, say: Callable[[Message], None]) -> None:
        self.world = world
        self.clock = world.clock
        self._say = say
        self.safety = SafetyController(world, self._report, self._tell)
        self._measuring: Call | None = None
        self._measured: Message = {}
        self._was_silent = False
        world.watch(self._watch_silence)
        self._at_once: dict[str, Callable[[Message], Message | None]] = {
            "open": self._open,
            "close": self._close,
            "duty": lambda command: world.drive_pilot(number(command, "duty", 0.0, 1.0)),
            "e": lambda _: world.drive_pilot(None),
            "permit": lambda command: self.safety.permit(command.get("on") is True),
            "target": self._target,
            "imd": self._switch_imd,
            "meter": self._read_meter,
            "clear": lambda command: self.safety.clear(str(command.get("code"))),
            "overcurrent": self._limit,
            "residual_current": self._test_residual_current,
        }
        self._in_time: dict[str, Callable[[Message, Reply], None]] = {
            "off": self._off,
            "lock": self._move_lock,
            "unlock": self._move_lock,
            "imd_test": self._test_imd,
        }

    def _watch_silence(self, what: str) -> None:
        """Report all levels again after a silence, in which reports were lost."""
        if what == "faults" and self._was_silent != self.safety.silent:
            self._was_silent = self.safety.silent
            self._emit({"event": "levels", "events": self._everything(), "at": self._now()})

    # --- commands ---

    def submit(self, command: Message, reply: Reply) -> None:
        """Carry out one command. A silent controller does not reply; the reply to an invalid
        command is an error. Never raises.
        """
        if self.safety.silent:
            return
        name = str(command.get("do"))
        try:
            if (carry_out := self._at_once.get(name)) is not None:
                reply({"ok": True, **(carry_out(command) or {})})
            elif (begin := self._in_time.get(name)) is not None:
                begin(command, reply)
            else:
                raise HalUnsupported(f"no such command: {name}")
        except HalError as error:
            reply(refusal(error))

    def beat(self) -> Message | None:
        """Heartbeat of the station. Returns fresh measurements; None from a silent controller."""
        if self.safety.silent:
            return None
        self.safety.beat()
        return self.measure()

    def _open(self, _: Message) -> Message:
        self.safety.disarm()
        self.world.drive_pilot(1.0)
        return {"events": self._everything()}

    def _close(self, _: Message) -> None:
        self.safety.disarm()
        self.world.drive_pilot(1.0)
        self.world.drive_lock(False)
        self._stop_measuring()

    def _target(self, command: Message) -> None:
        limits = self.world.outlet.limits
        volts = number(command, "volts", 0.0, limits.max_volts)
        amperes = number(command, "amperes", 0.0, limits.max_amperes)
        try:
            phase = DcPhase(str(command.get("phase")))
        except ValueError as error:
            raise HalRejected(str(error)) from error
        self.safety.supply(volts, amperes, phase)

    def _off(self, _: Message, reply: Reply) -> None:
        self.safety.stop_supply()
        self._await_off(reply, self.clock.now() + OFF_SECONDS * self.clock.speed)

    def _await_off(self, reply: Reply, deadline: float) -> None:
        if abs(self.world.present()[1]) <= SAFE_AMPERES:
            self._report("measured")
            reply({"ok": True})
        elif self.clock.now() >= deadline:
            reply(refusal(HalTimeout("the supply's current does not fall")))
        else:
            self.clock.call_at(self.clock.now() + STEP_SECONDS, lambda: self._await_off(reply, deadline))

    def _move_lock(self, command: Message, reply: Reply) -> None:
        locked = command["do"] == "lock"
        if not locked:
            self._require_open()

        def confirm() -> None:
            self.world.drive_lock(locked)
            if self.world.locked is locked:
                self._emit(self._lock())
                reply({"ok": True})
            else:
                reply(refusal(HalTimeout("the lock does not confirm")))

        self.clock.call_at(self.clock.now() + LOCK_SECONDS, confirm)

    def _test_imd(self, _: Message, reply: Reply) -> None:
        def finish() -> None:
            if "imd_silent" not in self.world.faults:
                reply({"ok": True, "passed": "imd_self_test" not in self.world.faults})

        self.clock.call_at(self.clock.now() + SELF_TEST_SECONDS, finish)

    def _switch_imd(self, command: Message) -> None:
        if command.get("on") is not True:
            self._stop_measuring()
        elif self._measuring is None:
            self._await_measurement()

    def _stop_measuring(self) -> None:
        if self._measuring is not None:
            self._measuring.cancel()
            self._measuring = None

    def _await_measurement(self) -> None:
        # A fast world does not measure more often than the station can react.
        seconds = max(MEASURING_SECONDS, 0.2 * self.clock.speed)
        self._measuring = self.clock.call_at(self.clock.now() + seconds, self._measure_insulation)

    def _measure_insulation(self) -> None:
        if "imd_silent" not in self.world.faults:
            ohms = self.world.insulation_ohms()
            self._emit({"event": "imd", "ohms": ohms, "at": self._now()})
            if ohms < FAULT_OHMS:
                text = f"{ohms:.0f} ohms between conductors and earth"
                self.safety.fail(Trouble("insulation_fault", Severity.EMERGENCY, text, latched=True))
        self._await_measurement()

    def _read_meter(self, _: Message) -> Message:
        if "meter_lost" in self.world.faults:
            raise HalTimeout("the meter does not answer")
        return {"meter": _meter(self.world.flow(), self._now())}

    def _limit(self, command: Message) -> None:
        self.safety.max_amperes = number(command, "amperes", 0.0, 1000.0)

    def _test_residual_current(self, _: Message) -> Message:
        self._require_open()
        return {"passed": "residual_current" not in self.world.faults}

    def _require_open(self) -> None:
        if self.safety.contactor_state is not ContactorState.OPEN:
            raise HalRejected("the contactor is not open")

    # --- reports ---

    def _now(self) -> float:
        return self.clock.outside(self.clock.now())

    def _emit(self, event: Message) -> None:
        if not self.safety.silent:
            self._say(event)

    def _report(self, what: str) -> None:
        kind, _, detail = what.partition(":")
        match kind:
            case "pilot":
                self._emit(self._pilot())
            case "contactor":
                self._emit(self._contactor())
            case "inputs":
                self._emit(self._inputs())
            case "measured":
                self._emit(self.measure())
            case "token":
                form, _, value = detail.partition(":")
                self._emit({"event": "token", "kind": form, "value": value, "at": self._now()})
            case "stop":
                self._emit({"event": "stop", "at": self._now()})

    def _tell(self, event: BoardEvent) -> None:
        match event:
            case FaultRaised(fault):
                self._emit(_fault(fault))
            case FaultCleared(fault):
                self._emit({"event": "cleared", "code": fault.code})

    def _everything(self) -> list[Message]:
        levels = [self._pilot(), self._contactor(), self._inputs(), self._lock(), self.measure()]
        return levels + [_fault(fault) for fault in self.safety.faults.active]

    def _pilot(self) -> Message:
        high, low = self.world.pilot_volts()
        return {
            "event": "pilot",
            "state": self.safety.state.value,
            "at": self._now(),
            "duty": self.world.duty,
            "high_volts": high,
            "low_volts": low,
        }

    def _contactor(self) -> Message:
        return {"event": "contactor", "state": self.safety.contactor_state.value, "at": self._now()}

    def _inputs(self) -> Message:
        world = self.world
        return {
            "event": "inputs",
            "emergency_stopped": world.emergency_stopped,
            "door_open": world.door_open,
            "at": self._now(),
        }

    def _lock(self) -> Message:
        return {"event": "lock", "state": "locked" if self.world.locked else "unlocked", "at": self._now()}

    def measure(self) -> Message:
        """Returns fresh measurements; a silent device keeps its last value and time."""
        flow, faults, at = self.world.flow(), self.world.faults, self._now()
        if "supply_silent" not in faults:
            self._measured["present"] = {"volts": flow.pin_volts, "amperes": flow.amperes[0], "at": at}
        if "meter_lost" not in faults:
            self._measured["meter"] = _meter(flow, at)
        return {"event": "measured", "at": at, **self._measured}


def _fault(fault: Fault) -> Message:
    return {"event": "fault", **dataclasses.asdict(fault), "severity": int(fault.severity)}


def _meter(flow: Flow, at: float) -> Message:
    return {
        "watt_hours_import": flow.watt_hours,
        "volts": flow.volts,
        "amperes": flow.amperes,
        "watts": flow.watts,
        "at": at,
    }


def refusal(error: HalError) -> Message:
    """Returns the reply from which :func:`hal.sim.link.result` raises this error again."""
    return {"error": type(error).__name__, "text": str(error)}


def number(command: Message, name: str, low: float, high: float) -> float:
    """Returns a number from a message. Raises HalRejected for another type, or outside the bounds."""
    return Values("", command, command).number(name, low, high)
