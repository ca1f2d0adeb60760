"""The car's actions at the outlet: plug, pilot, relays and load, in the simulated world behind a
socket, or none.
"""

from __future__ import annotations

from pathlib import Path

from hal.errors import HalRejected
from hal.linux.modem import LinuxModem, open_modem
from hal.ports import PlcModem
from hal.sim.panel import Hand
from hal.sim.powerline import RemoteModem
from secc.conversation import Effect

from .battery import Battery, Sensed
from .vocabulary import MoveRelays, SetLoad, SetPilot


class Hands:
    """Actions of a car at the outlet. All raise HalError if the world is gone.

    This class is for a car without a simulated world: its battery is a model, and it does not move
    a pilot.
    """

    async def plug_in(self) -> None:
        """Put the plug in."""

    async def unplug(self) -> None:
        """Pull the plug, unless a lock holds it."""

    async def perform(self, effect: Effect) -> None:
        """Perform SetPilot, MoveRelays and SetLoad; ignore other effects."""

    async def feel(self, battery: Battery) -> None:
        """Copy the world's battery to this one."""

    async def modem(self) -> PlcModem | None:
        """Returns the car's power line modem; None if cars are not matched."""
        return None

    async def duty(self) -> float | None:
        """Returns the duty on the pilot; 0.0 without a duty, None if this car has no pilot."""
        return None

    def close(self) -> None:
        """Disconnect from the world."""


class LineHands(Hands):
    """A car with a modem only, behind this interface."""

    def __init__(self, interface: str) -> None:
        self._interface = interface
        self._modem: LinuxModem | None = None

    async def modem(self) -> PlcModem | None:
        if self._modem is None:
            self._modem = await open_modem(self._interface)
        return self._modem


class SimHands(Hands):
    """A car in the world behind a panel's socket (:mod:`hal.sim.panel`)."""

    def __init__(self, path: Path, phases: int = 3) -> None:
        self._hand = Hand(path)
        self._line = Hand(path)
        """For the modem, so that its calls do not wait for the others."""
        self._phases = phases
        self._stored_before: float | None = None

    async def plug_in(self) -> None:
        await self._hand.act("plug_in")

    async def unplug(self) -> None:
        try:
            await self._hand.act("unplug")
        except HalRejected:
            return

    async def perform(self, effect: Effect) -> None:
        match effect:
            case SetPilot(state=state):
                await self._act("s2", closed=state == "C")
            case MoveRelays(closed=closed):
                await self._act("relay", closed=closed)
            case SetLoad(amperes=amperes):
                await self._hand.act("draw_ac", amperes=amperes, phases=self._phases)

    async def _act(self, verb: str, *, closed: bool) -> None:
        try:
            await self._hand.act(verb, closed=closed)
        except HalRejected:
            # The plug was pulled. The station sees that on the pilot; there is nothing to move.
            if (await self._hand.state())["plugged"]:
                raise

    async def feel(self, battery: Battery) -> None:
        truth = await self._hand.state()
        if self._stored_before is None:
            self._stored_before = truth["stored_watt_hours"]
        battery.sensed = Sensed(
            volts=truth["battery_volts"], stored_watt_hours=truth["stored_watt_hours"] - self._stored_before
        )
        battery.capacity_watt_hours = truth["capacity_watt_hours"]
        battery.state_of_charge = truth["soc"]
        battery.full_volts = truth["battery_max_volts"]
        battery.maximum_amperes = truth["battery_max_amperes"]

    async def modem(self) -> PlcModem | None:
        return await RemoteModem.open(self._line)

    async def duty(self) -> float | None:
        duty: float | None = (await self._hand.state())["duty"]
        return 0.0 if duty is None else duty

    def close(self) -> None:
        self._hand.close()
        self._line.close()
