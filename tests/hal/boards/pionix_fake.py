"""A controller of the Pionix family as its protocol files describe it, with a parser of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

TURN_SECONDS = 0.01
RELAY_SECONDS = 0.02
STATES = "ABCDEF"

NUMBERS: dict[str, dict[str, int]] = {
    "yeti": {
        "keep": 100,
        "lock": 102,
        "pwm": 103,
        "power": 104,
        "reset": 105,
        "phases": 106,
        ">keep": 3,
        ">reset": 101,
        ">cp": 102,
        ">relay": 103,
        ">errors": 104,
        ">pp": 106,
        ">lock": 107,
        ">meter": 108,
    },
    "phyverso": {
        "keep": 1,
        "lock": 3,
        "pwm": 4,
        "power": 5,
        "reset": 6,
        "connector": 7,
        "config": 8,
        ">keep": 1,
        ">reset": 2,
        ">cp": 3,
        ">relay": 4,
        ">errors": 5,
        ">pp": 8,
        ">lock": 10,
        ">config": 11,
    },
    "tida": {
        "keep": 2,
        "lock": 3,
        "pwm": 4,
        "power": 5,
        "reset": 6,
        ">keep": 1,
        ">reset": 2,
        ">cp": 3,
        ">relay": 4,
        ">errors": 5,
        ">pp": 7,
        ">lock": 8,
    },
}
NUMBERS["adi"] = NUMBERS["yeti"]


def crc(octets: bytes) -> int:
    value = 0xFFFFFFFF
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value


def stuff(octets: bytes) -> bytes:
    """COBS, octet by octet."""
    out, block = b"", b""
    for octet in octets + b"\0":
        if octet == 0:
            out, block = out + bytes([len(block) + 1]) + block, b""
        else:
            block += bytes([octet])
            if len(block) == 254:
                out, block = out + b"\xff" + block, b""
    return out


def unstuff(octets: bytes) -> bytes | None:
    out = b""
    while octets:
        count = octets[0]
        if count == 0 or len(octets) < count:
            return None
        out += octets[1:count]
        octets = octets[count:]
        if count != 255 and octets:
            out += b"\0"
    return out


def wire(message: bytes) -> bytes:
    return stuff(message + crc(message).to_bytes(4, "little")) + b"\0"


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)


def put(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def take(octets: bytes) -> dict[int, Any]:
    found: dict[int, Any] = {}

    def read() -> int:
        nonlocal octets
        value, shift = 0, 0
        while True:
            octet, octets = octets[0], octets[1:]
            value |= (octet & 127) << shift
            shift += 7
            if octet < 128:
                return value

    while octets:
        key = read()
        value: Any = read()
        if key & 7 == 2:
            value, octets = octets[:value], octets[value:]
        found[key >> 3] = value
    return found


class FakePionix:
    """Power by the pilot and the permission, as the published firmware of one of these boards does it. ``closed`` is the truth."""

    def __init__(self, dialect: str, *, watchdog_seconds: float | None = None) -> None:
        self.say: Callable[[bytes], None] = lambda octets: None
        self._loop = asyncio.get_running_loop()
        self.numbers = NUMBERS[dialect]
        self.dialect = dialect
        self.watchdog_seconds = watchdog_seconds
        self.car = "A"
        self.stopped = False
        self.welded = False
        self.stuck = False
        self.flags: set[int] = set()
        self.lock_stuck = False
        self.locked = False
        self.powered = True
        self.silent = False
        self.deaf = False
        self.meter = b""
        self.max_amperes = b""
        self.duty = 10000
        self.allowed = False
        self.relay = False
        self.told: dict[str, Any] = {}
        self.reported = "?"
        self.heard_at: float | None = None
        self.asked: list[tuple[float, bool, str]] = []
        self.resets = 0
        self.phases: list[int] = []
        self.configured: dict[int, Any] = {}
        self.rubbish = 0
        self._kept = 0.0
        self._moving: asyncio.TimerHandle | None = None
        self._buffer = b""
        self._boot_at: float | None = None
        self._loop.call_later(0.003, self._turn)

    # --- the world ---

    @property
    def closed(self) -> bool:
        return self.relay

    @property
    def pilot(self) -> str:
        return "F" if self.duty == 0 else self.car

    def plug(self, state: str) -> None:
        self.car = state

    def press(self, pressed: bool) -> None:
        """The emergency stop is in the coil's own circuit."""
        self.stopped = pressed
        self._work()

    def power(self, on: bool) -> None:
        self.powered = on
        self.boot()

    def boot(self) -> None:
        """A restart, whoever made it."""
        self.duty, self.allowed, self.told, self.heard_at = 10000, False, {}, None
        self._boot_at = self._loop.time() + 0.05
        self._work()

    def set(self, active: bool) -> None:
        """The reset line."""
        if active:
            self.resets += 1
            self.boot()

    def close(self) -> None:
        """The reset line is let go."""

    # --- its work ---

    def _work(self) -> None:
        # Power needs the oscillator, too; and what the pilot takes away comes back with it while the permission stands.
        wish = self.powered and self._boot_at is None and self.allowed and self.pilot in "CD" and 0 < self.duty < 10000
        wish = wish and not self.stopped and not self.stuck and not self.flags & {1, 2, 3, 6, 7}
        if wish is not self.relay and self._moving is None and (wish or not self.welded):
            self._moving = self._loop.call_later(RELAY_SECONDS, self._move, wish)

    def _move(self, closed: bool) -> None:
        self._moving = None
        self.relay = closed
        self._work()

    def _turn(self) -> None:
        self._loop.call_later(TURN_SECONDS, self._turn)
        now = self._loop.time()
        if not self.powered:
            return
        if self._boot_at is not None:
            if now < self._boot_at:
                return
            self._boot_at = None
            self._kept = 0.0
            self._tell(">reset", 1, force=True)
            if ">config" in self.numbers:
                self._tell(">config", b"", force=True)
        if self.watchdog_seconds is not None and self.heard_at is not None:
            late = now - self.heard_at > self.watchdog_seconds
            self.flags = self.flags | {7} if late else self.flags - {7}
            if late:
                self.allowed = False
        if self.pilot == "A" and self.duty:
            self.duty = 10000
        self._work()
        self._tell(">cp", STATES.index(self.pilot))
        relay = self.relay
        self._tell(">relay", put(1, 1) + (put(2, 1) if relay else b"") if self.dialect == "phyverso" else int(relay))
        self._tell(">errors", b"".join(put(flag, 1) for flag in sorted(self.flags)))
        if "lock" in self.told or self.locked:
            self._tell(">lock", 2 if self.locked else 1)
        if now - self._kept >= 1.0:
            self._kept = now
            self._tell(">keep", put(6, b"fake") + self.max_amperes, force=True)
            if self.meter:
                self._tell(">meter", self.meter, force=True)

    def _tell(self, name: str, value: int | bytes, *, force: bool = False) -> None:
        """What has changed."""
        if not force and self.told.get(name) == value:
            return
        self.told[name] = value
        if self.silent:
            return
        if name == ">cp":
            self.reported = self.pilot
        connector = put(6, 1) if self.dialect == "phyverso" and not force else b""
        self.say(wire(put(self.numbers[name], value) + connector))

    def report_plug(self, code: int) -> None:
        self._tell(">pp", code, force=True)

    def hear(self, octets: bytes) -> None:
        if not self.powered or self._boot_at is not None or self.deaf:
            return
        self._buffer += octets
        while b"\0" in self._buffer:
            coded, _, self._buffer = self._buffer.partition(b"\0")
            message = unstuff(coded)
            if message is None or len(message) < 5 or crc(message) != 0:
                self.rubbish += 1
                continue
            self._obey(take(message[:-4]))

    def _obey(self, fields: dict[int, Any]) -> None:
        numbers = self.numbers
        if "connector" in numbers and fields.get(7) != 1:
            return
        if numbers["keep"] in fields:
            self.heard_at = self._loop.time()
        if numbers["pwm"] in fields:
            self.duty = min(fields[numbers["pwm"]], 10000)
        if numbers["power"] in fields:
            value = fields[numbers["power"]]
            allowed = bool(take(value).get(2)) if isinstance(value, bytes) else bool(value)
            if allowed is not self.allowed:
                self.asked.append((self._loop.time(), allowed, self.reported))
            self.allowed = allowed
        if numbers["lock"] in fields and not self.lock_stuck:
            self.locked = bool(fields[numbers["lock"]])
            self._tell(">lock", 2 if self.locked else 1, force=True)
        if numbers.get("phases") in fields:
            self.phases.append(fields[numbers["phases"]])
        if numbers.get("config") in fields:
            self.configured = take(fields[numbers["config"]])
        if numbers["reset"] in fields:
            self.resets += 1
            self.boot()
        self._work()
