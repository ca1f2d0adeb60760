"""The options of ``sim:`` as values: ``sim:?connector=dc&car=plugged&speed=10``.

The text is parsed before the world is made; the error of a wrong option names it and the allowed
values.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from frozen import dataclass
from hal.address import Power, Values, options
from hal.errors import HalRejected
from hal.sim.car import Battery, Car
from hal.sim.clock import Clock, ScaledClock
from hal.sim.follower import Follower, Following
from hal.sim.world import DC_LIMITS, FAULTS, Outlet, World


@dataclass(frozen=True, slots=True)
class Options:
    """One simulated outlet and the car beside it.

    ``modem``: a power line with a modem at each end. ``control``: unix socket of the panel.
    ``process``: world and safety controller in a separate process. ``follower``: for tests only;
    moves the pilot for a foreign car.
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

    devices: ClassVar[tuple[str, ...]] = ()

    @property
    def power(self) -> Power:
        return Power(0 if self.connector == "dc" else self.phases, self.connector == "dc")

    @property
    def unsafe(self) -> tuple[str, ...]:
        return ("follower",) if self.follower is not None else ()

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
        """Inject the faults and plug the car in, once the controller watches. Returns the follower,
        if configured.
        """
        for fault in self.faults:
            world.inject(fault)
        if self.car == "plugged" or self.follower is not None:
            world.plug_in()
        if self.follower is None:
            return None
        return Follower(world, self.follower, self.follower_delay, self.follower_unplug)


NAMES = tuple(field.name for field in dataclasses.fields(Options))


def parse(text: str) -> Options:
    """Parse the text after ``sim:``. Raises HalRejected, which names the wrong option and its
    allowed values.
    """
    given = Values("sim: ", options("sim: ", text.removeprefix("?")), NAMES, written=True)
    usual = Options()
    faults = tuple(name for name in given.text("faults", "").split(",") if name)
    if set(faults) - FAULTS.keys():
        raise given.wrong("faults", f"one of {', '.join(FAULTS)}, or several with commas between")
    control = given.text("control", "") or None
    if control is not None and len(control.encode()) > 100:
        raise given.wrong("control", "a path of 1 to 100 octets, as a unix socket has it")
    found = Options(
        connector=given.choice("connector", ("dc", "ac"), usual.connector),
        car=given.choice("car", ("none", "plugged"), usual.car),
        speed=given.number("speed", 0.01, 10_000.0, usual.speed),
        soc=given.number("soc", 0.0, 1.0, usual.soc),
        capacity_watt_hours=given.number("capacity_watt_hours", 1.0, 1e7, usual.capacity_watt_hours),
        battery_volts=given.number("battery_volts", 50.0, 1000.0, usual.battery_volts),
        phases=int(given.choice("phases", ("1", "3"), "3")),
        max_amperes=given.number("max_amperes", 1.0, 1000.0) if "max_amperes" in given else None,
        max_volts=given.number("max_volts", 60.0, 1000.0, usual.max_volts),
        max_watts=given.number("max_watts", 100.0, 1e6, usual.max_watts),
        lock=given.flag("lock"),
        faults=faults,
        control=control,
        process=given.flag("process"),
        modem=given.flag("modem"),
        follower=Following(given.choice("follower", Following, "follow")) if "follower" in given else None,
        follower_delay=given.number("follower_delay", 0.0, 60.0, usual.follower_delay),
        follower_unplug=given.number("follower_unplug", 0.0, 600.0) if "follower_unplug" in given else None,
    )
    if found.modem and found.process:
        raise HalRejected("sim: modem=1 needs process=0: the power line ends in this process")
    return found
