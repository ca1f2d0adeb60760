"""A Linux-native board on the bench: the circuit of a pilot with a car at it, and lines that are remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hal.boards.driven import Outlet
from hal.boards.pilot_board import LinuxBoard
from hal.errors import HalLost

RELAY_SECONDS = 0.02
HIGH = {"A": 12.0, "B": 9.0, "C": 6.0, "D": 3.0, "E": 0.0}


class Line:
    """An output, or an input that tells its edges."""

    def __init__(self, on_set: Callable[[bool], None] | None = None) -> None:
        self.on_change: Callable[[bool], None] = lambda active: None
        self.active = False
        self.closed = False
        self.broken = False
        self._on_set = on_set

    def set(self, active: bool) -> None:
        if self.broken:
            raise HalLost("the line is gone")
        self.active = active
        if self._on_set is not None:
            self._on_set(active)

    def turn(self, active: bool) -> None:
        self.active = active
        self.on_change(active)

    def close(self) -> None:
        self.closed = True


class Circuit:
    """Generator, car and peaks: what a detector behind a 1 kohm source would measure."""

    def __init__(self) -> None:
        self.duty = 1.0
        self.pulled = False
        self.car = "A"
        self.diode_missing = False
        self.glitches = 0
        self.broken = False

    def drive(self, duty: float) -> None:
        self.duty = duty

    def peak(self, high: bool) -> float:
        if self.broken:
            raise HalLost("the ADC does not answer")
        if self.glitches and high:
            self.glitches -= 1
            return 0.7
        if self.pulled:
            return 0.0
        up = HIGH[self.car]
        down = 0.0 if self.car == "E" else -up if self.diode_missing and self.car != "A" else -12.0
        if self.duty >= 1.0:
            return up
        if self.duty <= 0.0:
            return down
        return up if high else down


class Peak:
    def __init__(self, circuit: Circuit, high: bool) -> None:
        self._circuit, self._high = circuit, high

    def volts(self) -> float:
        return self._circuit.peak(self._high)

    def close(self) -> None:
        """Nothing to let go of."""


class PilotBench:
    def __init__(self, *, feedback: bool = True, lock: bool = False) -> None:
        self.loop = asyncio.get_running_loop()
        self.circuit = Circuit()
        self.relay = False
        self.welded = False
        self.stuck = False
        self.coil = Line(self._energize)
        self.mirror = Line()
        self.stop = Line()
        self.gate = Line(lambda active: setattr(self.circuit, "pulled", active))
        self.bolt = Line(self._slide)
        self.bolt_mirror = Line()
        self.bolt_stuck = False
        self.closings: list[str] = []
        self.board = LinuxBoard(
            "1",
            Outlet(phases=1, max_amperes=16.0, lock=lock),
            generator=self.circuit,
            high=Peak(self.circuit, True),
            low=Peak(self.circuit, False),
            contactor=self.coil,
            feedback=self.mirror if feedback else None,
            gate=self.gate,
            bolt=self.bolt if lock else None,
            bolt_feedback=self.bolt_mirror if lock else None,
        )
        self.board.wire(emergency_stop=self.stop)

    def plug(self, state: str) -> None:
        self.circuit.car = state

    async def open(self) -> PilotBench:
        await self.board.open()
        return self

    async def charging(self) -> None:
        self.plug("B")
        await asyncio.sleep(0.05)
        await self.board.pilot.set_duty(0.05)
        self.plug("C")
        await asyncio.sleep(0.05)
        await self.board.ac.allow(True, "test")
        await asyncio.sleep(0.05)
        assert self.relay

    def _energize(self, active: bool) -> None:
        if active:
            self.closings.append(self.circuit.car)
        self.loop.call_later(RELAY_SECONDS, self._move)

    def _move(self) -> None:
        wish = (self.coil.active and not self.stuck) or (self.relay and self.welded)
        if wish is not self.relay:
            self.relay = wish
            self.mirror.turn(wish)

    def _slide(self, locked: bool) -> None:
        if not self.bolt_stuck:
            self.loop.call_later(0.2, self.bolt_mirror.turn, locked)
