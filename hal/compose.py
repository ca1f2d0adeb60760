"""A board whose parts have drivers of their own: the pilot of one, the meter of another, a supply on CAN.

``composed:board.toml`` names a file like this; ``board`` is the address of whatever has pilot and contactor, the rest are parts:

    board = "chargesom:/dev/ttyLP2"
    dc    = "infypower:can0?modules=0,1"
    imd   = "isocha:rtu:/dev/ttyS1"
    meter = "modbus:tcp:10.0.0.5?model=sdm630"
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from hal.address import rooted
from hal.dc.infypower import InfypowerSupply, supply
from hal.dc.isocha import IsoCha, insulation_monitor
from hal.drivers_kit import Part
from hal.errors import HalError, HalLost, HalRejected
from hal.events import (
    BoardEvent,
    BoardLost,
    ContactorChanged,
    EmergencyStopChanged,
    FaultCleared,
    FaultRaised,
    PilotChanged,
)
from hal.meters.meter import ModbusMeter, meter
from hal.meters.modbus import Lines
from hal.ports import (
    AcPower,
    Board,
    ControlPilot,
    DcPower,
    Imd,
    Indicator,
    Inputs,
    Lock,
    Meter,
    PlcModem,
    ProximityPilot,
    TokenReader,
)
from hal.readings import BoardCapabilities, ContactorReading, ContactorState, DcCapabilities, DcPhase, DcPresent, Fault
from hal.stream import Broadcast

log = logging.getLogger(__name__)

KEYS = ("board", "dc", "imd", "meter")
_KINDS = {"dc": "infypower", "imd": "isocha", "meter": "modbus"}


@dataclass(slots=True)
class Plan:
    """What a file asks for: the board's address, and the parts, made but not opened."""

    board: str
    supply: InfypowerSupply | None = None
    imd: IsoCha | None = None
    meter: ModbusMeter | None = None


