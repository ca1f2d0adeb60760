"""A safety controller of the Charge SOM as its documents describe it, with a parser of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

REPORT_SECONDS = 0.1
COM_TIMEOUT_SECONDS = 0.4
STARTUP_SECONDS = 0.3
RELAY_SECONDS = 0.02
STATES = {"A": 1, "B": 2, "C": 3, "D": 4, "E": 5, "F": 6}


def crc(octets: bytes) -> int:
    """Bit by bit, as the standard's text has it."""
    value = 0xFF
    for octet in octets:
        for bit in range(7, -1, -1):
            top = value >> 7 ^ (octet >> bit & 1)
            value = value << 1 & 0xFF
            if top:
                value ^= 0x1D
    return value ^ 0xFF


def frame(com: int, data: int) -> bytes:
    body = bytes([com]) + data.to_bytes(8, "big")
    return b"\xa5" + body + bytes([crc(body)]) + b"\x03"


class FakeChargeSom:
    """``closed`` is the true contactor. ``asked`` logs every change of the close request, with what was last reported."""

    def __init__(self) -> None:
        self.say: Callable[[bytes], None] = lambda octets: None
        self._loop = asyncio.get_running_loop()
        self.car = "A"
        self.emergency = False
        self.welded = False
        self.stuck = False
        self.diode_missing = False
        self.shorted = False
        self.hot = False
        self.residual = 0
        self.residual_result = 1
        self.proximity = 0
        self.powered = True
        self.silent = False
        self.deaf = False
        self.held = False
        self.alive_at = self._loop.time()
        self.running = False
        self.safe = 0
        self.duty = 0
        self.request = 0
        self.relay = False
        self.heard_at: float | None = None
        self.reported = "?"
        self.asked: list[tuple[float, bool, str]] = []
        self.resets = 0
        self.rubbish = 0
        self._moving: asyncio.TimerHandle | None = None
        self._buffer = b""
        self._loop.call_later(0.013, self._turn)

    # --- the world ---

    @property
    def closed(self) -> bool:
        return self.relay

    @property
    def pilot(self) -> str:
        if self.safe:
            return "F"
        if not self.running:
            return "E"
        if self.duty == 0:
            return "F"
        return "E" if self.shorted else self.car

    def plug(self, state: str) -> None:
        self.car = state
        self._work()

    def press(self, pressed: bool) -> None:
        self.emergency = pressed
        self._work()

    def set(self, active: bool) -> None:
        """The reset line."""
        if active:
            self.resets += 1
            self.restart()
        self.held = active
        self.alive_at = self._loop.time() + STARTUP_SECONDS

    def close(self) -> None:
        """The reset line is let go."""

    def restart(self) -> None:
        """A reset, whoever made it."""
        self.running, self.safe, self.duty, self.request, self.heard_at = False, 0, 0, 0, None
        self.alive_at = self._loop.time() + STARTUP_SECONDS
        self._work()

    def power(self, on: bool) -> None:
        self.powered = on
        self.restart()

    # --- its work ---

    @property
    def alive(self) -> bool:
        return self.powered and not self.held and self._loop.time() >= self.alive_at

    def _work(self) -> None:
        if self.running and not self.safe:
            if self.emergency:
                self.safe = 16
            elif self.diode_missing and self.duty not in (0, 1000) and self.car != "A":
                self.safe = 14
            elif self.hot:
                self.safe = 7
            elif self.welded and self.relay and not self.request:
                self.safe = 15
        wish = bool(self.alive and self.running and not self.safe and self.request and self.pilot in "CD")
        wish = wish and not self.stuck
        if wish is not self.relay and self._moving is None and (wish or not self.welded):
            self._moving = self._loop.call_later(RELAY_SECONDS, self._move, wish)

    def _move(self, closed: bool) -> None:
        self._moving = None
        self.relay = closed
        self._work()

    def _turn(self) -> None:
        self._loop.call_later(REPORT_SECONDS, self._turn)
        now = self._loop.time()
        if self.running and self.heard_at is not None and now - self.heard_at > COM_TIMEOUT_SECONDS and not self.safe:
            self.safe = 2
        self._work()
        if self.alive and self.running and not self.silent:
            self.reported = self.pilot
            self.say(frame(0x07, self.state()))
            self.say(frame(0x08, 0x7FFC_7FFC_7FFC_0000 | (900 << 2) | int(self.hot)))

    def state(self) -> int:
        word = (0 if self.safe else 1) << 63 | (1 if self.safe else 0) << 58 | self.duty << 48
        word |= int(self.shorted) << 43 | int(self.diode_missing) << 44 | STATES[self.pilot] << 40
        word |= self.proximity << 32 | (2 if self.relay else 1) << 24 | 3 << 26 | 3 << 28
        word |= self.residual << 22 | int(self.emergency) << 16 | 3 << 18 | 3 << 20 | self.safe << 8
        return word

    def hear(self, octets: bytes) -> None:
        if not self.alive or self.deaf:
            return
        self._buffer += octets
        while len(self._buffer) >= 12:
            body = self._buffer[1:10]
            if self._buffer[0] == 0xA5 and self._buffer[11] == 3 and crc(body) == self._buffer[10]:
                self._obey(body[0], int.from_bytes(body[1:], "big"))
                self._buffer = self._buffer[12:]
            else:
                self._buffer = self._buffer[1:]
                self.rubbish += 1

    def _obey(self, com: int, data: int) -> None:
        if com == 0xFF and data >> 56 == 0xFE and data >> 48 & 0xFF == 1:
            self.say(frame(0xFE, 1 << 56))
            self.residual = 2
            self._loop.call_later(0.5, setattr, self, "residual", self.residual_result)
        if com != 0x06:
            return
        self.heard_at = self._loop.time()
        if not self.running:
            self.running = True
        if not self.safe:
            self.duty = data >> 48 & 0x3FF
        request = data >> 40 & 7
        if bool(request) is not bool(self.request):
            self.asked.append((self._loop.time(), bool(request), self.reported))
        self.request = request
        self._work()
