"""The ports of the simulated board, each a thin wish to its firmware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hal.errors import HalRejected, HalUnsupported
from hal.readings import (
    AcCapabilities,
    CableReading,
    ContactorReading,
    DcCapabilities,
    DcPhase,
    DcPresent,
    Fault,
    ImdReading,
    Indication,
    InputsReading,
    LockReading,
    MeterReading,
    PilotCapabilities,
    PilotReading,
    Token,
)
from hal.sim.world import Outlet

if TYPE_CHECKING:
    from hal.sim.board import SimBoard

SELF_TEST_SECONDS = 30.0
OFF_SECONDS = 2.0


class _Part:
    def __init__(self, board: SimBoard) -> None:
        self._board = board


class SimPilot(_Part):
    capabilities = PilotCapabilities(supports_e=True)

    @property
    def reading(self) -> PilotReading:
        return self._board.pilot_reading

    async def set_duty(self, duty: float) -> None:
        if not 0.03 <= duty <= 0.97:
            raise HalRejected(f"a duty of {duty:g} is outside 0.03 to 0.97")
        await self._board.command("duty", duty=duty)

    async def set_x1(self) -> None:
        await self._board.command("duty", duty=1.0)

    async def set_f(self) -> None:
        await self._board.command("duty", duty=0.0)

    async def set_e(self) -> None:
        await self._board.command("e")


class SimProximity(_Part):
    """A cable of the outlet's own rating, once it is plugged in."""

    def __init__(self, board: SimBoard, cable: CableReading) -> None:
        super().__init__(board)
        self._cable = cable

    @property
    def reading(self) -> CableReading:
        pilot = self._board.pilot_reading
        return CableReading(self._cable.amperes if pilot.state.connected else None, pilot.at)


class SimAcPower(_Part):
    def __init__(self, board: SimBoard, outlet: Outlet) -> None:
        super().__init__(board)
        self.capabilities = AcCapabilities(outlet.phases, outlet.volts, 6.0, outlet.max_amperes)

    @property
    def contactor(self) -> ContactorReading:
        return self._board.contactor_reading

    async def allow(self, on: bool, reason: str) -> None:
        await self._board.command("permit", on=on, reason=reason)

    async def set_overcurrent(self, amperes: float) -> None:
        if not amperes > 0.0:
            raise HalRejected(f"an over-current limit of {amperes:g} A")
        await self._board.command("overcurrent", amperes=amperes)

    async def set_phases(self, phases: int) -> None:
        if phases != self.capabilities.phases:
            raise HalUnsupported("this outlet does not switch phases")

    async def test_residual_current(self) -> bool:
        return (await self._board.command("residual_current"))["passed"] is True


class SimDcPower(_Part):
    def __init__(self, board: SimBoard, outlet: Outlet) -> None:
        super().__init__(board)
        self.capabilities: DcCapabilities = outlet.limits

    @property
    def contactor(self) -> ContactorReading:
        return self._board.contactor_reading

    @property
    def present(self) -> DcPresent:
        return self._board.present

    async def set_target(self, volts: float, amperes: float, phase: DcPhase) -> None:
        await self._board.command("target", volts=volts, amperes=amperes, phase=phase.value)

    async def off(self) -> None:
        await self._board.command("off", within=OFF_SECONDS)

    async def set_contactor(self, closed: bool) -> None:
        await self._board.command("permit", on=closed)


class SimImd(_Part):
    @property
    def reading(self) -> ImdReading | None:
        return self._board.imd_reading

    async def self_test(self) -> bool:
        return (await self._board.command("imd_test", within=SELF_TEST_SECONDS))["passed"] is True

    async def start(self) -> None:
        self._board.imd_reading = None
        await self._board.command("imd", on=True)

    async def stop(self) -> None:
        await self._board.command("imd", on=False)


class SimMeter(_Part):
    identity = "SIM-METER-1"

    @property
    def reading(self) -> MeterReading | None:
        return self._board.meter_reading

    async def read(self) -> MeterReading:
        return self._board.read_meter(await self._board.command("meter"))

    async def begin(self, transaction: str) -> bytes | None:
        await self.read()
        return None

    async def end(self, transaction: str) -> bytes | None:
        await self.read()
        return None


class SimLock(_Part):
    @property
    def reading(self) -> LockReading:
        return self._board.lock_reading

    async def lock(self) -> None:
        await self._board.command("lock")

    async def unlock(self) -> None:
        await self._board.command("unlock")


class SimTokenReader(_Part):
    @property
    def latest(self) -> Token | None:
        return self._board.latest_token


class SimIndicator:
    """Remembers what it was told to show."""

    def __init__(self) -> None:
        self.shown: tuple[Indication, str] = (Indication.UNAVAILABLE, "")

    async def show(self, indication: Indication, text: str = "") -> None:
        self.shown = (indication, text)


class SimInputs(_Part):
    @property
    def reading(self) -> InputsReading:
        return self._board.inputs_reading


class SimFaults(_Part):
    @property
    def active(self) -> tuple[Fault, ...]:
        return self._board.active_faults

    async def clear(self, code: str) -> None:
        await self._board.command("clear", code=code)