def read_plan(path: str | Path) -> Plan:
    """Read ``board.toml``. HalRejected names what is wrong with it; nothing is opened."""
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise HalRejected(f"{path}: {error.strerror or error}") from None
    except ValueError as error:  # TOML and UTF-8 errors are ValueErrors
        raise HalRejected(f"{path}: {error}") from None
    for key, value in table.items():
        if key not in KEYS:
            raise HalRejected(f"{path}: unknown key {key!r}; there are: {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise HalRejected(f"{path}: {key} has to be an address in quotes")
    if "board" not in table:
        raise HalRejected(f"{path}: which board has the pilot? board = ...")
    if table["board"].startswith("composed:"):
        raise HalRejected(f"{path}: a composed board cannot be put together from another one")
    for key, kind in _KINDS.items():
        if key in table and not table[key].startswith(f"{kind}:"):
            raise HalRejected(f"{path}: {key} = {table[key]!r}; the kinds of this version are: {kind}:")
    lines = Lines()
    try:
        return Plan(
            rooted(table["board"], Path(path).parent),
            supply=supply(table["dc"]) if "dc" in table else None,
            imd=insulation_monitor(table["imd"], lines) if "imd" in table else None,
            meter=meter(table["meter"], lines) if "meter" in table else None,
        )
    except HalError as error:
        raise type(error)(f"{path}: {error}") from None


async def open_composed(path: str | Path, open_board: Callable[[str], Awaitable[Board]]) -> ComposedBoard:
    """Read the file, open its board with ``open_board``, then the parts. Errors as of all of these."""
    plan = read_plan(path)
    board = ComposedBoard(await open_board(plan.board), supply=plan.supply, imd=plan.imd, meter=plan.meter)
    try:
        await board.open()
    except BaseException:
        await board.close()
        raise
    return board


class ComposedDcPower:
    """A supply of one driver behind the contactor of another."""

    def __init__(self, part: InfypowerSupply, board: Board) -> None:
        self._supply = part
        self._board = board

    @property
    def capabilities(self) -> DcCapabilities:
        return self._supply.capabilities

    @property
    def contactor(self) -> ContactorReading:
        if self._board.dc is not None:
            return self._board.dc.contactor
        assert self._board.ac is not None
        return self._board.ac.contactor

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
        # A board made for AC takes a permission early, and closes when the pilot follows; a DC contactor closes now or not at all.
        if closed and not self._board.pilot.reading.state.ready:
            raise HalRejected(f"pilot state {self._board.pilot.reading.state}")
        await self._board.ac.allow(closed, "dc contactor")


class ComposedFaults:
    """The board's faults and the parts'."""

    def __init__(self, board: Board, parts: tuple[Part, ...]) -> None:
        self._board = board
        self._parts = parts
        self._active: dict[str, Fault] = {}

    def note(self, event: BoardEvent) -> None:
        match event:
            case FaultRaised(fault):
                self._active[fault.code] = fault
            case FaultCleared(fault):
                self._active.pop(fault.code, None)

    @property
    def active(self) -> tuple[Fault, ...]:
        return (*self._board.faults.active, *self._active.values())

    async def clear(self, code: str) -> None:
        for part in self._parts:
            part.clear(code)
        await self._board.faults.clear(code)


class ComposedBoard:
    """``board`` with the given parts in the place of its own. With a supply it is a DC outlet, whatever the board was made for.

    The board keeps pilot, inputs, contactor and heartbeat, and opens by itself as it always does. When it does, the supply is switched off
    here at once, without waiting for anybody's decision.
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
        self._imd = imd
        self._meter = meter
        given: tuple[Part | None, ...] = (supply, imd, meter)
        self._parts: tuple[Part, ...] = tuple(part for part in given if part is not None)
        self._dc = ComposedDcPower(supply, board) if supply is not None else None
        self._faults = ComposedFaults(board, self._parts)
        self._events: Broadcast[BoardEvent] = Broadcast()
        self._pump: asyncio.Task[None] | None = None
        self._closed = False

    # --- what is the board's ---

    @property
    def name(self) -> str:
        return self._board.name

    @property
    def capabilities(self) -> BoardCapabilities:
        return self._board.capabilities

    @property
    def healthy(self) -> bool:
        return self._pump is not None and self._board.healthy

    @property
    def pilot(self) -> ControlPilot:
        return self._board.pilot

    @property
    def inputs(self) -> Inputs:
        return self._board.inputs

    @property
    def indicator(self) -> Indicator:
        return self._board.indicator

    @property
    def proximity(self) -> ProximityPilot | None:
        return self._board.proximity

    @property
    def plc(self) -> PlcModem | None:
        return self._board.plc

    @property
    def lock(self) -> Lock | None:
        return self._board.lock

    @property
    def tokens(self) -> TokenReader | None:
        return self._board.tokens

    # --- what is put together ---

    @property
    def ac(self) -> AcPower | None:
        return None if self._dc is not None else self._board.ac

    @property
    def dc(self) -> DcPower | None:
        return self._dc if self._dc is not None else self._board.dc

    @property
    def imd(self) -> Imd | None:
        return self._imd if self._imd is not None else self._board.imd

    @property
    def meter(self) -> Meter | None:
        return self._meter if self._meter is not None else self._board.meter

    @property
    def faults(self) -> ComposedFaults:
        return self._faults

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
        results = await asyncio.gather(*(part.open(self._tell) for part in self._parts), return_exceptions=True)
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
        stream = self._events.stream()
        if self._closed:
            stream.close()
        return stream

    def _tell(self, event: BoardEvent) -> None:
        """A part says something."""
        self._faults.note(event)
        self._events.publish(event)

    async def _carry(self, stream: AsyncIterator[BoardEvent]) -> None:
        """What the board says goes on to our readers."""
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
        """Some events were missed: what they said stands in the levels."""
        board, supply = self._board, self._supply
        if supply is None or not supply.on or self._dc is None:
            return
        if (
            not board.healthy
            or not board.pilot.reading.state.ready
            or board.inputs.reading.emergency_stopped
            or self._dc.contactor.state in (ContactorState.OPEN, ContactorState.WELDED)
        ):
            supply.switch_off()

    def _unload(self, event: BoardEvent) -> None:
        """The board opens by itself, and has no hand on a supply that is another's."""
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
