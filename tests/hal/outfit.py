"""A DC outlet put together from strangers: pilot and contactor of a simulated board, a rack on CAN, a monitor and a meter on Modbus.

The rack feeds the simulated world's circuit and the monitor looks at its insulation, so that what happens is judged from the world.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from hal.compose import ComposedBoard
from hal.dc.can import CanSocket
from hal.dc.infypower import InfypowerSupply
from hal.dc.isocha import insulation_monitor
from hal.meters.meter import meter
from hal.meters.modbus import Lines
from hal.open import open_hal
from hal.ports import Board
from hal.readings import DcPhase
from hal.sim.board import SimBoard
from hal.sim.world import World
from tests.hal.infypower_fake import Rack
from tests.hal.isocha_fake import FakeIsoCha
from tests.hal.meter_maps import sdm630
from tests.hal.modbus_fake import TcpDevice, tcp_device


class Circuit:
    """The simulated world's supply in the hands of a rack."""

    def __init__(self) -> None:
        self.world: World | None = None

    def drive(self, on: bool, volts: float, amperes: float) -> None:
        if self.world is None:
            return
        if on:
            self.world.drive_supply(volts, amperes, DcPhase.CHARGE)
        else:
            self.world.stop_supply()

    def measure(self) -> tuple[float, float]:
        if self.world is None:
            return 0.0, 0.0
        _, amperes = self.world.present()
        return self.world.supply.volts, amperes

    def outside(self) -> float:
        return 0.0 if self.world is None else self.world.present()[0]


class WorldIsoCha(FakeIsoCha):
    """Measures the insulation of the simulated world."""

    world: World | None = None

    def _refresh(self, address: int) -> None:
        if self.world is not None:
            self.ohms = self.world.insulation_ohms()
        super()._refresh(address)


@dataclass
class Strangers:
    """The parts and what stands behind them."""

    circuit: Circuit
    rack: Rack
    monitor: WorldIsoCha
    monitor_line: TcpDevice
    meter_line: TcpDevice

    def compose(self, base: Board) -> ComposedBoard:
        """Not open yet."""
        lines = Lines()
        return ComposedBoard(
            base,
            supply=InfypowerSupply(lambda: CanSocket(self.rack.connect(), "fake"), (0, 1)),
            imd=insulation_monitor(f"isocha:tcp:127.0.0.1:{self.monitor_line.port}", lines),
            meter=meter(f"modbus:tcp:127.0.0.1:{self.meter_line.port}", lines),
        )


@asynccontextmanager
async def strangers() -> AsyncIterator[Strangers]:
    async with AsyncExitStack() as stack:
        circuit, monitor = Circuit(), WorldIsoCha()
        rack = Rack(0, 1, plant=circuit)
        try:
            yield Strangers(
                circuit,
                rack,
                monitor,
                await stack.enter_async_context(tcp_device(monitor)),
                await stack.enter_async_context(tcp_device(sdm630())),
            )
        finally:
            rack.cut()


@dataclass
class Outfit:
    """All of it, on a simulated board."""

    board: ComposedBoard
    base: SimBoard
    world: World
    rack: Rack
    monitor: WorldIsoCha
    monitor_line: TcpDevice
    meter_line: TcpDevice


@asynccontextmanager
async def outfit(base: str = "sim:?connector=dc") -> AsyncIterator[Outfit]:
    """Open and without a car. ``base`` may be an AC board as well: its contactor then carries the DC."""
    async with strangers() as parts:
        opened = await open_hal(base)
        assert isinstance(opened, SimBoard) and opened.world is not None
        world = parts.monitor.world = opened.world
        if world.outlet.dc:
            parts.circuit.world = world
        board = parts.compose(opened)
        await board.open()
        try:
            yield Outfit(board, opened, world, parts.rack, parts.monitor, parts.monitor_line, parts.meter_line)
        finally:
            await board.close()
