"""A board whose parts have separate drivers: the pilot of one, the meter of another, a supply on
CAN.

``composed:board.toml`` names a file like this; ``board`` is the address of the board with pilot and
contactor, the rest are parts:

    board = "chargesom:/dev/ttyLP2"
    dc    = "infypower:can0?modules=0,1"
    imd   = "isocha:rtu:/dev/ttyS1"
    meter = "modbus:tcp:10.0.0.5?model=sdm630"
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from hal.address import Power, Recognised, Values, load, rooted
from hal.dc.infypower import InfypowerSupply, supply
from hal.dc.isocha import IsoCha, insulation_monitor
from hal.drivers_kit import Part
from hal.errors import HalError, HalLost, HalRejected
from hal.events import BoardEvent, BoardLost, ContactorChanged, EmergencyStopChanged, FaultRaised, PilotChanged
from hal.meters.meter import ModbusMeter, meter
from hal.meters.modbus import Lines
from hal.ports import AcPower, Board, DcPower, Imd, Meter
from hal.readings import ContactorReading, ContactorState, DcCapabilities, DcPhase, DcPresent, Fault
from hal.stream import Broadcast

log = logging.getLogger(__name__)

KEYS = ("board", "dc", "imd", "meter")
_KINDS = {"dc": "infypower", "imd": "isocha", "meter": "modbus"}


@dataclass(slots=True)
class Plan:
    """Content of the file: the board's address, the board as recognised, and the parts, made but
    not opened.
    """

    board: str
    inner: Recognised
    supply: InfypowerSupply | None = None
    imd: IsoCha | None = None
    meter: ModbusMeter | None = None

    @property
    def power(self) -> Power:
        # The supply is connected to the board's contactor, so the board delivers no AC.
        return Power(0, True) if self.supply is not None else self.inner.power

    @property
    def devices(self) -> tuple[str, ...]:
        return self.inner.devices

    @property
    def unsafe(self) -> tuple[str, ...]:
        return self.inner.unsafe


def read_plan(path: str | Path, recognise: Callable[[str], Recognised]) -> Plan:
    """Read ``board.toml``, and have ``recognise`` check the board's own address. Opens no device.
    Raises HalRejected, which names the wrong key.
    """
    values = Values(f"{path}: ", load(path), KEYS)
    table = {key: values.text(key) for key in KEYS if key in values}
    if "board" not in table:
        raise HalRejected(f"{path}: board is missing: the address of the board with the pilot")
    if table["board"].startswith("composed:"):
        raise HalRejected(f"{path}: a composed board cannot contain another one")
    for key, kind in _KINDS.items():
        if key in table and not table[key].startswith(f"{kind}:"):
            raise HalRejected(f"{path}: {key} = {table[key]!r}; the kinds of this version are: {kind}:")
    board = rooted(table["board"], Path(path).parent)
    lines = Lines()
    try:
        parts = (
            supply(table["dc"]) if "dc" in table else None,
            insulation_monitor(table["imd"], lines) if "imd" in table else None,
            meter(table["meter"], lines) if "meter" in table else None,
        )
    except HalError as error:
        raise type(error)(f"{path}: {error}") from None
    return Plan(board, recognise(board), *parts)


async def open_composed(plan: Plan, open_board: Callable[[str], Awaitable[Board]]) -> ComposedBoard:
    """Open the plan's board with ``open_board``, then the parts. Raises what these raise."""
    board = ComposedBoard(await open_board(plan.board), supply=plan.supply, imd=plan.imd, meter=plan.meter)
    try:
        await board.open()
    except BaseException:
        await board.close()
        raise
    return board


class ComposedDcPower:
    """The supply of one driver behind the contactor of another."""

    def __init__(self, part: InfypowerSupply, board: Board) -> None:
        self._supply = part
        self._board = board

    @property
    def capabilities(self) -> DcCapabilities:
        return self._supply.capabilities

    @property
    def contactor(self) -> ContactorReading:
        port = self._board.dc or self._board.ac
        assert port is not None
        return port.contactor

    @property
    def present(self) -> DcPresent:
        return self._supply.present

    async def set_target(self, volts: float, amperes: float, phase: DcPhase) -> None:
        if self._board.inputs.reading.emergency_stopped:
            raise HalRejected("the emergency stop is pressed")
        if not self._board.healthy:
            raise HalLost("the board with the contactor does not answer")
        await self._supply.set_target(volts, amperes, phase)

    async def off(self) -> None:
        await self._supply.off()

    async def set_contactor(self, closed: bool) -> None:
        if self._board.dc is not None:
            await self._board.dc.set_contactor(closed)
            return
        assert self._board.ac is not None
        # An AC board accepts a permission early and closes once the pilot is ready; a DC contactor
        # closes now or not at all.
        if closed and not self._board.pilot.reading.state.ready:
            raise HalRejected(f"pilot state {self._board.pilot.reading.state}")
        await self._board.ac.allow(closed, "dc contactor")


