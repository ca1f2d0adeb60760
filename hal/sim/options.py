"""What may stand behind ``sim:``, as values: ``sim:?connector=dc&car=plugged&speed=10``.

The text is parsed before anything runs; a wrong option names itself and what there is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from hal.errors import HalRejected
from hal.sim.car import Battery, Car
from hal.sim.clock import Clock, ScaledClock
from hal.sim.follower import Follower, Following
from hal.sim.world import DC_LIMITS, FAULTS, Outlet, World


@dataclass(frozen=True, slots=True)
class Options:
    """One simulated outlet and the car beside it.

    ``modem``: a power line with a modem at each end. ``control``: unix socket of the panel. ``process``: world and safety
    controller in a process of their own.
    ``follower``: for tests only; moves the pilot for a car that cannot.
    """

    connector: str = "dc"
    car: str = "none"
    speed: float = 1.0
    soc: float = 0.2
    capacity_watt_hours: float = 60_000.0
    battery_volts: float = 400.0
    phases: int = 3
    max_amperes: float | None = None
    max_volts: float = DC_LIMITS.max_volts
    max_watts: float = DC_LIMITS.max_watts
    lock: bool = False
    faults: tuple[str, ...] = ()
    control: str | None = None
    process: bool = False
    modem: bool = False
    follower: Following | None = None
    follower_delay: float = 0.1
    follower_unplug: float | None = None

    @property
    def outlet(self) -> Outlet:
        """The outlet that these options describe."""
        dc = self.connector == "dc"
        amperes = self.max_amperes if self.max_amperes is not None else (DC_LIMITS.max_amperes if dc else 32.0)
        limits = dataclasses.replace(
            DC_LIMITS,
            max_volts=self.max_volts,
            max_amperes=amperes if dc else DC_LIMITS.max_amperes,
            max_watts=self.max_watts,
        )
        return Outlet(dc=dc, phases=self.phases, max_amperes=amperes, limits=limits, lock=self.lock)

    def build(self, clock: Clock) -> World:
        """The world of these options on a clock, without its controller."""
        battery = Battery(
            capacity_watt_hours=self.capacity_watt_hours,
            soc=self.soc,
            empty_volts=self.battery_volts * 0.825,
            full_volts=self.battery_volts * 1.025,
            max_volts=self.battery_volts * 1.0625,
        )
        return World(ScaledClock(clock, self.speed), self.outlet, Car(battery=battery))

    def populate(self, world: World) -> Follower | None:
        """Once the controller watches: the car arrives, faults appear. Returns the follower, if one was asked for."""
        for fault in self.faults:
            world.inject(fault)
        if self.car == "plugged" or self.follower is not None:
            world.plug_in()
        if self.follower is None:
            return None
        return Follower(world, self.follower, self.follower_delay, self.follower_unplug)


def _among(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text

    return parse


def _within(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return value

    return parse


def _flag(text: str) -> bool:
    return _among("0", "1")(text) == "1"


def _faults(text: str) -> tuple[str, ...]:
    names = tuple(name for name in text.split(",") if name)
    for name in names:
        _among(*FAULTS)(name)
    return names


def _following(text: str) -> Following:
    return Following(_among(*Following)(text))


def _path(text: str) -> str:
    if not 0 < len(text.encode()) <= 100:
        raise ValueError("a path of 1 to 100 octets, as a unix socket has it")
    return text


_PARSERS: dict[str, Callable[[str], Any]] = {
    "connector": _among("dc", "ac"),
    "car": _among("none", "plugged"),
    "speed": _within(0.01, 10_000.0),
    "soc": _within(0.0, 1.0),
    "capacity_watt_hours": _within(1.0, 1e7),
    "battery_volts": _within(50.0, 1000.0),
    "phases": lambda text: int(_among("1", "3")(text)),
    "max_amperes": _within(1.0, 1000.0),
    "max_volts": _within(60.0, 1000.0),
    "max_watts": _within(100.0, 1e6),
    "lock": _flag,
    "faults": _faults,
    "control": _path,
    "process": _flag,
    "modem": _flag,
    "follower": _following,
    "follower_delay": _within(0.0, 60.0),
    "follower_unplug": _within(0.0, 600.0),
}


def parse(text: str) -> Options:
    """What stands behind ``sim:``. HalRejected names the option that is wrong, and what it may be."""
    query = text.removeprefix("?")
    values: dict[str, Any] = {}
    if not query:
        return Options()
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=50)
    except ValueError as error:
        raise HalRejected(f"sim: options have the form name=value&name=value, not {query!r}") from error
    for name, value in pairs:
        if name not in _PARSERS:
            raise HalRejected(f"sim: has no option {name!r}; there are {', '.join(_PARSERS)}")
        if name in values:
            raise HalRejected(f"sim: option {name} is given twice")
        try:
            values[name] = _PARSERS[name](value)
        except ValueError as error:
            raise HalRejected(f"sim: option {name} has to be {error}, not {value!r}") from error
    options = Options(**values)
    if options.modem and options.process:
        raise HalRejected("sim: modem=1 needs process=0: the power line ends in this process")
    return options
