"""The commands to a board's power port after the last target, until the car has gone: one is enough to switch off.

They are recorded at the simulated board's port itself, below guard and power path.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, Final

from hal.sim.panel import Hand
from tools.evcc.behaviour import Behaviour, Current

from .figures import Section
from .inside import charge, run, station
from .stations import BenchFailed, Ground, Outlet

LOOPS = 10
SETTLED_SECONDS = 5.0
"""Time for the station after the car has gone."""
CHARGING_AMPERES = 3.0
LOOKING_SECONDS = 0.01
PULLED_SECONDS = 0.5
"""From the begin of the current until the plug is pulled."""
WANTING: Final = frozenset({"set_target", "set_overcurrent", "allow(True)", "set_contactor(True)"})
"""Commands that ask for power. Those after the last one count."""
ENDS: Final = (
    ("DC, orderly stop", Current.DC, False),
    ("AC, orderly stop", Current.AC, False),
    ("DC, unplugged while charging", Current.DC, True),
)
GOAL: Final = {"DC, orderly stop": 2, "AC, orderly stop": 1, "DC, unplugged while charging": 3}


class Tap:
    """Records the commands to a port: names, with the first argument if it is True or False."""

    def __init__(self, port: object) -> None:
        self.commands: list[str] = []
        for name, command in inspect.getmembers(port, inspect.iscoroutinefunction):
            if not name.startswith("_"):
                setattr(port, name, self._noted(name, command))

    def _noted(self, name: str, command: Any) -> Any:
        async def noted(*arguments: Any, **named: Any) -> Any:
            first = arguments[0] if arguments else None
            self.commands.append(f"{name}({first})" if isinstance(first, bool) else name)
            return await command(*arguments, **named)

        return noted

    @property
    def last(self) -> tuple[str, ...]:
        """The commands after the last one that asked for power, oldest first. Raises BenchFailed if none did."""
        wanting = [place for place, name in enumerate(self.commands) if name in WANTING]
        if not wanting:
            raise BenchFailed("the port was not asked for power")
        return tuple(self.commands[wanting[-1] + 1 :])


def commands(ground: Ground, current: Current, *, unplugged: bool = False) -> tuple[str, ...]:
    """Run one session without payment. Returns the commands of its end. ``unplugged``: the plug is pulled in the
    charging loop.
    """
    configuration, (place,) = ground.configure(1, tls=False, connector=current.value)

    async def session() -> tuple[str, ...]:
        async with station(configuration) as host:
            board = host.outlets[0].hardware.board
            assert board is not None
            tap = Tap(board.dc if current is Current.DC else board.ac)
            pulling = asyncio.create_task(_pull(place)) if unplugged else None
            behaviour = Behaviour(current=current, loops=None if unplugged else LOOPS)
            await charge(ground, place, behaviour, well=not unplugged)
            if pulling is not None:
                await pulling
            await asyncio.sleep(SETTLED_SECONDS)
            return tap.last

    return run(session())


async def _pull(place: Outlet) -> None:
    """Pull the plug in the charging loop, by force if a lock holds it."""
    hand = Hand(place.panel)
    try:
        while (await hand.state())["amperes"] < CHARGING_AMPERES:  # noqa: ASYNC110  # the world has no event for it
            await asyncio.sleep(LOOKING_SECONDS)
        await asyncio.sleep(PULLED_SECONDS)
        await hand.act("unplug", force=True)
    finally:
        hand.close()


def measure(ground: Ground, *, quick: bool) -> Section:
    """Returns the table of commands; the same with ``quick``."""
    section = Section("ports", "Commands that a power port gets from the last target on")
    for what, current, unplugged in ENDS:
        found = commands(ground, current, unplugged=unplugged)
        section.facts[what] = found
        goal = GOAL[what]
        section.add(what, f"{len(found)}: {', '.join(found)}", goal=f"at most {goal}", met=len(found) <= goal)
    return section