class ComposedFaults:
    """The board's faults and the parts'."""

    def __init__(self, board: Board, parts: tuple[Part, ...]) -> None:
        self._all = (board.faults, *(part.faults for part in parts))

    @property
    def active(self) -> tuple[Fault, ...]:
        return tuple(fault for each in self._all for fault in each.active)

    async def clear(self, code: str) -> None:
        for each in reversed(self._all):
            await each.clear(code)


class ComposedBoard:
    """``board`` with the given parts in place of its own. With a supply it is a DC outlet, also if
    the board was made for AC.

    The board keeps pilot, inputs, contactor and heartbeat, and opens by itself. When it does, this
    class switches the supply off at once, without waiting for the guard.
    """

    def __init__(
        self,
        board: Board,
        *,
        supply: InfypowerSupply | None = None,
        imd: IsoCha | None = None,
        meter: ModbusMeter | None = None,
    ) -> None:
        if supply is not None and board.ac is None and board.dc is None:
            raise HalRejected(f"board {board.name} has no contactor for a supply")
        self._board = board
        self._supply = supply
        given: tuple[Part | None, ...] = (supply, imd, meter)
        self._parts: tuple[Part, ...] = tuple(part for part in given if part is not None)
        self._events: Broadcast[BoardEvent] = Broadcast()
        self._pump: asyncio.Task[None] | None = None
        self._closed = False
        # Taken over from the board
        self.name, self.capabilities = board.name, board.capabilities
        self.pilot, self.inputs, self.indicator = board.pilot, board.inputs, board.indicator
        self.proximity, self.plc, self.lock, self.tokens = board.proximity, board.plc, board.lock, board.tokens
        # Combined
        self.faults = ComposedFaults(board, self._parts)
        self.ac: AcPower | None = board.ac if supply is None else None
        self.dc: DcPower | None = board.dc if supply is None else ComposedDcPower(supply, board)
        self.imd: Imd | None = imd or board.imd
        self.meter: Meter | None = meter or board.meter

    @property
    def healthy(self) -> bool:
        return self._pump is not None and self._board.healthy

    async def open(self) -> None:
        """Open the board if it is not open yet, then the parts, all at the same time."""
        if self._closed:
            raise HalLost("this board has been closed")
        if self._pump is not None:
            return
        stream = self._board.events()
        if not self._board.healthy:
            await self._board.open()
        self._pump = asyncio.get_running_loop().create_task(self._carry(stream), name=f"{self.name} composed")
        results = await asyncio.gather(
            *(part.open(self._events.publish) for part in self._parts), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def close(self) -> None:
        """Supply off, then the board's safe state, then the rest."""
        if self._closed:
            return
        self._closed = True
        if self._supply is not None and self._pump is not None:
            with contextlib.suppress(HalError):
                await self._supply.off()
        await self._board.close()
        for part in self._parts:
            await part.close()
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
        self._events.close()

    def beat(self) -> None:
        if self._closed:
            raise HalLost("this board is closed")
        self._board.beat()
        if self._supply is not None:
            self._supply.beat()

    def events(self) -> AsyncIterator[BoardEvent]:
        return self._events.stream()

    async def _carry(self, stream: AsyncIterator[BoardEvent]) -> None:
        """Pass the board's events on to this board's readers."""
        while True:
            try:
                async for event in stream:
                    self._unload(event)
                    self._events.publish(event)
                return
            except HalLost:
                self._events.lose()
                stream = self._board.events()
                self._catch_up()

    def _catch_up(self) -> None:
        """Events were missed: check the levels instead."""
        board, supply = self._board, self._supply
        if supply is None or not supply.on or self.dc is None:
            return
        if (
            not board.healthy
            or not board.pilot.reading.state.ready
            or board.inputs.reading.emergency_stopped
            or self.dc.contactor.state in (ContactorState.OPEN, ContactorState.WELDED)
        ):
            supply.switch_off()

    def _unload(self, event: BoardEvent) -> None:
        """Switch the supply off when the board opens by itself: the board cannot switch a separate
        supply.
        """
        supply = self._supply
        if supply is None or not supply.on:
            return
        match event:
            case PilotChanged(reading) if not reading.state.ready:
                supply.switch_off()
            case ContactorChanged(reading) if reading.state is ContactorState.OPEN:
                supply.switch_off()
            case EmergencyStopChanged(stopped=True) | BoardLost():
                supply.switch_off()
            case FaultRaised(fault) if fault.code == "contactor_welded":
                supply.switch_off()
